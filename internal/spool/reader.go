package spool

import "io"

// bodyReader is the consumer's side of one body in a Queue.
type bodyReader[M any] struct{ b *Body[M] }

// Read gives what is there, and waits only if that is nothing.
func (r *bodyReader[M]) Read(p []byte) (k int, err error) {
	if len(p) == 0 {
		return 0, nil
	}
	return r.b.take(func(s *segment, from, n int64) (int, error) {
		p = p[:min(int64(len(p)), n)]
		if s.mem != nil {
			return copy(p, s.mem[from:]), nil
		}
		return readSome(s.file, p, from)
	})
}

// WriteTo writes the rest of the body to w, from memory without another copy.
func (r *bodyReader[M]) WriteTo(w io.Writer) (int64, error) {
	var scratch *chunk
	defer func() {
		if scratch != nil {
			putChunk(scratch)
		}
	}()
	give := func(s *segment, from, n int64) (int, error) {
		if s.mem != nil {
			return writeWhole(w, s.mem[from:from+n])
		}
		if scratch == nil {
			scratch = getChunk()
		}
		p := scratch[:min(n, chunkSize)]
		if _, err := readSome(s.file, p, from); err != nil {
			return 0, err
		}
		return writeWhole(w, p)
	}
	var total int64
	for {
		n, err := r.b.take(give)
		total += int64(n)
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}

// take waits for octets of b and has get copy some of the n that stand in s at
// from; get gives how many it took. The lock is free meanwhile, and nothing that
// get may be looking at is used again until it is done. The error is get's, or at
// the end of the body its verdict: the consumer need not ask again for that.
func (b *Body[M]) take(get func(s *segment, from, n int64) (int, error)) (int, error) {
	q := b.q
	q.mu.Lock()
	defer q.mu.Unlock()
	n, err := b.await()
	if err != nil {
		return 0, err
	}
	pos := q.fifo.rpos
	k, err := q.fifo.look(&q.mu, n, get)
	if q.fifo.rpos != pos {
		return k, err // left or cancelled meanwhile
	}
	q.fifo.skip(int64(k))
	q.freed()
	if err == nil && b.closed && b.rest() == 0 {
		err = b.verdict()
	}
	return k, err
}

// await waits until the head has octets of b, and gives how many; or the error
// that b ends in.
func (b *Body[M]) await() (int64, error) {
	q := b.q
	for {
		switch {
		case b.read:
			return 0, b.verdict()
		case q.gone != nil:
			return 0, q.gone
		case q.current != b:
			return 0, ErrLeft
		case b.rest() > 0:
			return min(b.rest(), q.fifo.head.w-q.fifo.head.r), nil
		case b.closed:
			return 0, b.verdict()
		}
		ch := q.readable.wait()
		q.mu.Unlock()
		<-ch
		q.mu.Lock()
	}
}

// rest is how much of the current body is there and not read.
func (b *Body[M]) rest() int64 {
	end := b.q.fifo.wpos
	if b.closed {
		end = b.end
	}
	return end - b.q.fifo.rpos
}

// verdict is how the body ends.
func (b *Body[M]) verdict() error {
	if b.err == nil {
		return io.EOF
	}
	return b.err
}
