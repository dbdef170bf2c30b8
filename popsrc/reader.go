package popsrc

import (
	"bytes"
	"fmt"
	"io"

	"github.com/postroom-go/postroom/mailbox"
)

const (
	bufferSize = 64 << 10
	// minFree is how much room a Read gets at least, so that the end of the
	// buffer does not make for tiny reads.
	minFree = 16 << 10
)

// limits bound what a server can make us hold or wait for. Tests raise them to
// show what they are for.
type limits struct {
	line      int   // octets of a reply line
	listLines int   // lines of a listing
	listBytes int   // octets of a listing
	capaLines int   // capabilities
	sizeFloor int64 // octets that any message may have, whatever LIST says
}

var defaultLimits = limits{
	line:      8 << 10,
	listLines: 1_000_000,
	listBytes: 64 << 20,
	capaLines: 1_000,
	sizeFloor: 64 << 20,
}

// most is how long a message may be of which LIST said that it has size octets.
// Servers err, also by a factor (RFC 1939 section 11 wants it exact), but a
// message must end.
func (l *limits) most(size int64) int64 {
	const margin = 1 << 20
	if size > 1<<61 {
		return 1 << 62
	}
	return max(2*size+margin, l.sizeFloor)
}

// reader takes the server's octets apart: lines, and the bodies of multi-line
// responses. Its errors are those of the connection, and mailbox.ErrProtocol and
// ErrTooLarge; after any of them it cannot go on.
type reader struct {
	src  io.Reader
	buf  []byte
	r, w int // what is read and not used is buf[r:w]
	lim  *limits
}

func newReader(src io.Reader, lim *limits) *reader {
	return &reader{src: src, buf: make([]byte, bufferSize), lim: lim}
}

// buffered is how much was read and not used.
func (r *reader) buffered() int { return r.w - r.r }

// fill reads once more.
func (r *reader) fill() error {
	if r.r == r.w {
		r.r, r.w = 0, 0
	} else if len(r.buf)-r.w < minFree {
		r.w = copy(r.buf, r.buf[r.r:r.w])
		r.r = 0
	}
	for range 100 {
		n, err := r.src.Read(r.buf[r.w:])
		r.w += n
		if n > 0 {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

// line gives the next line without its end, good until the next call. A line
// may end in LF alone: nothing is told apart by that outside of bodies.
func (r *reader) line() ([]byte, error) {
	for seen := 0; ; {
		i := bytes.IndexByte(r.buf[r.r+seen:r.w], '\n')
		n := seen + i
		if i < 0 {
			n = r.w - r.r
		}
		if n > r.lim.line {
			return nil, fmt.Errorf("%w: a reply line of more than %d octets", mailbox.ErrProtocol, r.lim.line)
		}
		if i >= 0 {
			line := r.buf[r.r : r.r+n]
			r.r += n + 1
			return bytes.TrimSuffix(line, []byte("\r")), nil
		}
		seen = n
		if err := r.fill(); err != nil {
			return nil, err
		}
	}
}

// list gives f each line of a multi-line response (RFC 1939 section 3).
func (r *reader) list(maxLines int, f func(line []byte)) error {
	for lines, size := 0, 0; ; lines++ {
		line, err := r.line()
		if err != nil {
			return err
		}
		if len(line) > 0 && line[0] == '.' {
			if len(line) == 1 {
				return nil
			}
			line = line[1:]
		}
		if size += len(line); lines >= maxLines || size > r.lim.listBytes {
			return fmt.Errorf("%w: a listing of more than %d lines or %d octets",
				mailbox.ErrProtocol, maxLines, r.lim.listBytes)
		}
		f(line)
	}
}

var crlfDot = []byte("\r\n.")

// body gives w the message of a multi-line response, its dots unstuffed, octet
// by octet as it was before. Only CRLF, dot, CRLF is its end; a bare LF or CR
// begins no line. A message of more than most octets is mailbox.ErrTooLarge and
// ErrProtocol. An error of w ends it.
func (r *reader) body(most int64, w func(p []byte) error) error {
	for start := true; ; {
		if start {
			end, err := r.dot()
			if end || err != nil {
				return err
			}
			start = false
		}
		p := r.buf[r.r:r.w]
		n := bytes.Index(p, crlfDot)
		if n >= 0 {
			n += 2
			start = true
		} else {
			n = len(p) - halfCRLF(p)
		}
		if most -= int64(n); most < 0 {
			return fmt.Errorf("%w: %w: the message goes on far behind its announced size", mailbox.ErrTooLarge, mailbox.ErrProtocol)
		}
		r.r += n
		if n > 0 {
			if err := w(p[:n]); err != nil {
				return err
			}
		}
		if !start {
			if err := r.fill(); err != nil {
				return err
			}
		}
	}
}

// dot looks at the beginning of a line: the end of the body is used up, and so
// is the dot that was stuffed in.
func (r *reader) dot() (end bool, err error) {
	for r.w == r.r {
		if err := r.fill(); err != nil {
			return false, err
		}
	}
	if r.buf[r.r] != '.' {
		return false, nil
	}
	// Behind a dot there come at least two octets more: those of the end.
	for r.w-r.r < 3 {
		if err := r.fill(); err != nil {
			return false, err
		}
	}
	if r.buf[r.r+1] == '\r' && r.buf[r.r+2] == '\n' {
		r.r += 3
		return true, nil
	}
	r.r++
	return false, nil
}

// halfCRLF is how many octets at the end of p may be the first of CRLF, dot.
func halfCRLF(p []byte) int {
	switch {
	case bytes.HasSuffix(p, crlfDot[:2]):
		return 2
	case bytes.HasSuffix(p, crlfDot[:1]):
		return 1
	}
	return 0
}
