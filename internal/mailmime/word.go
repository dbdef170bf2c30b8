package mailmime

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxLabel is the longest charset name (with language) that is looked at.
const maxLabel = 80

// DecodeHeader decodes an unstructured header value: RFC 2047 words, wherever
// they stand, and raw 8-bit text, which is taken for UTF-8 if it is valid and
// for windows-1252 if not. Neighbouring words of one charset are joined before
// they are decoded, since many senders cut them within a character. A word whose
// charset or encoding is not known stays as it is. The result is valid UTF-8 on
// one line, without control characters and without space around it. cs may be
// nil.
func DecodeHeader(raw string, cs CharsetReader) string {
	raw = strings.Trim(raw, " \t\r\n")
	if plain(raw) {
		return raw
	}
	var b strings.Builder
	s := wordScanner{s: raw, end: -1}
	for {
		text, run := s.next()
		b.WriteString(fromRaw(text))
		if len(run) == 0 {
			break
		}
		decodeRun(&b, raw, run, cs)
	}
	return oneLine(b.String())
}

// plain reports whether s is printable ASCII without encoded words.
func plain(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] >= 0x7f || s[i] == '?' && i > 0 && s[i-1] == '=' {
			return false
		}
	}
	return true
}

// oneLine makes line breaks and tabs spaces, a CRLF or an unfolded line's start
// one, and drops other control characters.
func oneLine(s string) string {
	if !strings.ContainsFunc(s, unprintable) {
		return strings.TrimSpace(s)
	}
	s = strings.NewReplacer("\r\n ", " ", "\r\n\t", " ", "\r\n", " ", "\n ", " ", "\n\t", " ").Replace(s)
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\t', r == '\n', r == '\r', r == 0x85, r == 0x2028, r == 0x2029:
			return ' '
		case unprintable(r):
			return -1
		}
		return r
	}, s)
	return strings.TrimSpace(s)
}

// unprintable reports whether r is a control character or breaks a line.
func unprintable(r rune) bool {
	return unicode.IsControl(r) || r == 0x2028 || r == 0x2029
}

// word is one encoded word: s[from:to] of its text.
type word struct {
	from, to int
	label    string // without language
	encoding byte   // 'b' or 'q'
	text     string
}

// wordScanner finds encoded words in one pass.
type wordScanner struct {
	s    string
	pos  int
	end  int  // the next "?=" at or behind pos, if it is not behind it already
	none bool // there is no further "?="
}

// next gives the text up to the next run of words with nothing but space
// between them, and the run; it is empty at the end.
func (w *wordScanner) next() (text string, run []word) {
	start := w.pos
	for {
		i := strings.Index(w.s[w.pos:], "=?")
		if i < 0 || w.none {
			text, w.pos = w.s[start:], len(w.s)
			return text, nil
		}
		at := w.pos + i
		first, ok := w.word(at)
		if !ok {
			w.pos = at + 2
			continue
		}
		text = w.s[start:at]
		run = append(run, first)
		w.pos = first.to
		break
	}
	for {
		at := w.pos
		for at < len(w.s) && strings.IndexByte(" \t\r\n", w.s[at]) >= 0 {
			at++
		}
		if !strings.HasPrefix(w.s[at:], "=?") {
			return text, run
		}
		more, ok := w.word(at)
		if !ok {
			return text, run
		}
		run = append(run, more)
		w.pos = more.to
	}
}

// word reads the encoded word at that place.
func (w *wordScanner) word(at int) (word, bool) {
	label, enc, from, ok := wordStart(w.s, at)
	if !ok {
		return word{}, false
	}
	if w.end < from {
		i := strings.Index(w.s[from:], "?=")
		if i < 0 {
			w.none = true
			return word{}, false
		}
		w.end = from + i
	}
	text := w.s[from:w.end]
	// A word that is never ended must not swallow the next one.
	if i := strings.Index(text, "=?"); i >= 0 {
		if _, _, _, inner := wordStart(w.s, from+i); inner {
			return word{}, false
		}
	}
	return word{at, w.end + 2, label, enc, text}, true
}

// wordStart reads "=?charset*language?encoding?" and gives where the text
// begins.
func wordStart(s string, at int) (label string, enc byte, from int, ok bool) {
	rest := s[at+2:]
	rest = rest[:min(len(rest), maxLabel)]
	i := strings.IndexByte(rest, '?')
	if i <= 0 || i+2 >= len(rest) || rest[i+2] != '?' {
		return "", 0, 0, false
	}
	label = rest[:i]
	for j := 0; j < len(label); j++ {
		if label[j] <= ' ' || label[j] >= 0x7f {
			return "", 0, 0, false
		}
	}
	label, _, _ = strings.Cut(label, "*")
	switch enc = rest[i+1] | 0x20; enc {
	case 'b', 'q':
		return label, enc, at + 2 + i + 3, true
	}
	return "", 0, 0, false
}

// decodeRun writes the words of one run. Space between two words is dropped if
// both could be decoded.
func decodeRun(b *strings.Builder, s string, run []word, cs CharsetReader) {
	end, decoded := run[0].from, true
	for len(run) > 0 {
		n := sameCharset(run)
		text, ok := fromCharset(run[0].label, string(joinWords(run[:n])), cs)
		if !ok || !decoded {
			b.WriteString(s[end:run[0].from])
		}
		end = run[n-1].to
		if ok {
			b.WriteString(text)
		} else {
			b.WriteString(fromRaw(s[run[0].from:end]))
		}
		decoded = ok
		run = run[n:]
	}
}

// sameCharset counts the words at the start of run that can be decoded
// together. Those of UTF-7 cannot: each begins anew.
func sameCharset(run []word) int {
	n := 1
	if strings.Contains(strings.ToLower(run[0].label), "utf-7") {
		return n
	}
	for n < len(run) && strings.EqualFold(run[n].label, run[0].label) {
		n++
	}
	return n
}

// cutRunes cuts s to at most n octets without splitting a character.
func cutRunes(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
