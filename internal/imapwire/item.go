package imapwire

import (
	"bytes"
	"io"
)

// Item is one item of a FETCH response.
type Item struct {
	// Name is UID, FLAGS, ENVELOPE and so on in upper case. A section and what
	// else stands in brackets is cut out: "BODY[]", "BINARY[]",
	// "BINARY.SIZE[]"; "BODY" is a structure without extension data.
	Name string
	// Section is what stands in the brackets: "", "1.2", "1.MIME",
	// "HEADER.FIELDS (DATE FROM)".
	Section string
	// Partial is the origin in "BODY[]<100>"; -1 without.
	Partial int64
	// Value is the value of all that is no body.
	Value Value
	// Body is the value of BODY[], BINARY[] and RFC822 and its kind; nil if
	// that is NIL or missing.
	Body *Body
}

// Item gives the next item of a FETCH response, good until the next call; what
// was not read of a body is skipped. io.EOF is the end. ErrMalformed concerns
// this response only, and stays; the items before it are right.
func (r *Response) Item() (*Item, error) {
	if r.err != nil {
		return nil, r.err
	}
	if err := r.nextItem(); err != nil {
		r.err = err
		return nil, err
	}
	return &r.item, nil
}

func (r *Response) nextItem() error {
	if r.body.r != nil { // the last item streamed
		if err := r.endBody(); err != nil {
			return err
		}
	}
	p := &r.p
	p.nodes = p.nodes[:0]
	if !r.in {
		if r.Name != "FETCH" || !p.accept('(') {
			return malformed("a FETCH without a list")
		}
		r.in = true
	}
	p.spaces()
	switch {
	case p.accept(')'):
		p.spaces()
		if p.pos < len(p.src) && p.src[p.pos] != '\r' && p.src[p.pos] != '\n' {
			return malformed("text behind the items")
		}
		return io.EOF
	case p.pos >= len(p.src) || p.src[p.pos] == '\r' || p.src[p.pos] == '\n':
		return malformed("it ends within the items")
	}
	return r.parseItem()
}

func (r *Response) parseItem() error {
	p := &r.p
	r.item = Item{Partial: -1}
	if err := r.itemName(); err != nil {
		return err
	}
	p.spaces()
	var err error
	switch {
	case p.pos >= len(p.src):
		return malformed("an item without a value")
	case p.src[p.pos] == ')': // an item without a value
	case isBodyName(r.item.Name):
		err = r.itemBody()
	default:
		r.item.Value, err = p.value()
	}
	return err
}

// itemName parses a name, its section and its partial origin.
func (r *Response) itemName() error {
	p := &r.p
	start := p.pos
	for p.pos < len(p.src) && !isNameEnd(p.src[p.pos]) {
		p.pos++
	}
	name := p.src[start:p.pos]
	if p.pos == len(p.src) || p.src[p.pos] != '[' {
		if len(name) == 0 {
			return malformed("an item without a name")
		}
		r.item.Name = internName(name)
		return nil
	}
	end := sectionEnd(p.src[p.pos:])
	if end < 0 {
		return malformed("a section without end")
	}
	section := p.src[p.pos+1 : p.pos+end]
	switch {
	case len(name) == 4 && bytes.EqualFold(name, []byte("BODY")):
		r.item.Name = "BODY[]"
	case len(name) == 6 && bytes.EqualFold(name, []byte("BINARY")):
		r.item.Name = "BINARY[]"
	default:
		r.item.Name = internName(name) + "[]"
	}
	if string(section) != r.c.section {
		r.c.section = string(bytes.ToUpper(section))
	}
	r.item.Section = r.c.section
	p.pos += end + 1
	if p.pos < len(p.src) && p.src[p.pos] == '<' {
		return r.itemPartial()
	}
	return nil
}

func (r *Response) itemPartial() error {
	p := &r.p
	end := bytes.IndexByte(p.src[p.pos:min(len(p.src), p.pos+24)], '>')
	if end < 0 {
		return malformed("a partial without end")
	}
	n, ok := parseNumber(p.src[p.pos+1 : p.pos+end])
	if !ok || n >= 1<<63 {
		return malformed("a partial that is no number")
	}
	r.item.Partial = int64(n)
	p.pos += end + 1
	return nil
}

func isNameEnd(c byte) bool {
	switch c {
	case ' ', '[', '(', ')', '\r', '\n':
		return true
	}
	return false
}

// sectionEnd finds the bracket that closes the section that b begins with.
// Names of header fields in it may be quoted.
func sectionEnd(b []byte) int {
	quoted := false
	for i, c := range b {
		switch {
		case c == '"':
			quoted = !quoted
		case c == ']' && !quoted:
			return i
		case c == '\n':
			return -1
		}
	}
	return -1
}

// itemBody makes a value the item's body: a literal that follows, or one in the
// segment, or a quoted string.
func (r *Response) itemBody() error {
	p := &r.p
	if r.seg.body >= 0 {
		b := p.src[p.pos:]
		if b[0] == '~' {
			b = b[1:]
		}
		if size, text, ok := literalHere(b); ok && size == r.seg.body && text == len(b) {
			p.pos = len(p.src)
			r.item.Body = r.takeBody()
			return nil
		}
	}
	start := p.pos
	v, err := p.value()
	switch {
	case err != nil:
		return err
	case v.IsNil():
		return nil
	case v.Kind() == AtomKind && isLetter(p.src[start]): // no value, but the next item
		p.pos = start
		return nil
	case v.Kind() != StringKind:
		return malformed("a body that is no string")
	}
	text := v.Bytes()
	r.item.Body = &Body{size: int64(len(text)), left: int64(len(text)), text: text}
	return nil
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

func (p *parser) accept(c byte) bool {
	if p.pos < len(p.src) && p.src[p.pos] == c {
		p.pos++
		return true
	}
	return false
}

func (p *parser) spaces() {
	for p.pos < len(p.src) && p.src[p.pos] == ' ' {
		p.pos++
	}
}
