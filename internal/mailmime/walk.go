package mailmime

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
)

// walkBuffer is how much of a message is held at once. Longer lines are read in
// pieces.
const walkBuffer = 32 << 10

// totalHeaders is how many times Limits.HeaderBytes all header sections of one
// message may have together.
const totalHeaders = 16

// walker goes through a message line by line, once. Open parts are on a stack;
// every line that may be a boundary is looked up in a map of the boundaries of
// all of them, so that the cost of a line depends neither on how many there are
// nor on how alike they look.
type walker struct {
	r   *bufio.Reader
	lim Limits
	// describe, if set, fills in a new part.
	describe func(*Part, *entity)
	// want is the number of a part whose body is to be passed on.
	want string

	root    *Part
	defects defects
	err     error // r's, never io.EOF
	done    bool

	stack []*node
	open  map[string][]int // boundary to places in stack, innermost last
	parts int

	inHeader bool
	header   section
	fields   []Field // of the last section; the next one overwrites them
	room     int     // octets that header sections may still have
	left     totals

	offset, lines int64  // of what was read, in octets and line breaks
	eol           string // the line break before the current line, or a CR that may begin it
	eolTaken      bool   // the last boundary found that line break to be taken
	midline       bool   // the line began in an earlier piece
	taken         int64  // where the last header section or boundary ended

	captured *node  // the part that is wanted,
	capEnded bool   // which is over
	held     string // its last line break, which may belong to a boundary
	lead     string // the line break before out
	out      []byte // its octets that were not taken yet
	encoding string // its transfer encoding
}

// node is an open part.
type node struct {
	part     *Part
	kind     kind
	boundary string
	closed   bool   // its final boundary was met: what follows is epilogue
	digest   bool   // a multipart/digest
	prefix   string // of the numbers of its children
	children int
	start    int64 // where its body begins,
	lines    int64 // and in which line
}

func newWalker(r io.Reader, lim *Limits) *walker {
	w := &walker{r: bufio.NewReaderSize(r, bufferFor(r)), lim: lim.resolve(), open: map[string][]int{}}
	w.room = totalHeaders * w.lim.HeaderBytes
	w.left = totals{w.lim.TotalFields, w.lim.TotalParams, w.lim.TotalAddresses}
	w.startEntity()
	return w
}

// bufferFor gives the size of the buffer for r: small messages in memory, which
// are many, need no large one.
func bufferFor(r io.Reader) int {
	switch r := r.(type) {
	case *bytes.Reader:
		return min(walkBuffer, r.Len()+1)
	case *strings.Reader:
		return min(walkBuffer, r.Len()+1)
	}
	return walkBuffer
}

// step reads one line, or a piece of a long one; false at the end.
func (w *walker) step() bool {
	if w.done {
		return false
	}
	line, err := w.r.ReadSlice('\n')
	whole := err == nil || errors.Is(err, io.EOF)
	first, capturing := !w.midline, w.captured != nil
	if !whole && !errors.Is(err, bufio.ErrBufferFull) {
		w.err, w.done = err, true
		if first && len(line) > 0 && line[0] == '-' {
			return false // it may be the start of a boundary
		}
	}
	w.line(line, first, whole)
	body, eol := cutEOL(line, err == nil, whole)
	if w.eol == "\r" && len(body) == 0 && eol == "\n" && !first {
		eol = "\r\n"
		w.held = ""
	}
	switch {
	case !capturing:
	case !w.capEnded:
		w.pass(body, eol)
	case w.eolTaken:
		w.lead = w.held // it belongs to what stands before
	}
	w.eol, w.midline = eol, !whole
	w.offset += int64(len(line))
	if err == nil {
		w.lines++
	} else if errors.Is(err, io.EOF) {
		w.finish()
	}
	return !w.done
}

// cutEOL splits the line break off. A CR at the end of a piece may be the start
// of one.
func cutEOL(line []byte, ended, whole bool) (body []byte, eol string) {
	n := len(line)
	switch {
	case ended && n > 1 && line[n-2] == '\r':
		return line[:n-2], "\r\n"
	case ended:
		return line[:n-1], "\n"
	case !whole && n > 0 && line[n-1] == '\r':
		return line[:n-1], "\r"
	}
	return line, ""
}

// line looks at one line or piece.
func (w *walker) line(line []byte, first, whole bool) {
	if first && whole && len(line) > 2 && line[0] == '-' && line[1] == '-' && len(w.open) > 0 {
		if at, closing, ok := w.boundary(line[2:]); ok {
			w.delimiter(at, closing)
			w.taken = w.offset + int64(len(line))
			return
		}
	}
	switch {
	case !w.inHeader:
	case w.header.ends(line, first):
		w.offset += int64(len(line))
		w.lines++
		w.endHeader()
		w.offset -= int64(len(line))
		w.lines--
	default:
		w.header.add(line, min(w.room, w.lim.HeaderBytes))
	}
}

// boundary looks up what stands behind the two hyphens of a line, and gives the
// place in the stack of the innermost multipart that it delimits.
func (w *walker) boundary(b []byte) (at int, closing, ok bool) {
	b = bytes.TrimRight(b, " \t\r\n")
	if all := w.open[string(b)]; len(all) > 0 {
		at, ok = all[len(all)-1], true
	}
	if name, found := bytes.CutSuffix(b, []byte("--")); found {
		if all := w.open[string(name)]; len(all) > 0 && (!ok || all[len(all)-1] > at) {
			return all[len(all)-1], true, true
		}
	}
	return at, false, ok
}

// delimiter ends all parts within the multipart at that place, and begins its
// next one or closes it.
func (w *walker) delimiter(at int, closing bool) {
	for w.inHeader {
		w.defects.add(DefectHeaderCut)
		w.endHeader()
	}
	end, lines := w.offset, w.lines
	// The line break before a boundary belongs to it (RFC 2046 section 5.1.1),
	// unless it ends a header section or another boundary. Dovecot, too, counts
	// it to those.
	if w.eolTaken = w.taken == end; !w.eolTaken {
		end, lines = end-int64(len(w.eol)), lines-1
	}
	for len(w.stack) > at+1 {
		w.pop(end, lines)
	}
	if n := w.stack[at]; closing {
		n.closed = true
		w.forget(n)
		return
	}
	w.startEntity()
}
