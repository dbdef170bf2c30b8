package imapsrc

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/postroom-go/postroom/internal/mailconn"
	"github.com/postroom-go/postroom/mailbox"
)

// want is what a call needs of a session.
type want struct {
	folder string // to select; "" needs none
	write  bool   // to change it, so that EXAMINE will not do
	later  bool   // the call selects it by itself
}

// pool lends sessions, one call at a time each, and waits in the order of
// asking. A second session is made in the background when somebody has to
// wait; if the server refuses it, that is remembered and is nobody's error.
type pool struct {
	dial func(context.Context) (*session, error)
	ctx  context.Context // ends at Close

	mu      sync.Mutex
	max     int
	open    int // sessions that live or are being made
	idle    []*session
	waiters []*waiter
	busy    map[*session]bool
	closed  bool
	making  sync.WaitGroup
}

// waiter gets a session, or nil: try again from the start.
type waiter struct {
	want want
	ch   chan *session
}

func newPool(ctx context.Context, max int, dial func(context.Context) (*session, error)) *pool {
	return &pool{dial: dial, ctx: ctx, max: max, busy: map[*session]bool{}}
}

// get lends a session; put takes it back.
func (p *pool) get(ctx context.Context, w want) (*session, error) {
	for {
		s, wt, err := p.tryGet(w)
		switch {
		case err != nil:
			return nil, err
		case s != nil:
			return s, nil
		case wt == nil:
			return p.make(ctx)
		}
		select {
		case s := <-wt.ch:
			if s != nil {
				return s, nil
			}
		case <-ctx.Done():
			p.forget(wt)
			return nil, mailconn.ContextError(ctx)
		}
	}
}

// tryGet gives an idle session, or a waiter to wait with, or neither: then the
// caller makes a session, for which its place is taken.
func (p *pool) tryGet(w want) (*session, *waiter, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, nil, mailbox.ErrClosed
	}
	if s := p.takeIdle(w); s != nil {
		return s, nil, nil
	}
	if p.open == 0 {
		p.open++
		return nil, nil, nil
	}
	wt := &waiter{w, make(chan *session, 1)}
	p.waiters = append(p.waiters, wt)
	if !p.grow() {
		p.ask()
	}
	return nil, wt, nil
}

// ask tells the calls that hold sessions for long to let them go. The lock is
// held.
func (p *pool) ask() {
	for s := range p.busy {
		select {
		case s.asked <- struct{}{}:
		default:
		}
	}
}

// takeIdle picks the idle session that fits best: with the folder selected, the
// right way; else with any; else with none.
func (p *pool) takeIdle(w want) *session {
	best, score := -1, -1
	for i, s := range p.idle {
		if n := s.fits(w); n > score {
			best, score = i, n
		}
	}
	if best < 0 {
		return nil
	}
	s := p.idle[best]
	p.idle = slices.Delete(p.idle, best, best+1)
	p.hold(s)
	return s
}

// tryIdle gives another session if one is idle or may be made at once; nil if
// not. It is for work that two can share.
func (p *pool) tryIdle(ctx context.Context, w want) *session {
	p.mu.Lock()
	if p.closed || len(p.waiters) > 0 {
		p.mu.Unlock()
		return nil
	}
	if s := p.takeIdle(w); s != nil {
		p.mu.Unlock()
		return s
	}
	if p.open >= p.max {
		p.mu.Unlock()
		return nil
	}
	p.open++
	p.mu.Unlock()
	s, err := p.dial(ctx)
	if err != nil {
		p.failed(err)
		return nil
	}
	return p.lend(s)
}

// grow makes one more session in the background if that is allowed. The lock is
// held.
func (p *pool) grow() bool {
	if p.open >= p.max || p.closed {
		return false
	}
	p.open++
	p.making.Go(func() {
		s, err := p.dial(p.ctx)
		if err != nil {
			p.failed(err)
			return
		}
		p.put(s)
	})
	return true
}

// failed notes that a session could not be made. If the server said so, with
// others open, it takes no more.
func (p *pool) failed(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open--
	var status *StatusError
	if p.open > 0 && errors.As(err, &status) {
		p.max = p.open
	}
	if p.open == 0 {
		p.wake()
	} else {
		p.ask()
	}
}

// make dials for the caller, whose place in the count is taken.
func (p *pool) make(ctx context.Context) (*session, error) {
	s, err := p.dial(ctx)
	if err != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.open--
		p.wake()
		return nil, err
	}
	if s = p.lend(s); s == nil {
		return nil, mailbox.ErrClosed
	}
	return s, nil
}

// lend marks a new session as in use; nil if the pool was closed meanwhile.
func (p *pool) lend(s *session) *session {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		p.open--
		s.drop(mailbox.ErrClosed)
		return nil
	}
	p.hold(s)
	return s
}

// hold marks s as in use, and as asked for only if somebody waits now: who came
// while s was being made had nobody to ask. The lock is held.
func (p *pool) hold(s *session) {
	p.busy[s] = true
	select {
	case <-s.asked:
	default:
	}
	if len(p.waiters) > 0 {
		p.ask()
	}
}

// put takes a session back. One that is broken, or left in the middle of
// something, is gone, and the next that waits makes another.
func (p *pool) put(s *session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.busy, s)
	switch {
	case p.closed || s.broken() != nil || s.midst():
		p.open--
		s.drop(mailbox.ErrClosed)
		p.wake()
	case len(p.waiters) > 0:
		wt := p.waiters[0]
		p.waiters = p.waiters[1:]
		p.hold(s)
		wt.ch <- s
	default:
		p.idle = append(p.idle, s)
	}
}

// wake sends the first that waits back to the start. The lock is held.
func (p *pool) wake() {
	if len(p.waiters) > 0 {
		p.waiters[0].ch <- nil
		p.waiters = p.waiters[1:]
	}
}

// forget takes a waiter out of the line; what it was just given goes on to the
// next.
func (p *pool) forget(wt *waiter) {
	p.mu.Lock()
	i := slices.Index(p.waiters, wt)
	if i >= 0 {
		p.waiters = slices.Delete(p.waiters, i, i+1)
		p.mu.Unlock()
		return
	}
	p.mu.Unlock()
	if s := <-wt.ch; s != nil {
		p.put(s)
		return
	}
	p.mu.Lock()
	p.wake()
	p.mu.Unlock()
}

// close lets nobody in any more, and gives the sessions to say goodbye to and
// those to cut.
func (p *pool) close() (idle, busy []*session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, nil
	}
	p.closed = true
	idle, p.idle = p.idle, nil
	for s := range p.busy {
		busy = append(busy, s)
	}
	for len(p.waiters) > 0 {
		p.wake()
	}
	return idle, busy
}

// lost reports whether err means that the connection is gone, rather than that
// the server refused, wants to be left alone, or the caller went away.
func lost(s *session, err error) bool {
	var status *StatusError
	if err == nil || errors.As(err, &status) && status.Kind != "BYE" || contextErr(err) ||
		errors.Is(err, mailbox.ErrClosed) || errors.Is(err, mailbox.ErrThrottled) {
		return false
	}
	return s.broken() != nil
}
