package outbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/internal/disk/disktest"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/smtpsink"
)

// turmoil is an outbox that many use at once while it runs, ends, is closed and
// loses power, and a server that does what it likes.
type turmoil struct {
	*post
	looks bool // what is Unknown is looked for
	calm  bool
	off   off

	now      sync.Mutex // below
	random   *rand.Rand
	ids      map[ID]int
	promised map[int]bool
	spare    map[int]int  // copies more than one that somebody has allowed
	removed  map[int]bool // or maybe
	until    map[int]int  // how many had arrived when it was removed for certain
}

func newTurmoil(seed uint64) *turmoil {
	u := &turmoil{
		post: newPost(), looks: seed%2 == 0, random: rand.New(rand.NewPCG(seed, 6)), ids: map[ID]int{},
		promised: map[int]bool{}, spare: map[int]int{}, removed: map[int]bool{}, until: map[int]int{},
	}
	u.answer = u.reply
	return u
}

func (u *turmoil) intN(n int) int {
	u.now.Lock()
	defer u.now.Unlock()
	return u.random.IntN(n)
}

// reply is the answer to a message. What it says of a recipient is so.
func (u *turmoil) reply(n, _ int, env *smtpsink.Envelope, opts *smtpsink.SendOptions) (*smtpsink.Receipt, error) {
	if u.calm {
		return taken(env), nil
	}
	switch u.intN(8) {
	case 0:
		return &smtpsink.Receipt{}, unavailable()
	case 1:
		for _, address := range env.To {
			if u.intN(2) == 0 {
				u.deliver(n, address)
			}
		}
		return lost(env)
	case 2:
		return refused(env, 450)
	case 3:
		return refused(env, 550)
	case 4:
		if r := taken(env); opts.Partial && len(env.To) > 1 {
			r.Recipients[0].Outcome, r.Recipients[0].Reply = rejected, reply("RCPT", 450+100*u.intN(2))
			return r, nil
		}
	}
	return taken(env), nil
}

// noted is the number of an entry.
func noted(e *Entry) (n int) {
	_, _ = fmt.Sscanf(e.MessageID, "%d@", &n)
	return n
}

func (u *turmoil) arrived(n int) (all int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, times := range u.got[n] {
		all += times
	}
	return all
}

func (u *turmoil) look(_ context.Context, e *Entry) (bool, error) {
	if u.intN(4) == 0 {
		return false, errHook
	}
	return u.arrived(noted(e)) > 0, nil
}

// enqueue takes a message in; every fourth one by a key, several times.
func (u *turmoil) enqueue(ctx context.Context, box *Outbox) error {
	u.now.Lock()
	n := len(u.promised)
	u.promised[n] = false
	u.now.Unlock()
	env, opts := to("bob@example.com", "eve@example.net", "ann@example.org"), &EnqueueOptions{Send: smtpsink.SendOptions{Partial: true}}
	if env.To = env.To[:1+u.intN(3)]; u.looks {
		env.To = env.To[:1]
	}
	times := 1
	if n%4 == 0 {
		opts.Key, times = fmt.Sprint("key ", n), 3
	}
	for range times {
		_, err := box.Enqueue(ctx, env, strings.NewReader(note(n)), opts)
		if err != nil {
			return err
		}
		u.now.Lock()
		u.promised[n] = true
		u.now.Unlock()
	}
	return nil
}

// meddle does something to some message. Errors are what may be.
func (u *turmoil) meddle(box *Outbox) (err error) {
	skip := u.intN(10)
	for e, err := range box.List() {
		if err != nil {
			return err
		}
		if skip--; skip >= 0 {
			continue
		}
		n := noted(e)
		if r, err := e.Open(); err == nil {
			_, _ = io.CopyN(io.Discard, r, 10)
			_ = r.Close()
		}
		switch u.intN(6) {
		case 0:
			err = u.remove(n, true, func() error { return box.Remove(e.ID) })
		case 1:
			d := []Decision{Accept, Drop}[u.intN(2)]
			err = u.remove(n, d == Drop, func() error { return box.Decide(e.ID, d) })
		case 2:
			u.now.Lock()
			u.spare[n]++
			u.now.Unlock()
			err = box.Decide(e.ID, Resend)
		case 3:
			err = box.Flush()
		default:
			err = box.Retry(e.ID)
		}
		for _, may := range []error{mailbox.ErrBusy, mailbox.ErrNotFound, mailbox.ErrUnknownOutcome} {
			if errors.Is(err, may) {
				return nil
			}
		}
		return err
	}
	return nil
}

// remove notes that a message need not arrive any more, or must not.
func (u *turmoil) remove(n int, gone bool, remove func() error) error {
	err := remove()
	if errors.Is(err, mailbox.ErrBusy) || errors.Is(err, mailbox.ErrNotFound) {
		return err
	}
	u.now.Lock()
	defer u.now.Unlock()
	u.removed[n] = true
	if err == nil && gone {
		u.until[n] = u.arrived(n)
	}
	return err
}

// epoch is the life of one Outbox, until somebody ends it.
func (u *turmoil) epoch(t *testing.T, files *disktest.Mem) *disktest.Mem {
	// It ends when all is done, or at some operation of the disk.
	how, at, hit := u.intN(3), int64(40+u.intN(300)), make(chan struct{})
	var ops atomic.Int64
	var halted atomic.Bool
	box, err := openOn(disktest.Hook(files, func(op disktest.Op) error {
		if how > 0 && op.Changes && !op.After && ops.Add(1) == at {
			halted.Store(how == 1)
			close(hit)
		}
		if halted.Load() && op.Changes {
			return disktest.ErrHalted
		}
		return nil
	}), &Options{RetryMin: 100 * time.Microsecond, RetryMax: 100 * time.Microsecond, off: u.off})
	require.NoError(t, err)
	box.ledger.most = 20 // it is written anew again and again
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var wg, runs sync.WaitGroup
	runs.Go(func() {
		for range 20 {
			opts := &RunOptions{Parallel: 1 + u.intN(4), Grace: -1, Rescan: time.Millisecond, Once: u.intN(2) == 0,
				Notify: func(e *Entry) { _, _ = box.Get(e.ID) }}
			if u.intN(2) == 0 {
				opts.Sent = func(context.Context, *Entry, *smtpsink.Receipt) error { return []error{nil, errHook}[u.intN(2)] }
			}
			if u.looks {
				opts.Look = u.look
			}
			inner, stop := context.WithCancel(ctx)
			u.before = func(context.Context, *smtpsink.Envelope) error {
				if u.intN(30) == 0 {
					stop()
				}
				return nil
			}
			_ = box.Run(inner, u, opts)
			stop()
		}
	})
	for range 3 {
		wg.Go(func() {
			for range 25 {
				act := u.meddle
				if u.intN(2) == 0 {
					act = func(box *Outbox) error { return u.enqueue(ctx, box) }
				}
				if err := act(box); err != nil {
					return
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	select {
	case <-hit:
	case <-done:
	}
	cancel()
	err = box.Close()
	<-done
	runs.Wait()
	if halted.Load() {
		return files.Crash(disktest.Sample(u.random))
	}
	require.NoError(t, err)
	return files
}

// fault runs what is left in calm, and says what is wrong.
func (u *turmoil) fault(t *testing.T, files *disktest.Mem) error {
	u.calm, u.before = true, nil
	box := openMem(t, files, hasty())
	defer box.Close()
	waits := map[int]bool{}
	for range 2 {
		for _, e := range entries(t, box) {
			if waits[noted(e)] = e.State == Unknown; e.State != Unknown {
				if err := box.Retry(e.ID); err != nil {
					return err
				}
			}
		}
		if err := runOnce(t.Context(), box, u, nil); err != nil {
			return err
		}
	}
	if u.cut {
		return errors.New("a message was sent that nobody wrote")
	}
	left, err := there(t, box)
	if err != nil {
		return err
	}
	for n, promised := range u.promised {
		if promised && !u.removed[n] && !waits[n] && u.arrived(n) == 0 {
			return fmt.Errorf("message %d is lost", n)
		}
		if e := left[n]; e != nil && !waits[n] {
			return fmt.Errorf("message %d is still %s: %s", n, e.State, e.LastError)
		}
		if until, is := u.until[n]; is && u.arrived(n) != until {
			return fmt.Errorf("message %d was sent when it had been removed", n)
		}
		for address, times := range u.got[n] {
			if times > 1+u.spare[n] {
				return fmt.Errorf("message %d was sent to %s %d times", n, address, times)
			}
		}
	}
	return nil
}

// live is all of it.
func (u *turmoil) live(t *testing.T) error {
	files := disktest.NewMem(512)
	for range 4 {
		files = u.epoch(t, files)
	}
	return u.fault(t, files)
}

// TestTurmoil: whoever does what at which moment, no message is lost and none is
// sent more often than somebody has allowed.
func TestTurmoil(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4 * *soak) {
		require.NoError(t, newTurmoil(seed).live(t), "seed %d", seed)
	}
	for name, off := range map[string]off{
		"all recipients again": {again: true}, "handing over is not noted": {intent: true, recovery: true},
	} {
		t.Run("control "+name, func(t *testing.T) {
			var err error
			for seed := uint64(1); seed < 400 && err == nil; seed += 2 { // with several recipients
				u := newTurmoil(seed)
				u.off = off
				err = u.live(t)
			}
			require.Error(t, err)
			t.Log(err)
		})
	}
}
