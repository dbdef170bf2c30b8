package maildir

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/internal/disk"
	"github.com/postroom-go/postroom/internal/disk/disktest"
	"github.com/postroom-go/postroom/mailbox"
)

// TestHostile is what a file system, and those who write to it, can do to a
// Maildir. Each has a control that shows what it would do without the guard.
func TestHostile(t *testing.T) {
	t.Run("local-symlink", hostileSymlink)
	t.Run("local-symlink/race", hostileSymlinkRace)
	t.Run("local-collision", hostileCollision)
	t.Run("local-collision/tmp", hostileTmp)
	t.Run("local-enospc", hostileFull)
	t.Run("local-fsync-eio", hostileSync)
	t.Run("local-names", hostileTwins)
	t.Run("mailbox-hostile-name", hostileNames)
	t.Run("hostile-key", hostileKeys)
}

// outside is a directory with a secret, next to a Maildir.
func outside(t *testing.T) (mb *Mailbox, dir string) {
	t.Helper()
	top := t.TempDir()
	dir = filepath.Join(top, "outside")
	for _, sub := range []string{"cur", "new", "tmp"} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, sub), 0o700))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "secret"), []byte("Subject: secret\r\n\r\n"), 0o600))
	mb, err := Open(filepath.Join(top, "mail"), nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = mb.Close() })
	return mb, dir
}

// untouched checks that nothing was made outside.
func untouched(t *testing.T, dir string) {
	t.Helper()
	var all []string
	require.NoError(t, filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		all = append(all, strings.TrimPrefix(path, dir))
		return err
	}))
	require.Equal(t, []string{"", "/cur", "/new", "/secret", "/tmp"}, all)
}

func hostileSymlink(t *testing.T) {
	t.Run("message", func(t *testing.T) {
		mb, dir := outside(t)
		id := add(t, mb, 1)
		file := filepath.Join(mb.Dir(), "new", id.Key())
		require.NoError(t, os.Remove(file))
		require.NoError(t, os.Symlink(filepath.Join(dir, "secret"), file))
		require.NoError(t, os.Symlink(filepath.Join(dir, "secret"), filepath.Join(mb.Dir(), "cur", "1.other:2,S")))
		raw, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Contains(t, string(raw), "secret", "the control: a plain open follows the link")
		require.NoError(t, os.Mkdir(filepath.Join(mb.Dir(), "cur", "2.dir:2,S"), 0o700))
		for _, fields := range []mailbox.Fields{mailbox.FieldsNone, mailbox.FieldFlags, mailbox.AllFields} {
			assert.Empty(t, list(t, mb, "", &mailbox.ListOptions{Fields: fields}))
		}
		_, err = mb.Open(t.Context(), id, nil)
		require.Error(t, err)
		require.NoError(t, mb.Delete(t.Context(), []mailbox.ID{id}, nil))
		untouched(t, dir)
	})
	for _, sub := range []string{"tmp", "new", "cur"} {
		t.Run(sub, func(t *testing.T) {
			mb, dir := outside(t)
			require.NoError(t, os.Remove(filepath.Join(mb.Dir(), sub)))
			require.NoError(t, os.Symlink(filepath.Join(dir, sub), filepath.Join(mb.Dir(), sub)))
			for _, flags := range [][]mailbox.Flag{nil, {mailbox.FlagSeen}} {
				_, err := mb.Append(t.Context(), "", bytes.NewReader(message(1)), &mailbox.AppendOptions{Flags: flags})
				if sub != map[bool]string{true: "cur", false: "new"}[flags == nil] {
					require.Error(t, err)
				}
			}
			untouched(t, dir)
			file := filepath.Join(mb.Dir(), sub, "control")
			require.NoError(t, os.WriteFile(file, nil, 0o600))
			assert.FileExists(t, filepath.Join(dir, sub, "control"), "the control: a plain write follows the link")
		})
	}
	t.Run("exchanged after it was seen", func(t *testing.T) {
		m := disktest.NewMem(512)
		files := disktest.Hook(m, func(op disktest.Op) error {
			if op.Kind == disktest.KindReadDir && op.Name == "new" && op.After && m.Files()["new/1.a"] != "" {
				return errors.Join(m.Remove("new/1.a"), m.Mkdir("new/1.a"))
			}
			return nil
		})
		mb := openTest(t, files, nil, nil)
		put(t, m, "new/1.a", string(message(1)))
		assert.Empty(t, list(t, mb, "", nil))
	})
	t.Run("files of the folder", func(t *testing.T) {
		mb, dir := outside(t)
		for _, name := range []string{indexFile, keywordsFile} {
			require.NoError(t, os.Symlink(filepath.Join(dir, "secret"), filepath.Join(mb.Dir(), name)))
		}
		id := add(t, mb, 1)
		require.Len(t, list(t, mb, "", nil), 1)
		err := mb.SetFlags(t.Context(), []mailbox.ID{id}, mailbox.FlagChange{Add: words("own")}, nil)
		require.Error(t, err)
		require.Len(t, list(t, mb, "", nil), 1)
		raw, err := os.ReadFile(filepath.Join(dir, "secret"))
		require.NoError(t, err)
		assert.Equal(t, "Subject: secret\r\n\r\n", string(raw))
	})
	t.Run("folder", func(t *testing.T) {
		mb, dir := outside(t)
		require.NoError(t, os.Symlink(dir, filepath.Join(mb.Dir(), ".Out")))
		assert.Len(t, foldersOf(t, mb, false), 1)
		_, err := mb.Append(t.Context(), "Out", bytes.NewReader(message(1)), nil)
		require.ErrorIs(t, err, mailbox.ErrNotFound)
		create(t, mb, "Out") // beside it
		addTo(t, mb, "Out", 1)
		untouched(t, dir)
	})
}

// hostileSymlinkRace: somebody exchanges tmp for a link and back while messages
// are added.
func hostileSymlinkRace(t *testing.T) {
	mb, dir := outside(t)
	add(t, mb, 0)
	tmp, away := filepath.Join(mb.Dir(), "tmp"), filepath.Join(mb.Dir(), "away")
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			_ = os.Rename(tmp, away)
			_ = os.Symlink(filepath.Join(dir, "tmp"), tmp)
			_ = os.Remove(tmp)
			_ = os.Rename(away, tmp)
		}
	})
	added := 1
	for n := range 300 {
		if _, err := mb.Append(t.Context(), "", bytes.NewReader(message(n)), nil); err == nil {
			added++
		}
	}
	close(stop)
	wg.Wait()
	assert.Len(t, list(t, mb, "", nil), added)
	untouched(t, dir)
}

// hostileCollision: two processes with one number on hosts of one name, at one
// moment, with random numbers that are not.
func hostileCollision(t *testing.T) {
	deliver := func(files disk.Dir) int {
		for n := range 3 {
			mb := openTest(t, files, nil, func(mb *Mailbox) {
				mb.now = func() time.Time { return time.Unix(1_700_000_000, 0) }
				mb.rand, mb.host, mb.pid = zeros{}, "host", 1
			})
			mb.state(".").ready = true // each knows nothing of the others
			add(t, mb, n)
			b, err := mb.NewBatch(t.Context(), "")
			require.NoError(t, err)
			_, err = b.Add(t.Context(), bytes.NewReader(message(9)), nil)
			require.NoError(t, err)
			_ = b.Commit(t.Context()) // may fail, and must not replace
			require.NoError(t, b.Close())
		}
		all := map[string]bool{}
		for _, s := range list(t, openTest(t, files, nil, nil), "", nil) {
			all[s.Envelope.Subject] = true
		}
		return len(all)
	}
	files := disktest.NewMem(512)
	assert.Equal(t, 4, deliver(files), "a message was replaced")
	assert.Empty(t, names(t, files, "tmp"))
	assert.Less(t, deliver(&replacing{disktest.NewMem(512)}), 4, "the control: a plain rename replaces")
}

// hostileTmp: the same, while both are still writing.
func hostileTmp(t *testing.T) {
	files := disktest.NewMem(512)
	var boxes [2]*Mailbox
	for i := range boxes {
		boxes[i] = openTest(t, files, nil, func(mb *Mailbox) {
			mb.now = func() time.Time { return time.Unix(1_700_000_000, 0) }
			mb.rand, mb.host, mb.pid = zeros{}, "host", 1
		})
	}
	b, err := boxes[0].NewBatch(t.Context(), "")
	require.NoError(t, err)
	defer b.Close()
	_, err = b.Add(t.Context(), bytes.NewReader(message(1)), nil)
	require.NoError(t, err)
	add(t, boxes[1], 2)
	require.NoError(t, b.Commit(t.Context()))
	assert.ElementsMatch(t, []int{1, 2}, wholeMessages(t, boxes[0], ""))
}

// zeros are the random numbers of a broken computer.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// replacing is a file system whose Move is POSIX's rename.
type replacing struct{ disk.Dir }

func (r *replacing) Move(from, to string) error { return r.Dir.Replace(from, to) }

// hostileFull: the disk, a quota or a limit ends at any of the operations.
func hostileFull(t *testing.T) {
	for what, c := range map[string]struct{ fault, want error }{
		"no space":             {syscall.ENOSPC, syscall.ENOSPC},
		"quota":                {syscall.EDQUOT, syscall.EDQUOT},
		"file size":            {syscall.EFBIG, syscall.EFBIG},
		"half a write":         {&disktest.ShortWrite{N: 20, Err: syscall.ENOSPC}, syscall.ENOSPC},
		"half a write, no why": {&disktest.ShortWrite{N: 20}, io.ErrShortWrite},
	} {
		t.Run(what, func(t *testing.T) {
			for i, add := range []func(mb *Mailbox) error{appendOne, batchOne} {
				for n := 0; ; n++ {
					m := disktest.NewMem(512)
					require.NoError(t, openTest(t, m, nil, nil).Close())
					err := add(openTest(t, disktest.FailAt(m, n, c.fault, disktest.Once), nil, nil))
					got := wholeMessages(t, openTest(t, m, nil, nil), "")
					if err == nil {
						require.Equal(t, []int{1}, got)
						require.Greater(t, n, 3)
						break
					}
					require.ErrorIs(t, err, c.want, "the system's own error is kept")
					require.Equal(t, !errors.Is(c.want, io.ErrShortWrite), errors.Is(err, mailbox.ErrQuota))
					require.Empty(t, names(t, m, "tmp"), "operation %d", n)
					// After an error of Commit some may be there; not so of Append.
					require.LessOrEqual(t, len(got), i, "operation %d", n)
				}
			}
		})
	}
	t.Run("half a write, and no error", func(t *testing.T) {
		m := disktest.NewMem(512)
		for _, add := range []func(mb *Mailbox) error{appendOne, batchOne} {
			require.ErrorIs(t, add(openTest(t, &careless{m, true}, nil, nil)), io.ErrShortWrite)
			require.Empty(t, names(t, m, "tmp"))
		}
	})
	t.Run("control", func(t *testing.T) {
		m := disktest.NewMem(512)
		mb := openTest(t, &careless{m, false}, nil, nil)
		require.NoError(t, appendOne(mb), "an error that nobody looks at")
		assert.NotEqual(t, int64(len(message(1))), list(t, mb, "", nil)[0].Size, "leaves half a message")
	})
}

func appendOne(mb *Mailbox) error {
	_, err := mb.Append(context.Background(), "", bytes.NewReader(message(1)), &mailbox.AppendOptions{Received: time.Unix(1e9, 0)})
	return err
}

func batchOne(mb *Mailbox) error {
	b, err := mb.NewBatch(context.Background(), "")
	if err != nil {
		return err
	}
	defer b.Close()
	if _, err = b.Add(context.Background(), bytes.NewReader(message(1)), nil); err != nil {
		return err
	}
	return b.Commit(context.Background())
}

// careless is a file system whose files write half, and give no error; honest
// ones tell how much.
type careless struct {
	disk.Dir
	honest bool
}

func (c *careless) Create(name string) (disk.File, error) {
	f, err := c.Dir.Create(name)
	return carelessFile{f, c.honest}, err
}

type carelessFile struct {
	disk.File
	honest bool
}

func (c carelessFile) Write(p []byte) (int, error) {
	n, err := c.File.Write(p[:len(p)/2])
	if !c.honest {
		n = len(p)
	}
	return n, err
}

// hostileSync: after a sync that failed nothing is known of the file, and a
// second one that succeeds proves nothing.
func hostileSync(t *testing.T) {
	for _, add := range []func(mb *Mailbox) error{appendOne, batchOne} {
		m := disktest.NewMem(512)
		syncs := map[string]int{}
		failed := false
		files := disktest.Hook(m, func(op disktest.Op) error {
			if op.After || op.Kind != disktest.KindSync && op.Kind != disktest.KindSyncFiles {
				return nil
			}
			for _, name := range append(op.Names, op.Name) {
				syncs[name]++
			}
			if !failed {
				failed = true
				return syscall.EIO
			}
			return nil
		})
		mb := openTest(t, files, nil, nil)
		require.ErrorIs(t, add(mb), syscall.EIO)
		assert.Empty(t, names(t, m, "tmp"))
		assert.Empty(t, list(t, mb, "", nil))
		require.NoError(t, add(mb), "the message is written again, to another file")
		for name, n := range syncs {
			if name != "" {
				assert.Equal(t, 1, n, name)
			}
		}
		after := openTest(t, m.Crash(disktest.Least), nil, nil)
		assert.Equal(t, []int{1}, wholeMessages(t, after, ""))
	}
	// The control: a second sync of the same file succeeds, and what it holds is
	// lost all the same.
	m := disktest.NewMem(512)
	openTest(t, m, nil, nil)
	files := disktest.Hook(m, func(op disktest.Op) error {
		if op.Kind == disktest.KindSync && !op.After && op.N >= 0 && m.Files()["tmp/failed"] == "" {
			put(t, m, "tmp/failed", "x")
			return syscall.EIO
		}
		return nil
	})
	file, err := files.Create("tmp/1.a")
	require.NoError(t, err)
	_, err = file.Write(message(1))
	require.NoError(t, err)
	require.ErrorIs(t, file.Sync(), syscall.EIO)
	require.NoError(t, file.Sync())
	require.NoError(t, file.Close())
	require.NoError(t, files.Move("tmp/1.a", "new/1.a"))
	require.NoError(t, files.SyncDir("new"))
	assert.NotEqual(t, string(message(1)), m.Crash(disktest.Least).Files()["new/1.a"])
}

// hostileTwins: names that are equal to some file system.
func hostileTwins(t *testing.T) {
	for _, layout := range []Layout{MaildirPP, Plain} {
		files := &foldFS{Dir: disktest.NewMem(512), shown: map[string]string{}}
		mb := openTest(t, files, &Options{Layout: layout}, nil)
		all := []string{"Sent", "sent", "SENT", "sEnT", "ä", "檄", "A/B", "a/b", "A/b", "a/B", "é", "e\u0301", "con", "CON"}
		for i, name := range all {
			create(t, mb, name)
			addTo(t, mb, name, i)
		}
		for i, name := range all {
			assert.Equal(t, []string{fmt.Sprint(i)}, subjects(t, mb, name), name)
		}
		again := openTest(t, files, &Options{Layout: layout}, nil)
		assert.Subset(t, sortedNames(foldersOf(t, again, false)), all)
	}
	// A file system that knows case may be copied to one that does not.
	m := disktest.NewMem(512)
	mb := openTest(t, m, nil, nil)
	seen := map[string]bool{}
	for _, name := range []string{"Sent", "sent", "SENT"} {
		create(t, mb, name)
	}
	for _, dir := range names(t, m, ".") {
		assert.False(t, seen[folded(dir)], dir)
		seen[folded(dir)] = true
	}
	// The control: such a file system has one directory for both.
	files := &foldFS{Dir: disktest.NewMem(512), shown: map[string]string{}}
	require.NoError(t, files.Mkdir(".Sent"))
	require.Error(t, files.Mkdir(".sent"))
}

// hostileNames: what a server may call a folder.
func hostileNames(t *testing.T) {
	all := []string{"..", "../..", "../outside/cur", "a/../../outside", "/etc", "//", "/", "./x", ".", "...", "a/..", "a/.", "~", "~root", "~/x",
		"a\x00b", "a\nb", "a\rb", "\x1b[31m", "\x7f", "\u202e", "con", "NUL", "com1.txt", "aux/x", "end.", "end ", " front", "Sent", "sent", "SENT",
		"cur", "new", "tmp", "cur/new", "INBOX/cur", "inbox/x", `a\b`, `C:\x`, "a:b", "*", "%", "%2e%2e", "%2F", "&-", "&AC8-", "&", "a|b", `"`, "?",
		strings.Repeat("ü", 60), strings.Repeat("x", 255), strings.Repeat("../", 20) + "x"}
	refused := []string{strings.Repeat("x", 10_000), strings.Repeat("a/", 5_000) + "b", "\xff\xfe", ""}
	for _, layout := range []Layout{MaildirPP, Plain} {
		top := t.TempDir()
		mb, err := Open(filepath.Join(top, "deep", "mail"), &Options{Layout: layout})
		require.NoError(t, err)
		defer mb.Close()
		for i, name := range all {
			err := mb.CreateFolder(t.Context(), name, nil)
			if len(name) == 255 && layout == MaildirPP {
				require.Error(t, err) // a dot more
				continue
			}
			if err != nil {
				require.ErrorIs(t, err, mailbox.ErrExists, "%q", name) // it was above another
			}
			addTo(t, mb, name, i)
			assert.Equal(t, []string{fmt.Sprint(i)}, subjects(t, mb, name), "%q", name)
		}
		for _, name := range refused {
			require.Error(t, mb.CreateFolder(t.Context(), name, nil))
		}
		for _, at := range []string{top, filepath.Join(top, "deep")} {
			list, err := os.ReadDir(at)
			require.NoError(t, err)
			require.Len(t, list, 1, "something was made outside")
		}
	}
	// The control: as paths, some of them lead out.
	out := 0
	for _, name := range all {
		if !filepath.IsLocal(filepath.FromSlash(name)) {
			out++
		}
	}
	assert.Greater(t, out, 5)
}

// hostileKeys: an ID can hold anything. No key leads anywhere.
func hostileKeys(t *testing.T) {
	files, count := counted(disktest.NewMem(512))
	mb := openTest(t, files, nil, nil)
	add(t, mb, 1)
	create(t, mb, "Other")
	list(t, mb, "", nil)
	for _, key := range []string{"", ".", "..", "../secret", "a/b", "/etc/passwd", "../../cur/x", "..\\x", "a\x00b", ".hidden", "x:2,S", strings.Repeat("x", 256)} {
		for _, folder := range []string{"INBOX", "Other"} {
			id := mailbox.NewID(folder, "", key)
			for _, kind := range []disktest.Kind{disktest.KindOpen, disktest.KindLstat, disktest.KindReadDir, disktest.KindRemove, disktest.KindReplace} {
				count(kind)
				_, err := mb.Open(t.Context(), id, nil)
				require.ErrorIs(t, err, mailbox.ErrNotFound, "%q", key)
				require.Zero(t, count(kind), "%q touches the disk", key)
				require.NoError(t, mb.Delete(t.Context(), []mailbox.ID{id}, nil))
				require.NoError(t, mb.SetFlags(t.Context(), []mailbox.ID{id}, mailbox.FlagChange{Add: words(mailbox.FlagSeen)}, nil))
				require.Zero(t, count(kind), "%q touches the disk", key)
			}
		}
	}
	// The control: as a path, such a key leads out of the directory.
	assert.Equal(t, "secret", filepath.ToSlash(filepath.Join("cur", "../secret")))
}
