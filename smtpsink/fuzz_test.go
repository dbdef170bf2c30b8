package smtpsink

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/postroom-go/postroom/mailbox"
)

// chopped gives its text in pieces of random sizes.
type chopped struct {
	text []byte
	rnd  *rand.Rand
}

func (c *chopped) Read(p []byte) (int, error) {
	if len(c.text) == 0 {
		return 0, io.EOF
	}
	n := min(1+c.rnd.IntN(10), len(p), len(c.text))
	if c.rnd.IntN(4) == 0 {
		n = min(len(p), len(c.text))
	}
	n = copy(p, c.text[:n])
	c.text = c.text[n:]
	return n, nil
}

// FuzzReply reads anything as replies, whole and in pieces.
func FuzzReply(f *testing.F) {
	for _, s := range []string{
		"220 ready\r\n", "250-a\r\n250 b\r\n", "250\r\n", "250-\n250 \n", "550 5.1.1 <x>: no\r\n", "250-2.0.0 a\r\n250 2.0.0 queued as 4X\r\n",
		"250-a\r\n251 b\r\n", "199 x\r\n", "600 x\r\n", "25", "250 cut", "250-cut\r\n", "421 4.3.2 \x1b[31m\xff\x00\r\n\r\n", "354 go on\r\n554 no\r\n",
	} {
		f.Add([]byte(s), uint64(1))
	}
	f.Fuzz(func(t *testing.T, text []byte, seed uint64) {
		whole := newReplyReader(bytes.NewReader(text))
		pieces := newReplyReader(&chopped{bytes.Clone(text), rand.New(rand.NewPCG(seed, 1))})
		s := &session{}
		for {
			a, err := whole.read()
			b, other := pieces.read()
			if a.code != b.code || !bytes.Equal(a.text, b.text) || (err == nil) != (other == nil) {
				t.Fatalf("%q: %v, %v in pieces", text, err, other)
			}
			if err != nil {
				if !errors.Is(err, mailbox.ErrProtocol) && err != io.EOF && err != io.ErrUnexpectedEOF {
					t.Fatalf("%q: %v", text, err)
				}
				if strings.ContainsAny(err.Error(), "\r\n\x1b\x00") || len(err.Error()) > 300 {
					t.Fatalf("an error that is not clean: %q", err)
				}
				return
			}
			replyCase(t, s, a)
		}
	})
}

// replyCase looks at an answer that was read.
func replyCase(t *testing.T, s *session, a answer) {
	if a.code < 200 || a.code > 599 || len(a.text) > maxReplyOctets || bytes.Count(a.text, []byte{'\n'}) >= maxReplyLines {
		t.Fatalf("%d, %d octets", a.code, len(a.text))
	}
	r := s.reply("RCPT", a)
	if len(r.Text) > 1<<10 || strings.ContainsAny(r.Text+r.Error(), "\r\n\x1b\x00") {
		t.Fatalf("a text that is not clean: %q", r.Text)
	}
	if r.Enhanced != "" && (len(r.Enhanced) > 9 || r.Enhanced[0]-'0' != byte(r.Code/100)) {
		t.Fatalf("%d with %q", r.Code, r.Enhanced)
	}
	if id := queueID(r.Text); len(id) > len(r.Text) {
		t.Fatalf("the queue ID %q of %q", id, r.Text)
	}
	if r.Code < 400 && r.meaning() != nil && errors.Is(r, r.meaning()) {
		t.Fatalf("%v is a refusal", r)
	}
	if r.Temporary() && !mailbox.Retryable(r) && r.Enhanced == "" && r.Code != 432 {
		t.Fatalf("%v cannot be tried again", r)
	}
}

// FuzzAddress: what is taken for an address can be sent as one.
func FuzzAddress(f *testing.F) {
	for _, s := range []string{
		"ann@example.org", "postmaster", `"a b"@c`, `"a\"b"@c`, "a@[127.0.0.1]", "a@[IPv6:::1]", "jürgen@bücher.example", "a@b> AUTH=<x",
		"a\r\n@b", "a@b\x00", "@b", "a@", "a@b＞", "a@b\xff", `"\`, `"@"@"`, "a@xn--", "a@xn--a",
	} {
		f.Add(s)
	}
	f.Fuzz(pathCase)
}

// FuzzContent: whatever a message is, and however it is read, its lines end in CRLF
// when it leaves, its Bcc fields stay here, and its dots come back.
func FuzzContent(f *testing.F) {
	for _, s := range []string{
		"", "A: b\r\n\r\nc\r\n", "A: b\n\nc", "\r.\r", "\n.\n", "\r\n.\r\n", "Bcc: x\r\n y\r\nA: b\r\n\r\nBcc: z\r\n", "A: b\rBcc: x\rC: d\r\r.\r",
		"A: \x00\r\n", "\r\n\x00", "\r\r\n", "é\r\n\r\n\xff",
	} {
		f.Add([]byte(s), uint64(1), false, false)
		f.Add([]byte(s), uint64(2), true, true)
	}
	f.Fuzz(func(t *testing.T, raw []byte, seed uint64, binary, keep bool) {
		contentCase(t, string(raw), rand.New(rand.NewPCG(seed, 2)), binary, keep)
	})
}

// FuzzEHLO: whatever a server says it can do, we have a sound notion of it.
func FuzzEHLO(f *testing.F) {
	for _, s := range []string{
		"lab\nPIPELINING\nSIZE 100\n8BITMIME\nSMTPUTF8\nCHUNKING\nBINARYMIME\nAUTH PLAIN LOGIN", "lab\nAUTH=LOGIN PLAIN\nauth xoauth2",
		"lab\nSIZE -1\nLIMITS RCPTMAX=0 MAILMAX=99999999999999999999", "lab\nLIMITS RCPTMAX=10 MAILMAX=5 X", "lab\nBINARYMIME", "lab\nSMTPUTF8",
		"PIPELINING", "", "lab\n\n \nSIZE", "lab\nREQUIRETLS\nDSN\nDELIVERBY 240\nMT-PRIORITY MIXER\nFUTURERELEASE 1 2",
	} {
		f.Add([]byte(s), true)
	}
	f.Fuzz(func(t *testing.T, text []byte, secure bool) {
		e := parseEHLO(text)
		for keyword := range e {
			if strings.ToUpper(keyword) != keyword || strings.ContainsAny(keyword, "\n ") {
				t.Fatalf("the keyword %q", keyword)
			}
		}
		c := e.caps(secure)
		if c.MaxSize < 0 || c.MaxRecipients < 0 || c.MaxMessages < 0 {
			t.Fatalf("a limit below 0: %+v", c)
		}
		if c.Binary && !c.Chunking || c.UTF8 && !c.EightBit || c.RequireTLS && !secure {
			t.Fatalf("half an extension: %+v", c)
		}
		for _, m := range c.Mechanisms {
			if m == "" || m != strings.ToUpper(m) || strings.ContainsAny(m, " \t\r\n") {
				t.Fatalf("the mechanism %q", m)
			}
		}
		if _, rest, found := bytes.Cut(text, []byte("\n")); c.Pipelining && (!found || !bytes.Contains(bytes.ToUpper(rest), []byte("PIPELINING"))) {
			t.Fatalf("PIPELINING out of %q", text)
		}
	})
}
