package sinktest

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing/iotest"

	"github.com/postroom-go/postroom/smtpsink"
)

func wholeCases() []testCase {
	return []testCase{
		{"whole/octets", "A message in CRLF form arrives octet by octet.", "", wholeOctets},
		{"whole/next", "One sender sends many messages, and none has anything of another.", "", wholeNext},
		{"whole/large", "A message larger than any buffer arrives whole, and is read from a reader that cannot go back.", "", wholeLarge},
		{"whole/streamed", "A message is not read far ahead of what the server takes.", "StallMessage", wholeStreamed},
		{"whole/dots", "Lines that begin with dots keep exactly them (RFC 5321 section 4.5.2).", "", wholeDots},
		{"whole/line-ends", "A line may end in LF or CR alone, and arrives ended by CRLF (RFC 5321 section 2.3.8).", "", wholeLineEnds},
		{"whole/one-message", "No octets in a message make a server see two (CVE-2023-51764).", "", wholeOneMessage},
		{"whole/no-final-newline", "The last line gets its end if it lacks it.", "", wholeNoFinalNewline},
		{"whole/blank-end", "Empty lines at the end are kept.", "", wholeBlankEnd},
		{"whole/no-body", "A message may have no body (RFC 5322 section 3.5).", "", wholeNoBody},
		{"whole/long-line", "A line of any length arrives as it is, or is an error with nothing sent (RFC 5321 section 4.5.3.1.6).", "", wholeLongLine},
		{"whole/8-bit", "Octets above 127 arrive as they are, or are errors.ErrUnsupported with nothing sent (RFC 6152).", "", wholeEightBit},
		{"whole/nul", "A NUL octet is an error, and nothing is sent (RFC 5321 section 4.5.2).", "", wholeNUL},
		{"whole/readers", "It does not matter in what pieces a reader gives the message.", "", wholeReaders},
	}
}

func wholeOctets(t *tester) {
	t.ok("a small message", t.envelope(1), numbered(1), nil)
}

func wholeNext(t *tester) {
	for n := range 20 {
		env := t.envelope(1 + n%3)
		raw := numbered(n)
		if n%7 == 3 {
			raw = flowed(150_000)
		}
		t.ok("one of many messages", env, raw, nil)
	}
}

func wholeLarge(t *tester) {
	env, body := t.envelope(2), newFlow(t.large)
	if s := t.send(t.ctx, env, struct{ io.Reader }{body}, nil); s.err != nil {
		t.Fatalf("a message of %d octets: %v", t.large, s.err)
	}
	t.add(&expected{what: "a large message"}, env.From, env.To, newFlow(t.large))
}

// maxAhead is how far a sender may read ahead of a server that takes nothing: what
// fits into the buffers of the network on both sides, and some of its own.
const maxAhead = 16 << 20

func wholeStreamed(t *tester) {
	ctx, cancel := context.WithCancel(t.ctx)
	defer cancel()
	// Half a second, since a sender that reads on may be held up by the machine.
	done, body := t.stalled(ctx, 10)
	if n := body.given.Load(); n > maxAhead {
		t.Errorf("of a message that the server does not take %d octets were read", n)
	}
	cancel()
	if s := t.soon("its context has ended", done); s.err == nil {
		t.Errorf("no error, though the server has taken nothing")
	}
}

func wholeDots(t *tester) {
	for _, body := range []string{".\r\n", "..\r\n", ".\r\n.\r\n..x\r\n", "a\r\n.\r\nb\r\n", ".x\r\n...\r\n", strings.Repeat(".\r\n", 40_000)} {
		t.ok("a message with dots", t.envelope(1), withBody(body), nil)
	}
	t.okAs("a message that ends in a dot", t.envelope(1), withBody("a\r\n."), withBody("a\r\n.\r\n"), nil)
}

func wholeLineEnds(t *tester) {
	for _, raw := range []string{
		"Subject: LF\n\none\ntwo\n",
		"Subject: mixed\r\nX-A: b\n\r\none\ntwo\r\nthree\rfour\r\n",
		"Subject: CR CR LF\r\n\r\none\r\r\ntwo\n\rthree\r\n",
		"Subject: in between\r\n\r\n" + strings.Repeat("0123456789\n", 20_000),
	} {
		t.okAs("a message with other line ends", t.envelope(1), []byte(raw), normal(raw), nil)
	}
}

func wholeOneMessage(t *tester) {
	const second = "MAIL FROM:<eve@example.net>\r\nRCPT TO:<bob@example.net>\r\nDATA\r\nSubject: smuggled\r\n\r\n.\r\n"
	for _, end := range []string{"\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r\n.\r", "\r.\r\n", "\r\r\n.\r\r\n", "\n.\r", "\r\n.\r\n"} {
		raw := header + "\r\nfirst" + end + second
		t.okAs("a message with "+strings.ToValidUTF8(quote(end), "?")+" in it", t.envelope(1), []byte(raw), normal(raw), nil)
	}
}

// quote shows line ends.
func quote(s string) string {
	return strings.NewReplacer("\r", "<CR>", "\n", "<LF>").Replace(s)
}

func wholeNoFinalNewline(t *tester) {
	raw := withBody("no newline at the end")
	t.okAs("a message without a last line end", t.envelope(1), raw, append(raw, "\r\n"...), nil)
	raw = withBody("CR at the end\r")
	t.okAs("a message that ends in CR", t.envelope(1), raw, append(raw, "\n"...), nil)
}

func wholeBlankEnd(t *tester) {
	t.ok("a message that ends in empty lines", t.envelope(1), withBody("text\r\n\r\n\r\n"), nil)
}

func wholeNoBody(t *tester) {
	t.ok("a message without a body", t.envelope(1), withBody(""), nil)
}

func wholeLongLine(t *tester) {
	for _, n := range []int{998, 5000, 200_000} {
		raw := withBody("short\r\n" + strings.Repeat("0123456789", n/10) + "\r\nshort\r\n")
		env := t.envelope(1)
		s := t.send(t.ctx, env, bytes.NewReader(raw), nil)
		switch {
		case s.err == nil:
			t.expect("a message with a long line", env.From, env.To, raw)
		case n < 1000:
			t.Errorf("a line of %d octets: %v", n, s.err)
		default:
			t.notSent("a message with a long line", s)
		}
	}
}

func wholeEightBit(t *tester) {
	var all []byte
	for c := 128; c < 256; c++ {
		all = append(all, byte(c))
	}
	t.wholeOrUnsupported("a body with octets above 127", t.envelope(1), withBody("Gr\xfc\xdfe "+string(all)+"\r\n"), nil)
	t.wholeOrUnsupported("a body in UTF-8", t.envelope(1), withBody("Grüße\r\n"), nil)
	t.wholeOrUnsupported("a header in UTF-8 (RFC 6532)", t.envelope(1), []byte("Subject: Grüße\r\n\r\ntext\r\n"), nil)
	t.ok("the next message", t.envelope(1), numbered(1), nil)
}

func wholeNUL(t *tester) {
	for _, raw := range []string{
		header + "\r\na\x00b\r\n",
		header + "\r\n" + strings.Repeat("0123456789\r\n", 20_000) + "\x00\r\n.\r\n",
	} {
		t.notSent("a message with NUL", t.send(t.ctx, t.envelope(1), strings.NewReader(raw), nil))
	}
	t.ok("the next message", t.envelope(1), numbered(1), nil)
}

func wholeReaders(t *tester) {
	small := "Subject: pieces\r\nBcc: bob@example.net\r\n\r\n.\r\nx\r\n..\r\n\r\n"
	large := flowed(70_000) // more than a buffer
	for what, body := range map[string]func(raw []byte) io.Reader{
		"one octet at a time":     func(raw []byte) io.Reader { return iotest.OneByteReader(bytes.NewReader(raw)) },
		"half of what is wanted":  func(raw []byte) io.Reader { return iotest.HalfReader(bytes.NewReader(raw)) },
		"the end with the last":   func(raw []byte) io.Reader { return iotest.DataErrReader(bytes.NewReader(raw)) },
		"nothing now and then":    func(raw []byte) io.Reader { return &idle{r: bytes.NewReader(raw)} },
		"by WriteTo as it may be": func(raw []byte) io.Reader { return bytes.NewBuffer(bytes.Clone(raw)) },
	} {
		for arrives, raw := range map[string][]byte{
			strings.Replace(small, "Bcc: bob@example.net\r\n", "", 1): []byte(small), string(large): large,
		} {
			env := t.envelope(1)
			s := t.send(t.ctx, env, body(raw), &smtpsink.SendOptions{})
			if s.err != nil {
				t.Errorf("a reader that gives %s: %v", what, s.err)
				continue
			}
			t.expect("from a reader that gives "+what, env.From, env.To, []byte(arrives))
		}
	}
}

// idle is a reader that gives nothing every other time, as io.Reader allows.
type idle struct {
	r    io.Reader
	turn bool
}

func (i *idle) Read(p []byte) (int, error) {
	if i.turn = !i.turn; i.turn {
		return 0, nil
	}
	return i.r.Read(p)
}
