package sent

import "io"

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
