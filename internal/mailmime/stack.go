package mailmime

import (
	"strconv"
)

// startEntity makes what follows a header section, unless there are too many
// parts: then it is passed over.
func (w *walker) startEntity() {
	if w.parts == w.lim.Parts {
		w.defects.add(DefectPartCount)
		return
	}
	w.parts++
	w.inHeader = true
	w.header = section{buf: w.header.buf[:0]}
}

// endHeader begins the body of a part at w.offset.
func (w *walker) endHeader() {
	w.inHeader, w.taken = false, w.offset
	w.room -= len(w.header.buf)
	h := parseSection(&w.header, &w.lim, w.fields[:0])
	w.fields = h.Fields
	for _, d := range h.Defects {
		w.defects.add(d)
	}
	var parent *node
	if len(w.stack) > 0 {
		parent = w.stack[len(w.stack)-1]
	}
	e := newEntity(h, parent != nil && parent.digest, w.lim.Params, &w.defects)
	if e.kind != leaf && len(w.stack) == w.lim.Depth {
		w.defects.add(DefectDepth)
		e.tooDeep()
	}
	n := w.push(parent, e)
	if w.want != "" && n.part.ID == w.want && w.captured == nil {
		w.captured, w.held = n, ""
		if e.kind == leaf {
			w.encoding = e.encoding
		}
	}
	if e.kind == message {
		w.startEntity()
	}
}

// push opens a new part within parent, which may be nil.
func (w *walker) push(parent *node, e *entity) *node {
	n := &node{
		part: &Part{Type: e.mime, Encoding: e.encoding}, kind: e.kind, boundary: e.boundary,
		digest: e.mime == "multipart/digest", start: w.offset, lines: w.lines,
	}
	number := "1"
	if parent == nil {
		w.root = n.part
	} else {
		parent.children++
		number = childNumber(parent.prefix, parent.children)
		parent.part.Parts = append(parent.part.Parts, n.part)
	}
	n.part.ID, n.prefix = number, number
	if n.kind == multi && (parent == nil || parent.kind == message) {
		n.part.ID, n.prefix = "", ""
		if parent != nil {
			n.prefix = parent.prefix
		}
	}
	if w.describe != nil {
		if parent != nil && parent.kind == message {
			parent.part.Header = w.keepHeader(e.header)
		}
		w.describe(n.part, e)
	}
	if n.kind == multi {
		w.open[n.boundary] = append(w.open[n.boundary], len(w.stack))
	}
	w.stack = append(w.stack, n)
	return n
}

// pop closes the innermost part.
func (w *walker) pop(end, lines int64) {
	n := w.stack[len(w.stack)-1]
	w.stack = w.stack[:len(w.stack)-1]
	if n == w.captured {
		w.capEnded = true
	}
	if n.kind == multi {
		if !n.closed {
			w.defects.add(DefectNotClosed)
			w.forget(n)
		}
		if len(n.part.Parts) == 0 && w.parts < w.lim.Parts {
			w.emptyPart(n)
		}
		return
	}
	n.part.Size = end - n.start
	if n.kind == message || isText(n.part.Type) {
		n.part.Lines = lines - n.lines
	}
}

// emptyPart gives a multipart without parts an empty one: IMAP cannot tell of
// one that has none (RFC 9051 section 9, body-type-mpart), and servers do this.
func (w *walker) emptyPart(n *node) {
	w.defects.add(DefectNoParts)
	w.parts++
	id := childNumber(n.prefix, 1)
	n.part.Parts = []*Part{{ID: id, Type: "text/plain"}}
	if id == w.want && w.captured == nil {
		w.captured, w.capEnded = &node{}, true
	}
}

// childNumber gives the number of a child, which is its parent's and its own.
func childNumber(prefix string, n int) string {
	if prefix == "" {
		return strconv.Itoa(n)
	}
	return prefix + "." + strconv.Itoa(n)
}

// forget takes the boundary of n from the map. Of those alike it is the
// innermost.
func (w *walker) forget(n *node) {
	all := w.open[n.boundary]
	if len(all) == 1 {
		delete(w.open, n.boundary)
		return
	}
	w.open[n.boundary] = all[:len(all)-1]
}

// finish closes all that is open at the end of the message.
func (w *walker) finish() {
	w.done = true
	for w.inHeader {
		w.endHeader()
	}
	for len(w.stack) > 0 {
		w.pop(w.offset, w.lines)
	}
}

func isText(mime string) bool {
	return len(mime) > 5 && mime[:5] == "text/" || mime == "message/rfc822" || mime == "message/global"
}
