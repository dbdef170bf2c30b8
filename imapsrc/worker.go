package imapsrc

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync/atomic"
	"time"

	"github.com/postroom-go/postroom/internal/imapwire"
	"github.com/postroom-go/postroom/internal/mailconn"
	"github.com/postroom-go/postroom/internal/spool"
	"github.com/postroom-go/postroom/mailbox"
)

const (
	workerMemory = 4 << 20
	stallAfter   = 250 * time.Millisecond
	maxTries     = 3 // of one message
)

// worker fetches windows over one connection at a time, and passes the bodies
// through a queue of its own.
type worker struct {
	f      *fetcher
	user   context.Context // the caller's: large bodies live as long
	second bool            // it makes do without a session
	q      *spool.Queue[fetched]
	held   atomic.Int64  // octets of windows that the loop has not taken yet
	taken  chan struct{} // it has taken one
	left   chan struct{} // closed when the loop was left
	pumped chan struct{} // closed when the queue is empty

	joined atomic.Bool // has had a session, or does without

	way  []*inFlight
	pace int64    // the limit of the last connection's
	cut  *cutBody // the body that was under way when the connection was lost
	came int      // messages so far
}

// inFlight is a window that was sent, and what of it has not come yet.
type inFlight struct {
	*fetchWindow
	cmd     *imapwire.Command
	missing []sizedUID
	found   []sizedUID // of a window that checks
	refused bool
}

// cutBody is a body of which the rest is still to come.
type cutBody struct {
	uid   uint32
	off   int64
	size  int64
	tries int
	body  *spool.Body[fetched]
}

func newWorker(f *fetcher, user context.Context, second bool) *worker {
	return &worker{
		f: f, user: user, second: second,
		q:      spool.NewQueue[fetched](&spool.QueueOptions{Memory: workerMemory, StallAfter: stallAfter}),
		taken:  make(chan struct{}, 1),
		left:   make(chan struct{}),
		pumped: make(chan struct{}),
	}
}

// leave tells the worker that nobody wants more.
func (w *worker) leave() {
	close(w.left)
	w.q.Cancel(nil)
}

// pump hands what is in the queue to the loop, one by one.
func (w *worker) pump(ctx context.Context) {
	defer close(w.pumped)
	for {
		got, body, err := w.q.Next(ctx)
		switch {
		case err != nil:
			return
		case got.end != nil:
			w.release(got.end)
			continue
		case got.drop:
			continue
		}
		bound := w.f.bind(w.user, got, body)
		h := handover{&mailbox.Message{Summary: got.sum, Body: bound}, bound, make(chan struct{})}
		select {
		case w.f.out <- h:
		case <-w.left:
			return
		}
		select {
		case <-h.done:
		case <-w.left:
			return
		}
		if l, ok := bound.body.(*lazyBody); ok {
			l.close()
		}
	}
}

// run fetches until nothing is left, and waits until the loop has it all.
func (w *worker) run(ctx context.Context) error {
	err := w.work(ctx)
	w.joined.Store(true)
	w.q.Finish(err)
	select {
	case <-w.pumped:
	case <-w.left:
	case <-ctx.Done():
	}
	if err == nil && ctx.Err() != nil {
		err = mailconn.ContextError(ctx)
	}
	return err
}

func (w *worker) work(ctx context.Context) error {
	same := 0
	for !w.over() {
		s, err := w.session(ctx)
		if s == nil && err == nil {
			return nil // nothing for a second one
		}
		w.joined.Store(true)
		if err == nil && w.over() { // while it was made
			w.f.m.pool.put(s)
			return nil
		}
		var gone bool
		before := w.came
		if err == nil {
			calm := w.spillFor(s)
			err = s.run(ctx, func() error {
				if err := s.selectFolder(want{folder: w.f.g.folder}); err != nil {
					return err
				}
				err := w.talk(ctx, s)
				if errors.Is(err, errYield) {
					w.skip()
				}
				return err
			})
			calm()
			gone = lost(s, err)
			w.f.m.pool.put(s)
		}
		if w.came > before {
			same = 0
		}
		switch {
		case errors.Is(err, errYield), err == nil:
			continue
		case !gone && !(same > 0 && errors.Is(err, mailbox.ErrUnavailable)) || ctx.Err() != nil || same == 2*retries:
			w.returnAll(false)
			return err
		}
		same++
		w.f.m.logf("connection lost while fetching, trying again", "error", err)
		w.returnAll(true)
		if err := w.resolveCut(err); err != nil {
			return err
		}
		if err := sleep(ctx, pause(same)); err != nil {
			return err
		}
	}
	return nil
}

// spillFor lets the queue write to the disk as soon as somebody else wants s: he
// must not wait for a slow loop to take what is under way.
func (w *worker) spillFor(s *session) (stop func()) {
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-s.asked:
			w.q.Spill()
			select { // talk wants to know, too
			case s.asked <- struct{}{}:
			default:
			}
		case <-end:
		}
	}()
	return func() {
		close(end)
		<-ended
	}
}

// over reports whether all is done, or nobody wants it.
func (w *worker) over() bool {
	select {
	case <-w.left:
		return true
	default:
	}
	return w.cut == nil && len(w.way) == 0 && w.f.plan.len() == 0
}

func (w *worker) session(ctx context.Context) (*session, error) {
	target := want{folder: w.f.g.folder}
	if w.second && w.cut == nil {
		return w.f.m.pool.tryIdle(ctx, target), nil
	}
	return w.f.m.pool.get(ctx, target)
}

// talk fetches on one session until somebody else wants it.
func (w *worker) talk(ctx context.Context, s *session) error {
	if err := w.f.g.check(s); err != nil {
		return err
	}
	if s.pace.limit == 0 {
		s.pace.limit = w.pace // a fresh connection begins as the last one ended
	}
	s.pace.start(w.f.firstAhead(w.second))
	defer func() { w.pace = s.pace.limit }()
	if w.cut != nil {
		if err := w.resume(s); err != nil {
			return err
		}
	}
	quit := false
	for done := 0; ; done++ {
		select {
		case <-s.asked:
			quit = true
		case <-w.left:
			quit, done = true, 1
		default:
		}
		if !quit || done == 0 { // each turn brings something, or nobody gets on
			if err := w.ask(s, quit); err != nil {
				return err
			}
		}
		if len(w.way) == 0 {
			if quit {
				return errYield
			}
			if w.f.plan.len() == 0 {
				return nil
			}
			select { // the loop has enough to do
			case <-w.taken:
			case <-s.asked:
				return errYield
			case <-w.left:
				return errYield
			case <-ctx.Done():
				return mailconn.ContextError(ctx)
			}
			continue
		}
		if err := w.next(s); err != nil {
			return err
		}
	}
}

// skip reads what is under way, which nobody wants any more, to keep the
// connection.
func (w *worker) skip() {
	if n := len(w.way); n > 0 && w.way[n-1].cmd != nil {
		_, _ = w.way[n-1].cmd.Wait()
	}
}

// ask sends as many windows as may be under way: one if others wait.
func (w *worker) ask(s *session, others bool) error {
	limit := s.pace.ahead()
	if others {
		limit = 0
	}
	under, sent := int64(0), 0
	for _, fl := range w.way {
		under, sent = under+fl.cost, sent+len(fl.set)+100
	}
	for len(w.way) == 0 || under < limit && sent < maxAsked {
		if w.held.Load() >= mostAhead {
			break
		}
		window := w.f.plan.take(s.pace.window())
		if window == nil {
			break
		}
		w.held.Add(window.cost)
		under, sent = under+window.cost, sent+len(window.set)+100
		fl := &inFlight{fetchWindow: window, missing: slices.Clone(window.msgs)}
		w.way = append(w.way, fl)
		cmd, err := s.fetch(window.set, true, w.f.items(window))
		if err != nil {
			return err
		}
		fl.cmd = cmd.Expect(len(window.msgs))
	}
	return s.wire.Flush()
}

// release notes that the loop has a window behind it, or never gets it.
func (w *worker) release(window *fetchWindow) {
	w.held.Add(-window.cost)
	select {
	case w.taken <- struct{}{}:
	default:
	}
}

// next reads the answers to the window at the head, and those to others that
// come among them.
func (w *worker) next(s *session) error {
	head := w.way[0]
	for {
		r, err := head.cmd.Next()
		if err == io.EOF {
			break
		}
		if malformed(err) {
			continue
		}
		if s.pace.since.IsZero() {
			s.pace.came(time.Now())
		}
		if err != nil {
			if err = s.reason(err, phaseOther); !refused(err) {
				return err
			}
			head.refused = true
			if len(head.missing) == 1 && w.f.plan.triesOf(head.missing[0].uid) > 0 {
				if err := w.deliverFailed(head.missing[0].uid, err); err != nil {
					return err
				}
				head.missing = nil
			}
			break
		}
		if r.Name == "FETCH" {
			if err := w.take(r); err != nil {
				return err
			}
		}
	}
	w.way = w.way[1:]
	s.pace.ended(time.Now(), head.cost)
	return w.endWindow(head)
}

// endWindow asks once more, one by one, for what is missing, unless that has
// been done: then it is gone. So is what had no size either. Where the size was
// the caller's word it asks first whether the messages are there, in one command
// for all.
func (w *worker) endWindow(head *inFlight) error {
	again := head.found
	var doubt []sizedUID
	for _, m := range head.missing {
		switch {
		case w.f.plan.triesOf(m.uid) > 0 || w.f.m.opts.test.noRefetch:
		case m.hint && !head.check:
			doubt = append(doubt, m)
		case head.refused || m.size >= 0 && !head.check:
			again = append(again, m)
		}
	}
	w.f.plan.doubtful(doubt)
	w.f.plan.giveBack(again, len(again))
	b, err := w.q.Begin(fetched{end: head.fetchWindow}, 0)
	if err != nil {
		w.release(head.fetchWindow)
		return errYield // nobody wants more
	}
	b.CloseWithError(nil)
	return nil
}
