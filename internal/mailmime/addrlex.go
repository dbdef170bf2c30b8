package mailmime

import (
	"strings"
	"unicode/utf8"
)

type addrKind byte

const (
	tokEnd     addrKind = iota
	tokAtom             // a run of ordinary characters, or a lenient encoded word
	tokQuoted           // "..." without its quotes and backslashes
	tokLiteral          // [...]
	tokComment          // (...) without its parentheses
	tokAngle            // <...> as an addr-spec, or "" if it is none
	tokSpecial          // one of , ; : > @ .
)

type addrToken struct {
	kind   addrKind
	text   string
	space  bool // there is space or a comment before it
	broken bool // of an angle address: it was read, but was not right
	from   int  // where it stands in the value: s[from:to]
	to     int
}

func (t addrToken) is(c byte) bool {
	return t.kind == tokSpecial && t.text[0] == c
}

func (t addrToken) dotOrAt() bool { return t.is('.') || t.is('@') }

// addrLexer cuts an address list into tokens. A quote, comment or literal that
// is never closed is an ordinary character: that is found out once for each
// kind, so that the whole stays linear.
type addrLexer struct {
	s                             string
	at, pos                       int // the current token is s[at:pos]
	noQuote, noComment, noLiteral bool
	loose                         bool // an address was read that is not right
}

// clean reports whether all that was read is right.
func (l *addrLexer) clean() bool {
	return !l.noQuote && !l.noComment && !l.noLiteral && !l.loose
}

func newAddrLexer(s string) addrLexer { return addrLexer{s: s} }

// next gives the next token.
func (l *addrLexer) next() addrToken {
	from := l.pos
	for l.pos < len(l.s) && isSpace(l.s[l.pos]) {
		l.pos++
	}
	space := l.pos > from || from > 0 && l.s[from-1] == ')'
	l.at = l.pos
	if l.pos == len(l.s) {
		return addrToken{kind: tokEnd}
	}
	t := l.token()
	t.space, t.from, t.to = space, l.at, l.pos
	return t
}

func (l *addrLexer) token() addrToken {
	switch c := l.s[l.pos]; c {
	case '"':
		if text, ok := l.delimited('"', '"', &l.noQuote); ok {
			return addrToken{kind: tokQuoted, text: text}
		}
	case '(':
		if text, ok := l.delimited('(', ')', &l.noComment); ok {
			return addrToken{kind: tokComment, text: text}
		}
	case '[':
		if _, ok := l.delimited('[', ']', &l.noLiteral); ok {
			return addrToken{kind: tokLiteral, text: l.s[l.at:l.pos]}
		}
	case '<':
		return l.angle()
	case ',', ';', ':', '>', '@', '.':
		l.pos++
		return addrToken{kind: tokSpecial, text: l.s[l.at:l.pos]}
	}
	if n := wideWord(l.s[l.pos:]); n > 0 {
		l.pos += n
		return addrToken{kind: tokAtom, text: l.s[l.at:l.pos]}
	}
	l.pos++
	for l.pos < len(l.s) && !isSpace(l.s[l.pos]) && strings.IndexByte(`"([<,;:>@.`, l.s[l.pos]) < 0 {
		l.pos++
	}
	return addrToken{kind: tokAtom, text: l.s[l.at:l.pos]}
}

// delimited reads a quoted string, comment or literal, and gives its text with
// backslashes and folds removed. If it is not closed, nothing is taken, and
// none remembers that no other will be.
func (l *addrLexer) delimited(open, shut byte, none *bool) (string, bool) {
	if *none {
		return "", false
	}
	if i := strings.IndexByte(l.s[l.pos+1:], shut); i >= 0 {
		// The usual case: there is nothing to remove.
		if text := l.s[l.pos+1:][:i]; !strings.ContainsAny(text, "(\\\r\n") {
			l.pos += i + 2
			return text, true
		}
	}
	var b strings.Builder
	depth := 1
	for i := l.pos + 1; i < len(l.s); i++ {
		switch c := l.s[i]; {
		case c == '\\' && i+1 < len(l.s):
			i++
			b.WriteByte(l.s[i])
		case c == shut:
			if depth--; depth == 0 {
				l.pos = i + 1
				return b.String(), true
			}
			b.WriteByte(c)
		case c == open && open == '(':
			depth++
			b.WriteByte(c)
		case c != '\r' && c != '\n':
			b.WriteByte(c)
		}
	}
	*none = true
	return "", false
}

// angle reads an address in angle brackets, with an obsolete route. Without its
// closing bracket it ends where the next entry begins.
func (l *addrLexer) angle() addrToken {
	start := l.at
	l.pos++
	t := addrToken{kind: tokAngle, broken: true}
	var few [4]addrToken // enough for most
	words := few[:0]
	route, shut, full := false, false, false
	for !shut && l.peek() != '<' {
		before := l.pos
		w := l.next()
		if w.kind == tokEnd || w.is(';') || w.is(',') && !route {
			l.pos = before
			break
		}
		switch {
		case w.kind == tokComment:
		case w.is('>'):
			shut = true
		case w.is('@') && len(words) == 0:
			route = true
		case w.is(':') && route:
			route, words = false, words[:0]
		case !route && len(words) < maxWords:
			words = append(words, w)
		case !route:
			full = true
		}
	}
	if l.at = start; route || full {
		words = nil
	}
	t.text = l.joinSpec(words)
	t.broken = !shut || t.text == ""
	return t
}

// peek gives the first character of the next token, 0 at the end.
func (l *addrLexer) peek() byte {
	for i := l.pos; i < len(l.s); i++ {
		if !isSpace(l.s[i]) {
			return l.s[i]
		}
	}
	return 0
}

// wideWord gives the length of an encoded word at the start of s that has
// characters in it which ought to be encoded, such as spaces and commas: many
// senders forget it. Those that could hide an address are not accepted.
func wideWord(s string) int {
	if !strings.HasPrefix(s, "=?") {
		return 0
	}
	_, _, from, ok := wordStart(s, 0)
	if !ok {
		return 0
	}
	for i := from; i+1 < len(s); i++ {
		switch s[i] {
		case '<', '>', '@', '"', '\r', '\n':
			return 0
		case '?':
			if s[i+1] == '=' {
				return i + 2
			}
		case '=':
			if s[i+1] == '?' && i > from {
				return 0
			}
		}
	}
	return 0
}

// inSpec reports whether t can stand in an addr-spec: atoms and dots anywhere,
// quoted text in the local part only, a literal in the domain only. UTF-8 is
// allowed (RFC 6532), control characters are not.
func (t addrToken) inSpec(local bool) bool {
	bad := ""
	switch t.kind {
	case tokSpecial:
		return t.dotOrAt()
	case tokQuoted:
		if !local {
			return false
		}
	case tokLiteral:
		if local {
			return false
		}
		bad = " \t<>\"\\"
	default:
		bad = " \t()<>[]:;@\\,\""
	}
	return utf8.ValidString(t.text) && !strings.ContainsFunc(t.text, unprintable) &&
		!strings.ContainsAny(t.text, bad)
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }
