package imapsrc

import (
	"slices"
	"strconv"
)

// plan says which messages of a folder are still to be asked for. It begins
// with sequence numbers, which cost nothing to know and cannot change while
// only FETCH commands are under way (RFC 9051 section 7.5.1). When that ends,
// because the session was lent to another call or lost, it goes on by UID.
type plan struct {
	byUID   bool
	lo, hi  uint32   // sequence numbers; none are left if lo > hi
	uids    []uint32 // ascending
	reverse bool

	small   int // size of the first batch; 0 is as any
	suspect int // so many at the head are known to break the connection
	level   int // how little to ask for of the one at the head
}

// batch is one FETCH command.
type batch struct {
	nums  []uint32 // ascending: sequence numbers or UIDs
	set   string
	level int
}

func (p *plan) left() int {
	if p.byUID {
		return len(p.uids)
	}
	if p.lo > p.hi {
		return 0
	}
	return int(p.hi-p.lo) + 1
}

// size is how many messages the batch after skip others should have.
func (p *plan) size(skip int) int {
	switch {
	case skip > 0:
	case p.suspect > 0:
		return max(1, p.suspect/2)
	case p.small > 0:
		return p.small
	}
	return batchSize
}

// careful reports whether something has gone wrong at the head, so that nothing
// should be asked for behind it.
func (p *plan) careful() bool { return p.suspect > 0 || p.level > 0 }

// peek gives the batch that comes after skip messages.
func (p *plan) peek(skip int) batch {
	n := min(p.size(skip), p.left()-skip)
	b := batch{level: p.level}
	if p.byUID {
		b.nums, b.set = p.peekUIDs(skip, n)
		return b
	}
	lo := p.lo + uint32(skip)
	if p.reverse {
		lo = p.hi - uint32(skip) - uint32(n) + 1
	}
	for i := range uint32(n) {
		b.nums = append(b.nums, lo+i)
	}
	b.set = strconv.FormatUint(uint64(lo), 10)
	if n > 1 {
		b.set += ":" + strconv.FormatUint(uint64(lo)+uint64(n)-1, 10)
	}
	return b
}

func (p *plan) peekUIDs(skip, n int) ([]uint32, string) {
	if !p.reverse {
		head, _, set := chunk(p.uids[skip:], n)
		return head, set
	}
	end := len(p.uids) - skip
	head, tail, set := chunk(p.uids[end-n:end], n)
	for len(tail) > 0 { // too long for a line: only the upper end of it
		n -= len(tail)
		head, tail, set = chunk(p.uids[end-n:end], n)
	}
	return head, set
}

// done takes n messages off the head: they were asked for and answered.
func (p *plan) done(n int) {
	switch {
	case p.byUID && p.reverse:
		p.uids = p.uids[:len(p.uids)-n]
	case p.byUID:
		p.uids = p.uids[n:]
	case p.reverse:
		p.hi -= uint32(n)
	default:
		p.lo += uint32(n)
	}
	p.small, p.level = 0, 0
	p.suspect = max(0, p.suspect-n)
}

// failed notes that a batch of n at the head broke the connection once more.
// It gives false when there is nothing less to ask for.
func (p *plan) failed(n int) bool {
	if n > 1 {
		p.suspect = n
		return true
	}
	p.suspect = 1
	p.level++
	return p.level < levels
}

// goByUID replaces what is left by the UIDs that the server told.
func (p *plan) goByUID(uids []uint32) {
	slices.Sort(uids)
	p.byUID, p.uids = true, slices.Compact(uids)
}
