package sinktest

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"
	"sync/atomic"
)

// crlf gives lines their line ends.
func crlf(lines ...string) []byte { return []byte(strings.Join(lines, "\r\n") + "\r\n") }

// header is the beginning of a message.
const header = "From: ann@example.org\r\nTo: somebody@example.net\r\nSubject: test\r\n" +
	"Date: Mon, 02 Mar 2026 09:30:00 +0100\r\nMessage-ID: <one@example.org>\r\n"

// withBody is a message with a body as it is.
func withBody(body string) []byte { return []byte(header + "\r\n" + body) }

// numbered is a small message that tells its number.
func numbered(n int) []byte {
	no := strconv.Itoa(n)
	return crlf(
		"From: Ann Example <ann@example.org>",
		"To: somebody@example.net",
		"Subject: Message "+no,
		"Date: Mon, 02 Mar 2026 09:30:00 +0100",
		"Message-ID: <"+no+"@example.org>",
		"",
		"This is message "+no+".")
}

// normal is a message as it arrives: each line ends in CRLF, whatever it ended in
// before.
func normal(raw string) []byte {
	s := strings.ReplaceAll(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(raw), "\n", "\r\n")
	if !strings.HasSuffix(s, "\r\n") {
		s += "\r\n"
	}
	return []byte(s)
}

// flow is a message of a given size whose lines all differ. It is made while it is
// read, and counts what was read.
type flow struct {
	size  int64 // octets, CRLF at the end included
	made  int64 // of them
	line  []byte
	no    int64
	given atomic.Int64 // octets that were read
}

func newFlow(size int64) *flow {
	f := &flow{size: size, line: withBody("")}
	f.made = int64(len(f.line))
	return f
}

// flowed is a flow as octets.
func flowed(size int) []byte {
	raw, _ := io.ReadAll(newFlow(int64(size)))
	return raw
}

func (f *flow) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		if len(f.line) == 0 && !f.next() {
			break
		}
		m := copy(p[n:], f.line)
		f.line = f.line[m:]
		n += m
	}
	f.given.Add(int64(n))
	if n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

// next makes the next line. The last but one is as long as it has to be.
func (f *flow) next() bool {
	const filler = "abcdefghijabcdefghijabcdefghijabcdefghijabcdefghij"
	left := f.size - f.made
	if f.no < 0 || left <= 0 {
		return false
	}
	f.no++
	f.line = strconv.AppendInt(f.line[:0:0], f.no, 10)
	f.line = append(append(f.line, filler...), "\r\n"...)
	if int64(len(f.line))+200 > left {
		f.line = append(bytes.Repeat([]byte{'x'}, int(max(left-2, 0))), "\r\n"...)
		f.no = -1
	}
	f.made += int64(len(f.line))
	return true
}

// errReader is why a reader of the suite fails.
var errReader = errors.New("the disk is on fire")

// failing is a reader that fails.
type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errReader }

// gate is a message that is read up to a point, and goes on when it is released.
type gate struct {
	front, back io.Reader
	reached     chan struct{} // closed when all before the point was read
	release     chan struct{}
	open        bool
}

// newGate stops after n octets.
func newGate(raw []byte, n int) *gate {
	return &gate{bytes.NewReader(raw[:n]), bytes.NewReader(raw[n:]), make(chan struct{}), make(chan struct{}), false}
}

func (g *gate) Read(p []byte) (int, error) {
	if !g.open {
		if n, err := g.front.Read(p); err == nil {
			return n, nil
		}
		g.open = true
		close(g.reached)
		<-g.release
	}
	return g.back.Read(p)
}

// closeCounter counts how often it was closed.
type closeCounter struct {
	io.Reader
	closed int
}

func (c *closeCounter) Close() error {
	c.closed++
	return nil
}
