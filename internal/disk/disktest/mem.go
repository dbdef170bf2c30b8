package disktest

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/postroom-go/postroom/internal/disk"
)

// Mem is a disk.Dir in memory, with files and directories only. It behaves as
// the operating system's, and forgets in [Mem.Crash] what was not made durable.
// ReadDir's order is the reverse of the names', always. All methods are safe for
// concurrent use.
type Mem struct {
	fs     *memFS
	dir    *node
	epoch  int
	closed bool
}

var _ disk.Dir = (*Mem)(nil)

// memFS is what a Mem has in common with its Subs.
type memFS struct {
	mu    sync.Mutex
	root  *node
	block int
	seq   int
	epoch int // how often Restart was called
}

// NewMem returns an empty directory. block is the smallest piece of a write that
// is lost or kept as a whole, in octets: 512 is a disk's, and 1 cuts files at
// every octet. It must be positive.
func NewMem(block int) *Mem {
	if block <= 0 {
		panic("disktest: a block has at least one octet")
	}
	root := newDir()
	return &Mem{fs: &memFS{root: root, block: block}, dir: root}
}

// Restart returns the directory as another process finds it after this one has
// died: nothing is lost, and no lock is held. What was opened before, m itself
// included, fails with fs.ErrClosed. It is of use on the topmost Mem only.
func (m *Mem) Restart() *Mem {
	m.fs.mu.Lock()
	defer m.fs.mu.Unlock()
	m.fs.epoch++
	return &Mem{fs: m.fs, dir: m.fs.root, epoch: m.fs.epoch}
}

// Files returns the octets of all files by their names. A directory's name ends
// in a slash.
func (m *Mem) Files() map[string]string {
	m.fs.mu.Lock()
	defer m.fs.mu.Unlock()
	files := map[string]string{}
	var walk func(prefix string, dir *node)
	walk = func(prefix string, dir *node) {
		for name, n := range dir.names {
			if n.dir {
				files[prefix+name+"/"] = ""
				walk(prefix+name+"/", n)
			} else {
				files[prefix+name] = string(n.data)
			}
		}
	}
	walk("", m.dir)
	return files
}

// begin locks for an operation and looks at its names. Whoever calls it unlocks.
func (m *Mem) begin(op string, names ...string) error {
	m.fs.mu.Lock()
	for _, name := range names {
		if err := disk.CheckName(op, name); err != nil {
			return err
		}
	}
	if m.closed || m.epoch != m.fs.epoch {
		return &fs.PathError{Op: op, Path: ".", Err: fs.ErrClosed}
	}
	return nil
}

// parent finds the directory that name is in, and the last element. For "." that
// is ".", which no directory has in it.
func (m *Mem) parent(op, name string) (*node, string, error) {
	dir := m.dir
	rest := name
	for {
		element, more, found := strings.Cut(rest, "/")
		if !found {
			return dir, rest, nil
		}
		next := dir.names[element]
		if next == nil {
			return nil, "", &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
		}
		if !next.dir {
			return nil, "", &fs.PathError{Op: op, Path: name, Err: syscall.ENOTDIR}
		}
		dir, rest = next, more
	}
}

// find finds what has the name.
func (m *Mem) find(op, name string) (*node, error) {
	if name == "." {
		return m.dir, nil
	}
	dir, last, err := m.parent(op, name)
	if err != nil {
		return nil, err
	}
	if n := dir.names[last]; n != nil {
		return n, nil
	}
	return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
}

func (m *Mem) findFile(op, name string) (*node, error) {
	n, err := m.find(op, name)
	if err == nil && n.dir {
		return nil, &fs.PathError{Op: op, Path: name, Err: errNotFile}
	}
	return n, err
}

func (m *Mem) findDir(op, name string) (*node, error) {
	n, err := m.find(op, name)
	if err == nil && !n.dir {
		return nil, &fs.PathError{Op: op, Path: name, Err: syscall.ENOTDIR}
	}
	return n, err
}

// change does a change and remembers it.
func (m *Mem) change(dir *node, c *change) *change {
	m.fs.seq++
	c.seq = m.fs.seq
	c.apply(dir.names)
	dir.pending = append(dir.pending, c)
	dir.time = time.Now()
	return c
}

func (m *Mem) add(op, name string, n *node) error {
	dir, last, err := m.parent(op, name)
	if err != nil {
		return err
	}
	if last == "." || dir.names[last] != nil {
		return &fs.PathError{Op: op, Path: name, Err: fs.ErrExist}
	}
	m.change(dir, &change{kind: added, name: last, node: n})
	return nil
}

// Open implements disk.Dir.
func (m *Mem) Open(name string) (disk.File, error) {
	err := m.begin("open", name)
	defer m.fs.mu.Unlock()
	if err != nil {
		return nil, err
	}
	n, err := m.findFile("open", name)
	if err != nil {
		return nil, err
	}
	return &memFile{m: m, node: n, name: name, read: true}, nil
}

// Create implements disk.Dir.
func (m *Mem) Create(name string) (disk.File, error) {
	err := m.begin("create", name)
	defer m.fs.mu.Unlock()
	if err != nil {
		return nil, err
	}
	n := newFile()
	if err := m.add("create", name, n); err != nil {
		return nil, err
	}
	return &memFile{m: m, node: n, name: name, write: true}, nil
}

// OpenRW implements disk.Dir.
func (m *Mem) OpenRW(name string) (disk.File, error) {
	err := m.begin("open", name)
	defer m.fs.mu.Unlock()
	if err != nil {
		return nil, err
	}
	n, err := m.findFile("open", name)
	if errors.Is(err, fs.ErrNotExist) {
		n = newFile()
		err = m.add("open", name, n)
	}
	if err != nil {
		return nil, err
	}
	return &memFile{m: m, node: n, name: name, read: true, write: true}, nil
}

// Move implements disk.Dir.
func (m *Mem) Move(from, to string) error { return m.rename(from, to, false) }

// Replace implements disk.Dir.
func (m *Mem) Replace(from, to string) error { return m.rename(from, to, true) }

func (m *Mem) rename(from, to string, replace bool) error {
	err := m.begin("rename", from, to)
	defer m.fs.mu.Unlock()
	if err != nil {
		return err
	}
	fail := func(err error) error { return &os.LinkError{Op: "rename", Old: from, New: to, Err: err} }
	n, err := m.find("rename", from)
	if err != nil {
		return err
	}
	here, last, err := m.parent("rename", from)
	if err != nil {
		return err
	}
	there, newLast, err := m.parent("rename", to)
	if err != nil {
		return err
	}
	old := there.names[newLast]
	switch {
	case last == "." || newLast == ".":
		return fail(syscall.EBUSY)
	case n.dir && (n == there || strings.HasPrefix(to, from+"/")):
		return fail(fs.ErrInvalid)
	case old != nil && !replace:
		return fail(fs.ErrExist)
	case old == n:
		return nil
	case old != nil && old.dir:
		return fail(fs.ErrExist)
	case old != nil && n.dir:
		return fail(syscall.ENOTDIR)
	}
	if here == there {
		m.change(here, &change{kind: moved, name: last, to: newLast, node: n})
		return nil
	}
	addition := m.change(there, &change{kind: added, name: newLast, node: n})
	m.change(here, &change{kind: removed, name: last, node: n, after: addition})
	return nil
}

// Remove implements disk.Dir.
func (m *Mem) Remove(name string) error {
	err := m.begin("remove", name)
	defer m.fs.mu.Unlock()
	if err != nil {
		return err
	}
	n, err := m.find("remove", name)
	if err != nil {
		return err
	}
	switch {
	case name == ".":
		return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrInvalid}
	case len(n.names) > 0:
		return &fs.PathError{Op: "remove", Path: name, Err: syscall.ENOTEMPTY}
	}
	dir, last, err := m.parent("remove", name)
	if err != nil {
		return err
	}
	m.change(dir, &change{kind: removed, name: last, node: n})
	return nil
}

// Mkdir implements disk.Dir.
func (m *Mem) Mkdir(name string) error {
	err := m.begin("mkdir", name)
	defer m.fs.mu.Unlock()
	if err != nil {
		return err
	}
	return m.add("mkdir", name, newDir())
}

// SetTime implements disk.Dir.
func (m *Mem) SetTime(name string, t time.Time) error {
	err := m.begin("settime", name)
	defer m.fs.mu.Unlock()
	if err != nil {
		return err
	}
	n, err := m.find("settime", name)
	if err != nil {
		return err
	}
	if n.dir {
		n.time = t
		return nil
	}
	n.do(run{kind: timed, time: t})
	return nil
}

// Lstat implements disk.Dir.
func (m *Mem) Lstat(name string) (fs.FileInfo, error) {
	err := m.begin("lstat", name)
	defer m.fs.mu.Unlock()
	if err != nil {
		return nil, err
	}
	n, err := m.find("lstat", name)
	if err != nil {
		return nil, err
	}
	return n.info(name), nil
}

// ReadDir implements disk.Dir.
func (m *Mem) ReadDir(name string) ([]fs.DirEntry, error) {
	err := m.begin("readdir", name)
	defer m.fs.mu.Unlock()
	if err != nil {
		return nil, err
	}
	dir, err := m.findDir("readdir", name)
	if err != nil {
		return nil, err
	}
	names := slices.Sorted(maps.Keys(dir.names))
	entries := make([]fs.DirEntry, 0, len(names))
	for _, name := range slices.Backward(names) {
		entries = append(entries, fs.FileInfoToDirEntry(dir.names[name].info(name)))
	}
	return entries, nil
}

// SyncFiles implements disk.Dir.
func (m *Mem) SyncFiles(names []string) error { return m.eachFile(names, (*node).sync) }

// lose is a SyncFiles that fails.
func (m *Mem) lose(names []string) { _ = m.eachFile(names, (*node).lose) }

func (m *Mem) eachFile(names []string, do func(*node)) error {
	err := m.begin("sync", names...)
	defer m.fs.mu.Unlock()
	if err != nil {
		return err
	}
	nodes := make([]*node, len(names))
	for i, name := range names {
		if nodes[i], err = m.findFile("sync", name); err != nil {
			return err
		}
	}
	for _, n := range nodes {
		do(n)
	}
	return nil
}

// SyncDir implements disk.Dir.
func (m *Mem) SyncDir(name string) error {
	err := m.begin("sync", name)
	defer m.fs.mu.Unlock()
	if err != nil {
		return err
	}
	dir, err := m.findDir("sync", name)
	if err != nil {
		return err
	}
	dir.syncDir()
	return nil
}

// Sub implements disk.Dir.
func (m *Mem) Sub(name string) (disk.Dir, error) {
	err := m.begin("open", name)
	defer m.fs.mu.Unlock()
	if err != nil {
		return nil, err
	}
	dir, err := m.findDir("open", name)
	if err != nil {
		return nil, err
	}
	return &Mem{fs: m.fs, dir: dir, epoch: m.epoch}, nil
}

// Close implements disk.Dir.
func (m *Mem) Close() error {
	m.fs.mu.Lock()
	defer m.fs.mu.Unlock()
	m.closed = true
	return nil
}
