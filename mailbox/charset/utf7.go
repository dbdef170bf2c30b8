package charset

import (
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/transform"
)

// utf7 decodes UTF-7 (RFC 2152), which x/text does not have. Octets that it
// cannot hold are read as windows-1252, halves of surrogate pairs are U+FFFD.
type utf7 struct {
	shifted bool   // within base64,
	empty   bool   // of which nothing was read yet
	bits    uint32 // what was read of a UTF-16 unit,
	n       int    // and how many bits that is
	high    rune   // the first half of a surrogate pair, or 0
}

// Reset implements transform.Transformer.
func (u *utf7) Reset() { *u = utf7{} }

// maxStep is the most that one octet can give: U+FFFD for a lost half, and one
// more character.
const maxStep = 2 * utf8.UTFMax

// Transform implements transform.Transformer.
func (u *utf7) Transform(dst, src []byte, atEOF bool) (nDst, nSrc int, err error) {
	for nSrc < len(src) {
		if len(dst)-nDst < maxStep {
			return nDst, nSrc, transform.ErrShortDst
		}
		nDst = len(u.octet(dst[:nDst], src[nSrc]))
		nSrc++
	}
	if atEOF && u.high != 0 {
		if len(dst)-nDst < maxStep {
			return nDst, nSrc, transform.ErrShortDst
		}
		nDst = len(u.lost(dst[:nDst]))
	}
	return nDst, nSrc, nil
}

// octet decodes one octet behind out.
func (u *utf7) octet(out []byte, c byte) []byte {
	if !u.shifted {
		if c == '+' {
			u.shifted, u.empty = true, true
			return out
		}
		return utf8.AppendRune(out, charmap.Windows1252.DecodeByte(c))
	}
	if v := base64Digit(c); v >= 0 {
		u.empty = false
		u.bits, u.n = u.bits<<6|uint32(v), u.n+6
		if u.n < 16 {
			return out
		}
		u.n -= 16
		unit := rune(u.bits >> u.n & 0xFFFF)
		return u.unit(out, unit)
	}
	empty := u.empty
	out = u.lost(out)
	*u = utf7{}
	switch {
	case c == '-' && empty:
		return append(out, '+')
	case c == '-':
		return out
	case empty: // a plus sign that begins nothing
		out = append(out, '+')
	}
	return utf8.AppendRune(out, charmap.Windows1252.DecodeByte(c))
}

// unit adds a UTF-16 unit.
func (u *utf7) unit(out []byte, r rune) []byte {
	high := u.high
	u.high = 0
	switch {
	case high != 0 && r >= 0xDC00 && r < 0xE000:
		return utf8.AppendRune(out, utf16.DecodeRune(high, r))
	case high != 0:
		out = utf8.AppendRune(out, utf8.RuneError)
	}
	if r >= 0xD800 && r < 0xDC00 {
		u.high = r
		return out
	}
	return utf8.AppendRune(out, r) // a lost second half becomes U+FFFD
}

// lost gives U+FFFD for a first half that has no second.
func (u *utf7) lost(out []byte) []byte {
	if u.high == 0 {
		return out
	}
	u.high = 0
	return utf8.AppendRune(out, utf8.RuneError)
}

func base64Digit(c byte) int {
	switch {
	case 'A' <= c && c <= 'Z':
		return int(c - 'A')
	case 'a' <= c && c <= 'z':
		return int(c-'a') + 26
	case '0' <= c && c <= '9':
		return int(c-'0') + 52
	case c == '+':
		return 62
	case c == '/':
		return 63
	}
	return -1
}
