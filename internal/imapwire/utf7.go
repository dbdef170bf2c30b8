package imapwire

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/postroom-go/postroom/internal/utf7"
)

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
	return utf7.Encode(name), nil
}

// DecodeMailbox reads the name of a folder as a server sends it. If raw is not
// what EncodeMailbox makes of the name (bad modified UTF-7, octets beyond
// ASCII), ok is false: the name is for display only, and the folder is
// addressed by String(raw).
func DecodeMailbox(raw string) (name string, ok bool) {
	if strings.EqualFold(raw, "INBOX") {
		return "INBOX", true
	}
	if name, ok = utf7.Decode(raw); ok {
		if _, err := EncodeMailbox(name); err == nil {
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
