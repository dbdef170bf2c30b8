package spool

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var errCut = errors.New("connection cut")

func TestQueueOrder(t *testing.T) {
	for _, size := range []int{0, 1, 4096, chunkSize - 1, chunkSize, chunkSize + 1, 300 << 10} {
		q, d := newQueue(t, QueueOptions{})
		go func() {
			for i := range 20 {
				end := error(nil)
				if i%3 == 2 {
					end = errCut
				}
				put(t, q, i, content(i, size), end)
			}
			q.Finish(nil)
		}()
		for i := range 20 {
			end := error(nil)
			if i%3 == 2 {
				end = errCut
			}
			take(t, q, i, content(i, size), end)
		}
		takeEnd(t, q, io.EOF)
		takeEnd(t, q, io.EOF)
		_, made, _ := d.files()
		assert.Zero(t, made, "the disk was used")
	}
}

func TestQueueReaderContract(t *testing.T) {
	for name, skip := range map[string]int64{"memory": chunkSize - 500, "disk": smallest} {
		t.Run(name, func(t *testing.T) {
			q, _ := newQueue(t, QueueOptions{Memory: 1})
			q.Spill()
			p := content(1, int(skip)+1000)
			put(t, q, 1, p, nil)
			q.Finish(nil)
			_, r, err := q.Next(t.Context())
			require.NoError(t, err)
			_, err = io.CopyN(io.Discard, r, skip)
			require.NoError(t, err)
			require.NoError(t, iotest.TestReader(onlyReader{r}, p[skip:]))
			takeEnd(t, q, io.EOF)
		})
	}
}

func TestQueueEnds(t *testing.T) {
	t.Run("Finish's error comes last", func(t *testing.T) {
		q, _ := newQueue(t, QueueOptions{})
		put(t, q, 1, content(1, 10), nil)
		q.Finish(errCut)
		q.Finish(nil)
		take(t, q, 1, content(1, 10), nil)
		takeEnd(t, q, errCut)
		_, err := q.Begin(2, 0)
		require.ErrorIs(t, err, io.ErrClosedPipe)
	})
	for name, end := range map[string]error{"cut": errCut, "forgotten": nil} {
		t.Run("body open at Finish, "+name, func(t *testing.T) {
			q, _ := newQueue(t, QueueOptions{})
			b, err := q.BeginPending(1, 100)
			require.NoError(t, err)
			_, _ = b.Write(content(1, 10))
			q.Finish(end)
			if end == nil {
				end = io.ErrUnexpectedEOF
			}
			take(t, q, 1, content(1, 10), end)
			_, err = b.Write([]byte("late"))
			require.ErrorIs(t, err, io.ErrClosedPipe)
			_, _, err = q.Next(t.Context())
			require.Error(t, err)
		})
	}
	t.Run("body open at Begin", func(t *testing.T) {
		q, _ := newQueue(t, QueueOptions{})
		b, err := q.BeginPending(1, 0)
		require.NoError(t, err)
		_, _ = b.Write(content(1, 10))
		put(t, q, 2, content(2, 10), nil)
		b.CloseWithError(nil)
		_, err = b.Write([]byte("late"))
		require.ErrorIs(t, err, io.ErrClosedPipe)
		_, err = b.ReadFrom(strings.NewReader("late"))
		require.ErrorIs(t, err, io.ErrClosedPipe)
		q.Finish(nil)
		take(t, q, 1, content(1, 10), io.ErrUnexpectedEOF)
		take(t, q, 2, content(2, 10), nil)
		takeEnd(t, q, io.EOF)
	})
}

func TestQueueMetaBehindBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, _ := newQueue(t, QueueOptions{StallAfter: -1})
		b, err := q.BeginPending(0, 4)
		require.NoError(t, err)
		_, _ = b.Write([]byte("body"))
		b.CloseWithError(nil)
		given := false
		go func() {
			take(t, q, 7, []byte("body"), nil)
			given = true
			takeEnd(t, q, io.EOF)
		}()
		synctest.Wait()
		require.False(t, given, "given before it was ready")
		b.SetMeta(7)
		b.Ready()
		synctest.Wait()
		require.True(t, given)
		q.Finish(nil)
		synctest.Wait()
	})
}

// A body that is not ready holds the consumer up: it must not in turn hold the
// producer up, or both wait for ever.
func TestQueueMetaBehindLargeBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, d := newQueue(t, QueueOptions{Memory: 1, StallAfter: -1})
		p := content(1, 400<<10)
		go func() {
			put(t, q, 0, content(0, 200<<10), nil)
			b, _ := q.BeginPending(1, int64(len(p)))
			_, _ = b.Write(p)
			b.Ready()
			b.CloseWithError(nil)
			q.Finish(nil)
		}()
		synctest.Wait()
		_, made, _ := d.files()
		require.Zero(t, made, "the consumer can still help")
		take(t, q, 0, content(0, 200<<10), nil)
		synctest.Wait()
		_, made, _ = d.files()
		require.Zero(t, made, "and it is not waiting yet")
		take(t, q, 1, p, nil)
		takeEnd(t, q, io.EOF)
		_, made, _ = d.files()
		require.Equal(t, 1, made)
	})
}

func TestQueueLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, _ := newQueue(t, QueueOptions{})
		put(t, q, 1, content(1, 100<<10), nil)
		put(t, q, 2, content(2, 10), nil)
		b, err := q.Begin(3, 0)
		require.NoError(t, err)
		_, _ = b.Write(content(3, 50<<10))

		_, first, err := q.Next(t.Context())
		require.NoError(t, err)
		_, err = io.ReadFull(first, make([]byte, 1000))
		require.NoError(t, err)
		_, second, err := q.Next(t.Context())
		require.NoError(t, err)
		_, err = first.Read(make([]byte, 1))
		require.ErrorIs(t, err, ErrLeft)
		assertBody(t, second, content(2, 10), nil)
		_, third, err := q.Next(t.Context())
		require.NoError(t, err)
		_, err = second.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.EOF, "a body that was read stays read")

		// A Read that waits when the consumer goes on, as that of an HTTP
		// request whose answer came early, is released.
		var wg sync.WaitGroup
		released := false
		wg.Go(func() {
			n, err := io.Copy(io.Discard, third)
			assert.EqualValues(t, 50<<10, n)
			assert.ErrorIs(t, err, ErrLeft)
			released = true
		})
		synctest.Wait()
		wg.Go(func() {
			take(t, q, 4, content(4, 20), nil)
			takeEnd(t, q, io.EOF)
		})
		synctest.Wait()
		require.True(t, released)
		n, err := b.Write(content(3, 10<<20>>5))
		require.NoError(t, err, "the rest is discarded")
		require.Equal(t, 10<<20>>5, n)
		got, err := b.ReadFrom(strings.NewReader("more"))
		require.NoError(t, err)
		require.EqualValues(t, 4, got)
		require.NoError(t, q.check())
		b.CloseWithError(nil)
		put(t, q, 4, content(4, 20), nil)
		q.Finish(nil)
		wg.Wait()
	})
}

func TestQueueCancel(t *testing.T) {
	for name, reason := range map[string]error{"with a reason": errCut, "without": nil} {
		want := reason
		if want == nil {
			want = ErrClosed
		}
		t.Run("producer waits, "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q, _ := newQueue(t, QueueOptions{Memory: 1, StallAfter: -1})
				var wg sync.WaitGroup
				wg.Go(func() {
					put(t, q, 1, content(1, 400<<10), nil)
					_, err := q.Begin(2, 0)
					assert.ErrorIs(t, err, want)
					q.Finish(nil)
				})
				_, r, err := q.Next(t.Context())
				require.NoError(t, err)
				synctest.Wait()
				require.NoError(t, q.Err())
				q.Cancel(reason)
				q.Cancel(io.ErrNoProgress)
				wg.Wait()
				_, err = r.Read(make([]byte, 1))
				require.ErrorIs(t, err, want)
				require.ErrorIs(t, q.Err(), want)
				takeEnd(t, q, want)
			})
		})
		t.Run("consumer waits, "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q, _ := newQueue(t, QueueOptions{})
				var wg sync.WaitGroup
				wg.Go(func() {
					_, r, err := q.Next(t.Context())
					assert.NoError(t, err)
					_, err = r.Read(make([]byte, 1))
					assert.ErrorIs(t, err, want)
				})
				b, err := q.Begin(1, 0)
				require.NoError(t, err)
				synctest.Wait()
				q.Cancel(reason)
				wg.Wait()
				_, err = b.Write([]byte("for nobody"))
				require.NoError(t, err)
			})
		})
		t.Run("Next waits, "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q, _ := newQueue(t, QueueOptions{})
				var wg sync.WaitGroup
				wg.Go(func() { takeEnd(t, q, want) })
				synctest.Wait()
				q.Cancel(reason)
				wg.Wait()
			})
		})
	}
}

func TestQueueNextContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, _ := newQueue(t, QueueOptions{})
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			_, _, err := q.Next(ctx)
			assert.ErrorIs(t, err, context.Canceled)
		})
		synctest.Wait()
		cancel()
		wg.Wait()
		put(t, q, 1, content(1, 10), nil)
		_, _, err := q.Next(ctx)
		require.ErrorIs(t, err, context.Canceled, "though there is a body")
		take(t, q, 1, content(1, 10), nil)
		q.Finish(nil)
		takeEnd(t, q, io.EOF)
	})
}

// A consumer that waits is woken once for a small body of a known size, and for
// each piece of one of unknown size; what is there is given whatever the size.
func TestQueueWakesForEnough(t *testing.T) {
	for _, hint := range []int64{-1, 0, 10, 1 << 40} {
		synctest.Test(t, func(t *testing.T) {
			q, _ := newQueue(t, QueueOptions{})
			got := 0
			go func() {
				_, r, _ := q.Next(t.Context())
				for buf := make([]byte, 64<<10); ; {
					n, err := r.Read(buf)
					got += n
					if err != nil {
						return
					}
				}
			}()
			synctest.Wait()
			b, err := q.Begin(1, hint)
			require.NoError(t, err)
			steps := []struct {
				write int
				known [4]int // what the consumer has after it, by hint
			}{
				{5, [4]int{5, 5, 0, 0}},
				{5, [4]int{10, 10, 10, 0}},
				{16374, [4]int{16384, 16384, 16384, 16384}},
				{1, [4]int{16385, 16385, 16385, 16385}},
			}
			for _, s := range steps {
				_, _ = b.Write(content(1, s.write))
				synctest.Wait()
				at := map[int64]int{-1: 0, 0: 1, 10: 2, 1 << 40: 3}[hint]
				require.Equal(t, s.known[at], got, "hint %d, after %d octets", hint, s.write)
			}
			b.CloseWithError(nil)
			q.Finish(nil)
			synctest.Wait()
			takeEnd(t, q, io.EOF)
		})
	}
}

// Less than was announced is given when the body ends.
func TestQueueWakesAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, _ := newQueue(t, QueueOptions{})
		given := false
		go func() {
			take(t, q, 1, []byte("short"), errCut)
			given = true
			takeEnd(t, q, io.EOF)
		}()
		synctest.Wait()
		b, err := q.Begin(1, 100)
		require.NoError(t, err)
		_, _ = b.Write([]byte("short"))
		synctest.Wait()
		require.False(t, given)
		b.CloseWithError(errCut)
		synctest.Wait()
		require.True(t, given)
		q.Finish(nil)
		synctest.Wait()
	})
}

// A Finish from elsewhere, as by Close of the connection, while the producer is
// in the middle of a Read.
func TestQueueFinishUnderProducer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, _ := newQueue(t, QueueOptions{})
		b, err := q.Begin(1, 0)
		require.NoError(t, err)
		_, _ = b.Write(content(1, 100))
		r, w := io.Pipe()
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := b.ReadFrom(r)
			assert.ErrorIs(t, err, io.ErrClosedPipe)
		})
		synctest.Wait()
		q.Finish(errCut)
		take(t, q, 1, content(1, 100), errCut)
		takeEnd(t, q, errCut)
		other, _ := newQueue(t, QueueOptions{})
		put(t, other, 2, content(2, 8*chunkSize), nil)
		_, err = w.Write(content(3, 100))
		require.NoError(t, err)
		_, err = w.Write(content(3, 100))
		require.NoError(t, err)
		wg.Wait()
		other.Finish(nil)
		take(t, other, 2, content(2, 8*chunkSize), nil)
		takeEnd(t, other, io.EOF)
	})
}
