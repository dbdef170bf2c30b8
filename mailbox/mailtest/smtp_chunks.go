package mailtest

import (
	"fmt"
	"io"
	"strconv"
	"strings"
)

// inChunks reports whether a message is coming by BDAT.
func (f *smtpFront) inChunks() bool { return f.current() != nil && f.current().sub.Chunks > 0 }

// current is the transaction under way, or nil.
func (f *smtpFront) current() *transaction {
	if f.session == nil {
		return nil
	}
	return f.session.at
}

// bdat takes a chunk (RFC 3030 section 2), which comes whatever the answer is.
// At the last one go-smtp sees a DATA.
func (f *smtpFront) bdat(args string) ([]byte, error) {
	size, last, ok := chunkSize(args)
	if !ok {
		return nil, f.say("501 5.5.4 malformed BDAT\r\n")
	}
	at := f.current()
	switch {
	case at == nil || len(at.users) == 0:
		return f.refuseChunk(args, "503 5.5.1 no valid recipients")
	case int64(at.body.Len())+size > f.host.maxMessage():
		return f.refuseChunk(args, "552 5.3.4 the message is too large")
	}
	if at.sub.Chunks == 0 {
		at.fault = f.strike()
	}
	at.sub.Chunks++
	n := size
	if at.fault.limited {
		n = min(n, at.fault.limit-int64(at.body.Len()))
	}
	if _, err := io.CopyN(&at.body, readerFunc(f.readRaw), n); err != nil {
		return nil, err
	}
	if at.fault.limited && int64(at.body.Len()) == at.fault.limit {
		return nil, f.stop(&at.fault)
	}
	if last {
		f.swallow.Store(true) // 354
		return []byte("DATA\r\n"), nil
	}
	return nil, f.say(fmt.Sprintf("250 2.0.0 %d octets\r\n", size))
}

// refuseChunk takes a chunk and answers. A transaction that lacks it is over.
func (f *smtpFront) refuseChunk(args, reply string) ([]byte, error) {
	size, _, _ := chunkSize(args)
	if _, err := io.CopyN(io.Discard, readerFunc(f.readRaw), size); err != nil {
		return nil, err
	}
	f.writeString(reply + "\r\n")
	if f.current() == nil {
		return nil, nil
	}
	f.setCommand("RSET")
	f.swallow.Store(true)
	return []byte("RSET\r\n"), nil
}

// chunkSize reads the arguments of BDAT.
func chunkSize(args string) (size int64, last, ok bool) {
	words := strings.Fields(args)
	if last = len(words) == 2 && strings.EqualFold(words[1], "LAST"); !last && len(words) != 1 {
		return 0, false, false
	}
	n, err := strconv.ParseUint(words[0], 10, 32)
	return int64(n), last, err == nil
}

// readerFunc is an io.Reader.
type readerFunc func(p []byte) (int, error)

func (r readerFunc) Read(p []byte) (int, error) { return r(p) }
