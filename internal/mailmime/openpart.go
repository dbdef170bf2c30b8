package mailmime

import (
	"errors"
	"io"
)

// ErrNoPart says that a message has no part of that number.
var ErrNoPart = errors.New("no such part")

// OpenPart reads a message up to the body of the part with that IMAP number (RFC
// 9051 section 6.4.5), and gives the rest as a reader of that body, still
// encoded, and its transfer encoding. The body of message/rfc822 is the whole
// message inside; "1" of a message that is no multipart is its body. The reader
// takes no more from r than it needs, but for one buffer, and fails with r's
// error if the message is cut before the part ends. err is ErrNoPart, or r's.
// lim may be nil; with other limits than ReadStructure was given, other parts are
// found.
func OpenPart(r io.Reader, id string, lim *Limits) (body io.Reader, encoding string, err error) {
	return openPart(newWalker(r, lim), id)
}

// OpenLeaf is OpenPart for parts that people open: a multipart, which has no
// body but its parts, is ErrNoPart.
func OpenLeaf(r io.Reader, id string, lim *Limits) (body io.Reader, encoding string, err error) {
	w := newWalker(r, lim)
	body, encoding, err = openPart(w, id)
	if err == nil && w.captured.kind == multi {
		return nil, "", ErrNoPart
	}
	return body, encoding, err
}

func openPart(w *walker, id string) (body io.Reader, encoding string, err error) {
	w.want = id
	if id == "" {
		return nil, "", ErrNoPart
	}
	for w.captured == nil && w.step() {
	}
	switch {
	case w.captured != nil:
		return (*partReader)(w), w.encoding, nil
	case w.err != nil:
		return nil, "", w.err
	}
	return nil, "", ErrNoPart
}

// pass takes a line of the wanted part for the reader: first the line break
// before it, of which it is clear by now that it belongs to no boundary.
func (w *walker) pass(body []byte, eol string) {
	w.lead, w.out, w.held = w.held, body, eol
}

// partReader reads the octets of the wanted part.
type partReader walker

func (p *partReader) Read(b []byte) (int, error) {
	w := (*walker)(p)
	if len(b) == 0 {
		return 0, nil
	}
	n := 0
	for n < len(b) {
		k := copy(b[n:], w.lead)
		w.lead = w.lead[k:]
		n += k
		k = copy(b[n:], w.out)
		w.out = w.out[k:]
		n += k
		switch {
		case n == len(b):
			return n, nil
		case w.capEnded || w.done:
			return w.end(n)
		case n > 0 && w.r.Buffered() == 0:
			return n, nil // what follows may take its time
		}
		w.step()
	}
	return n, nil
}

// end gives the end of the part, behind the last n octets.
func (w *walker) end(n int) (int, error) {
	switch {
	case n > 0:
		return n, nil
	case w.err != nil && !w.capEnded:
		return 0, w.err
	}
	return 0, io.EOF
}
