package spool

import "io"

// enough is how much of an announced body makes it worth waking the consumer.
const enough = 16 << 10

// Body is the producer's side of one body in a Queue.
type Body[M any] struct {
	q      *Queue[M]
	next   *Body[M]
	reader bodyReader[M]

	meta       M
	start, end int64 // where it lies in the stream; end counts when closed
	wake       int64 // how long it must be before the consumer is woken for it
	ready      bool  // Next may give it
	closed     bool
	err        error // how it ends; nil is io.EOF
	lost       bool  // the disk failed: what comes is discarded
	left       bool  // the consumer has gone on
	read       bool  // ... and had read all of it
}

// Begin starts a body that Next can give at once, with meta about it. A body
// before it that was not closed ends in io.ErrUnexpectedEOF. sizeHint is how many
// octets were announced, 0 or less if that is not known. Nothing is allocated or
// checked by it: it only lets a consumer that waits sleep until the body, or the
// first 16 KiB of it, is there.
//
// Begin waits like Write. It fails after Cancel, with its reason, and after
// Finish, with io.ErrClosedPipe; the octets are the caller's to discard then.
func (q *Queue[M]) Begin(meta M, sizeHint int64) (*Body[M], error) {
	return q.begin(meta, sizeHint, true)
}

// BeginPending is Begin for a body about which more is to be learnt behind it:
// IMAP's servers send FETCH items in any order. Next gives it after Body.Ready,
// or when the next body begins or Finish is called. Its octets never wait for the
// consumer if that waits for them: what memory cannot take goes to a file.
func (q *Queue[M]) BeginPending(meta M, sizeHint int64) (*Body[M], error) {
	return q.begin(meta, sizeHint, false)
}

func (q *Queue[M]) begin(meta M, sizeHint int64, ready bool) (*Body[M], error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closeLast(io.ErrUnexpectedEOF)
	q.diskErr = nil
	q.waitFor(func() bool {
		return q.fits(bodyCost) || q.spill || q.stalled || q.fifo.onDisk()
	})
	switch {
	case q.gone != nil:
		return nil, q.gone
	case q.finished:
		return nil, io.ErrClosedPipe
	}
	b := &Body[M]{q: q, meta: meta, start: q.fifo.wpos, wake: min(sizeHint, enough), ready: ready}
	b.reader.b = b
	if q.first == nil {
		q.first = b
	} else {
		q.last.next = b
	}
	q.last = b
	q.bodies++
	b.arrived()
	return b, nil
}

// closeLast ends the last body if it is still open, and makes it ready.
func (q *Queue[M]) closeLast(err error) {
	if b := q.last; b != nil && !(b.closed && b.ready) {
		b.ready = true
		b.close(err)
		q.readable.broadcast()
	}
}

// Finish says that no more bodies come: nil if those were all, else why not.
// Next gives the bodies that are there, then io.EOF or err. A body that was not
// closed ends in err, or in io.ErrUnexpectedEOF. Only the first call counts.
func (q *Queue[M]) Finish(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.finished {
		return
	}
	q.finished, q.end = true, err
	if err == nil {
		q.end, err = io.EOF, io.ErrUnexpectedEOF
	}
	q.closeLast(err)
	q.last = nil
	q.readable.broadcast()
}

// SetMeta replaces what Next gives with the body. It has no effect after Next
// has given it: call it before Ready.
func (b *Body[M]) SetMeta(meta M) {
	b.q.mu.Lock()
	defer b.q.mu.Unlock()
	b.meta = meta
}

// Ready lets Next give a body begun by BeginPending, whether it is closed yet or
// not.
func (b *Body[M]) Ready() {
	b.q.mu.Lock()
	defer b.q.mu.Unlock()
	if !b.ready {
		b.ready = true
		b.q.readable.broadcast()
	}
}

// Write appends p, best in pieces of some KiB. It waits while the budget is used
// up, see Queue. It fails only after CloseWithError, Finish or the next Begin,
// with io.ErrClosedPipe: what nobody wants any more and what the disk does not
// take is discarded, so that the connection can always be read to its end.
func (b *Body[M]) Write(p []byte) (int, error) {
	q := b.q
	q.mu.Lock()
	defer q.mu.Unlock()
	if b.closed {
		return 0, io.ErrClosedPipe
	}
	for rest := p; len(rest) > 0 && b.waitRoom(int64(len(rest))); {
		rest = rest[b.put(rest):]
	}
	return len(p), nil
}

// put copies p, or the part that fits, behind the tail, and gives how much that
// was. The lock is free meanwhile.
func (b *Body[M]) put(p []byte) int {
	q := b.q
	tail := q.fifo.tail
	q.fifo.writing = true
	q.mu.Unlock()
	n, err := tail.put(p)
	q.mu.Lock()
	q.fifo.writing = false
	if err != nil {
		q.diskErr = err
		return 0
	}
	b.wrote(n)
	return n
}

// wrote makes n octets behind the tail part of the body, if it is still wanted.
func (b *Body[M]) wrote(n int) {
	if n > 0 && b.wanted() {
		b.q.fifo.wrote(n)
		b.arrived()
	}
}

// ReadFrom appends all of r. What memory takes at once goes there without
// another copy. The error is r's; the body is still to be closed. An r that ends
// early, as an io.LimitReader on a connection that was cut, is no error here:
// compare the count with what was announced.
func (b *Body[M]) ReadFrom(r io.Reader) (int64, error) {
	d := &direct[M]{b: b}
	defer d.release()
	return d.readFrom(r)
}

// wanted reports whether what is written is for anybody.
func (b *Body[M]) wanted() bool {
	return !b.closed && !b.lost && !b.left && b.q.gone == nil
}

// arrived wakes the consumer, if there is enough for it.
func (b *Body[M]) arrived() {
	if b.ready && (b.closed || b.q.fifo.wpos-b.start >= b.wake) {
		b.q.readable.broadcast()
	}
}

// CloseWithError ends the body: nil if it is whole, else why it is not. The
// reader gets what is there, then io.EOF or err. Only the first call counts.
func (b *Body[M]) CloseWithError(err error) {
	b.q.mu.Lock()
	defer b.q.mu.Unlock()
	b.close(err)
}

func (b *Body[M]) close(err error) {
	if b.closed {
		return
	}
	b.closed, b.end = true, b.q.fifo.wpos
	if b.err == nil {
		b.err = err
	}
	b.arrived()
}
