package spool

import (
	"bytes"
	"io"
	"testing"
)

// passBodies sends count bodies of size octets through q, and reads them all.
// lag says that reading begins only when all were written.
func passBodies(b *testing.B, q *Queue[int], count, size int, lag bool) {
	piece := bytes.Repeat([]byte("x"), min(size, 16<<10))
	written := make(chan struct{})
	go func() {
		defer close(written)
		for i := range count {
			body, err := q.Begin(i, int64(size))
			if err != nil {
				b.Error(err)
				return
			}
			for left := size; left > 0; left -= len(piece) {
				_, _ = body.Write(piece)
			}
			body.CloseWithError(nil)
		}
		q.Finish(nil)
	}()
	if lag {
		<-written
	}
	var total int64
	for {
		_, r, err := q.Next(b.Context())
		if err == io.EOF {
			break
		}
		if err != nil {
			b.Fatal(err)
		}
		n, err := io.Copy(io.Discard, r)
		if err != nil {
			b.Fatal(err)
		}
		total += n
	}
	if total != int64(count)*int64(size) {
		b.Fatalf("%d octets of %d came through", total, count*size)
	}
	<-written
}

func benchmarkQueue(b *testing.B, count, size int, spill bool) {
	b.ReportAllocs()
	b.SetBytes(int64(count) * int64(size))
	dir := b.TempDir()
	for b.Loop() {
		q := NewQueue[int](&QueueOptions{Dir: dir})
		if spill {
			q.Spill()
		}
		passBodies(b, q, count, size, spill)
	}
}

func BenchmarkQueue10000x4K(b *testing.B)        { benchmarkQueue(b, 10000, 4<<10, false) }
func BenchmarkQueue1x64M(b *testing.B)           { benchmarkQueue(b, 1, 64<<20, false) }
func BenchmarkQueueSpilled10000x4K(b *testing.B) { benchmarkQueue(b, 10000, 4<<10, true) }
func BenchmarkQueueSpilled1x64M(b *testing.B)    { benchmarkQueue(b, 1, 64<<20, true) }

func benchmarkSpool(b *testing.B, size int) {
	piece := bytes.Repeat([]byte("x"), min(size, 16<<10))
	b.ReportAllocs()
	b.SetBytes(int64(size))
	dir := b.TempDir()
	for b.Loop() {
		s := New(&Options{Dir: dir})
		for left := size; left > 0; left -= len(piece) {
			_, _ = s.Write(piece)
		}
		s.CloseWithError(nil)
		if n, err := io.Copy(io.Discard, s); err != nil || n != int64(size) {
			b.Fatal(n, err)
		}
		_ = s.Close()
	}
}

func BenchmarkSpool4K(b *testing.B)  { benchmarkSpool(b, 4<<10) }
func BenchmarkSpool16M(b *testing.B) { benchmarkSpool(b, 16<<20) }
