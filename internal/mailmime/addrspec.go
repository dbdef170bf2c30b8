package mailmime

import (
	"strings"
)

func hasAt(words []addrToken) bool {
	for _, t := range words {
		if t.is('@') {
			return true
		}
	}
	return false
}

// joinPhrase gives the text of a display name: single spaces where there was
// space.
func joinPhrase(words []addrToken) string {
	if len(words) == 1 {
		return words[0].text
	}
	var b strings.Builder
	for i, t := range words {
		if i > 0 && t.space {
			b.WriteByte(' ')
		}
		b.WriteString(t.text)
	}
	return b.String()
}

// joinSpec gives the addr-spec that words are as a whole, space around dots and
// "@" dropped (RFC 5322 section 4.4); "" if they are none.
func (l *addrLexer) joinSpec(words []addrToken) string {
	for i, t := range words {
		if i > 0 && t.space && !t.dotOrAt() && !words[i-1].dotOrAt() {
			return ""
		}
	}
	return l.spec(words)
}

// findSpec takes the one addr-spec that words end with, set off by space; what
// stands before it is its name. Words behind it could belong to its domain, cut
// by a space: without them mail would go elsewhere.
func (l *addrLexer) findSpec(words []addrToken) (name, addr string) {
	at := -1
	for i, t := range words {
		if t.is('@') {
			if at >= 0 {
				return "", ""
			}
			at = i
		}
	}
	if at < 0 {
		return "", ""
	}
	from := at
	for from > 0 && (from == at || !words[from].space) {
		from--
	}
	for i := at + 2; i < len(words); i++ {
		if words[i].space {
			return "", ""
		}
	}
	return joinPhrase(words[:from]), l.spec(words[from:])
}

// spec writes local part, "@" and domain; "" if words are something else. A dot
// behind the domain, as in the DNS, is dropped, and is not right.
func (l *addrLexer) spec(words []addrToken) string {
	if n := len(words) - 1; n > 0 && words[n].is('.') && !words[n-1].dotOrAt() {
		words, l.loose = words[:n], true
	}
	at := -1
	for i, t := range words {
		if t.is('@') {
			if at >= 0 {
				return ""
			}
			at = i
		}
	}
	if at <= 0 || at == len(words)-1 {
		return ""
	}
	n := 0
	for i, t := range words {
		switch {
		case i == at && n == 0, !t.inSpec(i < at):
			return ""
		case i > at && t.is('.') && (words[i-1].dotOrAt() || i == len(words)-1):
			return "" // an empty label
		case t.kind == tokLiteral && (i != at+1 || i != len(words)-1):
			return "" // a literal is the whole domain
		case t.kind == tokQuoted && (i > 0 && !words[i-1].is('.') || !words[i+1].dotOrAt()):
			return "" // without its quotes it would be another address
		}
		n += len(t.text)
	}
	if from, to := words[0].from, words[len(words)-1].to; to-from == n {
		return l.s[from:to] // nothing was removed
	}
	var b strings.Builder
	b.Grow(n)
	for _, t := range words {
		b.WriteString(t.text)
	}
	return b.String()
}
