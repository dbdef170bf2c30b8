package transfer

import (
	"errors"
	"fmt"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/batch"
)

// flush hands the group on to be committed.
func (d *delivery) flush() error {
	for d.group != nil {
		select {
		case d.queue <- d.group:
			d.group = nil
		case done := <-d.results:
			if err := d.committed(done); err != nil {
				d.group.close()
				d.group = nil
				return err
			}
		}
	}
	return nil
}

// drain takes in what was committed meanwhile.
func (d *delivery) drain() error {
	for {
		select {
		case g := <-d.results:
			if err := d.committed(g); err != nil {
				return err
			}
		default:
			return nil
		}
	}
}

// finish ends the delivery after err: what was read whole is committed, unless a
// commit has failed.
func (d *delivery) finish(err error) error {
	defer d.cancel()
	if _, ok := d.r.dst.(batch.Batcher); !ok && errors.Is(err, errLeft) {
		d.cancel() // as if the context had ended
	}
	if d.group != nil && (err == nil || d.group.batch != nil) && !errors.Is(err, errCommit) {
		if e := d.flush(); err == nil {
			err = e
		}
	}
	if d.group != nil {
		d.group.close()
	}
	d.close()
	for g := range d.results {
		if e := d.committed(g); err == nil {
			err = e
		}
	}
	return err
}

// errCommit marks the failure of a commit: no other is tried.
var errCommit = errors.New("storing failed")

// committed takes in the outcome of a group.
func (d *delivery) committed(g *group) error {
	if g.err != nil && g.batch != nil {
		return d.r.inTarget(fmt.Errorf("%w: %w", errCommit, g.err))
	}
	var err error
	for _, m := range g.msgs {
		if e := d.outcome(m); err == nil {
			err = e
		}
	}
	if err == nil {
		err = d.r.inTarget(g.err)
	}
	return err
}

// outcome takes in that of one message.
func (d *delivery) outcome(m *msg) error {
	r, it := d.r, m.item
	switch {
	case m.err == nil:
		r.refused = 0
		if due, _ := r.opts.Remove.due(it.size, m.entry.time(), r.now); due {
			d.p.remove.add(it.id, it.size)
		}
		return d.event(Event{Kind: Stored, ID: it.id, To: m.to, Size: m.size})
	case errors.Is(m.err, mailbox.ErrUnknownOutcome):
		d.p.whole = false
		return d.event(Event{Kind: Unknown, ID: it.id, Size: it.size, Reason: "the destination's answer was lost", Err: m.err})
	case r.ctx.Err() != nil, d.ctx.Err() != nil, stops(m.err):
		d.p.whole = false
		return nil // told by the error of the group
	}
	return d.refused(m, m.err)
}
