package sent

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/memory"
	"github.com/postroom-go/postroom/smtpsink"
)

// TestProviderFiles (S13): the provider files the copy after a while.
func TestProviderFiles(t *testing.T) {
	for name, c := range map[string]struct {
		smtp, imap string
		opts       Options
		want       State
		copies     int
	}{
		"Gmail":                  {"smtp://ann@smtp.gmail.com", "imap://ann@imap.gmail.com", Options{}, Found, 1},
		"Gmail by its old name":  {"smtp://ann@smtp.googlemail.com", "imap://ann@imap.gmail.com", Options{}, Found, 1},
		"Microsoft 365":          {"smtp://ann@smtp.office365.com", "imap://ann@outlook.office365.com", Options{}, Found, 1},
		"iCloud, if it does":     {"smtp://ann@smtp.mail.me.com", "imap://ann@imap.mail.me.com", Options{}, Found, 1},
		"the option":             {"", "imap://ann@imap.gmail.com", Options{Server: "SMTP.gmail.com:465"}, Found, 1},
		"the option, an account": {"", "imap://ann@imap.gmail.com", Options{Server: "smtp://ann%40gmail.com@smtp.gmail.com"}, Found, 1},
		"the mailbox alone":      {"", "imap://ann@imap.gmail.com", Options{}, Found, 1},
		"the sender alone":       {"smtp://ann@smtp.gmail.com", "", Options{}, Found, 1},
		"a bridge":               {"smtp://ann@127.0.0.1", "imap://ann@127.0.0.1", Options{Policy: ByServer}, Found, 1},

		"the same with a domain": {"smtp://Ann%40gmail.com@smtp.gmail.com", "imap://ann@imap.gmail.com", Options{}, Found, 1},

		"control: another account":   {"smtp://bob%40gmail.com@smtp.gmail.com", "imap://ann%40gmail.com@imap.gmail.com", Options{Looks: 1}, Filed, 2},
		"an alias of the account":    {"smtp://alias%40gmail.com@smtp.gmail.com", "imap://ann%40gmail.com@imap.gmail.com", Options{}, Found, 1},
		"control: Always":            {"smtp://ann@smtp.gmail.com", "imap://ann@imap.gmail.com", Options{Policy: Always}, Filed, 2},
		"control: somebody else's":   {"smtp://ann@smtp.example.org", "imap://ann@imap.example.org", Options{}, Filed, 2},
		"control: sent by another":   {"smtp://ann@email-smtp.eu-west-1.amazonaws.com", "imap://ann@imap.gmail.com", Options{}, Filed, 2},
		"control: kept by another":   {"smtp://ann@smtp.gmail.com", "imap://ann@imap.example.org", Options{}, Filed, 2},
		"control: kept on this disk": {"smtp://ann@smtp.gmail.com", "maildir:///mail", Options{}, Filed, 2},
		"control: no bridge":         {"smtp://ann@127.0.0.1", "imap://ann@127.0.0.1", Options{}, Filed, 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, b := taker(), newBox(t, c.imap)
				p.account = c.smtp
				p.then = func() { deliverLater(t, b, 1500*time.Millisecond, emlWithoutBcc) }
				r, err := Send(t.Context(), p, b, message(t, eml), &c.opts)
				require.NoError(t, err)
				<-time.After(time.Minute)
				assert.Equal(t, c.want, r.Copy.State)
				assert.False(t, r.Copy.ID.IsZero())
				assert.Len(t, copies(t, b, "Gesendet"), c.copies)
			})
		})
	}
}

// deliverLater has the provider file a copy.
func deliverLater(t *testing.T, b *box, after time.Duration, text string) {
	go func() {
		<-time.After(after)
		assert.NoError(t, b.Store().Deliver("Gesendet", []byte(text), nil))
	}()
}

// TestProviderDoesNot: the provider's copy does not appear.
func TestProviderDoesNot(t *testing.T) {
	for name, c := range map[string]struct {
		imap   string
		opts   Options
		want   State
		waits  time.Duration
		copies int
	}{
		"Gmail":     {"imap://ann@imap.gmail.com", Options{}, Expected, 3 * time.Second, 0},
		"more":      {"imap://ann@imap.gmail.com", Options{Looks: 4, Wait: 2 * time.Second}, Expected, 14 * time.Second, 0},
		"one look":  {"imap://ann@imap.gmail.com", Options{Looks: 1}, Expected, 0, 0},
		"by server": {"imap://ann@127.0.0.1", Options{Policy: ByServer}, Expected, 3 * time.Second, 0},
		"iCloud":    {"imap://ann@imap.mail.me.com", Options{}, Filed, 3 * time.Second, 1},
		"Always":    {"imap://ann@imap.gmail.com", Options{Policy: Always}, Filed, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, start := newBox(t, c.imap), time.Now()
				copied, err := File(t.Context(), b, message(t, eml), &c.opts)
				require.NoError(t, err)
				assert.Equal(t, c.want, copied.State)
				assert.Equal(t, "Gesendet", copied.Folder)
				assert.NoError(t, copied.Err)
				assert.Equal(t, c.waits, time.Since(start), "of the bubble's clock")
				assert.Len(t, copies(t, b, "Gesendet"), c.copies)
			})
		})
	}
}

// TestProviderHides: a provider whose Sent folder cannot be seen is believed.
func TestProviderHides(t *testing.T) {
	b := &box{Mailbox: memory.New(nil), account: "imap://ann@imap.gmail.com"}
	c, err := File(t.Context(), b, message(t, eml), nil)
	require.NoError(t, err)
	assert.Equal(t, Expected, c.State)
	require.ErrorIs(t, c.Err, mailbox.ErrNotFound)
	assert.Nil(t, folderNamed(t, b, "Sent"), "no folder is made")
}

// TestUnknownIsProved: nobody knows whether the message was sent, until the
// provider's copy of it is there. It is not filed by us.
func TestUnknownIsProved(t *testing.T) {
	for name, c := range map[string]struct {
		imap  string
		there bool
		want  State
	}{
		"there":             {"imap://ann@imap.gmail.com", true, Found},
		"not there":         {"imap://ann@imap.gmail.com", false, NotFiled},
		"nobody's business": {"imap://ann@imap.example.org", true, NotFiled},
		"perhaps":           {"imap://ann@imap.mail.me.com", true, NotFiled},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, b := &post{outcome: smtpsink.Unknown, err: mailbox.ErrUnknownOutcome}, newBox(t, c.imap)
				if c.there {
					p.then = func() { deliverLater(t, b, time.Second/2, emlWithoutBcc) }
				}
				r, err := Send(t.Context(), p, b, message(t, eml), nil)
				<-time.After(time.Second)
				require.ErrorIs(t, err, mailbox.ErrUnknownOutcome)
				assert.Equal(t, smtpsink.Unknown, r.Receipt.Outcome)
				assert.Equal(t, c.want, r.Copy.State)
				assert.Zero(t, b.appends)
			})
		})
	}
}

// TestRewritten: servers that write a Message-ID of their own, by what they answer.
func TestRewritten(t *testing.T) {
	const own, outlook = "one@example.org", "AM0PR01MB0001.eurprd01.prod.outlook.com"
	const ses = "0102018e5a1b2c3d-01234567-89ab-cdef-0123-456789abcdef-000000"
	for name, c := range map[string]struct{ server, text, want string }{
		"Outlook":       {"smtp.office365.com", "OK <AB12@" + outlook + "> [Hostname=" + outlook + "]", "AB12@" + outlook},
		"Outlook kept":  {"smtp.office365.com", "OK [Hostname=" + outlook + "]", own},
		"SES":           {"email-smtp.eu-west-1.amazonaws.com:465", "Ok " + ses, ses + "@eu-west-1.amazonses.com"},
		"SES's first":   {"email-smtp.us-east-1.amazonaws.com", "Ok " + ses, ses + "@email.amazonses.com"},
		"not Outlook":   {"smtp.example.org", "OK <AB12@" + outlook + ">", own},
		"nor this":      {"smtp.outlook.com.example.org", "OK <AB12@" + outlook + ">", own},
		"its other one": {"smtp-mail.outlook.com:587", "OK <AB12@" + outlook + ">", "AB12@" + outlook},
		"not SES":       {"smtp.example.org", "Ok " + ses, own},
		"SES, odd":      {"email-smtp.eu-west-1.amazonaws.com", "Ok 0102 and more", own},
		"Postfix":       {"smtp.example.org", "Ok: queued as 1A2B", own},
		"another's ID":  {"smtp.example.org", "OK <eve@example.net>", own},
		"two addresses": {"smtp.office365.com", "OK <a b@" + outlook + ">", own},
	} {
		t.Run(name, func(t *testing.T) {
			p := taker()
			p.reply = &smtpsink.Reply{Command: "message", Code: 250, Text: c.text}
			r, err := Send(t.Context(), p, newBox(t, ""), message(t, eml), &Options{Server: c.server, Looks: 1})
			require.NoError(t, err)
			assert.Equal(t, c.want, r.Copy.MessageID)
		})
	}
	assert.Empty(t, rewritten(&smtpsink.Receipt{Reply: &smtpsink.Reply{Code: 550, Text: "OK <AB12@" + outlook + ">"}}, ""))

	// The provider's copy has the Message-ID that the provider wrote.
	b := newBox(t, "imap://ann@outlook.office365.com")
	require.NoError(t, b.Store().Deliver("Gesendet", []byte("Message-ID: <AB12@"+outlook+">\r\n\r\nAt noon?\r\n"), nil))
	receipt := &smtpsink.Receipt{Outcome: smtpsink.Accepted, Reply: &smtpsink.Reply{Code: 250, Text: "OK <AB12@" + outlook + "> [Hostname=x]"}}
	c, err := File(t.Context(), b, message(t, eml), &Options{Receipt: receipt})
	require.NoError(t, err)
	assert.Equal(t, Found, c.State)
	c, err = File(t.Context(), b, message(t, eml), &Options{Looks: 1})
	require.NoError(t, err)
	assert.Equal(t, Expected, c.State, "the control: without the receipt it is not recognised")
}

// TestProviders checks the table.
func TestProviders(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range providers {
		assert.NotEmpty(t, p.name)
		for _, hosts := range [][]string{p.smtp, p.imap} {
			assert.NotEmpty(t, hosts)
			for _, host := range hosts {
				assert.Equal(t, hostname(host), host)
			}
		}
		for _, host := range p.smtp {
			assert.False(t, seen[host], host)
			seen[host] = true
		}
	}
}
