package outbox

import (
	"container/heap"
	"math/rand/v2"
	"time"
)

// job is what is done next about a message.
type job int

const (
	jobNone   job = iota
	jobSend       // send it
	jobDecide     // find out about it, or do what the options say
	jobCopy       // file its copy
)

// lane is a queue of messages of which some are worked on at a time. Sending has
// one, all else another: neither waits for the other.
type lane struct {
	items []*item
	most  int
	busy  int
	// pause keeps it from beginning anything until then, after failures in a
	// row that were nobody's message's fault.
	pause    time.Time
	failures int
}

func (l *lane) Len() int { return len(l.items) }

func (l *lane) Less(i, k int) bool {
	a, b := l.items[i], l.items[k]
	if !a.due.Equal(b.due) {
		return a.due.Before(b.due)
	}
	return compare(a, b) < 0
}

func (l *lane) Swap(i, k int) {
	l.items[i], l.items[k] = l.items[k], l.items[i]
	l.items[i].index, l.items[k].index = i, k
}

// Push implements heap.Interface.
func (l *lane) Push(x any) {
	it := x.(*item)
	it.lane, it.index = l, len(l.items)
	l.items = append(l.items, it)
}

// Pop implements heap.Interface.
func (l *lane) Pop() any {
	n := len(l.items) - 1
	it := l.items[n]
	l.items[n] = nil
	l.items = l.items[:n]
	it.lane = nil
	return it
}

// next is when it has something to begin; false is never.
func (l *lane) next() (time.Time, bool) {
	if len(l.items) == 0 || l.busy >= l.most {
		return time.Time{}, false
	}
	at := l.items[0].due
	if l.pause.After(at) {
		at = l.pause
	}
	return at, true
}

// take gives the message that is due, or nil.
func (l *lane) take(now time.Time) *item {
	if at, ok := l.next(); !ok || at.After(now) {
		return nil
	}
	it := heap.Pop(l).(*item)
	it.busy = true
	l.busy++
	return it
}

// plan puts a message where it belongs, after anything has changed. The outbox is
// locked.
func (o *Outbox) plan(it *item) {
	if it.lane != nil {
		heap.Remove(it.lane, it.index)
	}
	if o.run == nil || it.busy || o.items[it.id] != it {
		return
	}
	it.job = jobNone
	if j, due := o.run.job(it); j != jobNone {
		it.job, it.due = j, due
		lane := &o.run.other
		if j == jobSend {
			lane = &o.run.send
		}
		heap.Push(lane, it)
	}
}

// job is what is to be done about a message, and when.
func (r *run) job(it *item) (j job, due time.Time) {
	if it.broken != nil {
		return jobNone, due
	}
	earlier := func(other job, at time.Time) {
		if j == jobNone || at.Before(due) {
			j, due = other, at
		}
	}
	if it.st.Copy == copyDue {
		earlier(jobCopy, it.st.CopyNext)
	}
	if it.st.unknown() && (r.opts.Look != nil || r.opts.OnUnknown != Hold) && !r.held(it) {
		at := it.st.Next
		if r.opts.Look == nil {
			at = it.st.At
		}
		earlier(jobDecide, at)
	}
	if it.st.Mark != markDead && len(it.st.pending(len(it.meta.To))) > 0 {
		earlier(jobSend, it.sendAt())
	}
	return j, due
}

// held reports whether an unknown outcome waits for somebody in any case: to send
// a message a third time by itself could make it three.
func (r *run) held(it *item) bool {
	return it.st.Resent > 0 && r.opts.Look == nil && r.opts.OnUnknown == Resend
}

// wake has Run look what is due. The outbox is locked.
func (o *Outbox) wake() {
	if o.run == nil {
		return
	}
	select {
	case o.run.woken <- struct{}{}:
	default: // it is about to look
	}
}

// delay is how long to wait after so many failures in a row.
func (o *Outbox) delay(failures int) time.Duration {
	d := o.opts.RetryMin
	for range failures - 1 {
		if d >= o.opts.RetryMax/2 {
			d = o.opts.RetryMax
			break
		}
		d *= 2
	}
	return d + rand.N(d/4+1)
}

// deadline is when a message that was not sent is given up.
func (o *Outbox) deadline(it *item) time.Time {
	since := it.meta.Enqueued
	if it.meta.NotBefore.After(since) {
		since = it.meta.NotBefore
	}
	if it.st.Since.After(since) {
		since = it.st.Since
	}
	return since.Add(o.opts.Lifetime)
}
