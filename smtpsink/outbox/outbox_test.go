package outbox

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/internal/disk/disktest"
	"github.com/postroom-go/postroom/internal/journal"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/smtpsink"
)

// names are the files in the queue.
func names(files *disktest.Mem) (all []string) {
	for name := range files.Files() {
		if strings.HasPrefix(name, queueDir+"/") && name != queueDir+"/" {
			all = append(all, name)
		}
	}
	return all
}

func TestEnqueueAndRun(t *testing.T) {
	box, files := fresh(t, nil)
	p := newPost()
	var ids []ID
	for n := range 5 {
		ids = append(ids, put(t, box, n, nil))
	}
	var listed []ID
	for _, e := range entries(t, box) {
		listed = append(listed, e.ID)
		assert.Equal(t, Queued, e.State)
		assert.Equal(t, smtpsink.NotSent, e.Receipt.Outcome)
		assert.Equal(t, []smtpsink.Recipient{{Address: "bob@example.com"}}, e.Receipt.Recipients)
		_, err := whole(e)
		require.NoError(t, err)
	}
	assert.Equal(t, ids, listed)
	once(t, box, p, nil)
	assert.Equal(t, []int{0, 1, 2, 3, 4}, p.order)
	assert.False(t, p.cut)
	assert.False(t, p.closed, "the sender is the caller's")
	assert.Empty(t, entries(t, box))
	assert.Empty(t, names(files))
	_, err := box.Get(ids[0])
	require.ErrorIs(t, err, mailbox.ErrNotFound)
	once(t, box, p, nil)
	assert.Len(t, p.order, 5)
}

// TestReaderFails: what was not read whole is not there.
func TestReaderFails(t *testing.T) {
	box, files := fresh(t, nil)
	errRead := errors.New("the disk it comes from is broken")
	for _, r := range []io.Reader{
		iotest.ErrReader(errRead), io.MultiReader(strings.NewReader(note(1)), iotest.ErrReader(errRead)),
	} {
		_, err := box.Enqueue(t.Context(), to("bob@example.com"), r, nil)
		require.ErrorIs(t, err, errRead)
		assert.Empty(t, names(files))
	}
	_, err := box.Enqueue(t.Context(), to("bob@example.com"), strings.NewReader(""), nil)
	require.Error(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ends := readerFunc(func(p []byte) (int, error) { cancel(); return copy(p, note(1)), io.EOF })
	_, err = box.Enqueue(ctx, to("bob@example.com"), ends, nil)
	require.ErrorIs(t, err, context.Canceled)
	assert.Empty(t, names(files))
	assert.Empty(t, entries(t, box))
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestEnvelopeRefused(t *testing.T) {
	box, files := fresh(t, nil)
	many := make([]string, mostRecipients+1)
	for i := range many {
		many[i] = "bob@example.com"
	}
	for what, env := range map[string]*smtpsink.Envelope{
		"none": nil, "no recipient": to(), "empty": to("ann@example.org", ""), "CR": to("bob@example.com\rRCPT TO:<eve@example.net>"),
		"NUL": {From: "ann\x00@example.org", To: []string{"bob@example.com"}}, "not UTF-8": to("b\xff@example.com"), "too many": to(many...),
	} {
		_, err := box.Enqueue(t.Context(), env, strings.NewReader(note(1)), nil)
		require.Error(t, err, what)
	}
	for _, d := range []*smtpsink.DSN{{Return: "\n"}, {EnvelopeID: "\xff"}, {Notify: []string{"\r"}}, {Original: map[string]string{"\xff": ""}}} {
		_, err := box.Enqueue(t.Context(), to("bob@example.com"), strings.NewReader(note(1)), &EnqueueOptions{Send: smtpsink.SendOptions{DSN: d}})
		require.Error(t, err)
	}
	assert.Empty(t, names(files))
	_, err := box.Enqueue(t.Context(), &smtpsink.Envelope{To: many[1:]}, strings.NewReader(note(1)), nil)
	require.NoError(t, err, "control: as many as may be, from nobody")
}

// TestKey: a key is enqueued once, whatever became of its message, until it is
// forgotten.
func TestKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box, files := fresh(t, nil)
		p := newPost()
		key := &EnqueueOptions{Key: "invoice 1"}
		id := put(t, box, 1, key)
		assert.Equal(t, id, put(t, box, 2, key))
		other := put(t, box, 3, &EnqueueOptions{Key: "invoice 2"})
		assert.NotEqual(t, id, other)
		once(t, box, p, nil)
		assert.Equal(t, []int{1, 3}, p.order)
		assert.Equal(t, id, put(t, box, 4, key))
		require.NoError(t, box.rewrite())
		require.NoError(t, box.Close())

		box = openMem(t, files, nil)
		assert.Equal(t, id, put(t, box, 5, key))
		spool, err := newSpool(files)
		require.NoError(t, err)
		again, err := spool.Enqueue(t.Context(), to("bob@example.com"), strings.NewReader(note(6)), key)
		require.NoError(t, err)
		assert.Equal(t, id, again)
		once(t, box, p, nil)
		assert.Equal(t, []int{1, 3}, p.order)
		assert.Empty(t, names(files), "what came again is removed")
		require.NoError(t, box.Close())

		<-time.After(31 * 24 * time.Hour)
		for range 2 {
			box = openMem(t, files, nil)
			assert.Equal(t, id, put(t, box, 7, key))
			once(t, box, p, nil)
			assert.Equal(t, []int{1, 3, 7}, p.order, "it was forgotten, and then known again")
			require.NoError(t, box.Close())
		}
	})
}

// TestKeyAtOnce enqueues one key from many goroutines and Spools.
func TestKeyAtOnce(t *testing.T) {
	dir := t.TempDir()
	box, err := Open(dir, nil)
	require.NoError(t, err)
	var wg sync.WaitGroup
	ids := make([]ID, 40)
	for i := range ids {
		wg.Go(func() {
			s, err := OpenSpool(dir)
			if !assert.NoError(t, err) {
				return
			}
			enqueue := s.Enqueue
			if i%2 == 0 {
				enqueue = box.Enqueue
			}
			ids[i], err = enqueue(t.Context(), to("bob@example.com"), strings.NewReader(note(1)), &EnqueueOptions{Key: "k"})
			assert.NoError(t, err)
			assert.NoError(t, s.Close())
		})
	}
	wg.Wait()
	for _, id := range ids {
		assert.Equal(t, ids[0], id)
	}
	p := newPost()
	once(t, box, p, nil)
	assert.Equal(t, []int{1}, p.order)
	require.NoError(t, box.Close())
}

// TestOneProcess: one works on an outbox, others enqueue.
func TestOneProcess(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	box, err := Open(dir, nil)
	require.NoError(t, err)
	_, err = Open(dir, nil)
	require.ErrorIs(t, err, mailbox.ErrBusy)
	s, err := OpenSpool(dir)
	require.NoError(t, err)
	_, err = s.Enqueue(t.Context(), to("bob@example.com"), strings.NewReader(note(1)), nil)
	require.NoError(t, err)
	require.NoError(t, s.Close())
	require.NoError(t, s.Close())
	_, err = s.Enqueue(t.Context(), to("bob@example.com"), strings.NewReader(note(1)), nil)
	require.ErrorIs(t, err, mailbox.ErrClosed)
	assert.Empty(t, entries(t, box), "nobody has looked yet")
	p := newPost()
	once(t, box, p, nil)
	assert.Equal(t, []int{1}, p.order)

	put(t, box, 2, nil)
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		require.NoError(t, err)
		info, err := d.Info()
		require.NoError(t, err)
		assert.Zero(t, info.Mode().Perm()&0o077, "%s is for its owner only", path)
		return nil
	}))
	require.NoError(t, box.Close())
	require.NoError(t, box.Close())
	box, err = Open(dir, nil)
	require.NoError(t, err)
	assert.Len(t, entries(t, box), 1)
	require.NoError(t, box.Close())
}

func TestClosed(t *testing.T) {
	box, _ := fresh(t, nil)
	id := put(t, box, 1, nil)
	require.NoError(t, box.Close())
	_, err := box.Get(id)
	for _, err := range []error{err, box.Remove(id), box.Retry(id), box.Decide(id, Drop), box.Flush(), runOnce(t.Context(), box, newPost(), nil)} {
		require.ErrorIs(t, err, mailbox.ErrClosed)
	}
	for _, err := range box.List() {
		require.ErrorIs(t, err, mailbox.ErrClosed)
	}
}

// TestForeign: what is not ours in the directory is left, and a journal that is
// none is not written over.
func TestForeign(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, queueDir), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, queueDir, "README"), []byte("x"), 0o600))
	box, err := Open(dir, nil)
	require.NoError(t, err)
	assert.Empty(t, entries(t, box))
	require.NoError(t, box.Close())
	assert.FileExists(t, filepath.Join(dir, queueDir, "README"))
	require.NoError(t, os.WriteFile(filepath.Join(dir, journalName), []byte("the journal of something else"), 0o600))
	_, err = Open(dir, nil)
	require.ErrorIs(t, err, journal.ErrFormat)
}

// TestHostile: a link in the place of a message is not followed, and hinders no
// other message.
func TestHostile(t *testing.T) {
	t.Run("local-symlink", func(t *testing.T) {
		dir := t.TempDir()
		box, err := Open(dir, nil)
		require.NoError(t, err)
		first, second := put(t, box, 1, nil), put(t, box, 2, nil)
		require.NoError(t, box.Close())
		file, away := filepath.Join(dir, first.file()), filepath.Join(dir, "away")
		require.NoError(t, os.Rename(file, away))
		require.NoError(t, os.Symlink(away, file))

		box, err = Open(dir, nil)
		require.NoError(t, err)
		p := newPost()
		once(t, box, p, nil)
		assert.Equal(t, []int{2}, p.order)
		_, err = box.Get(second)
		require.ErrorIs(t, err, mailbox.ErrNotFound)
		e := get(t, box, first)
		assert.Equal(t, Dead, e.State)
		assert.Contains(t, e.LastError, "link")
		require.ErrorIs(t, box.Retry(first), fs.ErrInvalid)

		// The control: the very file is a message.
		require.NoError(t, os.Remove(file))
		require.NoError(t, os.Rename(away, file))
		require.NoError(t, box.Retry(first))
		once(t, box, p, nil)
		assert.Equal(t, []int{2, 1}, p.order)
		require.NoError(t, box.Close())
	})
	t.Run("local-symlink while it waits", func(t *testing.T) {
		dir := t.TempDir()
		box, err := Open(dir, nil)
		require.NoError(t, err)
		id := put(t, box, 1, nil)
		file := filepath.Join(dir, id.file())
		require.NoError(t, os.Remove(file))
		require.NoError(t, os.Symlink("/dev/zero", file))
		p := newPost()
		once(t, box, p, nil)
		assert.Empty(t, p.order)
		assert.Equal(t, Dead, get(t, box, id).State)
		require.NoError(t, box.Remove(id))
		_, err = os.Lstat(file)
		require.ErrorIs(t, err, fs.ErrNotExist, "the link is removed")
		require.NoError(t, box.Close())
	})
}

// TestSwept: what nobody finished is removed when it is old, and not before.
func TestSwept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		files := disktest.NewMem(512)
		s, err := newSpool(files)
		require.NoError(t, err)
		_, err = s.write(t.Context(), queueDir+"/x"+temporary, strings.NewReader(note(1)), &meta{})
		require.NoError(t, err)
		<-time.After(stale - time.Minute)
		require.NoError(t, openMem(t, files, nil).Close())
		assert.Len(t, names(files), 1)
		<-time.After(2 * time.Minute)
		require.NoError(t, openMem(t, files, nil).Close())
		assert.Empty(t, names(files))
	})
}

// TestCompacted: the journal and what is remembered do not grow with what is
// past.
func TestCompacted(t *testing.T) {
	box, _ := fresh(t, nil)
	p := newPost()
	most := 0
	for n := range 3000 {
		put(t, box, n%50, nil)
		if n%100 == 0 {
			once(t, box, p, nil)
			most = max(most, box.ledger.count)
		}
	}
	once(t, box, p, nil)
	assert.Len(t, p.order, 3000)
	assert.Less(t, most, 2*spare)
	assert.Less(t, len(box.gone), 2*spare)
}

// TestGroup: messages that come together share the waits for the disk.
func TestGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		files := disktest.NewMem(512)
		var mu sync.Mutex
		syncs := 0
		hold := make(chan struct{})
		slow := disktest.Hook(files, func(op disktest.Op) error {
			if op.After || op.Kind != disktest.KindSyncFiles && op.Kind != disktest.KindSyncDir || op.Name == "." {
				return nil
			}
			mu.Lock()
			syncs++
			mu.Unlock()
			<-hold
			return nil
		})
		box := openMem(t, slow, nil)
		var wg sync.WaitGroup
		for n := range 30 {
			wg.Go(func() { put(t, box, n, nil) })
		}
		synctest.Wait()
		close(hold)
		wg.Wait()
		assert.LessOrEqual(t, syncs, 6)
		assert.Len(t, entries(t, box), 30)
		require.NoError(t, box.Close())
	})
}

// TestEnqueueFails has each operation of the disk fail: what Enqueue says is so.
func TestEnqueueFails(t *testing.T) {
	for _, fault := range []struct {
		name  string
		err   error
		again disktest.Again
	}{
		{"EIO", syscall.EIO, disktest.Once},
		{"ENOSPC", syscall.ENOSPC, disktest.SameKind},
		{"short", &disktest.ShortWrite{N: 7, Err: io.ErrShortWrite}, disktest.Once},
	} {
		t.Run(fault.name, func(t *testing.T) {
			for k := 0; ; k++ {
				files := disktest.NewMem(512)
				require.NoError(t, openMem(t, files, nil).Close())
				s, err := newSpool(disktest.FailAt(files, k, fault.err, fault.again))
				if err != nil {
					continue
				}
				_, err = s.Enqueue(t.Context(), to("bob@example.com"), strings.NewReader(note(1)), nil)
				box, p := openMem(t, files, nil), newPost()
				once(t, box, p, nil)
				switch {
				case err == nil:
					assert.Equal(t, 1, p.calls[1], "operation %d", k)
				case !errors.Is(err, mailbox.ErrUnknownOutcome):
					assert.Zero(t, p.calls[1], "operation %d: %v", k, err)
				}
				assert.False(t, p.cut)
				require.NoError(t, box.Close())
				if err == nil && k > 20 {
					return
				}
				if err != nil && !errors.Is(err, fault.err) {
					t.Fatal(k, err)
				}
			}
		})
	}
}

// TestCrashWriteFails has each operation of the disk fail in the life of an
// outbox; then it is opened again.
func TestCrashWriteFails(t *testing.T) {
	t.Parallel()
	for _, fault := range []struct {
		name  string
		err   error
		again disktest.Again
	}{
		{"EIO", syscall.EIO, disktest.Once},
		{"ENOSPC", syscall.ENOSPC, disktest.SameKind},
		{"short", &disktest.ShortWrite{N: 7, Err: io.ErrShortWrite}, disktest.Once},
	} {
		t.Run(fault.name, func(t *testing.T) {
			failed, random := 0, rand.New(rand.NewPCG(13, 1))
			for k := range 320 {
				files, l := disktest.NewMem(512), newLife()
				err := l.live(t.Context(), disktest.FailAt(files, k, fault.err, fault.again), off{})
				if err != nil {
					failed++
				}
				left := files.Crash(disktest.Sample(random))
				if k%2 == 0 {
					left = files.Restart()
				}
				require.NoError(t, l.fault(t, left, off{}), "operation %d: %v", k, err)
			}
			assert.Greater(t, failed, 10)
			t.Logf("%d lives ended early", failed)
		})
	}
}
