package outbox

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/internal/disk/disktest"
	"github.com/postroom-go/postroom/internal/journal"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/smtpsink"
)

// flipped is a copy of files with an octet of the journal changed.
func flipped(t testing.TB, files *disktest.Mem, at int, bits byte) *disktest.Mem {
	t.Helper()
	files = files.Crash(disktest.Most)
	octets := []byte(files.Files()[journalName])
	octets[at] ^= bits
	f, err := files.OpenRW(journalName)
	require.NoError(t, err)
	_, err = f.WriteAt(octets, 0)
	require.NoError(t, errors.Join(err, f.Sync(), f.Close()))
	return files
}

// after says what is wrong after a program has gone on with an outbox whose journal
// was damaged, and has enqueued all that has a key once more. doubt says whether it
// was told.
func (l *life) after(t testing.TB, files *disktest.Mem, off off) (doubt bool, fault error) {
	l.promised = maps.Clone(l.promised)
	opts := hasty()
	opts.off = off
	box, err := openOn(files, opts)
	if err != nil {
		return false, err
	}
	defer func() { fault = errors.Join(fault, box.Close()) }()
	doubt = errors.Is(box.Doubt(), ErrDoubt)
	if err := l.check(t, box); err != nil {
		return doubt, err
	}
	for n := 1; n < 3*kinds; n += 2 {
		if !l.promised[n] || l.removed[n] {
			continue
		}
		if _, err := l.enqueue(t.Context(), box, n); err != nil {
			return doubt, err
		}
	}
	// Enqueued after the damage, without a key: it is not held up.
	const fresh = 10 * kinds
	if _, err := l.enqueue(t.Context(), box, fresh); err != nil {
		return doubt, err
	}
	if err := l.run(t.Context(), box); err != nil {
		return doubt, err
	}
	if l.p.got[fresh] == nil {
		return doubt, errors.New("a message that has nothing to do with it was not sent")
	}
	return doubt, l.checkDoubt(t, box)
}

// checkDoubt is checkEnd where nothing need be done that can be asked.
func (l *life) checkDoubt(t testing.TB, box *Outbox) error {
	if err := l.check(t, box); err != nil {
		return err
	}
	for _, e := range entries(t, box) {
		if e.State != Unknown && e.State != Dead {
			return fmt.Errorf("message %s is %s in the end: %s", e.MessageID, e.State, e.LastError)
		}
		if _, err := whole(e); err != nil {
			return err
		}
	}
	return nil
}

// damage flips octets of the journals that are left at some moments, killed and
// closed, and stops at the first fault.
func damage(t testing.TB, stride int, off off) (doubts, cases int, fault error) {
	bits := []byte{1, 4, 0x20, 0x80, 0xff}
	for k := 40; ; k += 60 {
		files, l := disktest.NewMem(512), newLife()
		err := l.live(t.Context(), disktest.FailAt(files, k, disktest.ErrHalted, disktest.Everything), off)
		octets := files.Files()[journalName]
		for at := k % stride; at < len(octets); at += stride {
			cases++
			doubt, fault := l.clone().after(t, flipped(t, files, at, bits[cases%len(bits)]), off)
			switch {
			case errors.Is(fault, journal.ErrFormat):
			case fault != nil:
				return doubts, cases, fmt.Errorf("octet %d of %d after operation %d: %w", at, len(octets), k, fault)
			}
			if doubt {
				doubts++
			}
		}
		if err == nil {
			return doubts, cases, nil
		}
	}
}

// TestHostileDamage changes octets of the journal, with all kinds of records in it:
// no message is sent twice, none is lost, and all others go on.
func TestHostileDamage(t *testing.T) {
	t.Parallel()
	stride := 37
	if underRace {
		stride = 211
	}
	doubts, cases, fault := damage(t, stride, off{})
	require.NoError(t, fault)
	t.Logf("%d in doubt of %d", doubts, cases)
	assert.Greater(t, doubts, cases*3/4)
}

// The control: who leaves out what is damaged sends twice.
func TestHostileDamageControl(t *testing.T) {
	_, _, fault := damage(t, 37, off{doubt: true})
	require.ErrorContains(t, fault, "times")
	t.Log(fault)
}

// TestDoubt: what has a record that is newer than the damage is not in doubt, and
// whoever looks after the outbox can end all doubt.
func TestDoubt(t *testing.T) {
	files, p := disktest.NewMem(512), newPost()
	box := openMem(t, files, nil)
	sentKey := put(t, box, 1, &EnqueueOptions{Key: "one"})
	once(t, box, p, nil)
	at := len(files.Files()[journalName])
	late := time.Now().Add(time.Hour)
	queued := put(t, box, 2, &EnqueueOptions{NotBefore: late})
	done := put(t, box, 3, &EnqueueOptions{Key: "three"})
	once(t, box, p, nil)
	require.NoError(t, box.Doubt())
	require.NoError(t, box.Close())

	files = flipped(t, files, at-5, 1) // what has become of message 1
	box = openMem(t, files, nil)
	require.ErrorIs(t, box.Doubt(), ErrDoubt)
	e := get(t, box, queued)
	assert.Equal(t, Unknown, e.State)
	assert.Contains(t, e.LastError, "damaged")
	put(t, box, 3, &EnqueueOptions{Key: "three"})
	_, err := box.Get(done)
	require.ErrorIs(t, err, mailbox.ErrNotFound, "its key is remembered")
	for range 2 { // also by the next process
		assert.Equal(t, sentKey, put(t, box, 1, &EnqueueOptions{Key: "one"}))
		put(t, box, 4, nil)
		once(t, box, p, nil)
		assert.Equal(t, Unknown, get(t, box, sentKey).State)
		assert.Equal(t, 1, p.calls[1])
		assert.Equal(t, Unknown, get(t, box, queued).State)
		require.NoError(t, box.Close())
		box = openMem(t, files.Restart(), nil)
		require.ErrorIs(t, box.Doubt(), ErrDoubt)
	}
	assert.Equal(t, 2, p.calls[4])
	require.NoError(t, box.Decide(sentKey, Accept))
	require.NoError(t, box.Decide(queued, Resend))
	require.NoError(t, box.Trust())
	require.NoError(t, box.Doubt())
	put(t, box, 5, &EnqueueOptions{Key: "five"})
	once(t, box, p, nil)
	assert.Equal(t, 1, p.calls[5])
	require.NoError(t, box.Close())
	require.ErrorIs(t, box.Trust(), mailbox.ErrClosed)
	box = openMem(t, files.Restart(), nil)
	require.NoError(t, box.Doubt())
	require.NoError(t, box.Close())
}

// TestDoubtCrash loses power while the damage is taken in: it is not forgotten.
func TestDoubtCrash(t *testing.T) {
	files, p := disktest.NewMem(512), newPost()
	p.answer = func(_, _ int, env *smtpsink.Envelope, _ *smtpsink.SendOptions) (*smtpsink.Receipt, error) {
		return refused(env, 450)
	}
	box := openMem(t, files, nil)
	id := put(t, box, 1, nil)
	once(t, box, p, nil)
	require.NoError(t, box.Close())
	files = flipped(t, files, len(files.Files()[journalName])-30, 1)
	random := rand.New(rand.NewPCG(15, 1))
	for k := 0; ; k++ {
		halted := files.Crash(disktest.Most)
		box, err := openOn(disktest.FailAt(halted, k, disktest.ErrHalted, disktest.Everything), nil)
		if err == nil {
			_ = box.Close()
		}
		for _, left := range []*disktest.Mem{halted.Crash(disktest.Sample(random)), halted.Restart()} {
			box := openMem(t, left, nil)
			require.ErrorIs(t, box.Doubt(), ErrDoubt, "operation %d", k)
			require.Equal(t, Unknown, get(t, box, id).State)
			require.NoError(t, box.Close())
		}
		if err == nil {
			return
		}
	}
}

// TestDoubtEnds: keys that were not remembered any more are nothing to doubt.
func TestDoubtEnds(t *testing.T) {
	files, p := disktest.NewMem(512), newPost()
	opts := &Options{Remember: time.Nanosecond}
	box := openMem(t, files, opts)
	put(t, box, 1, nil)
	once(t, box, p, nil)
	require.NoError(t, box.Close())
	box = openMem(t, flipped(t, files, len(files.Files()[journalName])-30, 1), opts)
	require.NoError(t, box.Doubt())
	put(t, box, 2, &EnqueueOptions{Key: "two"})
	once(t, box, p, nil)
	assert.Equal(t, 1, p.calls[2])
	require.NoError(t, box.Close())
}

// TestDoubtUnreadable: what cannot be read at the time is in doubt when it can be.
func TestDoubtUnreadable(t *testing.T) {
	files, p := disktest.NewMem(512), newPost()
	box := openMem(t, files, nil)
	p.answer = nil
	id := put(t, box, 1, &EnqueueOptions{NotBefore: time.Now().Add(time.Hour)})
	require.NoError(t, box.Close())
	require.NoError(t, files.Remove(journalName))
	broken := true
	hooked := disktest.Hook(files, func(op disktest.Op) error {
		if broken && op.Kind == disktest.KindRead && strings.HasPrefix(op.Name, queueDir) {
			return errDamaged
		}
		return nil
	})
	for range 2 {
		box = openMem(t, hooked, nil)
		assert.Equal(t, Dead, get(t, box, id).State)
		require.NoError(t, box.Close())
	}
	broken = false
	box = openMem(t, hooked, nil)
	assert.Equal(t, Unknown, get(t, box, id).State)
	once(t, box, p, nil)
	assert.Zero(t, p.calls[1])
	require.NoError(t, box.Close())
}

// TestJournalRemoved: an outbox without its journal knows nothing, and asks.
func TestJournalRemoved(t *testing.T) {
	files, p := disktest.NewMem(512), newPost()
	s, err := newSpool(files)
	require.NoError(t, err)
	_, err = s.Enqueue(t.Context(), to("bob@example.com"), strings.NewReader(note(1)), nil)
	require.NoError(t, err)
	box := openMem(t, files, nil) // the first time
	require.NoError(t, box.Doubt())
	once(t, box, p, nil)
	assert.Equal(t, 1, p.calls[1])
	id := put(t, box, 2, &EnqueueOptions{NotBefore: time.Now().Add(time.Hour)})
	require.NoError(t, box.Close())

	_, err = openOn(flipped(t, files, 3, 1), nil)
	require.ErrorIs(t, err, journal.ErrFormat)
	assert.Contains(t, err.Error(), "move it away")
	require.NoError(t, files.Move(journalName, "elsewhere"))
	box = openMem(t, files, nil)
	require.ErrorIs(t, box.Doubt(), ErrDoubt)
	assert.Equal(t, Unknown, get(t, box, id).State)
	require.NoError(t, box.Close())
}
