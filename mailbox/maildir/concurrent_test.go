package maildir

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/internal/disk/disktest"
	"github.com/postroom-go/postroom/mailbox"
)

// renamer changes flags as another program does, until stop is closed: it moves
// messages from new to cur, and renames them there.
func renamer(dir string, seed uint64, stop chan struct{}) error {
	r := rand.New(rand.NewPCG(seed, 1))
	for {
		for _, sub := range []string{"new", "cur"} {
			list, err := os.ReadDir(filepath.Join(dir, sub))
			if err != nil {
				return err
			}
			for _, d := range list {
				select {
				case <-stop:
					return nil
				default:
				}
				base, _, _ := strings.Cut(d.Name(), ":2,")
				letters := []string{"", "S", "FS", "R", "RST", "DF"}[r.IntN(6)]
				err := os.Rename(filepath.Join(dir, sub, d.Name()), filepath.Join(dir, "cur", base+":2,"+letters))
				if err != nil && !errors.Is(err, fs.ErrNotExist) {
					return err
				}
			}
		}
	}
}

// TestBesideRenamers: while two other programs rename all messages over and over,
// none seems to be gone, and each can be read, flagged and removed.
func TestBesideRenamers(t *testing.T) {
	const n = 300 // more than one read of a directory gives
	mb := openReal(t, nil)
	corpus(t, mb, n)
	want := list(t, mb, "", &mailbox.ListOptions{Fields: mailbox.FieldsNone})
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for seed := range 2 {
		wg.Go(func() { assert.NoError(t, renamer(mb.Dir(), uint64(seed), stop)) })
	}
	end := sync.OnceFunc(func() {
		close(stop)
		wg.Wait()
	})
	defer end()
	for i := range 20 {
		opts := &mailbox.ListOptions{Fields: []mailbox.Fields{mailbox.FieldsNone, mailbox.DefaultFields}[i%2]}
		got := list(t, mb, "", opts)
		require.Equal(t, n, len(got), "List %d", i)
		for k := range want {
			require.Equal(t, want[k].ID, got[k].ID)
		}
	}
	for i := range n {
		id := want[i].ID
		r, err := mb.Open(t.Context(), id, nil)
		require.NoError(t, err)
		require.NoError(t, r.Close())
		if i%10 == 0 {
			require.NoError(t, mb.SetFlags(t.Context(), []mailbox.ID{id}, mailbox.FlagChange{Add: words(mailbox.FlagForwarded)}, nil))
		}
	}
	var gone []mailbox.ID
	for i := range n / 2 {
		gone = append(gone, want[2*i].ID)
	}
	require.NoError(t, mb.Delete(t.Context(), gone, nil))
	end()
	got := list(t, mb, "", &mailbox.ListOptions{Fields: mailbox.FieldsNone})
	require.Equal(t, n/2, len(got))
	for i := range got {
		assert.Equal(t, want[2*i+1].ID, got[i].ID)
	}
}

// TestRenamedWhileRead: a message that is renamed while its directory is read is
// listed. The negative control reads once.
func TestRenamedWhileRead(t *testing.T) {
	for _, moves := range [][2]string{
		{"new/1700000000.M1P1.a", "cur/1700000000.M1P1.a:2,S"},
		{"cur/1700000000.M1P1.a:2,", "cur/1700000000.M1P1.a:2,S"},
	} {
		m := disktest.NewMem(512)
		aside := "tmp/aside"
		steps := 0
		files := disktest.Hook(m, func(op disktest.Op) error {
			// A rename in the middle of a read is one before it and one after it,
			// as far as the read can tell.
			if op.Kind != disktest.KindReadDir || op.Name != "cur" || steps == 2 {
				return nil
			}
			steps++
			if !op.After {
				return m.Move(moves[0], aside)
			}
			return m.Move(aside, moves[1])
		})
		mb := openTest(t, files, nil, nil)
		put(t, m, moves[0], string(message(1)))
		put(t, m, "cur/1700000000.M0P1.b:2,", string(message(0)))
		f, err := mb.folder(t.Context(), "")
		require.NoError(t, err)
		defer f.close()
		once, err := f.read(nil, "cur", 0)
		require.NoError(t, err)
		assert.Equal(t, 1, len(united(once)), "the negative control sees both, though one was hidden")
		require.NoError(t, m.Replace(moves[1], moves[0]))
		steps = 0
		all, err := f.scan(t.Context())
		require.NoError(t, err)
		assert.Equal(t, 2, len(all), "%v", moves)
		assert.Equal(t, 2, steps)
	}
}

// TestTwoMailboxes: two sessions in two processes deliver, flag and remove in one
// folder, and lose nothing.
func TestTwoMailboxes(t *testing.T) {
	dir := t.TempDir()
	const workers, each = 4, 25
	boxes := make([]*Mailbox, workers)
	for i := range boxes {
		mb, err := Open(dir, nil)
		require.NoError(t, err)
		defer mb.Close()
		boxes[i] = mb
	}
	var wg sync.WaitGroup
	for w, mb := range boxes {
		wg.Go(func() {
			var mine []mailbox.ID
			for i := range each {
				id, err := mb.Append(t.Context(), "", bytes.NewReader(message(w*each+i)), nil)
				if assert.NoError(t, err) {
					mine = append(mine, id)
				}
				flag := mailbox.Flag(fmt.Sprintf("word%d", w))
				assert.NoError(t, mb.SetFlags(t.Context(), mine[len(mine)-1:], mailbox.FlagChange{Add: words(flag, mailbox.FlagSeen)}, nil))
				_, err = collect(mb, "", nil)
				assert.NoError(t, err)
			}
			assert.NoError(t, mb.Delete(t.Context(), mine[:5], nil))
			assert.NoError(t, mb.CreateFolder(t.Context(), fmt.Sprintf("Own%d/Sub", w), nil))
			if err := mb.CreateFolder(t.Context(), "Shared", nil); err != nil {
				assert.ErrorIs(t, err, mailbox.ErrExists)
			}
		})
	}
	wg.Wait()
	seen := map[string]int{}
	for _, s := range list(t, boxes[0], "", nil) {
		var n int
		_, err := fmt.Sscanf(s.Envelope.Subject, "Message %d", &n)
		require.NoError(t, err)
		seen[s.Envelope.Subject]++
		assert.ElementsMatch(t, words(mailbox.FlagSeen, mailbox.Flag(fmt.Sprintf("word%d", n/each))), s.Flags)
	}
	assert.Len(t, seen, workers*(each-5))
	assert.Len(t, foldersOf(t, boxes[1], false), 2+2*workers)
	assert.Empty(t, names(t, boxes[0].root.dir, "tmp"))
}

// TestTwoMakers: of two sessions that make one folder, and one another that differs
// in case, whatever operation of the first the second comes before, there is one
// directory for each name.
func TestTwoMakers(t *testing.T) {
	for _, layout := range []Layout{MaildirPP, Plain} {
		for n, met := 0, true; met; n++ {
			m := disktest.NewMem(512)
			opts := &Options{Layout: layout}
			second := openTest(t, m, opts, nil)
			on, seen := false, 0
			var theirs error
			met = false
			first := openTest(t, disktest.Hook(m, func(op disktest.Op) error {
				if on && !op.After {
					if seen == n {
						met = true
						theirs = second.CreateFolder(t.Context(), "Lists/Shared", nil)
					}
					seen++
				}
				return nil
			}), opts, nil)
			on = true
			err := first.CreateFolder(t.Context(), "Lists/Shared", nil)
			on = false
			for _, err := range []error{err, theirs} {
				require.True(t, err == nil || errors.Is(err, mailbox.ErrExists), "operation %d: %v", n, err)
			}
			require.True(t, err == nil || theirs == nil, "operation %d: one of them has made it", n)
			create(t, first, "Lists/shared")
			require.Equal(t, []string{"INBOX", "Lists", "Lists/Shared", "Lists/shared"}, sortedNames(foldersOf(t, second, false)), "operation %d", n)
			for _, f := range foldersOf(t, first, false) {
				require.Empty(t, f.Defects)
			}
			dir, want := ".", []string{".Lists", ".Lists.Shared", ".%4Cists.shared"}
			if layout == Plain {
				dir, want = "Lists", []string{"Shared", "%73hared"}
			}
			var got []string
			for _, name := range names(t, m, dir) {
				if strings.Contains(name, "ists") || strings.Contains(name, "hared") {
					got = append(got, name)
				}
			}
			require.ElementsMatch(t, want, got, "operation %d", n)
		}
	}
}

// TestHalfMadeByAnother: a folder whose maker is between two steps, or has died
// there, is made whole; it is not made again beside that.
func TestHalfMadeByAnother(t *testing.T) {
	m := disktest.NewMem(512)
	done := false
	mb := openTest(t, disktest.Hook(m, func(op disktest.Op) error {
		if op.Kind == disktest.KindMkdir && op.Name == ".Shared" && !op.After && !done {
			done = true
			return m.Mkdir(".Shared")
		}
		return nil
	}), nil, nil)
	create(t, mb, "Shared")
	require.True(t, done)
	assert.True(t, isDir(m, ".Shared/cur"))
	assert.NotContains(t, names(t, m, "."), ".%53hared")
}

// TestTwoFilesOfOneMessage: where a message is in new and in cur there is one of
// it, and it is removed whole.
func TestTwoFilesOfOneMessage(t *testing.T) {
	mb := openReal(t, nil)
	root := mb.root.dir
	put(t, root, "new/1700000000.M1P1.a", string(message(1)))
	put(t, root, "cur/1700000000.M1P1.a:2,S", string(message(1)))
	put(t, root, "cur/1700000000.M1P1.a:2,F", string(message(1)))
	put(t, root, "cur/1700000000.M1P1.ab:2,F", string(message(2)))
	all := list(t, mb, "", nil)
	require.Len(t, all, 2)
	assert.NotEmpty(t, all[0].Flags, "that in cur counts")
	require.NoError(t, mb.Delete(t.Context(), []mailbox.ID{all[0].ID}, nil))
	assert.Empty(t, names(t, root, "new"))
	assert.Equal(t, []string{"1700000000.M1P1.ab:2,F"}, names(t, root, "cur"))
}

// TestManyGone: to find out that many messages are gone costs one scan, not one
// for each.
func TestManyGone(t *testing.T) {
	files, count := counted(disktest.NewMem(512))
	mb := openTest(t, files, nil, nil)
	corpus(t, mb, 100)
	var ids []mailbox.ID
	for _, s := range list(t, mb, "", nil) {
		ids = append(ids, s.ID)
	}
	require.NoError(t, openTest(t, files, nil, nil).Delete(t.Context(), ids, nil))
	count(disktest.KindReadDir)
	require.NoError(t, mb.Delete(t.Context(), ids, nil))
	require.NoError(t, mb.SetFlags(t.Context(), ids, mailbox.FlagChange{Add: words(mailbox.FlagSeen)}, nil))
	assert.Less(t, count(disktest.KindReadDir), 20)
}

// TestChangesInList: what the loop itself changes is seen further on, even where
// only names are looked at.
func TestChangesInList(t *testing.T) {
	mb := openReal(t, nil)
	corpus(t, mb, 6)
	all := list(t, mb, "", &mailbox.ListOptions{Fields: mailbox.FieldsNone})
	n := 0
	for s, err := range mb.List(t.Context(), "", &mailbox.ListOptions{Fields: mailbox.FieldFlags}) {
		require.NoError(t, err)
		require.NotEqual(t, all[3].ID, s.ID, "it was removed before its turn")
		if n == 0 {
			require.NoError(t, mb.Delete(t.Context(), []mailbox.ID{all[3].ID}, nil))
			setFlags(t, mb, all[5].ID, mailbox.FlagChange{Add: words(mailbox.FlagSeen)})
		}
		assert.Equal(t, s.ID == all[5].ID, len(s.Flags) > 0)
		n++
	}
	assert.Equal(t, 5, n)
}
