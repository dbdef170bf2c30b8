package transfer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/internal/disk"
	"github.com/postroom-go/postroom/internal/disk/disktest"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/batch"
	"github.com/postroom-go/postroom/mailbox/maildir"
	"github.com/postroom-go/postroom/mailbox/memory"
)

// warped is a mailbox of which a test changes one thing or another. It is no
// Fetcher and has no batches.
type warped struct {
	mailbox.Mailbox
	caps    func(*mailbox.Caps)
	folders func([]*mailbox.Folder) []*mailbox.Folder
	list    func(folder string, all []*mailbox.Summary) ([]*mailbox.Summary, error)
	open    func(mailbox.ID, io.ReadCloser) (io.ReadCloser, error)
	remove  func([]mailbox.ID) error
}

func (w *warped) Caps() mailbox.Caps {
	c := w.Mailbox.Caps()
	if w.caps != nil {
		w.caps(&c)
	}
	return c
}

func (w *warped) Folders(ctx context.Context, o *mailbox.FoldersOptions) iter.Seq2[*mailbox.Folder, error] {
	if w.folders == nil {
		return w.Mailbox.Folders(ctx, o)
	}
	var all []*mailbox.Folder
	for f, err := range w.Mailbox.Folders(ctx, o) {
		if err == nil {
			all = append(all, f)
		}
	}
	return sequence(w.folders(all), nil)
}

func (w *warped) List(ctx context.Context, folder string, o *mailbox.ListOptions) iter.Seq2[*mailbox.Summary, error] {
	if w.list == nil {
		return w.Mailbox.List(ctx, folder, o)
	}
	var all []*mailbox.Summary
	for s, err := range w.Mailbox.List(ctx, folder, o) {
		if err == nil {
			all = append(all, s)
		}
	}
	return sequence(w.list(folder, all))
}

func sequence[T any](all []T, err error) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, v := range all {
			if !yield(v, nil) {
				return
			}
		}
		if err != nil {
			var none T
			yield(none, err)
		}
	}
}

func (w *warped) Open(ctx context.Context, id mailbox.ID, o *mailbox.OpenOptions) (io.ReadCloser, error) {
	r, err := w.Mailbox.Open(ctx, id, o)
	if err != nil || w.open == nil {
		return r, err
	}
	return w.open(id, r)
}

func (w *warped) Delete(ctx context.Context, ids []mailbox.ID, o *mailbox.DeleteOptions) error {
	if w.remove != nil {
		if err := w.remove(ids); err != nil {
			return err
		}
	}
	return w.Mailbox.Delete(ctx, ids, o)
}

// A message that a run has renamed into the Maildir before it was killed can be
// seen, and a loss of power takes it away again as long as nobody waits for the
// directory. So it must not be deleted at the source on sight.
func TestRecoveredNamesAreWaitedFor(t *testing.T) {
	o := Options{Source: "sim", Remove: Remove{Stored: true}}
	run := func(store *memory.Store, files disk.Dir) error {
		dst, err := maildir.OpenOn(files, nil)
		if err != nil {
			return err
		}
		defer dst.Close()
		_, err = Run(t.Context(), open(t, store), dst, &o)
		return err
	}
	random := rand.New(rand.NewPCG(1, 1))
	for k := 0; ; k++ {
		files, store := disktest.NewMem(512), filled(t, 3)
		err := run(store, disktest.FailAt(files, k, disktest.ErrHalted, disktest.Everything))
		if err == nil {
			break
		}
		files = files.Restart() // the process died, and the computer did not
		require.NoError(t, run(store, files))
		for range 20 {
			there, err := stored1(t, files.Crash(disktest.Sample(random)))
			require.NoError(t, err)
			left := contents(t, open(t, store), mailbox.Inbox)
			for n := range 3 {
				require.Positive(t, there[sumOf256(note(n))]+left[sumOf256(note(n))], "operation %d: message %d is lost", k, n)
			}
		}
	}
}

// A dead letter that was gone and is shown again was never stored: it is not
// deleted, and it is tried again.
func TestDeadLetterComesBack(t *testing.T) {
	drop := &maildrop{mail: []dropped{{"a", note(1)}, {"b", note(2)}}}
	to, o := memory.NewStore(), options(t)
	bad := note(1)
	dst := oddly(t, to, func(raw []byte, add func([]byte) error) error {
		if bytes.Equal(raw, bad) {
			return errors.New("no")
		}
		return add(raw)
	})
	drop.next(t, dst, o)
	all := drop.mail
	drop.mail = nil
	drop.next(t, dst, o) // the server has a bad day
	drop.mail, o.Remove = all, Remove{Stored: true}
	report := drop.next(t, dst, o)
	assert.Len(t, report.Dead, 1)
	assert.Equal(t, []string{"b"}, drop.deleted)
	drop.next(t, plainly(t, to), o)
	o.RetryDead = true
	drop.next(t, plainly(t, to), o)
	assert.Equal(t, notes(1, 2), contents(t, dst, mailbox.Inbox))
}

// A run that is not asked to delete does not, though an earlier one was and has
// not come to it.
func TestPendingIsNoOrder(t *testing.T) {
	store := filled(t, 3)
	src, dst, o := &warped{Mailbox: open(t, store)}, open(t, memory.NewStore()), options(t)
	src.remove = func([]mailbox.ID) error { return mailbox.ErrUnknownOutcome }
	o.Remove = Remove{Stored: true}
	report, err := Run(t.Context(), src, dst, o)
	require.NoError(t, err)
	assert.Equal(t, 3, report.Unknown)
	src.remove, o.Remove = nil, Remove{}
	for range 2 {
		report, err = Run(t.Context(), src, dst, o)
		require.NoError(t, err)
		assert.Zero(t, report.Deleted)
	}
	assert.Equal(t, 1, report.Unchanged, "and then there is nothing to be done")
	assert.Len(t, contents(t, src, mailbox.Inbox), 3)
}

// Blank lines are held back until it is known that more comes; megabytes of them
// must not come out in one piece.
func TestBlankLines(t *testing.T) {
	c, lines := newCanonical(), bytes.Repeat([]byte("\r\n"), 1<<16)
	for range 64 {
		_, _ = c.Write(lines)
	}
	_, _ = c.Write([]byte("x"))
	assert.Less(t, cap(c.buf), 1<<20)
	other := newCanonical()
	_, _ = other.Write(append(bytes.Repeat([]byte("\n"), 1<<22), "x\n"...))
	assert.Equal(t, other.sum(), c.sum())
}

// Names that cannot be deleted are left out all at once, and refusals one by one
// come to an end: each costs all the others.
func TestManyRefusedRemovals(t *testing.T) {
	drop := &maildrop{}
	for i := range 1000 {
		drop.mail = append(drop.mail, dropped{"same", note(i)})
	}
	drop.mail = append(drop.mail, dropped{"own", note(1000)})
	o := options(t)
	o.Remove = Remove{Stored: true}
	src := &warped{Mailbox: drop}
	calls := 0
	src.remove = func([]mailbox.ID) error { calls++; return nil }
	report, err := Run(t.Context(), src, open(t, memory.NewStore()), o)
	require.NoError(t, err)
	assert.Equal(t, 1000, report.Kept)
	assert.Equal(t, []string{"own"}, drop.deleted)
	assert.Equal(t, 2, calls)

	src, o, calls = &warped{Mailbox: open(t, filled(t, 500))}, options(t), 0
	o.Remove = Remove{Stored: true}
	src.remove = func(ids []mailbox.ID) error {
		calls++
		return &mailbox.Error{Op: "delete", ID: ids[0], Err: errors.New("-ERR no")}
	}
	report, err = Run(t.Context(), src, open(t, memory.NewStore()), o)
	require.NoError(t, err)
	assert.Equal(t, 500, report.Kept)
	assert.Equal(t, mostRefusals, calls)
}

// A source that lists messages twice, and others than were asked for.
func TestListsTooMuch(t *testing.T) {
	src := &warped{Mailbox: open(t, filled(t, 250))}
	src.list = func(_ string, all []*mailbox.Summary) ([]*mailbox.Summary, error) {
		strange := &mailbox.Summary{ID: mailbox.NewID(mailbox.Inbox, "1", "4711")}
		return append(append(slices.Clone(all), all...), strange), nil
	}
	for _, order := range []Order{NewestFirst, ByFolder, LargestLast} {
		o := options(t)
		o.Order, o.MinSize = order, 1
		o.Match = func(*mailbox.Summary) bool { return true }
		dst := open(t, memory.NewStore())
		for i, want := range []int{250, 0} {
			report, err := Run(t.Context(), src, dst, o)
			require.NoError(t, err)
			assert.Equal(t, want, report.Stored, "run %d", i)
			assert.Equal(t, 251, report.Listed)
		}
		assert.Equal(t, notes(upTo(250)...), contents(t, dst, mailbox.Inbox))
	}
}

// Two messages without a Message-ID may well have the same body.
func TestReusedUIDLWithoutMessageID(t *testing.T) {
	drop := &maildrop{mail: []dropped{{"a", []byte("Subject: disk 7 is full\r\n\r\n")}}}
	dst, o := open(t, memory.NewStore()), options(t)
	drop.next(t, dst, o)
	drop.mail[0].raw = []byte("Subject: disk 12 is full\r\n\r\n")
	o.Remove = Remove{Stored: true}
	report := drop.next(t, dst, o)
	assert.Equal(t, 1, report.Stored)
	assert.Len(t, contents(t, dst, mailbox.Inbox), 2)
}

// A server that takes a message's number for its UIDL calls all of them something
// else once the first is gone.
func TestShiftedUIDLs(t *testing.T) {
	drop := &maildrop{}
	number := func(first, last int) {
		drop.mail = nil
		for n := first; n < last; n++ {
			drop.mail = append(drop.mail, dropped{fmt.Sprint(n - first + 1), note(n)})
		}
	}
	dst, o := open(t, memory.NewStore()), options(t)
	number(0, 7)
	drop.next(t, dst, o)
	for first := 1; first < 6; first++ {
		number(first, 7+first)
		report := drop.next(t, dst, o)
		assert.Equal(t, notes(upTo(7+first)...), contents(t, dst, mailbox.Inbox), "%d: %+v", first, report)
	}
	o.Remove = Remove{Stored: true}
	number(5, 13)
	drop.next(t, dst, o)
	assert.Equal(t, notes(upTo(13)...), contents(t, dst, mailbox.Inbox))
	assert.Empty(t, drop.mail)
}

// A dead letter's name may be another message's now.
func TestReusedUIDLOfDeadLetter(t *testing.T) {
	drop := &maildrop{mail: []dropped{{"a", note(1)}}}
	to, o := memory.NewStore(), options(t)
	dst := oddly(t, to, func(raw []byte, add func([]byte) error) error { return errors.New("no") })
	drop.next(t, dst, o)
	drop.mail[0].raw = note(3)
	report := drop.next(t, plainly(t, to), o)
	assert.Empty(t, report.Dead)
	assert.Equal(t, notes(3), contents(t, dst, mailbox.Inbox))
}

// forgetful is a destination whose first commit is done, and fails; its batches
// tell no IDs ahead.
type forgetful struct {
	*memory.Mailbox
	failed bool
}

type forgetfulBatch struct {
	batch.Batch
	mb *forgetful
}

func (f *forgetful) NewBatch(ctx context.Context, folder string) (batch.Batch, error) {
	b, err := f.Mailbox.NewBatch(ctx, folder)
	return &forgetfulBatch{b, f}, err
}

func (b *forgetfulBatch) Commit(ctx context.Context) error {
	err := b.Batch.Commit(ctx)
	if !b.mb.failed {
		b.mb.failed = true
		err = errors.Join(err, mailbox.ErrUnknownOutcome)
	}
	return err
}

func TestBatchWithoutIDs(t *testing.T) {
	dst, o := &forgetful{Mailbox: open(t, memory.NewStore())}, options(t)
	src := open(t, filled(t, 5))
	_, err := Run(t.Context(), src, dst, o)
	require.ErrorIs(t, err, mailbox.ErrUnknownOutcome)
	report, err := Run(t.Context(), src, dst, o)
	require.NoError(t, err)
	assert.Equal(t, 5, report.Known)
	assert.Equal(t, notes(upTo(5)...), contents(t, dst, mailbox.Inbox))
}

// A destination that errs in sizes still shows which message is which.
func TestUnknownOutcomeAndWrongSizes(t *testing.T) {
	from, to := memory.NewStore(), memory.NewStore()
	for i := range 3 {
		require.NoError(t, from.Deliver(mailbox.Inbox, fmt.Appendf(nil, "Subject: %d\r\n\r\nno Message-ID\r\n", i), nil))
	}
	src, o := open(t, from), options(t)
	dst := oddly(t, to, func(raw []byte, add func([]byte) error) error {
		return errors.Join(mailbox.ErrUnknownOutcome, add(raw))
	})
	_, err := Run(t.Context(), src, dst, o)
	require.NoError(t, err)
	good := plainly(t, to)
	rounded := &warped{Mailbox: good.Mailbox}
	rounded.list = func(_ string, all []*mailbox.Summary) ([]*mailbox.Summary, error) {
		slices.Reverse(all)
		for _, s := range all {
			s.Size = 1024
		}
		return all, nil
	}
	good.Mailbox = rounded
	report, err := Run(t.Context(), src, good, o)
	require.NoError(t, err)
	assert.Equal(t, 3, report.Known)
	assert.Len(t, contents(t, open(t, to), mailbox.Inbox), 3)
}

// What may be stored and is gone from the source is looked for once and never
// again.
func TestUnclearAndGone(t *testing.T) {
	from, to := filled(t, 2), memory.NewStore()
	src, o := open(t, from), options(t)
	dst := oddly(t, to, func(raw []byte, add func([]byte) error) error {
		return errors.Join(mailbox.ErrUnknownOutcome, add(append([]byte("X-Store: 7\r\n"), raw...)))
	})
	_, err := Run(t.Context(), src, dst, o)
	require.NoError(t, err)
	for s := range src.List(t.Context(), mailbox.Inbox, nil) {
		require.NoError(t, src.Delete(t.Context(), []mailbox.ID{s.ID}, nil))
	}
	good := plainly(t, to)
	_, err = Run(t.Context(), src, good, o)
	require.NoError(t, err)
	report, err := Run(t.Context(), src, good, o)
	require.NoError(t, err)
	assert.Equal(t, 1, report.Unchanged)
}

// The clock says nothing where nothing is to be kept for a time.
func TestClockGoesBack(t *testing.T) {
	src, dst, o := open(t, filled(t, 2)), open(t, memory.NewStore()), options(t)
	now := time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)
	o.now = func() time.Time { return now }
	_, err := Run(t.Context(), src, dst, o)
	require.NoError(t, err)
	now = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	o.Remove = Remove{Stored: true}
	report, err := Run(t.Context(), src, dst, o)
	require.NoError(t, err)
	assert.Equal(t, 2, report.Deleted)
}

// A journal whose middle is damaged is told of; at worst something is copied once
// more.
func TestDamagedJournal(t *testing.T) {
	src, o := open(t, filled(t, 5)), &Options{Source: "test"}
	files := disktest.NewMem(512)
	to, err := maildir.OpenOn(files, nil)
	require.NoError(t, err)
	_, err = Run(t.Context(), src, to, o)
	require.NoError(t, err)
	for name, text := range files.Files() {
		if filepath.Ext(name) == ".journal" {
			f, err := files.OpenRW(name)
			require.NoError(t, err)
			_, err = f.WriteAt([]byte("?"), int64(len(text)/2))
			require.NoError(t, err)
			require.NoError(t, f.Close())
		}
	}
	o.Remove = Remove{Stored: true}
	report, err := Run(t.Context(), src, to, o)
	require.NoError(t, err)
	require.Len(t, report.Warnings, 1)
	assert.Contains(t, report.Warnings[0], "journal")
	for n := range 5 {
		assert.Positive(t, contents(t, to, mailbox.Inbox)[sumOf256(note(n))])
	}
	report, err = Run(t.Context(), src, to, o)
	require.NoError(t, err)
	assert.Empty(t, report.Warnings)
}
