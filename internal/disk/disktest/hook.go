package disktest

import (
	"io"
	"io/fs"
	"path"
	"sync/atomic"
	"time"

	"github.com/postroom-go/postroom/internal/disk"
)

// Kind is an operation's.
type Kind string

// The kinds of operations of a Dir and its Files. Those from KindOpen to KindLock
// only look, the others change something on the disk. KindClose changes if the
// file was opened for writing, KindOpenRW always counts as a change.
const (
	KindOpen    Kind = "open"
	KindRead    Kind = "read" // Read and ReadAt
	KindStat    Kind = "stat" // of a File
	KindLstat   Kind = "lstat"
	KindReadDir Kind = "readdir"
	KindSub     Kind = "sub"
	KindLock    Kind = "lock"

	KindCreate    Kind = "create"
	KindOpenRW    Kind = "openrw"
	KindWrite     Kind = "write" // Write and WriteAt
	KindSync      Kind = "sync"  // of a File
	KindTruncate  Kind = "truncate"
	KindClose     Kind = "close" // of a File
	KindMove      Kind = "move"
	KindReplace   Kind = "replace"
	KindRemove    Kind = "remove"
	KindMkdir     Kind = "mkdir"
	KindSetTime   Kind = "settime"
	KindSyncFiles Kind = "syncfiles"
	KindSyncDir   Kind = "syncdir"
)

// Op is one operation that [Hook] tells of.
type Op struct {
	Kind    Kind
	Name    string   // from the hooked Dir on, also in a Sub
	To      string   // the new name of KindMove and KindReplace
	Names   []string // of KindSyncFiles; they are the callee's to read only
	Size    int64    // octets of KindWrite, the length of KindTruncate
	Changes bool     // something on the disk
	N       int      // how many operations began before; among those that change, if this one does
	After   bool     // it is done; before that, it is about to be
	Err     error    // After: how it ended
}

// ShortWrite is an error for Hook's function to return before a KindWrite: N
// octets are written, no more than there are, and the write fails with Err, or
// io.ErrShortWrite if that is nil.
type ShortWrite struct {
	N   int
	Err error
}

// Error implements error.
func (s *ShortWrite) Error() string { return "short write: " + s.Unwrap().Error() }

// Unwrap returns Err or io.ErrShortWrite.
func (s *ShortWrite) Unwrap() error {
	if s.Err == nil {
		return io.ErrShortWrite
	}
	return s.Err
}

// Hook returns d with f called before and after each operation, of its Subs and
// Files too, except Close of a Dir. An error of f before an operation is returned
// in its stead; nothing is done then, except that Close closes the file all the
// same, and that a Sync or SyncFiles of a [Mem] that fails by f is one after
// which no other makes the same octets durable. An error of f after an operation
// that succeeded is returned although it is done.
//
// f is called by whoever calls d, at the same time if they do.
func Hook(d disk.Dir, f func(Op) error) disk.Dir {
	return &hook{d: d, shared: &hookShared{f: f}}
}

type hookShared struct {
	f              func(Op) error
	looks, changes atomic.Int64
}

// before numbers the operation and asks f about it.
func (s *hookShared) before(op *Op) error {
	n := &s.looks
	if op.Changes {
		n = &s.changes
	}
	op.N = int(n.Add(1) - 1)
	err := s.f(*op)
	if err != nil {
		err = &fs.PathError{Op: string(op.Kind), Path: op.Name, Err: err}
	}
	return err
}

// after tells f how the operation ended.
func (s *hookShared) after(op Op, err error) error {
	op.After, op.Err = true, err
	if afterErr := s.f(op); err == nil && afterErr != nil {
		err = &fs.PathError{Op: string(op.Kind), Path: op.Name, Err: afterErr}
	}
	return err
}

// around does an operation between the calls of f.
func (s *hookShared) around(op Op, do func() error) error {
	if err := s.before(&op); err != nil {
		return err
	}
	return s.after(op, do())
}

type hook struct {
	d      disk.Dir
	shared *hookShared
	prefix string
}

func (h *hook) name(name string) string { return path.Join(h.prefix, name) }

func (h *hook) look(kind Kind, name string, do func() error) error {
	return h.shared.around(Op{Kind: kind, Name: h.name(name)}, do)
}

func (h *hook) change(kind Kind, name string, do func() error) error {
	return h.shared.around(Op{Kind: kind, Name: h.name(name), Changes: true}, do)
}

func (h *hook) file(f disk.File, name string, changes bool) disk.File {
	return &hookFile{f: f, shared: h.shared, name: h.name(name), changes: changes}
}

func (h *hook) Open(name string) (f disk.File, err error) {
	err = h.look(KindOpen, name, func() (err error) { f, err = h.d.Open(name); return err })
	return h.opened(f, name, false, err)
}

func (h *hook) Create(name string) (f disk.File, err error) {
	err = h.change(KindCreate, name, func() (err error) { f, err = h.d.Create(name); return err })
	return h.opened(f, name, true, err)
}

func (h *hook) OpenRW(name string) (f disk.File, err error) {
	err = h.change(KindOpenRW, name, func() (err error) { f, err = h.d.OpenRW(name); return err })
	return h.opened(f, name, true, err)
}

// opened gives the file to the caller, or closes it if f made an error of it.
func (h *hook) opened(f disk.File, name string, changes bool, err error) (disk.File, error) {
	if err != nil {
		if f != nil {
			_ = f.Close()
		}
		return nil, err
	}
	return h.file(f, name, changes), nil
}

func (h *hook) Move(from, to string) error {
	return h.shared.around(Op{Kind: KindMove, Name: h.name(from), To: h.name(to), Changes: true}, func() error { return h.d.Move(from, to) })
}

func (h *hook) Replace(from, to string) error {
	return h.shared.around(Op{Kind: KindReplace, Name: h.name(from), To: h.name(to), Changes: true}, func() error { return h.d.Replace(from, to) })
}

func (h *hook) Remove(name string) error {
	return h.change(KindRemove, name, func() error { return h.d.Remove(name) })
}

func (h *hook) Mkdir(name string) error {
	return h.change(KindMkdir, name, func() error { return h.d.Mkdir(name) })
}

func (h *hook) SetTime(name string, t time.Time) error {
	return h.change(KindSetTime, name, func() error { return h.d.SetTime(name, t) })
}

func (h *hook) Lstat(name string) (info fs.FileInfo, err error) {
	err = h.look(KindLstat, name, func() (err error) { info, err = h.d.Lstat(name); return err })
	if err != nil {
		return nil, err
	}
	return info, nil
}

func (h *hook) ReadDir(name string) (entries []fs.DirEntry, err error) {
	err = h.look(KindReadDir, name, func() (err error) { entries, err = h.d.ReadDir(name); return err })
	if err != nil {
		return nil, err
	}
	return entries, nil
}

func (h *hook) SyncFiles(names []string) error {
	op := Op{Kind: KindSyncFiles, Changes: true, Names: make([]string, len(names))}
	for i, name := range names {
		op.Names[i] = h.name(name)
	}
	if err := h.shared.before(&op); err != nil {
		h.lose(names)
		return err
	}
	return h.shared.after(op, h.d.SyncFiles(names))
}

// lose passes on that a SyncFiles failed.
func (h *hook) lose(names []string) {
	if l, ok := h.d.(interface{ lose([]string) }); ok {
		l.lose(names)
	}
}

func (h *hook) SyncDir(name string) error {
	return h.change(KindSyncDir, name, func() error { return h.d.SyncDir(name) })
}

func (h *hook) Sub(name string) (sub disk.Dir, err error) {
	err = h.look(KindSub, name, func() (err error) { sub, err = h.d.Sub(name); return err })
	if err != nil {
		if sub != nil {
			_ = sub.Close()
		}
		return nil, err
	}
	return &hook{d: sub, shared: h.shared, prefix: h.name(name)}, nil
}

func (h *hook) Close() error { return h.d.Close() }
