package maildir

import (
	"bufio"
	"context"
	"encoding/binary"

	"github.com/postroom-go/postroom/internal/disk"
)

const (
	// maxFresh is how many octets of new records are held before they are
	// written in the middle of a list.
	maxFresh = 8 << 20
	// worthWriting is how many new records are written whatever the size of the
	// folder, and worthShare the share of it that is added to that.
	worthWriting = 64
	worthShare   = 64
)

// indexer is the index of a folder during one list: what was there, and what
// this list has found out.
type indexer struct {
	f     *folder
	all   []entry
	old   *index
	fresh map[string][]byte // records by base
	size  int               // of fresh
	off   bool              // nothing is written any more
}

// newIndexer opens the index of a folder whose messages are all.
func (f *folder) newIndexer(all []entry) *indexer {
	x := &indexer{f: f, all: all, fresh: map[string][]byte{}, off: f.mb.opts.NoIndex}
	if !x.off {
		x.old = openIndex(f.files)
	}
	return x
}

// look gives what is known of a message that is at a place in the list and whose
// file has that fingerprint; nil if that is nothing.
func (x *indexer) look(place int, fp fingerprint) *description {
	e := &x.all[place]
	record := x.fresh[e.key()]
	if record == nil && x.old.usable() {
		if x.old.at == 0 {
			x.old.at = place // a list may begin anywhere
		}
		record = x.old.find(e)
	}
	if record == nil {
		return nil
	}
	base, known, d, err := parseRecord(record)
	if err != nil || base != e.key() || known != fp {
		return nil
	}
	return d
}

// learn keeps what was found out about a message.
func (x *indexer) learn(ctx context.Context, place int, fp fingerprint, d *description) {
	if x.off {
		return
	}
	key := x.all[place].key()
	record := appendRecord(nil, key, fp, d)
	x.size += len(record) - len(x.fresh[key])
	x.fresh[key] = record
	if x.size > maxFresh {
		x.write(ctx)
	}
}

// end closes the index, and writes it anew if that is worth it.
func (x *indexer) end(ctx context.Context) {
	n := len(x.fresh)
	dead := x.old != nil && x.old.count > 2*len(x.all)+worthWriting // records of messages that are gone
	if n > 0 && n*10 >= len(x.all) || n >= worthWriting+len(x.all)/worthShare || dead {
		x.write(ctx)
	}
	x.old.close()
}

// write writes the index anew. It is never trusted, so nothing is synced; and if
// it cannot be written the next list takes longer.
func (x *indexer) write(ctx context.Context) {
	if x.off || x.f.mb.check(ctx) != nil {
		return
	}
	if err := x.replace(ctx); err != nil {
		x.f.mb.log.Info("maildir: the index is not written", "folder", x.f.name, "error", sentinel(err))
		x.off = true
		return
	}
	x.old.close()
	x.old = openIndex(x.f.files)
	x.fresh, x.size = map[string][]byte{}, 0
}

func (x *indexer) replace(ctx context.Context) error {
	name, err := x.f.uniqueName()
	if err != nil {
		return err
	}
	// In tmp, where whatever a crash leaves is swept one day.
	name = "tmp/" + name
	file, err := x.f.files.Create(name)
	if err != nil {
		return err
	}
	err = x.copyTo(file)
	if cerr := file.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = x.f.mb.commit(ctx, func() error { return x.f.files.Replace(name, indexFile) })
	}
	if err != nil {
		_ = x.f.files.Remove(name)
	}
	return err
}

// copyTo writes the records of all messages that are known, new ones and old
// ones.
func (x *indexer) copyTo(file disk.File) error {
	w := &indexWriter{file: file, w: bufio.NewWriterSize(file, windowSize)}
	w.write(make([]byte, headerSize))
	if x.old != nil {
		x.old.at = 0
	}
	for i := range x.all {
		e := &x.all[i]
		record, ok := x.fresh[e.key()]
		if !ok {
			record = x.old.find(e)
		}
		if len(record) > 0 {
			w.record(record)
		}
	}
	return w.finish()
}

// indexWriter writes an index. The first error stays.
type indexWriter struct {
	file   disk.File
	w      *bufio.Writer
	at     int64
	places []byte
	err    error
}

func (w *indexWriter) write(b []byte) {
	if w.err == nil {
		_, w.err = w.w.Write(b)
	}
	w.at += int64(len(b))
}

func (w *indexWriter) record(record []byte) {
	w.places = binary.LittleEndian.AppendUint64(w.places, uint64(w.at))
	var n [4]byte
	binary.LittleEndian.PutUint32(n[:], uint32(len(record)))
	w.write(n[:])
	w.write(record)
	binary.LittleEndian.PutUint32(n[:], crc32c(record))
	w.write(n[:])
}

// finish writes the table, and the header last: without it nothing counts.
func (w *indexWriter) finish() error {
	table := w.at
	w.write(w.places)
	if w.err == nil {
		w.err = w.w.Flush()
	}
	if w.err != nil {
		return w.err
	}
	h := make([]byte, 0, headerSize)
	h = append(h, indexMagic...)
	h = binary.LittleEndian.AppendUint64(h, uint64(len(w.places)/tableEntry))
	h = binary.LittleEndian.AppendUint64(h, uint64(table))
	h = binary.LittleEndian.AppendUint32(h, 0)
	h = binary.LittleEndian.AppendUint32(h, crc32c(h))
	_, err := w.file.WriteAt(h, 0)
	return err
}
