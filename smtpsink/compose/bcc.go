package compose

import (
	"bufio"
	"bytes"
	"io"
)

// withoutBcc leaves out the Bcc fields of a message's header: the copy of what one
// has sent has them, and whoever it is passed on to should not. Lines may end in LF.
type withoutBcc struct {
	io.Closer
	src  *bufio.Reader
	out  []byte // not given yet; a part of src's buffer
	body bool   // the header is over
	mid  bool   // the present line has begun
	drop bool   // the present field is left out
	err  error
}

func newWithoutBcc(src io.ReadCloser) *withoutBcc {
	return &withoutBcc{Closer: src, src: bufio.NewReader(src)}
}

// Read gives the next octets.
func (w *withoutBcc) Read(p []byte) (int, error) {
	for len(w.out) == 0 {
		switch {
		case w.err != nil:
			return 0, w.err
		case w.body:
			return w.src.Read(p)
		}
		w.line()
	}
	n := copy(p, w.out)
	w.out = w.out[n:]
	return n, nil
}

// line reads a line of the header, or a piece of a long one.
func (w *withoutBcc) line() {
	piece, err := w.src.ReadSlice('\n')
	if err != bufio.ErrBufferFull {
		w.err = err
	}
	switch {
	case w.mid || len(piece) == 0:
	case len(bytes.TrimRight(piece, crlf)) == 0:
		w.body, w.drop = true, false
	case piece[0] != ' ' && piece[0] != '\t': // which goes the way of the line before it
		name, _, _ := bytes.Cut(piece, []byte(":"))
		name = bytes.TrimRight(name, " \t")
		w.drop = bytes.EqualFold(name, []byte("Bcc")) || bytes.EqualFold(name, []byte("Resent-Bcc"))
	}
	w.mid = !bytes.HasSuffix(piece, []byte("\n"))
	if !w.drop {
		w.out = piece
	}
}
