package mailtest

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/postroom-go/postroom/internal/memstore"
)

// message finds the message that the first word of args numbers; it answers and
// gives nil if there is none.
func (s *popSession) message(args string) (*memstore.Message, int) {
	word, _, _ := strings.Cut(args, " ")
	n, err := strconv.Atoi(word)
	if err != nil || n < 1 || n > len(s.snap.Messages) || s.deleted[n-1] {
		s.err("no such message")
		return nil, 0
	}
	return s.snap.Messages[n-1], n - 1
}

func (s *popSession) stat(string) {
	n, size := 0, int64(0)
	for i, m := range s.snap.Messages {
		if !s.deleted[i] {
			n++
			size += m.Size()
		}
	}
	s.ok(fmt.Sprintf("%d %d", n, size))
}

func (s *popSession) list(args string) {
	s.scan(args, func(m *memstore.Message) string { return strconv.FormatInt(m.Size(), 10) })
}

func (s *popSession) uidl(args string) {
	s.scan(args, func(m *memstore.Message) string { return fmt.Sprintf("%08x%08x", s.snap.Epoch, m.UID) })
}

// scan answers LIST and UIDL, for one message or for all.
func (s *popSession) scan(args string, value func(*memstore.Message) string) {
	if args != "" {
		if m, i := s.message(args); m != nil {
			s.ok(fmt.Sprintf("%d %s", i+1, value(m)))
		}
		return
	}
	s.ok("listing follows")
	for i, m := range s.snap.Messages {
		if !s.deleted[i] {
			s.writeString(strconv.Itoa(i+1) + " " + value(m) + "\r\n")
		}
	}
	s.writeString(".\r\n")
}

func (s *popSession) retr(args string) {
	if m, _ := s.message(args); m != nil {
		s.ok(fmt.Sprintf("%d octets", m.Size()))
		s.dotted(m.Raw())
	}
}

func (s *popSession) top(args string) {
	m, _ := s.message(args)
	if m == nil {
		return
	}
	_, word, _ := strings.Cut(args, " ")
	lines, err := strconv.Atoi(word)
	if err != nil || lines < 0 {
		s.err("how many lines?")
		return
	}
	raw := m.Raw()
	end := len(m.Header())
	for ; lines > 0 && end < len(raw); lines-- {
		n := bytes.IndexByte(raw[end:], '\n')
		if n < 0 {
			end = len(raw)
			break
		}
		end += n + 1
	}
	s.ok("top follows")
	s.dotted(raw[:end])
}

// crlf makes every bare LF a CRLF, as servers do that store lines without CR.
func crlf(raw []byte) []byte {
	if bytes.Count(raw, []byte("\n")) == bytes.Count(raw, []byte("\r\n")) {
		return raw
	}
	raw = bytes.ReplaceAll(raw, []byte("\r\n"), []byte("\n"))
	return bytes.ReplaceAll(raw, []byte("\n"), []byte("\r\n"))
}

// dotted sends a message as POP3 frames it: lines that end in CRLF, a dot before
// each that begins with one, a line with one dot at the end. A message that does
// not end in CRLF gets one: POP3 cannot say otherwise.
func (s *popSession) dotted(raw []byte) {
	raw = crlf(raw)
	for atStart := true; len(raw) > 0; {
		line := raw
		if i := bytes.Index(raw, []byte("\r\n.")); i >= 0 {
			line = raw[:i+2]
		}
		raw = raw[len(line):]
		if atStart && line[0] == '.' {
			s.writeString(".")
		}
		_, _ = s.Write(line)
		atStart = bytes.HasSuffix(line, []byte("\r\n"))
		if len(raw) == 0 && !atStart {
			s.writeString("\r\n")
		}
	}
	s.writeString(".\r\n")
}

func (s *popSession) dele(args string) {
	if m, i := s.message(args); m != nil {
		s.deleted[i] = true
		s.ok("marked")
	}
}

func (s *popSession) rset(string) {
	s.deleted = map[int]bool{}
	s.ok("nothing is marked")
}
