package mailboxtest

import (
	"fmt"
	"net/mail"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/postroom-go/postroom/mailbox"
)

func fieldCases() []testCase {
	return []testCase{
		{"fields/truth", "Summary.Fields says what was asked for and told; all else is zero.", nil, fieldsTruth},
		{"fields/told", "What the account can tell is told when it is asked for.", nil, fieldsTold},
		{"fields/untold", "What the account cannot tell without moving bodies stays empty.", nil, fieldsUntold},
		{"fields/size", "Size is the number of octets of the message.", nil, fieldsSize},
		{"fields/received", "Received is when the server got the message.", []string{"received"}, fieldsReceived},
		{"fields/flags", "A new message has flags of its own only: it is not seen.", []string{"flags"}, fieldsFlags},
		{"fields/envelope", "The envelope is decoded: RFC 2047 words, groups, message IDs without brackets.", []string{"envelopes"}, fieldsEnvelope},
		{"fields/8-bit-header", "Text that is not encoded survives, as UTF-8 (RFC 6532).", []string{"envelopes"}, fieldsEightBit},
		{"fields/structure", "The structure has the parts, their numbers, types and file names.", []string{"structure"}, fieldsStructure},
		{"fields/get", "Get is List of one message.", nil, fieldsGet},
	}
}

// fieldProblems says where a summary is not true to its Fields.
func fieldProblems(s *mailbox.Summary, asked mailbox.Fields) []string {
	var all []string
	if extra := s.Fields &^ asked.Resolve(); extra != 0 {
		all = append(all, fmt.Sprintf("Fields has %b, which was not asked for", extra))
	}
	for _, f := range []struct {
		field mailbox.Fields
		name  string
		zero  bool
	}{
		{mailbox.FieldFlags, "Flags", len(s.Flags) == 0},
		{mailbox.FieldSize, "Size", s.Size == 0},
		{mailbox.FieldReceived, "Received", s.Received.IsZero()},
		{mailbox.FieldEnvelope, "Envelope", s.Envelope == nil},
		{mailbox.FieldStructure, "Structure", s.Structure == nil},
	} {
		if !s.Fields.Has(f.field) && !f.zero {
			all = append(all, f.name+" is filled, and Fields does not say so")
		}
		if s.Fields.Has(f.field) && f.zero && f.field != mailbox.FieldFlags && f.field != mailbox.FieldSize {
			all = append(all, f.name+" is empty, and Fields says that it was told")
		}
	}
	return all
}

// fieldSets are the sets to ask for: each field alone, and the usual ones.
func fieldSets() []mailbox.Fields {
	return []mailbox.Fields{mailbox.FieldsNone, 0, mailbox.DefaultFields, mailbox.AllFields, mailbox.FieldFlags, mailbox.FieldSize,
		mailbox.FieldReceived, mailbox.FieldEnvelope, mailbox.FieldStructure, mailbox.FieldFlags | mailbox.FieldsNone}
}

func fieldsTruth(t *tester) {
	multi, _ := multipartSeed()
	t.deliver(mailbox.Inbox, numbered(0), multi)
	for _, fields := range fieldSets() {
		for _, s := range t.list(mailbox.Inbox, &mailbox.ListOptions{Fields: fields}) {
			for _, problem := range fieldProblems(s, fields) {
				t.Errorf("asked for %b: %s", fields, problem)
			}
		}
	}
}

// told are the fields that an account with these capabilities tells.
func told(c mailbox.Caps) mailbox.Fields {
	fields := mailbox.FieldSize
	for field, can := range map[mailbox.Fields]bool{
		mailbox.FieldFlags: c.Flags, mailbox.FieldReceived: c.Received,
		mailbox.FieldEnvelope: c.Envelopes, mailbox.FieldStructure: c.Structure,
	} {
		if can {
			fields |= field
		}
	}
	return fields
}

func fieldsTold(t *tester) {
	t.fill(2)
	for _, fields := range fieldSets() {
		want := fields.Resolve() & told(t.caps)
		for _, s := range t.list(mailbox.Inbox, &mailbox.ListOptions{Fields: fields}) {
			if !s.Fields.Has(want) {
				t.Errorf("asked for %b, told %b, want %b", fields, s.Fields, want)
			}
		}
	}
}

func fieldsUntold(t *tester) {
	t.fill(2)
	for _, s := range t.list(mailbox.Inbox, &mailbox.ListOptions{Fields: mailbox.AllFields}) {
		if extra := s.Fields &^ told(t.caps); extra != 0 {
			t.Errorf("Fields has %b, which Caps says cannot be told", extra)
		}
	}
}

func fieldsSize(t *tester) {
	raws := [][]byte{numbered(0), t.large, crlf("Subject: x", "", ".", "..")}
	t.deliver(mailbox.Inbox, raws...)
	for i, s := range t.list(mailbox.Inbox, nil) {
		if s.Size != int64(len(raws[i])) {
			t.Errorf("the message has %d octets, and Size is %d", len(raws[i]), s.Size)
		}
	}
}

func fieldsReceived(t *tester) {
	id := t.fill(1)[0]
	s, err := mailbox.Get(t.ctx, t.box, id, mailbox.FieldReceived)
	t.must("Get", err)
	if d := time.Since(s.Received).Abs(); d > 48*time.Hour {
		t.Errorf("a message that was delivered just now has the date of receipt %v", s.Received)
	}
}

func fieldsFlags(t *tester) {
	for _, id := range t.fill(2) {
		t.wantFlags(id, nil, []mailbox.Flag{mailbox.FlagSeen, mailbox.FlagDeleted, mailbox.FlagFlagged, mailbox.FlagAnswered, mailbox.FlagDraft})
	}
}

func fieldsEnvelope(t *tester) {
	id := t.one(encodedSeed())
	s, err := mailbox.Get(t.ctx, t.box, id, mailbox.FieldEnvelope)
	t.must("Get", err)
	if s.Envelope == nil {
		t.Fatalf("there is no envelope")
	}
	got, date := *s.Envelope, time.Date(2026, 3, 2, 8, 30, 0, 0, time.UTC)
	if !got.Date.Equal(date) {
		t.Errorf("Date is %v, want %v", got.Date, date)
	}
	got.Date = time.Time{}
	from := []mail.Address{{Name: "Jürgen Groß", Address: "juergen@example.org"}}
	want := mailbox.Envelope{
		Subject: "Grüße aus Köln", From: from, Sender: from, ReplyTo: from,
		To:        []mail.Address{{Name: "Doe, Jane", Address: "jane@example.org"}, {Address: "bob@example.net"}},
		Cc:        []mail.Address{{Address: "carl@example.org"}, {Address: "dora@example.org"}},
		MessageID: "one@example.org", InReplyTo: []string{"zero@example.org"},
	}
	if g, w := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); g != w {
		t.Errorf("the envelope is\n%s, want\n%s", g, w)
	}
}

func fieldsEightBit(t *tester) {
	t.deliver(mailbox.Inbox, crlf("From: Jürgen <j@example.org>", "Subject: Grüße aus Köln", "", "x"),
		[]byte("From: ann@example.org\r\nSubject: Gr\xfc\xdfe\r\n\r\nx\r\n"))
	all := t.list(mailbox.Inbox, &mailbox.ListOptions{Fields: mailbox.FieldEnvelope})
	if len(all) != 2 || all[0].Envelope == nil || all[1].Envelope == nil {
		t.Fatalf("%d messages are listed, want 2 with envelopes", len(all))
	}
	if e := all[0].Envelope; e.Subject != "Grüße aus Köln" || len(e.From) != 1 || e.From[0].Name != "Jürgen" {
		t.Errorf("the header in UTF-8 reads %+v", e)
	}
	if s := all[1].Envelope.Subject; !utf8.ValidString(s) || len(s) < 3 || s[:2] != "Gr" {
		t.Errorf("the subject in an unknown charset reads %q, want valid UTF-8 that begins with Gr", s)
	}
}

func fieldsStructure(t *tester) {
	raw, parts := multipartSeed()
	s, err := mailbox.Get(t.ctx, t.box, t.one(raw), mailbox.FieldStructure)
	t.must("Get", err)
	t.wantParts(s.Structure, parts)
}

func fieldsGet(t *tester) {
	ids := t.fill(3)
	s, err := mailbox.Get(t.ctx, t.box, ids[1], 0)
	t.must("Get", err)
	if s.ID != ids[1] {
		t.Errorf("Get gives %v, want %v", s.ID, ids[1])
	}
	listed := t.list(mailbox.Inbox, nil)
	at := slices.IndexFunc(listed, func(l *mailbox.Summary) bool { return l.ID == ids[1] })
	if at < 0 {
		t.Fatalf("List does not have %v", ids[1])
	}
	l := listed[at]
	if l.Size != s.Size || l.Fields != s.Fields || (l.Envelope == nil) != (s.Envelope == nil) {
		t.Errorf("Get gives %+v, List %+v", s, l)
	}
	if s.Envelope != nil && s.Envelope.Subject != l.Envelope.Subject {
		t.Errorf("Get gives the subject %q, List %q", s.Envelope.Subject, l.Envelope.Subject)
	}
}
