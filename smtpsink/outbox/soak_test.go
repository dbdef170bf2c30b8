package outbox

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/internal/disk"
	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/mailtest"
	"github.com/postroom-go/postroom/smtpsink"
)

var soak = flag.Int("soak", 3, "how often TestSoak and TestSoakSink kill an outbox, and a quarter of the lives of TestTurmoil")

// TestSoak kills a process again and again at moments that nobody chose while it
// enqueues and sends, ten messages for each kill. None may be lost or sent twice.
// go test -run Soak -soak 1000 -timeout 1h
func TestSoak(t *testing.T) {
	e := newErrand(t)
	e.N = 10
	killed := 0
	for killed < *soak {
		e.KillIn = time.Duration(1+rand.IntN(40)) * time.Millisecond
		if e.send(t) {
			killed++
		}
		e.First += e.N
	}
	held := e.check(t)
	t.Logf("%d kills, %d messages, %d promised, %d held", killed, e.First, len(e.logged(t, "promised")), len(held))
}

// voyage is an errand that sends by a real Sink while it enqueues.
func (e *errand) voyage(ctx context.Context, _ func(disk.Dir) disk.Dir) error {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(e.CA))
	sink, err := smtpsink.Dial(ctx, e.Host, access.Password("ann@example.org", secret, nil), &smtpsink.Options{
		Net: access.Options{TLSConfig: &tls.Config{RootCAs: roots}},
	})
	if err != nil {
		return err
	}
	box, err := Open(e.Dir, &Options{RetryMin: time.Millisecond, RetryMax: time.Millisecond})
	if err != nil {
		return err
	}
	enqueued := make(chan error, 1)
	go func() { enqueued <- e.enqueue(ctx, box) }()
	running, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- box.Run(running, sink, &RunOptions{Parallel: 1 + rand.IntN(4)}) }()
	if err := <-enqueued; err != nil {
		stop()
		return err
	}
	stop()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		return err
	}
	for range 3 { // what was refused for now, and what was late
		if err := errors.Join(box.Flush(), runOnce(ctx, box, sink, nil)); err != nil {
			return err
		}
	}
	return errors.Join(sink.Close(), box.Close())
}

func (e *errand) enqueue(ctx context.Context, box *Outbox) error {
	for n := e.First; n < e.First+e.N; n++ {
		if _, err := box.Enqueue(ctx, to("bob@example.com"), strings.NewReader(note(n)), nil); err != nil {
			return err
		}
		if err := e.log("promised", n); err != nil {
			return err
		}
	}
	return nil
}

// TestSoakSink does the same with a real Sink, to a server that misbehaves. All
// that was promised has arrived once, or is Unknown.
func TestSoakSink(t *testing.T) {
	t.Parallel()
	h := mailtest.New(t, nil)
	h.AddUser("ann@example.org", secret)
	h.AddUser("bob@example.com", secret)
	e := newErrand(t)
	e.N, e.Host, e.CA = 20, h.SMTPS, string(mailtest.CAPEM())
	faults := []mailtest.Fault{
		{Kind: mailtest.FaultCut, Command: "DATA", N: math.MaxInt64},
		{Kind: mailtest.FaultCut, Command: "DATA", N: 700},
		{Kind: mailtest.FaultCut, Command: "RCPT"},
		{Kind: mailtest.FaultBye, Command: "MAIL", Text: "421 4.3.2 closing"},
		{Kind: mailtest.FaultReply, Command: "DATA", Text: "451 4.3.0 later"},
		{Kind: mailtest.FaultReply, Command: "RCPT", Text: "450 4.2.1 later"},
	}
	killed, voyages := 0, 0
	for ; killed < *soak; voyages++ {
		h.ClearFaults()
		f := faults[rand.IntN(len(faults))]
		f.Protocol, f.Skip, f.Times = "smtp", rand.IntN(12), 1
		h.Inject(f)
		e.KillIn = time.Duration(8+rand.IntN(40)) * time.Millisecond
		if e.send(t) {
			killed++
		}
		e.First += e.N
	}
	h.ClearFaults()
	e.N, e.KillIn = 0, 0
	require.False(t, e.send(t))
	got, waits, arrived := received(t, h, "bob@example.com"), map[int]bool{}, 0
	box, err := Open(e.Dir, nil)
	require.NoError(t, err)
	for _, entry := range entries(t, box) {
		n, err := whole(entry)
		require.NoError(t, err)
		assert.Equal(t, Unknown, entry.State, "note %d: %s", n, entry.LastError)
		waits[n] = true
		arrived += got[n]
	}
	require.NoError(t, box.Close())
	promised := e.logged(t, "promised")
	for n := range promised {
		assert.True(t, got[n] == 1 || waits[n], "note %d is lost", n)
	}
	for n, times := range got {
		assert.Equal(t, 1, times, "note %d was sent %d times", n, times)
	}
	t.Logf("%d kills of %d, %d promised, %d arrived, %d held, %d of them had arrived", killed, voyages, len(promised), len(got), len(waits), arrived)
}

// spool is an errand that enqueues for another process, by keys.
func (e *errand) spool(ctx context.Context, _ func(disk.Dir) disk.Dir) error {
	s, err := OpenSpool(e.Dir)
	if err != nil {
		return err
	}
	for n := e.First; n < e.First+e.N; n++ {
		key := &EnqueueOptions{Key: fmt.Sprint("note ", n)}
		if _, err := s.Enqueue(ctx, to(fmt.Sprintf("bob+%d@example.com", n)), strings.NewReader(note(n)), key); err != nil {
			return err
		}
	}
	return s.Close()
}

// TestSoakSpool kills processes that enqueue, by keys, for one that sends. Each
// begins anew until it has come to its end, and each message is sent once. The
// journal is written anew all the time.
func TestSoakSpool(t *testing.T) {
	t.Parallel()
	dir, p := newErrand(t).Dir, newPost()
	box, err := Open(dir, nil)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	news := 0
	notify := func(*Entry) {
		if news++; news%5 == 0 {
			assert.NoError(t, box.rewrite())
		}
	}
	go func() { ended <- box.Run(ctx, p, &RunOptions{Parallel: 3, Rescan: time.Millisecond, Notify: notify}) }()
	var wg sync.WaitGroup
	for i := range 3 {
		wg.Go(func() {
			e := &errand{Dir: dir, Spool: true, First: 1000 * i, N: 10 * *soak, KillOp: -1}
			for range *soak {
				e.KillIn = time.Duration(1+rand.IntN(20)) * time.Millisecond
				e.send(t)
			}
			e.KillIn = 0
			assert.False(t, e.send(t))
		})
	}
	wg.Wait()
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
	once(t, box, p, nil)
	assert.Len(t, p.order, 3*10**soak)
	for n, calls := range p.calls {
		assert.Equal(t, 1, calls, "note %d", n)
	}
	assert.False(t, p.cut)
	assert.Empty(t, entries(t, box))
	require.NoError(t, box.Close())
}
