package mailconn

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/postroom-go/postroom/mailbox/access"
)

// maxText is the most octets that a server's text, or a traced line, may have.
const maxText = 1 << 10

// ServerText makes a server's free text fit to stand in an error: one line of
// valid UTF-8 without control characters, escape sequences or marks that change
// the direction of text, at most 1 KiB. Errors that print it say that it is the
// server's ("server said ...").
func ServerText(s string) string {
	if tidy(s) {
		return s
	}
	var b strings.Builder
	for _, r := range s[:min(len(s), 4*maxText)] {
		if unprintable(r) {
			r = ' '
		}
		if r == ' ' && (b.Len() == 0 || strings.HasSuffix(b.String(), " ")) {
			continue
		}
		if b.Len()+utf8.RuneLen(r) > maxText {
			break
		}
		b.WriteRune(r)
	}
	return strings.TrimRight(b.String(), " ")
}

// tidy reports whether s is as ServerText would make it, as nearly all texts are.
func tidy(s string) bool {
	if len(s) > maxText {
		return false
	}
	last := byte(' ')
	for i := range len(s) {
		c := s[i]
		if c < ' ' || c > '~' || c == ' ' && last == ' ' {
			return false
		}
		last = c
	}
	return last != ' ' || s == ""
}

// unprintable are the characters that could disturb a terminal or mislead a
// reader: controls, formats (the direction marks among them), separators.
func unprintable(r rune) bool {
	return !unicode.IsPrint(r) || unicode.Is(unicode.Cf, r)
}

// Tracing reports whether Trace does anything; ask before building a line.
func (c *Conn) Tracing() bool { return c.opts.Trace != nil }

// Trace reports one protocol line, without its end, to access.Options.Trace. The
// caller has replaced secrets by "***"; characters that do not print are
// escaped here, and the line is cut at 1 KiB.
func (c *Conn) Trace(sent bool, line string) {
	if c.opts.Trace == nil {
		return
	}
	c.opts.Trace(access.TraceEvent{Conn: c.id, Sent: sent, Line: escape(line)})
}

// escape writes what does not print as \xHH.
func escape(s string) string {
	const hex = "0123456789abcdef"
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		odd := (r == utf8.RuneError && n == 1) || unprintable(r)
		size := n
		if odd {
			size = 4 * n
		}
		if b.Len()+size > maxText {
			break
		}
		if odd {
			for _, c := range []byte(s[i : i+n]) {
				b.WriteString(`\x` + string(hex[c>>4]) + string(hex[c&15]))
			}
		} else {
			b.WriteRune(r)
		}
		i += n
	}
	return b.String()
}
