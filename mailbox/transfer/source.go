package transfer

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash"
	"io"
	"strings"

	"github.com/postroom-go/postroom/mailbox"
)

// maxHead is how much of a message is looked through for the end of its header.
const maxHead = 64 << 10

// source is a message's body as it is read: its digest and size are taken on the
// way, and its error is kept, to tell it from the destination's. It is used
// again for the next message.
type source struct {
	r    io.Reader
	size int64 // as announced
	hash hash.Hash
	n    int64
	err  error

	head    []byte // the header, and perhaps what came with its end
	headEnd int    // 0 until the header has ended
	body    int64  // octets behind it so far
	headSum [sha256.Size]byte
}

// errEmpty: a server that has lost a body, or cannot reach it, may send nothing
// and say that this is all.
var errEmpty = errors.New("the source sent an empty message though it has told a size for it")

func newSource(r io.Reader) *source { return new(source).reset(r, 0) }

// reset begins another message, of that size as far as is known.
func (s *source) reset(r io.Reader, size int64) *source {
	if s.hash == nil {
		s.hash = sha256.New()
	}
	s.hash.Reset()
	s.r, s.size, s.n, s.err, s.head, s.headEnd, s.body = r, size, 0, nil, s.head[:0], 0, 0
	return s
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.pass(p[:n])
	if err == io.EOF && s.lost() {
		err = errEmpty
	}
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// lost reports whether nothing came of a message that is not empty. Beyond that
// the size tells nothing: servers err.
func (s *source) lost() bool { return s.n == 0 && s.size > 0 }

// pass takes note of octets on their way.
func (s *source) pass(p []byte) {
	s.n += int64(len(p))
	if s.headEnd > 0 {
		s.passBody(p)
		return
	}
	k := min(len(p), maxHead-len(s.head))
	from := max(0, len(s.head)-3)
	s.head = append(s.head, p[:k]...)
	end := headerEnd(s.head[from:])
	if end > 0 {
		end += from
	} else if len(s.head) == maxHead {
		end = maxHead
	}
	if end > 0 {
		s.endHeader(end)
		s.passBody(s.head[end:])
		s.passBody(p[k:])
	}
}

// digested is how much of a body goes into its digest, beside its size. Nobody
// sends two messages that have the header, the size and so much of the body in
// common; and what a large body costs, which would be a fifth of the time of a
// download, is for nothing.
const digested = 64 << 10

func (s *source) passBody(p []byte) {
	k := max(0, min(len(p), digested-int(min(s.body, digested))))
	s.body += int64(len(p))
	_, _ = s.hash.Write(p[:k]) // never fails
}

func (s *source) endHeader(end int) {
	s.headEnd = end
	s.headSum = sha256.Sum256(s.head[:end])
}

// headerEnd gives the place behind the first empty line, 0 if it is not there.
// An empty line at the very beginning of a message is found by the caller's
// first octets.
func headerEnd(b []byte) int {
	for i := 0; ; {
		n := bytes.IndexByte(b[i:], '\n')
		if n < 0 {
			return 0
		}
		i += n + 1
		switch {
		case i < len(b) && b[i] == '\n':
			return i + 1
		case i+1 < len(b) && b[i] == '\r' && b[i+1] == '\n':
			return i + 2
		}
	}
}

// digest is that of the message, once it is read whole: its header, the first
// octets of its body, and its size. essence is that of its Message-ID and body,
// which stay the same where a server adds fields of its own to the header, and 0
// where there is no Message-ID: bodies alone may well be equal.
func (s *source) digest() (digest sum, essence uint64) {
	if s.headEnd == 0 {
		s.endHeader(len(s.head))
	}
	all := append(make([]byte, 0, 2*sha256.Size+8), s.headSum[:]...)
	all = binary.BigEndian.AppendUint64(s.hash.Sum(all), uint64(s.body))
	digest = sumOf(all)
	id := messageIDField(s.head[:s.headEnd])
	if len(id) == 0 {
		return digest, 0
	}
	named := sumOf(append(id, all[sha256.Size:]...))
	return digest, binary.BigEndian.Uint64(named[:])
}

// name is of the message's Message-ID, as nameOf has it.
func (s *source) name() uint64 { return nameOf(string(messageIDField(s.head[:s.headEnd]))) }

// nameOf is a short name for a Message-ID, with or without its brackets; 0 for
// none.
func nameOf(messageID string) uint64 {
	if messageID = strings.Trim(messageID, "<> \t"); messageID == "" {
		return 0
	}
	h := sumOf([]byte(messageID))
	return binary.BigEndian.Uint64(h[:])
}

// messageIDField is the value of the Message-ID field as it stands, copied.
func messageIDField(header []byte) []byte {
	const name = "message-id:"
	var value []byte
	for line := range bytes.Lines(header) {
		switch {
		case value != nil && (line[0] == ' ' || line[0] == '\t'):
			value = append(value, bytes.TrimSpace(line)...)
		case value != nil:
			return value
		case len(line) > len(name) && bytes.EqualFold(line[:len(name)], []byte(name)):
			value = append([]byte{}, bytes.TrimSpace(line[len(name):])...)
		}
	}
	return value
}

// messageID is the message's Message-ID, as summaries have it.
func (s *source) messageID() string {
	e, _ := mailbox.ParseEnvelope(s.head[:s.headEnd], nil)
	return e.MessageID
}

// WriteTo saves io.Copy its buffer.
func (s *source) WriteTo(w io.Writer) (int64, error) {
	to, ok := s.r.(io.WriterTo)
	if !ok {
		return io.Copy(w, struct{ io.Reader }{s})
	}
	out := &passing{s: s, w: w}
	n, err := to.WriteTo(out)
	if err == nil && s.lost() {
		err = errEmpty
	}
	if err != nil && out.err == nil {
		s.err = err
	}
	return n, err
}

// passing is the way of the octets to w.
type passing struct {
	s   *source
	w   io.Writer
	err error
}

func (p *passing) Write(b []byte) (int, error) {
	n, err := p.w.Write(b)
	p.s.pass(b[:n])
	p.err = err
	return n, err
}

// crlf writes line ends as the network wants them (RFC 5322 section 2.3) if the
// first line ends in LF alone, as Unix programs store mail. Else it changes
// nothing: what was CRLF once may hold a bare LF on purpose.
type crlf struct {
	w       io.Writer
	decided bool
	convert bool
	cr      bool // the last octet was CR
	buf     []byte
}

func (c *crlf) Write(p []byte) (int, error) {
	if !c.decided {
		if i := bytes.IndexByte(p, '\n'); i >= 0 {
			c.decided = true
			c.convert = !(i > 0 && p[i-1] == '\r' || i == 0 && c.cr)
		}
	}
	if !c.convert {
		if len(p) > 0 {
			c.cr = p[len(p)-1] == '\r'
		}
		return c.w.Write(p)
	}
	c.buf = c.buf[:0]
	for _, b := range p {
		if b == '\n' && !c.cr {
			c.buf = append(c.buf, '\r')
		}
		c.cr = b == '\r'
		c.buf = append(c.buf, b)
	}
	if _, err := c.w.Write(c.buf); err != nil {
		return 0, err
	}
	return len(p), nil
}
