package imapsrc

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// TestPace keeps about half a second's worth under way, within bounds.
func TestPace(t *testing.T) {
	now := time.Now()
	var p pace
	p.start(now)
	assert.Equal(t, fewestAhead, p.ahead())
	come := func(n int, each time.Duration) {
		for range n {
			now = now.Add(each)
			p.ended(now)
		}
	}
	come(20, 25*time.Millisecond)
	assert.Equal(t, 20, p.ahead())
	come(100, time.Millisecond)
	assert.Equal(t, mostAhead, p.ahead())
	p.start(now)
	assert.Equal(t, mostAhead, p.ahead(), "another connection begins as the last one ended")
	come(1, 10*time.Second)
	assert.Equal(t, fewestAhead, p.ahead())
}
