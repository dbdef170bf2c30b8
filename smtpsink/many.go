package smtpsink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/postroom-go/postroom/internal/mailconn"
	"github.com/postroom-go/postroom/mailbox"
)

const (
	// readAhead is how many messages SendAll has read and not sent.
	readAhead = 32
	// maxRedials is how often a connection that was lost is tried to be
	// replaced, and redialWait how long after the first failure.
	maxRedials = 4
	redialWait = time.Second
	// lingerTime is how long what was put waits for the next message, so that
	// small ones go out together.
	lingerTime = time.Millisecond
)

// SendAll sends many messages over one connection, and yields what became of
// each, in their order. Where the server can do CHUNKING and PIPELINING a message
// does not wait for the answer to the one before, so that a hundred small ones
// take a few round trips; Options.Window bounds how many are under way. One that
// is all or nothing for several recipients waits for these to be answered for.
//
// A message that fails is a Result with its Err, and the others go on; a Receipt
// is never nil. If the connection is lost, another takes what was not begun.
// The error, the last thing if there is one, says why nothing more can be sent:
// the messages that were not yielded until then have not been.
//
// messages is iterated, and bodies are read, in a goroutine of SendAll's own,
// which may be a few messages ahead. It ends after the present message when the
// loop is left or ctx is done: who may wait in there for long should watch ctx.
func (k *Sink) SendAll(ctx context.Context, messages iter.Seq[*Message]) iter.Seq2[*Result, error] {
	return func(yield func(*Result, error) bool) {
		ctx, cancel := k.bound(ctx)
		defer cancel()
		b := &bulk{
			sink:    k,
			ctx:     ctx,
			jobs:    make(chan *transaction, readAhead),
			results: make(chan *transaction, k.opts.Window),
			slots:   make(chan struct{}, k.opts.Window),
		}
		go b.feed(messages)
		go b.run()
		defer func() { // also if the loop is left by a panic
			cancel()
			for t := range b.results {
				t.closeBody()
			}
		}()
		for t := range b.results {
			<-b.slots
			t.closeBody()
			t.recycle()
			if !yield(&Result{Message: t.msg, Receipt: t.receipt, Err: opError(t.err)}, nil) {
				return
			}
		}
		if b.err != nil {
			yield(nil, opError(b.err))
		}
	}
}

func opError(err error) error {
	if err == nil {
		return nil
	}
	return &mailbox.Error{Op: "send", Err: err}
}

// bulk is one SendAll.
type bulk struct {
	sink    *Sink
	ctx     context.Context
	jobs    chan *transaction
	results chan *transaction // has room for all that have a slot
	slots   chan struct{}     // one for each message from here to its yield
	cut     bool              // ctx ended before messages did; feed's until it closes jobs
	err     error             // why it ended before its time

	// run's.
	slot   bool // the next message has its slot
	sess   *session
	unbind func() error
	lost   bool           // a session was lost before
	todo   []*transaction // to be sent again
	linger *time.Timer

	mu    sync.Mutex
	order []*transaction // not yielded yet
	busy  *transaction   // is being sent: its body is read still, even if it is ready
}

// feed reads the messages.
func (b *bulk) feed(messages iter.Seq[*Message]) {
	defer func() {
		b.cut = b.ctx.Err() != nil
		close(b.jobs)
	}()
	for m := range messages {
		if m == nil {
			m = &Message{} // which has no recipient
		}
		body, _ := m.Body.(io.Closer)
		if b.ctx.Err() != nil {
			(&transaction{closer: body}).closeBody()
			return
		}
		t := newTransaction(m.Envelope, m.Body, m.Options)
		t.msg, t.closer = m, body
		if t.whole || t.done {
			t.closeBody()
		}
		select {
		case b.jobs <- t:
		case <-b.ctx.Done():
			t.closeBody()
			return
		}
	}
}

// closeBody closes the message's body, once.
func (t *transaction) closeBody() {
	if t.closer != nil {
		_ = t.closer.Close()
		t.closer = nil
	}
}

// run sends the messages.
func (b *bulk) run() {
	defer close(b.results)
	b.linger = time.NewTimer(time.Hour)
	defer b.linger.Stop()
	for {
		t, err := b.take()
		if err == nil && t != nil {
			err = b.send(t)
		}
		if err != nil {
			b.abandon(err)
		}
		if err != nil || t == nil {
			b.giveBack()
			return
		}
	}
}

// take gives the next message; nil if all is done.
func (b *bulk) take() (*transaction, error) {
	lingered := false
	for {
		if len(b.todo) > 0 {
			t := b.todo[0]
			b.todo = b.todo[1:]
			return t, nil
		}
		if b.jobs == nil {
			if b.cut {
				return nil, mailconn.ContextError(b.ctx)
			}
			if b.sess == nil || b.sess.await(b.allDone) == nil {
				return nil, nil
			}
			b.lose()
			continue
		}
		var jobs <-chan *transaction
		var slots chan<- struct{}
		var dead <-chan struct{}
		if b.slot {
			jobs = b.jobs
		} else {
			slots = b.slots
		}
		select {
		case slots <- struct{}{}:
			b.slot = true
			continue
		case t, ok := <-jobs:
			if b.admit(t, ok) {
				return t, nil
			}
			continue
		default:
		}
		// There is time: what is not written goes out, unless there will be more
		// at once.
		var soon <-chan time.Time
		if b.sess != nil {
			dead = b.sess.dead
			if !lingered && len(b.sess.out) > 0 {
				b.linger.Reset(lingerTime)
				soon = b.linger.C
			} else {
				_ = b.sess.flush()
			}
		}
		select {
		case <-soon:
			lingered = true
		case slots <- struct{}{}:
			b.slot = true
		case t, ok := <-jobs:
			if b.admit(t, ok) {
				return t, nil
			}
		case <-dead:
			b.lose()
		case <-b.ctx.Done():
			return nil, mailconn.ContextError(b.ctx)
		}
	}
}

// admit lists a message; false if there is nothing to send.
func (b *bulk) admit(t *transaction, ok bool) bool {
	if !ok {
		b.jobs = nil
		return false
	}
	b.slot = false
	t.bulk = b
	b.mu.Lock()
	b.order = append(b.order, t)
	b.mu.Unlock()
	if t.done {
		b.ready(t)
		return false
	}
	return true
}

// ready hands out what is done, in order.
func (b *bulk) ready(t *transaction) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t.ready = true
	b.handOut()
}

// setBusy says whose body is being read.
func (b *bulk) setBusy(t *transaction) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.busy = t
	b.handOut()
}

// handOut is for the caller who holds mu.
func (b *bulk) handOut() {
	n := 0
	for n < len(b.order) && b.order[n].ready && b.order[n] != b.busy {
		b.results <- b.order[n]
		n++
	}
	b.order = b.order[n:]
}

// unready are the messages of which it is not known what became of them.
func (b *bulk) unready() []*transaction {
	b.mu.Lock()
	defer b.mu.Unlock()
	var ts []*transaction
	for _, t := range b.order {
		if !t.ready {
			ts = append(ts, t)
		}
	}
	return ts
}

func (b *bulk) allDone() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.order) == 0
}

// send sends one message on the session that there is, or on a new one. An error
// ends it all.
func (b *bulk) send(t *transaction) error {
	if b.sess != nil && b.sink.worn(b.sess) {
		b.todo = append([]*transaction{t}, b.todo...)
		b.change()
		return nil
	}
	if err := b.turn(); err != nil {
		return err
	}
	if err := t.suits(&b.sess.caps); err != nil {
		t.fail(err)
		return nil
	}
	t.sent = true
	b.sess.begun++
	b.setBusy(t)
	err := b.sess.transmit(t, b.sink.opts.Window > 1)
	b.setBusy(nil)
	if err != nil {
		b.lose()
	}
	return nil
}

// turn waits until the next message may begin, and sees to it that there is a
// session.
func (b *bulk) turn() error {
	paced := b.sink.opts.Interval > 0
	if paced && b.sess != nil {
		_ = b.sess.flush()
	}
	if err := b.sink.lull(b.ctx); err != nil {
		return err
	}
	if paced && b.sess != nil && b.sess.over() != nil {
		b.lose() // while we waited
	}
	if b.sess == nil {
		s, err := b.dial()
		if err != nil {
			return err
		}
		b.sess, b.unbind = s, s.bind(b.ctx)
		if b.sink.isCareful() {
			s.forgo()
		}
	}
	return b.sink.pace(b.ctx)
}

// change lets go of a session that has done its part.
func (b *bulk) change() {
	if b.sess.await(func() bool { return b.sess.head == len(b.sess.steps) }) != nil {
		b.lose()
		return
	}
	b.giveBack()
}

func (b *bulk) giveBack() {
	if b.sess != nil {
		_ = b.unbind()
		b.sink.release(b.sess)
		b.sess = nil
	}
}

// dial gets a session, with patience if there was one before.
func (b *bulk) dial() (*session, error) {
	for i := 0; ; i++ {
		s, err := b.sink.acquire(b.ctx, b.lost)
		if err == nil || !b.lost || !mailbox.Retryable(err) || i == maxRedials {
			return s, err
		}
		b.sink.log(b.ctx, "SMTP connection lost, and no other to be had yet", err)
		wait := redialWait << i
		if err := sleep(b.ctx, wait/2+rand.N(wait)); err != nil {
			return nil, err
		}
	}
}

// lose decides on the messages of a session that is over, and has those sent
// again of which nothing can have been taken. A session that came forward counts
// for none of the tries: so there is an end to it, but not for the last in the
// window of a server that ends each session after a few messages.
func (b *bulk) lose() {
	s := b.sess
	cause := s.over()
	careful := errors.Is(cause, errTakesBodies)
	if careful || b.lost && s.isAsking() {
		b.sink.beCareful()
	}
	var again []*transaction
	for _, t := range b.unready() {
		if !t.sent {
			continue // it is in todo
		}
		t.sent = false
		if !t.settle(s) {
			continue
		}
		if !careful && s.messageCount() == 0 {
			t.tries++
		}
		if !t.replayable() || t.tries == maxTries || b.ctx.Err() != nil {
			t.fail(fmt.Errorf("nothing was sent: %w", cause))
			continue
		}
		again = append(again, t)
	}
	b.todo = append(again, b.todo...)
	b.lost = true
	if b.ctx.Err() == nil {
		b.sink.log(b.ctx, "SMTP connection lost, making another", cause)
	}
	b.giveBack()
}

// abandon is for what cannot be sent any more.
func (b *bulk) abandon(err error) {
	b.err = err
	if b.sess != nil {
		_ = b.sess.await(b.allSentDone)
		if b.sess.over() != nil {
			b.lose()
		}
	}
	for _, t := range b.unready() {
		t.fail(fmt.Errorf("nothing was sent: %w", err))
	}
	if jobs := b.jobs; jobs != nil {
		go func() {
			for t := range jobs {
				t.closeBody()
			}
		}()
	}
}

func (b *bulk) allSentDone() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, t := range b.order {
		if t.sent && !t.ready {
			return false
		}
	}
	return true
}
