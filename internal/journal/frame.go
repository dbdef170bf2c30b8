package journal

import (
	"bufio"
	"encoding/binary"
	"hash/crc32"
	"io"
	"slices"
)

// The first octet of each frame says what it is.
const (
	frameKind   = 'K' // the first: what the journal is for
	frameRecord = 'R'
	frameSynced = 'S' // all before it was waited for
	frameClosed = 'C' // the same, and closed in good order
	frameLost   = 'L' // of what was waited for before it some is lost
)

const (
	magic     = "postroom journal 1\n"
	saltLen   = 4
	frameHead = 12 // length, checksum of what follows, checksum of the head
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// salt is what is random in a file: with what the checksums of heads begin.
type salt uint32

// seal is the checksum of a frame's head.
func (s salt) seal(head []byte) uint32 { return crc32.Update(uint32(s), castagnoli, head[:8]) }

// appendFrame appends a record of that kind in its frame.
func (s salt) appendFrame(b []byte, kind byte, record []byte) []byte {
	at := len(b)
	b = append(b, make([]byte, frameHead)...)
	b = append(append(b, kind), record...)
	head, frame := b[at:at+frameHead], b[at+frameHead:]
	binary.BigEndian.PutUint32(head, uint32(len(frame)))
	binary.BigEndian.PutUint32(head[4:], crc32.Checksum(frame, castagnoli))
	binary.BigEndian.PutUint32(head[8:], s.seal(head))
	return b
}

// frameLength is how many octets follow a frame's head, 0 if it is no head.
func (s salt) frameLength(head []byte) int {
	n := binary.BigEndian.Uint32(head)
	if n == 0 || n > 1+MaxRecord || binary.BigEndian.Uint32(head[8:]) != s.seal(head) {
		return 0
	}
	return int(n)
}

// fileHead is how a file begins.
func (s salt) fileHead(kind string) []byte {
	b := binary.BigEndian.AppendUint32([]byte(magic), uint32(s))
	return s.appendFrame(b, frameKind, []byte(kind))
}

// frames reads the frames of a file. It holds one of them at a time.
type frames struct {
	salt salt
	r    *bufio.Reader
	size int64 // of the file
	left int64 // octets that are not read yet
	buf  []byte

	damage
}

func newFrames(s salt, file io.ReaderAt, offset, size int64) *frames {
	left := size - offset
	r := bufio.NewReaderSize(io.NewSectionReader(file, offset, left), int(min(left, 64<<10)))
	return &frames{salt: s, r: r, size: size, left: left, damage: damage{at: offset, lost: none, suspect: none}}
}

// record is what a frame has to replay, nil if it is none that Append makes.
func record(frame []byte) []byte {
	if frame[0] != frameRecord || len(frame) == 1 {
		return nil
	}
	return frame[1:]
}

// next gives what is in the next frame, good until the next call. The error is
// io.EOF at the end, or the file's own.
//
// Damage is skipped. A crash damages only the end, which was never synced; a disk
// can damage anything, and what follows is worth keeping. Each octet is looked at
// a few times, whatever the file holds: damage in a head is searched through for
// the next head, and damage behind one is skipped with its frame.
func (f *frames) next() ([]byte, error) {
	for {
		head, err := f.r.Peek(frameHead)
		if err != nil {
			if err == io.EOF {
				f.skip(head)
				f.ended()
			}
			return nil, err
		}
		n := f.salt.frameLength(head)
		if n == 0 || int64(n) > f.left-frameHead {
			if n > 0 {
				f.cutHere()
			}
			f.skip(head[:1])
			_, _ = f.r.Discard(1) // it is in the buffer
			continue
		}
		sum := binary.BigEndian.Uint32(head[4:])
		f.buf = append(f.buf[:0], head...)
		_, _ = f.r.Discard(frameHead)
		f.buf = slices.Grow(f.buf, n)[:frameHead+n]
		frame := f.buf[frameHead:]
		switch n, err := io.ReadFull(f.r, frame); {
		case err == io.EOF || err == io.ErrUnexpectedEOF:
			f.cutHere() // somebody has cut the file meanwhile
			f.skip(f.buf[:frameHead+n])
			f.ended()
			return nil, io.EOF
		case err != nil:
			return nil, err
		}
		if crc32.Checksum(frame, castagnoli) == sum {
			f.left -= int64(len(f.buf))
			f.good(len(f.buf), frame)
			return frame, nil
		}
		f.skip(f.buf)
	}
}

func (f *frames) skip(octets []byte) {
	f.left -= int64(len(octets))
	f.damage.skip(octets)
}

// ended ends the file. What it should have had, somebody has cut off meanwhile.
func (f *frames) ended() {
	f.octets += f.left
	f.left = 0
	f.end()
}
