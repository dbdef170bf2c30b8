package maildir

import (
	"strings"
	"sync"

	"github.com/postroom-go/postroom/internal/disk/disktest"
)

// counter counts operations, those on the index aside.
type counter struct {
	mu sync.Mutex
	n  map[disktest.Kind]int
}

func (c *counter) count(op disktest.Op) error {
	if op.After || strings.HasSuffix(op.Name, indexFile) {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n[op.Kind]++
	return nil
}

// of gives the count of a kind, and begins anew.
func (c *counter) of(k disktest.Kind) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.n[k]
	c.n[k] = 0
	return n
}
