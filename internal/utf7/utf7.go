// Package utf7 is modified UTF-7, in which IMAP (RFC 3501 section 5.1.3) and
// Maildirs write the names of folders.
package utf7

import (
	"encoding/base64"
	"strings"
	"unicode/utf16"
)

// alphabet is the base64 of modified UTF-7: a comma for the slash, no padding.
func alphabet() *base64.Encoding {
	return base64.NewEncoding("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,").
		WithPadding(base64.NoPadding).Strict()
}

func printable(r rune) bool { return r >= ' ' && r <= '~' }

// Encode writes s, which must be valid UTF-8. The result is printable ASCII.
func Encode(s string) string {
	var b strings.Builder
	for s != "" {
		n := strings.IndexFunc(s, func(r rune) bool { return !printable(r) || r == '&' })
		if n < 0 {
			n = len(s)
		}
		b.WriteString(s[:n])
		s = s[n:]
		if strings.HasPrefix(s, "&") {
			b.WriteString("&-")
			s = s[1:]
			continue
		}
		end := strings.IndexFunc(s, printable)
		if end < 0 {
			end = len(s)
		}
		if end > 0 {
			b.WriteString("&" + encodeUTF16(s[:end]) + "-")
		}
		s = s[end:]
	}
	return b.String()
}

func encodeUTF16(s string) string {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = append(b, byte(u>>8), byte(u))
	}
	return alphabet().EncodeToString(b)
}

// Decode reads what Encode writes. Of anything else ok is false, so that no two
// texts stand for one.
func Decode(raw string) (s string, ok bool) {
	s, ok = decode(raw)
	if !ok || Encode(s) != raw {
		return "", false
	}
	return s, true
}

func decode(raw string) (string, bool) {
	var b strings.Builder
	for {
		plain, rest, found := strings.Cut(raw, "&")
		b.WriteString(plain)
		if !found {
			return b.String(), true
		}
		code, rest, found := strings.Cut(rest, "-")
		if !found {
			return "", false
		}
		if code == "" {
			b.WriteByte('&')
		}
		octets, err := alphabet().DecodeString(code)
		if err != nil || len(octets)%2 != 0 {
			return "", false
		}
		units := make([]uint16, len(octets)/2)
		for i := range units {
			units[i] = uint16(octets[2*i])<<8 | uint16(octets[2*i+1])
		}
		b.WriteString(string(utf16.Decode(units)))
		raw = rest
	}
}
