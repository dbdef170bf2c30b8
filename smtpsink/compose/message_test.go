package compose

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net/mail"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
)

func TestMinimal(t *testing.T) {
	raw := sent(t, prepare(t, &Message{From: []mail.Address{ann}, To: []mail.Address{bob}}))
	assert.Regexp(t, `^From: Ann <ann@example.org>\r\nTo: Bob <bob@example.com>\r\nDate: \w{3}, \d\d \w{3} \d{4} [\d:]{8} [+-]\d{4}\r\n`+
		`Message-ID: <[0-9a-f]{32}@example.org>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n`+
		`Content-Transfer-Encoding: 7bit\r\n\r\n\r\n$`, raw)
}

// TestMessageID checks that no two messages have one, and that it holds no name of
// this host.
func TestMessageID(t *testing.T) {
	m := simple()
	m.MessageID = ""
	m.From[0].Address = "ann@bücher.example"
	a, b := prepare(t, m), prepare(t, m)
	assert.NotEqual(t, a.MessageID(), b.MessageID())
	assert.Regexp(t, `^[0-9a-f]{32}@xn--bcher-kva\.example$`, a.MessageID())
	assert.Contains(t, sent(t, a), "Message-ID: <"+a.MessageID()+">\r\n")
	m.MessageID = "mine@example.net"
	assert.Equal(t, "mine@example.net", prepare(t, m).MessageID())
}

// TestInvalid checks that what cannot be sent is an error that names the field.
func TestInvalid(t *testing.T) {
	for field, change := range map[string]func(*Message){
		"From":                       func(m *Message) { m.From = nil },
		"Sender":                     func(m *Message) { m.From = append(m.From, bob) },
		"To":                         func(m *Message) { m.To = nil },
		"Cc":                         func(m *Message) { m.Cc = []mail.Address{{Address: "x"}} },
		"Bcc":                        func(m *Message) { m.Bcc = []mail.Address{{Address: "x"}} },
		"ReplyTo":                    func(m *Message) { m.ReplyTo = []mail.Address{{Address: "x"}} },
		"Subject":                    func(m *Message) { m.Subject = "a\nb" },
		"Date":                       func(m *Message) { m.Date = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
		"MessageID":                  func(m *Message) { m.MessageID = "<a@b>" },
		"InReplyTo":                  func(m *Message) { m.InReplyTo = []string{"a b"} },
		"References":                 func(m *Message) { m.References = []string{""} },
		"Text":                       func(m *Message) { m.Text = "\xff" },
		"HTML":                       func(m *Message) { m.HTML = "\xff" },
		"Inline":                     func(m *Message) { m.Inline = []Attachment{{ContentID: "a"}} },
		"Inline[0].ContentID":        func(m *Message) { m.HTML, m.Inline = "x", []Attachment{{Name: "a"}} },
		"Inline[1].ContentID":        func(m *Message) { m.HTML, m.Inline = "x", []Attachment{{ContentID: "a"}, {ContentID: "a"}} },
		"Attachments[0].Type":        func(m *Message) { m.Attachments = []Attachment{{Type: "text"}} },
		"Attachments[1].Type":        func(m *Message) { m.Attachments = []Attachment{{}, {Type: "multipart/mixed; boundary=x"}} },
		"Attachments[0].Description": func(m *Message) { m.Attachments = []Attachment{{Description: "a\rb"}} },
		"Attachments[0].ContentID":   func(m *Message) { m.Attachments = []Attachment{{ContentID: "a>b"}} },
		"Attachments[0].Size":        func(m *Message) { m.Attachments = []Attachment{{Size: -1}} },
		"Attachments[0]":             func(m *Message) { m.Attachments = []Attachment{{Data: []byte{}, Reader: strings.NewReader("")}} },
		"Calendar.Method":            func(m *Message) { m.Calendar = &Calendar{Method: "a b", Content: "x"} },
		"Calendar.Content":           func(m *Message) { m.Calendar = &Calendar{Method: "REQUEST", Content: "METHOD:REPLY\n"} },
		"Unsubscribe":                func(m *Message) { m.Unsubscribe = &Unsubscribe{} },
		"Unsubscribe.Mail":           func(m *Message) { m.Unsubscribe = &Unsubscribe{Mail: "x"} },
		"Unsubscribe.URL":            func(m *Message) { m.Unsubscribe = &Unsubscribe{Mail: "x@example.org", OneClick: true} },
		"Header[0]":                  func(m *Message) { m.Header = []Field{{"bcc", "x@example.org"}} },
		"Header[1].Name":             func(m *Message) { m.Header = []Field{{"X-A", ""}, {"X A", ""}} },
		"X-A":                        func(m *Message) { m.Header = []Field{{"X-A", "a\x1bb"}} },
		"DKIM[0].Key":                func(m *Message) { m.DKIM = []DKIM{{Selector: "s"}} },
		"DKIM[0].Selector":           func(m *Message) { m.DKIM = []DKIM{{Selector: "s; d=evil.example"}} },
		"DKIM[0].Domain":             func(m *Message) { m.DKIM = []DKIM{{Selector: "s", Domain: "a b"}} },
		"Protect": func(m *Message) {
			m.Protect = func(w io.Writer, _ io.Reader) error { _, err := io.WriteString(w, "x"); return err }
		},
	} {
		m := simple()
		change(m)
		p, err := m.Prepare(t.Context())
		var fault *FieldError
		var outer *mailbox.Error
		if assert.ErrorAs(t, err, &fault, field) && assert.ErrorAs(t, err, &outer, field) {
			assert.Equal(t, field, fault.Field)
			assert.Equal(t, "compose", outer.Op)
		}
		assert.Nil(t, p, field)
	}
	for _, name := range []string{"From", "TO", "Content-Type", "content-x", "MIME-Version", "Resent-To", "Received", "DKIM-Signature", "Return-Path", "Message-Id",
		"List-Unsubscribe", "", "A:", "Ä", "A\r\n", strings.Repeat("A", 65)} {
		m := simple()
		m.Header = []Field{{name, "x"}}
		_, err := m.Prepare(t.Context())
		assert.Error(t, err, name)
	}
}

func TestUnsubscribe(t *testing.T) {
	m := simple()
	m.Unsubscribe = &Unsubscribe{Mail: "leave+x@bücher.example", URL: "https://example.org/u?a=b", OneClick: true}
	raw := sent(t, prepare(t, m))
	assert.Contains(t, raw, "List-Unsubscribe: <mailto:leave+x@xn--bcher-kva.example>,\r\n <https://example.org/u?a=b>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n")
	for _, u := range []Unsubscribe{
		{URL: "http://example.org/"}, {URL: "https://"}, {URL: "https://example.org/>\r\nX: y"}, {URL: "https://example.org/ü"}, {URL: "javascript:x"},
		{URL: "https://example.org/" + strings.Repeat("a", 1000)}, {Mail: "mailto:a@example.org>,<https://x"}, {Mail: "mailto:\r\nX: y"},
	} {
		m.Unsubscribe = &u
		_, err := m.Prepare(t.Context())
		assert.Error(t, err, "%+v", u)
	}
	m.Unsubscribe = &Unsubscribe{Mail: "mailto:leave@example.org?subject=x"}
	assert.Contains(t, sent(t, prepare(t, m)), "List-Unsubscribe: <mailto:leave@example.org?subject=x>\r\n")
}

// TestChanged checks that a message whose attachment is not what it was ends in an
// error, never in io.EOF.
func TestChanged(t *testing.T) {
	content := "0123456789"
	a := Attachment{Name: "a.bin", Open: func(context.Context) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(content)), nil }}
	read := func(p *Prepared) error {
		r, err := p.Open(t.Context())
		require.NoError(t, err)
		_, err = io.ReadAll(r)
		require.NoError(t, r.Close())
		return err
	}
	for name, m := range map[string]*Message{
		"size": func() *Message { m, b := simple(), a; b.Size = 10; m.Attachments = []Attachment{b}; return m }(),
		"message": func() *Message {
			m, b := simple(), a
			b.Type = "message/rfc822"
			m.Attachments = []Attachment{b}
			return m
		}(),
		"dkim": func() *Message {
			m := simple()
			m.Attachments, m.DKIM = []Attachment{a}, []DKIM{{Selector: "s", Key: ed25519Key(t)}}
			return m
		}(),
	} {
		content = "0123456789"
		p := prepare(t, m)
		require.NoError(t, read(p), name)
		content = "012345678"
		assert.ErrorIs(t, read(p), io.ErrUnexpectedEOF, name)
		content = "0123456789a"
		assert.ErrorIs(t, read(p), errChanged, name)
		content = "012345678a"
		if name != "size" {
			assert.ErrorIs(t, read(p), errChanged, name)
		}
	}
	// The control: where nothing is known nothing is noticed.
	m := simple()
	m.Attachments = []Attachment{a}
	p := prepare(t, m)
	assert.Zero(t, p.Size())
	assert.Zero(t, p.CopySize())
	content = "short"
	assert.NoError(t, read(p))
}

func TestSources(t *testing.T) {
	boom := errors.New("boom")
	m := simple()
	m.Attachments = []Attachment{{Name: "a", Open: func(context.Context) (io.ReadCloser, error) { return nil, boom }}}
	p := prepare(t, m)
	r, err := p.Open(t.Context())
	require.NoError(t, err)
	_, err = io.ReadAll(r)
	assert.ErrorIs(t, err, boom)
	assert.ErrorContains(t, err, "Attachments[0]")

	m.Attachments = []Attachment{FileAttachment(fstest.MapFS{"d/x": {}}, "missing")}
	_, err = m.Prepare(t.Context())
	assert.ErrorIs(t, err, fs.ErrNotExist)
	m.Attachments = []Attachment{FileAttachment(fstest.MapFS{"d/x": {}}, "d")}
	_, err = m.Prepare(t.Context())
	assert.ErrorContains(t, err, "directory")

	// A Reader that was read cannot be read again, and that is told.
	m.Attachments = []Attachment{{Name: "a", Reader: strings.NewReader("once")}}
	first := prepare(t, m)
	assert.Contains(t, sent(t, first), "b25jZQ==")
	assert.Contains(t, sent(t, first), "b25jZQ==")
	_, err = m.Prepare(t.Context())
	assert.ErrorIs(t, err, errUsed)

	m.Attachments = []Attachment{{Name: "a", Reader: io.MultiReader(strings.NewReader("x"), failing{boom})}}
	_, err = m.Prepare(t.Context())
	assert.ErrorIs(t, err, boom)

	// Nor is what one that failed has left taken for all of it.
	m.Attachments = []Attachment{{Name: "a", Reader: iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader("half")))}}
	_, err = m.Prepare(t.Context())
	require.ErrorIs(t, err, iotest.ErrTimeout)
	_, err = m.Prepare(t.Context())
	assert.ErrorIs(t, err, errUsed)
}

// TestNoProgress: content that gives neither octets nor an error is not read for ever,
// and one that goes on for ever ends with the context.
func TestNoProgress(t *testing.T) {
	open := func(r io.Reader) func(context.Context) (io.ReadCloser, error) {
		return func(context.Context) (io.ReadCloser, error) { return io.NopCloser(r), nil }
	}
	idle := readerFunc(func([]byte) (int, error) { return 0, nil })
	for name, a := range map[string]Attachment{
		"file": {Open: open(idle)}, "message": {Type: "message/rfc822", Open: open(idle)}, "reader": {Reader: idle},
	} {
		m := simple()
		m.Attachments = []Attachment{a}
		p, err := m.Prepare(t.Context())
		if err == nil {
			defer p.Close()
			r, oerr := p.Open(t.Context())
			require.NoError(t, oerr, name)
			_, err = io.ReadAll(r)
		}
		assert.ErrorIs(t, err, io.ErrNoProgress, name)
	}
	ctx, cancel := context.WithCancel(t.Context())
	endless := readerFunc(func(p []byte) (int, error) {
		cancel()
		return copy(p, "X: y\r\n"), nil
	})
	m := simple()
	m.Attachments = []Attachment{{Type: "message/rfc822", Open: open(endless)}}
	_, err := m.Prepare(ctx)
	assert.ErrorIs(t, err, context.Canceled)
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// TestDate checks that the instant is right in any zone, and the zone one that can be
// written.
func TestDate(t *testing.T) {
	for _, c := range []struct {
		offset int
		want   string
	}{
		{0, "Fri, 02 Jan 2026 03:04:05 +0000"}, {-3*3600 - 1800, "Fri, 02 Jan 2026 03:04:05 -0330"}, {14 * 3600, "Fri, 02 Jan 2026 03:04:05 +1400"},
		{53*60 + 28, "Fri, 02 Jan 2026 02:10:37 +0000"}, {-30, "Fri, 02 Jan 2026 03:04:35 +0000"}, {100 * 3600, "Sun, 28 Dec 2025 23:04:05 +0000"}, {-25 * 3600, "Sat, 03 Jan 2026 04:04:05 +0000"},
	} {
		m := simple()
		m.Date = time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("", c.offset))
		raw := sent(t, prepare(t, m))
		assert.Contains(t, raw, "\r\nDate: "+c.want+"\r\n")
		msg, err := mail.ReadMessage(strings.NewReader(raw))
		require.NoError(t, err)
		d, err := msg.Header.Date()
		require.NoError(t, err)
		assert.True(t, d.Equal(m.Date), c.want)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestClosed(t *testing.T) {
	p, err := simple().Prepare(t.Context())
	require.NoError(t, err)
	require.NoError(t, p.Close())
	require.NoError(t, p.Close())
	_, err = p.Open(t.Context())
	assert.ErrorIs(t, err, mailbox.ErrClosed)
	_, err = p.OpenCopy(t.Context())
	assert.ErrorIs(t, err, mailbox.ErrClosed)

	ctx, cancel := context.WithCancel(t.Context())
	p = prepare(t, simple())
	r, err := p.Open(ctx)
	require.NoError(t, err)
	cancel()
	_, err = io.ReadAll(r)
	assert.ErrorIs(t, err, context.Canceled)
	_, err = simple().Prepare(ctx)
	assert.ErrorIs(t, err, context.Canceled)
	r, err = p.Open(t.Context())
	require.NoError(t, err)
	require.NoError(t, r.Close())
	_, err = r.Read(make([]byte, 1))
	assert.Error(t, err)
	assert.NotErrorIs(t, err, io.EOF)
}

// TestProtect wraps the entity in a multipart/signed as a program for OpenPGP would,
// with a new signature at each call and LF line ends.
func TestProtect(t *testing.T) {
	m := everything()
	m.Text = "From me \n"
	calls, signed := 0, ""
	m.Protect = func(w io.Writer, entity io.Reader) error {
		calls++
		b, err := io.ReadAll(entity)
		signed = string(b)
		io.WriteString(w, "Content-Type: multipart/signed; boundary=\"s\";\n protocol=\"application/pgp-signature\"\n\n--s\n")
		w.Write(b)
		io.WriteString(w, "\n--s\nContent-Type: application/pgp-signature\n\n"+randomHex(8)+"\n--s--\n")
		return err
	}
	p := prepare(t, m)
	raw := sent(t, p)
	require.Equal(t, raw, sent(t, p))
	assert.Equal(t, 1, calls)
	assert.Contains(t, raw, crlf+"--s"+crlf+signed+crlf+"--s"+crlf)
	assert.Contains(t, signed, "=46rom me=20\r\n")
	assert.False(t, regexp.MustCompile(`(?m)^From |[ \t]\r$`).MatchString(signed), signed)
	assert.Len(t, asLibrary(t, raw).Parts, 10)
	assert.Equal(t, asLibrary(t, raw), asOurs(t, raw))

	for _, bad := range []string{"", "\r\n", "X: y\r\n\r\n", "Content-Type: a/b\r\nBcc: x\r\n\r\n", "Content-Type: a/b\r\n\r\n" + strings.Repeat("x", 999),
		"Content-Type: a/b\r\n\r\n\x00", "Content-Type: a/b\r\n\r\na\rb", "Content-Type: ä/b\r\n\r\n", "Content-Type: a/b\x1b\r\n\r\n", "Content-Type: a/b\r\nfoo\r\n\r\n",
		"Content-Type: " + strings.Repeat("a", 1000) + "\r\n\r\n"} {
		m.Attachments = nil
		m.Protect = func(w io.Writer, _ io.Reader) error { _, err := io.WriteString(w, bad); return err }
		_, err := m.Prepare(t.Context())
		var fault *FieldError
		assert.ErrorAs(t, err, &fault, "%.80q", bad)
	}
	boom := errors.New("boom")
	m.Protect = func(io.Writer, io.Reader) error { return boom }
	_, err := m.Prepare(t.Context())
	assert.ErrorIs(t, err, boom)
}
