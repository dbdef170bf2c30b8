package outbox

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/internal/disk/disktest"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/smtpsink"
)

// running is a Run in a goroutine of the test's bubble.
type running struct {
	cancel context.CancelFunc
	done   chan error
}

func start(t *testing.T, box *Outbox, p smtpsink.Sender, opts *RunOptions) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r := &running{cancel: cancel, done: make(chan error, 1)}
	go func() { r.done <- box.Run(ctx, p, opts) }()
	synctest.Wait()
	return r
}

// stop ends it.
func (r *running) stop(t *testing.T) {
	t.Helper()
	r.cancel()
	require.ErrorIs(t, <-r.done, context.Canceled)
}

// pass lets time pass. What the test has read until now it has read before a Run
// goes on: the lock that Get takes tells the race detector.
func pass(box *Outbox, d time.Duration) {
	_, _ = box.Get("")
	<-time.After(d)
	synctest.Wait()
}

// timed answers by answer, and notes when it was asked.
type timed struct {
	*post
	at []time.Duration
}

func newTimed(answer func(call int, env *smtpsink.Envelope) (*smtpsink.Receipt, error)) *timed {
	p := &timed{post: newPost()}
	begin := time.Now()
	p.answer = func(_, call int, env *smtpsink.Envelope, _ *smtpsink.SendOptions) (*smtpsink.Receipt, error) {
		p.at = append(p.at, time.Since(begin))
		return answer(call, env)
	}
	return p
}

// TestRetry: a message that is refused for now is tried again later and later, and
// given up after its lifetime.
func TestRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box, _ := fresh(t, nil)
		p := newTimed(func(_ int, env *smtpsink.Envelope) (*smtpsink.Receipt, error) { return refused(env, 450) })
		id := put(t, box, 1, nil)
		r := start(t, box, p, nil)
		e := get(t, box, id)
		assert.Equal(t, Queued, e.State)
		assert.Equal(t, 1, e.Tries)
		assert.Contains(t, e.LastError, "message refused 450")
		assert.Equal(t, 450, e.Receipt.Recipients[0].Reply.Code)
		assert.Greater(t, e.Next, time.Now())
		pass(box, 6*24*time.Hour)
		for i, least := range []time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 16 * time.Minute, 32 * time.Minute, time.Hour, time.Hour} {
			wait := p.at[i+1] - p.at[i]
			assert.GreaterOrEqual(t, wait, least)
			assert.LessOrEqual(t, wait, least*5/4)
		}
		last := p.at[len(p.at)-1]
		assert.Equal(t, 5*24*time.Hour, last, "a last try as its time runs out")
		assert.Greater(t, len(p.at), 96)
		assert.Less(t, len(p.at), 126)
		assert.Equal(t, Dead, get(t, box, id).State)

		require.NoError(t, box.Retry(id))
		synctest.Wait()
		assert.Equal(t, Queued, get(t, box, id).State, "with its whole lifetime before it")
		assert.Greater(t, p.at[len(p.at)-1], last)
		p.answer = nil
		require.NoError(t, box.Retry(id))
		synctest.Wait()
		assert.Empty(t, entries(t, box))
		r.stop(t)
	})
}

// TestUnreachable: while nobody can be reached, one message is tried at a time, and
// none has to wait longer for it.
func TestUnreachable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box, _ := fresh(t, nil)
		up := false
		p := newTimed(func(_ int, env *smtpsink.Envelope) (*smtpsink.Receipt, error) {
			if !up {
				return nil, unavailable()
			}
			return taken(env), nil
		})
		for n := range 100 {
			put(t, box, n, nil)
		}
		r := start(t, box, p, nil)
		assert.Len(t, p.at, 1)
		pass(box, 24*time.Hour)
		assert.Less(t, len(p.at), 32)
		up = true
		require.NoError(t, box.Flush())
		synctest.Wait()
		assert.Empty(t, entries(t, box), "the network is back")
		r.stop(t)
	})
}

// TestUnreachableParallel: several that fail at a time are one failure.
func TestUnreachableParallel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box, _ := fresh(t, nil)
		p := newPost()
		p.before = func(context.Context, *smtpsink.Envelope) error { return unavailable() }
		for n := range 8 {
			put(t, box, n, nil)
		}
		id := put(t, box, 9, nil)
		r := start(t, box, p, &RunOptions{Parallel: 8})
		assert.LessOrEqual(t, time.Until(get(t, box, id).Next), 75*time.Second)
		assert.Zero(t, get(t, box, id).Tries)
		r.stop(t)
	})
}

// TestPartlyUnknown: those who refused for now are tried again while it waits for a
// decision about another.
func TestPartlyUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box, _ := fresh(t, nil)
		p := newPost()
		tries := 0
		p.answer = func(_, call int, env *smtpsink.Envelope, _ *smtpsink.SendOptions) (*smtpsink.Receipt, error) {
			if tries++; call == 0 {
				return answers(unknown, []smtpsink.Outcome{unknown, rejected, accepted}, 450), mailbox.ErrUnknownOutcome
			}
			assert.Equal(t, []string{"bob@example.com"}, env.To)
			return refused(env, 450)
		}
		id, err := box.Enqueue(t.Context(), three(), strings.NewReader(note(1)), &EnqueueOptions{Send: smtpsink.SendOptions{Partial: true}})
		require.NoError(t, err)
		r := start(t, box, p, nil)
		pass(box, 6*24*time.Hour)
		assert.Greater(t, tries, 90)
		assert.Less(t, tries, 130)
		assert.Equal(t, Unknown, get(t, box, id).State)
		require.NoError(t, box.Decide(id, Accept))
		synctest.Wait()
		assert.Equal(t, Dead, get(t, box, id).State)
		assert.Equal(t, "bob@example.com", get(t, box, id).Receipt.Refused()[0].Address)
		r.stop(t)
	})
}

func TestThrottled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box, _ := fresh(t, nil)
		p := newTimed(func(call int, env *smtpsink.Envelope) (*smtpsink.Receipt, error) {
			if call == 0 {
				return nil, &mailbox.ThrottledError{RetryAfter: 3 * time.Hour, Err: errors.New("slowly")}
			}
			return taken(env), nil
		})
		put(t, box, 1, nil)
		r := start(t, box, p, nil)
		pass(box, 24*time.Hour)
		assert.Equal(t, []time.Duration{0, 3 * time.Hour}, p.at)
		r.stop(t)
	})
}

// TestClock: a clock that was set back makes no message wait for years.
func TestClock(t *testing.T) {
	files := disktest.NewMem(512)
	synctest.Test(t, func(t *testing.T) { // in 2000
		box := openMem(t, files, nil)
		pass(box, 300*24*time.Hour)
		p := newPost()
		p.answer = func(_, _ int, env *smtpsink.Envelope, _ *smtpsink.SendOptions) (*smtpsink.Receipt, error) {
			return refused(env, 450)
		}
		put(t, box, 1, nil)
		once(t, box, p, nil)
		put(t, box, 2, nil)
		require.NoError(t, box.Close())
	})
	synctest.Test(t, func(t *testing.T) { // in 2000 again
		box := openMem(t, files, nil)
		p := newPost()
		once(t, box, p, nil)
		assert.ElementsMatch(t, []int{1, 2}, p.order)
		require.NoError(t, box.Close())
	})
}

// TestTimes: NotBefore, Expires, and options that count from when a message was
// enqueued.
func TestTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box, _ := fresh(t, nil)
		var opts []*smtpsink.SendOptions
		p := newPost()
		p.answer = func(_, _ int, env *smtpsink.Envelope, o *smtpsink.SendOptions) (*smtpsink.Receipt, error) {
			opts = append(opts, o)
			return taken(env), nil
		}
		now := time.Now()
		r := start(t, box, p, nil)
		later := put(t, box, 1, &EnqueueOptions{NotBefore: now.Add(time.Hour), Send: smtpsink.SendOptions{
			DeliverBy: 3 * time.Hour, DeliverByNotify: true, HoldFor: 90 * time.Minute, Size: 7,
		}})
		never := put(t, box, 2, &EnqueueOptions{NotBefore: now.Add(time.Hour), Expires: now.Add(time.Minute)})
		byThen := put(t, box, 3, &EnqueueOptions{NotBefore: now.Add(time.Hour), Send: smtpsink.SendOptions{DeliverBy: time.Hour}})
		held := put(t, box, 4, &EnqueueOptions{NotBefore: now.Add(2 * time.Hour), Send: smtpsink.SendOptions{HoldUntil: now.Add(time.Hour)}})
		early := put(t, box, 5, &EnqueueOptions{NotBefore: now.Add(100 * time.Hour)})
		synctest.Wait()
		assert.Equal(t, now.Add(time.Hour), get(t, box, later).Next)
		pass(box, 59*time.Minute)
		assert.Empty(t, p.order)
		require.NoError(t, box.Retry(early))
		synctest.Wait()
		assert.Equal(t, []int{5}, p.order)
		pass(box, time.Minute)
		assert.Equal(t, []int{5, 1}, p.order)
		assert.Equal(t, 2*time.Hour, opts[1].DeliverBy)
		assert.Equal(t, 30*time.Minute, opts[1].HoldFor)
		assert.EqualValues(t, 7, opts[1].Size)
		for _, id := range []ID{never, byThen} {
			assert.Equal(t, Dead, get(t, box, id).State)
			assert.Contains(t, get(t, box, id).LastError, "expired")
		}
		pass(box, time.Hour)
		_, err := box.Get(held)
		require.ErrorIs(t, err, mailbox.ErrNotFound)
		assert.True(t, opts[2].HoldUntil.IsZero())
		require.NoError(t, box.Retry(never))
		synctest.Wait()
		assert.Equal(t, []int{5, 1, 4, 2}, p.order, "somebody wants it sent")
		r.stop(t)
	})
}

// TestPartial: only those who have not got it are tried again, and whoever
// refuses for good makes it a dead letter in the end.
func TestPartial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box, files := fresh(t, nil)
		p := newPost()
		var asked [][]string
		p.answer = func(_, call int, env *smtpsink.Envelope, _ *smtpsink.SendOptions) (*smtpsink.Receipt, error) {
			asked = append(asked, env.To)
			if call > 0 {
				return taken(env), nil
			}
			r := answers(accepted, []smtpsink.Outcome{accepted, rejected, rejected}, 450, 550)
			return r, nil
		}
		id, err := box.Enqueue(t.Context(), three(), strings.NewReader(note(1)), &EnqueueOptions{Send: smtpsink.SendOptions{Partial: true}})
		require.NoError(t, err)
		var copies []*smtpsink.Receipt
		opts := &RunOptions{Sent: func(_ context.Context, _ *Entry, r *smtpsink.Receipt) error { copies = append(copies, r); return nil }}
		once(t, box, p, opts)
		require.Len(t, copies, 1, "filed when somebody has got it")
		assert.Equal(t, accepted, copies[0].Outcome)
		assert.Equal(t, Queued, get(t, box, id).State)
		require.NoError(t, box.Close())

		box = openMem(t, files, nil)
		pass(box, time.Hour)
		once(t, box, p, opts)
		assert.Equal(t, [][]string{three().To, {"bob@example.com"}}, asked)
		e := get(t, box, id)
		assert.Equal(t, Dead, e.State)
		assert.Equal(t, "eve@example.net", e.Receipt.Refused()[0].Address)
		assert.Contains(t, e.LastError, "eve@example.net: RCPT refused 550")
		require.NoError(t, box.Retry(id))
		once(t, box, p, opts)
		assert.Equal(t, []string{"eve@example.net"}, asked[2])
		assert.Empty(t, entries(t, box))
		assert.Len(t, copies, 1)
		assert.Equal(t, map[string]int{"ann@example.org": 1, "bob@example.com": 1, "eve@example.net": 1}, p.got[1])
		require.NoError(t, box.Close())
	})
}

// TestStops: what the next message would meet as well ends Run, and no message has
// lost a try.
func TestStops(t *testing.T) {
	box, _ := fresh(t, nil)
	p := newPost()
	p.before = func(context.Context, *smtpsink.Envelope) error {
		return &mailbox.Error{Op: "login", Err: mailbox.ErrAuth}
	}
	for n := range 3 {
		put(t, box, n, nil)
	}
	require.ErrorIs(t, box.Run(t.Context(), p, nil), mailbox.ErrAuth)
	for _, e := range entries(t, box) {
		assert.Equal(t, Queued, e.State)
		assert.Zero(t, e.Tries)
	}
	p.before = nil
	once(t, box, p, nil)
	assert.Equal(t, []int{0, 1, 2}, p.order)
}

func TestDead(t *testing.T) {
	box, files := fresh(t, nil)
	p := newPost()
	p.answer = func(_, call int, env *smtpsink.Envelope, _ *smtpsink.SendOptions) (*smtpsink.Receipt, error) {
		if call < 2 {
			return refused(env, 550)
		}
		return taken(env), nil
	}
	first, second := put(t, box, 1, nil), put(t, box, 2, nil)
	once(t, box, p, nil)
	once(t, box, p, nil)
	assert.Equal(t, []int{1, 2}, p.order, "it is not tried again")
	require.NoError(t, box.Close())

	box = openMem(t, files, nil)
	e := get(t, box, first)
	assert.Equal(t, Dead, e.State)
	assert.Contains(t, e.LastError, "550")
	assert.Equal(t, rejected, e.Receipt.Outcome)
	assert.True(t, e.Next.IsZero())
	require.ErrorIs(t, box.Decide(first, Resend), mailbox.ErrNotFound, "it is not unknown")
	require.NoError(t, box.Remove(second))
	for range 2 {
		require.NoError(t, box.Retry(first))
		once(t, box, p, nil)
	}
	assert.Equal(t, []int{1, 2, 1, 1}, p.order)
	assert.Empty(t, entries(t, box))
	assert.Empty(t, names(files))
	require.NoError(t, box.Close())
}

// TestWakes: Run sleeps until something is to be done, and no longer.
func TestWakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		files := disktest.NewMem(512)
		scans := 0
		box := openMem(t, disktest.Hook(files, func(op disktest.Op) error {
			if op.Kind == disktest.KindReadDir && !op.After {
				scans++
			}
			return nil
		}), nil)
		p := newPost()
		r := start(t, box, p, &RunOptions{Rescan: -1})
		before := scans
		pass(box, 100*time.Hour)
		assert.Equal(t, before, scans, "it does not poll")
		put(t, box, 1, nil)
		synctest.Wait()
		assert.Equal(t, []int{1}, p.order)
		require.ErrorIs(t, box.Run(t.Context(), p, nil), mailbox.ErrBusy)
		r.stop(t)

		r = start(t, box, p, nil)
		s, err := newSpool(files)
		require.NoError(t, err)
		_, err = s.Enqueue(t.Context(), to("bob@example.com"), strings.NewReader(note(2)), nil)
		require.NoError(t, err)
		synctest.Wait()
		assert.Equal(t, []int{1}, p.order)
		pass(box, time.Minute)
		assert.Equal(t, []int{1, 2}, p.order, "another process has enqueued it")
		r.stop(t)
		require.NoError(t, box.Close())
	})
}

// blocking is a sender that waits until it is let go, or its context ends.
func blocking(t *testing.T) (p *post, let chan struct{}) {
	let = make(chan struct{})
	p = newPost()
	p.before = func(ctx context.Context, _ *smtpsink.Envelope) error {
		select {
		case <-let:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return p, let
}

// TestGrace: what is being sent when the context ends may come to its end.
func TestGrace(t *testing.T) {
	for name, c := range map[string]struct {
		grace time.Duration
		free  bool
		sent  []int
		took  time.Duration
	}{
		"in time": {free: true, sent: []int{1}, took: time.Second},
		"cut":     {took: 5 * time.Second},
		"longer":  {grace: time.Hour, took: time.Hour},
		"none":    {grace: -1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				box, _ := fresh(t, nil)
				p, let := blocking(t)
				id := put(t, box, 1, nil)
				put(t, box, 2, nil)
				r := start(t, box, p, &RunOptions{Grace: c.grace})
				assert.Equal(t, Sending, get(t, box, id).State)
				require.ErrorIs(t, box.Remove(id), mailbox.ErrBusy)
				require.ErrorIs(t, box.Retry(id), mailbox.ErrBusy)
				begin := time.Now()
				r.cancel()
				if c.free {
					pass(box, time.Second)
					close(let)
				}
				require.ErrorIs(t, <-r.done, context.Canceled)
				assert.Equal(t, c.took, time.Since(begin))
				assert.Equal(t, c.sent, p.order, "no other is begun")
				if c.sent == nil {
					e := get(t, box, id)
					assert.Equal(t, Queued, e.State)
					assert.Zero(t, e.Tries)
				}
			})
		})
	}
}

// TestCloseCuts: Close ends a Run.
func TestCloseCuts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box, files := fresh(t, nil)
		p, _ := blocking(t)
		put(t, box, 1, nil)
		r := start(t, box, p, nil)
		require.NoError(t, box.Close())
		require.ErrorIs(t, <-r.done, mailbox.ErrClosed)
		box = openMem(t, files, nil)
		assert.Equal(t, Queued, entries(t, box)[0].State)
		require.NoError(t, box.Close())
	})
}

// TestParallel: as many as may be sent at a time are, in order, and the copies of
// others are filed meanwhile.
func TestParallel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box, _ := fresh(t, nil)
		p, let := blocking(t)
		for n := range 7 {
			put(t, box, n, nil)
		}
		stuck := make(chan struct{})
		r := start(t, box, p, &RunOptions{Parallel: 3, Sent: func(ctx context.Context, _ *Entry, _ *smtpsink.Receipt) error {
			<-stuck
			return nil
		}})
		states := func() map[State]int {
			all := map[State]int{}
			for _, e := range entries(t, box) {
				all[e.State]++
			}
			return all
		}
		assert.Equal(t, map[State]int{Sending: 3, Queued: 4}, states())
		close(let)
		synctest.Wait()
		assert.Equal(t, map[State]int{Accepted: 7}, states(), "a copy that takes long holds no message up")
		close(stuck)
		synctest.Wait()
		assert.Empty(t, entries(t, box))
		r.stop(t)
	})
}

// TestNotify tells of each change.
func TestNotify(t *testing.T) {
	box, _ := fresh(t, hasty())
	p := newPost()
	p.answer = func(n, call int, env *smtpsink.Envelope, _ *smtpsink.SendOptions) (*smtpsink.Receipt, error) {
		if n == 2 {
			return lost(env)
		}
		return taken(env), nil
	}
	put(t, box, 1, nil)
	put(t, box, 2, nil)
	told := map[string][]State{}
	var last *Entry
	once(t, box, p, &RunOptions{
		Notify: func(e *Entry) {
			told[e.MessageID] = append(told[e.MessageID], e.State)
			if e.MessageID == "1@example.org" {
				last = e
			}
		},
		OnUnknown: Drop,
	})
	assert.Equal(t, []State{Sending, Done}, told["1@example.org"])
	assert.Contains(t, [][]State{{Sending, Unknown, Done}, {Sending, Done}}, told["2@example.org"], "the decision follows at once")
	assert.Equal(t, "Q1", last.Receipt.QueueID)
	assert.Equal(t, accepted, last.Receipt.Outcome)
	_, err := last.Open()
	require.ErrorIs(t, err, mailbox.ErrNotFound)
}

// TestRemovedBehindUs: a file that somebody has removed is no message any more.
func TestRemovedBehindUs(t *testing.T) {
	box, files := fresh(t, nil)
	id := put(t, box, 1, nil)
	require.NoError(t, files.Remove(id.file()))
	p := newPost()
	once(t, box, p, nil)
	assert.Empty(t, p.order)
	assert.Empty(t, entries(t, box))
}

// reading is a sender that fails after some octets.
type reading struct{ octets int64 }

func (r reading) Send(_ context.Context, _ *smtpsink.Envelope, m io.Reader, _ *smtpsink.SendOptions) (*smtpsink.Receipt, error) {
	if _, err := io.CopyN(io.Discard, m, r.octets); err != nil {
		return nil, err
	}
	return &smtpsink.Receipt{}, unavailable()
}

func (reading) Close() error { return nil }
