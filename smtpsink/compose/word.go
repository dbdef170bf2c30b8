package compose

import (
	"encoding/base64"
	"strings"
	"unicode/utf8"
)

const (
	wordBegin = "=?utf-8?"
	maxWord   = 75                           // RFC 2047 section 2
	overhead  = len(wordBegin) + len("q??=") // of an encoded word
	leastRoom = overhead + 12                // for a character of four octets, as Q
)

// encodeText writes text on the current line, as it is where it can be: from the
// first word that has to be encoded to the last it is encoded, spaces and all.
func (f *fields) encodeText(value string) {
	value = strings.TrimSpace(value)
	if value == "" {
		return
	}
	words := strings.Split(value, " ")
	from, to := encodedRun(words)
	for i, w := range words[:from] {
		f.word(w, i == 0)
	}
	if from < to {
		f.encodedWords(strings.Join(words[from:to], " "))
	}
	for i, w := range words[to:] {
		f.word(w, to+i == 0)
	}
}

// encodedRun gives which of the words are to be encoded. Spaces that are not
// alone, and tabs, do not survive folding: then all are.
func encodedRun(words []string) (from, to int) {
	from, to = len(words), len(words)
	for i, w := range words {
		if w == "" || strings.Contains(w, "\t") {
			return 0, len(words)
		}
		if mustEncode(w) {
			from = min(from, i)
			to = i + 1
		}
	}
	return from, to
}

// mustEncode reports whether a word cannot be sent as it is: it is not ASCII, it
// would be taken for an encoded word, or it could not be folded.
func mustEncode(w string) bool {
	return !isASCII(w) || strings.Contains(w, "=?") || len(w) > longWord
}

// phrase writes a display name (RFC 5322 section 3.2.5): atoms, a quoted string,
// or encoded words, which must not stand within quotes.
func (f *fields) phrase(name string, first bool) {
	words := strings.Split(name, " ")
	from, to := encodedRun(words)
	if from == to && !isAtoms(words) {
		words = strings.Split(quote(name), " ") // which makes some longer
		from, to = encodedRun(words)
	}
	if from < to {
		if !first {
			f.keepWhole(name)
		}
		f.encodedWords(name)
		return
	}
	for i, w := range words {
		f.word(w, first && i == 0)
	}
}

func isAtoms(words []string) bool {
	for _, w := range words {
		for i := range len(w) {
			if !isAtext(w[i]) {
				return false
			}
		}
	}
	return true
}

// keepWhole folds before a text that fits on a line of its own as one encoded word
// and not on this one. Not all readers know that the space between two in a name is
// none (RFC 2047 section 6.2): Python's email package shows it.
func (f *fields) keepWhole(text string) {
	n := overhead + min(base64.StdEncoding.EncodedLen(len(text)), qLen(text))
	if n <= maxWord && f.col+1+n > wordLine {
		f.fold()
	}
}

// encodedWords writes text as RFC 2047 words, cut between characters, in the
// shorter of the two encodings.
func (f *fields) encodedWords(text string) {
	b64 := base64.StdEncoding.EncodedLen(len(text)) < qLen(text)
	for text != "" {
		room := min(maxWord, wordLine-f.col-1)
		if room < leastRoom {
			f.fold()
			room = maxWord
		}
		n := fit(text, room-overhead, b64)
		f.coded = true
		f.b.WriteByte(' ')
		f.b.WriteString(wordBegin)
		if b64 {
			f.b.WriteString("b?")
			f.b.WriteString(base64.StdEncoding.EncodeToString([]byte(text[:n])))
		} else {
			f.b.WriteString("q?")
			writeQ(&f.b, text[:n])
		}
		f.b.WriteString("?=")
		if b64 {
			f.col += 1 + overhead + base64.StdEncoding.EncodedLen(n)
		} else {
			f.col += 1 + overhead + qLen(text[:n])
		}
		text = text[n:]
	}
}

// fit gives how many octets of text, which ends between two characters, fit
// into an encoded word with that room: at least one character.
func fit(text string, room int, b64 bool) int {
	n, used := 0, 0
	for n < len(text) {
		_, size := utf8.DecodeRuneInString(text[n:])
		if b64 {
			used = base64.StdEncoding.EncodedLen(n + size)
		} else {
			used += qLen(text[n : n+size])
		}
		if used > room && n > 0 {
			break
		}
		n += size
	}
	return n
}

const hexDigits = "0123456789ABCDEF"

// qPlain is what stands for itself in the Q encoding everywhere, phrases
// included (RFC 2047 section 5).
func qPlain(c byte) bool { return isAlnum(c) || strings.IndexByte("!*+-/", c) >= 0 }

func qLen(s string) int {
	n := 0
	for i := range len(s) {
		if qPlain(s[i]) || s[i] == ' ' {
			n++
		} else {
			n += 3
		}
	}
	return n
}

func writeQ(b *strings.Builder, s string) {
	for i := range len(s) {
		switch c := s[i]; {
		case c == ' ':
			b.WriteByte('_')
		case qPlain(c):
			b.WriteByte(c)
		default:
			b.WriteByte('=')
			b.WriteByte(hexDigits[c>>4])
			b.WriteByte(hexDigits[c&15])
		}
	}
}
