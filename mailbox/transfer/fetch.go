package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"syscall"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/batch"
)

// delivery moves the messages of one folder. While one group is read the one
// before it is committed.
type delivery struct {
	r    *run
	p    *plan
	left map[mailbox.ID]item // not seen yet

	src     source
	group   *group
	queue   chan *group
	results chan *group
	wg      sync.WaitGroup
	ctx     context.Context // of the commits
	cancel  context.CancelFunc

	again     []item // could not be read; tried once more
	last      bool   // this is that time
	refusals  int    // in a row
	orphans   map[sum][]sum
	orphansOf uint32
}

// fetch moves what the plan has so far.
func (r *run) fetch(p *plan) error {
	todo, err := r.choose(p)
	if err != nil || len(todo) == 0 {
		return err
	}
	if r.opts.DryRun {
		return r.wouldStore(p, todo)
	}
	// Messages that were read whole are stored though the run is to end: on a
	// local disk that takes no time.
	ctx, cancel := context.WithCancel(r.ctx)
	if _, ok := r.dst.(batch.Batcher); ok {
		ctx, cancel = context.WithCancel(context.WithoutCancel(r.ctx))
	}
	d := &delivery{r: r, p: p, ctx: ctx, cancel: cancel, queue: make(chan *group, 1), results: make(chan *group, 3)}
	d.wg.Go(func() {
		for g := range d.queue {
			g.commit(d.ctx, r.ledger)
			d.results <- g
		}
		close(d.results)
	})
	ended := false
	defer func() {
		if !ended { // the loop panicked
			cancel()
			close(d.queue)
			go func() {
				for range d.results {
				}
			}()
		}
	}()
	err = d.run(todo)
	ended = true
	err = d.finish(err)
	if e := r.ledger.sync(); err == nil {
		err = e
	}
	return err
}

func (r *run) wouldStore(p *plan, todo []item) error {
	for _, it := range todo {
		r.done++
		r.doneBytes += it.size
		if err := r.tell(Event{Kind: Stored, Folder: p.job.from.Name, Target: p.job.target, ID: it.id, Size: it.size, Reason: "it is new"}); err != nil {
			return err
		}
		if due, _ := r.opts.Remove.due(it.size, r.now, r.now); due {
			p.remove = append(p.remove, removal{it.id, it.key, it.size})
		}
	}
	return nil
}

func (d *delivery) run(todo []item) error {
	if err := d.pass(todo); err != nil {
		return err
	}
	if len(d.again) == 0 {
		return nil
	}
	todo, d.again, d.last = d.again, nil, true
	return d.pass(todo)
}

// pass reads messages, in pieces if their order is of ours.
func (d *delivery) pass(todo []item) error {
	n := len(todo)
	if d.r.opts.Order != ByFolder {
		n = 100
	}
	for len(todo) > 0 {
		k := min(n, len(todo))
		if err := d.read(todo[:k]); err != nil {
			return err
		}
		todo = todo[k:]
	}
	return nil
}

func (d *delivery) read(todo []item) error {
	ids, sizes := make([]mailbox.ID, len(todo)), make([]int64, len(todo))
	d.left = make(map[mailbox.ID]item, len(todo))
	for i, it := range todo {
		ids[i], sizes[i], d.left[it.id] = it.id, max(0, it.size), it
	}
	for m, err := range mailbox.Fetch(d.r.ctx, d.r.src, ids, &mailbox.FetchOptions{Sizes: sizes}) {
		if err != nil {
			return d.r.ended(err)
		}
		it, ok := d.left[m.ID]
		if !ok {
			continue // not asked for
		}
		delete(d.left, m.ID)
		if err := d.take(it, m); err != nil {
			return err
		}
		if err := d.drain(); err != nil {
			return err
		}
	}
	for _, it := range d.left {
		// Gone, or the server did not send it: the next list tells.
		d.p.whole = false
		if err := d.event(Event{Kind: Skipped, ID: it.id, Size: it.size, Reason: "the source did not send it"}); err != nil {
			return err
		}
	}
	return nil
}

func (d *delivery) event(e Event) error {
	e.Folder, e.Target = d.p.job.from.Name, d.p.job.target
	return d.r.tell(e)
}

// take reads one message into the group.
func (d *delivery) take(it item, m *mailbox.Message) error {
	r, target := d.r, d.p.job.target
	if d.group == nil {
		var err error
		if d.group, err = r.newGroup(target); err != nil {
			return r.ended(err)
		}
	}
	in := &msg{
		item:   it,
		entry:  entry{key: it.key, folder: d.p.job.tag, epoch: tag(it.id.Epoch()), size: it.size, at: r.now.Unix(), seen: true},
		intent: &intent{id: it.id, target: target},
		opts:   mailbox.AppendOptions{Flags: flagsOf(m.Flags), Received: m.Received},
	}
	body := d.src.reset(m.Body)
	had := len(d.group.msgs)
	err := d.add(in, body)
	switch {
	case err == nil && len(d.group.msgs) == had:
		return nil // it is stored already
	case err == nil:
		r.done++
		r.doneBytes += body.n
		if err := d.event(Event{Kind: Read, ID: it.id, Size: body.n}); err != nil || !d.group.full() {
			return err
		}
		return d.flush()
	case r.ctx.Err() != nil:
		return r.ended(err)
	case body.err != nil:
		return d.unread(it, err)
	}
	return d.refused(in, err)
}

// add takes a message into the group, unless its digest shows that it is stored
// already.
func (d *delivery) add(in *msg, body *source) error {
	if !in.item.again && !d.mayBeKnown(in) {
		return d.group.add(d.r.ctx, in, body)
	}
	sp, err := spooledAsIs(body)
	if err != nil {
		return err
	}
	defer sp.Close()
	known, err := d.known(in, body)
	if known || err != nil {
		return err
	}
	return d.group.add(d.r.ctx, in, newSource(sp.NewReader()))
}

// unread is a message whose body was cut.
func (d *delivery) unread(it item, err error) error {
	if !d.last {
		d.again = append(d.again, it)
		return nil
	}
	d.p.whole = false
	return d.event(Event{Kind: Failed, ID: it.id, Size: it.size, Reason: "it could not be read whole", Err: err})
}

// mostRefusals in a row are the destination's fault, not the messages'.
const mostRefusals = 20

// refused is a message that the destination does not take.
func (d *delivery) refused(m *msg, err error) error {
	if stops(err) || d.broken(err) {
		return err
	}
	if d.refusals++; d.refusals >= mostRefusals {
		return fmt.Errorf("the destination refuses everything: %w", err)
	}
	letter := &DeadLetter{ID: m.item.id, Reason: shortened(err.Error()), Since: d.r.now}
	if e := d.r.ledger.bury(m.entry, letter); e != nil {
		return e
	}
	return d.event(Event{Kind: Dead, ID: m.item.id, Size: m.item.size, Reason: letter.Reason, Err: err})
}

// broken reports whether an error is of the disk or the journal, which says
// nothing about the message.
func (d *delivery) broken(err error) bool {
	var path *fs.PathError
	var errno syscall.Errno
	return errors.As(err, &path) || errors.As(err, &errno) || errors.Is(err, fs.ErrClosed) ||
		errors.Is(err, io.ErrShortWrite) || errors.Is(err, mailbox.ErrProtocol)
}

// shortened bounds what the journal keeps of a reason.
func shortened(s string) string {
	if len(s) > 500 {
		return s[:500]
	}
	return s
}

// flush hands the group on to be committed.
func (d *delivery) flush() error {
	g := d.group
	d.group = nil
	if g == nil {
		return nil
	}
	for {
		select {
		case d.queue <- g:
			return nil
		case done := <-d.results:
			if err := d.committed(done); err != nil {
				g.close()
				return err
			}
		}
	}
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
	if d.group != nil && (err == nil || d.group.batch != nil) && !errors.Is(err, errCommit) {
		if e := d.flush(); err == nil {
			err = e
		}
	}
	if d.group != nil {
		d.group.close()
	}
	close(d.queue)
	for g := range d.results {
		if e := d.committed(g); err == nil {
			err = e
		}
	}
	d.wg.Wait()
	return err
}

// errCommit marks the failure of a commit: no other is tried.
var errCommit = errors.New("storing failed")

// committed takes in the outcome of a group.
func (d *delivery) committed(g *group) error {
	if g.err != nil && g.batch != nil {
		return d.r.ended(fmt.Errorf("%w: %w", errCommit, g.err))
	}
	for _, m := range g.msgs {
		if err := d.outcome(m); err != nil {
			return err
		}
	}
	if g.err != nil {
		return d.r.ended(g.err)
	}
	return nil
}

// outcome takes in that of one message.
func (d *delivery) outcome(m *msg) error {
	r, it := d.r, m.item
	switch {
	case m.err == nil:
		d.refusals = 0
		if due, _ := r.opts.Remove.due(it.size, m.entry.time(), r.now); due {
			d.p.remove = append(d.p.remove, removal{it.id, it.key, it.size})
		}
		return d.event(Event{Kind: Stored, ID: it.id, To: m.intent.to, Size: m.intent.stored})
	case errors.Is(m.err, mailbox.ErrUnknownOutcome):
		d.p.whole = false
		return d.event(Event{Kind: Unknown, ID: it.id, Size: it.size, Reason: "the destination's answer was lost", Err: m.err})
	case r.ctx.Err() != nil, stops(m.err), d.broken(m.err):
		d.p.whole = false
		return nil // told by the error of the group
	}
	return d.refused(m, m.err)
}

// flagsOf are the flags that a copy gets: not those that are the server's own,
// or about to delete it.
func flagsOf(flags []mailbox.Flag) []mailbox.Flag {
	var kept []mailbox.Flag
	for _, f := range flags {
		if f != `\Recent` && f != mailbox.FlagDeleted {
			kept = append(kept, f)
		}
	}
	return kept
}
