package maildir

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/internal/disk/disktest"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/batch"
)

// TestFileNames: names are as the specification and Dovecot want them.
func TestFileNames(t *testing.T) {
	mb := openReal(t, nil)
	add(t, mb, 1)
	add(t, mb, 2, mailbox.FlagSeen, mailbox.FlagFlagged, `\Recent`)
	const base = `^\d{10}\.M\d{6}P\d+R[0-9a-f]{32}Q\d+\.[A-Za-z0-9._-]+,S=%d`
	fresh, read := names(t, mb.root.dir, "new"), names(t, mb.root.dir, "cur")
	require.Len(t, fresh, 1)
	assert.Regexp(t, regexp.MustCompile(fmt.Sprintf(base+`$`, len(message(1)))), fresh[0])
	require.Len(t, read, 1)
	assert.Regexp(t, regexp.MustCompile(fmt.Sprintf(base+`:2,FS$`, len(message(2)))), read[0])
	assert.Empty(t, names(t, mb.root.dir, "tmp"))
}

// TestFilesAreWhole: on the way to its name a message is written, synced, closed
// and dated, and its directory is synced before Append returns.
func TestFilesAreWhole(t *testing.T) {
	m := disktest.NewMem(512)
	files, log := disktest.Record(m)
	mb := openTest(t, files, nil, nil)
	add(t, mb, 0)
	log.Reset()
	_, err := mb.Append(t.Context(), "", bytes.NewReader(message(1)), &mailbox.AppendOptions{Received: time.Unix(1e9, 0)})
	require.NoError(t, err)
	var kinds []disktest.Kind
	for _, op := range log.Ops() {
		kinds = append(kinds, op.Kind)
	}
	assert.Equal(t, []disktest.Kind{disktest.KindCreate, disktest.KindWrite, disktest.KindSync, disktest.KindClose,
		disktest.KindSetTime, disktest.KindMove, disktest.KindSyncDir}, kinds)
}

// TestBatchWaitsOnce: a batch waits for its files at once, and once for each
// directory.
func TestBatchWaitsOnce(t *testing.T) {
	m := disktest.NewMem(512)
	files, count := counted(m)
	mb := openTest(t, files, nil, nil)
	b, err := mb.NewBatch(t.Context(), "")
	require.NoError(t, err)
	defer b.Close()
	count(disktest.KindSyncDir)
	var ids []mailbox.ID
	for i := range 50 {
		opts := &mailbox.AppendOptions{}
		if i%2 == 1 {
			opts.Flags = []mailbox.Flag{mailbox.FlagSeen}
		}
		id, err := b.Add(t.Context(), bytes.NewReader(message(i)), opts)
		require.NoError(t, err)
		ids = append(ids, id)
	}
	assert.Empty(t, list(t, mb, "", nil), "nothing is there before Commit")
	assert.Len(t, names(t, m, "tmp"), 50)
	require.NoError(t, b.Commit(t.Context()))
	assert.Zero(t, count(disktest.KindSync))
	assert.Equal(t, 1, count(disktest.KindSyncFiles))
	assert.Equal(t, 2, count(disktest.KindSyncDir))
	all := list(t, mb, "", nil)
	require.Len(t, all, 50)
	for i, s := range all {
		assert.Equal(t, ids[i], s.ID, "IDs are those that Add gave")
		assert.Equal(t, string(message(i)), text(t, mb, s.ID))
	}
	assert.Error(t, b.Commit(t.Context()), "a batch is committed once")
	_, err = b.Add(t.Context(), bytes.NewReader(nil), nil)
	assert.Error(t, err)
}

// TestBatchClosed: what was not committed leaves nothing behind, even after the
// mailbox was closed.
func TestBatchClosed(t *testing.T) {
	for _, first := range []bool{false, true} {
		dir := t.TempDir()
		mb, err := Open(dir, nil)
		require.NoError(t, err)
		b, err := mb.NewBatch(t.Context(), "")
		require.NoError(t, err)
		_, err = b.Add(t.Context(), bytes.NewReader(message(1)), nil)
		require.NoError(t, err)
		_, err = b.Add(t.Context(), bytes.NewReader(message(1)), &mailbox.AppendOptions{Size: 3})
		require.Error(t, err)
		if first {
			require.NoError(t, mb.Close())
			require.ErrorIs(t, b.Commit(t.Context()), mailbox.ErrClosed)
		}
		require.NoError(t, b.Close())
		require.NoError(t, b.Close())
		require.NoError(t, mb.Close())
		for _, sub := range []string{"tmp", "new", "cur"} {
			left, err := os.ReadDir(filepath.Join(dir, sub))
			require.NoError(t, err)
			assert.Empty(t, left)
		}
	}
}

// TestBatchesTogether: several batches of one folder may be under way.
func TestBatchesTogether(t *testing.T) {
	mb := openReal(t, nil)
	var all [3]batch.Batch
	for i := range all {
		b, err := mb.NewBatch(t.Context(), "")
		require.NoError(t, err)
		defer b.Close()
		all[i] = b
	}
	for n := range 9 {
		_, err := all[n%3].Add(t.Context(), bytes.NewReader(message(n)), nil)
		require.NoError(t, err)
	}
	require.NoError(t, all[2].Commit(t.Context()))
	assert.Equal(t, []string{"2", "5", "8"}, subjects(t, mb, ""))
	require.NoError(t, all[1].Close())
	require.NoError(t, all[0].Commit(t.Context()))
	assert.Equal(t, []string{"0", "2", "3", "5", "6", "8"}, subjects(t, mb, ""))
}

// TestClockBackwards: the order of one's own deliveries is not that of the clock.
func TestClockBackwards(t *testing.T) {
	dir := t.TempDir()
	now := time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)
	session := func() *Mailbox {
		mb, err := Open(dir, nil)
		require.NoError(t, err)
		mb.now = func() time.Time { return now }
		return mb
	}
	mb := session()
	for n := range 3 {
		add(t, mb, n)
		now = now.Add(-time.Hour)
	}
	require.NoError(t, mb.Close())
	mb = session() // knows of the others by their names only
	add(t, mb, 3)
	add(t, mb, 4)
	assert.Equal(t, []string{"0", "1", "2", "3", "4"}, subjects(t, mb, ""))

	// A clock that was ahead for years does not count.
	put(t, mb.root.dir, "new/2000000000.M1P1.ahead", string(message(9)))
	require.NoError(t, mb.Close())
	mb = session()
	add(t, mb, 5)
	assert.Equal(t, []string{"0", "1", "2", "3", "4", "5", "9"}, subjects(t, mb, ""))
	require.NoError(t, mb.Close())
}

func TestLF(t *testing.T) {
	mb := openReal(t, &Options{LF: true})
	for raw, want := range map[string]string{
		"Subject: a\r\n\r\nb\r\n": "Subject: a\n\nb\n",
		"Subject: a\n\nb\n":       "Subject: a\n\nb\n",
		"a\rb\r\r\nc\r":           "a\rb\r\nc\r",
		"\r":                      "\r",
		"\r\n":                    "\n",
		"":                        "",
	} {
		for _, message := range []io.Reader{strings.NewReader(raw), &slow{strings.NewReader(raw)}} {
			id, err := mb.Append(t.Context(), "", message, &mailbox.AppendOptions{Size: int64(len(raw))})
			require.NoError(t, err)
			assert.Equal(t, want, text(t, mb, id), "%q", raw)
			assert.True(t, strings.HasSuffix(id.Key(), fmt.Sprintf(",S=%d", len(want))), "the size is that of the file")
		}
	}
	_, err := mb.Append(t.Context(), "", strings.NewReader("a\r\nb"), &mailbox.AppendOptions{Size: 3})
	require.Error(t, err, "the size that is told is that of the message, not that of the file")
}

// slow is a reader of one octet at a time.
type slow struct{ r io.Reader }

func (s *slow) Read(p []byte) (int, error) { return s.r.Read(p[:min(1, len(p))]) }

// TestSweep: what others left in tmp goes after 36 hours, and not before.
func TestSweep(t *testing.T) {
	mb := openReal(t, nil)
	files := mb.root.dir
	at := time.Now()
	stamped := func(age time.Duration) string { return fmt.Sprintf("tmp/%d.M1P1.host", at.Add(-age).Unix()) }
	old, young := at.Add(-40*time.Hour), at.Add(-30*time.Hour)
	for name, mtime := range map[string]time.Time{
		stamped(40 * time.Hour): old,   // goes
		"tmp/old":               old,   // goes
		"tmp/young":             young, // stays
		stamped(30 * time.Hour): old,   // its mtime is its message's
		stamped(50 * time.Hour): young, // it is still being written
	} {
		put(t, files, name, "x")
		require.NoError(t, files.SetTime(name, mtime))
	}
	require.NoError(t, files.Mkdir("tmp/dir"))
	require.NoError(t, files.SetTime("tmp/dir", old))
	list(t, mb, "", nil)
	assert.Len(t, names(t, files, "tmp"), 6, "who only reads sweeps nothing")
	add(t, mb, 1)
	left := names(t, files, "tmp")
	assert.ElementsMatch(t, []string{"dir", "young", stamped(30 * time.Hour)[4:], stamped(50 * time.Hour)[4:]}, left)
}

// TestStuckSource: Append does not wait for a source that never comes back, and
// what it began goes when that does.
func TestStuckSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := disktest.NewMem(512)
		mb := openTest(t, m, nil, nil)
		r, w := io.Pipe()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			_, err := mb.Append(ctx, "", r, nil)
			done <- err
		}()
		_, err := w.Write([]byte("Subject: half"))
		require.NoError(t, err)
		synctest.Wait()
		assert.Len(t, names(t, m, "tmp"), 1)
		cancel()
		require.ErrorIs(t, <-done, context.Canceled)
		assert.Empty(t, names(t, m, "tmp"))
		require.NoError(t, mb.Close())
		require.NoError(t, w.Close())
		synctest.Wait()
		assert.Empty(t, names(t, m, "tmp"))
		assert.Empty(t, names(t, m, "new"))
	})
}

// TestSourceErrors: an error of the source is its own, whatever it wraps.
func TestSourceErrors(t *testing.T) {
	mb := openReal(t, nil)
	for what, err := range map[string]error{
		"one that looks like the end": fmt.Errorf("not the end: %w", io.EOF),
		"one that looks like ours":    &os.PathError{Op: "read", Path: "x", Err: os.ErrPermission},
		"another mailbox's":           &mailbox.Error{Op: "read", Err: mailbox.ErrUnavailable},
		"a plain one":                 errors.New("the disk is on fire"),
	} {
		for _, r := range []io.Reader{io.MultiReader(strings.NewReader("x"), &broken{err}), &broken{err}} {
			_, got := mb.Append(t.Context(), "", r, nil)
			require.ErrorIs(t, got, err, what)
			assert.NotErrorIs(t, got, mailbox.ErrPermission, what)
			var e *mailbox.Error
			require.ErrorAs(t, got, &e)
			assert.Equal(t, "append", e.Op)
		}
	}
	_, err := mb.Append(t.Context(), "", &idle{}, nil)
	require.ErrorIs(t, err, io.ErrNoProgress)
	assert.Empty(t, list(t, mb, "", nil))
	assert.Empty(t, names(t, mb.root.dir, "tmp"))
}

type broken struct{ err error }

func (b *broken) Read([]byte) (int, error) { return 0, b.err }

// idle is a reader that gives nothing, for ever.
type idle struct{}

func (*idle) Read([]byte) (int, error) { return 0, nil }

// TestEndlessSource: what is longer than its size is not read to its end.
func TestEndlessSource(t *testing.T) {
	mb := openReal(t, nil)
	endless := &counting{}
	for _, source := range []io.Reader{endless, &pouring{endless}} {
		endless.n = 0
		_, err := mb.Append(t.Context(), "", source, &mailbox.AppendOptions{Size: 1000})
		require.ErrorContains(t, err, "longer than its size")
		assert.Less(t, endless.n, 1<<20)
	}
	assert.Empty(t, names(t, mb.root.dir, "tmp"))
}

// counting is a reader that ends when somebody has read far too much.
type counting struct{ n int }

func (c *counting) Read(p []byte) (int, error) {
	if c.n += len(p); c.n > 64<<20 {
		return 0, io.EOF
	}
	return len(p), nil
}

// pouring writes what it has by itself.
type pouring struct{ *counting }

func (p *pouring) WriteTo(w io.Writer) (int64, error) {
	return io.Copy(w, io.LimitReader(p.counting, 128<<20))
}

// TestCutFile: a message whose file is cut while it is read ends in an error.
func TestCutFile(t *testing.T) {
	mb := openReal(t, nil)
	id := add(t, mb, 1)
	for _, octets := range []int64{0, 20} {
		r, err := mb.Open(t.Context(), id, nil)
		require.NoError(t, err)
		_, err = io.CopyN(io.Discard, r, octets)
		require.NoError(t, err)
		require.NoError(t, os.Truncate(filepath.Join(mb.Dir(), "new", id.Key()), 30))
		_, err = io.ReadAll(r)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		require.NoError(t, r.Close())
		require.NoError(t, os.WriteFile(filepath.Join(mb.Dir(), "new", id.Key()), message(1), 0o600))
	}
}
