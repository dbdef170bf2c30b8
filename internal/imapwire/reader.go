package imapwire

import (
	"bytes"
	"io"
	"math"
	"net"
	"sync/atomic"
)

const (
	bufferSize = 64 << 10
	// bufferKeep is how large a buffer may stay once it is empty again.
	bufferKeep = 4 * bufferSize
)

// reader is the receiving side of a connection: a buffer that holds what was
// not read yet in one piece. It grows by what has arrived.
type reader struct {
	nc   net.Conn
	buf  []byte
	r, w int // buf[r:w] was received and not read
	got  atomic.Int64
}

// position is how many octets of the stream have been read.
func (rd *reader) position() int64 { return rd.got.Load() - int64(rd.w-rd.r) }

// fill receives more, at least one octet. What was given out of the buffer
// before is lost.
func (rd *reader) fill() error {
	rd.room()
	for {
		n, err := rd.nc.Read(rd.buf[rd.w:])
		rd.w += n
		rd.got.Add(int64(n))
		switch {
		case n > 0:
			return nil
		case err == io.EOF:
			return io.ErrUnexpectedEOF
		case err != nil:
			return err
		}
	}
}

// room makes sure that the buffer has a free end.
func (rd *reader) room() {
	unread := rd.w - rd.r
	switch {
	case unread == 0 && len(rd.buf) > 0 && len(rd.buf) <= bufferKeep:
		rd.r, rd.w = 0, 0
	case unread < bufferSize/2 && len(rd.buf) > bufferKeep, len(rd.buf) == 0:
		rd.move(make([]byte, bufferSize))
	case rd.w < len(rd.buf):
	case rd.r > 0:
		rd.move(rd.buf)
	default:
		rd.move(make([]byte, 2*len(rd.buf)))
	}
}

func (rd *reader) move(to []byte) {
	n := copy(to, rd.buf[rd.r:rd.w])
	rd.buf, rd.r, rd.w = to, 0, n
}

// segment is a piece of a response that lies in the buffer in one piece: all
// of it, or as far as the marker of a body's literal, inclusive. The literals
// in it that are no bodies are there, with their markers.
type segment struct {
	octets []byte
	// body is the size of the body's literal that follows; -1 if the response
	// ends here.
	body int64
}

// segment frames what comes next. h is the head of the response; on the first
// segment it is empty and gets filled in. used is how many octets of the
// response came before.
//
// A line that ends with a literal's marker goes on with the literal, whatever
// stands before it: quoted strings hold no line ends, so that is right for all
// valid input, and a quote which a server forgot to escape cannot turn the
// octets of a message into responses.
func (rd *reader) segment(h *head, used int, lim *Limits) (segment, error) {
	line, off := 0, 0 // where the line begins, and how far was searched
	for {
		i := bytes.IndexByte(rd.buf[rd.r+off:rd.w], '\n')
		if i < 0 {
			off = rd.w - rd.r
			if err := checkSize(used, line, off, lim); err != nil {
				return segment{}, err
			}
			if err := rd.fill(); err != nil {
				return segment{}, err
			}
			continue
		}
		end := off + i + 1
		if err := checkSize(used, line, end, lim); err != nil {
			return segment{}, err
		}
		octets := rd.buf[rd.r : rd.r+end]
		if h.kind == 0 {
			*h = parseHead(octets)
		}
		size, mark, err := literalAtEnd(octets[line:])
		switch {
		case h.status || size < 0 && err == nil:
			rd.r += end
			return segment{octets, -1}, nil
		case err != nil:
			return segment{}, err
		case h.name == "FETCH" && bodyBefore(octets[:line+mark]):
			rd.r += end
			return segment{octets, size}, nil
		case size > int64(lim.Literal):
			return segment{}, tooLarge("a literal of %d octets", size)
		}
		line, off = end+int(size), end+int(size)
		if err := checkSize(used, line, off, lim); err != nil {
			return segment{}, err
		}
		for rd.w-rd.r < off {
			if err := rd.fill(); err != nil {
				return segment{}, err
			}
		}
	}
}

func checkSize(used, line, end int, lim *Limits) error {
	switch {
	case end-line > lim.Line:
		return tooLarge("a line of more than %d octets", lim.Line)
	case used+end > lim.Response:
		return tooLarge("a response of more than %d octets", lim.Response)
	}
	return nil
}

// literalAtEnd reads the literal's marker that ends a line: {n}, {n+} or ~{n},
// and where it begins. The size is -1 if there is none. A number that cannot be
// one is an error, since what follows cannot be told from responses.
func literalAtEnd(line []byte) (size int64, mark int, err error) {
	end := len(line) - 1 // without LF
	if end > 0 && line[end-1] == '\r' {
		end--
	}
	if end < 3 || line[end-1] != '}' {
		return -1, 0, nil
	}
	last := end - 1
	if line[last-1] == '+' {
		last--
	}
	first := last
	for first > 0 && '0' <= line[first-1] && line[first-1] <= '9' {
		first--
	}
	signed := first > 0 && (line[first-1] == '-' || line[first-1] == '+')
	mark = first - 1
	if signed {
		mark--
	}
	if first == last || mark < 0 || line[mark] != '{' {
		return -1, 0, nil
	}
	if signed {
		return 0, 0, violation("a literal with a sign")
	}
	for _, c := range line[first:last] {
		d := int64(c - '0')
		if size > (math.MaxInt64-d)/10 {
			return 0, 0, tooLarge("a literal of more than 2^63 octets")
		}
		size = size*10 + d
	}
	if mark > 0 && line[mark-1] == '~' {
		mark--
	}
	return size, mark, nil
}

// bodyBefore reports whether what stands before a literal's marker in a FETCH
// response is the name of an item whose value is a message or a part of one.
func bodyBefore(text []byte) bool {
	for len(text) > 0 && text[len(text)-1] == ' ' {
		text = text[:len(text)-1]
	}
	if len(text) == 0 {
		return false
	}
	if c := text[len(text)-1]; c == ']' || c == '>' {
		return true
	}
	i := bytes.LastIndexAny(text[max(0, len(text)-16):], " (")
	word := text[max(0, len(text)-16)+i+1:]
	return isBodyName(internName(word))
}

// discard skips n octets.
func (rd *reader) discard(n int64) error {
	for n > 0 {
		if rd.r == rd.w {
			if err := rd.fill(); err != nil {
				return err
			}
		}
		k := min(n, int64(rd.w-rd.r))
		rd.r += int(k)
		n -= k
	}
	return nil
}

// read reads up to len(p) octets: what is in the buffer, or, if that is empty
// and p is about as large, straight from the connection.
func (rd *reader) read(p []byte) (int, error) {
	if rd.r == rd.w && len(p) >= bufferSize/2 {
		n, err := rd.nc.Read(p)
		rd.got.Add(int64(n))
		if n > 0 {
			return n, nil
		}
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return 0, err
	}
	if rd.r == rd.w {
		if err := rd.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, rd.buf[rd.r:rd.w])
	rd.r += n
	return n, nil
}

// chunk gives up to limit octets, at least one, without taking them.
func (rd *reader) chunk(limit int64) ([]byte, error) {
	if rd.r == rd.w {
		if err := rd.fill(); err != nil {
			return nil, err
		}
	}
	return rd.buf[rd.r : rd.r+int(min(limit, int64(rd.w-rd.r)))], nil
}
