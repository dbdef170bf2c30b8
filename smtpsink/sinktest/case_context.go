package sinktest

import (
	"bytes"
	"context"
	"sync"
	"time"

	"github.com/postroom-go/postroom/smtpsink"
)

func contextCases() []testCase {
	return []testCase{
		{"context/before", "A context that has ended sends nothing, and gives its own error.", "", contextBefore},
		{"context/reading", "A context that ends while the message is read sends nothing.", "", contextReading},
		{"context/stuck-reader", "Send returns when its context ends, even if the reader is stuck.", "", contextStuck},
		{"context/deadline", "A deadline ends a Send as well, and is context.DeadlineExceeded.", "", contextDeadline},
		{"context/stalled", "Send returns when its context ends, even if the server takes nothing.", "StallMessage", contextStalled},
		{"context/others", "The end of one context harms no other message.", "", contextOthers},
		{"context/after", "After messages that were broken off others go well.", "", contextAfter},
	}
}

func contextBefore(t *tester) {
	ctx, cancel := context.WithCancel(t.ctx)
	cancel()
	for _, raw := range [][]byte{numbered(1), flowed(300_000)} {
		s := t.soon("its context has ended", t.background(ctx, t.envelope(1), bytes.NewReader(raw), nil))
		t.notSent("a context that has ended", s, context.Canceled)
	}
}

// gateSizes are where readers stop: ahead of the first octet, within and behind a
// sender's buffer.
func gateSizes() []int { return []int{0, 100, 100_000, 290_000} }

// broken sends a message, does f when n octets of it were read, lets the reader go
// on if that is asked for, and gives the result.
func (t *tester) broken(ctx context.Context, n int, goOn bool, f func()) sent {
	g := newGate(flowed(300_000), n)
	done := t.background(ctx, t.envelope(2), g, nil)
	select {
	case <-g.reached:
	case s := <-done:
		close(g.release)
		t.Errorf("Send returns before it has read the message: %v", s.err)
		return s
	}
	f()
	if goOn {
		close(g.release)
	} else {
		defer close(g.release)
	}
	return t.soon("its message was broken off", done)
}

func contextReading(t *tester) {
	for _, n := range gateSizes() {
		ctx, cancel := context.WithCancel(t.ctx)
		s := t.broken(ctx, n, true, cancel)
		cancel()
		t.notSent("a context that ended while the message was read", s, context.Canceled)
	}
}

func contextStuck(t *tester) {
	for _, n := range gateSizes() {
		ctx, cancel := context.WithCancel(t.ctx)
		s := t.broken(ctx, n, false, cancel)
		cancel()
		t.notSent("a context that ended while the reader was stuck", s, context.Canceled)
	}
}

func contextDeadline(t *tester) {
	ctx, cancel := context.WithTimeout(t.ctx, 20*time.Millisecond)
	defer cancel()
	g := newGate(flowed(300_000), 100_000)
	done := t.background(ctx, t.envelope(2), g, nil)
	<-ctx.Done()
	close(g.release)
	t.notSent("a deadline that passed while the message was read", t.soon("its deadline has passed", done), context.DeadlineExceeded)
}

// stalled sends a message of which the server takes the beginning only, and comes
// back when the sender has read no more of it for rest times 50 ms.
func (t *tester) stalled(ctx context.Context, rest int) (<-chan sent, *tripwire) {
	t.h.StallMessage()
	body := &tripwire{flow: newFlow(64 << 20), reached: make(chan struct{})}
	done := t.background(ctx, t.envelope(1), body, nil)
	select {
	case <-body.reached:
	case <-t.ctx.Done():
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for last, still := int64(0), 0; still < rest && t.ctx.Err() == nil; <-tick.C {
		now := body.given.Load()
		if still++; now != last {
			last, still = now, 0
		}
	}
	return done, body
}

// tripwire is a flow that tells when more is wanted than its first piece.
type tripwire struct {
	*flow
	reached chan struct{}
	once    sync.Once
}

func (w *tripwire) Read(p []byte) (int, error) {
	if w.given.Load() > 0 {
		w.once.Do(func() { close(w.reached) })
	}
	return w.flow.Read(p)
}

func contextStalled(t *tester) {
	ctx, cancel := context.WithCancel(t.ctx)
	defer cancel()
	done, _ := t.stalled(ctx, 1)
	cancel()
	t.notSent("a context that ended while the server took nothing", t.soon("the server takes nothing", done), context.Canceled)
}

func contextOthers(t *tester) {
	raw := flowed(300_000)
	g := newGate(raw, 150_000)
	env := t.envelope(2)
	kept := t.background(t.ctx, env, g, nil)
	select {
	case <-g.reached:
	case s := <-kept:
		close(g.release)
		t.Fatalf("Send returns before it has read the message: %v", s.err)
	}
	// A sender of one connection may have the others wait for the first; they
	// must not wait for ever.
	ctx, cancel := context.WithCancel(t.ctx)
	doomed := t.background(ctx, t.envelope(1), failing{}, nil)
	cancel()
	if s := t.soon("its context has ended", doomed); s.err == nil {
		t.Errorf("a reader that fails: no error")
	}
	close(g.release)
	if s := <-kept; s.err != nil {
		t.Fatalf("a message, while the context of another ended: %v", s.err)
	}
	t.expect("a message, while the context of another ended", env.From, env.To, raw)
}

func contextAfter(t *tester) {
	for round := range 4 {
		for _, n := range gateSizes() {
			ctx, cancel := context.WithCancel(t.ctx)
			_ = t.broken(ctx, n, true, cancel)
			cancel()
		}
		t.ok("a message after others were broken off", &smtpsink.Envelope{From: t.h.From, To: t.h.Recipients[3:5]}, numbered(round), nil)
	}
}
