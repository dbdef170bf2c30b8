package imapsrc

import (
	"sync"
	"time"

	"github.com/postroom-go/postroom/mailbox"
)

// Bounds of a Fetch. A connection begins with fewestAhead windows under way, and
// has as many later as come in aheadTime: that hides its round trips, and
// whoever else wants the connection waits no longer. A worker's queue holds the
// first few in memory, and writes what nobody takes to the disk, so all of it
// can be read to its end without the loop's help. Larger messages do not go
// through the queue, but are read window by window as by Open.
const (
	windowBytes  = 1 << 20
	windowCount  = 250
	fewestAhead  = 4
	mostAhead    = 64
	aheadTime    = 500 * time.Millisecond
	largeMessage = 4 << 20
	shareAbove   = 100 // messages, for which a second connection is of use
)

// fetchPlan is what is left to fetch of one folder; the workers share it.
type fetchPlan struct {
	mu    sync.Mutex
	left  []sizedUID
	tries map[uint32]int // times that a message was asked for in vain
}

type sizedUID struct {
	uid  uint32
	size int64 // -1 if the server did not tell
}

// fetchWindow is one UID FETCH command with bodies.
type fetchWindow struct {
	msgs  []sizedUID
	set   string
	large bool // one large message, of which only the summary is asked for
	plain bool // ask for nothing but the body
}

// take gives the next window; nil if nothing is left.
func (p *fetchPlan) take() *fetchWindow {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.left) == 0 {
		return nil
	}
	w := &fetchWindow{large: p.left[0].size > largeMessage, plain: p.tries[p.left[0].uid] > 0}
	alone := w.large || w.plain
	bytes := int64(0)
	var uids []uint32
	for _, m := range p.left {
		if n := len(uids); n == windowCount ||
			n > 0 && (alone || bytes+m.size > windowBytes || m.size > largeMessage || p.tries[m.uid] > 0) {
			break
		}
		bytes += max(0, m.size)
		uids = append(uids, m.uid)
	}
	uids, _, w.set = chunk(uids, windowCount)
	w.msgs, p.left = p.left[:len(uids)], p.left[len(uids):]
	return w
}

// giveBack takes messages that were asked for and did not come. The first blamed
// of them are asked for alone from now on.
func (p *fetchPlan) giveBack(msgs []sizedUID, blamed int) {
	if len(msgs) == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range msgs[:blamed] {
		p.tries[m.uid]++
	}
	p.left = append(append(make([]sizedUID, 0, len(msgs)+len(p.left)), msgs...), p.left...)
}

func (p *fetchPlan) triesOf(uid uint32) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.tries[uid]
}

func (p *fetchPlan) len() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.left)
}

// fetched is what goes through a worker's queue with a body.
type fetched struct {
	sum   *mailbox.Summary
	large bool // the body is to be opened
	drop  bool // not a message that was asked for
	end   bool // the end of a window, and no message
}
