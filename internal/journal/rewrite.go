package journal

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"path"

	"github.com/postroom-go/postroom/internal/disk"
)

// Rewrite replaces all records, those that were not synced included, at one go
// and durably: fill adds the new ones, and must not use the journal otherwise.
// After an error, be it of fill, the journal takes no more, and holds the old
// records or the new ones.
func (j *Journal) Rewrite(fill func(add func(record []byte) error) error) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err != nil {
		return j.err
	}
	j.pending = nil
	if err := j.rewrite(fill); err != nil {
		return j.fail(err)
	}
	return nil
}

// errChanged: what has been replayed is not what is there.
var errChanged = errors.New("the file changes while it is read")

// copyAll adds what can be read of the present file.
func (j *Journal) copyAll(add func([]byte) error) error {
	f, err := j.frames()
	if err != nil {
		return err
	}
	for n := 0; ; {
		frame, err := f.next()
		switch {
		case err == io.EOF && n != j.records:
			return errChanged
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
		if r := record(frame); r != nil {
			n++
			if err := add(r); err != nil {
				return err
			}
		}
	}
}

func (j *Journal) rewrite(fill func(add func([]byte) error) error) error {
	next := j.name + ".new"
	if err := j.dir.Remove(next); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	w := &writer{}
	if err := w.write(j, next, fill); err != nil {
		_ = j.dir.Remove(next) // it is of no use, and does no harm
		return err
	}
	// Windows does not replace an open file on every file system.
	_ = j.file.Close() // all that it had to keep was synced, or is in the new one
	j.file = nil
	if err := j.dir.Replace(next, j.name); err != nil {
		_ = j.dir.Remove(next)
		return err
	}
	if err := j.dir.SyncDir(path.Dir(j.name)); err != nil {
		return err
	}
	f, err := j.dir.OpenRW(j.name)
	if err != nil {
		return err
	}
	j.file, j.salt, j.size, j.records, j.clean = f, w.salt, w.size, w.records, false
	return nil
}

// writer writes a new journal in pieces.
type writer struct {
	f       disk.File
	salt    salt
	buf     []byte
	size    int64
	records int
}

// write makes a file of that name with what fill adds. It is durable, but not
// its name.
func (w *writer) write(j *Journal, name string, fill func(add func([]byte) error) error) (err error) {
	var octets [saltLen]byte
	if _, err := rand.Read(octets[:]); err != nil {
		return err
	}
	w.salt = salt(binary.BigEndian.Uint32(octets[:]))
	if w.f, err = j.dir.Create(name); err != nil {
		return err
	}
	w.buf = w.salt.fileHead(j.kind)
	err = fill(w.add)
	if err == nil {
		err = w.flush()
	}
	if err == nil {
		err = w.f.Sync()
	}
	return errors.Join(err, w.f.Close())
}

func (w *writer) add(record []byte) error {
	if err := check(record); err != nil {
		return err
	}
	w.records++
	if w.buf = w.salt.appendFrame(w.buf, frameRecord, record); len(w.buf) < 256<<10 {
		return nil
	}
	return w.flush()
}

func (w *writer) flush() error {
	n, err := w.f.Write(w.buf)
	w.size += int64(n)
	w.buf = w.buf[:0]
	return err
}
