package imapsrc

import "time"

// paceTime is over how long a pace is taken at least.
const paceTime = 50 * time.Millisecond

// pace is how fast windows come on one connection, and so how much of them to have
// under way. A connection remembers it from one Fetch to the next.
type pace struct {
	since  time.Time // zero until something has come: the way there and back says nothing
	octets int64     // of windows that came whole
	limit  int64     // 0 while it is not known
	first  int64     // what to begin with then
}

// start begins to count on a connection. If nothing is known of it first is how
// many octets may be under way.
func (p *pace) start(first int64) { *p = pace{limit: p.limit, first: first} }

// came notes that something of a window has come.
func (p *pace) came(now time.Time) {
	if p.since.IsZero() {
		p.since = now
	}
}

// ended counts a window that has come.
func (p *pace) ended(now time.Time, octets int64) {
	p.came(now)
	p.octets += octets
	took := now.Sub(p.since)
	if took < paceTime {
		return
	}
	n := int64(float64(p.octets) * float64(aheadTime) / float64(took))
	p.limit = max(fewestAhead, min(n, mostAhead))
	p.since, p.octets = now, 0
}

// ahead is how many octets may be under way. While the pace is not known each
// that comes makes room for two.
func (p *pace) ahead() int64 {
	if p.limit == 0 {
		return min(p.first+p.octets, mostAhead)
	}
	return p.limit
}

// window is how much to ask for in one command. Larger ones cost a fast server
// less; smaller ones are sooner done when somebody else wants the connection.
func (p *pace) window() int64 {
	return max(leastWindow, p.ahead()/16)
}
