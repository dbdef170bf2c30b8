package imapwire

import (
	"net/mail"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
)

// rfcEnvelope is the example of RFC 9051 section 8.
const rfcEnvelope = `("Wed, 17 Jul 1996 02:23:25 -0700 (PDT)" "IMAP4rev2 WG mtg summary and minutes" ` +
	`(("Terry Gray" NIL "gray" "cac.washington.edu")) (("Terry Gray" NIL "gray" "cac.washington.edu")) ` +
	`(("Terry Gray" NIL "gray" "cac.washington.edu")) ((NIL NIL "imap" "cac.washington.edu")) ` +
	`((NIL NIL "minutes" "CNRI.Reston.VA.US")("John Klensin" NIL "KLENSIN" "MIT.EDU")) NIL NIL ` +
	`"<B27397-0100000@cac.washington.ed>")`

func TestEnvelope(t *testing.T) {
	e, defects := Envelope(value(t, rfcEnvelope), nil)
	require.NotNil(t, e)
	assert.Empty(t, defects)
	terry := []mail.Address{{Name: "Terry Gray", Address: "gray@cac.washington.edu"}}
	want := &mailbox.Envelope{
		Date:    time.Date(1996, 7, 17, 2, 23, 25, 0, time.FixedZone("", -7*3600)),
		Subject: "IMAP4rev2 WG mtg summary and minutes",
		From:    terry, Sender: terry, ReplyTo: terry,
		To:        []mail.Address{{Address: "imap@cac.washington.edu"}},
		Cc:        []mail.Address{{Address: "minutes@CNRI.Reston.VA.US"}, {Name: "John Klensin", Address: "KLENSIN@MIT.EDU"}},
		MessageID: "B27397-0100000@cac.washington.ed",
	}
	assert.True(t, want.Date.Equal(e.Date))
	e.Date = want.Date
	assert.Equal(t, want, e)
}

// people makes an envelope with one field of addresses.
func people(from string) string {
	return `(NIL NIL ` + from + ` NIL NIL NIL NIL NIL NIL NIL)`
}

func TestEnvelopeAddresses(t *testing.T) {
	for _, tt := range []struct {
		name, from string
		want       []mail.Address
		defect     bool
	}{
		{"nil", `NIL`, nil, false},
		{"empty", `()`, nil, false},
		{"name and address", `(("A B" NIL "a" "x.example"))`, []mail.Address{{Name: "A B", Address: "a@x.example"}}, false},
		{"no space", `(("A" NIL "a" "x")("B" NIL "b" "x"))`, []mail.Address{{Name: "A", Address: "a@x"}, {Name: "B", Address: "b@x"}}, false},
		{"encoded word", `(("=?utf-8?q?J=C3=BCrgen?=" NIL "j" "x"))`, []mail.Address{{Name: "Jürgen", Address: "j@x"}}, false},
		{"encoded word in the address", `((NIL NIL "=?utf-8?q?a=40evil=3E?=" "x"))`, []mail.Address{{Address: "=?utf-8?q?a=40evil=3E?=@x"}}, false},
		{"8-bit name", "((\"J\xfcrgen\" NIL \"j\" \"x\"))", []mail.Address{{Name: "Jürgen", Address: "j@x"}}, false},
		{"control characters", "((\"A\x1b[31m\" NIL \"a\x07\" \"x\"))", []mail.Address{{Name: "A[31m", Address: "a@x"}}, false},
		{"route", `((NIL "@a,@b" "c" "x"))`, []mail.Address{{Address: "c@x"}}, false},
		{"group", `((NIL NIL "team" NIL)(NIL NIL "a" "x")(NIL NIL NIL NIL))`, []mail.Address{{Address: "a@x"}}, false},
		{"empty group", `((NIL NIL "undisclosed-recipients" NIL)(NIL NIL NIL NIL))`, nil, false},
		{"no domain", `((NIL NIL "alice" NIL))`, []mail.Address{{Name: "alice"}}, true},
		{"Dovecot's no domain", `((NIL NIL "alice" "MISSING_DOMAIN"))`, []mail.Address{{Name: "alice"}}, true},
		{"UW's no domain", `((NIL NIL "alice" ".MISSING-HOST-NAME."))`, []mail.Address{{Name: "alice"}}, true},
		{"no mailbox", `(("Alice" NIL NIL "x"))`, []mail.Address{{Name: "Alice"}}, true},
		{"too few fields", `(("Alice" NIL))`, nil, false},
		{"not a list", `"alice"`, nil, true},
		{"not a list inside", `("alice" (NIL NIL "a" "x"))`, []mail.Address{{Address: "a@x"}}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e, defects := Envelope(value(t, people(tt.from)), nil)
			require.NotNil(t, e)
			assert.Equal(t, tt.want, e.From)
			assert.Equal(t, e.From, e.Sender, "the default (RFC 9051 section 7.5.2)")
			assert.Equal(t, e.From, e.ReplyTo)
			assert.Equal(t, tt.defect, len(defects) > 0, "%v", defects)
		})
	}
}

func TestEnvelopeDates(t *testing.T) {
	for _, tt := range []struct {
		text string
		want string // RFC 3339
		ok   bool
	}{
		{"Wed, 17 Jul 1996 02:23:25 -0700", "1996-07-17T02:23:25-07:00", true},
		{"17 Jul 1996 02:23:25 +0530", "1996-07-17T02:23:25+05:30", true},
		{"Mon, 1 Jul 1996 02:23:25 +0000", "1996-07-01T02:23:25Z", true},
		{"Thu, 29 Feb 2024 23:59:60 +0000", "2024-02-29T23:59:59Z", true},
		{"Wed, 17 Jul 96 02:23 GMT", "1996-07-17T02:23:00Z", true},
		{"Thu, 29 Feb 2023 00:00:00 +0000", "", false},
		{"Thu, 00 Jan 0000 00:00:00 +0000", "", false},
		{"yesterday", "", false},
		{"Wed, 17 Jul 1996 25:23:25 -0700", "", false},
	} {
		e, defects := Envelope(value(t, `("`+tt.text+`" NIL NIL NIL NIL NIL NIL NIL NIL NIL)`), nil)
		assert.Equal(t, tt.ok, len(defects) == 0, "%s: %v", tt.text, defects)
		if tt.ok {
			assert.Equal(t, tt.want, e.Date.Format(time.RFC3339), tt.text)
		} else {
			assert.True(t, e.Date.IsZero(), tt.text)
		}
	}
}

func TestInternalDate(t *testing.T) {
	for text, want := range map[string]string{
		`"17-Jul-1996 02:44:25 -0700"`: "1996-07-17T02:44:25-07:00",
		`" 7-Jul-1996 02:44:25 +0000"`: "1996-07-07T02:44:25Z",
		`"31-Dec-1999 23:59:59 +1300"`: "1999-12-31T23:59:59+13:00",
		`"00-Jan-0000 00:00:00 +0000"`: "",
		`"30-Feb-2024 00:00:00 +0000"`: "",
		`NIL`:                          "",
		`()`:                           "",
		`"x"`:                          "",
	} {
		at, ok := value(t, text).Time()
		assert.Equal(t, want != "", ok, text)
		if ok {
			assert.Equal(t, want, at.Format(time.RFC3339))
		}
	}
}

func TestFlags(t *testing.T) {
	for text, want := range map[string][]mailbox.Flag{
		`()`:                                 nil,
		`NIL`:                                nil,
		`(\Seen \SEEN \answered $Label1)`:    {mailbox.FlagSeen, mailbox.FlagSeen, mailbox.FlagAnswered, "$Label1"},
		`(\Recent $forwarded junk "quoted")`: {`\Recent`, mailbox.FlagForwarded, "junk", "quoted"},
		"(a]b {2}\r\n\x01x $JUNK)":           {"a]b", mailbox.FlagJunk},
	} {
		got, ok := value(t, text).Flags()
		assert.True(t, ok)
		assert.Equal(t, want, got, text)
	}
	_, ok := value(t, `"x"`).Flags()
	assert.False(t, ok)
}
