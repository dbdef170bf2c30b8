package mailmime

import (
	"errors"
	"io"
	"strings"
)

// NewTransferDecoder removes a content transfer encoding (RFC 2045 section 6)
// from what r gives. It never fails by itself: what is damaged is decoded as far
// as it goes, and the error is r's own, behind what came before it. Case, space
// and comments in the name do not matter. 7bit, 8bit, binary and names that are
// not known leave the octets alone.
func NewTransferDecoder(encoding string, r io.Reader) io.Reader {
	switch encodingName(encoding) {
	case "base64":
		return &transferReader{r: r, decode: new(base64Decoder)}
	case "quoted-printable":
		return &transferReader{r: r, decode: new(qpDecoder)}
	}
	return r
}

// encodingName gives the name in lower case, without what stands around it.
func encodingName(s string) string {
	p := paramReader{s: s}
	p.space()
	if p.is('"') {
		p.pos++
	}
	return strings.ToLower(p.token())
}

// transferBuffer is how many octets are decoded at once.
const transferBuffer = 16 << 10

// transferReader reads blocks and decodes them.
type transferReader struct {
	r      io.Reader
	decode interface {
		// append decodes in behind out; state is kept between calls. end is
		// set once, behind all else.
		append(out, in []byte, end bool) []byte
	}
	in   []byte
	buf  []byte // of out
	out  []byte // decoded and not read yet
	err  error
	idle int
}

var errNoProgress = io.ErrNoProgress

func (t *transferReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(t.out) == 0 {
		if t.err != nil {
			return 0, t.err
		}
		t.fill()
	}
	n := copy(p, t.out)
	t.out = t.out[n:]
	return n, nil
}

// fill decodes the next block.
func (t *transferReader) fill() {
	if t.in == nil {
		t.in = make([]byte, transferBuffer)
		t.buf = make([]byte, 0, transferBuffer+64)
	}
	n, err := t.r.Read(t.in)
	if t.idle++; n > 0 {
		t.idle = 0
	} else if err == nil && t.idle > 100 {
		err = errNoProgress
	}
	t.err = err
	t.out = t.decode.append(t.buf[:0], t.in[:n], errors.Is(err, io.EOF))
}

// maxBlank is how much white space at the end of a line is held back to be
// dropped. More is let through.
const maxBlank = 1 << 10

// qpState is where in an escape a decoder is.
type qpState byte

const (
	qpText   qpState = iota
	qpEquals         // behind "="
	qpHex            // behind "=" and a digit
	qpBlank          // behind "=" and white space: a soft break, most likely
	qpReturn         // behind "=" and CR
)

// qpDecoder decodes quoted-printable. An "=" that escapes nothing stands for
// itself; white space at the end of a line is dropped (RFC 2045 section 6.7).
type qpDecoder struct {
	state qpState
	digit byte
	blank []byte // white space that may be the end of a line
}

func (d *qpDecoder) append(out, in []byte, end bool) []byte {
	for i := 0; i < len(in); i++ {
		c := in[i]
		if d.state != qpText {
			var again bool
			if out, again = d.escape(out, c); !again {
				continue
			}
		}
		if n := plainRun(in[i:]); n > 0 {
			if len(d.blank) > 0 {
				out = d.flush(out)
			}
			out = append(out, in[i:i+n]...)
			i += n - 1
			continue
		}
		switch c {
		case '=':
			out = d.flush(out)
			d.state = qpEquals
		case ' ', '\t':
			out = d.hold(out, c)
		case '\r', '\n':
			d.blank = d.blank[:0]
			out = append(out, c)
		}
	}
	if end && d.state == qpHex {
		out = append(out, '=', d.digit)
	}
	return out
}

// plainRun counts the octets at the start of in that stand for themselves: no
// escapes, no line breaks, and no space but single ones with text behind.
func plainRun(in []byte) int {
	for i, c := range in {
		switch c {
		case '=', '\t', '\r', '\n':
			return i
		case ' ':
			if i+1 == len(in) || in[i+1] <= ' ' || in[i+1] == '=' {
				return i
			}
		}
	}
	return len(in)
}

// escape goes on behind an "=". If it was none, or it ended before c, c is to be
// looked at again.
func (d *qpDecoder) escape(out []byte, c byte) (_ []byte, again bool) {
	state := d.state
	d.state = qpText
	switch state {
	case qpHex:
		if isHex(c) {
			return append(out, unhex(d.digit)<<4|unhex(c)), false
		}
		return append(out, '=', d.digit), true
	case qpReturn:
		return out, c != '\n'
	}
	switch {
	case c == '\n':
		d.blank = d.blank[:0]
		return out, false
	case c == '\r':
		d.blank = d.blank[:0]
		d.state = qpReturn
		return out, false
	case (c == ' ' || c == '\t') && len(d.blank) < maxBlank:
		d.state, d.blank = qpBlank, append(d.blank, c)
		return out, false
	case state == qpEquals && isHex(c):
		d.state, d.digit = qpHex, c
		return out, false
	}
	return d.flush(append(out, '=')), true
}

// hold keeps white space back.
func (d *qpDecoder) hold(out []byte, c byte) []byte {
	if len(d.blank) == maxBlank {
		out = d.flush(out)
	}
	d.blank = append(d.blank, c)
	return out
}

func (d *qpDecoder) flush(out []byte) []byte {
	out = append(out, d.blank...)
	d.blank = d.blank[:0]
	return out
}
