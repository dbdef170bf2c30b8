package transfer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/memory"
)

// note is the n-th test message.
func note(n int) []byte {
	return fmt.Appendf(nil, "From: ann@example.org\r\nSubject: note %d\r\nMessage-ID: <note%d@example.org>\r\n\r\nNumber %d.\r\n%s",
		n, n, n, bytes.Repeat([]byte("All work and no play.\r\n"), n%7))
}

// filled is a store with n messages in INBOX.
func filled(t testing.TB, n int) *memory.Store {
	t.Helper()
	store := memory.NewStore()
	for i := range n {
		require.NoError(t, store.Deliver(mailbox.Inbox, note(i), nil))
	}
	return store
}

// open opens a mailbox of store.
func open(t testing.TB, store *memory.Store) *memory.Mailbox {
	t.Helper()
	mb := memory.New(&memory.Options{Store: store})
	t.Cleanup(func() { _ = mb.Close() })
	return mb
}

// plain is a mailbox that appends messages one by one, as over a network.
type plain struct {
	mailbox.Mailbox
	mailbox.Appender
}

func plainly(t testing.TB, store *memory.Store) *plain {
	mb := open(t, store)
	return &plain{mb, mb}
}

// contents counts the messages of a folder by their octets.
func contents(t testing.TB, mb mailbox.Mailbox, folder string) map[[32]byte]int {
	t.Helper()
	all := map[[32]byte]int{}
	for s, err := range mb.List(context.Background(), folder, &mailbox.ListOptions{Fields: mailbox.FieldsNone}) {
		require.NoError(t, err)
		r, err := mb.Open(context.Background(), s.ID, nil)
		require.NoError(t, err)
		raw, err := io.ReadAll(r)
		require.NoError(t, err)
		require.NoError(t, r.Close())
		all[sha256.Sum256(raw)]++
	}
	return all
}

func sumOf256(b []byte) [32]byte { return sha256.Sum256(b) }

// notes is what contents gives for messages.
func notes(numbers ...int) map[[32]byte]int {
	all := map[[32]byte]int{}
	for _, n := range numbers {
		all[sha256.Sum256(note(n))]++
	}
	return all
}

func upTo(n int) []int {
	var all []int
	for i := range n {
		all = append(all, i)
	}
	return all
}

// options have a journal of the test's own.
func options(t testing.TB) *Options {
	return &Options{Source: "test", Journal: filepath.Join(t.TempDir(), "journal")}
}

// kinds runs and counts the events.
func kinds(t testing.TB, src, dst mailbox.Mailbox, o *Options) map[Kind]int {
	t.Helper()
	all := map[Kind]int{}
	for e, err := range Events(t.Context(), src, dst, o) {
		require.NoError(t, err)
		all[e.Kind]++
	}
	delete(all, Read)
	delete(all, Ended)
	return all
}

func TestOnce(t *testing.T) {
	from, to := filled(t, 100), memory.NewStore()
	src, dst, o := open(t, from), open(t, to), options(t)
	report, err := Run(t.Context(), src, dst, o)
	require.NoError(t, err)
	assert.Equal(t, 100, report.Stored)
	assert.Equal(t, notes(upTo(100)...), contents(t, dst, mailbox.Inbox))

	report, err = Run(t.Context(), src, dst, o)
	require.NoError(t, err)
	assert.Zero(t, report.Stored)
	assert.Equal(t, 1, report.Unchanged, "a folder that is as it was needs no list")
	assert.Equal(t, notes(upTo(100)...), contents(t, dst, mailbox.Inbox))

	require.NoError(t, from.Deliver(mailbox.Inbox, note(100), nil))
	report, err = Run(t.Context(), src, dst, o)
	require.NoError(t, err)
	assert.Equal(t, 1, report.Stored)
	assert.Equal(t, 100, report.Present)
	assert.Equal(t, notes(upTo(101)...), contents(t, dst, mailbox.Inbox))
}

func TestFlagsDatesFolders(t *testing.T) {
	from, to := memory.NewStore(), memory.NewStore()
	day := time.Date(2020, 2, 3, 4, 5, 6, 0, time.UTC)
	require.NoError(t, from.CreateFolder("Work/2020", mailbox.RoleArchive))
	require.NoError(t, from.Deliver("Work/2020", note(1), nil))
	src, dst := open(t, from), open(t, to)
	_, err := mailbox.Append(t.Context(), src, "Work/2020", bytes.NewReader(note(2)), &mailbox.AppendOptions{
		Flags: []mailbox.Flag{mailbox.FlagSeen, "$Forwarded", mailbox.FlagDeleted}, Received: day})
	require.NoError(t, err)
	_, err = Run(t.Context(), src, dst, options(t))
	require.NoError(t, err)
	assert.Equal(t, notes(1, 2), contents(t, dst, "Work/2020"))
	for s, err := range dst.List(t.Context(), "Work/2020", &mailbox.ListOptions{Newest: 1}) {
		require.NoError(t, err)
		assert.ElementsMatch(t, []mailbox.Flag{mailbox.FlagSeen, "$Forwarded"}, s.Flags, "a mark for deletion is not copied")
		assert.True(t, day.Equal(s.Received))
	}
}

func TestRemove(t *testing.T) {
	from, to := filled(t, 20), memory.NewStore()
	src, dst, o := open(t, from), open(t, to), options(t)
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	o.now = func() time.Time { return now }
	o.Remove = Remove{Stored: true, After: 48 * time.Hour}
	got := kinds(t, src, dst, o)
	assert.Equal(t, map[Kind]int{Began: 1, Stored: 20}, got)
	now = now.Add(47 * time.Hour)
	require.NoError(t, from.Deliver(mailbox.Inbox, note(20), nil))
	assert.Equal(t, map[Kind]int{Began: 1, Stored: 1}, kinds(t, src, dst, o))
	now = now.Add(time.Hour)
	assert.Equal(t, map[Kind]int{Began: 1, Deleted: 20}, kinds(t, src, dst, o))
	assert.Equal(t, notes(20), contents(t, src, mailbox.Inbox))
	now = now.Add(47 * time.Hour)
	assert.Equal(t, map[Kind]int{Began: 1, Deleted: 1}, kinds(t, src, dst, o))
	assert.Empty(t, contents(t, src, mailbox.Inbox))
	assert.Equal(t, notes(upTo(21)...), contents(t, dst, mailbox.Inbox))
}

func TestLimits(t *testing.T) {
	from, to := filled(t, 50), memory.NewStore()
	src, dst, o := open(t, from), open(t, to), options(t)
	o.MaxMessages = 20
	o.Order = NewestFirst
	for i, want := range []int{20, 40, 50, 50} {
		report, err := Run(t.Context(), src, dst, o)
		require.NoError(t, err)
		assert.Len(t, contents(t, dst, mailbox.Inbox), want, "run %d: %+v", i, report)
	}
}

func TestFilters(t *testing.T) {
	from, to := filled(t, 14), memory.NewStore()
	src, dst, o := open(t, from), open(t, to), options(t)
	o.MaxSize = int64(len(note(3)))
	report, err := Run(t.Context(), src, dst, o)
	require.NoError(t, err)
	assert.Equal(t, notes(0, 1, 2, 3, 7, 8, 9), contents(t, dst, mailbox.Inbox), "%+v", report)
	assert.Equal(t, 7, report.Skipped)
	o.MaxSize, o.MatchFields = 0, mailbox.FieldEnvelope
	o.Match = func(s *mailbox.Summary) bool { return s.Envelope.Subject == "note 5" }
	_, err = Run(t.Context(), src, dst, o)
	require.NoError(t, err)
	assert.Equal(t, notes(0, 1, 2, 3, 5, 7, 8, 9), contents(t, dst, mailbox.Inbox))
}

func TestDryRun(t *testing.T) {
	from, to := filled(t, 5), memory.NewStore()
	src, dst, o := open(t, from), open(t, to), options(t)
	o.DryRun, o.Remove = true, Remove{Stored: true}
	for range 2 {
		assert.Equal(t, map[Kind]int{Began: 1, Stored: 5, Deleted: 5}, kinds(t, src, dst, o))
	}
	assert.Empty(t, contents(t, dst, mailbox.Inbox))
	assert.Len(t, contents(t, src, mailbox.Inbox), 5)
	assert.NoFileExists(t, o.Journal)
}

func TestEpoch(t *testing.T) {
	from, to := filled(t, 10), memory.NewStore()
	require.NoError(t, from.Deliver(mailbox.Inbox, note(3), nil)) // twice, on purpose
	src, dst, o := open(t, from), open(t, to), options(t)
	_, err := Run(t.Context(), src, dst, o)
	require.NoError(t, err)
	want := notes(append(upTo(10), 3)...)
	assert.Equal(t, want, contents(t, dst, mailbox.Inbox))
	require.NoError(t, from.NewEpoch(mailbox.Inbox))
	require.NoError(t, from.Deliver(mailbox.Inbox, note(10), nil))
	o.Remove = Remove{Stored: true, After: time.Hour}
	report, err := Run(t.Context(), src, dst, o)
	require.NoError(t, err)
	assert.Equal(t, 11, report.Known)
	assert.Equal(t, 1, report.Stored)
	assert.Equal(t, notes(append(upTo(11), 3)...), contents(t, dst, mailbox.Inbox))

	t.Run("control", func(t *testing.T) {
		require.NoError(t, from.NewEpoch(mailbox.Inbox))
		o.off.digest = true
		_, err := Run(t.Context(), src, dst, o)
		require.NoError(t, err)
		assert.Equal(t, 2, contents(t, dst, mailbox.Inbox)[sha256.Sum256(note(0))], "without digests all is stored again")
	})
}

func TestLeaveLoop(t *testing.T) {
	from, to := filled(t, 200), memory.NewStore()
	src, dst, o := open(t, from), plainly(t, to), options(t)
	for e, err := range Events(t.Context(), src, dst, o) {
		require.NoError(t, err)
		if e.Kind == Stored {
			break
		}
	}
	_, err := Run(t.Context(), src, dst, o)
	require.NoError(t, err)
	assert.Equal(t, notes(upTo(200)...), contents(t, dst, mailbox.Inbox))
}

// A loop that panics leaves no lock behind.
func TestPanic(t *testing.T) {
	from, to := filled(t, 100), memory.NewStore()
	src, dst, o := open(t, from), plainly(t, to), options(t)
	assert.Panics(t, func() {
		for e := range Events(t.Context(), src, dst, o) {
			if e.Kind == Stored {
				panic("no")
			}
		}
	})
	report, err := Run(t.Context(), src, dst, o)
	require.NoError(t, err)
	assert.Equal(t, 100, report.Known+report.Stored+report.Present)
	assert.Equal(t, notes(upTo(100)...), contents(t, dst, mailbox.Inbox))
}

func TestEnded(t *testing.T) {
	src, dst, o := open(t, filled(t, 3)), open(t, memory.NewStore()), options(t)
	var seen []Kind
	for e, err := range Events(t.Context(), src, dst, o) {
		require.NoError(t, err)
		seen = append(seen, e.Kind)
		if e.Kind == Ended {
			assert.Equal(t, 3, e.Report.Stored)
		}
	}
	assert.Equal(t, []Kind{Began, Read, Read, Read, Stored, Stored, Stored, Ended}, seen)
}

func TestCancel(t *testing.T) {
	from, to := filled(t, 200), memory.NewStore()
	src, dst, o := open(t, from), plainly(t, to), options(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var last error
	for e, err := range Events(ctx, src, dst, o) {
		last = err
		if err == nil && e.Kind == Stored {
			cancel()
		}
	}
	require.ErrorIs(t, last, context.Canceled)
	_, err := Run(t.Context(), src, dst, o)
	require.NoError(t, err)
	assert.Equal(t, notes(upTo(200)...), contents(t, dst, mailbox.Inbox))
}

func TestWants(t *testing.T) {
	src, dst := open(t, filled(t, 1)), open(t, memory.NewStore())
	_, err := Run(t.Context(), src, dst, nil)
	require.ErrorContains(t, err, "Options.Source")
	_, err = Run(t.Context(), src, dst, &Options{Source: "test"})
	require.ErrorContains(t, err, "Options.Journal")
	o := options(t)
	o.Folders = []string{"Nowhere"}
	_, err = Run(t.Context(), src, dst, o)
	require.ErrorIs(t, err, mailbox.ErrNotFound)
	_, err = Run(t.Context(), src, src, options(t))
	require.ErrorContains(t, err, "onto itself")
	caps := memory.AllCaps()
	caps.Append = false
	_, err = Run(t.Context(), src, memory.New(&memory.Options{Caps: &caps}), options(t))
	require.ErrorIs(t, err, errors.ErrUnsupported)
}

// A dry run promises no more than will be done.
func TestDryRunSaysWhy(t *testing.T) {
	caps := memory.AllCaps()
	caps.Delete = false
	src := memory.New(&memory.Options{Store: filled(t, 2), Caps: &caps})
	o := options(t)
	o.DryRun, o.Remove = true, Remove{Stored: true}
	assert.Equal(t, map[Kind]int{Began: 1, Stored: 2, Kept: 2}, kinds(t, src, open(t, memory.NewStore()), o))
}

// What was read counts as read, also if it was stored already; sizes are those of
// the source.
func TestCounts(t *testing.T) {
	store := memory.NewStore()
	require.NoError(t, store.Deliver(mailbox.Inbox, []byte("Subject: unix\n\none\ntwo\n"), nil))
	require.NoError(t, store.Deliver(mailbox.Inbox, note(1), nil))
	octets := int64(len("Subject: unix\n\none\ntwo\n") + len(note(1)))
	src, dst, o := open(t, store), plainly(t, memory.NewStore()), options(t)
	for e, err := range Events(t.Context(), src, dst, o) {
		require.NoError(t, err)
		if e.Kind == Stored {
			assert.False(t, e.To.IsZero(), "the destination has told it")
		}
		if e.Kind == Ended {
			assert.Equal(t, octets, e.Report.Bytes)
		}
	}
	require.NoError(t, store.NewEpoch(mailbox.Inbox))
	for e, err := range Events(t.Context(), src, dst, o) {
		require.NoError(t, err)
		if e.Kind == Ended {
			assert.Equal(t, 2, e.Report.Known)
			assert.Equal(t, []any{2, 2, octets, octets}, []any{e.Done, e.Total, e.DoneBytes, e.TotalBytes})
		}
	}
}
