package disk

import (
	"io/fs"

	"golang.org/x/sys/unix"
)

// whole says whether SyncFiles may wait for the whole file system.
type whole int

const (
	unknown whole = iota
	can
	cannot
)

// manyFiles is from how many files on syncfs(2) is asked. It also waits for what
// other processes have written: while they do, eight files are about as fast one
// by one, and while they do not, two or three times slower.
const manyFiles = 8

// SyncFiles waits for the whole file system by one syncfs(2) if there are many
// files. The top's descriptor is asked: what fails from when it was opened until
// it is asked is reported to it.
func (d *linuxDir) SyncFiles(names []string) error {
	for _, name := range names {
		if err := CheckName("sync", name); err != nil {
			return err
		}
	}
	if len(names) >= manyFiles && d.together(names) {
		if done, err := d.syncAll(); done {
			return err
		}
	}
	return syncEach(names, func(name string) error {
		fd, err := d.openFile("sync", name, unix.O_RDONLY)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return wrap("sync", name, retry(func() error { return d.calls.fsync(fd) }))
	})
}

// together says that all names are on the file system of the top.
func (d *linuxDir) together(names []string) bool {
	last := "."
	for _, name := range names {
		dir, _ := split(name)
		if dir == last {
			continue
		}
		h, _, err := d.use("sync", dir)
		if err != nil {
			return false // it is reported for the file
		}
		same := h.dev == d.top.dev
		d.release(h)
		if !same {
			return false
		}
		last = dir
	}
	return true
}

// syncAll syncs the whole file system, if that can be trusted.
//
// An error is reported once, and nobody can tell which files it is about. Files
// that another goroutine is about to sync may be among them; so from then on each
// file is asked for itself, which has errors of its own.
func (d *linuxDir) syncAll() (done bool, err error) {
	h, _, err := d.use("sync", ".")
	if err != nil {
		return true, err
	}
	defer d.release(h)
	d.syncMu.Lock()
	defer d.syncMu.Unlock()
	if d.syncWhole == unknown {
		d.syncWhole = cannot
		if trusted(h.fd) {
			d.syncWhole = can
		}
	}
	if d.syncWhole == cannot {
		return false, nil
	}
	err = retry(func() error { return d.calls.syncfs(h.fd) })
	if err != nil {
		d.syncWhole = cannot
	}
	if err == unix.ENOSYS || err == unix.EPERM {
		return false, nil // a sandbox does not let us
	}
	return true, wrap("sync", ".", err)
}

// trusted says that syncfs(2) waits for the disk and reports what could not be
// written.
func trusted(fd int) bool {
	var system unix.Utsname
	var st unix.Statfs_t
	return unix.Uname(&system) == nil && since58(system.Release[:]) &&
		retry(func() error { return unix.Fstatfs(fd, &st) }) == nil && local(uint32(st.Type))
}

// local says that a file system, by its magic number in statfs(2), is one on a
// disk of this computer that has a syncfs(2) of its own. Network file systems,
// FUSE and overlays may have none.
func local(magic uint32) bool {
	switch magic {
	case unix.EXT4_SUPER_MAGIC, // and ext2, ext3
		unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC, unix.F2FS_SUPER_MAGIC, unix.TMPFS_MAGIC:
		return true
	}
	return false
}

// since58 reads the beginning of a release like 6.1.0-21-amd64. Before Linux 5.8
// syncfs(2) did not report what could not be written.
func since58(release []byte) bool {
	var numbers [2]int
	at := 0
	for _, c := range release {
		switch {
		case c >= '0' && c <= '9' && numbers[at] < 1000:
			numbers[at] = 10*numbers[at] + int(c-'0')
			continue
		case c == '.' && at == 0:
			at = 1
			continue
		}
		break
	}
	return numbers[0] > 5 || numbers[0] == 5 && numbers[1] >= 8
}

// openDir opens a directory as it is now. What was kept of another that had the
// name is forgotten.
func (d *linuxDir) openDir(op, name string) (int, error) {
	fd, _, err := d.openNow(op, name)
	return fd, err
}

func (d *linuxDir) openNow(op, name string) (fd int, replaced bool, err error) {
	if err := CheckName(op, name); err != nil {
		return -1, false, err
	}
	top, _, err := d.use(op, ".")
	if err != nil {
		return -1, false, err
	}
	defer d.release(top)
	fd, err = d.walk(op, name, unix.O_RDONLY)
	if err != nil {
		d.drop(name)
		return -1, false, err
	}
	now, err := newHandle(name, fd)
	if err != nil {
		return -1, false, err
	}
	d.mu.Lock()
	for _, h := range d.kept {
		replaced = replaced || h.name == name && (h.dev != now.dev || h.ino != now.ino)
	}
	d.mu.Unlock()
	if replaced {
		d.drop(name)
	}
	return fd, replaced, nil
}

// SyncDir fails if the directory is not the one that was written to: what was
// made there has other names now.
func (d *linuxDir) SyncDir(name string) error {
	fd, replaced, err := d.openNow("sync", name)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if replaced {
		return &fs.PathError{Op: "sync", Path: name, Err: errReplaced}
	}
	err = retry(func() error { return d.calls.fsync(fd) })
	if err == unix.EINVAL || err == unix.EOPNOTSUPP || err == unix.ENOSYS {
		return nil // see syncDir
	}
	return wrap("sync", name, err)
}
