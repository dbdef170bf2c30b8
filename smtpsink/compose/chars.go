package compose

import (
	"strings"
	"unicode/utf8"
)

func isASCII[T string | []byte](s T) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// isAtext is RFC 5322 section 3.2.3's.
func isAtext(c byte) bool {
	return isAlnum(c) || strings.IndexByte("!#$%&'*+-/=?^_`{|}~", c) >= 0
}

// isTchar is what RFC 2045 section 5.1 lets a token have.
func isTchar(c byte) bool {
	return isAlnum(c) || strings.IndexByte("!#$%&'*+-.^_`{|}~", c) >= 0
}

func isAlnum(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}

func isToken(s string) bool {
	for i := range len(s) {
		if !isTchar(s[i]) {
			return false
		}
	}
	return s != ""
}

// quote makes a quoted string (RFC 5322 section 3.2.4).
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	b.WriteByte('"')
	return b.String()
}

// checkText checks a value that is plain text on one line. A CR or LF would end
// the field, and the others do harm where they are shown (RFC 5322 section 5); so
// would they behind an encoded word, which somebody decodes.
func checkText(field, value string) error {
	if !utf8.ValidString(value) {
		return invalid(field, "is not UTF-8")
	}
	for _, r := range value {
		if r < ' ' && r != '\t' || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029 {
			return invalid(field, "has a control character or a line break: it must be text on one line")
		}
	}
	return nil
}

// checkNewID checks a Message-ID of our own, which is to be well-formed: dot-atoms
// or a literal at both sides of one "@" (RFC 5322 section 3.6.4).
func checkNewID(id string) error {
	if err := checkID("MessageID", id); err != nil {
		return err
	}
	left, right, _ := strings.Cut(id, "@")
	for _, c := range []byte(left + right) {
		if !isAtext(c) && strings.IndexByte(".[:]", c) < 0 {
			return invalid("MessageID", "has a character that message IDs do not have")
		}
	}
	if left == "" || right == "" {
		return invalid("MessageID", "is not of the form left@right")
	}
	return nil
}

// maxID is how many octets an ID has at most, which is on one line.
const maxID = 900

// checkID checks a message ID of somebody else's, or a content ID.
func checkID(field, id string) error {
	if id == "" || len(id) > maxID {
		return invalid(field, "has an ID that is empty or longer than 900 octets")
	}
	for i := range len(id) {
		if c := id[i]; c <= ' ' || c >= 0x7f || c == '<' || c == '>' {
			return invalid(field, "has an ID with a character that IDs do not have: write it without angle brackets and in ASCII")
		}
	}
	return nil
}
