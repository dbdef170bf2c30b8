package mailmime

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
)

// Defects of header sections.
const (
	DefectHeaderLine   = "header: line without a field name"
	DefectHeaderSize   = "header: too long"
	DefectHeaderFields = "header: too many fields"
	DefectLineBreak    = "header: extra CR in a line break"
)

// Field is one header field.
type Field struct {
	// Name is the field's name as it is spelt.
	Name string
	// Value is what stands behind the colon, without the space around it, still
	// folded and encoded.
	Value string
}

// Header is a header section, in its order.
type Header struct {
	Fields []Field
	// Defects names what was wrong with it.
	Defects []string
}

// Get gives the value of the first field of that name, in any case; "" if there
// is none, or h is nil.
func (h *Header) Get(name string) string {
	if h == nil {
		return ""
	}
	for i := range h.Fields {
		if isName(h.Fields[i].Name, name) {
			return h.Fields[i].Value
		}
	}
	return ""
}

// Values gives the values of all fields of that name, in any case.
func (h *Header) Values(name string) []string {
	if h == nil {
		return nil
	}
	var all []string
	for i := range h.Fields {
		if isName(h.Fields[i].Name, name) {
			all = append(all, h.Fields[i].Value)
		}
	}
	return all
}

// isName compares names of fields, which are ASCII. The lengths tell most apart
// at once: a section may have many fields, and is looked through for each name.
func isName(a, b string) bool { return len(a) == len(b) && strings.EqualFold(a, b) }

// ReadHeader reads a header section and the empty line behind it (RFC 5322
// section 2.2). A section that ends with the input has no such line, and that is
// no error. The error is r's own; the header then is what came before it. lim
// may be nil.
func ReadHeader(r *bufio.Reader, lim *Limits) (*Header, error) {
	l := lim.resolve()
	var b section
	start := true
	for {
		frag, err := r.ReadSlice('\n')
		if b.ends(frag, start) {
			return parseSection(&b, &l, nil), nil
		}
		b.add(frag, l.HeaderBytes)
		start = err == nil
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return parseSection(&b, &l, nil), err
		}
	}
}

// section collects the octets of one header section, up to a limit.
type section struct {
	buf  []byte
	over bool // there was more
	odd  bool // its empty line has more than one CR
	crs  int  // CRs at the start of the current line; -1: it has other text
}

// add takes what is left of the limit from frag.
func (s *section) add(frag []byte, limit int) {
	if room := limit - len(s.buf); len(frag) > room {
		frag, s.over = frag[:room], true
	}
	s.buf = append(s.buf, frag...)
}

// ends reports whether frag, a line or a piece of one, completes the empty line
// behind the section: any number of CRs, then LF. Programs that turn LF into
// CRLF twice write more than one; parseSection takes such a line as empty, too,
// and both must agree, or text of the body is lost in the header.
func (s *section) ends(frag []byte, first bool) bool {
	if first {
		s.crs = 0
	}
	if s.crs < 0 {
		return false
	}
	rest := bytes.TrimLeft(frag, "\r")
	s.crs += len(frag) - len(rest)
	if len(rest) == 1 && rest[0] == '\n' {
		s.odd = s.crs > 1
		return true
	}
	if len(rest) > 0 {
		s.crs = -1
	}
	return false
}

// ParseHeader reads a header section up to its empty line or the end of b. Lines
// may end in CRLF or LF; more than one CR before the LF is a defect. The line that mbox files begin with, and lines without
// a field name, are skipped with a defect. b is not kept. lim may be nil.
func ParseHeader(b []byte, lim *Limits) *Header {
	l := lim.resolve()
	over := len(b) > l.HeaderBytes
	if over {
		b = b[:l.HeaderBytes]
	}
	return parseSection(&section{buf: b, over: over}, &l, nil)
}

// parseSection parses a section, with or without its empty line. All fields
// share one string; they are written to into.
func parseSection(sec *section, l *Limits, into []Field) *Header {
	var (
		h    = &Header{Fields: into}
		d    defects
		s    = string(sec.buf)
		name string
		from = -1 // where the current field's value begins
		pos  int
		done bool // the empty line was met
		odd  = sec.odd
	)
	flush := func(end int) {
		if from < 0 {
			return
		}
		if len(h.Fields) == l.HeaderFields {
			d.add(DefectHeaderFields)
		} else {
			h.Fields = append(h.Fields, Field{name, strings.Trim(s[from:end], " \t\r\n")})
		}
		from = -1
	}
	skipping := true // continuation lines belong to nothing
	for pos < len(s) {
		line := s[pos:]
		if i := strings.IndexByte(line, '\n'); i >= 0 {
			line = line[:i+1]
		}
		at := pos
		pos += len(line)
		text := strings.TrimRight(line, "\r\n")
		if text == "" {
			flush(at)
			done, odd = true, len(line) > 2
			break
		}
		if len(line)-len(text) > 2 {
			d.add(DefectLineBreak)
		}
		if text[0] == ' ' || text[0] == '\t' {
			if skipping {
				d.add(DefectHeaderLine)
			}
			continue
		}
		flush(at)
		n, width := fieldName(text)
		if skipping = width == 0; skipping {
			d.add(DefectHeaderLine)
			continue
		}
		name, from = n, at+width
	}
	switch {
	case sec.over && !done: // the last field was cut, so it is not one
		d.add(DefectHeaderSize)
	default:
		flush(len(s))
	}
	if odd {
		d.add(DefectLineBreak)
	}
	h.Defects = d
	return h
}

// fieldName gives the name that a header line begins with, and how many octets
// that and the colon take: 0 if there is none. Space before the colon is allowed
// (RFC 5322 section 4.5), space inside a name is not: that is how the "From "
// line of mbox files is told from a field.
func fieldName(line string) (name string, width int) {
	i := strings.IndexByte(line, ':')
	if i < 0 {
		return "", 0
	}
	name = strings.TrimRight(line[:i], " \t")
	if name == "" {
		return "", 0
	}
	for j := 0; j < len(name); j++ {
		if name[j] <= ' ' || name[j] >= 0x7f {
			return "", 0
		}
	}
	return name, i + 1
}
