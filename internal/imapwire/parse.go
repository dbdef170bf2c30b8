package imapwire

import (
	"bytes"
	"errors"
	"fmt"
)

// ErrMalformed is the error for one response, or one item of it, that cannot be
// parsed. The connection is well, and so is what came before.
var ErrMalformed = errors.New("malformed response")

func malformed(what string) error { return fmt.Errorf("%w: %s", ErrMalformed, what) }

// parser turns text into values.
type parser struct {
	tree
	pos     int
	open    []int32 // the lists that are open
	lim     *Limits
	lenient bool // see quoted
}

func (p *parser) reset(src []byte, pos int) {
	p.src, p.pos = src, pos
	p.nodes, p.open = p.nodes[:0], p.open[:0]
	if cap(p.nodes) > 1<<14 {
		p.nodes = nil
	}
}

// value parses one value at p.pos. If that fails it tries again, lenient with
// quotes.
func (p *parser) value() (Value, error) {
	start, nodes := p.pos, len(p.nodes)
	root, err := p.strict()
	if err == nil || p.lenient {
		return root, err
	}
	p.pos, p.nodes, p.open = start, p.nodes[:nodes], p.open[:0]
	p.lenient = true
	root, again := p.strict()
	p.lenient = false
	if again != nil {
		return Value{}, err
	}
	return root, nil
}

func (p *parser) strict() (Value, error) {
	root := Value{&p.tree, int32(len(p.nodes))}
	base := len(p.open)
	for {
		if p.pos >= len(p.src) {
			return Value{}, malformed("it ends within a list")
		}
		var err error
		switch c := p.src[p.pos]; {
		case c == '(':
			err = p.openList()
		case c == ')':
			if len(p.open) == base {
				return Value{}, malformed("a parenthesis too many")
			}
			p.closeList()
		case c == '"':
			err = p.quoted()
		case c == ' ' && len(p.open) > base:
			p.pos++
			continue
		default:
			err = p.atom()
		}
		if err != nil {
			return Value{}, err
		}
		if len(p.nodes) > p.lim.Values {
			return Value{}, malformed("too many values")
		}
		if len(p.open) == base {
			return root, nil
		}
	}
}

func (p *parser) add(n node) { p.nodes = append(p.nodes, n) }

// leaf adds a value without elements.
func (p *parser) leaf(kind Kind, escaped bool, off, end int) {
	p.add(node{kind: kind, escaped: escaped, off: int32(off), end: int32(end), next: int32(len(p.nodes) + 1)})
}

func (p *parser) openList() error {
	if len(p.open) >= p.lim.Depth {
		return malformed("lists nested too deep")
	}
	p.open = append(p.open, int32(len(p.nodes)))
	p.add(node{kind: ListKind, off: int32(p.pos)})
	p.pos++
	return nil
}

func (p *parser) closeList() {
	p.pos++
	n := &p.nodes[p.open[len(p.open)-1]]
	n.end, n.next = int32(p.pos), int32(len(p.nodes))
	p.open = p.open[:len(p.open)-1]
}

// quoted parses a quoted string. Behind it there must be something that can
// follow a string, else a quote inside was not escaped. The lenient way then
// takes only those quotes for the end that look like it.
func (p *parser) quoted() error {
	start := p.pos + 1
	escaped := false
	for i := start; i < len(p.src); i++ {
		switch p.src[i] {
		case '\\':
			escaped = true
			i++
		case '\n':
			return malformed("a line ends within a quoted string")
		case '"':
			if p.lenient {
				if !p.endsString(i + 1) {
					continue
				}
			} else if !p.follows(i + 1) {
				return malformed("text behind a quoted string")
			}
			p.leaf(StringKind, escaped, start, i)
			p.pos = i + 1
			return nil
		}
	}
	return malformed("a quoted string without end")
}

// follows reports whether a value may end before i.
func (p *parser) follows(i int) bool {
	if i >= len(p.src) {
		return true
	}
	switch p.src[i] {
	case ' ', ')', '(', '\r', '\n':
		return true
	}
	return false
}

// endsString reports whether what is at i looks as if a string had ended: the
// end of a list, or a space and the beginning of another value.
func (p *parser) endsString(i int) bool {
	rest := p.src[min(i, len(p.src)):]
	if len(rest) == 0 || rest[0] != ' ' {
		return p.follows(i)
	}
	rest = rest[1:]
	if len(rest) == 0 {
		return true
	}
	switch c := rest[0]; {
	case c == '"', c == '(', c == ')', c == '{', c == '\r':
		return true
	case '0' <= c && c <= '9':
		word, _ := cutWord(rest, 0)
		_, ok := parseNumber(bytes.TrimRight(word, ")"))
		return ok
	}
	return len(rest) >= 3 && bytes.EqualFold(rest[:3], []byte("NIL")) && p.follows(i+4)
}

// atom parses an atom, a number, NIL or a literal. It takes whatever servers
// put where an atom should be, as far as the next space or parenthesis.
func (p *parser) atom() error {
	start := p.pos
	for p.pos < len(p.src) {
		switch c := p.src[p.pos]; c {
		case ' ', '(', ')', '\r', '\n':
			return p.endAtom(start)
		case '{':
			if size, text, ok := literalHere(p.src[p.pos:]); ok {
				if p.pos == start || p.pos == start+1 && p.src[start] == '~' {
					return p.literal(size, text)
				}
				return p.endAtom(start)
			}
		}
		p.pos++
	}
	return p.endAtom(start)
}

func (p *parser) endAtom(start int) error {
	word := p.src[start:p.pos]
	switch {
	case len(word) == 0:
		return malformed("a value is missing")
	case len(word) == 3 && word[0]|0x20 == 'n' && word[1]|0x20 == 'i' && word[2]|0x20 == 'l':
		p.leaf(NilKind, false, start, p.pos)
	default:
		p.leaf(AtomKind, false, start, p.pos)
	}
	return nil
}

// literalHere reads a literal's marker, and tells where its text begins.
func literalHere(b []byte) (size int64, text int, ok bool) {
	i := 1
	for i < len(b) && '0' <= b[i] && b[i] <= '9' {
		i++
	}
	digits := b[1:i]
	for _, want := range []byte("+}\r\n") {
		switch {
		case i < len(b) && b[i] == want:
			i++
		case want == '}' || want == '\n':
			return 0, 0, false
		}
	}
	n, ok := parseNumber(digits)
	return int64(n), i, ok && n < 1<<63
}

// literal takes the text of a literal, which must be here.
func (p *parser) literal(size int64, text int) error {
	start := p.pos + text
	if size < 0 || size > int64(len(p.src)-start) {
		return malformed("a literal in the wrong place")
	}
	p.pos = start + int(size)
	p.leaf(StringKind, false, start, p.pos)
	return nil
}
