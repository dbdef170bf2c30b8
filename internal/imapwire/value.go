package imapwire

import (
	"bytes"
	"iter"
)

// Kind is what a Value is.
type Kind byte

const (
	// NilKind is NIL, or no value at all.
	NilKind Kind = iota
	// AtomKind is an atom or a number.
	AtomKind
	// StringKind is a quoted string or a literal.
	StringKind
	// ListKind is a parenthesized list.
	ListKind
)

// node is one value: nodes stand in the order of the text, a list before its
// elements.
type node struct {
	kind     Kind
	escaped  bool  // a quoted string with backslashes
	off, end int32 // its octets in the source
	next     int32 // the first node behind it and its elements
}

// tree holds the values of one response or item.
type tree struct {
	src      []byte
	nodes    []node
	envelope envelopeReader // for Envelope
}

// Value is one value in the buffer of its response. It costs no allocation and
// is good as long as the response or the item that it is from. The zero Value
// is NIL.
type Value struct {
	t *tree
	i int32
}

func (v Value) node() *node {
	if v.t == nil {
		return &node{}
	}
	return &v.t.nodes[v.i]
}

// Kind tells what v is.
func (v Value) Kind() Kind { return v.node().kind }

// IsNil reports whether v is NIL or missing.
func (v Value) IsNil() bool { return v.node().kind == NilKind }

// Bytes are the octets of an atom or a string, unescaped; nil for NIL and
// lists. They must not be changed.
func (v Value) Bytes() []byte {
	n := v.node()
	if n.kind != AtomKind && n.kind != StringKind {
		return nil
	}
	b := v.t.src[n.off:n.end]
	if n.escaped {
		return unescape(b)
	}
	return b
}

// String is a copy of Bytes.
func (v Value) String() string { return string(v.Bytes()) }

// Number is an atom or string that is a decimal number.
func (v Value) Number() (n uint64, ok bool) { return parseNumber(v.Bytes()) }

// UID is a number from 1 to 2^32-1.
func (v Value) UID() (uid uint32, ok bool) {
	n, ok := v.Number()
	if !ok || n == 0 || n > 1<<32-1 {
		return 0, false
	}
	return uint32(n), true
}

// All yields the elements of a list; those of another value are none.
func (v Value) All() iter.Seq[Value] {
	return func(yield func(Value) bool) {
		for e, ok := v.first(); ok; e, ok = v.after(e) {
			if !yield(e) {
				return
			}
		}
	}
}

// At is the element at index i of a list, or NIL. It walks the list.
func (v Value) At(i int) Value {
	for e, ok := v.first(); ok; e, ok = v.after(e) {
		if i == 0 {
			return e
		}
		i--
	}
	return Value{}
}

// Len is the number of elements of a list; it walks the list.
func (v Value) Len() int {
	n := 0
	for e, ok := v.first(); ok; e, ok = v.after(e) {
		n++
	}
	return n
}

// first and after walk a list without a closure.
func (v Value) first() (Value, bool) {
	if v.t == nil {
		return Value{}, false
	}
	n := &v.t.nodes[v.i]
	if n.kind != ListKind || n.next == v.i+1 {
		return Value{}, false
	}
	return Value{v.t, v.i + 1}, true
}

func (v Value) after(e Value) (Value, bool) {
	next := v.t.nodes[e.i].next
	if next >= v.t.nodes[v.i].next {
		return Value{}, false
	}
	return Value{v.t, next}, true
}

// unescape drops the backslash before a quote or a backslash. Others stay:
// some servers do not escape backslashes.
func unescape(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for len(b) > 0 {
		i := bytes.IndexByte(b, '\\')
		if i < 0 || i+1 == len(b) {
			break
		}
		out = append(out, b[:i]...)
		if c := b[i+1]; c != '"' && c != '\\' {
			out = append(out, '\\')
		}
		out = append(out, b[i+1])
		b = b[i+2:]
	}
	return append(out, b...)
}
