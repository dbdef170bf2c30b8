package disk

import (
	"io"
	"io/fs"
	"path"
	"sync"

	"golang.org/x/sys/unix"
)

// linuxFile is a File that asks nothing of the kernel but what is asked of it.
// os.File tries to have regular files polled, in vain. One that is not closed
// stays open.
type linuxFile struct {
	name string
	mu   sync.RWMutex // held for reading while fd is used, so that it is this file's
	fd   int          // -1: closed
}

// use does a system call on the descriptor.
func (f *linuxFile) use(op string, do func(fd int) error) error {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if f.fd < 0 {
		return wrap(op, f.name, fs.ErrClosed)
	}
	return wrap(op, f.name, retry(func() error { return do(f.fd) }))
}

// most is the most that Linux reads or writes at a time.
const most = 1 << 30

func (f *linuxFile) Read(p []byte) (n int, err error) {
	err = f.use("read", func(fd int) (err error) {
		n, err = unix.Read(fd, p[:min(len(p), most)])
		return err
	})
	if err != nil {
		return 0, err
	}
	if n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

func (f *linuxFile) ReadAt(p []byte, at int64) (n int, err error) {
	if at < 0 {
		return 0, wrap("read", f.name, fs.ErrInvalid)
	}
	for n < len(p) {
		var more int
		err := f.use("read", func(fd int) (err error) {
			more, err = unix.Pread(fd, p[n:min(len(p), n+most)], at+int64(n))
			return err
		})
		if err != nil {
			return n, err
		}
		if more == 0 {
			return n, io.EOF
		}
		n += more
	}
	return n, nil
}

func (f *linuxFile) Write(p []byte) (int, error) {
	return f.write(p, func(fd, done int) (int, error) {
		return unix.Write(fd, p[done:min(len(p), done+most)])
	})
}

func (f *linuxFile) WriteAt(p []byte, at int64) (int, error) {
	if at < 0 {
		return 0, wrap("write", f.name, fs.ErrInvalid)
	}
	return f.write(p, func(fd, done int) (int, error) {
		return unix.Pwrite(fd, p[done:min(len(p), done+most)], at+int64(done))
	})
}

// write calls some until all of p is written. A disk that becomes full takes a
// part, and says so when it is asked again.
func (f *linuxFile) write(p []byte, some func(fd, done int) (int, error)) (n int, err error) {
	for {
		var more int
		err := f.use("write", func(fd int) (err error) {
			more, err = some(fd, n)
			return err
		})
		if err != nil {
			return n, err
		}
		n += more
		if n == len(p) {
			return n, nil
		}
		if more == 0 {
			return n, wrap("write", f.name, io.ErrUnexpectedEOF)
		}
	}
}

func (f *linuxFile) Sync() error { return f.use("sync", unix.Fsync) }

func (f *linuxFile) Truncate(size int64) error {
	if size < 0 {
		return wrap("truncate", f.name, fs.ErrInvalid)
	}
	return f.use("truncate", func(fd int) error { return unix.Ftruncate(fd, size) })
}

func (f *linuxFile) Stat() (fs.FileInfo, error) {
	info := &linuxInfo{name: path.Base(f.name)}
	if err := f.use("stat", func(fd int) error { return unix.Fstat(fd, &info.st) }); err != nil {
		return nil, err
	}
	return info, nil
}

func (f *linuxFile) Lock() error {
	return f.use("lock", func(fd int) error { return lock(uintptr(fd)) })
}

// Close closes the descriptor, which is gone even if close(2) fails: it is not
// called again.
func (f *linuxFile) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fd < 0 {
		return wrap("close", f.name, fs.ErrClosed)
	}
	fd := f.fd
	f.fd = -1
	if err := unix.Close(fd); err != unix.EINTR {
		return wrap("close", f.name, err)
	}
	return nil
}
