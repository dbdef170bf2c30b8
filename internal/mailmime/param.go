package mailmime

import (
	"strings"
)

// ParseMediaType reads a Content-Type or Content-Disposition value: the type or
// word in lower case, and the decoded parameters as DecodeParams gives them. The
// type is "" if there is none that could be meant. ok is false if anything was
// not right, or there are more parameters than Limits allows by default. cs may
// be nil.
func ParseMediaType(raw string, cs CharsetReader) (value string, params map[string]string, ok bool) {
	l := (*Limits)(nil).resolve()
	value, pairs, ok := parseParams(raw, l.Params)
	return value, decodeParams(pairs, cs, l.Params), ok
}

// parseParams cuts "value; name=text; ..." into its parts, at most max of them.
// Names are in lower case, texts still encoded.
func parseParams(raw string, max int) (value string, pairs [][2]string, ok bool) {
	p := paramReader{s: raw, ok: true}
	value = p.value()
	for {
		name := p.name()
		if name == "" {
			return value, pairs, p.ok
		}
		text := p.text()
		if len(pairs) == max {
			return value, pairs, false
		}
		pairs = append(pairs, [2]string{name, text})
	}
}

// paramReader goes through a value once. Quotes and comments that are never
// closed are found out once.
type paramReader struct {
	s                  string
	pos                int
	ok                 bool
	noQuote, noComment bool
	looked             int // comments before this place are known to be text
}

// space passes over space and comments.
func (p *paramReader) space() {
	for p.pos < len(p.s) {
		switch c := p.s[p.pos]; {
		case isSpace(c):
			p.pos++
		case c == '(':
			next := skipComment(p.s, p.pos, &p.noComment)
			if p.noComment {
				return
			}
			p.pos = next
		default:
			return
		}
	}
}

// token reads a run of token characters (RFC 2045 section 5.1).
func (p *paramReader) token() string {
	from := p.pos
	for p.pos < len(p.s) && isToken(p.s[p.pos]) {
		p.pos++
	}
	return p.s[from:p.pos]
}

func (p *paramReader) is(c byte) bool { return p.pos < len(p.s) && p.s[p.pos] == c }

// value reads what stands before the first parameter: one token, or two with a
// slash.
func (p *paramReader) value() string {
	p.space()
	if p.is('"') { // some senders quote it
		p.pos, p.ok = p.pos+1, false
	}
	value := p.token()
	p.space()
	if p.is('=') { // a parameter stands in its place
		p.pos, p.ok = 0, false
		return ""
	}
	if p.is('/') && value != "" {
		p.pos++
		p.space()
		if sub := p.token(); sub != "" {
			value += "/" + sub
		}
	}
	if p.is('"') {
		p.pos++
	}
	if value == "" {
		p.ok = false
	}
	return strings.ToLower(value)
}

// name goes on to the next parameter and gives its name; "" at the end. Words
// that are no parameters are passed over.
func (p *paramReader) name() string {
	semicolon := false
	for {
		p.space()
		switch {
		case p.pos == len(p.s):
			return ""
		case p.is(';'):
			p.pos++
			semicolon = true
			continue
		}
		name := p.token()
		p.space()
		if name != "" && p.is('=') {
			p.pos++
			p.ok = p.ok && semicolon
			return strings.ToLower(name)
		}
		p.ok = false
		if name == "" {
			p.pos++
		}
	}
}

// text reads a parameter's text.
func (p *paramReader) text() string {
	for p.pos < len(p.s) && isSpace(p.s[p.pos]) {
		p.pos++
	}
	if p.is('"') && !p.noQuote {
		if text, ok := p.quoted(); ok {
			return text
		}
	}
	return p.bare()
}

// quoted reads a quoted string. A backslash stands for itself unless a quote or
// another follows: some senders give paths of Windows.
func (p *paramReader) quoted() (string, bool) {
	var b strings.Builder
	for i := p.pos + 1; i < len(p.s); i++ {
		c := p.s[i]
		switch {
		case c == '"':
			p.pos = i + 1
			return b.String(), true
		case c == '\\' && i+1 < len(p.s) && (p.s[i+1] == '"' || p.s[i+1] == '\\'):
			i++
			c = p.s[i]
		}
		b.WriteByte(c)
	}
	p.noQuote, p.ok = true, false
	return "", false
}

// bare reads a text without quotes: up to a semicolon, a comment that ends it, or
// the next parameter where the semicolon is missing. Space in it is kept.
func (p *paramReader) bare() string {
	from, end := p.pos, p.pos
	if p.is('"') {
		from++
	}
	for p.pos < len(p.s) && !p.is(';') {
		for p.pos < len(p.s) && !isSpace(p.s[p.pos]) && !p.is(';') {
			p.pos++
		}
		end = p.pos
		for p.pos < len(p.s) && isSpace(p.s[p.pos]) {
			p.pos++
		}
		if end == p.pos || p.pos == len(p.s) || p.is(';') {
			continue
		}
		if p.endsHere() {
			break
		}
		p.ok = false // a space inside
	}
	return p.s[min(from, end):end]
}

// endsHere reports whether a bare text ends before the word at p.pos: it is a
// comment with nothing behind it, or the name of the next parameter.
func (p *paramReader) endsHere() bool {
	at := p.pos
	defer func() { p.pos = at }()
	if p.is('(') {
		if p.pos < p.looked {
			return false
		}
		next := skipComment(p.s, p.pos, &p.noComment)
		if p.noComment {
			return false
		}
		p.pos = next
		for p.pos < len(p.s) && isSpace(p.s[p.pos]) {
			p.pos++
		}
		if p.pos == len(p.s) || p.is(';') {
			at = p.pos
			return true
		}
		p.looked = next
		return false
	}
	return p.token() != "" && p.is('=')
}

func isToken(c byte) bool {
	return c > ' ' && c < 0x7f && strings.IndexByte(`()<>@,;:\"/[]?=`, c) < 0
}
