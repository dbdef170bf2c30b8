package outbox

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/internal/disk/disktest"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/smtpsink"
)

// losing loses the answers to the first calls.
func losing(calls int) *post {
	p := newPost()
	p.answer = func(_, call int, env *smtpsink.Envelope, _ *smtpsink.SendOptions) (*smtpsink.Receipt, error) {
		if call < calls {
			return lost(env)
		}
		return taken(env), nil
	}
	return p
}

// TestHeld: by default nothing is done about an unknown outcome, however long.
func TestHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box, files := fresh(t, nil)
		p := losing(1)
		id := put(t, box, 1, nil)
		for range 3 {
			r := start(t, box, p, nil)
			require.NoError(t, box.Flush())
			require.ErrorIs(t, box.Retry(id), mailbox.ErrUnknownOutcome)
			pass(box, 10*24*time.Hour)
			r.stop(t)
			e := get(t, box, id)
			assert.Equal(t, Unknown, e.State)
			assert.Equal(t, unknown, e.Receipt.Outcome)
			assert.True(t, e.Next.IsZero())
			require.NoError(t, box.Close())
			box = openMem(t, files, nil)
		}
		assert.Equal(t, []int{1}, p.order)
		require.NoError(t, box.Close())
	})
}

// TestOrphan: what is known of a message outlasts its file. If it comes again by
// its key it is not sent as if it were new.
func TestOrphan(t *testing.T) {
	files := disktest.NewMem(512)
	box := openMem(t, files, nil)
	p := losing(1)
	key := &EnqueueOptions{Key: "k"}
	id := put(t, box, 1, key)
	once(t, box, p, nil)
	require.NoError(t, box.Close())
	require.NoError(t, files.Remove(id.file()))

	box = openMem(t, files, nil)
	require.NoError(t, box.rewrite())
	assert.Empty(t, entries(t, box))
	assert.Equal(t, id, put(t, box, 1, key))
	once(t, box, p, nil)
	assert.Equal(t, Unknown, get(t, box, id).State)
	assert.Equal(t, []int{1}, p.order)

	// The same while the outbox is open.
	require.NoError(t, files.Remove(id.file()))
	require.NoError(t, box.Decide(id, Resend))
	once(t, box, p, nil)
	assert.Empty(t, entries(t, box))
	put(t, box, 1, key)
	assert.Equal(t, 1, get(t, box, id).Tries)
	once(t, box, p, nil)
	assert.Equal(t, []int{1, 1}, p.order)

	// Control: another key is another message.
	put(t, box, 1, nil)
	once(t, box, p, nil)
	assert.Equal(t, []int{1, 1, 1}, p.order)
	require.NoError(t, box.Close())
}

// TestSilentServer: a server that answers no message makes one at a time unknown.
func TestSilentServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box, _ := fresh(t, nil)
		p := losing(99)
		for n := range 100 {
			put(t, box, n, nil)
		}
		r := start(t, box, p, nil)
		assert.Equal(t, []int{0}, p.order)
		pass(box, 10*time.Hour)
		assert.Less(t, len(p.order), 20)
		r.stop(t)
	})
}

func TestDecide(t *testing.T) {
	for _, c := range []struct {
		d      Decision
		calls  int
		copies int
		left   int
	}{{Hold, 1, 0, 1}, {Resend, 2, 1, 0}, {Accept, 1, 1, 0}, {Drop, 1, 0, 0}} {
		files := disktest.NewMem(512)
		box := openMem(t, files, nil)
		p, copies := losing(1), 0
		opts := &RunOptions{Sent: func(context.Context, *Entry, *smtpsink.Receipt) error { copies++; return nil }}
		id := put(t, box, 1, nil)
		once(t, box, p, opts)
		require.Error(t, box.Decide(id, Decision(17)))
		require.NoError(t, box.Decide(id, c.d))
		// What was decided outlasts a crash.
		files = files.Crash(disktest.Least)
		box = openMem(t, files, nil)
		once(t, box, p, opts)
		assert.Equal(t, c.calls, p.calls[1], "decision %d", c.d)
		assert.Equal(t, c.copies, copies, "decision %d", c.d)
		assert.Len(t, entries(t, box), c.left, "decision %d", c.d)
		require.NoError(t, box.Close())
	}
}

// TestOnUnknown: what the options say is done, and there are never three.
func TestOnUnknown(t *testing.T) {
	for _, c := range []struct {
		d     Decision
		lose  int
		calls int
		left  []State
	}{
		{Resend, 1, 2, nil}, {Resend, 5, 2, []State{Unknown}}, {Accept, 5, 1, nil}, {Drop, 5, 1, nil}, {Hold, 5, 1, []State{Unknown}},
	} {
		box, _ := fresh(t, hasty())
		p := losing(c.lose)
		put(t, box, 1, nil)
		for range 5 {
			once(t, box, p, &RunOptions{OnUnknown: c.d})
		}
		var left []State
		for _, e := range entries(t, box) {
			left = append(left, e.State)
			assert.LessOrEqual(t, e.Resent, 1)
		}
		assert.Equal(t, c.left, left, "decision %d", c.d)
		assert.Equal(t, c.calls, p.calls[1], "decision %d", c.d)
	}
}

// TestLook: a message that is found is accepted, one that is not is sent once
// more, and who cannot look is asked again.
func TestLook(t *testing.T) {
	errDown := errors.New("the mailbox cannot be reached")
	for _, c := range []struct {
		name  string
		lose  int
		looks []any // a bool that says what was found, or an error
		calls int
		left  int
	}{
		{"found", 1, []any{true}, 1, 0},
		{"not found", 1, []any{false}, 2, 0},
		{"found at last", 1, []any{errDown, errDown, true}, 1, 0},
		{"not found at last", 1, []any{errDown, false}, 2, 0},
		{"lost twice, and found", 2, []any{false, false, errDown, false, true}, 2, 0},
		{"lost twice, and never found", 9, []any{false}, 2, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				box, _ := fresh(t, nil)
				p, at := losing(c.lose), []time.Time{}
				look := func(_ context.Context, e *Entry) (bool, error) {
					assert.Equal(t, "1@example.org", e.MessageID)
					at = append(at, time.Now())
					switch found := c.looks[min(len(at), len(c.looks))-1].(type) {
					case bool:
						return found, nil
					default:
						return false, errDown
					}
				}
				begin := time.Now()
				put(t, box, 1, nil)
				r := start(t, box, p, &RunOptions{Look: look, OnUnknown: Drop})
				pass(box, 24*time.Hour)
				assert.Equal(t, time.Minute, at[0].Sub(begin), "it is given time to arrive")
				assert.Equal(t, c.calls, p.calls[1])
				assert.Len(t, entries(t, box), c.left)
				r.stop(t)
			})
		})
	}
}

// TestKilledWhileSending: S1 to S8, by what the sender has done when the process
// dies. What the server cannot have taken is sent; what it may have is held.
func TestKilledWhileSending(t *testing.T) {
	errDead := errors.New("the process is dead")
	for _, c := range []struct {
		name   string
		reads  int64 // octets that the sender has read
		state  State
		resent bool
	}{
		{"S2 before DATA", 0, Queued, true},
		{"S5 in the message", 100, Queued, true},
		{"S5 before the last octet", int64(len(note(1)) - 1), Queued, true},
		{"S6 behind the last octet", int64(len(note(1))), Unknown, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := disktest.NewMem(512)
			box := openMem(t, files, nil)
			id := put(t, box, 1, nil)
			var left *disktest.Mem
			_ = runOnce(t.Context(), box, dying{reading{c.reads}, func() error {
				left = files.Crash(disktest.Least)
				return errDead
			}}, nil)
			box = openMem(t, left, nil)
			assert.Equal(t, c.state, get(t, box, id).State)
			p := newPost()
			once(t, box, p, nil)
			assert.Equal(t, c.resent, p.calls[1] == 1)
			require.NoError(t, box.Close())
		})
	}
}

// dying reads as reading does, and then dies.
type dying struct {
	reading
	die func() error
}

func (d dying) Send(ctx context.Context, env *smtpsink.Envelope, m io.Reader, o *smtpsink.SendOptions) (*smtpsink.Receipt, error) {
	_, _ = d.reading.Send(ctx, env, m, o)
	return nil, d.die()
}

// TestCopy: S8 to S12. The copy is tried on its own, the message is never sent
// again for it, and one that cannot be filed is kept.
func TestCopy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box, files := fresh(t, nil)
		p, tries := newPost(), 0
		errFull := &mailbox.Error{Op: "append", Err: mailbox.ErrQuota}
		full := true
		opts := &RunOptions{Sent: func(_ context.Context, e *Entry, r *smtpsink.Receipt) error {
			tries++
			assert.Equal(t, "Q1", r.QueueID)
			assert.Equal(t, accepted, r.Recipients[0].Outcome)
			if _, err := whole(e); err != nil || !full {
				return err
			}
			return errFull
		}}
		id := put(t, box, 1, nil)
		r := start(t, box, p, opts)
		e := get(t, box, id)
		assert.Equal(t, Accepted, e.State)
		assert.Equal(t, 1, e.CopyTries)
		assert.Contains(t, e.LastError, "quota")
		pass(box, time.Hour)
		assert.Greater(t, tries, 3)
		r.stop(t)
		require.NoError(t, box.Close())
		box = openMem(t, files.Crash(disktest.Least), nil)
		assert.Equal(t, Accepted, get(t, box, id).State)
		r = start(t, box, p, opts)
		pass(box, 6*24*time.Hour)
		assert.Equal(t, Dead, get(t, box, id).State, "not for ever")
		full = false
		require.NoError(t, box.Retry(id))
		synctest.Wait()
		assert.Empty(t, entries(t, box))
		assert.Equal(t, []int{1}, p.order)
		r.stop(t)
		require.NoError(t, box.Close())
	})
}

// TestCopyWithoutHook: a Run that files no copies needs none.
func TestCopyWithoutHook(t *testing.T) {
	box, _ := fresh(t, nil)
	p := newPost()
	id := put(t, box, 1, nil)
	once(t, box, p, &RunOptions{Sent: func(context.Context, *Entry, *smtpsink.Receipt) error { return errHook }})
	assert.Equal(t, Accepted, get(t, box, id).State)
	require.NoError(t, box.Flush())
	once(t, box, p, nil)
	assert.Empty(t, entries(t, box))
	assert.Equal(t, []int{1}, p.order)
}
