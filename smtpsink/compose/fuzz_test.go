package compose

import (
	"net/mail"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/memory"
)

// FuzzCompose makes a message of whatever strings: it is refused with an error, or
// two independent readers see in it what went in, and nothing else.
func FuzzCompose(f *testing.F) {
	f.Fuzz(func(t *testing.T, name, address, subject, text, file, field, value string, data []byte, bits byte) {
		if bits&4 != 0 {
			address = bob.Address // so that what else there is has its turn
		}
		m := &Message{
			From: []mail.Address{ann}, To: []mail.Address{{Name: name, Address: address}, bob}, Subject: subject, Text: text, MessageID: "1@example.org",
			Date: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Bcc: []mail.Address{{Address: "hidden@secret.example"}},
			Attachments: []Attachment{{Name: file, Data: data}}, Flowed: bits&1 != 0,
		}
		if field != "" {
			m.Header = []Field{{field, value}}
		}
		if bits&2 != 0 {
			m.HTML = text
			m.Inline = []Attachment{{Name: file, ContentID: "c", Data: data}}
		}
		p, err := m.Prepare(t.Context())
		if err != nil {
			var fault *FieldError
			require.ErrorAs(t, err, &fault)
			require.NotEmpty(t, fault.Field)
			assert.False(t, strings.ContainsAny(err.Error(), "\r\n\x00\x1b"), "%q", err.Error())
			return
		}
		defer p.Close()
		raw := sent(t, p)
		require.Equal(t, raw, sent(t, p))
		require.NotContains(t, strings.ToLower(strings.Split(raw, "\r\n\r\n")[0]), "secret.example")
		want := []string{"From", "To", "Date", "Message-ID", "MIME-Version", "Content-Type"}
		if strings.TrimSpace(subject) != "" {
			want = append(want, "Subject")
		}
		if field != "" {
			want = append(want, field)
		}
		if strings.Contains(raw[:strings.Index(raw, "\r\n\r\n")], "\r\nContent-Transfer-Encoding: 8bit") {
			want = append(want, "Content-Transfer-Encoding")
		}
		require.ElementsMatch(t, want, names(t, raw))

		checked, err := checkAddress("", mail.Address{Name: name, Address: address})
		require.NoError(t, err)
		require.Equal(t, checked.spec, p.Envelope().To[0])
		library := asLibrary(t, raw)
		require.Equal(t, strings.TrimSpace(subject), library.Subject)
		ours, _ := readOurs(t, raw)
		require.Len(t, ours.Parts, len(library.Parts))
		require.Len(t, ours.To, len(library.To))
		for _, v := range []view{library, ours} {
			for _, to := range v.To { // the name, a space, the address, which has none
				back, err := checkAddress("", mail.Address{Address: to[strings.LastIndexByte(to, ' ')+1:]})
				require.NoError(t, err, to)
				require.Contains(t, p.Envelope().To, back.spec)
			}
		}
		if bits&1 == 0 && text != "" {
			require.Equal(t, showPart("text/plain", "", "", "", []byte(canonical(text))), library.Parts[0])
			require.Equal(t, library.Parts[0], ours.Parts[0])
		}
	})
}

// FuzzAnswer answers and forwards whatever somebody has sent: what comes of it can
// be sent, and shows nobody a control character.
func FuzzAnswer(f *testing.F) {
	f.Fuzz(func(t *testing.T, raw []byte) {
		store := memory.NewStore()
		require.NoError(t, store.Deliver(mailbox.Inbox, raw, nil))
		mb := memory.New(&memory.Options{Store: store})
		defer mb.Close()
		var id mailbox.ID
		for s, err := range mb.List(t.Context(), mailbox.Inbox, nil) {
			require.NoError(t, err)
			id = s.ID
		}
		var made []*Message
		for _, opts := range []*ReplyOptions{nil, {All: true, HTML: true, Self: []mail.Address{ann}}, {List: true, NoQuote: true}} {
			m, err := Reply(t.Context(), mb, id, opts)
			if err != nil {
				require.ErrorIs(t, err, mailbox.ErrNotFound)
				continue
			}
			require.NotEmpty(t, m.To)
			made = append(made, m)
		}
		for _, opts := range []*ForwardOptions{nil, {Attach: true}} {
			m, err := Forward(t.Context(), mb, id, opts)
			if err != nil {
				require.ErrorIs(t, err, mailbox.ErrTooLarge)
				continue
			}
			m.To = []mail.Address{bob}
			made = append(made, m)
		}
		for _, m := range made {
			m.From = []mail.Address{ann}
			p, err := m.Prepare(t.Context())
			require.NoError(t, err)
			sent(t, p)
			require.NoError(t, p.Close())
			require.False(t, strings.ContainsFunc(m.Text+m.HTML, func(r rune) bool { return r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 }), "%q", m.Text+m.HTML)
			require.LessOrEqual(t, len(m.References), maxReferences)
		}
	})
}
