package compose

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"mime"
	"net/mail"
	"net/textproto"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/emersion/go-message"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
)

// Each attack is made on what is composed, and on something that does the same
// without the defence, to see that the test could fail.
func TestHostile(t *testing.T) {
	t.Run("header-inject", hostileInject)
	t.Run("header-ctl", hostileControls)
	t.Run("addr-misroute", hostileMisroute)
	t.Run("bcc-leak", hostileBcc)
	t.Run("attach-traversal", hostileFilenames)
	t.Run("rfc2231-flood", hostileParams)
	t.Run("charset-odd", hostileCharsets)
	t.Run("mime-nest", hostileNest)
	t.Run("mime-parts-flood", hostileParts)
	t.Run("mime-header-flood", hostileHeader)
	t.Run("header-comment-quad", hostileComments)
	t.Run("addr-bomb", hostileAddresses)
	t.Run("boundary-odd", hostileBoundaries)
	t.Run("ansi-escape", hostileEscapes)
}

// attacks are values that end a field, or hide that they would.
var attacks = []string{
	"x\r\nBcc: evil@example.net", "x\nBcc: evil@example.net", "x\rBcc: evil@example.net", "x\r\n\r\n<script>", "x\n\nbody", "\r\nX: y", "x\r\n", "x\n y",
	"x\x00y", "x\x1b[2Jy", "x\x7fy", "x\u0085Bcc: evil@example.net", "x\u009b2J", "x\u2028Bcc: evil@example.net", "x\u2029y", "x\vy", "x\fy", "\xff\xfe", "x\x08y",
	"=?utf-8?q?x=0D=0ABcc:_evil=40example.net?=", "=?utf-8?b?DQpCY2M6IGV2aWxAZXhhbXBsZS5uZXQ=?=", "x>, <evil@example.net", "x\" <evil@example.net>, \"y",
	"x; filename=evil", "x\"; filename=\"evil", "x\\", "x (", "x,y", "x: y", "<x>", strings.Repeat("x", 2000), strings.Repeat("\"", 800), strings.Repeat(`\`, 600) + "x", strings.Repeat("x ", 1000), strings.Repeat("ü", 1000), "x  y", " x ", "x\ty", "",
}

// places are where a caller may put a value that came from somebody else.
func places(v string) map[string]func(*Message) {
	return map[string]func(*Message){
		"From name":    func(m *Message) { m.From = []mail.Address{{Name: v, Address: ann.Address}} },
		"From address": func(m *Message) { m.From = []mail.Address{{Address: v + "@example.org"}} },
		"Sender":       func(m *Message) { m.Sender = &mail.Address{Name: v, Address: ann.Address} },
		"Reply-To":     func(m *Message) { m.ReplyTo = []mail.Address{{Name: v, Address: "a@" + v}} },
		"To name":      func(m *Message) { m.To = []mail.Address{{Name: v, Address: bob.Address}} },
		"To address":   func(m *Message) { m.To = []mail.Address{{Address: v}} },
		"Cc":           func(m *Message) { m.Cc = []mail.Address{{Name: v, Address: bob.Address}, bob} },
		"Bcc":          func(m *Message) { m.Bcc = []mail.Address{{Name: v, Address: bob.Address}} },
		"Subject":      func(m *Message) { m.Subject = v },
		"MessageID":    func(m *Message) { m.MessageID = v + "@example.org" },
		"InReplyTo":    func(m *Message) { m.InReplyTo = []string{v} },
		"References":   func(m *Message) { m.References = []string{"a@b", v} },
		"Name":         func(m *Message) { m.Attachments = []Attachment{{Name: v}} },
		"Type":         func(m *Message) { m.Attachments = []Attachment{{Type: v}} },
		"Type param":   func(m *Message) { m.Attachments = []Attachment{{Type: "text/plain; x=\"" + v + "\""}} },
		"ContentID":    func(m *Message) { m.HTML, m.Inline = "x", []Attachment{{ContentID: v}} },
		"Description":  func(m *Message) { m.Attachments = []Attachment{{Description: v}} },
		"Header name":  func(m *Message) { m.Header = []Field{{"X-" + v, "x"}} },
		"Header value": func(m *Message) { m.Header = []Field{{"X-Own", v}} },
		"Method":       func(m *Message) { m.Calendar = &Calendar{Method: v, Content: "METHOD:" + v + "\n"} },
		"Unsubscribe":  func(m *Message) { m.Unsubscribe = &Unsubscribe{Mail: v + "@example.org"} },
		"mailto":       func(m *Message) { m.Unsubscribe = &Unsubscribe{Mail: "mailto:" + v} },
		"URL":          func(m *Message) { m.Unsubscribe = &Unsubscribe{URL: "https://example.org/" + v} },
		"Selector":     func(m *Message) { m.DKIM = []DKIM{{Selector: v}} },
		"DKIM domain":  func(m *Message) { m.DKIM = []DKIM{{Selector: "s", Domain: v}} },
		"DKIM fields":  func(m *Message) { m.DKIM = []DKIM{{Selector: "s", Fields: []string{v}}} },
	}
}

// names gives the names of a header's fields, and of the parts', in their order.
func names(t testing.TB, raw string) []string {
	t.Helper()
	header, _, _ := strings.Cut(raw, "\r\n\r\n")
	var all []string
	for line := range strings.SplitSeq(header, crlf) {
		if line != "" && line[0] != ' ' {
			name, _, _ := strings.Cut(line, ":")
			all = append(all, name)
		}
	}
	h, err := textproto.NewReader(bufio.NewReader(strings.NewReader(header + "\r\n\r\n"))).ReadMIMEHeader()
	require.NoError(t, err)
	n := 0
	for _, values := range h {
		n += len(values)
	}
	require.Equal(t, n, len(all))
	return all
}

// harmlessFor gives a value that makes the fields that v should make.
func harmlessFor(place, v string) string {
	switch {
	case place == "Header name":
		return v // the name is the value; that it is one line is checked by names
	case place == "Subject" && strings.TrimSpace(v) == "", place == "Description" && strings.TrimSpace(v) == "", place == "Name" && filename(v) == "", place == "Type" && v == "":
		return ""
	case place == "Type":
		return "text/plain"
	case place == "To address":
		return "value@example.org"
	case place == "DKIM domain":
		return "example.org"
	}
	return "value"
}

// hostileInject puts each attack into each place: it is an error, or the message has
// the fields and parts that it has with a harmless value.
func hostileInject(t *testing.T) {
	key := ed25519Key(t)
	refused, passed := 0, 0
	for _, v := range attacks {
		for place, put := range places(v) {
			m := simple()
			put(m)
			for i := range m.DKIM {
				m.DKIM[i].Key = key
			}
			p, err := m.Prepare(t.Context())
			if err != nil {
				refused++
				assert.False(t, strings.ContainsFunc(err.Error(), unicode.IsControl), "%q", err.Error())
				continue
			}
			passed++
			raw := sent(t, p)
			harmless := simple()
			places(harmlessFor(place, v))[place](harmless)
			for i := range harmless.DKIM {
				harmless.DKIM[i].Key = key
			}
			assert.Equal(t, names(t, sent(t, prepare(t, harmless))), names(t, raw), "%s %q", place, v)
			assert.Len(t, asOurs(t, raw).Parts, len(asOurs(t, sent(t, prepare(t, harmless))).Parts), "%s %q", place, v)
			assert.NotContains(t, p.Envelope().To, "evil@example.net", "%s %q", place, v)
			if place == "Subject" {
				// A tab counts as a space, and space at the ends is not kept.
				assert.Equal(t, strings.TrimSpace(v), asLibrary(t, raw).Subject)
			}
			if place == "To name" {
				assert.Equal(t, []string{strings.TrimSpace(v) + " " + bob.Address}, asLibrary(t, raw).To)
			}
			p.Close()
		}
	}
	assert.Greater(t, refused, 300)
	assert.Greater(t, passed, 200)
	// The control: a writer that trusts the value has fields more, and go-message
	// lets a raw field pass.
	naive := "From: ann@example.org\r\nSubject: " + attacks[0] + "\r\n\r\n"
	assert.Contains(t, names(t, naive), "Bcc")
	var h message.Header
	h.AddRaw([]byte("Subject: " + attacks[0] + "\r\n"))
	var b strings.Builder
	w, err := message.CreateWriter(&b, h)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	assert.Contains(t, names(t, b.String()), "Bcc")
}

// hostileControls checks that no control character is sent in a header, nor hidden
// in an encoded word, and that in text it arrives encoded.
func hostileControls(t *testing.T) {
	for r := rune(0); r < 0xa0; r++ {
		if r >= ' ' && r < 0x7f || r == '\t' {
			continue
		}
		for _, change := range []func(*Message){
			func(m *Message) { m.Subject = "a" + string(r) + "b" },
			func(m *Message) { m.To[0].Name = "a" + string(r) + "b" },
			func(m *Message) { m.To[0].Address = "a" + string(r) + "b@example.org" },
			func(m *Message) { m.Header = []Field{{"X-A", "a" + string(r) + "b"}} },
		} {
			m := simple()
			change(m)
			_, err := m.Prepare(t.Context())
			assert.Error(t, err, "%U", r)
		}
		m := simple()
		m.Text = "a" + string(r) + "b\n"
		m.Attachments = []Attachment{{Name: "a" + string(r) + "b.txt", Data: []byte("x")}}
		raw := sent(t, prepare(t, m))
		_, body, _ := strings.Cut(raw, "\r\n\r\n")
		assert.False(t, strings.ContainsFunc(strings.ReplaceAll(body, crlf, ""), unicode.IsControl), "%U: %q", r, body)
		want := canonical(m.Text)
		assert.Equal(t, showPart("text/plain", "", "", "", []byte(want)), asLibrary(t, raw).Parts[0])
		assert.Contains(t, asLibrary(t, raw).Parts[1], `"ab.txt"`)
	}
	// The control: go-message writes them as they are.
	var h message.Header
	h.Set("Subject", "a\x1b\x00b")
	var b strings.Builder
	w, err := message.CreateWriter(&b, h)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	assert.Contains(t, b.String(), "\x1b\x00")
}

// hostileMisroute checks that an address goes where it says to, in the envelope as in
// the header, or nowhere.
func hostileMisroute(t *testing.T) {
	elsewhere := 0
	for address, domain := range map[string]string{
		`victim@evil.example@good.example`:                     "good.example",
		`"victim@evil.example"@good.example`:                   "good.example",
		`"victim@evil.example,"@good.example`:                  "good.example",
		`victim@evil.example,x@good.example`:                   "good.example",
		`victim@evil.example;x@good.example`:                   "good.example",
		`victim@evil.example(x@good.example`:                   "good.example",
		`"a\"@evil.example"@good.example`:                      "good.example",
		`a\@evil.example@good.example`:                         "good.example",
		`"victim@evil.example x"@good.example`:                 "",
		`victim@evil.example>,<x@good.example`:                 "",
		`<victim@evil.example>x@good.example`:                  "",
		`victim@evil.example> SIZE=1 <x@good.example`:          "",
		`@evil.example:victim@good.example`:                    "good.example", // a source route, as RFC 5321 appendix C had it
		`=?utf-8?q?victim=40evil.example=3E?=@good.example`:    "",
		`victim=?utf-8?q?=40evil.example?=@good.example`:       "",
		"victim@good.example\r\nRCPT TO:<victim@evil.example>": "",
		"victim@good.example\x00@evil.example":                 "",
		"victim@evil.example\uff0c@good.example":               "good.example",
		"victim@good.example(@evil.example)":                   "",
		"victim@good.example,evil.example":                     "",
		"victim@good.example:25":                               "",
		"victim@good.example#@evil.example":                    "evil.example",
		"victim%evil.example@good.example":                     "good.example",
		"evil.example!victim@good.example":                     "good.example",
	} {
		m := simple()
		m.To = []mail.Address{{Name: "x", Address: address}}
		p, err := m.Prepare(t.Context())
		if domain == "" {
			assert.Error(t, err, address)
		} else if assert.NoError(t, err, address) {
			env := p.Envelope()
			require.Len(t, env.To, 1)
			list, err := mail.ParseAddressList(headerValue(sent(t, p), "To"))
			require.NoError(t, err, address)
			require.Len(t, list, 1, address)
			header, err := checkAddress("", *list[0])
			require.NoError(t, err)
			assert.Equal(t, env.To[0], header.spec, address)
			assert.True(t, strings.HasSuffix(env.To[0], "@"+domain), env.To[0])
			ours := asOurs(t, sent(t, p)).To
			require.Len(t, ours, 1, address)
			assert.True(t, strings.HasSuffix(ours[0], "@"+domain), ours[0])
			p.Close()
		}
		// The control writes the address as it is.
		list, err := mail.ParseAddressList("x <" + address + ">")
		if err != nil || len(list) != 1 || list[0].Address != address {
			elsewhere++
		}
	}
	assert.Greater(t, elsewhere, 10, "the addresses do no harm anyhow")
}

// headerValue gives a field of a message, unfolded.
func headerValue(raw, name string) string {
	m, err := mail.ReadMessage(strings.NewReader(raw))
	if err != nil {
		return ""
	}
	return m.Header.Get(name)
}

func hostileBcc(t *testing.T) {
	m := everything()
	m.Bcc = []mail.Address{{Name: "Hidden", Address: "hidden@secret.example"}}
	m.DKIM = []DKIM{{Selector: "s", Key: ed25519Key(t)}}
	p := prepare(t, m)
	leaks := func(s string) bool {
		s = strings.ToLower(s)
		return strings.Contains(s, "\nbcc:") || strings.Contains(s, "hidden") || strings.Contains(s, "secret.example")
	}
	assert.False(t, leaks(sent(t, p)))
	assert.Contains(t, p.Envelope().To, "hidden@secret.example")
	for _, name := range []string{"Bcc", "BCC", "bCc", "Resent-Bcc", "resent-BCC"} {
		m := simple()
		m.Header = []Field{{name, "hidden@secret.example"}}
		_, err := m.Prepare(t.Context())
		assert.Error(t, err, name)
	}
	// An answer to a copy of one's own does not tell whom it went to.
	r := reply1(t, "From: ann@example.org\nTo: bob@example.com\nBcc: hidden@secret.example\n\nx\n", &ReplyOptions{All: true, Self: []mail.Address{ann}})
	assert.False(t, leaks(sent(t, prepare(t, r))))
	// The control is the copy that has it.
	kept, err := p.OpenCopy(t.Context())
	copied := readAll(t, kept, err)
	assert.True(t, leaks(copied))
	// Whoever gets that copy forwarded does not learn of it either.
	box, id := deliver(t, "Resent-Bcc: x,\n hidden@secret.example\n"+copied)
	for _, attach := range []bool{true, false} {
		f, err := Forward(t.Context(), box, id, &ForwardOptions{Attach: attach, Self: []mail.Address{ann}})
		require.NoError(t, err)
		f.To = []mail.Address{bob}
		s := sent(t, prepare(t, f))
		assert.False(t, leaks(s), "%v", attach)
	}
}

// hostileFilenames sends files by names that a reader might write to.
func hostileFilenames(t *testing.T) {
	unsafe := func(name string) bool {
		return strings.ContainsAny(name, `/\`) || strings.ContainsFunc(name, func(r rune) bool { return unicode.Is(unicode.Cc, r) || unicode.Is(unicode.Cf, r) }) ||
			name == "." || name == ".." || name != strings.TrimSpace(name) || len(name) > maxFilename || strings.Contains(name, "=?")
	}
	for _, raw := range []string{
		"../../x", "..", ".", "/etc/passwd", "a/b", "x/..", `..\..\x`, `C:\x`, `\\host\share\x`, "a\x00.txt", "a\r\nb", "a\x1b[2Jb", "a\u202etxt.exe", "\u200ea", "\ufeffa",
		strings.Repeat("x", 10_000), strings.Repeat("ö", 5_000) + ".pdf", strings.Repeat("../", 5000) + "x", "a\xff/b\xff", strings.Repeat("word ", 60),
	} {
		require.True(t, unsafe(raw) || strings.Contains(raw, "\xff"), "the control sees nothing wrong with %q", raw)
		m := simple()
		m.Attachments = []Attachment{{Name: raw, Data: []byte("x")}}
		s := sent(t, prepare(t, m))
		for _, v := range []view{asLibrary(t, s), asGoMessage(t, s), asOurs(t, s)} {
			var mediaType, disposition, name string
			_, err := fmt.Sscanf(v.Parts[1], "%s %s %q", &mediaType, &disposition, &name)
			require.NoError(t, err, v.Parts[1])
			assert.False(t, unsafe(name), "%.60q is sent as %q", raw, name)
		}
	}
	// A name that becomes one when it is decoded is sent so that it does not: the
	// control is the same name in a plain parameter.
	hidden := "=?utf-8?q?..=2F..=2Fx?="
	decoded, err := new(mime.WordDecoder).DecodeHeader(hidden)
	require.NoError(t, err)
	require.True(t, unsafe(decoded))
	m := simple()
	m.Attachments = []Attachment{{Name: hidden, Data: []byte("x")}}
	s := sent(t, prepare(t, m))
	assert.NotContains(t, s, hidden)
	assert.Contains(t, asLibrary(t, s).Parts[1], fmt.Sprintf("%q", hidden))
	// And one that came with a message that is forwarded.
	fwd := forwarded(t, "From: bob@example.com\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Disposition: attachment; filename*=utf-8''..%2F..%2Fx\n\nx\n--b--\n", nil)
	assert.Contains(t, fwd.Parts[1], ` "x" `)
}

// forwarded is what is seen of a message that was forwarded.
func forwarded(t testing.TB, raw string, opts *ForwardOptions) view {
	t.Helper()
	mb, id := deliver(t, raw)
	m, err := Forward(t.Context(), mb, id, opts)
	require.NoError(t, err)
	m.From, m.To = []mail.Address{ann}, []mail.Address{bob}
	v, _ := readOurs(t, sent(t, prepare(t, m)))
	return v
}

func hostileParams(t *testing.T) {
	// What is sent has few pieces, however long the name is.
	name := strings.Repeat("ö", 50_000)
	m := simple()
	m.Attachments = []Attachment{{Name: name, Data: []byte("x")}}
	s := sent(t, prepare(t, m))
	assert.Less(t, strings.Count(s, "filename*"), 30)
	assert.Greater(t, len(percentPieces(name)), 1000, "the control")
	// What is forwarded has what is read of it.
	var b strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&b, ";\n filename*%d=xx", i)
	}
	v := forwarded(t, "From: bob@example.com\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\ntext\n"+
		"--b\nContent-Disposition: attachment"+b.String()+"\n\nfile\n--b--\n", nil)
	require.Len(t, v.Parts, 2)
	assert.Less(t, len(v.Parts[1]), 400)
	assert.Contains(t, v.Parts[1], `"file"`)
}

func hostileCharsets(t *testing.T) {
	for label, text := range map[string]string{
		"utf-8": "Gr\xfc\xdfe", "x-unknown": "Gr\xfc\xdfe \x80\xff", "utf-7": "+ADw-script+AD4-", "iso-2022-jp": "\x1b$B\x46\x7c\x4b", "us-ascii": "\xff\xfe\x00x",
		"utf-16": "\xff\xfeG\x00r\x00", "\"; x=y": "a\xff", "": "\xc3\x28",
	} {
		raw := "From: bob@example.com\r\nContent-Type: text/plain; charset=\"" + label + "\"\r\n\r\nstart " + text + "\r\n"
		for name, m := range map[string]*Message{"reply": reply1(t, raw, nil), "forward": func() *Message {
			mb, id := deliver(t, raw)
			m, err := Forward(t.Context(), mb, id, nil)
			require.NoError(t, err)
			return m
		}()} {
			m.From, m.To = []mail.Address{ann}, []mail.Address{bob}
			assert.False(t, strings.ContainsAny(m.Text, "\x00\x1b"), "%s %s: %q", name, label, m.Text)
			if label != "utf-16" {
				assert.Contains(t, m.Text, "start", "%s %s", name, label)
			}
			sent(t, prepare(t, m))
		}
	}
	// The control: the octets as they are cannot be sent as text.
	m := simple()
	m.Text = "Gr\xfc\xdfe"
	_, err := m.Prepare(t.Context())
	assert.ErrorContains(t, err, "UTF-8")
	// Garbage in a transfer encoding is read as far as it goes.
	r := reply1(t, "From: bob@example.com\nContent-Type: text/plain\nContent-Transfer-Encoding: base64\n\nc3Rhcn!!!Q=\n", nil)
	assert.Contains(t, r.Text, "star")
}

func hostileNest(t *testing.T) {
	var b strings.Builder
	b.WriteString("From: bob@example.com\r\n")
	for i := range 40_000 {
		fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i)
	}
	b.WriteString("\r\nend")
	chain := "From: bob@example.com\r\n" + strings.Repeat("Content-Type: message/rfc822\r\n\r\n", 40_000) + "\r\nend"
	for name, raw := range map[string]string{"multipart": b.String(), "rfc822": chain} {
		m := reply1(t, raw, nil)
		assert.LessOrEqual(t, len(m.Text), DefaultQuote+1000, name)
		v := forwarded(t, raw, nil)
		assert.LessOrEqual(t, len(v.Parts), 2, name)
		// Nothing is lost: what lies deeper is there.
		assert.Contains(t, strings.Join(v.Parts, ""), "end", name)
		v = forwarded(t, raw, &ForwardOptions{Attach: true})
		assert.Len(t, v.Parts, 1, name)
	}
	// The control: a reader without a limit goes down all the way.
	deep := 0
	e, err := message.Read(strings.NewReader(b.String()[:200_000]))
	require.NoError(t, err)
	e.Walk(func(path []int, _ *message.Entity, err error) error {
		if deep = max(deep, len(path)); deep > 200 {
			return io.EOF
		}
		return err
	})
	assert.Greater(t, deep, 200)
}

func hostileParts(t *testing.T) {
	head := "From: bob@example.com\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
	part := "--b\r\nContent-Type: image/png\r\n\r\n"
	mb, id := deliver(t, head+strings.Repeat(part, 100_000))
	_, err := Forward(t.Context(), mb, id, nil)
	assert.ErrorIs(t, err, mailbox.ErrTooLarge)
	m, err := Forward(t.Context(), mb, id, &ForwardOptions{Attach: true})
	require.NoError(t, err)
	assert.Len(t, m.Attachments, 1)
	_, err = Reply(t.Context(), mb, id, nil)
	require.NoError(t, err)
	// Exactly at the limit all are taken, and nothing else counts them.
	mb, id = deliver(t, head+strings.Repeat(part, maxForwarded))
	m, err = Forward(t.Context(), mb, id, nil)
	require.NoError(t, err)
	assert.Len(t, m.Attachments, maxForwarded)
}

// countingBox counts what is read of messages.
type countingBox struct {
	mailbox.Mailbox
	n      int64
	opened int // how often
}

func (b *countingBox) Open(ctx context.Context, id mailbox.ID, opts *mailbox.OpenOptions) (io.ReadCloser, error) {
	b.opened++
	r, err := b.Mailbox.Open(ctx, id, opts)
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{io.TeeReader(r, b), r}, nil
}

func (b *countingBox) Write(p []byte) (int, error) {
	b.n += int64(len(p))
	return len(p), nil
}

func hostileHeader(t *testing.T) {
	raw := "From: bob@example.com\r\nSubject: x\r\n" + strings.Repeat("X-Flood: "+strings.Repeat("y", 90)+"\r\n", 100_000) + "Reply-To: late@example.net\r\n\r\ntext\r\n"
	mb, id := deliver(t, raw)
	box := &countingBox{Mailbox: mb}
	m, err := Reply(t.Context(), box, id, &ReplyOptions{NoQuote: true})
	require.NoError(t, err)
	assert.Equal(t, "bob@example.com", addresses(m.To))
	assert.LessOrEqual(t, box.n, int64(maxOriginalHeader))
	// The control reads the header without a limit.
	r, err := box.Open(t.Context(), id, &mailbox.OpenOptions{HeaderOnly: true})
	readAll(t, r, err)
	assert.Greater(t, box.n, int64(8*maxOriginalHeader))
	// Part headers are bounded by the reader of structures.
	flood := "From: bob@example.com\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" + strings.Repeat("X: y\r\n", 1_000_000) + "\r\ntext\r\n--b--\r\n"
	_, err = reply1(t, flood, nil).Prepare(t.Context())
	assert.ErrorContains(t, err, "From") // which is the caller's to set
}

func hostileComments(t *testing.T) {
	comment := "(" + strings.Repeat("(<evil@example.net> \\) ", 10_000) + strings.Repeat(")", 10_000) + ")"
	raw := "From: bob@example.com\nMessage-ID: " + comment + " <q@example.com>\nReferences: <a@example.com> " + comment + "\nIn-Reply-To: " + comment + "\n\nx\n"
	m := reply1(t, raw, nil)
	assert.Equal(t, []string{"q@example.com"}, m.InReplyTo)
	assert.Equal(t, []string{"a@example.com", "q@example.com"}, m.References)
	assert.Greater(t, strings.Count(raw, "<evil@example.net>"), 10_000, "the control: what a reader of brackets finds")
}

func hostileAddresses(t *testing.T) {
	many := strings.Repeat("x@example.net, ", 100_000)
	for name, field := range map[string]string{
		"many":    "Reply-To: " + many + "y@example.net",
		"groups":  "Reply-To: " + strings.Repeat("g:", 50_000) + "x@example.net" + strings.Repeat(";", 50_000),
		"semi":    "Reply-To: " + strings.Repeat(";", 100_000) + "x@example.net",
		"literal": "Reply-To: x@" + strings.Repeat("[", 100_000),
		"quoted":  "Reply-To: " + strings.Repeat("\"", 100_001) + "@example.net",
		"follow":  "Mail-Followup-To: " + many,
		"list":    "List-Post: " + strings.Repeat("<mailto:", 100_000),
	} {
		m := reply1(t, "From: bob@example.com\n"+field+"\n\nx\n", &ReplyOptions{All: true, NoQuote: true})
		assert.LessOrEqual(t, len(m.To)+len(m.Cc), 2, name)
	}
	// Different ones are as many as are read of a field.
	var b strings.Builder
	for i := range 50_000 {
		fmt.Fprintf(&b, "x%d@example.net,\n ", i)
	}
	m := reply1(t, "From: bob@example.com\nReply-To: "+b.String()+"y@example.net\n\nx\n", &ReplyOptions{NoQuote: true})
	assert.LessOrEqual(t, len(m.To), 10_000)
	assert.Greater(t, len(m.To), 1000)
	// And a forwarded message names the first of them only.
	mb, id := deliver(t, "From: bob@example.com\nTo: "+b.String()+"y@example.net\n\nx\n")
	f, err := Forward(t.Context(), mb, id, nil)
	require.NoError(t, err)
	assert.Less(t, len(f.Text), 2000)
	assert.Contains(t, f.Text, " more\n")
}

func hostileBoundaries(t *testing.T) {
	long := strings.Repeat("b", 10_000)
	for name, raw := range map[string]string{
		"empty":    "Content-Type: multipart/mixed; boundary=\"\"\n\n--\n\nkept\n----\n",
		"none":     "Content-Type: multipart/mixed\n\n--b\n\nkept\n--b--\n",
		"long":     "Content-Type: multipart/mixed; boundary=" + long + "\n\n--" + long + "\n\nkept\n",
		"prefix":   "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/mixed; boundary=bb\n\n--bb\n\nkept\n--bb--\n--b--\n",
		"no end":   "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nkept\n",
		"crlf":     "Content-Type: multipart/mixed; boundary=\"b\\\n\"\n\n--b\n\nkept\n",
		"no begin": "Content-Type: multipart/mixed; boundary=b\n\nkept\n",
	} {
		v := forwarded(t, "From: bob@example.com\n"+raw, &ForwardOptions{Attach: true})
		assert.Contains(t, v.Parts[0], "kept", name)
		mb, id := deliver(t, "From: bob@example.com\n"+raw)
		_, err := Forward(t.Context(), mb, id, nil)
		require.NoError(t, err, name)
		_, err = Reply(t.Context(), mb, id, nil)
		require.NoError(t, err, name)
	}
	// What is sent has another boundary each time: the one that was seen before
	// divides nothing.
	m := everything()
	m.Attachments = m.Attachments[:2]
	first := sent(t, prepare(t, m))
	_, boundary, _ := strings.Cut(first, `boundary="`)
	boundary, _, _ = strings.Cut(boundary, `"`)
	evil := crlf + "--" + boundary + crlf + "Content-Type: text/html" + crlf + crlf + "evil"
	m.Text, m.HTML, m.Attachments[1].Data = evil, evil, []byte(evil)
	second := sent(t, prepare(t, m))
	assert.Len(t, asLibrary(t, second).Parts, len(asLibrary(t, first).Parts))
	// The control: if it were the same, the text would divide it.
	_, fresh, _ := strings.Cut(second, `boundary="`)
	fresh, _, _ = strings.Cut(fresh, `"`)
	lines := func(s, boundary string) int { return strings.Count(s, crlf+"--"+boundary+crlf) }
	assert.Greater(t, lines(strings.ReplaceAll(second, fresh, boundary), boundary), lines(second, fresh))
}

func hostileEscapes(t *testing.T) {
	raw := "From: =?utf-8?q?B=1B[2Job?= <bob@example.com>\nTo: \"a\x1b]0;x\x07\" <ann@example.org>\nSubject: =?utf-8?q?x=1B[31m_y=C2=9B2J_=E2=80=AEz?=\n" +
		"Message-ID: <a\x1b@b>\nDate: Mon, 5 Jan 2026 10:00:00 +0100\nContent-Type: text/plain; charset=utf-8\n\nte\x1b[2Jxt \xc2\x9b2J\x00\x07\n"
	shown := func(s string) bool {
		return strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\n' || r >= 0x7f && r < 0xa0 || r == 0x202e })
	}
	mb, id := deliver(t, raw)
	reply, err := Reply(t.Context(), mb, id, &ReplyOptions{All: true})
	require.NoError(t, err)
	forward, err := Forward(t.Context(), mb, id, nil)
	require.NoError(t, err)
	attached, err := Forward(t.Context(), mb, id, &ForwardOptions{Attach: true})
	require.NoError(t, err)
	for _, m := range []*Message{reply, forward, attached} {
		all := slices.Concat([]string{m.Text, m.Subject}, m.InReplyTo, m.References)
		for _, a := range slices.Concat(m.To, m.Cc) {
			all = append(all, a.Name, a.Address)
		}
		for _, a := range m.Attachments {
			all = append(all, a.Name)
		}
		assert.False(t, shown(strings.Join(all, "\n")), "%q", all)
	}
	// The control: decoded as it is, the subject has them.
	subject, err := new(mime.WordDecoder).DecodeHeader("=?utf-8?q?x=1B[31m_y=C2=9B2J_=E2=80=AEz?=")
	require.NoError(t, err)
	assert.True(t, shown(subject))
	assert.True(t, shown(raw))
	// Errors are fit to be shown, too.
	m := simple()
	m.To[0].Address = "a\x1b[2J\u009b\u202e@example.org"
	_, err = m.Prepare(t.Context())
	require.Error(t, err)
	assert.False(t, shown(err.Error()), "%q", err.Error())
}
