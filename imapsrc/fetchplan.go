package imapsrc

import (
	"sync"
	"time"

	"github.com/postroom-go/postroom/mailbox"
)

// Bounds of a Fetch. A connection begins with up to firstAhead octets under way,
// which is more than a good line holds over a long distance, and has as many later
// as come in aheadTime: that hides its round trips, and whoever else wants the
// connection waits no longer. A worker's queue holds the first few in memory, and
// writes what nobody takes to the disk, so all of it can be read to its end
// without the loop's help. Larger messages do not go through the queue, but are
// read window by window as by Open.
const (
	leastWindow  = 1 << 20
	windowCount  = 250
	fewestAhead  = 4 << 20
	firstAhead   = 32 << 20
	mostAhead    = 64 << 20
	aheadTime    = 500 * time.Millisecond
	largeMessage = 4 << 20
	unknownSize  = 4 << 10                // what a message counts whose size is not known
	shareBytes   = 64 << 20               // for which a second connection is of use from the start
	shareAfter   = 300 * time.Millisecond // ... and otherwise, if not all has been asked for by then
)

// fetchPlan is what is left to fetch of one folder; the workers share it.
type fetchPlan struct {
	mu    sync.Mutex
	left  []sizedUID
	doubt []sizedUID     // did not come, and nobody knows whether they are there
	tries map[uint32]int // times that a message was asked for in vain
}

type sizedUID struct {
	uid  uint32
	size int64 // -1 if the server did not tell
	hint bool  // it is the caller's word: nobody has asked whether there is such a message
}

// cost is how many octets the message will be, about. Of a large one only the
// summary comes, but the loop takes long over it.
func (m sizedUID) cost() int64 {
	switch {
	case m.size < 0:
		return unknownSize
	case m.size > largeMessage:
		return leastWindow
	}
	return m.size
}

// fetchWindow is one UID FETCH command with bodies.
type fetchWindow struct {
	msgs  []sizedUID
	set   string
	cost  int64 // octets to come, about
	large bool  // one large message, of which only the summary is asked for
	plain bool  // ask for nothing but the body
	check bool  // ask whether these messages are there
}

// take gives the next window, of about most octets; nil if nothing is left.
func (p *fetchPlan) take(most int64) *fetchWindow {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case len(p.doubt) > 0:
		return p.takeDoubt()
	case len(p.left) == 0:
		return nil
	}
	w := &fetchWindow{large: p.left[0].size > largeMessage, plain: p.tries[p.left[0].uid] > 0}
	alone := w.large || w.plain
	var uids []uint32
	for _, m := range p.left {
		if n := len(uids); n == windowCount ||
			n > 0 && (alone || w.cost+m.cost() > most || m.size > largeMessage || p.tries[m.uid] > 0) {
			break
		}
		w.cost += m.cost()
		uids = append(uids, m.uid)
	}
	uids, _, w.set = chunk(uids, windowCount)
	w.msgs, p.left = p.left[:len(uids)], p.left[len(uids):]
	return w
}

// takeDoubt gives a window of those that may be gone. The lock is held.
func (p *fetchPlan) takeDoubt() *fetchWindow {
	w := &fetchWindow{check: true, cost: unknownSize}
	var uids []uint32
	for _, m := range p.doubt[:min(len(p.doubt), windowCount)] {
		uids = append(uids, m.uid)
	}
	uids, _, w.set = chunk(uids, windowCount)
	w.msgs, p.doubt = p.doubt[:len(uids)], p.doubt[len(uids):]
	return w
}

// doubtful takes messages that did not come though their sizes were given: they
// may have been gone before.
func (p *fetchPlan) doubtful(msgs []sizedUID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.doubt = append(p.doubt, msgs...)
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

// bytes is how much is left, as far as it is known.
func (p *fetchPlan) bytes() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	var n int64
	for _, m := range p.left {
		n += m.cost()
	}
	return n
}

func (p *fetchPlan) triesOf(uid uint32) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.tries[uid]
}

func (p *fetchPlan) len() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.left) + len(p.doubt)
}

// fetched is what goes through a worker's queue with a body.
type fetched struct {
	sum   *mailbox.Summary
	large bool         // the body is to be opened
	drop  bool         // not a message that was asked for
	end   *fetchWindow // the end of that window, and no message
}
