package spool

import (
	"context"
	"io"
	"sync"
	"time"
)

const (
	// DefaultQueueMemory is what zero QueueOptions.Memory means: 8 MiB.
	DefaultQueueMemory = 8 << 20
	// DefaultStallAfter is what zero QueueOptions.StallAfter means.
	DefaultStallAfter = 2 * time.Second

	// minQueueMemory keeps a quarter of the budget above one chunk.
	minQueueMemory = 4 * chunkSize
	// bodyCost is what a body counts in memory besides its octets.
	bodyCost = 512
)

// QueueOptions are the options of NewQueue. Nil and zero are safe.
type QueueOptions struct {
	// Memory is the budget in octets; 0 is DefaultQueueMemory, and less than
	// 128 KiB is 128 KiB. It is taken as octets arrive, 32 KiB at a time.
	Memory int64
	// MaxDisk is how many octets may lie on the disk at once; 0 is no limit.
	// At the limit the producer waits, or after Spill the body ends in
	// ErrDiskLimit.
	MaxDisk int64
	// Dir is where temporary files are made; empty is os.TempDir().
	Dir string
	// StallAfter is how long a consumer may stand still before a producer that
	// waits for it goes on into a file; 0 is DefaultStallAfter, negative never.
	StallAfter time.Duration
}

// Queue passes bodies, each with an M about it, from one producer to one
// consumer, in order and through one memory budget.
//
// The producer calls Begin (or BeginPending), writes to the Body, closes it, and
// so on, and Finish at the end. It belongs to one goroutine. It waits when the
// budget is used up, until the consumer has freed a part of it. It does not wait
// but writes to a temporary file after Spill, and when the consumer has stood
// still for StallAfter. Memory is used again when the consumer has emptied it.
// There are at most two temporary files at a time. What is known about the bodies
// stays in memory in any case: ask the server for a bounded number at a time.
//
// The consumer calls Next in a loop and reads what it gives. It belongs to one
// goroutine too, and must Cancel if it leaves before Next has failed.
//
// Cancel, Spill and Err are for anybody, at any time.
type Queue[M any] struct {
	opts   QueueOptions
	create createFile

	mu       sync.Mutex
	readable event // something came that a waiting consumer wants
	writable event // something was freed, or needs not be waited for any more
	fifo     fifo
	bodies   int64    // begun, and not left by the consumer
	first    *Body[M] // the first that Next has not given
	last     *Body[M] // the last that was begun
	current  *Body[M] // the one that Next gave last
	finished bool
	end      error // what Next gives after the last body
	gone     error // the reason of Cancel
	spill    bool  // Spill was called
	diskErr  error // the disk failed, in this body

	inNext  bool // the consumer waits in Next
	waiting bool // the producer waits for memory
	timer   *time.Timer
	moved   time.Time // when the consumer moved last, while the producer waits
	stalled bool      // the consumer has not moved for StallAfter
}

// NewQueue makes an empty queue. opts may be nil.
func NewQueue[M any](opts *QueueOptions) *Queue[M] {
	q := &Queue[M]{create: newTempFile}
	if opts != nil {
		q.opts = *opts
	}
	if q.opts.Memory == 0 {
		q.opts.Memory = DefaultQueueMemory
	}
	q.opts.Memory = max(q.opts.Memory, minQueueMemory)
	if q.opts.StallAfter == 0 {
		q.opts.StallAfter = DefaultStallAfter
	}
	return q
}

// Next gives the next body and what is known about it. It waits until there is
// one, and if it was begun by BeginPending until it is ready. What was not read
// of the body before is discarded, and its reader fails with ErrLeft. After the
// last body Next gives io.EOF or the error of Finish; after Cancel, its reason.
// The end of ctx ends the wait, with ctx's error; the queue goes on then, and
// Next can be called again.
//
// The reader gives what is there, and waits only if that is nothing. It ends in
// io.EOF for a whole body, else in the error of Body.CloseWithError. It is good
// until Next is called again. It has WriteTo, so that io.Copy needs no buffer.
func (q *Queue[M]) Next(ctx context.Context) (M, io.Reader, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.leave()
	for {
		var none M
		switch b := q.first; {
		case ctx.Err() != nil:
			return none, nil, ctx.Err()
		case q.gone != nil:
			return none, nil, q.gone
		case b != nil && b.ready:
			q.first, q.current, b.next = b.next, b, nil
			return b.meta, &b.reader, nil
		case b == nil && q.finished:
			q.fifo.drop()
			return none, nil, q.end
		case b != nil:
			// Only the producer can make it ready: it must not wait for us.
			q.writable.broadcast()
		}
		q.waitNext(ctx)
	}
}

// waitNext waits for the producer. The lock is free meanwhile.
func (q *Queue[M]) waitNext(ctx context.Context) {
	q.inNext = true
	ch := q.readable.wait()
	q.mu.Unlock()
	select {
	case <-ch:
	case <-ctx.Done():
	}
	q.mu.Lock()
	q.inNext = false
}

// leave discards the rest of the current body.
func (q *Queue[M]) leave() {
	b := q.current
	if b == nil {
		return
	}
	q.current, b.left = nil, true
	end := q.fifo.wpos
	if b.closed {
		end = b.end
		b.read = q.fifo.rpos == end
	}
	q.fifo.skip(end - q.fifo.rpos)
	q.bodies--
	q.freed()
	q.readable.broadcast() // a Read that somebody left waiting
}

// freed says that the consumer has moved on. It wakes the producer when a good
// part of the budget is free, so that the two do not take turns octet by octet.
func (q *Queue[M]) freed() {
	q.stalled = false
	if !q.waiting {
		return
	}
	q.moved = time.Now()
	if q.fits(q.opts.Memory / 4) {
		q.writable.broadcast()
	}
}

// fits reports whether the budget has room for n octets more.
func (q *Queue[M]) fits(n int64) bool {
	return q.fifo.mem+q.bodies*bodyCost+n <= q.opts.Memory
}

// Cancel frees everything and makes Next, Begin and every Read fail with err, and
// at once those that wait; nil is ErrClosed. Only the first call counts. Bodies
// that are being written discard what comes. It does nothing to a queue that the
// consumer has read to its end.
func (q *Queue[M]) Cancel(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.gone != nil {
		return
	}
	if err == nil {
		err = ErrClosed
	}
	q.gone = err
	q.fifo.drop()
	q.first, q.last, q.current = nil, nil, nil
	q.readable.broadcast()
	q.writable.broadcast()
}

// Err is the reason of Cancel, nil before: nobody wants more bodies.
func (q *Queue[M]) Err() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.gone
}

// Spill says that somebody else needs the connection: from now on the producer
// does not wait for the consumer. What memory cannot take goes to a file, and
// what the disk cannot take is lost: the body ends in the disk's error.
func (q *Queue[M]) Spill() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.spill = true
	q.writable.broadcast()
}
