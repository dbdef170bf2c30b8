package memory

import (
	"io"

	"github.com/postroom-go/postroom/mailbox/charset"
)

// CharsetReader knows the charsets of package charset.
func (mb *Mailbox) CharsetReader(label string, r io.Reader) (io.Reader, error) {
	return charset.NewReader(label, r)
}
