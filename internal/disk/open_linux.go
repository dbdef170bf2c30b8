package disk

import (
	"io/fs"
	"sync"

	"golang.org/x/sys/unix"
)

// linuxDir is a Dir on openat(2) and its like. It opens the directories that
// names lead through one by one, without following links, and keeps the last few:
// an operation on a file is one system call then, where os.Root walks from its
// top each time.
//
// What is kept is what was opened. Whoever moves such a directory away has the
// files made in the one that was moved, until ReadDir, SyncDir, or an error that
// a name is not there, looks what has the name now. SyncDir fails if it is
// another.
type linuxDir struct {
	top *handle

	mu     sync.Mutex
	kept   []*handle // the oldest first
	closed bool

	syncMu    sync.Mutex
	syncWhole whole

	calls calls
}

// calls is the system calls that tests put others in place of.
type calls struct {
	renameat2     func(fromDir int, from string, toDir int, to string, flags uint) error
	linkat        func(fromDir int, from string, toDir int, to string, flags int) error
	fsync, syncfs func(fd int) error
}

// keep is how many directories are kept: the three of a maildir, and some.
const keep = 8

// handle is an open directory.
type handle struct {
	name     string
	fd       int
	dev, ino uint64
	refs     int // whoever uses it, and the linuxDir that keeps it; guarded by linuxDir.mu
}

func open(path string) (Dir, error) {
	var fd int
	err := retry(func() (err error) {
		fd, err = unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return newLinuxDir(fd)
}

// newLinuxDir takes fd over.
func newLinuxDir(fd int) (*linuxDir, error) {
	h, err := newHandle(".", fd)
	if err != nil {
		return nil, err
	}
	return &linuxDir{top: h, calls: calls{unix.Renameat2, unix.Linkat, unix.Fsync, unix.Syncfs}}, nil
}

// newHandle takes fd over.
func newHandle(name string, fd int) (*handle, error) {
	var st unix.Stat_t
	if err := retry(func() error { return unix.Fstat(fd, &st) }); err != nil {
		_ = unix.Close(fd)
		return nil, &fs.PathError{Op: "stat", Path: name, Err: err}
	}
	return &handle{name: name, fd: fd, dev: uint64(st.Dev), ino: st.Ino, refs: 1}, nil
}

// retry calls a system call again if a signal interrupted it.
func retry(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}

// split divides name before its last element.
func split(name string) (dir, last string) {
	for i := len(name) - 1; i >= 0; i-- {
		if name[i] == '/' {
			return name[:i], name[i+1:]
		}
	}
	return ".", name
}

// use gives the directory of that name until release. kept says that it was open
// before.
func (d *linuxDir) use(op, name string) (h *handle, kept bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, false, &fs.PathError{Op: op, Path: name, Err: fs.ErrClosed}
	}
	if name == "." {
		d.top.refs++
		return d.top, true, nil
	}
	for _, h := range d.kept {
		if h.name == name {
			h.refs++
			return h, true, nil
		}
	}
	fd, err := d.walk(op, name, unix.O_PATH)
	if err != nil {
		return nil, false, err
	}
	if h, err = newHandle(name, fd); err != nil {
		return nil, false, err
	}
	if len(d.kept) == keep {
		d.unref(d.kept[0])
		d.kept = append(d.kept[:0], d.kept[1:]...)
	}
	d.kept = append(d.kept, h)
	h.refs++
	return h, false, nil
}

func (d *linuxDir) release(h *handle) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.unref(h)
}

func (d *linuxDir) unref(h *handle) {
	if h.refs--; h.refs == 0 {
		_ = unix.Close(h.fd)
	}
}

// drop forgets what is kept of name and below.
func (d *linuxDir) drop(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	kept := d.kept[:0]
	for _, h := range d.kept {
		if h.name == name || len(h.name) > len(name) && h.name[len(name)] == '/' && h.name[:len(name)] == name {
			d.unref(h)
		} else {
			kept = append(kept, h)
		}
	}
	clear(d.kept[len(kept):])
	d.kept = kept
}

// walk opens a directory from the top on, which the caller keeps open. flags are
// for the last one.
func (d *linuxDir) walk(op, name string, flags int) (fd int, err error) {
	fd = d.top.fd
	for start := 0; start <= len(name); {
		end := start
		for end < len(name) && name[end] != '/' {
			end++
		}
		how := unix.O_PATH
		if end == len(name) {
			how = flags
		}
		next, err := openDirAt(op, fd, name[start:end], name, how)
		if fd != d.top.fd {
			_ = unix.Close(fd)
		}
		if err != nil {
			return -1, err
		}
		fd, start = next, end+1
	}
	return fd, nil
}

// openDirAt opens element, which must be a directory and no link, in fd. name is
// for the error.
func openDirAt(op string, fd int, element, name string, flags int) (next int, err error) {
	err = retry(func() (err error) {
		next, err = unix.Openat(fd, element, flags|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		return err
	})
	if err == nil {
		return next, nil
	}
	if err == unix.ENOTDIR || err == unix.ELOOP {
		var st unix.Stat_t
		if statAt(fd, element, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFLNK {
			err = errLink
		}
	}
	return -1, &fs.PathError{Op: op, Path: name, Err: err}
}

func statAt(fd int, element string, st *unix.Stat_t) error {
	return retry(func() error { return unix.Fstatat(fd, element, st, unix.AT_SYMLINK_NOFOLLOW) })
}

// gone says that another directory, or none, has the name of h now.
func (d *linuxDir) gone(h *handle) bool {
	top, _, err := d.use("stat", ".")
	if err != nil {
		return true
	}
	defer d.release(top)
	fd, last := top.fd, h.name
	if dir, element := split(h.name); dir != "." {
		if fd, err = d.walk("stat", dir, unix.O_PATH); err != nil {
			return true
		}
		defer unix.Close(fd)
		last = element
	}
	var st unix.Stat_t
	return statAt(fd, last, &st) != nil || uint64(st.Dev) != h.dev || st.Ino != h.ino
}

// at does an operation on the last element of name, in the directory before it.
// It does it once more if that directory was kept, and has been replaced.
func (d *linuxDir) at(op, name string, do func(fd int, last string) error) error {
	if err := CheckName(op, name); err != nil {
		return err
	}
	dir, last := split(name)
	for {
		h, kept, err := d.use(op, dir)
		if err != nil {
			return err
		}
		err = retry(func() error { return do(h.fd, last) })
		again := kept && h != d.top && (err == unix.ENOENT || err == unix.ESTALE) && d.gone(h)
		d.release(h)
		if !again {
			return wrap(op, name, err)
		}
		d.drop(dir)
	}
}

// wrap names the file in an error.
func wrap(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: name, Err: err}
}

func (d *linuxDir) Sub(name string) (Dir, error) {
	f, err := d.openDir("open", name)
	if err != nil {
		return nil, err
	}
	return newLinuxDir(f)
}

func (d *linuxDir) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil
	}
	d.closed = true
	for _, h := range append(d.kept, d.top) {
		d.unref(h)
	}
	d.kept = nil
	return nil
}
