package imapsrc

import "time"

// paceTime is over how long a pace is taken at least.
const paceTime = 50 * time.Millisecond

// pace is how fast windows come on one connection, and so how many of them to
// have under way.
type pace struct {
	since   time.Time
	windows int
	limit   int
}

// start begins to count on a connection.
func (p *pace) start(now time.Time) { *p = pace{since: now, limit: p.limit} }

// ended counts a window that has come.
func (p *pace) ended(now time.Time) {
	p.windows++
	took := now.Sub(p.since)
	if took < paceTime {
		return
	}
	p.limit = min(mostAhead, int(float64(p.windows)*float64(aheadTime)/float64(took)))
	p.since, p.windows = now, 0
}

// ahead is how many windows may be under way.
func (p *pace) ahead() int { return max(fewestAhead, p.limit) }
