package outbox

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/internal/disk/disktest"
	"github.com/postroom-go/postroom/internal/journal"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/smtpsink"
)

// TestLockRemoved: who removes the file of the lock lets nobody in.
func TestLockRemoved(t *testing.T) {
	path := t.TempDir()
	box, err := Open(path, nil)
	require.NoError(t, err)
	require.NoError(t, os.Remove(filepath.Join(path, journalName+".lock")))
	_, err = Open(path, nil)
	require.ErrorIs(t, err, mailbox.ErrBusy)
	require.NoError(t, box.Close())
}

// TestTakenOver: whose journal is gone hands over nothing more, and what another
// process makes in its place is left alone.
func TestTakenOver(t *testing.T) {
	files, p := disktest.NewMem(512), newPost()
	box := openMem(t, files, nil)
	id := put(t, box, 1, nil)
	var other *Outbox
	p.before = func(context.Context, *smtpsink.Envelope) error {
		if other == nil {
			require.NoError(t, errors.Join(files.Remove(journalName), files.Remove(journalName+".lock")))
			other = openMem(t, files, nil)
		}
		return nil
	}
	require.ErrorIs(t, runOnce(t.Context(), box, p, nil), journal.ErrBroken)
	assert.Zero(t, p.calls[1])
	once(t, other, p, nil)
	assert.Equal(t, 1, p.calls[1])
	require.ErrorIs(t, box.Remove(id), journal.ErrBroken)
	require.Error(t, box.Close())
	require.NoError(t, other.Close())
	box = openMem(t, files, nil)
	assert.Empty(t, entries(t, box))
	require.NoError(t, box.Close())
}

// TestCancelled ends the context at each operation on the disk: whatever is under
// way comes to an end that is known.
func TestCancelled(t *testing.T) {
	for k := 0; ; k += 3 { // of both kinds
		files, l := disktest.NewMem(512), newLife()
		l.grace = time.Duration(k%2 - 1) // none, or the usual
		ctx, cancel := context.WithCancel(t.Context())
		err := l.live(ctx, disktest.Hook(files, func(op disktest.Op) error {
			if op.Changes && op.N == k/2 && !op.After {
				cancel()
			}
			return nil
		}), off{})
		cancel()
		require.NoError(t, l.fault(t, files.Restart(), off{}), "ended at operation %d", k)
		if err == nil {
			return
		}
		require.ErrorIs(t, err, context.Canceled)
	}
}

// TestRenamed: a file has the name that it was given, else it is another message's
// copy, of which the journal knows nothing.
func TestRenamed(t *testing.T) {
	box, files := fresh(t, nil)
	p := newPost()
	p.answer = func(_, _ int, env *smtpsink.Envelope, _ *smtpsink.SendOptions) (*smtpsink.Receipt, error) {
		return lost(env)
	}
	id := put(t, box, 1, nil)
	once(t, box, p, nil)
	copied := newID()
	require.NoError(t, files.Move(id.file(), copied.file()))
	once(t, box, p, nil)
	assert.Equal(t, 1, p.calls[1])
	assert.Equal(t, Dead, get(t, box, copied).State)
	require.NoError(t, files.Move(copied.file(), id.file()))
}

// TestKeyPromisedElsewhere: another process has found the message of its key there,
// and said so; the first one's disk fails late, and takes nothing away.
func TestKeyPromisedElsewhere(t *testing.T) {
	files := disktest.NewMem(512)
	second, err := newSpool(files)
	require.NoError(t, err)
	opts, promised := &EnqueueOptions{Key: "key"}, false
	first, err := newSpool(disktest.Hook(files, func(op disktest.Op) error {
		if op.Kind != disktest.KindSyncDir || op.Name != queueDir || op.After {
			return nil
		}
		_, err := second.Enqueue(t.Context(), to("bob@example.com"), strings.NewReader(note(1)), opts)
		promised = err == nil
		return syscall.EIO
	}))
	require.NoError(t, err)
	_, err = first.Enqueue(t.Context(), to("bob@example.com"), strings.NewReader(note(1)), opts)
	require.ErrorIs(t, err, mailbox.ErrUnknownOutcome)
	require.True(t, promised)
	box := openMem(t, files.Crash(disktest.Most), nil)
	assert.Len(t, entries(t, box), 1)
	require.NoError(t, box.Close())
}

// TestManyWorkers: many want the outbox while somebody keeps removing the file of
// the lock; one has it at a time, and each message is sent once.
func TestManyWorkers(t *testing.T) {
	t.Parallel()
	path, p := t.TempDir(), newPost()
	s, err := OpenSpool(path)
	require.NoError(t, err)
	defer s.Close()
	var holders atomic.Int32
	var wait sync.WaitGroup
	for i := range 6 {
		wait.Go(func() {
			for n := range 12 {
				_, err := s.Enqueue(t.Context(), to("bob@example.com"), strings.NewReader(note(100*i+n)), nil)
				assert.NoError(t, err)
				_ = os.Remove(filepath.Join(path, journalName+".lock")) // whoever has it
				box, err := Open(path, nil)
				if err != nil {
					assert.ErrorIs(t, err, mailbox.ErrBusy)
					continue
				}
				assert.EqualValues(t, 1, holders.Add(1))
				assert.NoError(t, runOnce(t.Context(), box, p, nil))
				assert.NoError(t, box.rewrite())
				holders.Add(-1)
				assert.NoError(t, box.Close())
			}
		})
	}
	wait.Wait()
	box, err := Open(path, nil)
	require.NoError(t, err)
	require.NoError(t, box.Doubt())
	once(t, box, p, nil)
	assert.Len(t, p.order, 6*12)
	assert.Empty(t, entries(t, box))
	require.NoError(t, box.Close())
}
