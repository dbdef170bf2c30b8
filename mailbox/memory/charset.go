package memory

import (
	"fmt"
	"io"
)

// CharsetReader converts text in a named charset to UTF-8.
func (mb *Mailbox) CharsetReader(label string, r io.Reader) (io.Reader, error) {
	return nil, fmt.Errorf("unknown charset %.40q", label)
}
