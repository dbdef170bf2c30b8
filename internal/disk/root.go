package disk

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"time"
)

// rootDir is a Dir on os.Root, for every system. Nothing leads out of an
// os.Root, but it follows links that stay inside; so each operation looks first.
// Who swaps a directory and a link between the look and the operation gets the
// operation done elsewhere inside.
type rootDir struct{ root *os.Root }

func openRoot(path string) (Dir, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	return &rootDir{root}, nil
}

// check refuses names that are not plain, and those with a link for a directory.
func (d *rootDir) check(op, name string) error {
	if err := CheckName(op, name); err != nil {
		return err
	}
	for i := range len(name) {
		if name[i] == '/' {
			if err := d.checkDir(op, name[:i]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *rootDir) checkDir(op, name string) error {
	info, err := d.root.Lstat(name)
	if err == nil && info.Mode()&fs.ModeSymlink != 0 {
		return refuse(op, name, info)
	}
	return err
}

func (d *rootDir) Open(name string) (File, error) {
	if err := d.check("open", name); err != nil {
		return nil, err
	}
	return d.open(name, os.O_RDONLY)
}

// open opens the regular file that Lstat has seen. os.Root follows a link in the
// last place even with O_NOFOLLOW.
func (d *rootDir) open(name string, flag int) (File, error) {
	for {
		info, err := d.root.Lstat(name)
		if err != nil {
			return nil, err
		}
		if !info.Mode().IsRegular() {
			return nil, refuse("open", name, info)
		}
		f, err := d.root.OpenFile(name, flag|openFlags, 0)
		if err != nil {
			return nil, err
		}
		opened, err := f.Stat()
		if err == nil && os.SameFile(info, opened) {
			return &rootFile{f}, nil
		}
		_ = f.Close()
		if err != nil {
			return nil, err
		}
		// Another took its place meanwhile.
	}
}

func (d *rootDir) Create(name string) (File, error) {
	if err := d.check("create", name); err != nil {
		return nil, err
	}
	return d.create(name, os.O_WRONLY)
}

func (d *rootDir) create(name string, flag int) (File, error) {
	f, err := d.root.OpenFile(name, flag|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	// The umask took away bits that the owner needs. Bits that are too many
	// come from a file system that has none of its own.
	info, err := f.Stat()
	if err == nil && info.Mode()&0o600 != 0o600 {
		err = f.Chmod(0o600)
	}
	if err != nil {
		_ = f.Close()
		_ = d.root.Remove(name)
		return nil, err
	}
	return &rootFile{f}, nil
}

func (d *rootDir) OpenRW(name string) (File, error) {
	if err := d.check("open", name); err != nil {
		return nil, err
	}
	for {
		f, err := d.open(name, os.O_RDWR)
		if !isNotExist(err) {
			return f, err
		}
		f, err = d.create(name, os.O_RDWR)
		if !isExist(err) {
			return f, err
		}
	}
}

func (d *rootDir) Move(from, to string) error {
	if err := d.checkTwo(from, to); err != nil {
		return err
	}
	if canLink {
		// A hard link is made or fails with ErrExist, at one go.
		err := d.root.Link(from, to)
		if err == nil {
			return d.root.Remove(from)
		}
		if isExist(err) || isNotExist(err) {
			return err
		}
	}
	// Not at one go: somebody who makes to just now loses it.
	if _, err := d.root.Lstat(to); !isNotExist(err) {
		if err == nil {
			err = &os.LinkError{Op: "move", Old: from, New: to, Err: fs.ErrExist}
		}
		return err
	}
	return d.root.Rename(from, to)
}

func (d *rootDir) Replace(from, to string) error {
	if err := d.checkTwo(from, to); err != nil {
		return err
	}
	return d.root.Rename(from, to)
}

func (d *rootDir) checkTwo(from, to string) error {
	if err := d.check("rename", from); err != nil {
		return err
	}
	return d.check("rename", to)
}

func (d *rootDir) Remove(name string) error {
	if err := d.check("remove", name); err != nil {
		return err
	}
	return d.root.Remove(name)
}

func (d *rootDir) Mkdir(name string) error {
	if err := d.check("mkdir", name); err != nil {
		return err
	}
	if err := d.root.Mkdir(name, 0o700); err != nil {
		return err
	}
	info, err := d.root.Lstat(name)
	if err == nil && info.Mode()&0o700 != 0o700 {
		err = d.root.Chmod(name, 0o700)
	}
	return err
}

func (d *rootDir) SetTime(name string, t time.Time) error {
	if err := d.check("settime", name); err != nil {
		return err
	}
	if err := d.checkDir("settime", name); err != nil {
		return err
	}
	return d.root.Chtimes(name, time.Time{}, t)
}

func (d *rootDir) Lstat(name string) (fs.FileInfo, error) {
	if err := d.check("lstat", name); err != nil {
		return nil, err
	}
	return d.root.Lstat(name)
}

// openDir opens a directory for reading.
func (d *rootDir) openDir(op, name string) (*os.File, error) {
	// The slash makes check look at all of name.
	if err := d.check(op, name); err != nil {
		return nil, err
	}
	if err := d.checkDir(op, name); err != nil {
		return nil, err
	}
	return d.root.OpenFile(name, os.O_RDONLY|dirFlags, 0)
}

func (d *rootDir) ReadDir(name string) ([]fs.DirEntry, error) {
	f, err := d.openDir("readdir", name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.ReadDir(-1)
}

func (d *rootDir) SyncFiles(names []string) error {
	return syncEach(names, func(name string) error {
		if err := d.check("sync", name); err != nil {
			return err
		}
		f, err := d.open(name, syncFlag)
		if err != nil {
			return err
		}
		defer f.Close()
		return f.Sync()
	})
}

func (d *rootDir) SyncDir(name string) error {
	f, err := d.openDir("sync", name)
	if err != nil {
		return err
	}
	defer f.Close()
	return syncDir(f)
}

func (d *rootDir) Sub(name string) (Dir, error) {
	if err := d.check("open", name); err != nil {
		return nil, err
	}
	if err := d.checkDir("open", name); err != nil {
		return nil, err
	}
	root, err := d.root.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	return &rootDir{root}, nil
}

func (d *rootDir) Close() error { return d.root.Close() }

// rootFile is a File on os.File.
type rootFile struct{ *os.File }

func (f *rootFile) Lock() error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	name := path.Base(filepath.ToSlash(f.Name()))
	var lockErr error
	if conn.Control(func(fd uintptr) { lockErr = lock(fd) }) != nil {
		lockErr = fs.ErrClosed // that is all it can be
	}
	if lockErr != nil {
		return &fs.PathError{Op: "lock", Path: name, Err: lockErr}
	}
	return nil
}
