package spool

import (
	"io"
	"time"
)

// waitRoom waits until there is a place for the next octets of b, at best n of
// them: behind it the tail is a chunk that is not full, or a file. False says
// that the octets are not wanted or lost.
func (b *Body[M]) waitRoom(n int64) bool {
	q := b.q
	defer func() { q.waiting = false }()
	for b.wanted() {
		if b.makeRoom(n) {
			return true
		}
		if b.wanted() {
			q.wait()
		}
	}
	return false
}

// makeRoom finds a place without waiting for the consumer. A stream that has
// gone to the disk comes back to memory when that is empty, not before: else each
// chunk that is freed would begin another file.
func (b *Body[M]) makeRoom(n int64) bool {
	q, f := b.q, &b.q.fifo
	if b.memoryRoom() {
		return true
	}
	must := q.spill || q.starved(b)
	if !must && !q.stalled && !f.onDisk() {
		return false
	}
	err := b.diskRoom(n)
	if err == nil {
		return b.wanted()
	}
	if must {
		b.lost, b.err = true, err
	}
	return false
}

// memoryRoom makes sure of a chunk that is not full, if the budget allows.
func (b *Body[M]) memoryRoom() bool {
	f := &b.q.fifo
	if f.room() != nil {
		return true
	}
	if f.onDisk() && f.mem > 0 || !b.q.fits(chunkSize) {
		return false
	}
	f.addChunk()
	return true
}

// diskRoom makes sure of a file for n octets. The lock is free while it is made.
func (b *Body[M]) diskRoom(n int64) error {
	q := b.q
	switch {
	case q.diskErr != nil:
		return q.diskErr
	case q.opts.MaxDisk > 0 && q.fifo.disk+n > q.opts.MaxDisk:
		return ErrDiskLimit
	case q.fifo.onDisk():
		return nil
	}
	q.mu.Unlock()
	t, err := q.create(q.opts.Dir)
	q.mu.Lock()
	if err != nil {
		q.diskErr = diskError(err)
		return q.diskErr
	}
	if !b.wanted() {
		_ = t.Close()
		return nil
	}
	q.fifo.addFile(t)
	return nil
}

// starved reports whether the consumer waits for b to be ready: it cannot free
// anything until then.
func (q *Queue[M]) starved(b *Body[M]) bool {
	return q.inNext && q.first == b && !b.ready
}

// waitFor waits for the consumer until ok.
func (q *Queue[M]) waitFor(ok func() bool) {
	for q.gone == nil && !q.finished && !ok() {
		q.wait()
	}
	q.waiting = false
}

// wait waits until the consumer frees something, or stands still for too long.
// The lock is free meanwhile.
func (q *Queue[M]) wait() {
	if !q.waiting {
		q.waiting, q.moved = true, time.Now()
	}
	stall := q.stallTimer()
	freed := q.writable.wait()
	q.mu.Unlock()
	select {
	case <-freed:
	case <-stall:
	}
	q.mu.Lock()
	if stall != nil {
		q.timer.Stop()
		q.stalled = time.Since(q.moved) >= q.opts.StallAfter
	}
}

// stallTimer fires when the consumer will have stood still for StallAfter; it is
// nil if that is of no interest.
func (q *Queue[M]) stallTimer() <-chan time.Time {
	if q.opts.StallAfter < 0 || q.stalled {
		return nil
	}
	left := q.opts.StallAfter - time.Since(q.moved)
	if q.timer == nil {
		q.timer = time.NewTimer(left)
	} else {
		q.timer.Reset(left)
	}
	return q.timer.C
}

// direct is a ReadFrom: it reads into the queue's memory, or where that is not
// to be had at once through a buffer of its own.
type direct[M any] struct {
	b       *Body[M]
	scratch *chunk
}

func (d *direct[M]) readFrom(r io.Reader) (int64, error) {
	var total int64
	for empty := 0; empty < maxEmptyReads; empty++ {
		n, err := d.step(r)
		total += int64(n)
		if n > 0 {
			empty = 0
		}
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
	return total, io.ErrNoProgress
}

// step does one Read of r.
func (d *direct[M]) step(r io.Reader) (int, error) {
	if room := d.grab(); room != nil {
		n, err := r.Read(room)
		d.commit(n)
		return n, err
	}
	if d.scratch == nil {
		d.scratch = getChunk()
	}
	n, err := r.Read(d.scratch[:])
	if _, werr := d.b.Write(d.scratch[:n]); werr != nil {
		return 0, werr
	}
	return n, err
}

// grab gives the free part of the tail, nil if there is none to be had at once.
func (d *direct[M]) grab() []byte {
	q := d.b.q
	q.mu.Lock()
	defer q.mu.Unlock()
	if !d.b.wanted() || !d.b.memoryRoom() {
		return nil
	}
	q.fifo.writing = true
	return q.fifo.room()
}

func (d *direct[M]) commit(n int) {
	q := d.b.q
	q.mu.Lock()
	defer q.mu.Unlock()
	q.fifo.writing = false
	d.b.wrote(n)
}

func (d *direct[M]) release() {
	if d.scratch != nil {
		putChunk(d.scratch)
	}
}
