package imapsrc

import (
	"context"
	"errors"
	"io"
	"os"
	"strconv"
	"sync"

	"github.com/postroom-go/postroom/internal/mailconn"
	"github.com/postroom-go/postroom/mailbox"
)

// Windows in which bodies are asked for. While one is read the next comes.
const (
	firstWindow = 256 << 10
	lastWindow  = 1 << 20
	// A server that cuts pieces shorter than they are does so at some buffer's
	// size: what is shorter than this is taken for the end.
	surelyShort = 4 << 10
)

// Open streams a message: see mailbox.Mailbox. It moves in windows, each asked
// for on a connection that is free then; between two Reads it holds none. A
// window whose connection is lost is asked for again. Reading does not trust the
// size that the server tells, and marks nothing as seen.
func (m *Mailbox) Open(ctx context.Context, id mailbox.ID, opts *mailbox.OpenOptions) (io.ReadCloser, error) {
	q := query{n: firstWindow, also: " RFC822.SIZE"}
	if opts != nil && opts.HeaderOnly {
		q = query{n: firstWindow, section: "HEADER"}
	}
	b, err := m.openBody(ctx, "open", id, q)
	if err != nil {
		return nil, err
	}
	return b, nil
}

// body reads a message, or a section of one, window by window.
type body struct {
	m   *Mailbox
	ctx context.Context
	op  string
	id  mailbox.ID
	uid uint32

	q     query // the next window
	size  int64 // what the server says; -1 if it did not
	first *piece

	cur  io.Reader // what is left of the window
	left int64     // octets in it
	raw  *piece
	ends bool // it is the last
	next chan window
	free []byte // a buffer that is not in use
	err  error
	once sync.Once
}

// window is the result of asking for one.
type window struct {
	p   *piece
	err error
}

// openBody asks for the first window.
func (m *Mailbox) openBody(ctx context.Context, op string, id mailbox.ID, q query) (*body, error) {
	b := &body{m: m, ctx: ctx, op: op, id: id, q: q, size: -1}
	uid, ok := uidOf(id)
	if !ok {
		return nil, opError(op, "", id, mailbox.ErrNotFound)
	}
	b.uid = uid
	p, err := b.fetch(q, nil)
	if err == nil && !p.found {
		err = mailbox.ErrNotFound
	}
	if err != nil {
		return nil, opError(op, "", id, err)
	}
	b.first = p
	if p.there {
		b.size = p.size
	} else if q.section != "" {
		b.size = 0
	} else {
		return nil, opError(op, "", id, mailbox.ErrNotFound) // NIL: it is just being expunged
	}
	b.q.also = ""
	b.take(p)
	return b, nil
}

// fetch asks for one window.
func (b *body) fetch(q query, buf []byte) (p *piece, err error) {
	ctx, end := b.m.begin(b.ctx)
	defer end(nil)
	folder := folderName(b.id.Folder())
	err = b.m.do(ctx, want{folder: folder}, true, func(s *session) error {
		if strconv.FormatUint(uint64(s.sel.epoch), 10) != b.id.Epoch() && !b.m.opts.test.noEpochCheck {
			return mailbox.ErrStale
		}
		p, err = s.ask(b.uid, q, buf)
		return err
	})
	if err == nil && p.otherThan(q) {
		return nil, errOtherPiece
	}
	return p, ended(b.ctx, err)
}

// take makes p the window that is read, and decides whether it is the last.
func (b *body) take(p *piece) {
	b.cur, b.left, b.raw = io.Reader(&sliceReader{p.data}), p.len, p
	if p.spool != nil {
		b.cur = p.spool
	}
	asked := b.q.n
	b.q.off += p.len
	b.q.n = min(2*b.q.n, lastWindow)
	switch {
	case !p.there, p.len == 0, p.ignored && p.len != asked:
		b.ends = true
	case p.len >= asked, b.size > b.q.off:
	case b.size >= 0 && b.q.off == b.size, b.size < 0 && p.len < surelyShort,
		b.m.learnt.wholePieces.Load() && p.len < b.m.learnt.longest.Load(), b.q.section == "HEADER" && endsHeader(p.data):
		b.ends = true
	}
	if !p.ignored && p.len > b.m.learnt.longest.Load() {
		b.m.learnt.longest.Store(p.len)
	}
	if b.ends && p.len == 0 && p.there && b.q.off > 0 {
		// The window before was short because it was the end.
		b.m.learnt.wholePieces.Store(true)
	}
}

func endsHeader(data []byte) bool {
	return len(data) >= 4 && string(data[len(data)-4:]) == "\r\n\r\n"
}

// sliceReader reads a slice and can be asked for what is left.
type sliceReader struct{ data []byte }

func (r *sliceReader) Read(p []byte) (int, error) {
	if len(r.data) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.data)
	r.data = r.data[n:]
	return n, nil
}

// Read reads on. When half of a window is read the next one is asked for.
func (b *body) Read(p []byte) (int, error) {
	for {
		if b.err != nil {
			return 0, b.err
		}
		if b.ctx.Err() != nil {
			return 0, b.fail(mailconn.ContextError(b.ctx))
		}
		if len(p) == 0 {
			return 0, nil
		}
		n, err := b.cur.Read(p)
		b.left -= int64(n)
		if !b.ends && b.next == nil && b.left <= b.raw.len/2 {
			b.prefetch()
		}
		switch {
		case n > 0:
			return n, nil
		case err != nil && err != io.EOF:
			return 0, b.fail(err)
		case b.ends:
			b.release()
			b.err = io.EOF
			return 0, io.EOF
		}
		if err := b.advance(); err != nil {
			return 0, b.fail(err)
		}
	}
}

// prefetch asks for the next window in the background. If the reader is closed
// meanwhile it still ends by itself: a connection is worth more than a window.
func (b *body) prefetch() {
	q, buf := b.q, b.free
	b.free = nil
	b.next = make(chan window, 1)
	go func(out chan<- window) {
		p, err := b.fetch(q, buf)
		out <- window{p, err}
	}(b.next)
}

// advance goes on to the next window.
func (b *body) advance() error {
	var w window
	select {
	case w = <-b.next:
	case <-b.ctx.Done():
		return mailconn.ContextError(b.ctx)
	}
	b.next = nil
	b.release()
	switch {
	case w.err != nil:
		return w.err
	case !w.p.found, !w.p.there && b.size > b.q.off:
		return mailbox.ErrNotFound // it was expunged meanwhile
	}
	b.take(w.p)
	return nil
}

// release frees the current window.
func (b *body) release() {
	if b.raw == nil {
		return
	}
	if b.raw.spool != nil {
		_ = b.raw.spool.Close()
	}
	b.free, b.raw = b.raw.data, nil
}

// fail ends the body: whatever the reason, it is not whole.
func (b *body) fail(err error) error {
	if !contextErr(err) && !errors.Is(err, mailbox.ErrClosed) && !errors.Is(err, io.ErrUnexpectedEOF) {
		err = &cutError{err}
	}
	b.release()
	b.err = opError(b.op, "", b.id, err)
	return b.err
}

// cutError is a body that ended early, and why.
type cutError struct{ err error }

func (e *cutError) Error() string   { return "the body was cut: " + e.err.Error() }
func (e *cutError) Unwrap() []error { return []error{io.ErrUnexpectedEOF, e.err} }

// Close frees what is held. It never fails.
func (b *body) Close() error {
	b.once.Do(func() {
		b.release()
		b.err = os.ErrClosed
		if next := b.next; next != nil {
			go func() {
				if w := <-next; w.p != nil && w.p.spool != nil {
					_ = w.p.spool.Close()
				}
			}()
		}
	})
	return nil
}
