package imapwire

import (
	"bytes"
	"strings"

	"github.com/postroom-go/postroom/internal/mailmime"
)

// Status is a status response (RFC 9051 section 7.1). As an error it is the NO
// or BAD that a command got, or the BYE before the end of a connection.
type Status struct {
	// Tag is that of the command, "" if untagged. The engine's are "T1" and so
	// on.
	Tag string
	// Kind is OK, NO, BAD, BYE or PREAUTH.
	Kind string
	// Code is the response code in upper case, Args what follows it inside the
	// brackets.
	Code, Args string
	// Text is for people, as the server sent it: neither clean nor short.
	Text string
}

// maxText is how much of a server's text goes into an error or to the engine.
const maxText = 1 << 10

// Error gives the server's words, marked as such, clean and short.
func (s *Status) Error() string {
	var b strings.Builder
	b.WriteString("server said " + s.Kind)
	if s.Code != "" {
		b.WriteString(" [" + mailmime.Printable(s.Code, 100) + "]")
	}
	if s.Text != "" {
		b.WriteString(": " + mailmime.Printable(s.Text, maxText))
	}
	return b.String()
}

// parseStatus reads what stands behind a status' kind.
func parseStatus(tag, kind string, rest []byte) *Status {
	rest = bytes.TrimRight(rest, "\r\n")
	s := &Status{Tag: tag, Kind: kind}
	if len(rest) > 0 && rest[0] == '[' {
		if end := codeEnd(rest); end > 0 {
			code, args, _ := bytes.Cut(rest[1:end], []byte(" "))
			s.Code, s.Args = string(bytes.ToUpper(code)), string(args)
			rest = bytes.TrimPrefix(rest[end+1:], []byte(" "))
		}
	}
	s.Text = string(rest)
	return s
}

// codeEnd finds the bracket that closes a response code. There may be brackets
// in pairs inside, as in [REFERRAL imap://[::1]/], and lists whose flags hold
// brackets. If they do not match up the first one closes.
func codeEnd(b []byte) int {
	parens, brackets := 0, 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '(':
			parens++
		case ')':
			parens--
		case '[':
			if parens == 0 {
				brackets++
			}
		case ']':
			if parens > 0 {
				continue
			}
			if brackets--; brackets == 0 {
				return i
			}
		}
	}
	return bytes.IndexByte(b, ']')
}
