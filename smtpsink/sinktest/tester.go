package sinktest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postroom-go/postroom/smtpsink"
)

const (
	// prompt is how long a call may take to return when its context has ended
	// or its sender was closed. It is long, so that no slow machine fails for
	// it, and shorter than any timeout that would end the call else.
	prompt = 5 * time.Second
	// grace is how long a case may go on after its context ended.
	grace = 10 * time.Second
)

// tester is what a case works with. It does not fail a test by itself, so that
// the suite can be tried on senders that are meant to fail.
type tester struct {
	ctx    context.Context
	h      *Harness
	sender smtpsink.Sender
	large  int64

	mu       sync.Mutex
	failures []string
	want     []expected
	lenient  bool // it is not the case's business what arrives
}

// runCase runs one case on a fresh harness and gives what failed. A case that does
// not return is a failure, too.
func (cfg *Config) runCase(tb testing.TB, c testCase) []string {
	tb.Helper()
	h := cfg.New(tb)
	if problems := cfg.harnessProblems(h); len(problems) > 0 {
		return problems
	}
	ctx, cancel := context.WithTimeout(tb.Context(), cfg.timeout())
	defer cancel()
	t := &tester{ctx: ctx, h: h, sender: h.Sender, large: cfg.largeSize()}
	t.run(func() { c.Run(t) })
	closed := t.run(func() { _ = t.sender.Close() })
	if closed {
		t.compare()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.failures
}

// run runs f in a goroutine of its own, where Fatalf may end it. An f that goes on
// long after the context ended is given up.
func (t *tester) run(f func()) (ended bool) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer t.catch()
		f()
	}()
	select {
	case <-done:
		return true
	case <-t.ctx.Done():
	}
	last := time.NewTimer(grace)
	defer last.Stop()
	select {
	case <-done:
		return true
	case <-last.C:
		t.Errorf("does not return, even %v after its context ended; all goroutines:\n%s", grace, stacks())
		return false
	}
}

func stacks() []byte {
	buf := make([]byte, 64<<10)
	return buf[:runtime.Stack(buf, true)]
}

// catch makes a panic of the sender a failure of the case.
func (t *tester) catch() {
	if r := recover(); r != nil {
		t.Errorf("panic: %v\n%s", r, debug.Stack())
	}
}

// Errorf records a failure, with the line of the case. It may be called from any
// goroutine.
func (t *tester) Errorf(format string, args ...any) {
	msg := t.where() + fmt.Sprintf(format, args...)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failures = append(t.failures, msg)
}

// Fatalf is Errorf and the end of the case. It must be called from the case's own
// goroutine.
func (t *tester) Fatalf(format string, args ...any) {
	t.Errorf(format, args...)
	runtime.Goexit()
}

// where names the line of the case: the nearest caller that is no method of
// tester.
func (t *tester) where() string {
	pcs := make([]uintptr, 16)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	for {
		f, more := frames.Next()
		if f.Function != "" && !strings.Contains(f.Function, "(*tester)") {
			return fmt.Sprintf("%s:%d: ", filepath.Base(f.File), f.Line)
		}
		if !more {
			return ""
		}
	}
}

// envelope is one to the first n recipients.
func (t *tester) envelope(n int) *smtpsink.Envelope {
	return &smtpsink.Envelope{From: t.h.From, To: slices.Clone(t.h.Recipients[:n])}
}

// sent is what a Send gave. The receipt is not nil, even if the sender's was: then
// it is untold, of which no case but that for this rule says anything.
type sent struct {
	receipt *smtpsink.Receipt
	err     error
	untold  bool
}

// send sends a message, with a copy of the envelope: that it stays as it is is the
// rule of one case.
func (t *tester) send(ctx context.Context, env *smtpsink.Envelope, body io.Reader, opts *smtpsink.SendOptions) sent {
	if env != nil {
		env = &smtpsink.Envelope{From: env.From, To: slices.Clone(env.To)}
	}
	receipt, err := t.sender.Send(ctx, env, body, opts)
	if receipt == nil {
		return sent{&smtpsink.Receipt{}, err, true}
	}
	return sent{receipt, err, false}
}

// background sends a message in a goroutine of its own.
func (t *tester) background(ctx context.Context, env *smtpsink.Envelope, body io.Reader, opts *smtpsink.SendOptions) <-chan sent {
	done := make(chan sent, 1)
	go func() {
		defer t.catch()
		done <- t.send(ctx, env, body, opts)
	}()
	return done
}

// soon waits for a Send that must return now.
func (t *tester) soon(what string, done <-chan sent) sent {
	timer := time.NewTimer(prompt)
	defer timer.Stop()
	select {
	case s := <-done:
		return s
	case <-timer.C:
		t.Fatalf("%s: Send does not return within %v", what, prompt)
		return sent{}
	}
}

// ok sends a message that must be taken, and expects it at the server as raw.
func (t *tester) ok(what string, env *smtpsink.Envelope, raw []byte, opts *smtpsink.SendOptions) *smtpsink.Receipt {
	return t.okAs(what, env, raw, raw, opts)
}

// okAs is ok for a message that arrives as another.
func (t *tester) okAs(what string, env *smtpsink.Envelope, raw, arrives []byte, opts *smtpsink.SendOptions) *smtpsink.Receipt {
	s := t.send(t.ctx, env, bytes.NewReader(raw), opts)
	if s.err != nil {
		t.Fatalf("%s: %v", what, s.err)
	}
	t.expect(what, env.From, env.To, arrives)
	return s.receipt
}

// wholeOrUnsupported sends what a sender may be unable to send: then it is
// errors.ErrUnsupported and nothing is sent.
func (t *tester) wholeOrUnsupported(what string, env *smtpsink.Envelope, raw []byte, opts *smtpsink.SendOptions) {
	s := t.send(t.ctx, env, bytes.NewReader(raw), opts)
	if s.err == nil {
		t.expect(what, env.From, env.To, raw)
		return
	}
	t.notSent(what, s, errors.ErrUnsupported)
}

// notSent checks that a Send failed with the targets, and says that nothing was
// sent.
func (t *tester) notSent(what string, s sent, targets ...error) {
	t.outcome(what, s, smtpsink.NotSent, targets...)
}

// outcome checks an error and what the receipt says.
func (t *tester) outcome(what string, s sent, want smtpsink.Outcome, targets ...error) {
	if s.err == nil {
		t.Errorf("%s: no error", what)
		return
	}
	for _, target := range targets {
		if !errors.Is(s.err, target) {
			t.Errorf("%s: the error is %q, which is not %q", what, s.err, target)
		}
	}
	if s.receipt.Outcome != want && !s.untold {
		t.Errorf("%s: the outcome is %q, want %q; the error is %q", what, s.receipt.Outcome, want, s.err)
	}
}
