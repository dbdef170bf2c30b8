package disktest

import (
	"bytes"
	"io"
	"io/fs"
	"path"
	"syscall"
	"time"

	"github.com/postroom-go/postroom/internal/disk"
)

// notFile is fs.ErrInvalid, as what the operating system's Dir refuses.
type notFile struct{}

func (notFile) Error() string        { return "it is not a regular file" }
func (notFile) Is(target error) bool { return target == fs.ErrInvalid }

var errNotFile error = notFile{}

// memFile is an open file of a Mem.
type memFile struct {
	m           *Mem
	node        *node
	name        string
	read, write bool
	at          int64
	closed      bool
}

func (f *memFile) fail(op string, err error) error {
	return &fs.PathError{Op: op, Path: f.name, Err: err}
}

// begin locks for an operation. Whoever calls it unlocks.
func (f *memFile) begin(op string, allowed bool) error {
	f.m.fs.mu.Lock()
	if f.closed || f.m.epoch != f.m.fs.epoch {
		return f.fail(op, fs.ErrClosed)
	}
	if !allowed {
		return f.fail(op, syscall.EBADF)
	}
	return nil
}

func (f *memFile) Read(p []byte) (int, error) {
	err := f.begin("read", f.read)
	defer f.m.fs.mu.Unlock()
	if err != nil {
		return 0, err
	}
	if len(p) == 0 {
		return 0, nil
	}
	if f.at >= int64(len(f.node.data)) {
		return 0, io.EOF
	}
	n := copy(p, f.node.data[f.at:])
	f.at += int64(n)
	return n, nil
}

func (f *memFile) ReadAt(p []byte, at int64) (int, error) {
	err := f.begin("read", f.read)
	defer f.m.fs.mu.Unlock()
	if err != nil {
		return 0, err
	}
	if at < 0 {
		return 0, f.fail("read", fs.ErrInvalid)
	}
	if len(p) == 0 {
		return 0, nil
	}
	n := 0
	if at < int64(len(f.node.data)) {
		n = copy(p, f.node.data[at:])
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memFile) Write(p []byte) (int, error) {
	err := f.begin("write", f.write)
	defer f.m.fs.mu.Unlock()
	if err != nil {
		return 0, err
	}
	f.put(p, f.at)
	f.at += int64(len(p))
	return len(p), nil
}

func (f *memFile) WriteAt(p []byte, at int64) (int, error) {
	err := f.begin("write", f.write)
	defer f.m.fs.mu.Unlock()
	if err != nil {
		return 0, err
	}
	if at < 0 {
		return 0, f.fail("write", fs.ErrInvalid)
	}
	f.put(p, at)
	return len(p), nil
}

func (f *memFile) put(p []byte, at int64) {
	if len(p) > 0 {
		f.node.do(run{kind: written, at: at, octets: bytes.Clone(p)})
	}
}

func (f *memFile) Truncate(size int64) error {
	err := f.begin("truncate", f.write)
	defer f.m.fs.mu.Unlock()
	if err != nil {
		return err
	}
	if size < 0 {
		return f.fail("truncate", fs.ErrInvalid)
	}
	f.node.do(run{kind: cut, at: size})
	return nil
}

func (f *memFile) Sync() error {
	err := f.begin("sync", true)
	defer f.m.fs.mu.Unlock()
	if err == nil {
		f.node.sync()
	}
	return err
}

// lose is a Sync that fails.
func (f *memFile) lose() {
	if f.begin("sync", true) == nil {
		f.node.lose()
	}
	f.m.fs.mu.Unlock()
}

func (f *memFile) Stat() (fs.FileInfo, error) {
	err := f.begin("stat", true)
	defer f.m.fs.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return f.node.info(f.name), nil
}

func (f *memFile) Lock() error {
	err := f.begin("lock", true)
	defer f.m.fs.mu.Unlock()
	if err != nil {
		return err
	}
	if owner := f.node.owner; owner != nil && owner != f && owner.m.epoch == f.m.fs.epoch {
		return f.fail("lock", disk.ErrLocked)
	}
	f.node.owner = f
	return nil
}

func (f *memFile) Close() error {
	err := f.begin("close", true)
	defer f.m.fs.mu.Unlock()
	if err != nil {
		return err
	}
	f.closed = true
	if f.node.owner == f {
		f.node.owner = nil
	}
	return nil
}

// memInfo describes a file or directory as it was.
type memInfo struct {
	node *node
	name string
	size int64
	mode fs.FileMode
	time time.Time
}

func (n *node) info(name string) fs.FileInfo {
	return &memInfo{node: n, name: path.Base(name), size: int64(len(n.data)), mode: n.mode, time: n.time}
}

func (i *memInfo) Name() string       { return i.name }
func (i *memInfo) Size() int64        { return i.size }
func (i *memInfo) Mode() fs.FileMode  { return i.mode }
func (i *memInfo) ModTime() time.Time { return i.time }
func (i *memInfo) IsDir() bool        { return i.mode.IsDir() }
func (i *memInfo) Sys() any           { return nil }

// Same is for disk.SameFile.
func (i *memInfo) Same(other fs.FileInfo) bool {
	o, ok := other.(*memInfo)
	return ok && o.node == i.node
}
