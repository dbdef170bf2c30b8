package maildir

import (
	"encoding/binary"
	"hash/crc32"
	"io"

	"github.com/postroom-go/postroom/internal/disk"
)

// The index is a file of a header, records in the order of the list, and a table
// of their places. Numbers of fixed size are little endian.
//
//	header  magic and version (8), number of records (8), place of the table (8),
//	        zero (4), CRC-32C of these (4)
//	record  length (4), record, CRC-32C of the record (4)
//	table   place of each record (8)
const (
	indexFile  = "postroom.index"
	indexMagic = "pr-idx\x00\x01"
	headerSize = 32
	tableEntry = 8
	// windowSize is how much of the file is held at a time.
	windowSize = 64 << 10
)

func crc32c(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// index reads an index, a window of it at a time. A nil index is empty.
type index struct {
	file    disk.File
	size    int64
	count   int
	table   int64
	records window
	places  window
	at      int  // where to look first
	bad     bool // it is damaged: nothing is in it
}

// openIndex opens an index; nil if there is none, or none that we know.
func openIndex(files disk.Dir) *index {
	file, size, err := openFile(files, indexFile)
	if err != nil {
		return nil
	}
	x := newIndex(file, size)
	if x == nil {
		_ = file.Close()
	}
	return x
}

func newIndex(file disk.File, size int64) *index {
	var h [headerSize]byte
	if _, err := file.ReadAt(h[:], 0); err != nil || string(h[:8]) != indexMagic {
		return nil
	}
	count, table := binary.LittleEndian.Uint64(h[8:]), binary.LittleEndian.Uint64(h[16:])
	if binary.LittleEndian.Uint32(h[28:]) != crc32c(h[:28]) || table > uint64(size) ||
		uint64(size)-table != count*tableEntry || count > uint64(size) {
		return nil
	}
	return &index{file: file, size: size, count: int(count), table: int64(table),
		records: window{file: file}, places: window{file: file}}
}

func (x *index) close() {
	if x != nil {
		_ = x.file.Close()
	}
}

// usable reports whether anything can be in it.
func (x *index) usable() bool { return x != nil && !x.bad && x.count > 0 }

// record gives the i-th record; it is good until the next call. Damage makes x
// bad.
func (x *index) record(i int) []byte {
	raw := x.places.read(x.table+int64(i)*tableEntry, tableEntry, x.size)
	if raw != nil {
		from := int64(binary.LittleEndian.Uint64(raw))
		if head := x.records.read(from, 4, x.table); head != nil && from >= headerSize {
			n := int64(binary.LittleEndian.Uint32(head))
			if n <= maxRecord {
				raw = x.records.read(from+4, n+4, x.table)
				if raw != nil && binary.LittleEndian.Uint32(raw[n:]) == crc32c(raw[:n]) {
					return raw[:n]
				}
			}
		}
	}
	x.bad = true
	return nil
}

// compare compares the i-th record with a message, by the order of the list.
func (x *index) compare(i int, e *entry) int {
	base, err := recordBase(x.record(i))
	if err != nil {
		x.bad = true
		return 0
	}
	return -e.compareKey(stampOf(base), base)
}

// find gives a message's record, nil if there is none; it is good until the next
// call. What is asked for in the order of the list, or in the reverse of it, is
// found at once.
func (x *index) find(e *entry) []byte {
	if !x.usable() {
		return nil
	}
	i, ok := x.search(e)
	if !ok || x.bad {
		return nil
	}
	return x.record(i)
}

// search looks ahead or back from the last place in steps that double, then
// between the last two.
func (x *index) search(e *entry) (int, bool) {
	x.at = min(max(x.at, 0), x.count-1)
	c := x.compare(x.at, e)
	if c == 0 {
		return x.at, true
	}
	low, high := x.at, x.at // the message is between them, exclusive
	if c < 0 {
		for step := 1; high < x.count; step *= 2 {
			if high = min(low+step, x.count); high == x.count {
				break
			}
			if c = x.compare(high, e); c == 0 {
				x.at = high
				return high, true
			}
			if c > 0 {
				break
			}
			low = high
		}
	} else {
		for step := 1; low >= 0; step *= 2 {
			if low = max(high-step, -1); low < 0 {
				break
			}
			if c = x.compare(low, e); c == 0 {
				x.at = low
				return low, true
			}
			if c < 0 {
				break
			}
			high = low
		}
	}
	for high-low > 1 && !x.bad {
		middle := low + (high-low)/2
		switch c = x.compare(middle, e); {
		case c == 0:
			x.at = middle
			return middle, true
		case c < 0:
			low = middle
		default:
			high = middle
		}
	}
	x.at = low
	return 0, false
}

// window is a piece of a file.
type window struct {
	file  disk.File
	start int64
	buf   []byte
}

// read gives n octets from a place on that lie before end, nil if there are
// none. They are good until the next call.
func (w *window) read(from, n, end int64) []byte {
	if from < 0 || n < 0 || n > end || from > end-n {
		return nil
	}
	if from < w.start || from+n > w.start+int64(len(w.buf)) {
		if !w.load(from, n, end) {
			return nil
		}
	}
	return w.buf[from-w.start:][:n]
}

// load reads the window around a place: it begins where windows begin, so that
// one who goes back has half a window before it.
func (w *window) load(from, n, end int64) bool {
	start := from / (windowSize / 2) * (windowSize / 2)
	size := min(max(windowSize, from+n-start), end-start)
	if int64(cap(w.buf)) < size {
		w.buf = make([]byte, size)
	}
	w.buf, w.start = w.buf[:size], start
	k, err := w.file.ReadAt(w.buf, start)
	w.buf = w.buf[:k]
	return (err == nil || err == io.EOF) && from+n <= start+int64(k)
}
