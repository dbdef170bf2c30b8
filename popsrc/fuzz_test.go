package popsrc

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

func chop(text []byte, seed uint64) *reader {
	lim := defaultLimits
	return newReader(&chopped{text, rand.New(rand.NewPCG(seed, 1))}, &lim)
}

// FuzzMultiline: whatever a message is, and however it arrives, what was stuffed
// is unstuffed to the same octets, and the reader stands right behind it. Cut
// anywhere, it is an error.
func FuzzMultiline(f *testing.F) {
	for _, body := range dotBodies() {
		if len(body) < 1000 {
			f.Add([]byte(body), uint64(1), uint16(3))
		}
	}
	f.Fuzz(func(t *testing.T, body []byte, seed uint64, cut uint16) {
		// A message on a server ends in CRLF, or is empty.
		if len(body) > 0 && !bytes.HasSuffix(body, []byte("\r\n")) {
			body = append(body, "\r\n"...)
		}
		wire := []byte(stuff(string(body)) + ".\r\n")
		r := chop(append(bytes.Clone(wire), "+OK next\r\n"...), seed)
		var got []byte
		keep := func(p []byte) error { got = append(got, p...); return nil }
		if err := r.body(1<<20, keep); err != nil || !bytes.Equal(got, body) {
			t.Fatalf("%q became %q, %v", body, got, err)
		}
		if line, err := r.line(); err != nil || string(line) != "+OK next" {
			t.Fatalf("the next line is %q, %v", line, err)
		}
		got = nil
		n := int(cut) % len(wire)
		if err := chop(wire[:n], seed).body(1<<20, keep); err != io.EOF {
			t.Fatalf("cut after %d octets of %q: %v", n, wire, err)
		}
		if !bytes.HasPrefix(body, got) {
			t.Fatalf("cut after %d octets, %q became %q", n, body, got)
		}
		if len(body) > 0 {
			err := chop(wire, seed).body(int64(len(body))-1, keep)
			if !errors.Is(err, mailbox.ErrTooLarge) {
				t.Fatalf("a message of %d octets with a limit of one less: %v", len(body), err)
			}
		}
	})
}

// FuzzReply reads anything as a greeting, a status, capabilities, UIDL and LIST.
func FuzzReply(f *testing.F) {
	for _, s := range []string{
		"+OK\r\n", "-ERR [IN-USE] no\r\n", "+OK ready <1.2@x>\r\n", "-ERR [LOGIN-DELAY 99999999999999] x\r\n",
		"+OK\r\n1 a\r\n2 b\r\n.\r\n", "+OK 2\n1   a b\n+OK 2 c\n..dot\n.\n", "+OK\r\n1 100\r\n1 -1\r\n2147483648 1\r\n.\r\n",
		"+OK\r\nSASL PLAIN\r\nLOGIN-DELAY 60 USER\r\nEXPIRENEVER\r\n.\r\n", "-ERR \x1b[31m\xff\x00\r\n", "+ \r\n", "+OK\r\n.",
	} {
		f.Add([]byte(s), uint64(1))
	}
	f.Fuzz(func(t *testing.T, text []byte, seed uint64) {
		replyCase(t, text, seed)
		listCase(t, text, seed)
	})
}

func replyCase(t *testing.T, text []byte, seed uint64) {
	line, err := chop(text, seed).line()
	if err != nil {
		return
	}
	said, err := status("CAPA", line)
	if err == nil {
		stamp := timestamp(string(said))
		if strings.ContainsFunc(stamp, func(r rune) bool { return r <= ' ' || r > '~' }) {
			t.Fatalf("a timestamp with odd octets: %q", stamp)
		}
		return
	}
	if len(err.Error()) > 2048 || strings.ContainsAny(err.Error(), "\r\n\x1b\x00") {
		t.Fatalf("an error that is not clean: %q", err)
	}
	if e, ok := asReply(err); ok {
		var wait *mailbox.ThrottledError
		if errors.As(e.meaning(0), &wait) && wait.RetryAfter < 0 {
			t.Fatalf("wait for %v", wait.RetryAfter)
		}
	}
}

func listCase(t *testing.T, text []byte, seed uint64) {
	var uidls uidlParser
	var sizes sizeParser
	caps := capabilities{}
	err := chop(text, seed).list(1000, func(line []byte) {
		uidls.add(line)
		sizes.add(line)
		caps.add(line)
	})
	if err != nil {
		return
	}
	if d := caps.loginDelay(); d < 0 {
		t.Fatalf("a delay of %v", d)
	}
	l := makeListing(uidls.entries(), sizes.all, true)
	last := 0
	seen := map[mailbox.ID]bool{}
	for _, e := range l.entries {
		id := l.id(e)
		found, err := l.find(id)
		if err != nil || found != e || seen[id] || e.num <= last || len(e.uidl) > maxUIDL || e.size < -1 {
			t.Fatalf("%+v has the ID %v, which gives %+v, %v", e, id, found, err)
		}
		seen[id], last = true, e.num
	}
}
