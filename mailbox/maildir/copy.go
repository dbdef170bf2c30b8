package maildir

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/postroom-go/postroom/internal/disk"
)

// bufferSize is how much of a message is read at a time.
const bufferSize = 128 << 10

// copier writes messages into files, one after the other.
type copier struct {
	mb  *Mailbox
	buf []byte // made when it is first needed

	ctx    context.Context
	file   disk.File
	want   int64 // the size as told; 0 is unknown
	read   int64 // octets of the message so far
	stored int64 // octets in the file so far
	cr     bool  // the last octet was a CR, and is not stored yet
	plain  []byte
}

// errLong ends the copying of a message that is longer than its size.
var errLong = errors.New("longer than its size")

// copy writes a message of a size, 0 if that is not known, to a new file. It
// gives the octets as stored. Between two Reads it obeys ctx and Close.
func (c *copier) copy(ctx context.Context, file disk.File, message io.Reader, size int64) (stored int64, err error) {
	c.ctx, c.file, c.want, c.read, c.stored, c.cr = ctx, file, size, 0, 0, false
	defer func() { c.ctx, c.file = nil, nil }()
	w, ok := message.(io.WriterTo)
	if _, file := message.(*os.File); ok && !file { // a file would make a buffer of its own
		err = c.from(w)
	} else {
		err = c.loop(message)
	}
	if err == nil && c.cr {
		err = c.store([]byte{'\r'})
	}
	if err == nil || errors.Is(err, errLong) {
		err = sizeError(size, c.read)
	}
	if ended := c.mb.check(ctx); ended != nil {
		err = ended
	}
	return c.stored, err
}

// from lets the source write, which saves a copy.
func (c *copier) from(w io.WriterTo) error {
	sink := &sink{c: c}
	_, err := w.WriteTo(sink)
	if sink.err != nil {
		return sink.err
	}
	if err != nil {
		err = &sourceError{err}
	}
	return err
}

// sink is the copier as its source sees it. It keeps its own error, to be told
// from the source's.
type sink struct {
	c   *copier
	err error
}

func (s *sink) Write(p []byte) (int, error) {
	if s.err == nil {
		s.err = s.c.take(p)
	}
	if s.err != nil {
		return 0, s.err
	}
	return len(p), nil
}

func (c *copier) loop(r io.Reader) error {
	if c.buf == nil {
		c.buf = make([]byte, bufferSize)
	}
	for {
		n, err := c.fill(r)
		if n > 0 {
			if err := c.take(c.buf[:n]); err != nil {
				return err
			}
		}
		switch {
		case err == io.EOF: // only this one is the end: others may wrap it
			return nil
		case err != nil:
			return err
		}
	}
}

// fill reads until the buffer is full or the source ends.
func (c *copier) fill(r io.Reader) (n int, err error) {
	for idle := 0; n < len(c.buf); {
		if err := c.mb.check(c.ctx); err != nil {
			return n, err
		}
		k, err := r.Read(c.buf[n:])
		n += k
		if idle++; k > 0 {
			idle = 0
		}
		switch {
		case err == io.EOF:
			return n, err
		case err == nil && idle > 100:
			return n, &sourceError{io.ErrNoProgress}
		case err != nil:
			return n, &sourceError{err}
		}
	}
	return n, nil
}

// take stores octets of the message.
func (c *copier) take(p []byte) error {
	if err := c.mb.check(c.ctx); err != nil {
		return err
	}
	c.read += int64(len(p))
	if c.want > 0 && c.read > c.want {
		return errLong
	}
	if c.mb.opts.LF {
		p = c.unix(p)
	}
	return c.store(p)
}

// unix makes LF of CRLF, which may be cut between two calls.
func (c *copier) unix(p []byte) []byte {
	out := c.plain[:0]
	for _, b := range p {
		if c.cr && b != '\n' {
			out = append(out, '\r')
		}
		if c.cr = b == '\r'; !c.cr {
			out = append(out, b)
		}
	}
	c.plain = out
	return out
}

func (c *copier) store(p []byte) error {
	n, err := c.file.Write(p)
	c.stored += int64(n)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	return err
}
