//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package disk_test

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/postroom-go/postroom/internal/disk"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// eachOpen runs test for every way to open a real directory, which is in/, beside
// out/ with a file "secret" and a directory "dir".
func eachOpen(t *testing.T, test func(t *testing.T, top string, d disk.Dir)) {
	for name, open := range openers() {
		t.Run(name, func(t *testing.T) {
			top := t.TempDir()
			for _, dir := range []string{"in", "out", "out/dir"} {
				require.NoError(t, os.Mkdir(filepath.Join(top, dir), 0o700))
			}
			require.NoError(t, os.WriteFile(filepath.Join(top, "out/secret"), []byte("secret"), 0o600))
			d, err := open(filepath.Join(top, "in"))
			require.NoError(t, err)
			defer d.Close()
			test(t, top, d)
		})
	}
}

// untouched says that nothing has happened in out/.
func untouched(t *testing.T, top string) {
	t.Helper()
	var names []string
	require.NoError(t, filepath.WalkDir(filepath.Join(top, "out"), func(name string, _ fs.DirEntry, err error) error {
		name, _ = filepath.Rel(top, name)
		names = append(names, name)
		return err
	}))
	assert.Equal(t, []string{"out", "out/dir", "out/secret"}, names)
	text, err := os.ReadFile(filepath.Join(top, "out/secret"))
	require.NoError(t, err)
	assert.Equal(t, "secret", string(text))
	info, err := os.Stat(filepath.Join(top, "out/secret"))
	require.NoError(t, err)
	assert.WithinDuration(t, time.Now(), info.ModTime(), time.Hour)
	assert.Equal(t, fs.FileMode(0o600), info.Mode())
}

func TestHostile(t *testing.T) {
	t.Run("local-symlink", func(t *testing.T) {
		t.Run("file", testLinkForFile)
		t.Run("directory", testLinkForDirectory)
		t.Run("kept directory", testLinkForKeptDirectory)
		t.Run("race", testRace)
		t.Run("race of files", testFileRace)
		t.Run("control", testLinkControl)
	})
	t.Run("local-collision", testCollision)
	t.Run("local-perm", testUmask)
}

func testLinkForFile(t *testing.T) {
	eachOpen(t, func(t *testing.T, top string, d disk.Dir) {
		require.NoError(t, d.Mkdir("cur"))
		write(t, d, "from", "")
		write(t, d, "file", "file")
		links := map[string]string{
			"absolute": filepath.Join(top, "out/secret"),
			"relative": "../../out/secret",
			"dangling": "../../out/new",
			"inside":   "../file",
			"here":     "none",
			"loop":     "loop",
			"dir":      "../../out/dir",
			"self":     ".",
		}
		for name, target := range links {
			name = "cur/" + name
			require.NoError(t, os.Symlink(target, filepath.Join(top, "in", name)))
			ops := operations(d)
			for _, op := range []string{"open", "openrw", "sync"} {
				assert.ErrorIs(t, ops[op](name), fs.ErrInvalid, "%s %s", op, name)
			}
			for _, op := range []string{"create", "mkdir", "to"} {
				assert.ErrorIs(t, ops[op](name), fs.ErrExist, "%s %s", op, name)
			}
			for _, op := range []string{"readdir", "syncdir", "sub"} {
				assert.Error(t, ops[op](name), "%s %s", op, name)
			}
			_ = ops["settime"](name)
			info, err := d.Lstat(name)
			require.NoError(t, err)
			assert.Equal(t, fs.ModeSymlink, info.Mode().Type())
			// A link is a name like any other to what only changes names.
			require.NoError(t, d.Move(name, "cur/moved"))
			write(t, d, "replacing", "new")
			require.NoError(t, d.Replace("replacing", "cur/moved"))
			assert.Equal(t, "new", read(t, d, "cur/moved"))
			require.NoError(t, os.Symlink(target, filepath.Join(top, "in", name)))
			require.NoError(t, d.Remove(name))
			require.NoError(t, d.Remove("cur/moved"))
		}
		untouched(t, top)
		assert.Equal(t, "file", read(t, d, "file"))
		assert.Equal(t, "cur/ file from", list(t, d, "."))
	})
}

func testLinkForDirectory(t *testing.T) {
	eachOpen(t, func(t *testing.T, top string, d disk.Dir) {
		require.NoError(t, d.Mkdir("real"))
		require.NoError(t, d.Mkdir("real/dir"))
		write(t, d, "real/secret", "real")
		write(t, d, "from", "")
		for i, target := range []string{filepath.Join(top, "out"), "../out", "real"} {
			name := fmt.Sprint("link", i)
			require.NoError(t, os.Symlink(target, filepath.Join(top, "in", name)))
			for op, do := range operations(d) {
				for _, last := range []string{"/secret", "/new", "/dir", "/dir/new"} {
					if op == "sync all" {
						// It may say nothing of files that are not there, if it
						// did not look.
						_ = do(name + last)
						continue
					}
					assert.ErrorIs(t, do(name+last), fs.ErrInvalid, "%s %s", op, name+last)
				}
			}
			for _, op := range []string{"readdir", "syncdir", "sub"} {
				assert.ErrorIs(t, operations(d)[op](name), fs.ErrInvalid, op)
			}
		}
		untouched(t, top)
		assert.Equal(t, "dir/ secret", list(t, d, "real"))
	})
}

// testLinkForKeptDirectory puts the link in the place of a directory that has
// just been used: what was used may be used on, but not the link.
func testLinkForKeptDirectory(t *testing.T) {
	eachOpen(t, func(t *testing.T, top string, d disk.Dir) {
		in := filepath.Join(top, "in")
		require.NoError(t, d.Mkdir("tmp"))
		write(t, d, "tmp/a", "a")
		require.NoError(t, os.Rename(filepath.Join(in, "tmp"), filepath.Join(in, "moved")))
		require.NoError(t, os.Symlink("../out", filepath.Join(in, "tmp")))
		f, err := d.Create("tmp/b")
		if err == nil {
			require.NoError(t, f.Close())
			assert.Equal(t, "a b", list(t, d, "moved"))
		} else {
			assert.ErrorIs(t, err, fs.ErrInvalid)
		}
		assert.ErrorIs(t, d.SyncDir("tmp"), fs.ErrInvalid, "or somebody would count on it")
		_, err = d.Create("tmp/c")
		assert.ErrorIs(t, err, fs.ErrInvalid)
		_, err = d.ReadDir("tmp")
		assert.ErrorIs(t, err, fs.ErrInvalid)
		untouched(t, top)
	})
}

// swap has what two names have, in/a and in/b, take a third by turns while try is
// called, until it has said some times that it won the race.
func swap(t *testing.T, top, third string, try func(i int) bool) {
	at := func(name string) string { return filepath.Join(top, "in", name) }
	var stop atomic.Bool
	var wait sync.WaitGroup
	wait.Go(func() {
		for !stop.Load() {
			for _, name := range []string{"a", "b"} {
				assert.NoError(t, os.Rename(at(name), at(third)))
				assert.NoError(t, os.Rename(at(third), at(name)))
			}
		}
	})
	won := 0
	for i := 0; i < 2000 || won < 10 && i < 1000000; i++ {
		if try(i) {
			won++
		}
	}
	stop.Store(true)
	wait.Wait()
	assert.GreaterOrEqual(t, won, 10, "a race that is never won proves nothing")
}

// raceLinks has a directory and a link to out/dir take the name of tmp.
func raceLinks(t *testing.T, top string, try func(name string) bool) {
	require.NoError(t, os.Mkdir(filepath.Join(top, "in/a"), 0o700))
	require.NoError(t, os.Symlink("../out/dir", filepath.Join(top, "in/b")))
	swap(t, top, "tmp", func(i int) bool { return try(fmt.Sprintf("tmp/%d", i)) })
}

func testRace(t *testing.T) {
	eachOpen(t, func(t *testing.T, top string, d disk.Dir) {
		raceLinks(t, top, func(name string) bool {
			made, err := d.Create(name)
			if err == nil {
				_ = made.Close()
			}
			if f, err := d.OpenRW(name + "x"); err == nil {
				_ = f.Close()
			}
			_ = d.Mkdir(name + "d")
			_ = d.Move(name, name+"y")
			_ = d.SetTime(name+"y", time.Unix(0, 0))
			if sub, err := d.Sub("tmp"); err == nil {
				if f, err := sub.Create(name[len("tmp/"):] + "z"); err == nil {
					_ = f.Close()
				}
				_ = sub.Close()
			}
			_, _ = d.ReadDir("tmp")
			return err == nil
		})
		untouched(t, top)
	})
}

// testFileRace has a file and a link to another file follow each other.
func testFileRace(t *testing.T) {
	read := func(f io.ReadCloser, err error) string {
		if err != nil {
			return ""
		}
		defer f.Close()
		text, err := io.ReadAll(f)
		require.NoError(t, err)
		return string(text)
	}
	prepare := func(top string) {
		at := func(name string) string { return filepath.Join(top, "in", name) }
		require.NoError(t, os.WriteFile(at("a"), []byte("right"), 0o600))
		require.NoError(t, os.WriteFile(at("other"), []byte("wrong"), 0o600))
		require.NoError(t, os.Symlink("other", at("b")))
	}
	eachOpen(t, func(t *testing.T, top string, d disk.Dir) {
		prepare(top)
		swap(t, top, "x", func(int) bool {
			text := read(d.Open("x"))
			assert.NotEqual(t, "wrong", text)
			return text == "right"
		})
	})
	t.Run("control", func(t *testing.T) {
		top := t.TempDir()
		require.NoError(t, os.Mkdir(filepath.Join(top, "in"), 0o700))
		prepare(top)
		root, err := os.OpenRoot(filepath.Join(top, "in"))
		require.NoError(t, err)
		defer root.Close()
		swap(t, top, "x", func(int) bool { return read(root.Open("x")) == "wrong" })
	})
}

// testLinkControl shows that the attacks work where nothing defends.
func testLinkControl(t *testing.T) {
	top := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(top, "in"), 0o700))
	require.NoError(t, os.MkdirAll(filepath.Join(top, "out/dir"), 0o700))
	// O_EXCL looks at the last element only.
	raceLinks(t, top, func(name string) bool {
		f, err := os.OpenFile(filepath.Join(top, "in", name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return false
		}
		_ = f.Close()
		_, err = os.Lstat(filepath.Join(top, "out/dir", filepath.Base(name)))
		return err == nil
	})
	require.NoError(t, os.Symlink("../out/new", filepath.Join(top, "in/link")))
	f, err := os.OpenFile(filepath.Join(top, "in/link"), os.O_CREATE|os.O_RDWR, 0o600)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	_, err = os.Stat(filepath.Join(top, "out/new"))
	assert.NoError(t, err, "a dangling link makes its target")
	// os.Root follows what stays inside, whatever the flags.
	require.NoError(t, os.WriteFile(filepath.Join(top, "in/file"), nil, 0o600))
	require.NoError(t, os.Symlink("file", filepath.Join(top, "in/inner")))
	root, err := os.OpenRoot(filepath.Join(top, "in"))
	require.NoError(t, err)
	defer root.Close()
	f, err = root.OpenFile("inner", os.O_RDONLY|syscall.O_NOFOLLOW, 0)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

// testCollision has many want one name, of which one gets it.
func testCollision(t *testing.T) {
	eachOpen(t, func(t *testing.T, top string, d disk.Dir) {
		if strings.HasSuffix(t.Name(), "/oldest") {
			return // no system call there never replaces
		}
		for round := range 50 {
			var wait sync.WaitGroup
			one := fmt.Sprint("one", round)
			var got []string
			var mu sync.Mutex
			for g := range 4 {
				name := fmt.Sprint(round, "-", g)
				write(t, d, name, name)
				wait.Go(func() {
					err := d.Move(name, one)
					mu.Lock()
					defer mu.Unlock()
					if err == nil {
						got = append(got, name)
					} else {
						assert.ErrorIs(t, err, fs.ErrExist)
					}
				})
			}
			wait.Wait()
			if assert.Len(t, got, 1) {
				assert.Equal(t, got[0], read(t, d, one))
			}
		}
	})
	t.Run("control", func(t *testing.T) {
		t.Chdir(t.TempDir())
		for _, name := range []string{"a", "b"} {
			require.NoError(t, os.WriteFile(name, []byte(name), 0o600))
			require.NoError(t, os.Rename(name, "one"), "it replaces")
		}
		text, err := os.ReadFile("one")
		require.NoError(t, err)
		assert.Equal(t, "b", string(text))
	})
}

func testUmask(t *testing.T) {
	for _, mask := range []int{0, 0o022, 0o277, 0o777} {
		t.Run(fmt.Sprintf("%#o", mask), func(t *testing.T) {
			eachOpen(t, func(t *testing.T, top string, d disk.Dir) {
				old := syscall.Umask(mask)
				defer syscall.Umask(old)
				require.NoError(t, d.Mkdir("dir"))
				write(t, d, "dir/file", "x")
				f, err := d.OpenRW("dir/rw")
				require.NoError(t, err)
				require.NoError(t, f.Close())
				for name, want := range map[string]fs.FileMode{"dir": fs.ModeDir | 0o700, "dir/file": 0o600, "dir/rw": 0o600} {
					info, err := os.Lstat(filepath.Join(top, "in", name))
					require.NoError(t, err)
					assert.Equal(t, want, info.Mode(), name)
				}
				made := filepath.Join(top, "in/new/one/two")
				opened, err := disk.OpenNew(made)
				require.NoError(t, err)
				require.NoError(t, opened.Close())
				for ; made != filepath.Join(top, "in"); made = filepath.Dir(made) {
					info, err := os.Lstat(made)
					require.NoError(t, err)
					assert.Equal(t, fs.ModeDir|0o700, info.Mode(), made)
				}
			})
		})
	}
	t.Run("control", func(t *testing.T) {
		name := filepath.Join(t.TempDir(), "file")
		old := syscall.Umask(0o777)
		defer syscall.Umask(old)
		f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		require.NoError(t, err)
		defer f.Close()
		info, err := f.Stat()
		require.NoError(t, err)
		assert.Zero(t, info.Mode(), "not even its owner may read it")
	})
}

// TestIrregular opens what is no regular file. A FIFO would wait for its other
// end, for ever.
func TestIrregular(t *testing.T) {
	eachOpen(t, func(t *testing.T, top string, d disk.Dir) {
		require.NoError(t, syscall.Mkfifo(filepath.Join(top, "in/fifo"), 0o600))
		fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
		require.NoError(t, err)
		defer syscall.Close(fd)
		// The name of a socket must be short.
		t.Chdir(filepath.Join(top, "in"))
		require.NoError(t, syscall.Bind(fd, &syscall.SockaddrUnix{Name: "socket"}))
		for name, kind := range map[string]fs.FileMode{"fifo": fs.ModeNamedPipe, "socket": fs.ModeSocket} {
			for _, op := range []string{"open", "openrw", "sync"} {
				assert.ErrorIs(t, operations(d)[op](name), fs.ErrInvalid, "%s %s", op, name)
			}
			info, err := d.Lstat(name)
			require.NoError(t, err)
			assert.Equal(t, kind, info.Mode().Type())
		}
		assert.Equal(t, "fifo socket", list(t, d, "."))
	})
}

func TestOpenNew(t *testing.T) {
	top := t.TempDir()
	name := filepath.Join(top, "a/b/c")
	_, err := disk.Open(name)
	assert.ErrorIs(t, err, fs.ErrNotExist)
	for range 2 {
		d, err := disk.OpenNew(name)
		require.NoError(t, err)
		f, err := d.OpenRW("file")
		require.NoError(t, err)
		require.NoError(t, f.Close())
		require.NoError(t, d.Close())
	}
	for _, open := range []func(string) (disk.Dir, error){disk.Open, disk.OpenPortable, disk.OpenNew} {
		_, err = open(filepath.Join(name, "file"))
		assert.Error(t, err)
		_, err = open(filepath.Join(name, "file/more"))
		assert.Error(t, err)
	}
	t.Chdir(top)
	require.NoError(t, os.Symlink("a", "link"))
	d, err := disk.OpenNew("link/d")
	require.NoError(t, err, "what leads to the directory is the caller's affair")
	require.NoError(t, d.Close())
	_, err = os.Stat("a/d")
	assert.NoError(t, err)
}

// TestLockOfProcess has another process hold the lock, until it is killed.
func TestLockOfProcess(t *testing.T) {
	eachOpen(t, func(t *testing.T, top string, d disk.Dir) {
		child, said := startHolder(t, filepath.Join(top, "in"))
		line := make([]byte, len("locked\n"))
		_, err := io.ReadFull(said, line)
		require.NoError(t, err)
		require.Equal(t, "locked\n", string(line))
		f, err := d.OpenRW("lock")
		require.NoError(t, err)
		defer f.Close()
		assert.ErrorIs(t, f.Lock(), disk.ErrLocked)
		require.NoError(t, child.Process.Kill())
		_ = child.Wait()
		assert.NoError(t, f.Lock(), "the dead hold no locks")
	})
}

// helper is a process that has a role. It ends with the test at the latest.
func helper(t *testing.T, what, dir string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), role+"="+what+":"+dir)
	return cmd
}

func startHolder(t *testing.T, dir string) (*exec.Cmd, io.Reader) {
	cmd := helper(t, "lock", dir)
	_, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	return cmd, out
}
