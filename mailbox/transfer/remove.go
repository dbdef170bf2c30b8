package transfer

import (
	"errors"

	"github.com/postroom-go/postroom/mailbox"
)

// removeChunk is how many messages are deleted at a time where that does not
// cost a session each time, as it does with POP3.
const removeChunk = 1000

// remove deletes at the source what the plan says. All of it is stored, and the
// journal says so durably before the source hears of it.
func (r *run) remove(p *plan) error {
	all := p.remove
	if len(all) == 0 {
		return nil
	}
	if r.opts.DryRun {
		return r.removed(p, all)
	}
	if !r.src.Caps().Delete {
		return r.keep(p, all, "the source cannot delete single messages", errors.ErrUnsupported)
	}
	n := len(all)
	if !r.src.Caps().Exclusive {
		n = removeChunk
	}
	for len(all) > 0 {
		k := min(n, len(all))
		if err := r.removeSome(p, all[:k]); err != nil {
			return err
		}
		all = all[k:]
	}
	return nil
}

// removeSome deletes messages. One that the source will not delete is left out,
// and the others are tried again.
func (r *run) removeSome(p *plan, some []removal) error {
	for len(some) > 0 {
		if err := r.ledger.note(pending, keysOf(some)...); err != nil {
			return err
		}
		if err := r.ledger.sync(); err != nil {
			return err
		}
		err := r.src.Delete(r.ctx, idsOf(some), nil)
		if err == nil {
			if err := r.ledger.note(settled, keysOf(some)...); err != nil {
				return err
			}
			return r.removed(p, some)
		}
		p.whole = false
		if errors.Is(err, mailbox.ErrUnknownOutcome) {
			return r.tellAll(p, some, Event{Kind: Unknown, Reason: "the source's answer was lost; its next list will tell", Err: err})
		}
		rest, refused := without(some, err)
		if r.ctx.Err() != nil || stops(err) && refused == nil {
			return r.ended(err)
		}
		if refused == nil {
			return r.keep(p, some, "the source did not delete it", err)
		}
		if err := r.keep(p, refused, "the source did not delete it", err); err != nil {
			return err
		}
		some = rest
	}
	return nil
}

// without takes the message out that an error names.
func without(some []removal, err error) (rest, refused []removal) {
	var e *mailbox.Error
	if !errors.As(err, &e) || e.ID.IsZero() {
		return some, nil
	}
	for _, m := range some {
		if m.id == e.ID {
			refused = append(refused, m)
		} else {
			rest = append(rest, m)
		}
	}
	return rest, refused
}

// keep notes that messages stay at the source.
func (r *run) keep(p *plan, some []removal, why string, err error) error {
	if err := r.ledger.note(stored, keysOf(some)...); err != nil {
		return err
	}
	return r.tellAll(p, some, Event{Kind: Kept, Reason: why, Err: err})
}

func (r *run) removed(p *plan, some []removal) error {
	return r.tellAll(p, some, Event{Kind: Deleted})
}

func (r *run) tellAll(p *plan, some []removal, e Event) error {
	e.Folder, e.Target = p.job.from.Name, p.job.target
	for _, m := range some {
		e.ID, e.Size = m.id, m.size
		if err := r.tell(e); err != nil {
			return err
		}
	}
	return nil
}

func keysOf(some []removal) []sum {
	keys := make([]sum, len(some))
	for i, m := range some {
		keys[i] = m.key
	}
	return keys
}

func idsOf(some []removal) []mailbox.ID {
	ids := make([]mailbox.ID, len(some))
	for i, m := range some {
		ids[i] = m.id
	}
	return ids
}
