package maildir

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/internal/disk"
	"github.com/postroom-go/postroom/internal/disk/disktest"
	"github.com/postroom-go/postroom/mailbox"
)

// crashes does an action on a copy of before with each of its operations as the
// last, loses the power, and lets check see some of what may be left: with what
// least and most may be, and samples between. done tells that the action had
// returned nil. It gives how many states were seen.
func crashes(t *testing.T, before func() *disktest.Mem, action func(*Mailbox) error, check func(mb *Mailbox, done bool)) int {
	t.Helper()
	states := 0
	for n := 0; ; n++ {
		m := before()
		mb := openTest(t, disktest.FailAt(m, n, disktest.ErrHalted, disktest.Everything), nil, nil)
		err := action(mb)
		r := rand.New(rand.NewPCG(uint64(n), 7))
		choices := []func(int) int{disktest.Least, disktest.Most}
		for range 20 {
			choices = append(choices, disktest.Sample(r))
		}
		for _, choose := range choices {
			after := openTest(t, m.Crash(choose), nil, nil)
			check(after, err == nil)
			states++
		}
		if err == nil {
			return states
		}
		require.ErrorIs(t, err, disktest.ErrHalted, "operation %d", n)
	}
}

// wholeMessages lists INBOX and reads it: every message must be whole. It gives
// their numbers.
func wholeMessages(t *testing.T, mb *Mailbox, folder string) []int {
	t.Helper()
	var all []int
	for _, s := range list(t, mb, folder, nil) {
		var n int
		_, err := fmt.Sscanf(s.Envelope.Subject, "Message %d", &n)
		require.NoError(t, err, "a message is cut: %+v", s)
		require.Equal(t, string(message(n)), text(t, mb, s.ID))
		all = append(all, n)
	}
	return all
}

// ready gives a way to make the same Maildir again, with two old messages.
func ready(t *testing.T) (before func() *disktest.Mem, ids []mailbox.ID) {
	t.Helper()
	m := disktest.NewMem(64)
	mb := openTest(t, m, nil, nil)
	ids = []mailbox.ID{add(t, mb, 0), add(t, mb, 1, mailbox.FlagSeen)}
	require.NoError(t, mb.Close())
	return func() *disktest.Mem { return m.Crash(disktest.Most) }, ids
}

func TestCrashInAppend(t *testing.T) {
	before, _ := ready(t)
	for _, flags := range [][]mailbox.Flag{nil, {mailbox.FlagSeen}, {"own"}} {
		crashes(t, before, func(mb *Mailbox) error {
			_, err := mb.Append(t.Context(), "", bytes.NewReader(message(2)), &mailbox.AppendOptions{Flags: flags})
			return err
		}, func(mb *Mailbox, done bool) {
			got := wholeMessages(t, mb, "")
			require.Subset(t, []int{0, 1, 2}, got)
			require.Subset(t, got, []int{0, 1}, "an old message is lost")
			if done {
				require.Contains(t, got, 2, "the message is lost, though Append has returned")
				s := list(t, mb, "", &mailbox.ListOptions{Newest: 1})[0]
				require.ElementsMatch(t, flags, s.Flags)
			}
		})
	}
}

// TestCrashInAppendUnsynced is the negative control: without the waits for the
// disk messages are cut, and lost.
func TestCrashInAppendUnsynced(t *testing.T) {
	for _, off := range []disktest.Kind{disktest.KindSync, disktest.KindSyncDir} {
		before, _ := ready(t)
		m := before()
		mb := openTest(t, &unsynced{m, off}, nil, nil)
		_, err := mb.Append(t.Context(), "", bytes.NewReader(message(2)), nil)
		require.NoError(t, err)
		bad := false
		r := rand.New(rand.NewPCG(1, 1))
		for range 100 {
			after := openTest(t, m.Crash(disktest.Sample(r)), nil, nil)
			all := list(t, after, "", nil)
			bad = bad || len(all) != 3 || all[2].Size != int64(len(message(2)))
		}
		require.True(t, bad, "without %s all is well", off)
	}
}

// unsynced is a file system that does not wait for the disk in one way.
type unsynced struct {
	disk.Dir
	off disktest.Kind
}

func (u *unsynced) SyncDir(name string) error {
	if u.off == disktest.KindSyncDir {
		return nil
	}
	return u.Dir.SyncDir(name)
}

func (u *unsynced) Create(name string) (disk.File, error) {
	f, err := u.Dir.Create(name)
	if err == nil && u.off == disktest.KindSync {
		f = unsyncedFile{f}
	}
	return f, err
}

type unsyncedFile struct{ disk.File }

func (unsyncedFile) Sync() error { return nil }

func TestCrashInBatch(t *testing.T) {
	before, _ := ready(t)
	crashes(t, before, func(mb *Mailbox) error {
		b, err := mb.NewBatch(t.Context(), "")
		if err != nil {
			return err
		}
		defer b.Close()
		for i := range 3 {
			opts := &mailbox.AppendOptions{}
			if i == 1 {
				opts.Flags = words(mailbox.FlagSeen)
			}
			if _, err := b.Add(t.Context(), bytes.NewReader(message(2+i)), opts); err != nil {
				return err
			}
		}
		return b.Commit(t.Context())
	}, func(mb *Mailbox, done bool) {
		got := wholeMessages(t, mb, "")
		require.Subset(t, []int{0, 1, 2, 3, 4}, got)
		require.Subset(t, got, []int{0, 1}, "an old message is lost")
		if done {
			require.Len(t, got, 5, "a message is lost, though Commit has returned")
		}
	})
}

// TestCrashAfterEmptyBatch: a message that a program has renamed, which died
// before it waited for the directory, is there for good after an empty Commit. The
// negative control has none.
func TestCrashAfterEmptyBatch(t *testing.T) {
	for _, name := range []string{"new/1700000000.M1P1.a", "cur/1700000000.M1P1.a:2,S"} {
		for _, commits := range []bool{true, false} {
			before, _ := ready(t)
			m := before()
			put(t, m, "tmp/a", string(message(2)))
			require.NoError(t, m.SyncFiles([]string{"tmp/a"}))
			require.NoError(t, m.Move("tmp/a", name))
			b, err := openTest(t, m, nil, nil).NewBatch(t.Context(), "")
			require.NoError(t, err)
			if commits {
				require.NoError(t, b.Commit(t.Context()))
			}
			require.NoError(t, b.Close())
			got := wholeMessages(t, openTest(t, m.Crash(disktest.Least), nil, nil), "")
			require.Equal(t, commits, slices.Contains(got, 2), name)
			require.Subset(t, got, []int{0, 1})
		}
	}
}

// TestEmptyBatchFails: an empty Commit that cannot wait says so.
func TestEmptyBatchFails(t *testing.T) {
	for _, dir := range []string{"new", "cur"} {
		broken := errors.New("the disk is on fire")
		mb := openTest(t, disktest.Hook(disktest.NewMem(64), func(op disktest.Op) error {
			if op.Kind == disktest.KindSyncDir && op.Name == dir {
				return broken
			}
			return nil
		}), nil, nil)
		b, err := mb.NewBatch(t.Context(), "")
		require.NoError(t, err)
		require.ErrorIs(t, b.Commit(t.Context()), broken)
		require.NoError(t, b.Close())
	}
}

func TestCrashInSetFlags(t *testing.T) {
	before, ids := ready(t)
	change := mailbox.FlagChange{Add: words(mailbox.FlagFlagged, "own")}
	crashes(t, before, func(mb *Mailbox) error {
		return mb.SetFlags(t.Context(), ids, change, nil)
	}, func(mb *Mailbox, done bool) {
		require.Equal(t, []int{0, 1}, wholeMessages(t, mb, ""), "a message is lost or doubled")
		for i, id := range ids {
			flags := flagsOf(t, mb, id)
			require.Subset(t, append(slices.Clone(change.Add), mailbox.FlagSeen), flags)
			require.Equal(t, i == 1, slices.Contains(flags, mailbox.FlagSeen))
			if done {
				require.Subset(t, flags, change.Add)
			}
		}
	})
}

func TestCrashInDelete(t *testing.T) {
	before, ids := ready(t)
	crashes(t, before, func(mb *Mailbox) error {
		return mb.Delete(t.Context(), ids[1:], nil)
	}, func(mb *Mailbox, done bool) {
		got := wholeMessages(t, mb, "")
		require.Contains(t, got, 0)
		if done {
			require.Equal(t, []int{0}, got, "the message is back")
		}
	})
}

// TestCrashInCreateFolder: a folder that was made is there, with what is put into
// it at once; one that was half made can be made again.
func TestCrashInCreateFolder(t *testing.T) {
	for _, layout := range []Layout{MaildirPP, Plain} {
		opts := &Options{Layout: layout}
		for n := 0; ; n++ {
			m := disktest.NewMem(64)
			openTest(t, m, opts, nil)
			action := func() error {
				mb, err := OpenOn(disktest.FailAt(m, n, disktest.ErrHalted, disktest.Everything), opts)
				if err != nil {
					return err
				}
				defer mb.Close()
				if err := mb.CreateFolder(t.Context(), "A/B", nil); err != nil {
					return err
				}
				_, err = mb.Append(t.Context(), "A/B", bytes.NewReader(message(1)), nil)
				return err
			}
			err := action()
			r := rand.New(rand.NewPCG(uint64(n), 3))
			for _, choose := range []func(int) int{disktest.Least, disktest.Most, disktest.Sample(r), disktest.Sample(r), disktest.Sample(r)} {
				after := m.Crash(choose)
				mb := openTest(t, after, opts, nil)
				if made := mb.CreateFolder(t.Context(), "A/B", nil); err == nil {
					require.ErrorIs(t, made, mailbox.ErrExists)
					require.Equal(t, []int{1}, wholeMessages(t, mb, "A/B"))
				} else if made != nil {
					require.ErrorIs(t, made, mailbox.ErrExists)
				}
				// Whatever was left, what is put there now outlasts a crash.
				_, err := mb.Append(t.Context(), "A/B", bytes.NewReader(message(2)), nil)
				require.NoError(t, err)
				again := openTest(t, after.Crash(disktest.Least), opts, nil)
				require.Contains(t, wholeMessages(t, again, "A/B"), 2)
			}
			if err == nil {
				break
			}
			require.True(t, errors.Is(err, disktest.ErrHalted), "%v", err)
		}
	}
}

// TestCrashAfterOthersMadeIt: a message in a folder that another program has just
// made, and not waited for, is there for good all the same.
func TestCrashAfterOthersMadeIt(t *testing.T) {
	m := disktest.NewMem(64)
	mb := openTest(t, m, nil, nil)
	for _, dir := range []string{".New", ".New/cur", ".New/new", ".New/tmp"} {
		require.NoError(t, m.Mkdir(dir))
	}
	addTo(t, mb, "New", 1)
	after := openTest(t, m.Crash(disktest.Least), nil, nil)
	require.Equal(t, []int{1}, wholeMessages(t, after, "New"))
}

// TestCrashInIndex: whatever is left of an index, lists are right.
func TestCrashInIndex(t *testing.T) {
	m := disktest.NewMem(64)
	mb := openTest(t, m, nil, nil)
	corpus(t, mb, 30)
	want := list(t, openTest(t, m, &Options{NoIndex: true}, nil), "", nil)
	list(t, mb, "", nil)
	r := rand.New(rand.NewPCG(5, 5))
	for range 200 {
		after := openTest(t, m.Crash(disktest.Sample(r)), nil, nil)
		got := list(t, after, "", nil)
		require.Equal(t, len(want), len(got))
		for i := range want {
			require.Equal(t, want[i].Envelope, got[i].Envelope)
		}
	}
}
