package imapsrc

import (
	"context"
	"errors"
	"io"
	"iter"
	"strconv"
	"sync"
	"time"

	"github.com/postroom-go/postroom/internal/mailconn"
	"github.com/postroom-go/postroom/internal/spool"
	"github.com/postroom-go/postroom/mailbox"
)

// Fetch streams whole messages: see mailbox.Fetch. They come in windows of some
// megabytes, several ahead, over two connections where there is much to move and
// the pool allows, in no promised order. A connection that is lost is replaced, and
// a body that was under way goes on where it was cut. Nothing is marked as seen.
// Without opts.Sizes the server is asked for the sizes first; they decide what is
// asked for together, and what is too large for that.
func (m *Mailbox) Fetch(ctx context.Context, ids []mailbox.ID, opts *mailbox.FetchOptions) iter.Seq2[*mailbox.Message, error] {
	if opts == nil {
		opts = &mailbox.FetchOptions{}
	}
	fields := opts.Wanted()
	return func(yield func(*mailbox.Message, error) bool) {
		fail := func(g *folderIDs, err error) {
			yield(nil, opError("fetch", g.folder, mailbox.ID{}, ended(ctx, err)))
		}
		groups := groupSized(ids, opts.Sizes)
		for _, g := range groups {
			if err := m.checkEpoch(ctx, g, len(groups) > 1); err != nil {
				fail(g, err)
				return
			}
		}
		for _, g := range groups {
			more, err := m.fetchFolder(ctx, g, fields, yield)
			if err != nil {
				fail(g, err)
			}
			if !more || err != nil {
				return
			}
		}
	}
}

// checkEpoch makes sure, before anything moves, that no ID is stale. The only
// folder of a Fetch is checked when it is opened.
func (m *Mailbox) checkEpoch(ctx context.Context, g *folderIDs, now bool) error {
	switch {
	case m.opts.test.noEpochCheck:
		return nil
	case len(g.epochs) > 1:
		return mailbox.ErrStale
	case !now:
		return nil
	}
	own, end := m.begin(ctx)
	defer end(nil)
	return m.do(own, want{folder: g.folder}, true, func(s *session) error { return g.check(s) })
}

func (g *folderIDs) check(s *session) error {
	if g.stale(s.sel.epoch) && !s.m.opts.test.noEpochCheck {
		return mailbox.ErrStale
	}
	return nil
}

// fetcher is the Fetch of one folder.
type fetcher struct {
	m      *Mailbox
	g      *folderIDs
	fields mailbox.Fields
	plan   fetchPlan
	ids    idMaker
	out    chan handover

	workers []*worker
	running sync.WaitGroup
	ended   chan error // a worker has
}

// handover gives a message to the loop, which answers when it is done with it.
type handover struct {
	msg  *mailbox.Message // the loop's to change
	body *boundBody
	done chan struct{}
}

// drainTime bounds how long what is under way is read after the loop was left,
// to keep the connection.
const drainTime = 5 * time.Second

// fetchFolder runs the workers and hands out what they bring; more is false when
// the loop was left.
func (m *Mailbox) fetchFolder(ctx context.Context, g *folderIDs, fields mailbox.Fields, yield func(*mailbox.Message, error) bool) (more bool, err error) {
	own, cancel := m.begin(context.WithoutCancel(ctx))
	follow := context.AfterFunc(ctx, func() { cancel(mailconn.ContextError(ctx)) })
	f := &fetcher{m: m, g: g, fields: fields, out: make(chan handover), ended: make(chan error, 2)}
	f.plan.tries = map[uint32]int{}
	defer func() {
		for _, w := range f.workers {
			w.leave()
		}
		follow()
		late := time.AfterFunc(drainTime, func() { cancel(nil) })
		go func() {
			f.running.Wait()
			late.Stop()
			cancel(nil)
		}()
	}()
	if err := m.do(own, want{folder: g.folder}, true, f.begin); err != nil {
		return true, err
	}
	f.start(own, ctx, false)
	share := f.whenToShare()
	for alive := 1; alive > 0; {
		select {
		case h := <-f.out:
			if err := h.body.end(); err != nil {
				return true, err
			}
			if !yield(h.msg, nil) {
				return false, nil
			}
			close(h.done)
		case <-share:
			if share = nil; f.plan.len() > 0 {
				f.start(own, ctx, true)
				alive++
			}
		case err := <-f.ended:
			if err != nil {
				return true, err
			}
			if alive--; f.plan.len() > 0 && alive == 0 {
				f.start(own, ctx, false) // a second worker gave up on these
				alive++
			}
			if alive == f.joining() && f.plan.len() == 0 {
				return true, nil
			}
		case <-ctx.Done():
			return true, mailconn.ContextError(ctx)
		case <-m.ctx.Done():
			return true, mailbox.ErrClosed
		}
	}
	return true, nil
}

// whenToShare says when a second connection is worth its round trips: at once if
// there is much to move, else when a while has shown that it takes longer. Nil is
// never.
func (f *fetcher) whenToShare() <-chan time.Time {
	switch {
	case f.m.opts.connections() == 1:
		return nil
	case f.plan.bytes() > shareBytes:
		return time.After(0)
	}
	return time.After(shareAfter)
}

// firstAhead is how much to ask for before the pace of a connection is known.
// Whoever else wants a connection can have another while there is but this one,
// and waits for one of them otherwise: not for long then.
func (f *fetcher) firstAhead(second bool) int64 {
	if second || f.m.opts.connections() == 1 {
		return firstAhead / 4
	}
	return firstAhead
}

// joining counts the workers that have no session yet. If nothing is left nobody
// waits for them.
func (f *fetcher) joining() int {
	n := 0
	for _, w := range f.workers {
		if !w.joined.Load() {
			n++
		}
	}
	return n
}

// start starts a worker.
func (f *fetcher) start(own, user context.Context, second bool) {
	w := newWorker(f, user, second)
	f.workers = append(f.workers, w)
	f.running.Go(func() { w.pump(own) })
	f.running.Go(func() { f.ended <- w.run(own) })
}

// begin checks the folder, and asks for the sizes that are not known, many
// ahead. Messages that are gone have none.
func (f *fetcher) begin(s *session) error {
	if err := f.g.check(s); err != nil {
		return err
	}
	f.ids = idMaker{f.g.folder, strconv.FormatUint(uint64(s.sel.epoch), 10)}
	all := make([]sizedUID, len(f.g.uids))
	var unknown []uint32
	at := map[uint32]int{}
	for i, uid := range f.g.uids {
		all[i] = sizedUID{uid: uid, size: -1}
		if size := f.g.sizes[uid]; size > 0 {
			all[i].size, all[i].hint = size, true
		} else {
			unknown = append(unknown, uid)
			at[uid] = i
		}
	}
	err := s.sizes(unknown, func(uid uint32, size int64) { all[at[uid]].size = size })
	f.plan.mu.Lock()
	f.plan.left = all
	f.plan.mu.Unlock()
	return err
}

// sizes asks for the sizes of messages. One that is not told may be there all
// the same.
func (s *session) sizes(uids []uint32, tell func(uid uint32, size int64)) error {
	var way underway
	for rest := uids; len(rest) > 0 || len(way.all) > 0; {
		for len(rest) > 0 && way.asked() < maxAsked {
			var b batch
			b.nums, rest, b.set = chunk(rest, batchSize)
			cmd, err := s.fetch(b.set, true, "(UID RFC822.SIZE)")
			if err != nil {
				return err
			}
			way.all = append(way.all, running{newRows(b, true, mailbox.FieldSize), cmd})
		}
		rs, err := way.pop()
		if err := s.reason(err, phaseOther); err != nil && !refused(err) {
			return err
		}
		for i, w := range rs.all {
			if w.sum != nil && w.sum.Fields.Has(mailbox.FieldSize) {
				tell(rs.nums[i], w.sum.Size)
			}
		}
	}
	return nil
}

// items are what is asked for with the bodies.
func (f *fetcher) items(w *fetchWindow) string {
	switch {
	case w.check:
		return "(UID RFC822.SIZE)"
	case w.plain && !w.large:
		return "(UID RFC822.SIZE BODY.PEEK[])"
	case w.large:
		return fetchItems(f.fields, levelAll)
	}
	items := fetchItems(f.fields, levelAll)
	return items[:len(items)-1] + " BODY.PEEK[])"
}

// bind makes the body that the loop gets.
func (f *fetcher) bind(ctx context.Context, got fetched, body io.Reader) *boundBody {
	if got.large {
		body = &lazyBody{open: func() (io.ReadCloser, error) { return f.m.Open(ctx, got.sum.ID, nil) }}
	}
	return &boundBody{ctx, f.m, got.sum.ID, body}
}

// boundBody ends with the caller's context and the mailbox, also where all of it
// is here already.
type boundBody struct {
	ctx  context.Context
	m    *Mailbox
	id   mailbox.ID
	body io.Reader
}

func (b *boundBody) end() error {
	switch {
	case b.ctx.Err() != nil:
		return mailconn.ContextError(b.ctx)
	case b.m.ctx.Err() != nil:
		return mailbox.ErrClosed
	}
	return nil
}

func (b *boundBody) Read(p []byte) (int, error) {
	if err := b.end(); err != nil {
		return 0, b.reason(err)
	}
	n, err := b.body.Read(p)
	return n, b.reason(err)
}

// reason gives an error of the body its form: but for the end of the context or
// the mailbox it is a body that was cut.
func (b *boundBody) reason(err error) error {
	switch {
	case err == nil || err == io.EOF:
		return err
	case b.end() != nil && (contextErr(err) || errors.Is(err, mailbox.ErrClosed)):
		err = b.end()
	case !errors.Is(err, io.ErrUnexpectedEOF):
		err = &cutError{err}
	}
	return opError("fetch", "", b.id, err)
}

// WriteTo saves io.Copy a buffer.
func (b *boundBody) WriteTo(w io.Writer) (int64, error) {
	if err := b.end(); err != nil {
		return 0, b.reason(err)
	}
	wt, ok := b.body.(io.WriterTo)
	if !ok {
		return io.Copy(w, struct{ io.Reader }{b})
	}
	to := &keepingWriter{w: w}
	n, err := wt.WriteTo(to)
	if to.err != nil {
		return n, to.err
	}
	return n, b.reason(err)
}

// keepingWriter keeps its error, to tell it from the body's.
type keepingWriter struct {
	w   io.Writer
	err error
}

func (k *keepingWriter) Write(p []byte) (int, error) {
	n, err := k.w.Write(p)
	if err != nil {
		k.err = err
	}
	return n, err
}

// lazyBody opens a large message when it is first read.
type lazyBody struct {
	open func() (io.ReadCloser, error)
	body io.ReadCloser
	err  error
}

func (l *lazyBody) Read(p []byte) (int, error) {
	if l.body == nil && l.err == nil {
		l.body, l.err = l.open()
	}
	if l.err != nil {
		return 0, l.err
	}
	return l.body.Read(p)
}

func (l *lazyBody) close() {
	if l.body != nil {
		_ = l.body.Close()
	}
	l.err = spool.ErrLeft
}

// finishSummary gives a summary its ID, and keeps what was asked for.
func (f *fetcher) finishSummary(w *row) {
	w.sum.ID = f.ids.id(w.uid)
	if w.bad {
		w.sum.Defects = appendNew(w.sum.Defects, "summary: unreadable")
	}
	w.sum.Fields &= f.fields
}

// bodyError is the error of a body that did not come whole.
func (f *fetcher) bodyError(uid uint32, err error) error {
	return opError("fetch", "", f.ids.id(uid), &cutError{err})
}
