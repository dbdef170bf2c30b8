package mailmime

import (
	"bufio"
	"bytes"
	"io"
)

// IsBcc reports whether a line of a header begins a field that names recipients whom
// the others must not know of (RFC 5322 section 3.6.3): Bcc or Resent-Bcc. White
// space ahead of the colon, as old mail has it, counts for nothing.
func IsBcc(line []byte) bool {
	name, _, _ := bytes.Cut(line, []byte(":"))
	name = bytes.TrimRight(name, " \t")
	return bytes.EqualFold(name, []byte("Bcc")) || bytes.EqualFold(name, []byte("Resent-Bcc"))
}

// WithoutBcc reads src, a message whose lines end in LF or CRLF, without those fields
// of its header.
func WithoutBcc(src io.Reader) io.Reader { return &withoutBcc{src: bufio.NewReader(src)} }

type withoutBcc struct {
	src  *bufio.Reader
	out  []byte // not given yet; a part of src's buffer
	body bool   // the header is over
	mid  bool   // the present line has begun
	drop bool   // the present field is left out
	err  error
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
	case len(bytes.TrimRight(piece, "\r\n")) == 0:
		w.body, w.drop = true, false
	case piece[0] != ' ' && piece[0] != '\t': // which goes the way of the line before it
		w.drop = IsBcc(piece)
	}
	w.mid = !bytes.HasSuffix(piece, []byte("\n"))
	if !w.drop {
		w.out = piece
	}
}
