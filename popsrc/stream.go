package popsrc

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/postroom-go/postroom/internal/mailconn"
	"github.com/postroom-go/postroom/internal/spool"
	"github.com/postroom-go/postroom/mailbox"
)

// errLeft is why a connection is dropped whose consumer has gone.
var errLeft = errors.New("left in the middle of a message")

// got is a message on its way to the consumer.
type got struct {
	entry entry
	id    mailbox.ID
	err   error // the server refused it
}

// stream brings messages from the connection to one consumer, who may call
// anything else meanwhile. A goroutine asks for them, as many ahead as the
// window allows, and puts them into a queue. When another call wants the
// connection it asks for no more, reads what is outstanding, to the disk if need
// be, and lets go. It goes on with a new queue once the consumer has emptied the
// old one, so what lies on the disk is bounded by the window.
type stream struct {
	m      *Mailbox
	ctx    context.Context
	cancel context.CancelCauseFunc
	caller context.Context
	unbind func() bool   // lets go of the caller's context
	queues chan *queue   // from the goroutine to the consumer
	quit   chan struct{} // closed when the consumer has gone
	header bool          // TOP n 0 in place of RETR
	eager  bool          // the consumer wants the first octets at once, not in bunches

	// The goroutine's own.
	list  *listing // the one that the numbers of items are of
	items []entry  // still to be asked for

	mu       sync.Mutex
	cur      *queue      // the goroutine's
	ended    bool        // the goroutine has
	gone     bool        // the consumer is
	patience *time.Timer // cuts the connection of a consumer who has gone

	q *queue // the consumer's
}

type queue = spool.Queue[got]

// stream begins to bring items, which are of list. The consumer must call stop.
func (m *Mailbox) stream(ctx context.Context, header bool, list *listing, items []entry) *stream {
	st := &stream{
		m: m, caller: ctx, header: header, list: list, items: items,
		eager:  len(items) == 1,
		queues: make(chan *queue), quit: make(chan struct{}),
	}
	st.ctx, st.cancel = context.WithCancelCause(m.ctx)
	st.unbind = context.AfterFunc(ctx, func() { st.leave(mailconn.ContextError(ctx)) })
	context.AfterFunc(st.ctx, st.cut)
	go st.run()
	return st
}

// next gives the next message. After the last one the error is io.EOF.
func (st *stream) next() (got, io.Reader, error) {
	for {
		if err := st.err(); err != nil {
			return got{}, nil, err
		}
		if st.q == nil {
			var ok bool
			select {
			case st.q, ok = <-st.queues:
				if !ok {
					return got{}, nil, io.EOF
				}
			case <-st.ctx.Done():
				continue
			}
		}
		g, body, err := st.q.Next(st.ctx)
		switch {
		case err == nil:
			return g, &liveReader{st, body}, nil
		case err == io.EOF:
			st.q = nil
		case st.err() != nil:
			return got{}, nil, st.err()
		default:
			return got{}, nil, err
		}
	}
}

// err is why the consumer gets no more, though it may be there: its context has
// ended, or the mailbox was closed. It does not wait for those who are told by
// the contexts.
func (st *stream) err() error {
	switch {
	case st.caller.Err() != nil:
		return mailconn.ContextError(st.caller)
	case st.ctx.Err() != nil:
		return st.why()
	case st.m.ctx.Err() != nil:
		return mailbox.ErrClosed
	}
	return nil
}

// liveReader is a body that can be read as long as its stream lives.
type liveReader struct {
	st *stream
	r  io.Reader
}

func (l *liveReader) Read(p []byte) (int, error) {
	if err := l.st.err(); err != nil {
		return 0, err
	}
	return l.r.Read(p)
}

// WriteTo saves io.Copy its buffer.
func (l *liveReader) WriteTo(w io.Writer) (int64, error) {
	return io.Copy(&liveWriter{l.st, w}, l.r)
}

type liveWriter struct {
	st *stream
	w  io.Writer
}

func (l *liveWriter) Write(p []byte) (int, error) {
	if err := l.st.err(); err != nil {
		return 0, err
	}
	return l.w.Write(p)
}

// stop is the consumer's farewell, at any time. The caller's context has no more
// to say: it may well end now.
func (st *stream) stop() {
	st.unbind()
	st.leave(mailbox.ErrClosed)
}

// leave ends the consumer's side with err. What is outstanding on the connection
// is read to its end if that is soon, and else the connection is cut: another
// login costs more than a little patience, and on a server without UIDL all IDs.
func (st *stream) leave(err error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.gone {
		return
	}
	st.gone = true
	close(st.quit)
	if st.cur != nil {
		st.cur.Cancel(err)
	}
	if st.ended {
		st.cancel(errLeft)
		return
	}
	st.patience = time.AfterFunc(drainTime, func() { st.cancel(errLeft) })
}

// left reports whether the consumer has gone.
func (st *stream) left() bool {
	select {
	case <-st.quit:
		return true
	default:
		return false
	}
}

// why is the reason for which the context ended.
func (st *stream) why() error {
	err := context.Cause(st.ctx)
	if errors.Is(err, errLeft) {
		return mailbox.ErrClosed
	}
	return err
}

// cut ends all waiting of the consumer when the context has ended.
func (st *stream) cut() {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.cur != nil {
		st.cur.Cancel(st.why())
	}
}

// spill lets the goroutine go on without the consumer.
func (st *stream) spill() {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.cur != nil {
		st.cur.Spill()
	}
}

// run is the goroutine: a queue, the connection, and again.
func (st *stream) run() {
	defer st.end()
	for failed := 0; len(st.items) > 0; {
		q := st.newQueue()
		select {
		case st.queues <- q:
		case <-st.quit:
			return
		case <-st.ctx.Done():
			return
		}
		before := len(st.items)
		err := st.turn(q)
		if len(st.items) < before {
			failed = 0
		}
		if err != nil && !st.left() {
			failed++
			err = st.recover(err, failed, len(st.items) < before)
		}
		q.Finish(err)
		if err != nil {
			return
		}
	}
}

// recover gives nil if another session may bring what is left. A message that
// breaks the session, also by a breach of the protocol, fails alone.
func (st *stream) recover(err error, failed int, moved bool) error {
	if failed > 1 || !lost(err) && !(moved && errors.Is(err, mailbox.ErrProtocol)) {
		return err
	}
	st.m.log(st.ctx, "POP3 session lost, going on with another", err)
	return pause(st.ctx, firstPause)
}

// end frees the context once both sides are done with it.
func (st *stream) end() {
	close(st.queues)
	st.mu.Lock()
	defer st.mu.Unlock()
	st.ended = true
	if st.gone {
		st.patience.Stop()
		st.cancel(errLeft)
	}
}

func (st *stream) newQueue() *queue {
	q := spool.NewQueue[got](nil)
	st.mu.Lock()
	defer st.mu.Unlock()
	st.cur = q
	if st.ctx.Err() != nil {
		q.Cancel(st.why())
	}
	if st.left() {
		q.Cancel(mailbox.ErrClosed)
	}
	return q
}

// turn holds the connection until all is done or another call wants it.
func (st *stream) turn(q *queue) error {
	m := st.m
	if err := m.acquire(st.ctx); err != nil {
		return err
	}
	defer m.release()
	m.holder.Store(st)
	defer m.holder.Store(nil)
	if st.left() {
		return nil
	}
	return m.once(st.ctx, func(s *session) error {
		if err := st.follow(s.list); err != nil {
			return err
		}
		p := &pipeline{st: st, s: s, q: q}
		return p.run()
	})
}

// follow finds the items again in the maildrop of another session. Those that
// are gone are left out.
func (st *stream) follow(l *listing) error {
	if l == st.list {
		return nil
	}
	kept := make([]entry, 0, len(st.items))
	for _, e := range st.items {
		e, err := l.find(st.list.id(e))
		if err == nil {
			kept = append(kept, e)
		} else if !errors.Is(err, mailbox.ErrNotFound) {
			return err
		}
	}
	st.list, st.items = l, kept
	return nil
}
