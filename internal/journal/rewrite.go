package journal

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"path"
	"runtime"

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
	if err := j.rewrite(func(w *writer) error { return fill(w.add) }); err != nil {
		return j.fail(err)
	}
	j.lost = none
	return nil
}

// errChanged: what has been replayed is not what is there.
var errChanged = errors.New("the file changes while it is read")

// copyAll adds what can be read of the present file, and where some is lost.
func (j *Journal) copyAll(w *writer) error {
	f, err := j.frames()
	if err != nil {
		return err
	}
	for n := 0; ; {
		if n == j.lost {
			w.frame(frameLost, []byte{frameLost}) // long enough to be missed
		}
		r, err := f.nextRecord()
		switch {
		case err == io.EOF && n != j.records:
			return errChanged
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
		n++
		if err := w.add(r); err != nil {
			return err
		}
	}
}

// nextRecord gives the next frame that is a record.
func (f *frames) nextRecord() ([]byte, error) {
	for {
		frame, err := f.next()
		if err != nil {
			return nil, err
		}
		if r := record(frame); r != nil {
			return r, nil
		}
	}
}

func (j *Journal) rewrite(fill func(w *writer) error) error {
	next := j.name + ".new"
	if err := j.dir.Remove(next); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	w := &writer{}
	err := w.write(j, next, fill)
	if err == nil {
		err = j.ours()
	}
	if err == nil {
		err = j.replace(next)
	}
	if err != nil {
		if w.f != nil {
			_ = w.f.Close()
		}
		_ = j.dir.Remove(next) // it is of no use, and does no harm
		return err
	}
	if j.file != nil {
		_ = j.file.Close() // all that it had to keep was synced, or is in the new one
	}
	// From now on what has the name is locked by the new one.
	j.file, j.salt, j.size, j.records, j.clean = w.f, w.salt, w.size, w.records, false
	if err := j.dir.SyncDir(path.Dir(j.name)); err != nil {
		return err
	}
	return j.ours()
}

// replace gives the new file its name.
func (j *Journal) replace(next string) error {
	if runtime.GOOS == "windows" { // which does not replace an open file on every file system
		_ = j.file.Close()
		j.file = nil
	}
	return j.dir.Replace(next, j.name)
}

// writer writes a new journal in pieces.
type writer struct {
	f       disk.File
	salt    salt
	buf     []byte
	size    int64
	records int
}

// write makes a file of that name with what fill adds, and locks it. It is durable,
// but not its name.
func (w *writer) write(j *Journal, name string, fill func(w *writer) error) error {
	var octets [saltLen]byte
	if _, err := rand.Read(octets[:]); err != nil {
		return err
	}
	w.salt = salt(binary.BigEndian.Uint32(octets[:]))
	var err error
	if w.f, err = j.dir.OpenRW(name); err != nil {
		return err
	}
	if err := w.f.Lock(); err != nil {
		return err
	}
	switch st, err := w.f.Stat(); {
	case err != nil:
		return err
	case st.Size() > 0:
		return fs.ErrExist // it was removed, and has come again
	}
	w.buf = w.salt.fileHead(j.kind)
	if err := fill(w); err != nil {
		return err
	}
	// It gets its name when this is true.
	w.frame(frameSynced, nil)
	if err := w.flush(); err != nil {
		return err
	}
	return w.f.Sync()
}

func (w *writer) add(record []byte) error {
	if err := check(record); err != nil {
		return err
	}
	w.records++
	if w.frame(frameRecord, record); len(w.buf) < 256<<10 {
		return nil
	}
	return w.flush()
}

func (w *writer) frame(kind byte, b []byte) { w.buf = w.salt.appendFrame(w.buf, kind, b) }

func (w *writer) flush() error {
	n, err := w.f.Write(w.buf)
	w.size += int64(n)
	w.buf = w.buf[:0]
	return err
}
