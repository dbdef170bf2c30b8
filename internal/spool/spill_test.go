package spool

import (
	"bytes"
	"io"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// smallest is how many octets of bodies fit into the smallest budget, beside
// what the bodies themselves cost.
const smallest = minQueueMemory - chunkSize

// produce passes count bodies of size octets in a goroutine, and gives how long
// that took by the bubble's clock.
func produce(t *testing.T, q *Queue[int], count, size int) <-chan time.Duration {
	took := make(chan time.Duration, 1)
	go func() {
		start := time.Now()
		for i := range count {
			put(t, q, i, content(i, size), nil)
		}
		q.Finish(nil)
		took <- time.Since(start)
	}()
	return took
}

func TestStallAfter(t *testing.T) {
	tests := map[string]struct {
		after  time.Duration
		moves  []time.Duration // when the consumer reads an octet
		took   time.Duration   // how long the producer needs
		bodies int
		size   int
	}{
		"default":                    {bodies: 4, size: 100 << 10, took: DefaultStallAfter},
		"own":                        {after: time.Minute, bodies: 4, size: 100 << 10, took: time.Minute},
		"counted from the last move": {after: time.Second, moves: []time.Duration{900 * time.Millisecond, 1800 * time.Millisecond}, bodies: 1, size: 400 << 10, took: 2800 * time.Millisecond},
		"empty bodies cost too":      {bodies: minQueueMemory/bodyCost + 10, took: DefaultStallAfter},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q, _ := newQueue(t, QueueOptions{Memory: 1, StallAfter: test.after})
				start := time.Now()
				took := produce(t, q, test.bodies, test.size)
				_, r, err := q.Next(t.Context())
				require.NoError(t, err)
				for _, at := range test.moves {
					<-time.After(at - time.Since(start))
					_, err := r.Read(make([]byte, 1))
					require.NoError(t, err)
				}
				assert.Equal(t, test.took, <-took)
				require.NoError(t, q.check())
				assertBody(t, r, content(0, test.size)[len(test.moves):], nil)
				for i := 1; i < test.bodies; i++ {
					take(t, q, i, content(i, test.size), nil)
				}
				takeEnd(t, q, io.EOF)
			})
		})
	}
}

func TestStallNever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, d := newQueue(t, QueueOptions{Memory: 1, StallAfter: -1})
		took := produce(t, q, 3, 100<<10)
		select {
		case <-took:
			t.Fatal("the producer did not wait")
		case <-time.After(24 * time.Hour):
		}
		_, made, _ := d.files()
		require.Zero(t, made)
		q.Spill()
		require.Equal(t, 24*time.Hour, <-took)
		_, made, _ = d.files()
		require.Equal(t, 1, made)
		for i := range 3 {
			take(t, q, i, content(i, 100<<10), nil)
		}
		takeEnd(t, q, io.EOF)
	})
}

// When the consumer is back and has emptied memory, memory is used again, and
// the producer waits for it as before.
func TestStallPasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, d := newQueue(t, QueueOptions{Memory: 1, StallAfter: time.Second})
		var wg sync.WaitGroup
		wg.Go(func() {
			start := time.Now()
			put(t, q, 0, content(0, 300<<10), nil) // into the file after a second
			assert.Equal(t, time.Second, time.Since(start))
			<-time.After(time.Hour)
			start = time.Now()
			put(t, q, 1, content(1, 300<<10), nil) // the consumer keeps up now
			assert.Zero(t, time.Since(start))
			put(t, q, 2, content(2, 300<<10), nil) // and here it stands again
			assert.Equal(t, time.Second, time.Since(start))
			q.Finish(nil)
		})
		<-time.After(time.Minute)
		take(t, q, 0, content(0, 300<<10), nil)
		_, made, _ := d.files()
		assert.Equal(t, 1, made)
		take(t, q, 1, content(1, 300<<10), nil)
		_, made, _ = d.files()
		assert.Equal(t, 1, made, "memory is used again")
		wg.Wait()
		take(t, q, 2, content(2, 300<<10), nil)
		takeEnd(t, q, io.EOF)
		_, made, peak := d.files()
		assert.Equal(t, 2, made)
		assert.LessOrEqual(t, peak, 2)
	})
}

// A consumer that is slower than a producer that may not wait: files come and go,
// and never more than two at a time.
func TestSpillFewFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, d := newQueue(t, QueueOptions{Memory: 1})
		q.Spill()
		const count, size = 32, 100 << 10
		step := make(chan bool)
		go func() {
			for i := range count {
				put(t, q, i, content(i, size), nil)
				if i >= count/4 {
					step <- true
				}
			}
			q.Finish(nil)
			close(step)
		}()
		for i := range count {
			<-step
			take(t, q, i, content(i, size), nil)
			require.NoError(t, q.check())
		}
		takeEnd(t, q, io.EOF)
		_, made, peak := d.files()
		assert.Greater(t, made, 2)
		assert.LessOrEqual(t, peak, 2)
	})
}

func TestMaxDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, _ := newQueue(t, QueueOptions{Memory: 1, MaxDisk: 185 << 10})
		// 96 KiB in memory, 182 on the disk; the third waits, though the
		// consumer stands still.
		took := produce(t, q, 4, 139<<10)
		<-time.After(time.Hour)
		select {
		case <-took:
			t.Fatal("more on the disk than allowed")
		default:
		}
		require.NoError(t, q.check())
		take(t, q, 0, content(0, 139<<10), nil)
		take(t, q, 1, content(1, 139<<10), nil)
		take(t, q, 2, content(2, 139<<10), nil)
		// It is the same when somebody needs the connection, but that the
		// bodies without a place are lost, and said to be.
		take(t, q, 3, content(3, 139<<10), nil)
		<-took
		takeEnd(t, q, io.EOF)
	})
	q, _ := newQueue(t, QueueOptions{Memory: 1, MaxDisk: 185 << 10})
	q.Spill()
	<-produce(t, q, 4, 139<<10)
	require.NoError(t, q.check())
	take(t, q, 0, content(0, 139<<10), nil)
	take(t, q, 1, content(1, 139<<10), nil)
	take(t, q, 2, nil, ErrDiskLimit)
	take(t, q, 3, nil, ErrDiskLimit)
	takeEnd(t, q, io.EOF)
}

func TestQueueDiskFails(t *testing.T) {
	const fits, tooMuch = 16 << 10, 300 << 10
	tests := map[string]struct {
		set  func(d *disk)
		err  error
		kept int // how much of the large body is there
	}{
		"cannot be made":    {func(d *disk) { d.createErr = syscall.EACCES }, syscall.EACCES, smallest - fits},
		"is full":           {func(d *disk) { d.space = 1 }, syscall.ENOSPC, smallest - fits},
		"is full later":     {func(d *disk) { d.space = 150 << 10 }, syscall.ENOSPC, smallest - fits + 150<<10},
		"writes too little": {func(d *disk) { d.space, d.short = 10, true }, io.ErrShortWrite, smallest - fits},
	}
	for name, test := range tests {
		t.Run(name+", connection needed", func(t *testing.T) {
			q, d := newQueue(t, QueueOptions{Memory: 1})
			test.set(d)
			q.Spill()
			put(t, q, 1, content(1, fits), nil)
			put(t, q, 2, content(2, tooMuch), nil)
			take(t, q, 1, content(1, fits), nil)
			take(t, q, 2, content(2, test.kept), test.err)
			put(t, q, 3, content(3, fits), nil)
			take(t, q, 3, content(3, fits), nil)
			d.set(func() { d.createErr, d.space = nil, 0 })
			put(t, q, 4, content(4, tooMuch), nil)
			take(t, q, 4, content(4, tooMuch), nil)
			q.Finish(nil)
			takeEnd(t, q, io.EOF)
		})
		t.Run(name+", connection not needed", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q, d := newQueue(t, QueueOptions{Memory: 1})
				test.set(d)
				took := produce(t, q, 3, tooMuch)
				<-time.After(time.Hour)
				for i := range 3 {
					take(t, q, i, content(i, tooMuch), nil)
				}
				takeEnd(t, q, io.EOF)
				require.Equal(t, time.Hour, <-took, "the producer waits for memory, the disk is no use")
			})
		})
	}
}

func TestQueueDiskCannotBeRead(t *testing.T) {
	q, d := newQueue(t, QueueOptions{Memory: 1})
	q.Spill()
	put(t, q, 1, content(1, 200<<10), nil)
	put(t, q, 2, content(2, 10), nil)
	q.Finish(nil)
	d.set(func() { d.readErr = syscall.EIO })
	take(t, q, 1, content(1, smallest), syscall.EIO)
	d.set(func() { d.readErr = nil })
	take(t, q, 2, content(2, 10), nil)
	takeEnd(t, q, io.EOF)
}

// A disk that hangs holds up nobody but the producer.
func TestCancelWhileDiskIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, d := newQueue(t, QueueOptions{Memory: 1})
		slow := make(chan bool)
		q.create = func(dir string) (file, error) {
			<-slow
			return d.create(dir)
		}
		q.Spill()
		took := produce(t, q, 1, 200<<10)
		_, r, err := q.Next(t.Context())
		require.NoError(t, err)
		n, err := io.ReadFull(r, make([]byte, smallest))
		require.NoError(t, err, n)
		synctest.Wait()
		q.Cancel(nil)
		_, err = r.Read(make([]byte, 1))
		require.ErrorIs(t, err, ErrClosed)
		close(slow)
		<-took
		_, made, _ := d.files()
		require.Equal(t, 1, made)
	})
}

// What is copied out while the consumer goes on, or somebody cancels, is not used
// for other bodies meanwhile.
func TestChunkIsNotReusedWhileRead(t *testing.T) {
	for name, end := range map[string]func(q *Queue[int]){
		"next":   func(q *Queue[int]) { _, _, _ = q.Next(t.Context()) },
		"cancel": func(q *Queue[int]) { q.Cancel(nil) },
	} {
		t.Run(name, func(t *testing.T) {
			q, _ := newQueue(t, QueueOptions{})
			put(t, q, 1, content(1, chunkSize), nil)
			q.Finish(nil)
			_, r, err := q.Next(t.Context())
			require.NoError(t, err)
			_, err = r.(io.WriterTo).WriteTo(writerFunc(func(p []byte) (int, error) {
				end(q)
				other := NewQueue[int](nil)
				put(t, other, 2, content(2, 8*chunkSize), nil)
				assert.True(t, bytes.Equal(content(1, chunkSize), p), "overwritten")
				other.Cancel(nil)
				return len(p), nil
			}))
			if name == "cancel" {
				require.ErrorIs(t, err, ErrClosed)
			} else {
				require.ErrorIs(t, err, ErrLeft)
			}
		})
	}
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
