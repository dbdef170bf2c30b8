package compose

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"strings"
	"testing"
	"time"

	"encoding/base64"

	"github.com/emersion/go-message"
	gomail "github.com/emersion/go-message/mail"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/internal/mailmime"
	"github.com/postroom-go/postroom/mailbox"
)

var (
	ann = mail.Address{Name: "Ann", Address: "ann@example.org"}
	bob = mail.Address{Name: "Bob", Address: "bob@example.com"}
)

// simple is a message that can be sent, with what is not to change in it.
func simple() *Message {
	return &Message{
		From: []mail.Address{ann}, To: []mail.Address{bob}, Subject: "Lunch", Text: "At noon.\n",
		Date: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), MessageID: "1@example.org",
	}
}

func prepare(t testing.TB, m *Message) *Prepared {
	t.Helper()
	p, err := m.Prepare(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return p
}

func readAll(t testing.TB, r io.ReadCloser, err error) string {
	t.Helper()
	require.NoError(t, err)
	b, err := io.ReadAll(r)
	require.NoError(t, err)
	require.NoError(t, r.Close())
	return string(b)
}

// sent gives the message as it is sent, and checks what holds for all of them.
func sent(t testing.TB, p *Prepared) string {
	t.Helper()
	r, err := p.Open(t.Context())
	s := readAll(t, r, err)
	if n := p.Size(); n != 0 {
		require.Equal(t, n, int64(len(s)), "Size")
	}
	checkWire(t, p, s)
	return s
}

// checkWire checks what holds for everything that goes over the wire.
func checkWire(t testing.TB, p *Prepared, s string) {
	t.Helper()
	header, body, ok := strings.Cut(s, "\r\n\r\n")
	require.True(t, ok, "no empty line")
	require.True(t, strings.HasSuffix(s, crlf), "no CRLF at the end")
	for i, line := range strings.Split(s, crlf) {
		require.LessOrEqual(t, len(line), maxLine, "line %d", i)
		require.False(t, strings.ContainsAny(line, "\r\n\x00"), "line %d: %q", i, line)
	}
	if !p.NeedsUTF8() {
		require.True(t, isASCII(header), header)
	}
	if !p.Needs8Bit() {
		require.True(t, isASCII(body), body)
	}
	for line := range strings.SplitSeq(header, crlf) {
		require.False(t, strings.TrimSpace(line) == "", "an empty line within the header")
		require.False(t, strings.ContainsFunc(line, func(r rune) bool { return r < ' ' && r != '\t' || r >= 0x7f && r < 0xa0 }), "%q", line)
	}
}

// view is what a reader sees of a message.
type view struct {
	From, To, Cc []string
	Subject, ID  string
	Parts        []string
}

func showAll[A mail.Address | *mail.Address](list []A) []string {
	var s []string
	for _, a := range list {
		switch a := any(a).(type) {
		case mail.Address:
			s = append(s, a.Name+" "+a.Address)
		case *mail.Address:
			s = append(s, a.Name+" "+a.Address)
		}
	}
	return s
}

func showPart(mediaType, disposition, name, id string, body []byte) string {
	return fmt.Sprintf("%s %s %q %s %q", mediaType, disposition, name, strings.Trim(id, "<>"), body)
}

// asLibrary is what Go's standard library sees.
func asLibrary(t testing.TB, raw string) view {
	t.Helper()
	m, err := mail.ReadMessage(strings.NewReader(raw))
	require.NoError(t, err)
	var v view
	list := func(name string) []string {
		if m.Header.Get(name) == "" {
			return nil
		}
		l, err := m.Header.AddressList(name)
		if err != nil && strings.Contains(m.Header.Get(name), "undisclosed") {
			return nil // net/mail takes no empty group
		}
		require.NoError(t, err, m.Header.Get(name))
		return showAll(l)
	}
	v.From, v.To, v.Cc = list("From"), list("To"), list("Cc")
	v.Subject, err = new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	require.NoError(t, err)
	v.ID = strings.Trim(m.Header.Get("Message-Id"), "<>")
	var walk func(get func(string) string, body io.Reader)
	walk = func(get func(string) string, body io.Reader) {
		mediaType, params, err := mime.ParseMediaType(get("Content-Type"))
		require.NoError(t, err)
		if strings.HasPrefix(mediaType, "multipart/") {
			mr := multipart.NewReader(body, params["boundary"])
			for {
				p, err := mr.NextRawPart()
				if err == io.EOF {
					return
				}
				require.NoError(t, err)
				walk(p.Header.Get, p)
			}
		}
		switch get("Content-Transfer-Encoding") {
		case "base64":
			body = base64.NewDecoder(base64.StdEncoding, body)
		case "quoted-printable":
			body = quotedprintable.NewReader(body)
		}
		b, err := io.ReadAll(body)
		require.NoError(t, err)
		disposition, params := "", map[string]string(nil)
		if d := get("Content-Disposition"); d != "" {
			disposition, params, err = mime.ParseMediaType(d)
			require.NoError(t, err)
		}
		v.Parts = append(v.Parts, showPart(mediaType, disposition, params["filename"], get("Content-Id"), b))
	}
	walk(m.Header.Get, m.Body)
	return v
}

// asGoMessage is what go-message sees.
func asGoMessage(t testing.TB, raw string) view {
	t.Helper()
	e, err := message.Read(strings.NewReader(raw))
	require.NoError(t, err)
	h := gomail.Header{Header: e.Header}
	var v view
	list := func(name string) []string {
		l, err := h.AddressList(name)
		if err != nil && strings.Contains(h.Get(name), "undisclosed") {
			return nil
		}
		require.NoError(t, err, h.Get(name))
		var s []string
		for _, a := range l {
			s = append(s, a.Name+" "+a.Address)
		}
		return s
	}
	v.From, v.To, v.Cc = list("From"), list("To"), list("Cc")
	v.Subject, err = h.Subject()
	require.NoError(t, err)
	v.ID, err = h.MessageID()
	require.NoError(t, err)
	require.NoError(t, e.Walk(func(_ []int, e *message.Entity, err error) error {
		require.NoError(t, err)
		mediaType, _, err := e.Header.ContentType()
		require.NoError(t, err)
		if strings.HasPrefix(mediaType, "multipart/") {
			return nil
		}
		b, err := io.ReadAll(e.Body)
		require.NoError(t, err)
		disposition := ""
		if e.Header.Get("Content-Disposition") != "" {
			disposition, _, err = e.Header.ContentDisposition()
			require.NoError(t, err)
		}
		name, err := (&gomail.AttachmentHeader{Header: e.Header}).Filename()
		require.NoError(t, err)
		v.Parts = append(v.Parts, showPart(mediaType, disposition, name, e.Header.Get("Content-Id"), b))
		return nil
	}))
	return v
}

// asOurs is what this module's drivers see.
func asOurs(t testing.TB, raw string) view {
	t.Helper()
	v, defects := readOurs(t, raw)
	require.Empty(t, defects)
	return v
}

// readOurs is asOurs for messages that hold what is broken.
func readOurs(t testing.TB, raw string) (view, []mailbox.Defect) {
	t.Helper()
	header, _, _ := strings.Cut(raw, "\r\n\r\n")
	env, defects := mailbox.ParseEnvelope([]byte(header+"\r\n\r\n"), nil)
	require.Empty(t, defects)
	v := view{Subject: env.Subject, ID: env.MessageID, From: showAll(env.From), To: showAll(env.To), Cc: showAll(env.Cc)}
	root, defects, err := mailbox.ReadStructure(strings.NewReader(raw), nil)
	require.NoError(t, err)
	for part := range leaves(root) {
		body, encoding, err := mailmime.OpenPart(strings.NewReader(raw), part.ID, nil)
		require.NoError(t, err)
		b, err := io.ReadAll(mailmime.NewTransferDecoder(encoding, body))
		require.NoError(t, err)
		v.Parts = append(v.Parts, showPart(part.Type, part.Disposition, part.Filename(), part.ContentID, b))
	}
	return v, defects
}

// pattern is a reader of n octets that look like nothing in particular.
func pattern(n int64) io.Reader { return io.LimitReader(&noise{}, n) }

// noise repeats a block, since making all of it new takes longer than composing.
type noise struct {
	block []byte
	off   int
}

func (z *noise) Read(p []byte) (int, error) {
	if z.block == nil {
		x := uint32(0)
		z.block = make([]byte, 64<<10+7)
		for i := range z.block {
			x = x*1664525 + 1013904223
			z.block[i] = byte(x >> 24)
		}
	}
	n := copy(p, z.block[z.off:])
	z.off = (z.off + n) % len(z.block)
	return n, nil
}

func noiseBytes(n int) []byte {
	var b bytes.Buffer
	io.Copy(&b, pattern(int64(n)))
	return b.Bytes()
}
