package spool

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"runtime"
	"runtime/metrics"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// heap is how many octets the objects on the heap take, garbage that was not
// collected yet included.
func heap() int64 {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(s)
	return int64(s[0].Value.Uint64())
}

// block is the unit that counted bodies are made of: its number, and noise.
const block = 16 << 10

// counted is a body of n blocks, made as it is read.
type counted struct {
	n, i uint64
	buf  []byte
	off  int
}

func (c *counted) Read(p []byte) (int, error) {
	if c.off == len(c.buf) {
		if c.i == c.n {
			return 0, io.EOF
		}
		c.buf, c.off = append(c.buf[:0], noise[:block]...), 0
		binary.BigEndian.PutUint64(c.buf, c.i)
		c.i++
	}
	n := copy(p, c.buf[c.off:])
	c.off += n
	return n, nil
}

// readCounted reads n blocks, checks them, and gives the largest heap seen.
func readCounted(r io.Reader, n uint64) (peak int64, err error) {
	buf := make([]byte, block)
	for i := range n {
		if _, err := io.ReadFull(r, buf); err != nil {
			return 0, err
		}
		if binary.BigEndian.Uint64(buf) != i || i%16 == 0 && !bytes.Equal(buf[8:], noise[8:block]) {
			return 0, fmt.Errorf("block %d is another", i)
		}
		if i%256 == 0 {
			peak = max(peak, heap())
		}
	}
	if k, err := r.Read(buf); k > 0 || err != io.EOF {
		return 0, fmt.Errorf("%d octets too many, then %w", k, err)
	}
	return peak, nil
}

// pass sends one body of size octets through q, and gives by how much the heap
// grew. lag says that reading begins only when all is written.
func pass(t *testing.T, q *Queue[int], size int64, lag bool) int64 {
	t.Helper()
	runtime.GC()
	base := heap()
	written := make(chan struct{})
	go func() {
		defer close(written)
		b, err := q.Begin(0, size)
		if assert.NoError(t, err) {
			n, err := b.ReadFrom(&counted{n: uint64(size / block)})
			assert.NoError(t, err)
			assert.Equal(t, size, n)
			b.CloseWithError(nil)
		}
		q.Finish(nil)
	}()
	if lag {
		<-written
	}
	_, r, err := q.Next(t.Context())
	require.NoError(t, err)
	peak, err := readCounted(r, uint64(size/block))
	require.NoError(t, err)
	takeEnd(t, q, io.EOF)
	<-written
	return peak - base
}

const heapLimit = 16 << 20

func TestLargeBodyThroughMemory(t *testing.T) {
	size := int64(1 << 30)
	if raceEnabled() {
		size = 256 << 20
	}
	q, d := newQueue(t, QueueOptions{StallAfter: -1})
	grown := pass(t, q, size, false)
	t.Logf("%d MiB passed, the heap grew by %d KiB", size>>20, grown>>10)
	assert.Less(t, grown, int64(heapLimit))
	_, made, _ := d.files()
	assert.Zero(t, made, "files")
}

func TestLargeBodyThroughFile(t *testing.T) {
	q, d := newQueue(t, QueueOptions{})
	q.Spill()
	grown := pass(t, q, 128<<20, true)
	t.Logf("the heap grew by %d KiB", grown>>10)
	assert.Less(t, grown, int64(heapLimit))
	_, made, _ := d.files()
	assert.Equal(t, 1, made, "files")
}

// Without a budget the same body fills the heap: the measure above can fail.
func TestLargeBodyWithoutBudget(t *testing.T) {
	q, _ := newQueue(t, QueueOptions{Memory: 1 << 40})
	assert.Greater(t, pass(t, q, 64<<20, true), int64(heapLimit))
}

func TestAllocations(t *testing.T) {
	const count, size = 10000, 4 << 10
	var before, after runtime.MemStats
	q, d := newQueue(t, QueueOptions{StallAfter: -1})
	p := content(1, size)
	runtime.ReadMemStats(&before)
	written := make(chan struct{})
	go func() {
		defer close(written)
		for i := range count {
			b, err := q.Begin(i, size)
			if !assert.NoError(t, err) {
				break
			}
			_, _ = b.Write(p)
			b.CloseWithError(nil)
		}
		q.Finish(nil)
	}()
	buf := make([]byte, size)
	for range count {
		_, r, err := q.Next(t.Context())
		require.NoError(t, err)
		_, err = io.ReadFull(r, buf)
		require.NoError(t, err)
	}
	takeEnd(t, q, io.EOF)
	<-written
	runtime.ReadMemStats(&after)
	per := float64(after.Mallocs-before.Mallocs) / count
	t.Logf("%.2f allocations a body", per)
	assert.LessOrEqual(t, per, 3.0)
	_, made, _ := d.files()
	assert.Zero(t, made, "files")
}
