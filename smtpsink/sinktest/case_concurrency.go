package sinktest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/smtpsink"
)

func concurrencyCases() []testCase {
	return []testCase{
		{"concurrency/many", "Send may be called by many at once, and each message arrives with its own envelope.", "", concurrencyMany},
		{"concurrency/close", "Close may be called while many send: each message arrives, or its sender is told that it does not or that nobody knows.", "", concurrencyClose},
	}
}

// meeting has the first Reads of two readers wait for one another, but not for
// long: a sender of one connection reads one after the other.
type meeting struct {
	came atomic.Int32
	both chan struct{}
}

func newMeeting() *meeting { return &meeting{both: make(chan struct{})} }

func (m *meeting) wait() {
	if m.came.Add(1) == 2 {
		close(m.both)
	}
	timer := time.NewTimer(time.Second)
	defer timer.Stop()
	select {
	case <-m.both:
	case <-timer.C:
	}
}

// meets is a message whose first Read waits for another's.
type meets struct {
	io.Reader
	first sync.Once
	at    *meeting
}

func (m *meets) Read(p []byte) (int, error) {
	m.first.Do(m.at.wait)
	return m.Reader.Read(p)
}

func concurrencyMany(t *tester) {
	var wg sync.WaitGroup
	at := newMeeting()
	for who := range 8 {
		wg.Go(func() {
			defer t.catch()
			for n := range 6 {
				raw := numbered(100*who + n)
				if n == 3 {
					raw = append(flowed(150_000), fmt.Sprintf("from %d\r\n", who)...)
				}
				env := &smtpsink.Envelope{From: t.h.From, To: t.h.Recipients[10*who : 10*who+1+n]}
				s := t.send(t.ctx, env, &meets{Reader: bytes.NewReader(raw), at: at}, nil)
				if s.err != nil {
					t.Errorf("one of many messages at once: %v", s.err)
					return
				}
				t.wantRecipients("one of many messages at once", s, env, smtpsink.Accepted)
				t.expect("one of many messages at once", env.From, env.To, raw)
			}
		})
	}
	wg.Wait()
}

func concurrencyClose(t *tester) {
	var wg sync.WaitGroup
	var some sync.Once
	sending := make(chan struct{})
	for who := range 6 {
		wg.Go(func() {
			defer t.catch()
			for n := range 200 {
				raw := numbered(1000*who + n)
				env := &smtpsink.Envelope{From: t.h.From, To: t.h.Recipients[who : who+1]}
				s := t.send(t.ctx, env, bytes.NewReader(raw), nil)
				some.Do(func() { close(sending) })
				switch {
				case s.err == nil:
					t.expect("a message before Close", env.From, env.To, raw)
					continue
				case s.receipt.Outcome == smtpsink.Unknown:
					t.allow("a message under way at Close", env.From, env.To, raw)
				case s.receipt.Outcome != smtpsink.NotSent:
					t.Errorf("a Close meanwhile: the outcome is %q, the error %v", s.receipt.Outcome, s.err)
				case !errors.Is(s.err, mailbox.ErrClosed):
					t.Errorf("a Close meanwhile: the error is %q, want ErrClosed", s.err)
				}
				return
			}
		})
	}
	<-sending
	_ = t.sender.Close()
	wg.Wait()
}
