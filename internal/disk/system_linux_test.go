package disk_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/postroom-go/postroom/internal/disk"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// counter counts fsync(2) and syncfs(2), and fails them.
type counter struct {
	files, whole      atomic.Int64
	fileErr, wholeErr error
	beforeWhole       func()
}

func (c *counter) fsync(int) error { c.files.Add(1); return c.fileErr }

func (c *counter) syncfs(int) error {
	c.whole.Add(1)
	if c.beforeWhole != nil {
		c.beforeWhole()
	}
	return c.wholeErr
}

func (c *counter) did(t *testing.T, files, whole int) {
	t.Helper()
	assert.Equal(t, int64(files), c.files.Swap(0), "fsync")
	assert.Equal(t, int64(whole), c.whole.Swap(0), "syncfs")
}

// counted opens a directory with files cur/0 to cur/29.
func counted(t *testing.T) (disk.Dir, *counter, []string) {
	d, err := disk.Open(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, d.Close()) })
	require.NoError(t, d.Mkdir("cur"))
	var names []string
	for i := range 30 {
		names = append(names, fmt.Sprintf("cur/%d", i))
		write(t, d, names[i], "x")
	}
	c := &counter{}
	disk.SetSyncs(d, c.fsync, c.syncfs)
	return d, c, names
}

// TestSyncFiles counts what is asked of the kernel.
func TestSyncFiles(t *testing.T) {
	t.Run("many", func(t *testing.T) {
		d, c, names := counted(t)
		require.NoError(t, d.SyncFiles(names))
		c.did(t, 0, 1)
		require.NoError(t, d.SyncFiles(names[:7]))
		c.did(t, 7, 0)
		require.NoError(t, d.SyncFiles(names[:8]))
		c.did(t, 0, 1)
		require.NoError(t, d.SyncFiles(nil))
		c.did(t, 0, 0)
		require.NoError(t, d.SyncDir("cur"))
		c.did(t, 1, 0)
	})
	t.Run("another file system", func(t *testing.T) {
		d, c, names := counted(t)
		disk.SetElsewhere(d)
		require.NoError(t, d.SyncFiles(names))
		c.did(t, 30, 0)
	})
	t.Run("a name that is refused", func(t *testing.T) {
		d, c, names := counted(t)
		assert.ErrorIs(t, d.SyncFiles(append(names, "../x")), fs.ErrInvalid)
		c.did(t, 0, 0)
	})
	t.Run("not written", func(t *testing.T) {
		// local-fsync-eio: nothing asks the kernel a second time.
		d, c, names := counted(t)
		c.fileErr = syscall.EIO
		assert.ErrorIs(t, d.SyncFiles(names[:1]), syscall.EIO)
		c.did(t, 1, 0)
		assert.ErrorIs(t, d.SyncFiles(names[:3]), syscall.EIO)
		assert.LessOrEqual(t, c.files.Swap(0), int64(3))
		assert.ErrorIs(t, d.SyncDir("cur"), syscall.EIO)
		c.did(t, 1, 0)
		f, err := d.Open(names[0])
		require.NoError(t, err)
		require.NoError(t, f.Close())
	})
	t.Run("not all written", func(t *testing.T) {
		// Who asks again is told of files, for nobody knows which it was about.
		d, c, names := counted(t)
		c.wholeErr = syscall.EIO
		assert.ErrorIs(t, d.SyncFiles(names), syscall.EIO)
		c.did(t, 0, 1)
		c.wholeErr = nil
		require.NoError(t, d.SyncFiles(names))
		c.did(t, 30, 0)
		c.fileErr = syscall.EIO
		assert.ErrorIs(t, d.SyncFiles(names), syscall.EIO)
		assert.Zero(t, c.whole.Load())
	})
	t.Run("in a sandbox", func(t *testing.T) {
		d, c, names := counted(t)
		c.wholeErr = syscall.EPERM
		require.NoError(t, d.SyncFiles(names))
		c.did(t, 30, 1)
	})
	t.Run("two at a time", func(t *testing.T) {
		// The kernel tells one of them of an error, which is about the files of
		// the other perhaps.
		d, c, names := counted(t)
		c.wholeErr, c.fileErr = syscall.EIO, syscall.EIO
		var once sync.Once
		first, second := make(chan struct{}), make(chan error)
		c.beforeWhole = func() { once.Do(func() { close(first) }) }
		go func() {
			<-first
			second <- d.SyncFiles(names)
		}()
		assert.ErrorIs(t, d.SyncFiles(names), syscall.EIO)
		assert.ErrorIs(t, <-second, syscall.EIO)
		assert.Equal(t, int64(1), c.whole.Load())
	})
	t.Run("a directory that cannot", func(t *testing.T) {
		d, c, _ := counted(t)
		c.fileErr = syscall.EINVAL
		assert.NoError(t, d.SyncDir("cur"))
	})
	t.Run("interrupted", func(t *testing.T) {
		d, _, names := counted(t)
		calls := 0
		again := func(int) error {
			if calls++; calls%2 == 1 {
				return syscall.EINTR
			}
			return nil
		}
		disk.SetSyncs(d, again, again)
		assert.NoError(t, d.SyncFiles(names))
		assert.NoError(t, d.SyncFiles(names[:1]))
		assert.NoError(t, d.SyncDir("."))
		assert.Equal(t, 6, calls)
	})
}

func TestTrusted(t *testing.T) {
	for release, want := range map[string]bool{
		"5.8": true, "5.8.0-63-generic": true, "6.1.0-21-amd64": true, "10.0": true, "5.10.5": true, "6": true, "5.8-rc1": true,
		"5.7.19": false, "5.4.0": false, "4.19.0": false, "3.10.0-1160.el7": false, "": false, "x": false, "5": false,
		"99999999999999999999.1": true,
	} {
		assert.Equal(t, want, disk.Since58(release), release)
	}
	for magic, want := range map[uint32]bool{
		unix.EXT4_SUPER_MAGIC: true, unix.XFS_SUPER_MAGIC: true, unix.BTRFS_SUPER_MAGIC: true, unix.TMPFS_MAGIC: true,
		unix.NFS_SUPER_MAGIC: false, unix.FUSE_SUPER_MAGIC: false, unix.OVERLAYFS_SUPER_MAGIC: false, unix.SMB2_SUPER_MAGIC: false, 0: false,
	} {
		assert.Equal(t, want, disk.Local(magic), "%#x", magic)
	}
	proc, err := disk.Open("/proc")
	require.NoError(t, err)
	defer proc.Close()
	assert.False(t, disk.Trusted(proc))
}

// TestKept has other directories take the place of those that are kept open.
func TestKept(t *testing.T) {
	top := t.TempDir()
	at := func(name string) string { return filepath.Join(top, name) }
	d, err := disk.Open(top)
	require.NoError(t, err)
	require.NoError(t, d.Mkdir("a"))
	require.NoError(t, d.Mkdir("a/tmp"))
	write(t, d, "a/tmp/1", "")
	assert.Equal(t, 2, disk.Kept(d))

	// Until somebody looks, what was open is used. SyncDir promises nothing.
	for i, dir := range []string{"a", "a/tmp"} {
		require.NoError(t, os.Rename(at("a"), at(fmt.Sprint("old", i))))
		require.NoError(t, os.MkdirAll(at("a/tmp"), 0o700))
		write(t, d, dir+"/2", "")
		assert.Equal(t, "", list(t, osDir(t, at("a/tmp")), "."))
		assert.ErrorIs(t, d.SyncDir(dir), fs.ErrInvalid)
		write(t, d, dir+"/3", "")
		assert.Contains(t, list(t, osDir(t, at(dir)), "."), "3")
		assert.NoError(t, d.SyncDir(dir))
		write(t, d, "a/tmp/4", "")
		require.NoError(t, d.SyncDir("a/tmp"))
		require.NoError(t, os.RemoveAll(at("a")))
		require.NoError(t, os.MkdirAll(at("a/tmp"), 0o700))
		write(t, d, "a/tmp/x", "")
		assert.Equal(t, "x", list(t, d, "a/tmp"))
	}

	// ReadDir looks.
	require.NoError(t, os.Rename(at("a/tmp"), at("a/old")))
	require.NoError(t, os.Mkdir(at("a/tmp"), 0o700))
	assert.Equal(t, "", list(t, d, "a/tmp"))
	write(t, d, "a/tmp/y", "")
	assert.Equal(t, "y", list(t, d, "a/tmp"))

	// So does who does not find a name.
	require.NoError(t, os.Rename(at("a/tmp"), at("a/older")))
	require.NoError(t, os.Mkdir(at("a/tmp"), 0o700))
	require.NoError(t, os.WriteFile(at("a/tmp/z"), []byte("z"), 0o600))
	assert.Equal(t, "z", read(t, d, "a/tmp/z"))
	require.NoError(t, d.Move("a/tmp/z", "a/z"))

	// A directory that is moved by d itself is known by its new name only.
	require.NoError(t, d.Move("a/tmp", "a/moved"))
	_, err = d.Create("a/tmp/new")
	assert.ErrorIs(t, err, fs.ErrNotExist)

	// SyncDir does not take for another's what d itself has put there.
	write(t, d, "a/moved/f", "")
	require.NoError(t, d.Mkdir("b"))
	write(t, d, "b/f", "")
	require.NoError(t, d.Remove("b/f"))
	require.NoError(t, d.Replace("a/moved", "b"))
	require.NoError(t, d.SyncDir("b"))
	require.NoError(t, d.Remove("b/f"))
	require.NoError(t, d.Remove("b"))
	require.NoError(t, d.Mkdir("b"))
	require.NoError(t, d.SyncDir("b"))
	require.NoError(t, d.Close())
	assert.Zero(t, disk.Kept(d))
}

func osDir(t *testing.T, path string) disk.Dir {
	d, err := disk.OpenPortable(path)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, d.Close()) })
	return d
}

// TestDescriptors leaves none open.
func TestDescriptors(t *testing.T) {
	open := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		require.NoError(t, err)
		return len(entries)
	}
	before := open()
	d, err := disk.Open(t.TempDir())
	require.NoError(t, err)
	for i := range 30 {
		dir := fmt.Sprint(i)
		require.NoError(t, d.Mkdir(dir))
		write(t, d, dir+"/f", "x")
		for _, do := range operations(d) {
			_ = do(dir + "/none/x")
			_ = do(dir + "/f/x")
			_ = do("none")
		}
		_, err := d.Open(dir)
		require.Error(t, err)
		_ = read(t, d, dir+"/f")
		require.NoError(t, d.SyncFiles([]string{dir + "/f"}))
		require.NoError(t, d.SyncDir(dir))
		sub, err := d.Sub(dir)
		require.NoError(t, err)
		require.NoError(t, sub.Close())
	}
	assert.LessOrEqual(t, disk.Kept(d), 8)
	require.NoError(t, d.Close())
	assert.Equal(t, before, open())
}

// TestUntyped lists what some file systems give: names without types.
func TestUntyped(t *testing.T) {
	path := t.TempDir()
	d, err := disk.Open(path)
	require.NoError(t, err)
	defer d.Close()
	require.NoError(t, d.Mkdir("dir"))
	write(t, d, "file", "")
	require.NoError(t, os.Symlink("file", filepath.Join(path, "link")))
	entries, err := disk.Untyped(d, ".", "dir", "gone", "file", "..", "link")
	require.NoError(t, err)
	var got []string
	for _, e := range entries {
		got = append(got, e.Name()+" "+e.Type().String())
	}
	slices.Sort(got)
	assert.Equal(t, []string{"dir d---------", "file ----------", "link L---------"}, got)
}

// TestFullDisk writes more than may be written: a part of it is, and that is an
// error.
func TestFullDisk(t *testing.T) {
	out, err := helper(t, "full", t.TempDir()).Output()
	require.NoError(t, err, "%s", out)
	assert.Equal(t, "4096 true 4096 true 0 true\n", string(out))
}

// fillDisk is what the other process does: its files may have 4096 octets.
func fillDisk(dir string) error {
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 4096, Max: 4096}); err != nil {
		return err
	}
	d, err := disk.Open(dir)
	if err != nil {
		return err
	}
	one, err := d.Create("one")
	if err != nil {
		return err
	}
	n, err := one.Write(make([]byte, 6<<10))
	two, err2 := d.OpenRW("two")
	if err2 != nil {
		return err2
	}
	m, err2 := two.WriteAt(make([]byte, 6<<10), 0)
	k, err3 := two.WriteAt(make([]byte, 1), 4096)
	tooBig := func(err error) bool { return errors.Is(err, syscall.EFBIG) }
	fmt.Println(n, tooBig(err), m, tooBig(err2), k, tooBig(err3))
	return nil
}
