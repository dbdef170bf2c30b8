package transfer

import (
	"errors"
	"fmt"
	"slices"

	"github.com/postroom-go/postroom/mailbox"
)

// item is a message to fetch.
type item struct {
	id   mailbox.ID
	size int64
	key  sum
	// again: its name is known, and it may be another message.
	again bool
}

// plan is what is to be done in a folder.
type plan struct {
	job    *job
	todo   []item
	remove removals
	// doubtful are to be deleted if their names are still those of what an
	// earlier run has stored.
	doubtful []item
	// whole: every message of the folder was looked at and needs no more.
	whole bool
}

// chunk is how many messages are fetched before the list goes on, so that memory
// does not grow with the mailbox.
const chunk = 4_000

// folder does one folder.
func (r *run) folder(j *job) error {
	if r.idle(j) {
		if err := r.ctx.Err(); err != nil {
			return r.ended(err)
		}
		return r.tell(Event{Kind: Unchanged, Folder: j.from.Name, Target: j.target})
	}
	if err := r.tell(Event{Kind: Began, Folder: j.from.Name, Target: j.target}); err != nil {
		return err
	}
	err := r.move(j)
	if errors.Is(err, mailbox.ErrStale) {
		// Its IDs ended while it was looked at. The next run begins anew.
		return r.tell(Event{Kind: Warning, Folder: j.from.Name, Target: j.target, Err: err,
			Reason: "the folder began a new epoch meanwhile; run again"})
	}
	return err
}

// move does a folder that may have something new.
func (r *run) move(j *job) error {
	if err := r.prepare(j); err != nil {
		return err
	}
	if err := r.recover(j); err != nil {
		return err
	}
	p := &plan{job: j, whole: true}
	if err := r.list(p); err != nil {
		return err
	}
	if err := r.settle(p); err != nil {
		return err
	}
	if err := r.remove(p); err != nil {
		return err
	}
	if at := r.state(j); p.whole && at != "" && !r.opts.DryRun {
		return r.ledger.setCursor(j.from.Name, at)
	}
	return nil
}

// list looks at every message of a folder, and fetches what is new.
func (r *run) list(p *plan) error {
	r.ledger.beginList(p.job.tag)
	d := r.deliver(p)
	defer d.abandon()
	return d.end(r.listInto(d, p))
}

// listInto fetches in chunks.
func (r *run) listInto(d *delivery, p *plan) error {
	for s, err := range r.src.List(r.ctx, p.job.from.Name, &mailbox.ListOptions{Fields: mailbox.FieldSize}) {
		if err != nil {
			return r.ofFolder(err)
		}
		if err := r.classify(p, s); err != nil {
			return err
		}
		if len(p.todo) >= chunk && r.opts.Order == ByFolder {
			if err := d.fetch(); err != nil {
				return err
			}
		}
	}
	if err := r.verify(p); err != nil {
		return err
	}
	return d.fetch()
}

// classify says what is to be done with a message.
func (r *run) classify(p *plan, s *mailbox.Summary) error {
	k := sumOf([]byte(s.ID.String()))
	e, known, twice := r.ledger.see(k)
	if twice {
		return nil // the source repeats itself
	}
	r.report.Listed++
	it := item{id: s.ID, size: s.Size, key: k}
	// Perhaps another message with its name: UIDLs are reused by mistake.
	resized := s.ID.Epoch() == "" && s.Fields.Has(mailbox.FieldSize) && e.size > 0 && s.Size > 0 && s.Size != e.size && !r.opts.off.digest
	switch {
	case !known:
	case e.state == settled:
		it.again = true // its name has come back
	case e.state == dead && (r.opts.RetryDead || resized):
	case e.state == dead:
		return nil
	case e.state == fetched:
		// Whether it is there could not be found out: it is looked for again in
		// the next run.
		p.whole = false
		return r.tell(Event{Kind: Unknown, Folder: p.job.from.Name, ID: s.ID, Reason: "it may be stored already"})
	case resized:
		it.again = true
	default:
		r.report.Present++
		if due, _ := r.opts.Remove.due(e.size, e.time(), r.now); due && r.certain(s.ID) {
			p.remove.add(s.ID, s.Size)
		} else if due {
			p.doubtful = append(p.doubtful, it)
		} else if e.state == pending {
			return r.ledger.note(stored, k) // an earlier run was asked to delete it, and this one is not
		}
		return nil
	}
	if it.again {
		r.ledger.doubt(k)
	}
	p.todo = append(p.todo, it)
	return nil
}

// choose leaves out what is not wanted, or not in this run.
func (r *run) choose(p *plan) ([]item, error) {
	listed := len(p.todo)
	todo := once(p.todo)
	r.report.Listed -= listed - len(todo)
	p.todo = nil
	if r.opts.filtered() && len(todo) > 0 {
		var err error
		if todo, err = r.filter(p, todo); err != nil {
			return nil, err
		}
	}
	todo = r.sorted(todo)
	for i, it := range todo {
		full := r.opts.MaxMessages > 0 && r.total >= r.opts.MaxMessages ||
			r.opts.MaxBytes > 0 && r.total > 0 && r.totalBytes+it.size > r.opts.MaxBytes
		if !full {
			r.total++
			r.totalBytes += max(0, it.size)
			continue
		}
		p.whole = false
		for _, it := range todo[i:] {
			if err := r.skip(p, it, "the limit of this run is reached"); err != nil {
				return nil, err
			}
		}
		return todo[:i], nil
	}
	return todo, nil
}

// once leaves out what a source has listed before.
func once(todo []item) []item {
	seen := make(map[sum]struct{}, len(todo))
	return slices.DeleteFunc(todo, func(it item) bool {
		n := len(seen)
		seen[it.key] = struct{}{}
		return len(seen) == n
	})
}

func (r *run) skip(p *plan, it item, why string) error {
	return r.tell(Event{Kind: Skipped, Folder: p.job.from.Name, Target: p.job.target, ID: it.id, Size: it.size, Reason: why})
}

// filter keeps the messages that are wanted.
func (r *run) filter(p *plan, todo []item) ([]item, error) {
	var kept []item
	byID := map[mailbox.ID]item{}
	var ids []mailbox.ID
	for _, it := range todo {
		if why := r.wrongSize(it.size); why != "" {
			if err := r.skip(p, it, why); err != nil {
				return nil, err
			}
			continue
		}
		kept = append(kept, it)
		ids = append(ids, it.id)
		byID[it.id] = it
	}
	fields := mailbox.Fields(0)
	if r.opts.Match != nil {
		fields = r.opts.MatchFields
	}
	if !r.opts.Since.IsZero() || !r.opts.Before.IsZero() {
		fields |= mailbox.FieldReceived
		if !r.src.Caps().Received {
			fields |= mailbox.FieldEnvelope
		}
	}
	if r.opts.Match == nil && fields == 0 || len(kept) == 0 {
		return kept, nil
	}
	kept = nil
	list := &mailbox.ListOptions{IDs: ids, Fields: fields | mailbox.FieldsNone}
	for s, err := range r.src.List(r.ctx, p.job.from.Name, list) {
		if err != nil {
			return nil, r.ofFolder(err)
		}
		it, ok := byID[s.ID]
		if !ok {
			continue // not asked for
		}
		delete(byID, s.ID)
		why := r.wrongAge(s)
		if why == "" && r.opts.Match != nil && !r.opts.Match(s) {
			why = "it does not match"
		}
		if why == "" {
			kept = append(kept, it)
		} else if err := r.skip(p, it, why); err != nil {
			return nil, err
		}
	}
	if len(byID) > 0 {
		p.whole = false // gone, or not told of: the next list tells
	}
	return kept, nil
}

func (r *run) wrongSize(size int64) string {
	switch {
	case r.opts.MaxSize > 0 && size > r.opts.MaxSize:
		return fmt.Sprintf("it is larger than %d octets", r.opts.MaxSize)
	case size < r.opts.MinSize:
		return fmt.Sprintf("it is smaller than %d octets", r.opts.MinSize)
	}
	return ""
}

// wrongAge says why a message is too old or too new. One whose date nobody knows
// is neither.
func (r *run) wrongAge(s *mailbox.Summary) string {
	date := s.Received
	if date.IsZero() && s.Envelope != nil {
		date = s.Envelope.Date
	}
	switch {
	case date.IsZero():
		return ""
	case !r.opts.Since.IsZero() && date.Before(r.opts.Since):
		return "it is too old"
	case !r.opts.Before.IsZero() && !date.Before(r.opts.Before):
		return "it is too new"
	}
	return ""
}

// settle notes what the source does not have any more.
func (r *run) settle(p *plan) error {
	if r.opts.DryRun {
		return nil
	}
	var gone, never []sum
	r.ledger.each(p.job.tag, func(e *entry) {
		switch {
		case e.seen:
		case e.state == stored, e.state == pending:
			gone = append(gone, e.key)
		case e.state == dead:
			never = append(never, e.key) // it is not stored, and must not pass for it if it comes back
		}
	})
	for _, in := range r.ledger.open(p.job.from.Name) {
		k := sumOf([]byte(in.id.String()))
		if e, ok := r.ledger.find(k); ok && !e.seen {
			never = append(never, k) // what became of it nobody will learn
		}
	}
	return errors.Join(r.ledger.note(settled, gone...), r.ledger.note(none, never...))
}
