package disk

import (
	"io/fs"
	"os"
	"path"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

func (d *linuxDir) Open(name string) (File, error) { return d.open("open", name, unix.O_RDONLY) }

func (d *linuxDir) open(op, name string, flags int) (File, error) {
	fd, err := d.openFile(op, name, flags)
	if err != nil {
		return nil, err
	}
	return &linuxFile{fd: fd, name: name}, nil
}

// openFile opens a regular file. O_NONBLOCK is for what is none: a FIFO would
// wait for its other end.
func (d *linuxDir) openFile(op, name string, flags int) (fd int, err error) {
	err = d.at(op, name, func(dir int, last string) (err error) {
		fd, err = unix.Openat(dir, last, flags|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
		switch err {
		case unix.ELOOP:
			return errLink
		case unix.ENXIO, unix.EISDIR:
			return errIrregular
		}
		return err
	})
	if err != nil {
		return -1, err
	}
	var st unix.Stat_t
	err = retry(func() error { return unix.Fstat(fd, &st) })
	if err == nil && st.Mode&unix.S_IFMT != unix.S_IFREG {
		err = errIrregular
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, wrap(op, name, err)
	}
	return fd, nil
}

func (d *linuxDir) Create(name string) (File, error) { return d.create(name, unix.O_WRONLY) }

func (d *linuxDir) create(name string, flags int) (File, error) {
	var fd int
	err := d.at("create", name, func(dir int, last string) (err error) {
		fd, err = unix.Openat(dir, last, flags|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
		if err != nil {
			return err
		}
		if err = ownBits(fd); err != nil {
			_ = unix.Close(fd)
			_ = unix.Unlinkat(dir, last, 0)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return &linuxFile{fd: fd, name: name}, nil
}

// ownBits gives the owner back what the umask took. Bits that are too many come
// from a file system that has none of its own, and stay.
func ownBits(fd int) error {
	var st unix.Stat_t
	if err := retry(func() error { return unix.Fstat(fd, &st) }); err != nil {
		return err
	}
	if st.Mode&0o600 == 0o600 {
		return nil
	}
	return retry(func() error { return unix.Fchmod(fd, 0o600) })
}

func (d *linuxDir) OpenRW(name string) (File, error) {
	for {
		f, err := d.open("open", name, unix.O_RDWR)
		if !isNotExist(err) {
			return f, err
		}
		f, err = d.create(name, unix.O_RDWR)
		if !isExist(err) {
			return f, err
		}
	}
}

func (d *linuxDir) Move(from, to string) error {
	return d.rename(from, to, func(fromDir int, last string, toDir int, newLast string) error {
		err := d.calls.renameat2(fromDir, last, toDir, newLast, unix.RENAME_NOREPLACE)
		if err == unix.ENOSYS || err == unix.EINVAL {
			return d.moveByLink(fromDir, last, toDir, newLast)
		}
		return err
	})
}

// moveByLink is for file systems that do not know RENAME_NOREPLACE.
func (d *linuxDir) moveByLink(fromDir int, last string, toDir int, newLast string) error {
	err := retry(func() error { return d.calls.linkat(fromDir, last, toDir, newLast, 0) })
	switch err {
	case nil:
		return retry(func() error { return unix.Unlinkat(fromDir, last, 0) })
	case unix.EEXIST, unix.ENOENT:
		return err
	}
	// No hard links either, or it is a directory. Not at one go: somebody who
	// makes the new name just now loses it.
	var st unix.Stat_t
	switch err := statAt(toDir, newLast, &st); err {
	case nil:
		return unix.EEXIST
	case unix.ENOENT:
		return unix.Renameat(fromDir, last, toDir, newLast)
	default:
		return err
	}
}

func (d *linuxDir) Replace(from, to string) error { return d.rename(from, to, unix.Renameat) }

func (d *linuxDir) rename(from, to string, do func(fromDir int, last string, toDir int, newLast string) error) error {
	if err := CheckName("rename", from); err != nil {
		return err
	}
	if err := CheckName("rename", to); err != nil {
		return err
	}
	dir, newLast := split(to)
	for {
		h, kept, err := d.use("rename", dir)
		if err != nil {
			return err
		}
		err = d.at("rename", from, func(fd int, last string) error { return do(fd, last, h.fd, newLast) })
		again := kept && h != d.top && isNotExist(err) && d.gone(h)
		d.release(h)
		if again {
			d.drop(dir)
			continue
		}
		if err != nil {
			if p, ok := err.(*fs.PathError); ok {
				err = p.Err
			}
			return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
		}
		// If it was a directory, what is kept of it has another name now.
		d.drop(from)
		d.drop(to)
		return nil
	}
}

func (d *linuxDir) Remove(name string) error {
	err := d.at("remove", name, func(fd int, last string) error {
		err := unix.Unlinkat(fd, last, 0)
		if err == unix.EISDIR {
			err = unix.Unlinkat(fd, last, unix.AT_REMOVEDIR)
		}
		return err
	})
	if err == nil {
		d.drop(name)
	}
	return err
}

func (d *linuxDir) Mkdir(name string) error {
	return d.at("mkdir", name, func(fd int, last string) error {
		if err := unix.Mkdirat(fd, last, 0o700); err != nil {
			return err
		}
		var st unix.Stat_t
		if err := statAt(fd, last, &st); err != nil || st.Mode&0o700 == 0o700 {
			return err
		}
		return chmodDir(fd, last)
	})
}

// chmodDir sets the mode of a directory that the umask has closed even to its
// owner. chmod(2) follows links: what is changed is what was opened.
func chmodDir(fd int, last string) error {
	dir, err := openDirAt("mkdir", fd, last, last, unix.O_PATH)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	return retry(func() error { return unix.Chmod("/proc/self/fd/"+strconv.Itoa(dir), 0o700) })
}

func (d *linuxDir) SetTime(name string, t time.Time) error {
	mtime, err := unix.TimeToTimespec(t)
	if err != nil {
		return wrap("settime", name, err)
	}
	times := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, mtime}
	return d.at("settime", name, func(fd int, last string) error {
		return unix.UtimesNanoAt(fd, last, times, unix.AT_SYMLINK_NOFOLLOW)
	})
}

func (d *linuxDir) Lstat(name string) (fs.FileInfo, error) {
	info := &linuxInfo{name: path.Base(name)}
	err := d.at("lstat", name, func(fd int, last string) error {
		return unix.Fstatat(fd, last, &info.st, unix.AT_SYMLINK_NOFOLLOW)
	})
	if err != nil {
		return nil, err
	}
	return info, nil
}

// linuxInfo is a fs.FileInfo. Its Sys is a *unix.Stat_t.
type linuxInfo struct {
	name string
	st   unix.Stat_t
}

func (i *linuxInfo) Name() string       { return i.name }
func (i *linuxInfo) Size() int64        { return i.st.Size }
func (i *linuxInfo) ModTime() time.Time { return time.Unix(i.st.Mtim.Unix()) }
func (i *linuxInfo) IsDir() bool        { return i.Mode().IsDir() }
func (i *linuxInfo) Sys() any           { return &i.st }

// Same is for SameFile.
func (i *linuxInfo) Same(other fs.FileInfo) bool {
	o, ok := other.(*linuxInfo)
	return ok && o.st.Dev == i.st.Dev && o.st.Ino == i.st.Ino
}

func (i *linuxInfo) Mode() fs.FileMode {
	mode := fs.FileMode(i.st.Mode & 0o777)
	if i.st.Mode&unix.S_ISUID != 0 {
		mode |= fs.ModeSetuid
	}
	if i.st.Mode&unix.S_ISGID != 0 {
		mode |= fs.ModeSetgid
	}
	if i.st.Mode&unix.S_ISVTX != 0 {
		mode |= fs.ModeSticky
	}
	switch i.st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
	case unix.S_IFDIR:
		mode |= fs.ModeDir
	case unix.S_IFLNK:
		mode |= fs.ModeSymlink
	case unix.S_IFIFO:
		mode |= fs.ModeNamedPipe
	case unix.S_IFSOCK:
		mode |= fs.ModeSocket
	case unix.S_IFCHR:
		mode |= fs.ModeDevice | fs.ModeCharDevice
	case unix.S_IFBLK:
		mode |= fs.ModeDevice
	default:
		mode |= fs.ModeIrregular
	}
	return mode
}
