package mailmime

import "strings"

// ParseMsgIDs gives the message IDs of a Message-ID, In-Reply-To or References
// value (RFC 5322 section 3.6.4), without angle brackets. Text and comments
// between them are passed over. Without any bracket, the words that hold an "@"
// are taken, or the only word. Space inside an ID, left by folding, is dropped.
// At most 10,000 are given.
func ParseMsgIDs(raw string) []string {
	var (
		ids  []string
		open bool // a comment is never closed
	)
	for i := 0; i < len(raw) && len(ids) < maxIDs; {
		switch raw[i] {
		case '(':
			i = skipComment(raw, i, &open)
		case '<':
			id, next := bracketed(raw, i+1)
			if id != "" {
				ids = append(ids, id)
			}
			i = next
		default:
			i++
		}
	}
	if ids != nil || strings.IndexByte(raw, '<') >= 0 {
		return ids
	}
	words := strings.Fields(raw)
	for _, w := range words {
		if len(ids) == maxIDs {
			break
		}
		if len(words) == 1 || strings.IndexByte(w, '@') >= 0 {
			if id := cleanID(strings.Trim(w, ">,;")); id != "" {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

// maxIDs is how many message IDs a value may have.
const maxIDs = 10_000

// bracketed reads an ID from behind its opening bracket. One that is not closed
// ends before the next, or with the value.
func bracketed(s string, from int) (id string, next int) {
	quoted := false
	for i := from; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		case c == '>' && !quoted:
			return cleanID(s[from:i]), i + 1
		case c == '<':
			return cleanID(strings.TrimRight(s[from:i], "> \t\r\n")), i
		}
	}
	return cleanID(strings.TrimRight(s[from:], "> \t\r\n")), len(s)
}

// cleanID drops space and control characters, and makes the rest UTF-8.
func cleanID(s string) string {
	s = strings.TrimSpace(s)
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return strings.Map(func(r rune) rune {
				if unprintable(r) || r == ' ' {
					return -1
				}
				return r
			}, fromRaw(s))
		}
	}
	return s
}

// skipComment gives the place behind the comment that begins at i. One that is
// never closed is just a parenthesis; open remembers it, so that the rest of s
// is looked through only once.
func skipComment(s string, i int, open *bool) int {
	depth := 0
	for j := i; j < len(s) && !*open; j++ {
		switch s[j] {
		case '\\':
			j++
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return j + 1
			}
		}
	}
	*open = true
	return i + 1
}
