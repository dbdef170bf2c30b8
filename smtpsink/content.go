package smtpsink

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"unicode/utf8"

	"github.com/postroom-go/postroom/internal/mailmime"
)

const (
	// blockSize is how much of a message is read at a time. A message that
	// fits is known whole before anything of it is sent.
	blockSize = 64 << 10
	// maxHeaderLine is how long a line of the header may be to be looked at.
	maxHeaderLine = 16 << 10
)

// inBlocks are what messages are read into.
var inBlocks = sync.Pool{New: func() any { return new([blockSize]byte) }}

// outBlocks are what they leave in.
var outBlocks = sync.Pool{New: func() any { return new([]byte) }}

// errNUL: servers that drop NUL octets see other lines than those that do not.
var errNUL = errors.New("the message has a NUL octet, which cannot be sent as text: encode that part in base64, or send with SendOptions.Binary")

// content turns a message into what is sent: lines that end in CRLF and nothing
// else, no NUL, no Bcc, a CRLF at the end. So all servers see the same lines,
// whatever they take for the end of one (CVE-2023-51764, 51765, 51766). It is
// read in blocks, and finds out what the octets need of a server.
type content struct {
	src    io.Reader
	binary bool // lines are not looked at below the header
	keep   bool // Bcc fields stay

	out  []byte
	lent *[]byte // where out came from
	eof  bool

	cr     bool   // CR was the last octet, and its line is not ended yet
	body   bool   // the header is over
	open   bool   // the present line has octets
	line   []byte // of the header, as far as read
	long   bool   // it is longer than maxHeaderLine, and its beginning is out
	drop   bool   // the present field is left out
	octets int64  // given out so far

	eight   bool // octets above 127
	utf8    bool // the header has UTF-8
	notUTF8 bool // the header has octets above 127 that are not UTF-8
}

// next gives the next block; io.EOF comes with the last. The block is good until
// the next call.
func (c *content) next() ([]byte, error) {
	in := inBlocks.Get().(*[blockSize]byte)
	defer inBlocks.Put(in)
	if c.lent == nil {
		c.lent = outBlocks.Get().(*[]byte)
		c.out = *c.lent
	}
	c.out = c.out[:0]
	for !c.eof && len(c.out) < blockSize/2 {
		n, err := readFull(c.src, in[:])
		c.eof = errors.Is(err, io.EOF)
		if err != nil && !c.eof {
			return nil, fmt.Errorf("reading the message: %w", err)
		}
		c.out = slices.Grow(c.out, n+n/32)
		if err := c.take(in[:n]); err != nil {
			return nil, err
		}
	}
	c.octets += int64(len(c.out))
	if c.eof {
		return c.out, io.EOF
	}
	return c.out, nil
}

// recycle lets another message have the block that next gave.
func (c *content) recycle() {
	if c.lent != nil {
		*c.lent = c.out
		outBlocks.Put(c.lent)
		c.out, c.lent = nil, nil
	}
}

// readFull fills p if it can. Unlike io.ReadFull it keeps io.EOF apart from
// io.ErrUnexpectedEOF, which is how a reader says that it was cut.
func readFull(r io.Reader, p []byte) (n int, err error) {
	for idle := 0; n < len(p) && err == nil; {
		var m int
		m, err = r.Read(p[n:])
		if n += m; m > 0 {
			idle = 0
		} else if idle++; idle == 100 && err == nil {
			err = io.ErrNoProgress
		}
	}
	if err == io.EOF { // not wrapped: that is another's
		return n, io.EOF
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// take adds octets of the message.
func (c *content) take(p []byte) error {
	for len(p) > 0 && !c.body {
		text, rest, ended := c.cut(p)
		p = rest
		if bytes.IndexByte(text, 0) >= 0 {
			return errNUL
		}
		if ended && len(c.line) == 0 && !c.long && len(text) <= maxHeaderLine {
			c.headerLine(text) // as nearly all are, with no copy of it
			continue
		}
		c.headerText(text)
		if ended {
			c.headerEnd()
		}
	}
	if err := c.takeBody(p); err != nil {
		return err
	}
	if !c.eof {
		return nil
	}
	if !c.body && (len(c.line) > 0 || c.long || c.cr) {
		c.headerEnd()
		c.cr = false
	}
	if !c.binary && (c.open || c.cr) {
		c.out = append(c.out, "\r\n"...)
	}
	c.cr, c.open = false, false
	return nil
}

// cut gives the text up to the end of a line, be it CRLF, LF or CR.
func (c *content) cut(p []byte) (text, rest []byte, ended bool) {
	if c.cr {
		c.cr = false
		if p[0] == '\n' {
			p = p[1:]
		}
		return nil, p, true
	}
	i := bytes.IndexAny(p, "\r\n")
	switch {
	case i < 0:
		return p, nil, false
	case p[i] == '\n':
		return p[:i], p[i+1:], true
	case i == len(p)-1:
		c.cr = true
		return p[:i], nil, false
	case p[i+1] == '\n':
		return p[:i], p[i+2:], true
	}
	return p[:i], p[i+1:], true
}

func (c *content) takeBody(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	c.eight = c.eight || hasEight(p)
	if c.binary {
		c.out = append(c.out, p...)
		return nil
	}
	if bytes.IndexByte(p, 0) >= 0 {
		return errNUL
	}
	for c.cr && len(p) > 0 {
		p = c.bodyLine(p)
	}
	// As mail is, but for an end of line that a block divides.
	tidy := bytes.TrimSuffix(p, []byte("\r"))
	if len(tidy) > 0 && isTidy(tidy) {
		c.out = append(c.out, tidy...)
		c.open = tidy[len(tidy)-1] != '\n'
		p = p[len(tidy):]
	}
	for len(p) > 0 {
		p = c.bodyLine(p)
	}
	return nil
}

func (c *content) bodyLine(p []byte) (rest []byte) {
	text, rest, ended := c.cut(p)
	c.out = append(c.out, text...)
	c.open = c.open || len(text) > 0
	if ended {
		c.out = append(c.out, "\r\n"...)
		c.open = false
	}
	return rest
}

// isTidy reports whether CR and LF stand together only.
func isTidy(p []byte) bool {
	ends := 0
	for i := 0; i < len(p); ends++ {
		j := bytes.IndexByte(p[i:], '\n')
		if j < 0 {
			break
		}
		if i += j; i == 0 || p[i-1] != '\r' {
			return false
		}
		i++
	}
	return bytes.Count(p, []byte{'\r'}) == ends
}

// hasEight reports whether p has octets above 127.
func hasEight(p []byte) bool {
	const high = 0x8080808080808080
	for ; len(p) >= 32; p = p[32:] {
		if (binary.LittleEndian.Uint64(p)|binary.LittleEndian.Uint64(p[8:])|
			binary.LittleEndian.Uint64(p[16:])|binary.LittleEndian.Uint64(p[24:]))&high != 0 {
			return true
		}
	}
	for _, b := range p {
		if b >= utf8.RuneSelf {
			return true
		}
	}
	return false
}

// headerText adds to a line of the header. A line is held back until it is whole,
// since its beginning says whether it goes out.
func (c *content) headerText(text []byte) {
	if c.long {
		c.emitHeader(text)
		return
	}
	c.line = append(c.line, text...)
	if len(c.line) > maxHeaderLine {
		c.startField(c.line)
		c.emitHeader(c.line)
		c.line, c.long = c.line[:0], true
	}
}

// headerEnd ends a line of the header.
func (c *content) headerEnd() {
	if c.long {
		c.emitHeader([]byte("\r\n"))
	} else {
		c.headerLine(c.line)
	}
	c.line, c.long = c.line[:0], false
}

// headerLine takes a whole line of the header.
func (c *content) headerLine(line []byte) {
	if len(line) == 0 {
		c.body, c.drop = true, false
	} else {
		c.startField(line)
		c.emitHeader(line)
	}
	c.emitHeader([]byte("\r\n"))
}

// startField decides on a line by its beginning: one that begins with white space
// goes the way of the one before it.
func (c *content) startField(line []byte) {
	if line[0] == ' ' || line[0] == '\t' {
		return
	}
	c.drop = !c.keep && mailmime.IsBcc(line)
}

func (c *content) emitHeader(text []byte) {
	if c.drop {
		return
	}
	if hasEight(text) {
		c.eight, c.utf8 = true, true
		c.notUTF8 = c.notUTF8 || !utf8.Valid(text)
	}
	c.out = append(c.out, text...)
}

// dotStuffer writes lines as DATA wants them: a dot at the beginning of a line is
// doubled (RFC 5321 section 4.5.2).
type dotStuffer struct {
	mid bool // the present line has begun
}

// stuff appends p, as content gives it, to dst.
func (d *dotStuffer) stuff(dst, p []byte) []byte {
	if len(p) == 0 {
		return dst
	}
	if !d.mid && p[0] == '.' {
		dst = append(dst, '.')
	}
	for {
		i := bytes.Index(p, []byte("\n."))
		if i < 0 {
			break
		}
		dst = append(dst, p[:i+2]...)
		dst = append(dst, '.')
		p = p[i+2:]
	}
	d.mid = len(p) == 0 || p[len(p)-1] != '\n'
	return append(dst, p...)
}
