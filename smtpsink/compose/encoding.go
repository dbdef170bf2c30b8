package compose

import (
	"bytes"
	"encoding/base64"
	"io"
	"mime/quotedprintable"
	"strings"
)

// The transfer encodings (RFC 2045 section 6).
const (
	sevenBit        = "7bit"
	eightBit        = "8bit"
	quotedPrintable = "quoted-printable"
	base64Encoding  = "base64"
)

const crlf = "\r\n"

// canonical gives text with lines that end in CRLF (RFC 2046 section 4.1.1),
// whatever they ended in before: LF, CR or CRLF.
func canonical(text string) string {
	text = strings.ReplaceAll(text, crlf, "\n")
	text = strings.ReplaceAll(text, "\r", "\n")
	return strings.ReplaceAll(text, "\n", crlf)
}

// facts is what decides on an encoding.
type facts struct {
	eight   bool // octets that are not ASCII
	control bool // controls besides tab, CR and LF; NUL above all
	bare    bool // CR or LF that stands alone
	fragile bool // lines that begin with "From " or end in a space
	longest int  // of the lines, in octets
	encoded int  // octets that quoted-printable would have to encode
	nul     bool

	line     int  // of the line under way
	last     byte // the octet before
	from     int  // how much of "From " the line begins with; -1 if it does not
	size     int64
	bareCR   bool
	bareLF   int64 // how many LF stand alone
	endsCRLF bool
}

// Write looks at the next octets.
func (f *facts) Write(p []byte) (int, error) {
	for _, c := range p {
		f.octet(c)
	}
	f.size += int64(len(p))
	return len(p), nil
}

func (f *facts) octet(c byte) {
	if f.last == '\r' && c != '\n' {
		f.bare, f.bareCR = true, true
	}
	switch {
	case c == '\n':
		if f.last != '\r' {
			f.bare = true
			f.bareLF++
			f.lineEnd(f.last)
		}
		f.endsCRLF = f.last == '\r'
		f.line, f.from, f.last = 0, 0, c
		return
	case c == '\r':
		f.lineEnd(f.last)
		f.last = c
		return
	case c >= 0x80:
		f.eight = true
		f.encoded++
	case c < ' ' && c != '\t' || c == 0x7f:
		f.control = true
		f.nul = f.nul || c == 0
		f.encoded++
	case c == '=':
		f.encoded++
	}
	f.endsCRLF = false
	if f.from >= 0 {
		if c == "From "[f.from] {
			if f.from++; f.from == 5 {
				f.fragile, f.from = true, -1
			}
		} else {
			f.from = -1
		}
	}
	f.line++
	f.longest = max(f.longest, f.line)
	f.last = c
}

func (f *facts) lineEnd(before byte) {
	if f.line > 0 && (before == ' ' || before == '\t') {
		f.fragile = true
	}
}

// end takes what was written for all.
func (f *facts) end() {
	if f.last == '\r' {
		f.bare, f.bareCR = true, true
	}
	if f.last != '\n' {
		f.lineEnd(f.last)
	}
}

func factsOf(b []byte) facts {
	var f facts
	f.Write(b)
	f.end()
	return f
}

// encodingOf gives the smallest encoding that text, with CRLF line ends, needs.
// careful is for what is signed, and must arrive as it was sent.
func encodingOf(text []byte, careful bool) string {
	f := factsOf(text)
	switch {
	case !f.eight && !f.control && !f.bare && f.longest <= maxLine && !(careful && f.fragile):
		return sevenBit
	case f.bare:
		return base64Encoding
	// A soft break every 75 columns against a CRLF every 76.
	case int64(f.encoded)*2+f.size*77/75 <= f.size*4/3*78/76:
		return quotedPrintable
	}
	return base64Encoding
}

// encodeText gives text in that encoding.
func encodeText(text []byte, encoding string, careful bool) []byte {
	if encoding == sevenBit {
		return text
	}
	var b bytes.Buffer
	if encoding == base64Encoding {
		io.Copy(&b, newBase64Reader(bytes.NewReader(text)))
		return b.Bytes()
	}
	w := quotedprintable.NewWriter(&b)
	w.Write(text)
	w.Close()
	if careful {
		return hideFrom(b.Bytes())
	}
	return b.Bytes()
}

// hideFrom encodes the F of lines that begin with "From ", which programs that
// keep mail in mbox files change to ">From " (RFC 3156 section 3).
func hideFrom(qp []byte) []byte {
	var out []byte
	for line := range bytes.Lines(qp) {
		for {
			rest, ok := bytes.CutPrefix(line, []byte("From "))
			if !ok {
				break
			}
			out = append(out, "=46rom "...)
			if len(bytes.TrimRight(line, crlf)) <= 74 {
				line = rest
				break
			}
			out, line = append(out, "=\r\n"...), rest
		}
		out = append(out, line...)
	}
	return out
}

const (
	base64Line  = 57 // octets that make a line of 76
	base64Block = base64Line * 256
)

// base64Reader encodes what src gives, in lines of 76 without a line end behind
// the last one.
type base64Reader struct {
	src   io.Reader
	raw   []byte
	out   []byte // encoded and not yet read
	lines []byte // the space for out
	begun bool
	err   error
}

func newBase64Reader(src io.Reader) *base64Reader {
	return &base64Reader{
		src: src, raw: make([]byte, base64Block), lines: make([]byte, 0, base64Block/base64Line*78),
	}
}

func (r *base64Reader) Read(p []byte) (int, error) {
	for len(r.out) == 0 {
		if r.err != nil {
			return 0, r.err
		}
		r.fill()
	}
	n := copy(p, r.out)
	r.out = r.out[n:]
	return n, nil
}

func (r *base64Reader) fill() {
	n, err := io.ReadFull(r.src, r.raw)
	if err == io.ErrUnexpectedEOF {
		err = io.EOF
	}
	if err != nil && err != io.EOF {
		r.err = err
		return // what came with the error is no whole message anyhow
	}
	r.err = err
	out := r.lines[:0]
	for raw := r.raw[:n]; len(raw) > 0; {
		if r.begun {
			out = append(out, crlf...)
		}
		r.begun = true
		m := min(base64Line, len(raw))
		out = base64.StdEncoding.AppendEncode(out, raw[:m])
		raw = raw[m:]
	}
	r.out = out
}

// base64Size is how many octets base64Reader makes of n.
func base64Size(n int64) int64 {
	if n == 0 {
		return 0
	}
	return (n+2)/3*4 + (n-1)/base64Line*2
}
