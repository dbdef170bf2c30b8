package mailmime

import (
	"io"
	"strings"
	"unicode/utf8"
)

// windows1252 holds what windows-1252 has in the place of C1 controls.
var windows1252 = [32]rune{
	0x20AC, 0x81, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021,
	0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0x8D, 0x017D, 0x8F,
	0x90, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014,
	0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x9D, 0x017E, 0x0178,
}

// fromLatin decodes windows-1252, of which ISO-8859-1 text is a part.
func fromLatin(s string) string {
	var b strings.Builder
	b.Grow(len(s) + len(s)/4)
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c >= 0x80 && c < 0xA0:
			b.WriteRune(windows1252[c-0x80])
		default:
			b.WriteRune(rune(c))
		}
	}
	return b.String()
}

// fromRaw decodes octets of which nobody says what they are: UTF-8 if they are
// valid as such, else windows-1252, the commonest of the others.
func fromRaw(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return fromLatin(s)
}

// fromCharset decodes s, false if the charset is not known. Text that is
// labelled UTF-8 or ASCII and clearly is not that is decoded as fromRaw does.
func fromCharset(label, s string, cs CharsetReader) (string, bool) {
	switch strings.ToLower(label) {
	case "utf-8", "utf8":
		if !utf8.ValidString(s) && !hasMultibyte(s) {
			return fromLatin(s), true
		}
		return strings.ToValidUTF8(s, "\uFFFD"), true
	case "us-ascii", "ascii", "":
		return fromRaw(s), true
	case "iso-8859-1", "latin1", "windows-1252", "cp1252":
		return fromLatin(s), true
	}
	if cs == nil {
		return "", false
	}
	r, err := cs(label, strings.NewReader(s))
	if err != nil {
		return "", false
	}
	b, err := io.ReadAll(r)
	if err != nil {
		return "", false
	}
	return strings.ToValidUTF8(string(b), "\uFFFD"), true
}

// hasMultibyte reports whether s holds at least one whole character of UTF-8
// beyond ASCII.
func hasMultibyte(s string) bool {
	for i := 0; i < len(s); {
		if s[i] < utf8.RuneSelf {
			i++
			continue
		}
		if _, n := utf8.DecodeRuneInString(s[i:]); n > 1 {
			return true
		}
		i++
	}
	return false
}
