package imapsrc

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// TestPace keeps about half a second's worth under way, within bounds.
func TestPace(t *testing.T) {
	const mib = 1 << 20
	now := time.Now()
	var p pace
	p.start(firstAhead)
	assert.Equal(t, int64(firstAhead), p.ahead())
	assert.Equal(t, int64(firstAhead/16), p.window())
	now = now.Add(10 * time.Second)
	p.came(now) // it was a long way
	come := func(n int, each time.Duration) {
		for range n {
			now = now.Add(each)
			p.ended(now, mib)
		}
	}
	come(10, time.Millisecond)
	assert.Equal(t, int64(firstAhead+10*mib), p.ahead(), "they come, and nobody knows yet how fast")
	come(1, 40*time.Millisecond)
	assert.Equal(t, int64(mostAhead), p.ahead())
	assert.Equal(t, int64(mostAhead/16), p.window())
	come(20, 25*time.Millisecond)
	assert.Equal(t, int64(20*mib), p.ahead())
	come(100, time.Millisecond)
	assert.Equal(t, int64(mostAhead), p.ahead())
	p.start(fewestAhead)
	assert.Equal(t, int64(mostAhead), p.ahead(), "the next Fetch begins as the last one ended")
	come(1, 10*time.Second) // since the beginning
	assert.Equal(t, int64(mostAhead), p.ahead())
	come(1, 10*time.Second)
	assert.Equal(t, int64(fewestAhead), p.ahead())
	assert.Equal(t, int64(leastWindow), p.window())
}
