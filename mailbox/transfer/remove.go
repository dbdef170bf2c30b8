package transfer

import (
	"errors"
	"slices"

	"github.com/postroom-go/postroom/mailbox"
)

// removeChunk is how many messages are deleted at a time where that does not
// cost a session each time, as it does with POP3.
const removeChunk = 1000

// removals are messages to delete at the source.
type removals struct {
	ids   []mailbox.ID
	sizes []int64
}

func (x *removals) add(id mailbox.ID, size int64) {
	x.ids, x.sizes = append(x.ids, id), append(x.sizes, size)
}

// cut takes the first n off.
func (x *removals) cut(n int) removals {
	some := removals{x.ids[:n], x.sizes[:n]}
	x.ids, x.sizes = x.ids[n:], x.sizes[n:]
	return some
}

// note gives messages another state.
func (r *run) note(s state, ids []mailbox.ID) error {
	for part := range slices.Chunk(ids, removeChunk) {
		keys := make([]sum, len(part))
		for i, id := range part {
			keys[i] = sumOf([]byte(id.String()))
		}
		if err := r.ledger.note(s, keys...); err != nil {
			return err
		}
	}
	return nil
}

// remove deletes at the source what the plan says. All of it is stored, and the
// journal says so durably before the source hears of it.
func (r *run) remove(p *plan) error {
	all := p.remove
	if len(all.ids) == 0 {
		return nil
	}
	if !r.src.Caps().Delete {
		return r.keep(p, all, "the source cannot delete single messages", errors.ErrUnsupported)
	}
	if r.opts.DryRun {
		return r.removed(p, all)
	}
	n := len(all.ids)
	if !r.src.Caps().Exclusive {
		n = removeChunk
	}
	for len(all.ids) > 0 {
		if err := r.removeSome(p, all.cut(min(n, len(all.ids)))); err != nil {
			return err
		}
	}
	return nil
}

// removeSome deletes messages. One that the source will not delete is left out,
// and the others are tried again.
func (r *run) removeSome(p *plan, some removals) error {
	if err := r.note(pending, some.ids); err != nil {
		return err
	}
	if err := r.ledger.sync(); err != nil {
		return err
	}
	for refusals := 0; len(some.ids) > 0; {
		err := r.src.Delete(r.ctx, some.ids, nil)
		if err == nil {
			if err := r.note(settled, some.ids); err != nil {
				return err
			}
			return r.removed(p, some)
		}
		p.whole = false
		if errors.Is(err, mailbox.ErrUnknownOutcome) {
			return r.tellAll(p, some, Event{Kind: Unknown, Reason: "the source's answer was lost; its next list will tell", Err: err})
		}
		rest, refused := without(some, err)
		if r.ctx.Err() != nil || everywhere(err) && len(refused.ids) == 0 {
			return r.ended(err)
		}
		if refusals++; len(refused.ids) == 0 || refusals == mostRefusals { // each costs all the others
			return r.keep(p, some, "the source did not delete it", err)
		}
		if err := r.keep(p, refused, "the source did not delete it", err); err != nil {
			return err
		}
		some = rest
	}
	return nil
}

// without takes the message out that an error names, and those that it names as
// well: POP3's IDs without a UIDL of their own are all of one epoch.
func without(some removals, err error) (rest, refused removals) {
	var e *mailbox.Error
	if !errors.As(err, &e) || e.ID.IsZero() {
		return some, removals{}
	}
	epoch := ""
	if isAny(err, errors.ErrUnsupported, mailbox.ErrStale) {
		epoch = e.ID.Epoch()
	}
	for i, id := range some.ids {
		if id == e.ID || epoch != "" && id.Epoch() == epoch {
			refused.add(id, some.sizes[i])
		} else {
			rest.add(id, some.sizes[i])
		}
	}
	return rest, refused
}

// keep notes that messages stay at the source.
func (r *run) keep(p *plan, some removals, why string, err error) error {
	if err := r.note(stored, some.ids); err != nil {
		return err
	}
	return r.tellAll(p, some, Event{Kind: Kept, Reason: why, Err: err})
}

func (r *run) removed(p *plan, some removals) error {
	return r.tellAll(p, some, Event{Kind: Deleted})
}

func (r *run) tellAll(p *plan, some removals, e Event) error {
	e.Folder, e.Target = p.job.from.Name, p.job.target
	for i, id := range some.ids {
		e.ID, e.Size = id, some.sizes[i]
		if err := r.tell(e); err != nil {
			return err
		}
	}
	return nil
}
