package sent

import (
	"bufio"
	"bytes"
	"io"
)

// lines ends every line in CRLF, the last one, too, whatever it ended in: the copy
// is what was sent, and a mailbox is to be given CRLF.
type lines struct {
	src  io.Reader
	in   [16 << 10]byte
	out  []byte // not given yet; a part of buf
	buf  []byte
	cr   bool // CR was the last octet
	open bool // the present line has octets
	none int  // Reads of src that gave nothing, one after the other
	err  error
}

func newLines(src io.Reader) io.Reader { return &lines{src: src} }

func (l *lines) Read(p []byte) (int, error) {
	for len(l.out) == 0 {
		if l.err != nil {
			return 0, l.err
		}
		n, err := l.src.Read(l.in[:])
		if l.none++; n > 0 || err != nil {
			l.none = 0
		} else if l.none == 100 {
			err = io.ErrNoProgress
		}
		l.buf = l.take(l.buf[:0], l.in[:n])
		if l.err = err; err == io.EOF && (l.open || l.cr) {
			l.buf = append(l.buf, "\r\n"...)
		}
		l.out = l.buf
	}
	n := copy(p, l.out)
	l.out = l.out[n:]
	return n, nil
}

func (l *lines) take(dst, p []byte) []byte {
	for _, c := range p {
		after := l.cr
		l.cr = false
		switch {
		case c == '\n':
			dst = append(dst, "\r\n"...)
			l.open = false
			continue
		case after:
			dst = append(dst, "\r\n"...)
			l.open = false
		}
		if c == '\r' {
			l.cr = true
			continue
		}
		dst = append(dst, c)
		l.open = true
	}
	return dst
}

// withoutBcc leaves out the Bcc fields of a message's header, whose lines end in
// LF or CRLF.
type withoutBcc struct {
	src  *bufio.Reader
	out  []byte // not given yet; a part of src's buffer
	body bool   // the header is over
	mid  bool   // the present line has begun
	drop bool   // the present field is left out
	err  error
}

func newWithoutBcc(src io.Reader) io.Reader {
	return &withoutBcc{src: bufio.NewReaderSize(src, 4<<10)}
}

func (w *withoutBcc) Read(p []byte) (int, error) {
	for len(w.out) == 0 {
		switch {
		case w.err != nil:
			return 0, w.err
		case w.body:
			return w.src.Read(p)
		}
		w.next()
	}
	n := copy(p, w.out)
	w.out = w.out[n:]
	return n, nil
}

// next reads a line of the header, or a piece of a long one.
func (w *withoutBcc) next() {
	piece, err := w.src.ReadSlice('\n')
	if err == bufio.ErrBufferFull {
		err = nil
	}
	w.err = err
	if !w.mid && len(piece) > 0 {
		w.begin(piece)
	}
	w.mid = len(piece) > 0 && piece[len(piece)-1] != '\n'
	if !w.drop {
		w.out = piece
	}
}

// begin decides on a line: one that begins with white space goes the way of the
// one before it.
func (w *withoutBcc) begin(line []byte) {
	switch {
	case len(bytes.TrimRight(line, "\r\n")) == 0:
		w.body, w.drop = true, false
	case line[0] != ' ' && line[0] != '\t':
		name, _, _ := bytes.Cut(line, []byte(":"))
		name = bytes.TrimRight(name, " \t")
		w.drop = bytes.EqualFold(name, []byte("Bcc")) || bytes.EqualFold(name, []byte("Resent-Bcc"))
	}
}
