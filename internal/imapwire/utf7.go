package imapwire

import (
	"encoding/base64"
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// base64UTF7 is the alphabet of modified UTF-7 (RFC 3501 section 5.1.3).
func base64UTF7() *base64.Encoding {
	return base64.NewEncoding("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,").
		WithPadding(base64.NoPadding).Strict()
}

// EncodeMailbox writes the name of a folder in modified UTF-7. INBOX has one
// spelling. A name that is not UTF-8, is empty, or holds CR, LF or NUL is an
// error.
func EncodeMailbox(name string) (string, error) {
	if strings.EqualFold(name, "INBOX") {
		return "INBOX", nil
	}
	if name == "" || !utf8.ValidString(name) || strings.ContainsAny(name, "\r\n\x00") {
		return "", fmt.Errorf("%.100q cannot be the name of a folder", name)
	}
	var b strings.Builder
	for name != "" {
		n := strings.IndexFunc(name, func(r rune) bool { return r < ' ' || r > '~' || r == '&' })
		if n < 0 {
			n = len(name)
		}
		b.WriteString(name[:n])
		name = name[n:]
		if strings.HasPrefix(name, "&") {
			b.WriteString("&-")
			name = name[1:]
			continue
		}
		end := strings.IndexFunc(name, func(r rune) bool { return r >= ' ' && r <= '~' })
		if end < 0 {
			end = len(name)
		}
		if end > 0 {
			b.WriteString("&" + encodeUTF16(name[:end]) + "-")
		}
		name = name[end:]
	}
	return b.String(), nil
}

func encodeUTF16(s string) string {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = append(b, byte(u>>8), byte(u))
	}
	return base64UTF7().EncodeToString(b)
}

// DecodeMailbox reads the name of a folder as a server sends it. If raw is not
// what EncodeMailbox makes of the name (bad modified UTF-7, octets beyond
// ASCII), ok is false: the name is for display only, and the folder is
// addressed by String(raw).
func DecodeMailbox(raw string) (name string, ok bool) {
	if strings.EqualFold(raw, "INBOX") {
		return "INBOX", true
	}
	if name, ok = decodeUTF7(raw); ok {
		again, err := EncodeMailbox(name)
		if err == nil && again == raw {
			return name, true
		}
	}
	if utf8.ValidString(raw) {
		return raw, false
	}
	r := make([]rune, len(raw)) // ISO-8859-1 knows every octet
	for i := range len(raw) {
		r[i] = rune(raw[i])
	}
	return string(r), false
}

func decodeUTF7(raw string) (string, bool) {
	if strings.IndexByte(raw, '&') < 0 {
		return raw, printable(raw)
	}
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
		octets, err := base64UTF7().DecodeString(code)
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
