package disk_test

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postroom-go/postroom/internal/disk"
	"github.com/postroom-go/postroom/internal/disk/disktest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// dirs is every Dir there is, each on a new directory.
func dirs(t *testing.T) map[string]disk.Dir {
	all := map[string]disk.Dir{
		"mem":  disktest.NewMem(512),
		"hook": disktest.Hook(disktest.NewMem(512), func(disktest.Op) error { return nil }),
	}
	for name, open := range openers() {
		d, err := open(t.TempDir())
		require.NoError(t, err)
		all[name] = d
		all["hook on "+name] = disktest.Hook(d, func(disktest.Op) error { return nil })
		sub, err := open(t.TempDir())
		require.NoError(t, err)
		require.NoError(t, sub.Mkdir("a"))
		all["hook on "+name], err = disktest.Hook(sub, func(disktest.Op) error { return nil }).Sub("a")
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, sub.Close()) })
	}
	for _, d := range all {
		t.Cleanup(func() { assert.NoError(t, d.Close()) })
	}
	return all
}

func write(t *testing.T, d disk.Dir, name, text string) {
	t.Helper()
	f, err := d.Create(name)
	require.NoError(t, err)
	n, err := f.Write([]byte(text))
	require.NoError(t, err)
	assert.Equal(t, len(text), n)
	require.NoError(t, f.Close())
}

func read(t *testing.T, d disk.Dir, name string) string {
	t.Helper()
	f, err := d.Open(name)
	require.NoError(t, err)
	text, err := io.ReadAll(f)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	return string(text)
}

func list(t *testing.T, d disk.Dir, name string) string {
	t.Helper()
	entries, err := d.ReadDir(name)
	require.NoError(t, err)
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
		if e.IsDir() {
			names[i] += "/"
		}
		info, err := e.Info()
		require.NoError(t, err)
		assert.Equal(t, e.Name(), info.Name())
		assert.Equal(t, e.Type(), info.Mode().Type())
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// TestBehaviour does the same to every Dir.
func TestBehaviour(t *testing.T) {
	for _, b := range behaviours() {
		t.Run(b.name, func(t *testing.T) {
			for name, d := range dirs(t) {
				t.Run(name, func(t *testing.T) { b.test(t, d) })
			}
		})
	}
}

type behaviour struct {
	name string
	test func(t *testing.T, d disk.Dir)
}

func behaviours() []behaviour {
	return []behaviour{
		{"write and read", testWriteRead},
		{"modes of opening", testOpening},
		{"create", testCreate},
		{"read and write at", testAt},
		{"truncate", testTruncate},
		{"move", testMove},
		{"same file", testSame},

		{"move directories", testMoveDirectories},
		{"replace", testReplace},
		{"remove", testRemove},
		{"directories", testDirectories},
		{"names", testNames},
		{"not there", testNotThere},
		{"files for directories", testFileForDirectory},
		{"time", testTime},
		{"sync", testSync},
		{"lock", testLock},
		{"sub", testSub},
		{"closed", testClosed},
		{"replaced directory", testReplacedDirectory},
		{"many directories", testManyDirectories},
		{"at the same time", testConcurrent},
	}
}

func testWriteRead(t *testing.T, d disk.Dir) {
	require.NoError(t, d.Mkdir("tmp"))
	big := strings.Repeat("0123456789", 20000)
	write(t, d, "tmp/a", big)
	write(t, d, "\xff", "")
	assert.Equal(t, big, read(t, d, "tmp/a"))
	assert.Equal(t, "", read(t, d, "\xff"))
	f, err := d.Open("tmp/a")
	require.NoError(t, err)
	n, err := f.Read(nil)
	assert.NoError(t, err)
	assert.Zero(t, n)
	part := make([]byte, 3)
	_, err = io.ReadFull(f, part)
	require.NoError(t, err)
	assert.Equal(t, "012", string(part))
	_, err = io.ReadFull(f, part)
	require.NoError(t, err)
	assert.Equal(t, "345", string(part))
	info, err := f.Stat()
	require.NoError(t, err)
	assert.Equal(t, int64(len(big)), info.Size())
	assert.Equal(t, "a", info.Name())
	assert.True(t, info.Mode().IsRegular())
	assert.Equal(t, fs.FileMode(0o600), info.Mode().Perm())
	require.NoError(t, f.Close())
	assert.ErrorIs(t, f.Close(), fs.ErrClosed)
	_, err = f.Read(part)
	assert.ErrorIs(t, err, fs.ErrClosed)
	_, err = f.Stat()
	assert.ErrorIs(t, err, fs.ErrClosed)
	_, err = f.Write(part)
	assert.ErrorIs(t, err, fs.ErrClosed)
	assert.ErrorIs(t, f.Sync(), fs.ErrClosed)
	assert.ErrorIs(t, f.Truncate(0), fs.ErrClosed)
	assert.ErrorIs(t, f.Lock(), fs.ErrClosed)
}

func testOpening(t *testing.T, d disk.Dir) {
	write(t, d, "a", "abc")
	f, err := d.Open("a")
	require.NoError(t, err)
	_, err = f.Write([]byte("x"))
	assert.Error(t, err, "Open is for reading")
	assert.Error(t, f.Truncate(0))
	require.NoError(t, f.Close())

	f, err = d.Create("b")
	require.NoError(t, err)
	_, err = f.Read(make([]byte, 1))
	assert.Error(t, err, "Create is for writing")
	require.NoError(t, f.Close())

	f, err = d.OpenRW("a")
	require.NoError(t, err)
	_, err = f.Write([]byte("x"))
	require.NoError(t, err)
	rest, err := io.ReadAll(f)
	require.NoError(t, err)
	assert.Equal(t, "bc", string(rest))
	require.NoError(t, f.Close())
	assert.Equal(t, "xbc", read(t, d, "a"))

	f, err = d.OpenRW("new")
	require.NoError(t, err)
	info, err := f.Stat()
	require.NoError(t, err)
	assert.Equal(t, fs.FileMode(0o600), info.Mode())
	_, err = f.Write([]byte("x"))
	require.NoError(t, err)
	_, err = f.ReadAt(make([]byte, 1), 0)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	assert.Equal(t, "x", read(t, d, "new"))

	// What is removed or moved while it is open stays open.
	f, err = d.OpenRW("new")
	require.NoError(t, err)
	require.NoError(t, d.Remove("new"))
	_, err = f.WriteAt([]byte("y"), 1)
	require.NoError(t, err)
	all, err := io.ReadAll(f)
	require.NoError(t, err)
	assert.Equal(t, "xy", string(all))
	require.NoError(t, f.Close())

	require.NoError(t, d.Mkdir("dir"))
	_, err = d.Open("dir")
	assert.ErrorIs(t, err, fs.ErrInvalid)
	_, err = d.Open(".")
	assert.ErrorIs(t, err, fs.ErrInvalid)
	_, err = d.OpenRW("dir")
	assert.ErrorIs(t, err, fs.ErrInvalid)
}

func testCreate(t *testing.T, d disk.Dir) {
	write(t, d, "a", "abc")
	require.NoError(t, d.Mkdir("dir"))
	for _, name := range []string{"a", "dir", "."} {
		_, err := d.Create(name)
		assert.ErrorIs(t, err, fs.ErrExist, name)
		assert.ErrorIs(t, d.Mkdir(name), fs.ErrExist, name)
	}
	assert.Equal(t, "abc", read(t, d, "a"))
	assert.Equal(t, "a dir/", list(t, d, "."))
}

func testAt(t *testing.T, d disk.Dir) {
	f, err := d.OpenRW("a")
	require.NoError(t, err)
	defer f.Close()
	for at, text := range map[int64]string{0: "ab", 4: "efgh"} {
		n, err := f.WriteAt([]byte(text), at)
		require.NoError(t, err)
		assert.Equal(t, len(text), n)
	}
	assert.Equal(t, "ab\x00\x00efgh", read(t, d, "a"))
	p := make([]byte, 4)
	n, err := f.ReadAt(p, 4)
	if err != io.EOF {
		require.NoError(t, err)
	}
	assert.Equal(t, "efgh", string(p[:n]))
	n, err = f.ReadAt(p, 6)
	assert.Equal(t, io.EOF, err)
	assert.Equal(t, "gh", string(p[:n]))
	n, err = f.ReadAt(p, 100)
	assert.Equal(t, io.EOF, err)
	assert.Zero(t, n)
	_, err = f.ReadAt(p, -1)
	assert.Error(t, err)
	_, err = f.WriteAt(p, -1)
	assert.Error(t, err)
	// Neither has moved where Read and Write are.
	_, err = f.Write([]byte("A"))
	require.NoError(t, err)
	assert.Equal(t, "Ab\x00\x00efgh", read(t, d, "a"))
}

func testTruncate(t *testing.T, d disk.Dir) {
	write(t, d, "a", "abcdef")
	f, err := d.OpenRW("a")
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, f.Truncate(2))
	assert.Equal(t, "ab", read(t, d, "a"))
	require.NoError(t, f.Truncate(4))
	assert.Equal(t, "ab\x00\x00", read(t, d, "a"))
	assert.Error(t, f.Truncate(-1))
}

// testSame: a file that is open is known for the one of its name, until another
// takes its place.
func testSame(t *testing.T, d disk.Dir) {
	write(t, d, "a", "one")
	write(t, d, "b", "one")
	f, err := d.OpenRW("a")
	require.NoError(t, err)
	defer f.Close()
	same := func(name string) bool {
		open, err := f.Stat()
		require.NoError(t, err)
		there, err := d.Lstat(name)
		require.NoError(t, err)
		return disk.SameFile(open, there)
	}
	assert.True(t, same("a"))
	assert.False(t, same("b"))
	require.NoError(t, d.Move("a", "c"))
	assert.True(t, same("c"))
	require.NoError(t, d.Replace("b", "c"))
	assert.False(t, same("c"))
}

func testMove(t *testing.T, d disk.Dir) {
	require.NoError(t, d.Mkdir("tmp"))
	require.NoError(t, d.Mkdir("cur"))
	write(t, d, "tmp/a", "a")
	write(t, d, "tmp/b", "b")
	require.NoError(t, d.Move("tmp/a", "cur/a"))
	assert.ErrorIs(t, d.Move("tmp/b", "cur/a"), fs.ErrExist, "Move never replaces")
	assert.ErrorIs(t, d.Move("tmp/b", "tmp/b"), fs.ErrExist)
	assert.ErrorIs(t, d.Move("tmp/b", "cur"), fs.ErrExist)
	assert.ErrorIs(t, d.Move("tmp/b", "nowhere/b"), fs.ErrNotExist)
	assert.ErrorIs(t, d.Move("tmp/none", "cur/none"), fs.ErrNotExist)
	assert.ErrorIs(t, d.Move("nowhere/b", "cur/none"), fs.ErrNotExist)
	assert.Equal(t, "b", list(t, d, "tmp"))
	assert.Equal(t, "a", read(t, d, "cur/a"))
	assert.Equal(t, "b", read(t, d, "tmp/b"))
	require.NoError(t, d.Move("tmp/b", "tmp/c"))
	assert.Equal(t, "c", list(t, d, "tmp"))
}

func testMoveDirectories(t *testing.T, d disk.Dir) {
	for _, name := range []string{"a", "a/b", "a/b/c", "x"} {
		require.NoError(t, d.Mkdir(name))
	}
	write(t, d, "a/b/c/1", "1")
	require.NoError(t, d.Move("a/b", "x/y"))
	_, err := d.Lstat("a/b/c/1")
	assert.ErrorIs(t, err, fs.ErrNotExist)
	assert.Equal(t, "1", read(t, d, "x/y/c/1"))
	// The names are another directory's now.
	require.NoError(t, d.Mkdir("a/b"))
	require.NoError(t, d.Mkdir("a/b/c"))
	write(t, d, "a/b/c/2", "2")
	assert.Equal(t, "2", list(t, d, "a/b/c"))
	assert.Equal(t, "1", list(t, d, "x/y/c"))
	assert.Error(t, d.Move("a", "a/b/d"))
	assert.ErrorIs(t, d.Move("a", "x"), fs.ErrExist)
	assert.Equal(t, "2", read(t, d, "a/b/c/2"))
}

func testReplace(t *testing.T, d disk.Dir) {
	require.NoError(t, d.Mkdir("dir"))
	write(t, d, "a", "a")
	write(t, d, "b", "b")
	write(t, d, "dir/c", "c")
	require.NoError(t, d.Replace("a", "b"))
	assert.Equal(t, "a", read(t, d, "b"))
	require.NoError(t, d.Replace("b", "dir/c"))
	assert.Equal(t, "a", read(t, d, "dir/c"))
	require.NoError(t, d.Replace("dir/c", "new"))
	assert.Equal(t, "dir/ new", list(t, d, "."))
	require.NoError(t, d.Replace("new", "new"))
	assert.Error(t, d.Replace("new", "dir"))
	assert.Error(t, d.Replace("dir", "new"))
	assert.ErrorIs(t, d.Replace("none", "new"), fs.ErrNotExist)
	assert.ErrorIs(t, d.Replace("new", "none/new"), fs.ErrNotExist)
	assert.Equal(t, "a", read(t, d, "new"))
}

func testRemove(t *testing.T, d disk.Dir) {
	require.NoError(t, d.Mkdir("dir"))
	write(t, d, "dir/a", "a")
	assert.ErrorIs(t, d.Remove("dir"), fs.ErrExist, "it is not empty")
	require.NoError(t, d.Remove("dir/a"))
	assert.ErrorIs(t, d.Remove("dir/a"), fs.ErrNotExist)
	require.NoError(t, d.Remove("dir"))
	assert.ErrorIs(t, d.Remove("dir"), fs.ErrNotExist)
	assert.Error(t, d.Remove("."))
	assert.Equal(t, "", list(t, d, "."))
}

func testDirectories(t *testing.T, d disk.Dir) {
	require.NoError(t, d.Mkdir("a"))
	assert.ErrorIs(t, d.Mkdir("b/c"), fs.ErrNotExist)
	require.NoError(t, d.Mkdir("a/b"))
	write(t, d, "a/f", "")
	info, err := d.Lstat("a/b")
	require.NoError(t, err)
	assert.True(t, info.IsDir())
	assert.Equal(t, "b", info.Name())
	assert.Equal(t, fs.FileMode(0o700), info.Mode().Perm())
	info, err = d.Lstat(".")
	require.NoError(t, err)
	assert.True(t, info.IsDir())
	assert.Equal(t, "a/", list(t, d, "."))
	assert.Equal(t, "b/ f", list(t, d, "a"))
	assert.Equal(t, "", list(t, d, "a/b"))
	_, err = d.ReadDir("a/f")
	assert.Error(t, err)
	_, err = d.ReadDir("none")
	assert.ErrorIs(t, err, fs.ErrNotExist)
	assert.NoError(t, d.SyncDir("."))
	assert.NoError(t, d.SyncDir("a/b"))
}

// operations is one of each on a name.
func operations(d disk.Dir) map[string]func(name string) error {
	closed := func(f disk.File, err error) error {
		if err == nil {
			_ = f.Close()
		}
		return err
	}
	return map[string]func(name string) error{
		"open":     func(name string) error { return closed(d.Open(name)) },
		"create":   func(name string) error { return closed(d.Create(name)) },
		"openrw":   func(name string) error { return closed(d.OpenRW(name)) },
		"from":     func(name string) error { return d.Move(name, "to") },
		"to":       func(name string) error { return d.Move("from", name) },
		"old":      func(name string) error { return d.Replace(name, "to") },
		"new":      func(name string) error { return d.Replace("from", name) },
		"remove":   func(name string) error { return d.Remove(name) },
		"mkdir":    func(name string) error { return d.Mkdir(name) },
		"settime":  func(name string) error { return d.SetTime(name, time.Unix(0, 0)) },
		"lstat":    func(name string) error { _, err := d.Lstat(name); return err },
		"readdir":  func(name string) error { _, err := d.ReadDir(name); return err },
		"sync":     func(name string) error { return d.SyncFiles([]string{name}) },
		"sync all": func(name string) error { return d.SyncFiles(slices.Repeat([]string{name}, 9)) },
		"syncdir":  func(name string) error { return d.SyncDir(name) },
		"sub": func(name string) error {
			sub, err := d.Sub(name)
			if err == nil {
				_ = sub.Close()
			}
			return err
		},
	}
}

func testNames(t *testing.T, d disk.Dir) {
	require.NoError(t, d.Mkdir("a"))
	write(t, d, "from", "")
	for _, name := range []string{"", "/", "/a", "a/", "a//b", "..", "../a", "a/..", "a/../b", "./a", "a/.", "a/./b", "a\x00", "\x00", "a\x00/b", "a/../../b"} {
		for op, do := range operations(d) {
			err := do(name)
			assert.ErrorIs(t, err, fs.ErrInvalid, "%s %q", op, name)
			var p *fs.PathError
			assert.ErrorAs(t, err, &p, "%s %q", op, name)
		}
	}
	assert.Equal(t, "a/ from", list(t, d, "."))
	for _, name := range []string{"...", "..a", "a..", " ", "-", "a\nb", "é", "cur:2,S"} {
		write(t, d, name, name)
		assert.Equal(t, name, read(t, d, name))
	}
}

func testNotThere(t *testing.T, d disk.Dir) {
	require.NoError(t, d.Mkdir("dir"))
	write(t, d, "from", "")
	for op, do := range operations(d) {
		if op != "create" && op != "openrw" && op != "mkdir" && op != "to" && op != "new" && op != "sync all" {
			assert.ErrorIs(t, do("none"), fs.ErrNotExist, op)
			assert.ErrorIs(t, do("dir/none"), fs.ErrNotExist, op)
		}
		if op != "sync all" {
			assert.ErrorIs(t, do("none/none"), fs.ErrNotExist, op)
		}
	}
}

func testFileForDirectory(t *testing.T, d disk.Dir) {
	write(t, d, "file", "x")
	write(t, d, "from", "x")
	for op, do := range operations(d) {
		assert.Error(t, do("file/x"), op)
	}
	assert.Error(t, operations(d)["sub"]("file"))
	assert.Error(t, operations(d)["syncdir"]("file"))
	assert.ErrorIs(t, operations(d)["sync"]("."), fs.ErrInvalid)
	assert.Equal(t, "x", read(t, d, "file"))
}

func testTime(t *testing.T, d disk.Dir) {
	require.NoError(t, d.Mkdir("cur"))
	write(t, d, "cur/a", "x")
	for _, at := range []time.Time{time.Unix(1700000000, 0), time.Unix(1, 0), time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)} {
		require.NoError(t, d.SetTime("cur/a", at))
		info, err := d.Lstat("cur/a")
		require.NoError(t, err)
		assert.True(t, at.Equal(info.ModTime()), "%v %v", at, info.ModTime())
	}
	require.NoError(t, d.Move("cur/a", "cur/b"))
	info, err := d.Lstat("cur/b")
	require.NoError(t, err)
	assert.Equal(t, 2030, info.ModTime().UTC().Year())
}

func testSync(t *testing.T, d disk.Dir) {
	require.NoError(t, d.Mkdir("tmp"))
	var names []string
	for i := range 30 {
		name := fmt.Sprintf("tmp/%d", i)
		if i%7 == 0 {
			name = fmt.Sprint(i)
		}
		write(t, d, name, "x")
		names = append(names, name)
	}
	for _, n := range []int{0, 1, 7, 8, 30} {
		given := slices.Clone(names[:n])
		assert.NoError(t, d.SyncFiles(given))
		assert.Equal(t, names[:n], given, "the names are the caller's")
	}
	assert.NoError(t, d.SyncDir("tmp"))
	assert.NoError(t, d.SyncDir("."))
	f, err := d.OpenRW("tmp/1")
	require.NoError(t, err)
	assert.NoError(t, f.Sync())
	require.NoError(t, f.Close())
	f, err = d.Open("tmp/1")
	require.NoError(t, err)
	assert.NoError(t, f.Sync())
	require.NoError(t, f.Close())
}

func testLock(t *testing.T, d disk.Dir) {
	one, err := d.OpenRW("lock")
	require.NoError(t, err)
	two, err := d.OpenRW("lock")
	require.NoError(t, err)
	require.NoError(t, one.Lock())
	require.NoError(t, one.Lock(), "who has it may ask again")
	assert.ErrorIs(t, two.Lock(), disk.ErrLocked)
	other, err := d.OpenRW("lock")
	require.NoError(t, err)
	require.NoError(t, other.Close())
	assert.ErrorIs(t, two.Lock(), disk.ErrLocked, "another File was closed, not the one that has it")
	require.NoError(t, one.Close())
	require.NoError(t, two.Lock())
	require.NoError(t, two.Close())
}

func testSub(t *testing.T, d disk.Dir) {
	require.NoError(t, d.Mkdir("a"))
	require.NoError(t, d.Mkdir("a/b"))
	sub, err := d.Sub("a/b")
	require.NoError(t, err)
	write(t, sub, "f", "x")
	assert.Equal(t, "x", read(t, d, "a/b/f"))
	_, err = sub.Open("../b/f")
	assert.ErrorIs(t, err, fs.ErrInvalid)
	require.NoError(t, d.Remove("a/b/f"))
	assert.Equal(t, "", list(t, sub, "."))
	again, err := sub.Sub(".")
	require.NoError(t, err)
	require.NoError(t, sub.Close())
	write(t, again, "g", "x")
	require.NoError(t, again.Close())
	assert.Equal(t, "g", list(t, d, "a/b"))
}

func testClosed(t *testing.T, d disk.Dir) {
	require.NoError(t, d.Mkdir("sub"))
	sub, err := d.Sub("sub")
	require.NoError(t, err)
	require.NoError(t, sub.Mkdir("a"))
	f, err := sub.Create("a/f")
	require.NoError(t, err)
	require.NoError(t, sub.Close())
	require.NoError(t, sub.Close())
	for op, do := range operations(sub) {
		assert.ErrorIs(t, do("a"), fs.ErrClosed, op)
	}
	_, err = f.Write([]byte("x"))
	assert.NoError(t, err, "files stay open")
	require.NoError(t, f.Close())
	assert.Equal(t, "x", read(t, d, "sub/a/f"))
}

// testReplacedDirectory takes a directory away under a Dir that has used it.
func testReplacedDirectory(t *testing.T, d disk.Dir) {
	other, err := d.Sub(".")
	require.NoError(t, err)
	defer other.Close()
	require.NoError(t, d.Mkdir("tmp"))
	write(t, d, "tmp/a", "old")
	require.NoError(t, other.Remove("tmp/a"))
	require.NoError(t, other.Remove("tmp"))
	_, err = d.Create("tmp/b")
	assert.ErrorIs(t, err, fs.ErrNotExist)
	require.NoError(t, other.Mkdir("tmp"))
	write(t, d, "tmp/c", "new")
	assert.Equal(t, "c", list(t, other, "tmp"))
	write(t, d, "x", "")
	require.NoError(t, other.Remove("tmp/c"))
	require.NoError(t, other.Remove("tmp"))
	require.NoError(t, other.Mkdir("tmp"))
	require.NoError(t, d.Move("x", "tmp/x"))
	require.NoError(t, d.Remove("tmp/x"))
	require.NoError(t, d.Remove("tmp"))
	assert.Equal(t, "", list(t, other, "."))
}

func testManyDirectories(t *testing.T, d disk.Dir) {
	for round := range 2 {
		for i := range 20 {
			dir := fmt.Sprint(i)
			if round == 0 {
				require.NoError(t, d.Mkdir(dir))
			}
			write(t, d, fmt.Sprintf("%s/%d", dir, round), dir)
		}
	}
	for i := range 20 {
		assert.Equal(t, "0 1", list(t, d, fmt.Sprint(i)))
	}
	for i := range 20 {
		require.NoError(t, d.Move(fmt.Sprintf("%d/0", i), fmt.Sprintf("%d/x%d", (i+1)%20, i)))
	}
	assert.Equal(t, "2", read(t, d, "3/x2"))
}

func testConcurrent(t *testing.T, d disk.Dir) {
	require.NoError(t, d.Mkdir("tmp"))
	require.NoError(t, d.Mkdir("cur"))
	var wait sync.WaitGroup
	for g := range 4 {
		wait.Go(func() {
			for i := range 50 {
				name := fmt.Sprintf("%d-%d", g, i)
				f, err := d.Create("tmp/" + name)
				if !assert.NoError(t, err) {
					return
				}
				_, err = f.Write(bytes.Repeat([]byte("x"), i))
				assert.NoError(t, err)
				assert.NoError(t, f.Close())
				assert.NoError(t, d.Move("tmp/"+name, "cur/"+name))
				_, err = d.ReadDir("cur")
				assert.NoError(t, err)
			}
			assert.NoError(t, d.SyncDir("cur"))
		})
	}
	wait.Wait()
	entries, err := d.ReadDir("cur")
	require.NoError(t, err)
	assert.Len(t, entries, 200)
}
