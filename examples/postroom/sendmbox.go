package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"regexp"
)

// mboxLine is how the line begins that stands ahead of each message of an mbox (RFC
// 4155). It is no field of a header: who gets it reads the header as text. Programs
// that save one message leave it there, and git format-patch does.
const mboxLine = "From "

// isUnderMboxLine reports whether a file that begins so is of an mbox: "From :" is a
// field as they once were (RFC 5322 section 4.5).
func isUnderMboxLine(begin []byte) bool {
	after, ok := bytes.CutPrefix(begin, []byte(mboxLine))
	return ok && !bytes.HasPrefix(after, []byte(":"))
}

// mboxBegin is such a line with its date, as text seldom has it.
var mboxBegin = regexp.MustCompile(`^From .*\d\d:\d\d.* \d{4}\r?\n?$`)

// errMbox: the other messages would go to the recipients of the first.
var errMbox = errors.New("it is an mbox of several messages: split it into files of one message each, as git mailsplit does")

// unboxed is the one message of an mbox. It fails where another begins, so that
// nothing is sent.
type unboxed struct {
	br    *bufio.Reader
	rest  []byte // of the present line
	blank bool   // the line before was empty
	whole bool   // it has ended
	err   error
}

func newUnboxed(r io.Reader) *unboxed {
	u := &unboxed{br: bufio.NewReader(r), whole: true}
	for u.next(); u.err == nil && !u.whole; {
		u.next()
	}
	u.rest, u.blank = nil, false // the line itself
	return u
}

// next reads a line, or as much of it as there is room for.
func (u *unboxed) next() {
	begins := u.whole
	u.rest, u.err = u.br.ReadSlice('\n')
	u.whole = u.err == nil
	if u.err == bufio.ErrBufferFull {
		u.err = nil
	}
	if begins && u.blank && mboxBegin.Match(u.rest) {
		u.rest, u.err = nil, errMbox
		return
	}
	u.blank = begins && (string(u.rest) == "\n" || string(u.rest) == "\r\n")
}

// Read implements io.Reader.
func (u *unboxed) Read(p []byte) (int, error) {
	for len(u.rest) == 0 {
		if u.err != nil {
			return 0, u.err
		}
		u.next()
	}
	n := copy(p, u.rest)
	u.rest = u.rest[n:]
	return n, nil
}
