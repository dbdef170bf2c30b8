package sasl

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// prepare is SASLprep (RFC 4013) as far as it changes text: characters that are
// mapped to nothing go, other spaces become a space, and the rest is
// normalised to NFKC. What SASLprep would prohibit is left as it is: a server
// may have accepted it, and the comparison will tell.
func prepare(s string) string {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return norm.NFKC.String(strings.Map(mapped, s))
		}
	}
	return s
}

// mapped is RFC 3454 tables B.1 and C.1.2.
func mapped(r rune) rune {
	switch {
	case r == 0xAD, r == 0x34F, r == 0x1806, 0x180B <= r && r <= 0x180D,
		0x200B <= r && r <= 0x200D, r == 0x2060, 0xFE00 <= r && r <= 0xFE0F, r == 0xFEFF:
		return -1
	case r != ' ' && unicode.Is(unicode.Zs, r):
		return ' '
	}
	return r
}
