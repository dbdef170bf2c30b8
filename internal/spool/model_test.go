package spool

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// rounds is how many seeds a model test takes: fewer under the race detector,
// which makes each ten times as slow.
func rounds(n uint64) uint64 {
	if raceEnabled() {
		return n / 3
	}
	return n
}

// plan is what a producer does, and so what a consumer must get.
type plan struct {
	bodies []bodyPlan
	end    error // of the queue
	opts   QueueOptions
	spill  int  // before this body, -1 never
	cancel int  // before the consumer takes this body, -1 never
	faulty bool // the disk takes little
}

type bodyPlan struct {
	size    int
	hint    int64
	end     error
	pending bool
	readyAt int // after so many octets; beyond the end is never
	open    bool
}

// makePlan draws a plan. Without StallAfter and Spill nothing but the consumer
// can free the producer, and a wake-up that is missing is a deadlock.
func makePlan(r *rand.Rand) *plan {
	p := &plan{end: io.EOF, spill: -1, cancel: -1}
	p.opts = QueueOptions{
		Memory:     []int64{1, 1, 200 << 10, 0}[r.IntN(4)],
		StallAfter: []time.Duration{-1, -1, 0, time.Millisecond}[r.IntN(4)],
	}
	count := r.IntN(16)
	for range count {
		b := bodyPlan{size: drawSize(r), pending: r.IntN(3) == 0}
		b.hint = []int64{0, -1, int64(b.size), 1 << 60, 1}[r.IntN(5)]
		b.readyAt = r.IntN(b.size*2 + 1)
		b.open = r.IntN(10) == 0
		if r.IntN(5) == 0 {
			b.end = errCut
		}
		p.bodies = append(p.bodies, b)
	}
	if r.IntN(3) == 0 {
		p.end = errCut
	}
	if r.IntN(3) == 0 {
		p.spill = r.IntN(count + 1)
	}
	if r.IntN(6) == 0 {
		p.cancel = r.IntN(count + 1)
	}
	p.faulty = r.IntN(5) == 0
	return p
}

func drawSize(r *rand.Rand) int {
	switch r.IntN(4) {
	case 0:
		return r.IntN(10)
	case 1:
		return r.IntN(5 << 10)
	case 2:
		return chunkSize*r.IntN(4) + r.IntN(3)
	}
	return r.IntN(300 << 10)
}

// want is how body i ends for a consumer that reads all of it.
func (p *plan) want(i int) error {
	b := p.bodies[i]
	switch {
	case !b.open && b.end == nil:
		return io.EOF
	case !b.open:
		return b.end
	case i == len(p.bodies)-1 && p.end != io.EOF:
		return p.end
	}
	return io.ErrUnexpectedEOF
}

func (p *plan) produce(q *Queue[int], r *rand.Rand) error {
	for i, b := range p.bodies {
		if i == p.spill {
			q.Spill()
		}
		pause(r)
		begin := q.Begin
		if b.pending {
			begin = q.BeginPending
		}
		body, err := begin(i, b.hint)
		if err != nil && err == q.Err() {
			continue
		}
		if err != nil {
			return err
		}
		if err := b.write(body, r, content(i, b.size)); err != nil {
			return err
		}
	}
	end := p.end
	if end == io.EOF {
		end = nil
	}
	q.Finish(end)
	return nil
}

func (b *bodyPlan) write(body *Body[int], r *rand.Rand, all []byte) error {
	for off := 0; off < len(all); {
		if off >= b.readyAt {
			body.Ready()
		}
		pause(r)
		piece := all[off:min(len(all), off+1+r.IntN(50<<10))]
		off += len(piece)
		var n int64
		var err error
		if r.IntN(3) > 0 {
			var k int
			k, err = body.Write(piece)
			n = int64(k)
		} else {
			n, err = body.ReadFrom(iotest.HalfReader(bytes.NewReader(piece)))
		}
		if err != nil || n != int64(len(piece)) {
			return fmt.Errorf("wrote %d of %d octets: %w", n, len(piece), err)
		}
	}
	if !b.open {
		body.CloseWithError(b.end)
	}
	if b.readyAt%2 == 0 {
		body.Ready()
	}
	return nil
}

// pause gives the other side the turn, or lets time pass.
func pause(r *rand.Rand) {
	if r.IntN(20) == 0 {
		<-time.After(time.Duration(r.IntN(5)) * time.Second)
	}
}

func (p *plan) consume(t *testing.T, q *Queue[int], r *rand.Rand) error {
	for i := 0; ; i++ {
		pause(r)
		if i == p.cancel {
			q.Cancel(syscall.EINTR)
		}
		meta, body, err := q.Next(t.Context())
		switch {
		case i >= p.cancel && p.cancel >= 0:
			if err != syscall.EINTR {
				return fmt.Errorf("after Cancel Next gives %v", err)
			}
			return nil
		case i == len(p.bodies):
			if err != p.end || body != nil {
				return fmt.Errorf("at the end Next gives %v, want %v", err, p.end)
			}
			return nil
		case err != nil || meta != i:
			return fmt.Errorf("body %d: Next gives %d, %v", i, meta, err)
		}
		if err := p.read(i, body, r); err != nil {
			return fmt.Errorf("body %d of %d octets: %w", i, p.bodies[i].size, err)
		}
		if err := q.check(); err != nil {
			return err
		}
	}
}

// read reads body i, or part of it, and compares.
func (p *plan) read(i int, body io.Reader, r *rand.Rand) error {
	all := content(i, p.bodies[i].size)
	var got bytes.Buffer
	var err error
	switch r.IntN(4) {
	case 0: // nothing
		return nil
	case 1: // a part
		_, err = io.CopyN(&got, onlyReader{body}, int64(r.IntN(len(all)+1)))
		if err == nil {
			err = errPart
		}
	case 2:
		err = readPieces(&got, body, r)
	case 3:
		if _, err = io.Copy(&got, body); err == nil {
			err = io.EOF
		}
	}
	if !bytes.HasPrefix(all, got.Bytes()) {
		return fmt.Errorf("%d octets, and not those", got.Len())
	}
	switch {
	case p.faulty && errors.Is(err, syscall.ENOSPC):
	case err == errPart:
	case err != p.want(i):
		return fmt.Errorf("ends in %v, want %v", err, p.want(i))
	case got.Len() != len(all):
		return fmt.Errorf("only %d octets and %w", got.Len(), err)
	}
	return nil
}

var errPart = errors.New("read a part only")

func readPieces(got *bytes.Buffer, body io.Reader, r *rand.Rand) error {
	buf := make([]byte, 40<<10)
	for {
		p := buf[:1+r.IntN(len(buf))]
		n, err := body.Read(p)
		got.Write(p[:n])
		if err != nil {
			return err
		}
		pause(r)
	}
}

// A queue gives what a list of the bodies would, whatever the sizes, the order of
// steps, the budget and the disk.
func TestQueueModel(t *testing.T) {
	for seed := range rounds(300) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := makePlan(rand.New(rand.NewPCG(seed, 1)))
				q, d := newQueue(t, p.opts)
				if p.faulty {
					d.space = 60 << 10
				}
				var wg sync.WaitGroup
				var perr, cerr error
				wg.Go(func() { perr = p.produce(q, rand.New(rand.NewPCG(seed, 2))) })
				wg.Go(func() { cerr = p.consume(t, q, rand.New(rand.NewPCG(seed, 3))) })
				wg.Wait()
				require.NoError(t, perr, "producer")
				require.NoError(t, cerr, "consumer")
				_, _, peak := d.files()
				require.LessOrEqual(t, peak, 2, "files at a time")
			})
		})
	}
}

// A Cancel from outside, in the middle of anything, ends both sides and leaves
// nothing.
func TestQueueModelCancelAnywhere(t *testing.T) {
	for seed := range rounds(100) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			p := makePlan(r)
			p.cancel = -1
			q, _ := newQueue(t, p.opts)
			var wg sync.WaitGroup
			var cancelled atomic.Bool
			wg.Go(func() {
				err := p.produce(q, rand.New(rand.NewPCG(seed, 2)))
				if err != nil {
					t.Errorf("seed %d: producer: %v", seed, err)
				}
			})
			wg.Go(func() {
				err := p.consume(t, q, rand.New(rand.NewPCG(seed, 3)))
				if err != nil && !cancelled.Load() {
					t.Errorf("seed %d: consumer: %v", seed, err)
				}
			})
			<-time.After(time.Duration(r.IntN(4000)) * time.Millisecond)
			for range r.IntN(200) {
				_ = q.check()
			}
			cancelled.Store(true)
			q.Cancel(nil)
			wg.Wait()
		})
	}
}

// A spool gives every reader what was written.
func TestSpoolModel(t *testing.T) {
	for seed := range rounds(150) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			opts := Options{Memory: []int64{-1, 1, 40000, chunkSize, 0}[r.IntN(5)]}
			s, d := newSpool(t, opts)
			b := bodyPlan{size: drawSize(r) + r.IntN(2)*drawSize(r)}
			all := content(int(seed), b.size)
			if r.IntN(3) == 0 {
				b.end = errCut
			}
			want := (&plan{bodies: []bodyPlan{b}}).want(0)
			if r.IntN(4) == 0 {
				d.space = 10 << 10
			}
			var wg sync.WaitGroup
			for i := range uint64(1 + r.IntN(4)) {
				wg.Go(func() {
					var got bytes.Buffer
					in := io.Reader(s)
					if i > 0 {
						in = s.NewReader()
					}
					err := readPieces(&got, in, rand.New(rand.NewPCG(seed, 10+i)))
					full := d.space > 0 && errors.Is(err, syscall.ENOSPC)
					if !bytes.HasPrefix(all, got.Bytes()) || !full && (err != want || got.Len() != len(all)) {
						t.Errorf("seed %d, reader %d: %d octets of %d and %v, want %v", seed, i, got.Len(), len(all), err, want)
					}
				})
			}
			for off := 0; off < len(all); {
				pause(r)
				piece := all[off:min(len(all), off+1+r.IntN(50<<10))]
				n, err := s.Write(piece)
				require.NoError(t, err)
				off += n
			}
			s.CloseWithError(b.end)
			wg.Wait()
		})
	}
}
