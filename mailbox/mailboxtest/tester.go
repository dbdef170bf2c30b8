package mailboxtest

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postroom-go/postroom/mailbox"
)

// tester is what a case works with: an account, a context that ends with the
// case's time, and a place for failures. It does not fail a test by itself, so
// that the suite can be tried on drivers that are meant to fail.
type tester struct {
	ctx  context.Context
	caps mailbox.Caps
	inst *Instance
	box  mailbox.Mailbox
	size int // of the large message
	*stock

	mu       sync.Mutex
	failures []string
	idle     string // why the case has proved nothing
	opened   []mailbox.Mailbox
}

// grace is how long a case may go on after its context ended; it is longer than
// closeBound.
const grace = closeBound + 5*time.Second

// runCase runs one case on a fresh instance and gives what failed, and why it has
// proved nothing if so. A case that does not return is a failure, too.
func (cfg *Config) runCase(tb testing.TB, c testCase) (failures []string, nothing string) {
	tb.Helper()
	inst := cfg.New(tb)
	if problems := cfg.instanceProblems(inst); len(problems) > 0 {
		return problems, ""
	}
	ctx, cancel := context.WithTimeout(tb.Context(), cfg.timeout())
	defer cancel()
	size := cmp.Or(cfg.LargeSize, largeSize)
	if cfg.stock == nil {
		cfg.stock = newStock(size)
	}
	t := &tester{ctx: ctx, caps: cfg.Caps, inst: inst, box: inst.Box, size: size, stock: cfg.stock, opened: []mailbox.Mailbox{inst.Box}}
	failures = t.run(func(t *tester) {
		defer t.closeAll()
		defer t.catch()
		c.Run(t)
	})
	t.mu.Lock()
	defer t.mu.Unlock()
	return failures, t.idle
}

// run runs f in a goroutine of its own, where Fatalf may end it, and gives what
// failed. An f that goes on long after the context ended is given up.
func (t *tester) run(f func(t *tester)) []string {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(t)
	}()
	select {
	case <-done:
	case <-t.ctx.Done():
		last := time.NewTimer(grace)
		defer last.Stop()
		select {
		case <-done:
		case <-last.C:
			t.Errorf("does not return, even %v after its context ended; all goroutines:\n%s", grace, stacks())
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.failures
}

func stacks() []byte {
	buf := make([]byte, 64<<10)
	return buf[:runtime.Stack(buf, true)]
}

// catch makes a panic of the driver a failure of the case.
func (t *tester) catch() {
	if r := recover(); r != nil {
		t.Errorf("panic: %v\n%s", r, debug.Stack())
	}
}

// closeAll closes every mailbox that the case used.
func (t *tester) closeAll() {
	t.mu.Lock()
	opened := t.opened
	t.mu.Unlock()
	for _, mb := range opened {
		_ = mb.Close()
	}
}

// Errorf records a failure, with the line of the case. It may be called from
// any goroutine.
func (t *tester) Errorf(format string, args ...any) {
	msg := t.where() + fmt.Sprintf(format, args...)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failures = append(t.failures, msg)
}

// nothing says that the case, if it does not fail, has proved nothing, or less
// than its rule, because of what this driver lacks.
func (t *tester) nothing(why string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.idle = why
}

// Fatalf is Errorf and the end of the case. It must be called from the case's
// own goroutine.
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

// must ends the case if err is not nil.
func (t *tester) must(what string, err error) {
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// open opens another session; where sessions exclude each other, others must
// be closed first.
func (t *tester) open() mailbox.Mailbox {
	mb, err := t.inst.Reopen()
	t.must("Reopen", err)
	t.mu.Lock()
	t.opened = append(t.opened, mb)
	t.mu.Unlock()
	return mb
}

// reopen goes on in another session: the first one is closed.
func (t *tester) reopen() {
	t.must("Close", t.box.Close())
	t.box = t.open()
}

// elsewhere runs f on another session: beside the first where that is
// possible, else between it and a new one.
func (t *tester) elsewhere(f func(mb mailbox.Mailbox)) {
	if t.caps.Exclusive {
		t.reopen()
		f(t.box)
		t.reopen()
		return
	}
	mb := t.open()
	f(mb)
	t.must("Close of another session", mb.Close())
}

// deliver puts messages into a folder, and makes sure that the session can see
// them.
func (t *tester) deliver(folder string, raws ...[]byte) {
	for _, raw := range raws {
		t.must("Deliver", t.inst.Deliver(folder, raw))
	}
	if t.caps.Exclusive {
		t.reopen()
	}
}

// fill delivers n small numbered messages to INBOX and gives their IDs.
func (t *tester) fill(n int) []mailbox.ID {
	raws := make([][]byte, n)
	for i := range raws {
		raws[i] = numbered(i)
	}
	t.deliver(mailbox.Inbox, raws...)
	ids := t.ids(mailbox.Inbox)
	if len(ids) != n {
		t.Fatalf("INBOX lists %d messages after %d were delivered", len(ids), n)
	}
	return ids
}

// one delivers one message to INBOX, which must be empty, and gives its ID.
func (t *tester) one(raw []byte) mailbox.ID {
	t.deliver(mailbox.Inbox, raw)
	ids := t.ids(mailbox.Inbox)
	if len(ids) != 1 {
		t.Fatalf("INBOX lists %d messages after one was delivered", len(ids))
	}
	return ids[0]
}

// many is more messages than a driver should ask for at a time.
func (t *tester) many() int { return min(300, t.size/200) }
