package sinktest

import (
	"bytes"
	"errors"
	"time"

	"github.com/postroom-go/postroom/mailbox"
)

func closeCases() []testCase {
	return []testCase{
		{"close/twice", "Close is idempotent, and may be called by several at once.", "", closeTwice},
		{"close/later", "Calls after Close fail with ErrClosed, and nothing is sent.", "", closeLater},
		{"close/reading", "Close ends a Send that is under way with ErrClosed, and nothing is sent.", "", closeReading},
		{"close/stuck-reader", "Close does so even if the reader is stuck.", "", closeStuck},
		{"close/stalled", "Close ends a Send that waits for the server.", "StallMessage", closeStalled},
	}
}

func closeTwice(t *tester) {
	t.ok("a message", t.envelope(1), numbered(1), nil)
	done := make(chan error, 8)
	for range cap(done) {
		go func() {
			defer t.catch()
			done <- t.sender.Close()
		}()
	}
	for range cap(done) {
		if err := <-done; err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	if err := t.sender.Close(); err != nil {
		t.Errorf("Close, again: %v", err)
	}
}

func closeLater(t *tester) {
	t.ok("a message", t.envelope(1), numbered(1), nil)
	if err := t.sender.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	for range 3 {
		t.notSent("a message after Close", t.send(t.ctx, t.envelope(1), bytes.NewReader(numbered(2)), nil), mailbox.ErrClosed)
	}
}

func closeReading(t *tester) {
	s := t.broken(t.ctx, 100_000, true, t.closing())
	t.notSent("a Close while the message was read", s, mailbox.ErrClosed)
}

// closing closes the sender, and does not wait for the end of that longer than for
// a Send: which of the two has to wait for the other is the sender's affair.
func (t *tester) closing() func() {
	return func() {
		closed := make(chan struct{})
		go func() {
			defer close(closed)
			defer t.catch()
			if err := t.sender.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		}()
		timer := time.NewTimer(prompt)
		defer timer.Stop()
		select {
		case <-closed:
		case <-timer.C:
			t.Errorf("Close does not return within %v", prompt)
		}
	}
}

func closeStuck(t *tester) {
	s := t.broken(t.ctx, 100_000, false, t.closing())
	t.notSent("a Close while the reader was stuck", s, mailbox.ErrClosed)
}

func closeStalled(t *tester) {
	done, _ := t.stalled(t.ctx, 1)
	closed := make(chan error, 1)
	go func() { closed <- t.sender.Close() }()
	s := t.soon("the sender was closed", done)
	t.notSent("a Close while the server took nothing", s, mailbox.ErrClosed)
	if errors.Is(s.err, mailbox.ErrUnknownOutcome) {
		t.Errorf("the error is %q, though the message was not handed over whole", s.err)
	}
	if err := <-closed; err != nil {
		t.Errorf("Close: %v", err)
	}
}
