package compose

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"sync"
)

// segment is a piece of a message: text, or a source that is read through an
// encoding when its turn comes.
type segment struct {
	text     []byte
	src      *source
	encoding string // of src: base64, or 7bit and 8bit, whose line ends become CRLF
}

// size is how many octets the segment has; -1 if that is not known.
func (s *segment) size() int64 {
	switch {
	case s.src == nil:
		return int64(len(s.text))
	case s.src.size < 0:
		return -1
	case s.encoding == base64Encoding:
		return base64Size(s.src.size)
	}
	return s.src.wire
}

// length adds up segments; -1 if one is not known.
func length(segments []segment) int64 {
	var n int64
	for i := range segments {
		size := segments[i].size()
		if size < 0 {
			return -1
		}
		n += size
	}
	return n
}

// errChanged ends a message whose parts are not what they were.
var errChanged = errors.New("is not what it was when the message was prepared")

// errClosed ends a reader that is read after Close.
var errClosed = errors.New("compose: read after Close")

// reader reads segments one after the other. It has one source open at a time.
type reader struct {
	mu      sync.Mutex
	reading bool // Read is under way, and closes the source if closed is set meanwhile
	closed  bool

	// These belong to Read, and to Close while nobody reads.
	ctx      context.Context
	segments []segment
	// learn notes the digest of each source, as the first pass does.
	learn bool

	text []byte
	src  *sourceReader
	out  io.Reader // src through its encoding
	err  error
}

// Read gives the next octets of the message.
func (r *reader) Read(p []byte) (int, error) {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return 0, errClosed
	}
	r.reading = true
	r.mu.Unlock()
	n, err := r.read(p)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reading = false
	if r.closed {
		_ = r.leave()
		return 0, errClosed
	}
	return n, err
}

func (r *reader) read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil && r.err == nil {
		r.err = err
	}
	for {
		switch {
		case r.err != nil:
			return 0, r.err
		case len(p) == 0:
			return 0, nil
		case len(r.text) > 0:
			n := copy(p, r.text)
			r.text = r.text[n:]
			return n, nil
		case r.out != nil:
			n, err := r.out.Read(p)
			switch {
			case err == io.EOF:
				r.err = r.closeSource()
			case err != nil:
				r.err = fmt.Errorf("%s: %w", r.src.name, err)
				r.closeSource()
			}
			if n > 0 {
				return n, nil
			}
		case len(r.segments) == 0:
			r.err = io.EOF
		default:
			r.err = r.next()
		}
	}
}

func (r *reader) next() error {
	s := r.segments[0]
	r.segments = r.segments[1:]
	if s.src == nil {
		r.text = s.text
		return nil
	}
	rc, err := s.src.open(r.ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", s.src.name, err)
	}
	r.src = &sourceReader{source: s.src, in: &ctxReader{ctx: r.ctx, r: rc}, rc: rc, learn: r.learn}
	if r.learn || s.src.sum != nil {
		r.src.hash = sha256.New()
	}
	if s.encoding == base64Encoding {
		r.out = newBase64Reader(r.src)
	} else {
		r.out = newCRLFReader(r.src)
	}
	return nil
}

func (r *reader) closeSource() error {
	src := r.src
	r.src, r.out = nil, nil
	if err := src.rc.Close(); err != nil {
		return fmt.Errorf("%s: %w", src.name, err)
	}
	return nil
}

// Close ends the reading. It can be called again, and while a Read is under way that
// a sender has given up waiting for: that one closes the source then.
func (r *reader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	if r.reading {
		return nil
	}
	return r.leave()
}

// leave closes the source that is open.
func (r *reader) leave() error {
	if r.src == nil {
		return nil
	}
	return r.closeSource()
}

// sourceReader reads a source, and fails at its end if it is not what it was.
type sourceReader struct {
	*source
	in    io.Reader // rc, as long as it goes on
	rc    io.ReadCloser
	hash  hash.Hash // nil if there is nothing to compare with
	learn bool
	n     int64
}

// Read gives the next octets of the source.
func (s *sourceReader) Read(p []byte) (int, error) {
	n, err := s.in.Read(p)
	s.n += int64(n)
	if s.hash != nil {
		s.hash.Write(p[:n])
	}
	if s.size >= 0 && s.n > s.size {
		return 0, fmt.Errorf("has more than the %d octets that it should have: %w", s.size, errChanged)
	}
	if err != io.EOF {
		return n, err
	}
	switch {
	case s.size >= 0 && s.n != s.size:
		return 0, fmt.Errorf("has %d of the %d octets that it should have: %w", s.n, s.size, io.ErrUnexpectedEOF)
	case s.sum != nil && !bytes.Equal(s.hash.Sum(nil), s.sum):
		return 0, errChanged
	case s.learn:
		s.source.size, s.sum = s.n, s.hash.Sum(nil)
	}
	return n, io.EOF
}

// crlfReader turns LF into CRLF and leaves CRLF alone.
type crlfReader struct {
	src  *bufio.Reader
	last byte
	rest []byte
	err  error
}

func newCRLFReader(src io.Reader) *crlfReader { return &crlfReader{src: bufio.NewReader(src)} }

// Read gives the next octets.
func (r *crlfReader) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		if len(r.rest) == 0 {
			if n > 0 || r.err != nil {
				break
			}
			if _, r.err = r.src.Peek(1); r.err != nil {
				break
			}
			r.rest, _ = r.src.Peek(r.src.Buffered())
		}
		c := r.rest[0]
		if c == '\n' && r.last != '\r' {
			p[n], r.last = '\r', '\r'
			n++
			continue
		}
		p[n], r.last = c, c
		n++
		r.rest = r.rest[1:]
		r.src.Discard(1)
	}
	if n > 0 {
		return n, nil
	}
	return 0, r.err
}
