package spool

import (
	"io"
	"sync"
)

// chunkSize is the unit of memory: two TLS records.
const chunkSize = 32 << 10

type chunk [chunkSize]byte

// chunks are those free for use, shared by all spools and queues. A chunk that
// somebody may still be reading or writing never comes back here: it is left to
// the garbage collector.
var chunks = sync.Pool{New: func() any { return new(chunk) }}

func getChunk() *chunk  { return chunks.Get().(*chunk) }
func putChunk(c *chunk) { chunks.Put(c) }

// event wakes all that wait for something. It is guarded by the mutex of what it
// belongs to, and costs nothing while nobody waits.
type event struct{ ch chan struct{} }

// wait gives a channel that the next broadcast closes.
func (e *event) wait() <-chan struct{} {
	if e.ch == nil {
		e.ch = make(chan struct{})
	}
	return e.ch
}

func (e *event) broadcast() {
	if e.ch != nil {
		close(e.ch)
		e.ch = nil
	}
}

// maxEmptyReads is how often in a row a reader may give nothing and no error.
const maxEmptyReads = 100

// copyFrom moves r into w through buf until r ends.
func copyFrom(w io.Writer, r io.Reader, buf []byte) (int64, error) {
	var total int64
	for empty := 0; empty < maxEmptyReads; empty++ {
		n, err := r.Read(buf)
		if n > 0 {
			empty = 0
			written, werr := writeWhole(w, buf[:n])
			total += int64(written)
			if werr != nil {
				return total, werr
			}
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

// writeWhole writes p to w, whole or with an error.
func writeWhole(w io.Writer, p []byte) (int, error) {
	n, err := w.Write(p)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	return n, err
}
