package mailbox

import (
	"fmt"
	"strings"
)

// ID names one message of one mailbox. It is a comparable value, good as a map
// key, and holds over sessions and processes where Caps.StableIDs is set. The
// zero ID names nothing. IDs of different accounts must not be mixed: an ID
// does not say which account it belongs to.
type ID struct {
	folder, epoch, key string
}

// NewID makes an ID out of a folder's name, the epoch in which its keys hold
// (IMAP: UIDVALIDITY; empty where there is none) and the key that is unique in
// it (IMAP: the UID; POP3: the UIDL). INBOX is upper case, however it was spelt.
// Drivers call it.
func NewID(folder, epoch, key string) ID {
	if strings.EqualFold(folder, Inbox) {
		folder = Inbox // one folder, one spelling: IDs are compared
	}
	return ID{folder, epoch, key}
}

// Folder is the name of the folder that holds the message.
func (id ID) Folder() string { return id.folder }

// Epoch is the span in which the key holds; when the folder's changes, the ID
// is stale.
func (id ID) Epoch() string { return id.epoch }

// Key is what the server calls the message: IMAP's UID, POP3's UIDL.
func (id ID) Key() string { return id.key }

// IsZero reports whether id names nothing.
func (id ID) IsZero() bool { return id == ID{} }

// String is the text form, which ParseID reads back: folder, epoch and key with
// colons between. Whatever could disturb a line, a shell word or a URL path is
// percent-encoded. The zero ID is "".
func (id ID) String() string {
	if id.IsZero() {
		return ""
	}
	text := escapeID(id.folder) + ":" + escapeID(id.epoch) + ":" + escapeID(id.key)
	if text[0] == '-' {
		text = "%2D" + text[1:] // no option of a command
	}
	return text
}

// ParseID reads the text form of an ID. It accepts only what String writes.
func ParseID(s string) (ID, error) {
	if s == "" {
		return ID{}, nil
	}
	f := strings.Split(s, ":")
	if len(f) != 3 {
		return ID{}, fmt.Errorf("mailbox: %.100q is not a message ID: want folder:epoch:key", s)
	}
	for i := range f {
		v, ok := unescapeID(f[i])
		if !ok {
			return ID{}, fmt.Errorf("mailbox: %.100q is not a message ID: bad percent-encoding", s)
		}
		f[i] = v
	}
	id := NewID(f[0], f[1], f[2])
	if id.String() != s {
		return ID{}, fmt.Errorf("mailbox: %.100q is not a message ID as String writes it", s)
	}
	return id, nil
}

// MarshalText is String. It never fails.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText is ParseID.
func (id *ID) UnmarshalText(text []byte) error {
	v, err := ParseID(string(text))
	if err != nil {
		return err
	}
	*id = v
	return nil
}

// plainID says which octets stand for themselves in an ID's text form.
func plainID(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	return strings.IndexByte("-._@+=,", c) >= 0
}

func escapeID(s string) string {
	n := 0
	for i := range len(s) {
		if !plainID(s[i]) {
			n++
		}
	}
	if n == 0 {
		return s
	}
	const hex = "0123456789ABCDEF"
	b := make([]byte, 0, len(s)+2*n)
	for i := range len(s) {
		if c := s[i]; plainID(c) {
			b = append(b, c)
		} else {
			b = append(b, '%', hex[c>>4], hex[c&15])
		}
	}
	return string(b)
}

func unescapeID(s string) (string, bool) {
	if strings.IndexByte(s, '%') < 0 {
		return s, true
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b = append(b, s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", false
		}
		hi, ok1 := unhex(s[i+1])
		lo, ok2 := unhex(s[i+2])
		if !ok1 || !ok2 {
			return "", false
		}
		b = append(b, hi<<4|lo)
		i += 2
	}
	return string(b), true
}

func unhex(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}
