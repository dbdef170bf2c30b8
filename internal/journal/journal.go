package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"

	"github.com/postroom-go/postroom/internal/disk"
)

// Journal is an open journal. All methods are safe for concurrent use.
type Journal struct {
	dir        disk.Dir
	name, kind string
	lock       disk.File
	damaged    int64
	founded    bool // the journal was there before, durably

	mu      sync.Mutex
	file    disk.File // nil while it is replaced, and if that failed
	salt    salt
	size    int64 // of what is in the file
	clean   bool  // the file ends with the mark of a good end
	lost    int   // how many records are before what is lost, or none
	pending []byte
	records int   // in the file and pending
	err     error // why it takes no more
}

// Open opens the journal of that name in dir, and makes it if it is not there.
// kind says what it is for; a journal of another kind is ErrFormat. replay gets
// each record, in their order; the octets are good during the call only, and its
// error ends Open. What was replayed is durable when Open returns. If another
// process has the journal it is disk.ErrLocked.
//
// The lock is a file of its own, name with ".lock", which stays, and one of the
// journal itself: who removes the first lets nobody in. A journal that is written
// anew is name with ".new" meanwhile.
func Open(dir disk.Dir, name, kind string, replay func(record []byte) error) (*Journal, error) {
	lock, err := dir.OpenRW(name + ".lock")
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	if err := lock.Lock(); err != nil {
		return nil, errors.Join(fmt.Errorf("journal %s: %w", name, err), lock.Close())
	}
	j := &Journal{dir: dir, name: name, kind: kind, lock: lock, lost: none}
	if err := j.open(replay); err != nil {
		return nil, errors.Join(fmt.Errorf("journal %s: %w", name, err), j.release())
	}
	return j, nil
}

func (j *Journal) open(replay func([]byte) error) error {
	st, err := j.lock.Stat()
	if err != nil {
		return err
	}
	j.founded = st.Size() > 0
	if j.file, err = j.dir.OpenRW(j.name); err != nil {
		return err
	}
	if err := j.file.Lock(); err != nil {
		return err
	}
	if err := j.ours(); errors.Is(err, errReplaced) {
		return fmt.Errorf("%w: %w", disk.ErrLocked, err) // just now, by whoever has it
	} else if err != nil {
		return err
	}
	if err := j.read(replay); err != nil {
		return err
	}
	if !j.clean {
		if err := j.rewrite(j.copyAll); err != nil {
			return err
		}
	}
	return j.found()
}

// found notes in the lock's file that there is a journal: one that is missing
// later was removed, and is not new.
func (j *Journal) found() error {
	if j.founded {
		return nil
	}
	if _, err := j.lock.WriteAt([]byte("\n"), 0); err != nil {
		return err
	}
	j.founded = true
	return j.lock.Sync()
}

// ours makes sure that the file of that name is the one that is open and locked.
// Where somebody has removed or replaced it, another process may work on what is
// there now, and nothing that is written here will be found.
func (j *Journal) ours() error {
	open, err := j.file.Stat()
	if err != nil {
		return err
	}
	there, err := j.dir.Lstat(j.name)
	if err == nil && !disk.SameFile(open, there) {
		err = errReplaced
	}
	return err
}

var errReplaced = errors.New("another file is in its place: somebody has replaced it")

// read replays the file.
func (j *Journal) read(replay func([]byte) error) error {
	f, err := j.frames()
	if err != nil {
		return err
	}
	closed := false
	for {
		frame, err := f.next()
		if err == io.EOF {
			j.size, j.damaged, j.lost = f.size, f.octets, f.lost
			j.clean = closed && f.octets == 0
			return nil
		}
		if err != nil {
			return err
		}
		closed = frame[0] == frameClosed
		if r := record(frame); r != nil {
			j.records++
			if err := replay(r); err != nil {
				return err
			}
		}
	}
}

// Read replays a journal without locking or changing it, as far as it is
// written by now; not all of that need be durable. There is nothing to replay if
// it is not there.
func Read(dir disk.Dir, name, kind string, replay func(record []byte) error) error {
	file, err := dir.Open(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("journal: %w", err)
	}
	defer file.Close()
	j := &Journal{kind: kind, file: file}
	if err := j.read(replay); err != nil {
		return fmt.Errorf("journal %s: %w", name, err)
	}
	return nil
}

// frames begins to read the file behind its head. A file that was cut there is
// as good as empty.
func (j *Journal) frames() (*frames, error) {
	st, err := j.file.Stat()
	if err != nil {
		return nil, err
	}
	size := st.Size()
	begin := make([]byte, min(int64(len(j.salt.fileHead(j.kind))), size))
	if _, err := j.file.ReadAt(begin, 0); err != nil && err != io.EOF {
		return nil, err
	}
	var octets [saltLen]byte
	copy(octets[:], begin[min(len(magic), len(begin)):])
	j.salt = salt(binary.BigEndian.Uint32(octets[:]))
	head := j.salt.fileHead(j.kind)
	if !bytes.HasPrefix(head, begin) {
		return nil, ErrFormat
	}
	f := newFrames(j.salt, j.file, int64(len(begin)), size)
	if len(begin) < len(head) {
		f.octets = size
		if j.founded {
			f.lost = 0 // it was whole once
		}
	}
	return f, nil
}

// Damaged is how many octets of the file could not be read when it was opened.
// After a crash these were never synced; else the disk is failing: see Lost.
func (j *Journal) Damaged() int64 { return j.damaged }

// Lost reports whether records may be missing that were synced, because the disk
// has damaged them or somebody has removed the file. All that are missing were
// older than those that were replayed, but for the first n. It lasts until Rewrite,
// over crashes as well. A disk that cuts the file behind a frame, or makes zeros
// of what was synced last, is not found out.
func (j *Journal) Lost() (n int, lost bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return max(0, j.lost), j.lost != none
}

// Records is how many records the journal holds, for the decision to Rewrite it.
func (j *Journal) Records() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.records
}

// Size is how many octets the journal takes, for the same.
func (j *Journal) Size() int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.size + int64(len(j.pending))
}

// Append adds a record. It is in memory until Sync. An empty record, or one of
// more than MaxRecord octets, is an error, and the journal is as before. After
// Close it is fs.ErrClosed.
func (j *Journal) Append(record []byte) error {
	if err := check(record); err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err != nil {
		return j.err
	}
	if len(j.pending) == 0 {
		j.pending = j.salt.appendFrame(j.pending, frameSynced, nil)
	}
	j.pending = j.salt.appendFrame(j.pending, frameRecord, record)
	j.records++
	return nil
}

func check(record []byte) error {
	if len(record) == 0 || len(record) > MaxRecord {
		return fmt.Errorf("journal: a record of %d octets: it takes 1 to %d", len(record), MaxRecord)
	}
	return nil
}

// Sync makes every record appended so far durable. If somebody has removed or
// replaced the file meanwhile that is an error. After an error the journal takes no
// more: it is ErrBroken, and fs.ErrClosed after Close.
func (j *Journal) Sync() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.sync()
}

func (j *Journal) sync() error {
	if j.err != nil || len(j.pending) == 0 {
		return j.err
	}
	j.clean = false
	n, err := j.file.WriteAt(j.pending, j.size)
	if err == nil {
		err = j.file.Sync()
	}
	if err == nil {
		err = j.ours()
	}
	if err != nil {
		return j.fail(err)
	}
	j.size += int64(n)
	if j.pending = j.pending[:0]; cap(j.pending) > 1<<20 {
		j.pending = nil
	}
	return nil
}

func (j *Journal) fail(err error) error {
	j.err = fmt.Errorf("%w: %s: %w", ErrBroken, j.name, err)
	return j.err
}

// Close syncs, marks the good end, and lets go of the journal. It is idempotent.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.lock == nil {
		return nil
	}
	err := j.sync()
	if err == nil && !j.clean {
		// The mark says that all before it is durable, so it is written when
		// that is known. It need not be durable itself: without it the journal
		// is written anew, and that is all.
		if _, err = j.file.WriteAt(j.salt.appendFrame(nil, frameClosed, nil), j.size); err != nil {
			err = fmt.Errorf("journal: %w", err)
		}
	}
	if j.err == nil {
		j.err = fs.ErrClosed
	}
	return errors.Join(err, j.release())
}

func (j *Journal) release() error {
	var err error
	if j.file != nil {
		err = j.file.Close()
	}
	err = errors.Join(err, j.lock.Close())
	j.file, j.lock = nil, nil
	return err
}
