package imapwire

import (
	"bytes"
	"io"
)

// rawSize is how much Raw gives.
const rawSize = 64 << 10

// Response is one untagged response to a command. It lives in the connection's
// buffer, and is good until the next call of Next or Wait of any command.
type Response struct {
	// Num is the 7 of "* 7 FETCH".
	Num uint32
	// Name is FETCH, LIST, STATUS, OK and so on.
	Name string
	// Status is set for an OK in answer to SELECT or EXAMINE.
	Status *Status

	c    *Conn
	head head
	seg  segment
	used int // octets of the response so far
	p    parser
	err  error // sticky, for Item
	in   bool  // Item is inside the list of items
	item Item
	body Body
}

// begin makes r the response whose head and first segment were read.
func (r *Response) begin(seg segment) {
	r.Num, r.Name, r.Status = r.head.num, r.head.name, nil
	r.seg, r.used = seg, len(seg.octets)
	r.err, r.in = nil, false
	r.item, r.body = Item{}, Body{}
	r.p.reset(seg.octets, r.head.rest)
}

// next reads the segment behind a body that has been read.
func (r *Response) next() error {
	c := r.c
	seg, err := c.rd.segment(&r.head, r.used, &c.opts.Limits)
	if err != nil {
		return c.fail(err)
	}
	c.traceSegment(seg)
	r.seg = seg
	r.used += len(seg.octets)
	// Anything else means that the server miscounted: what is a response and
	// what is a message can no longer be told.
	if first := seg.octets[0]; first != ' ' && first != ')' {
		return c.fail(violation("a body that is not as long as announced"))
	}
	r.p.reset(seg.octets, 0)
	return nil
}

// skip skips what is left of the response.
func (r *Response) skip() error {
	for {
		if r.body.r == nil && r.seg.body >= 0 {
			r.takeBody()
		}
		if r.body.r == nil {
			return nil
		}
		if err := r.endBody(); err != nil {
			return err
		}
	}
}

// endBody skips what is left of a body and reads the segment behind it.
func (r *Response) endBody() error {
	if err := r.body.skip(); err != nil {
		return err
	}
	r.body = Body{}
	return r.next()
}

// takeBody makes the literal behind the segment the current body.
func (r *Response) takeBody() *Body {
	r.body = Body{r: r, size: r.seg.body, left: r.seg.body}
	r.c.traceBody(r.seg.body)
	return &r.body
}

// Text is what follows the name, without the line's end, as the server sent it.
// For a FETCH it ends at the first body.
func (r *Response) Text() []byte {
	return bytes.TrimRight(r.seg.octets[min(r.head.rest, len(r.seg.octets)):], "\r\n")
}

// Raw is the response as it was sent, for keeping what could not be parsed: what
// follows the last body, or all if there is none, cut at 64 KiB.
func (r *Response) Raw() []byte { return r.seg.octets[:min(len(r.seg.octets), rawSize)] }

// Args are the arguments of a response other than FETCH, as one list. LIST and
// STATUS are better read by List and FolderStatus, which know what servers do to
// names. The error is ErrMalformed.
func (r *Response) Args() (Value, error) {
	p := &r.p
	p.reset(r.seg.octets, min(r.head.rest, len(r.seg.octets)))
	p.add(node{kind: ListKind})
	for {
		for p.pos < len(p.src) && p.src[p.pos] == ' ' {
			p.pos++
		}
		if p.pos == len(p.src) || p.src[p.pos] == '\r' || p.src[p.pos] == '\n' {
			p.nodes[0].next = int32(len(p.nodes))
			return Value{&p.tree, 0}, nil
		}
		if _, err := p.value(); err != nil {
			return Value{}, err
		}
	}
}

// Body streams a message, or a part of one, from the connection. What is not
// read of it is skipped when the reading of responses goes on.
type Body struct {
	r    *Response
	size int64
	left int64
	text []byte // of one that is a quoted string
}

// Size is the number of octets that the server has announced.
func (b *Body) Size() int64 { return b.size }

// Read reads from the connection. If that ends early the error is, or wraps,
// io.ErrUnexpectedEOF; io.EOF comes only after Size octets.
func (b *Body) Read(p []byte) (int, error) {
	switch {
	case b.left == 0:
		return 0, io.EOF
	case len(p) == 0:
		return 0, nil
	case b.text != nil:
		n := copy(p, b.text)
		b.text = b.text[n:]
		b.left -= int64(n)
		return n, nil
	}
	n, err := b.r.c.rd.read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	if err != nil {
		err = b.r.c.fail(err)
	}
	return n, err
}

// WriteTo writes what is left of the body to w, without a buffer of its own.
func (b *Body) WriteTo(w io.Writer) (int64, error) {
	var total int64
	for b.left > 0 {
		chunk := b.text
		if chunk == nil {
			var err error
			if chunk, err = b.r.c.rd.chunk(b.left); err != nil {
				return total, b.r.c.fail(err)
			}
		}
		n, err := w.Write(chunk)
		total += int64(n)
		b.took(n)
		if err == nil && n < len(chunk) {
			err = io.ErrShortWrite
		}
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

// took notes that n octets of what chunk gave were read.
func (b *Body) took(n int) {
	b.left -= int64(n)
	if b.text != nil {
		b.text = b.text[n:]
	} else {
		b.r.c.rd.r += n
	}
}

func (b *Body) skip() error {
	if b.text != nil || b.left == 0 {
		b.left = 0
		return nil
	}
	n := b.left
	b.left = 0
	if err := b.r.c.rd.discard(n); err != nil {
		return b.r.c.fail(err)
	}
	return nil
}
