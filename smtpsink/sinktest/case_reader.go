package sinktest

import (
	"bytes"
	"io"

	"github.com/postroom-go/postroom/smtpsink"
)

func readerCases() []testCase {
	return []testCase{
		{"reader/fails", "A reader that fails gives its own error, and nobody gets a part of the message.", "", readerFails},
		{"reader/cut", "io.ErrUnexpectedEOF is no end of a message.", "", readerCut},
		{"reader/next", "After a reader that failed the next message goes well.", "", readerNext},
		{"reader/not-closed", "Send does not close the reader, and has no use for it when it has returned.", "", readerNotClosed},
		{"reader/nil", "Without a message nothing is sent.", "", readerNil},
		{"reader/wrong-size", "A wrong Size does not cut or fill a message: it arrives whole or not at all.", "", readerWrongSize},
	}
}

// readerSizes are how much a reader gives before it fails: nothing, less and more
// than a sender's buffer.
func (t *tester) readerSizes() []int {
	return []int{0, 10, 1000, 40_000, 70_000, int(min(4<<20, t.large))}
}

func readerFails(t *tester) {
	for _, n := range t.readerSizes() {
		for _, opts := range []*smtpsink.SendOptions{nil, {Size: min(5<<20, t.large)}, {Partial: true}} {
			body := io.MultiReader(newFlow(int64(n)), failing{})
			if n < 1000 {
				body = io.MultiReader(bytes.NewReader(withBody("text\r\n")[:n]), failing{})
			}
			t.notSent("a reader that fails", t.send(t.ctx, t.envelope(2), body, opts), errReader)
		}
	}
}

// cut is a reader that ends too early.
type cut struct{}

func (cut) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func readerCut(t *tester) {
	for _, raw := range [][]byte{numbered(1), flowed(300_000)} {
		s := t.send(t.ctx, t.envelope(1), io.MultiReader(bytes.NewReader(raw), cut{}), nil)
		t.notSent("a reader that was cut", s, io.ErrUnexpectedEOF)
	}
}

func readerNext(t *tester) {
	for _, n := range t.readerSizes()[3:] {
		_ = t.send(t.ctx, t.envelope(2), io.MultiReader(newFlow(int64(n)), failing{}), nil)
		t.ok("the message after that", &smtpsink.Envelope{From: t.h.From, To: t.h.Recipients[2:4]}, numbered(n), nil)
	}
}

func readerNotClosed(t *tester) {
	for _, raw := range [][]byte{numbered(1), flowed(300_000)} {
		body := &closeCounter{Reader: bytes.NewReader(raw)}
		env := t.envelope(1)
		if s := t.send(t.ctx, env, body, nil); s.err != nil {
			t.Fatalf("a message: %v", s.err)
		}
		t.expect("a message", env.From, env.To, raw)
		if body.closed > 0 {
			t.Errorf("Send closes the reader")
		}
	}
	body := &closeCounter{Reader: failing{}}
	_ = t.send(t.ctx, t.envelope(1), body, nil)
	if body.closed > 0 {
		t.Errorf("Send closes a reader that failed")
	}
}

func readerNil(t *tester) {
	t.notSent("no message", t.send(t.ctx, t.envelope(1), nil, nil))
}

func readerWrongSize(t *tester) {
	for _, raw := range [][]byte{numbered(1), flowed(300_000)} {
		for _, size := range []int64{1, 100, int64(len(raw)) - 1, int64(len(raw)), int64(len(raw)) + 1, int64(2 * len(raw))} {
			env := t.envelope(1)
			s := t.send(t.ctx, env, struct{ io.Reader }{bytes.NewReader(raw)}, &smtpsink.SendOptions{Size: size})
			switch {
			case s.err == nil:
				t.expect("a message with a wrong size", env.From, env.To, raw)
			case size == int64(len(raw)):
				t.Errorf("a message with its size: %v", s.err)
			case s.receipt.Outcome != smtpsink.NotSent && s.receipt.Outcome != smtpsink.Rejected:
				t.Errorf("a message with a wrong size: the outcome is %q", s.receipt.Outcome)
			}
		}
	}
	t.notSent("a negative size", t.send(t.ctx, t.envelope(1), bytes.NewReader(numbered(1)), &smtpsink.SendOptions{Size: -1}))
}
