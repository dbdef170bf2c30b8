package transfer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

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
	close   func() // the queue
	ended   bool
	wg      sync.WaitGroup
	ctx     context.Context // of the commits
	cancel  context.CancelFunc

	again   []item // could not be read; tried once more
	last    bool   // this is that time
	failing int    // messages in a row that the source failed on
	orphans orphans
}

// committers is how many groups are committed at a time where the destination
// confirms a group at a time: while one waits for its octets the other waits for
// its names. Elsewhere one keeps the order.
const committers = 2

// deliver begins to move messages of a folder. The caller must call end, and
// abandon in any case.
func (r *run) deliver(p *plan) *delivery {
	d := &delivery{r: r, p: p, queue: make(chan *group, 1), results: make(chan *group, 3)}
	n := 1
	d.ctx, d.cancel = context.WithCancel(r.ctx)
	if _, ok := r.dst.(batch.Batcher); ok {
		// Messages that were read whole are stored though the run is to end: on a
		// local disk that takes no time.
		n = committers
		d.ctx, d.cancel = context.WithCancel(context.WithoutCancel(r.ctx))
	}
	d.close = sync.OnceFunc(func() { close(d.queue) })
	for range n {
		d.wg.Go(func() {
			for g := range d.queue {
				g.commit(d.ctx, r.ledger)
				d.results <- g
			}
		})
	}
	go func() {
		d.wg.Wait()
		close(d.results)
	}()
	return d
}

// end ends the delivery after err, and waits for all of it.
func (d *delivery) end(err error) error {
	err = d.finish(err)
	d.ended = true
	if e := d.r.ledger.sync(); err == nil {
		err = e
	}
	return err
}

// abandon is for a loop that panicked: what it began must not go on behind the
// next run's back.
func (d *delivery) abandon() {
	if d.ended {
		return
	}
	d.cancel()
	if d.group != nil {
		d.group.close()
	}
	d.close()
	for range d.results {
	}
}

// fetch moves what the plan has so far.
func (d *delivery) fetch() error {
	todo, err := d.r.choose(d.p)
	if err != nil || len(todo) == 0 {
		return err
	}
	d.look()
	if d.r.opts.DryRun {
		return d.wouldStore(todo)
	}
	return d.run(todo)
}

// wouldStore tells what would be fetched.
func (d *delivery) wouldStore(todo []item) error {
	r, p := d.r, d.p
	for _, it := range todo {
		r.done++
		r.doneBytes += it.size
		why := "it is new"
		if it.again || d.mayBeKnown(tag(it.id.Epoch())) {
			why = "it is read, and stored unless its digest shows that it is already"
		}
		if err := r.tell(Event{Kind: Stored, Folder: p.job.from.Name, Target: p.job.target, ID: it.id, Size: it.size, Reason: why}); err != nil {
			return err
		}
		if due, _ := r.opts.Remove.due(it.size, r.now, r.now); due {
			p.remove.add(it.id, it.size)
		}
	}
	return nil
}

func (d *delivery) run(todo []item) error {
	d.last, d.failing = false, 0
	if err := d.pass(todo); err != nil {
		return err
	}
	if len(d.again) == 0 {
		return nil
	}
	todo, d.again, d.last, d.failing = d.again, nil, true, 0
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

// read reads messages. One that the source fails on as a whole is left out, and
// the others are asked for again.
func (d *delivery) read(todo []item) error {
	d.left = make(map[mailbox.ID]item, len(todo))
	for _, it := range todo {
		d.left[it.id] = it
	}
	for again := true; again; {
		var err error
		if again, err = d.stream(todo); err != nil {
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

// stream reads those of todo that are left. It is to be called again if one of
// them has failed.
func (d *delivery) stream(todo []item) (again bool, err error) {
	ids, sizes := make([]mailbox.ID, 0, len(d.left)), make([]int64, 0, len(d.left))
	for _, it := range todo {
		if _, ok := d.left[it.id]; ok {
			ids, sizes = append(ids, it.id), append(sizes, max(0, it.size))
		}
	}
	for m, err := range mailbox.Fetch(d.r.ctx, d.r.src, ids, &mailbox.FetchOptions{Sizes: sizes, Fields: mailbox.FieldFlags | mailbox.FieldReceived}) {
		if err != nil {
			it, ok := d.left[named(err)]
			if !ok || d.r.ctx.Err() != nil || everywhere(err) || errors.Is(err, mailbox.ErrStale) {
				return false, d.r.ofFolder(err)
			}
			delete(d.left, it.id)
			return d.without(it, err)
		}
		it, ok := d.left[m.ID]
		if !ok {
			continue // not asked for
		}
		delete(d.left, m.ID)
		if err := d.take(it, m); err != nil {
			return false, err
		}
		if err := d.drain(); err != nil {
			return false, err
		}
	}
	return false, nil
}

// mostFailed messages in a row that cannot be opened are the folder's fault: each
// costs a list.
const mostFailed = 100

// without leaves a message out that the source fails on.
func (d *delivery) without(it item, err error) (again bool, _ error) {
	if err := d.unread(it, err); err != nil {
		return false, err
	}
	if d.failing++; d.failing < mostFailed {
		return len(d.left) > 0, nil
	}
	if !d.last {
		return false, d.r.ofFolder(fmt.Errorf("no message can be read: %w", err))
	}
	for _, it := range d.left {
		if err := d.unread(it, err); err != nil {
			return false, err
		}
	}
	clear(d.left)
	return false, nil
}

// named is the message that an error names, zero if it names none.
func named(err error) mailbox.ID {
	var e *mailbox.Error
	if errors.As(err, &e) {
		return e.ID
	}
	return mailbox.ID{}
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
			return r.inTarget(err)
		}
	}
	in := &msg{
		item:   it,
		entry:  entry{key: it.key, folder: d.p.job.tag, epoch: tag(it.id.Epoch()), size: it.size, at: seconds(r.now), seen: true},
		intent: &intent{id: it.id, target: target},
		opts:   mailbox.AppendOptions{Flags: flagsOf(m.Flags), Received: m.Received},
	}
	body := d.src.reset(m.Body, it.size)
	if it.again || d.mayBeKnown(in.entry.epoch) {
		sp, err := spooledAsIs(body)
		if err != nil {
			return d.failed(in, body, err)
		}
		defer sp.Close()
		if known, err := d.known(in, body); known || err != nil {
			d.readWhole(body)
			return err
		}
		body = newSource(sp.NewReader())
	}
	if err := d.group.add(r.ctx, in, body); err != nil {
		return d.failed(in, body, err)
	}
	if d.group.batch != nil {
		r.refused = 0
	}
	d.readWhole(body)
	if err := d.event(Event{Kind: Read, ID: it.id, Size: body.n}); err != nil || !d.group.full() {
		return err
	}
	return d.flush()
}

// readWhole counts a message that was read.
func (d *delivery) readWhole(body *source) {
	d.failing = 0
	d.r.done++
	d.r.doneBytes += body.n
}

// failed is a message that could not be read, or not be taken.
func (d *delivery) failed(m *msg, body *source, err error) error {
	switch {
	case d.r.ctx.Err() != nil:
		return d.r.ended(err)
	case body.err != nil:
		return d.unread(m.item, err)
	}
	return d.refused(m, err)
}

// unread is a message whose body was cut, or that could not be opened.
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
	switch {
	case ofTarget(err):
		return d.r.inTarget(err)
	case everywhere(err) || broken(err):
		return err
	case errors.Is(err, mailbox.ErrTooLarge): // that is the message's fault for certain
	default:
		if d.r.refused++; d.r.refused >= mostRefusals {
			return fmt.Errorf("the destination refuses everything: %w", err)
		}
	}
	if errors.Is(err, mailbox.ErrProtocol) {
		// A refusal in words that are not the protocol's, or a server out of order:
		// the message is not given up.
		d.p.whole = false
		return d.event(Event{Kind: Failed, ID: m.item.id, Size: m.item.size, Reason: "the destination failed over it", Err: err})
	}
	letter := &DeadLetter{ID: m.item.id, Reason: shortened(err.Error()), Since: d.r.now}
	if e := d.r.ledger.bury(m.entry, letter); e != nil {
		return e
	}
	return d.event(Event{Kind: Dead, ID: m.item.id, Size: m.item.size, Reason: letter.Reason, Err: err})
}

// shortened bounds what the journal keeps of a reason.
func shortened(s string) string {
	if len(s) > 500 {
		s = s[:500]
	}
	return strings.ToValidUTF8(s, "")
}

// flagsOf are the flags that a copy gets: not those that are the server's own, or
// about to delete it.
func flagsOf(flags []mailbox.Flag) []mailbox.Flag {
	var kept []mailbox.Flag
	for _, f := range flags {
		if f != `\Recent` && f != mailbox.FlagDeleted && sound(f) {
			kept = append(kept, f)
		}
	}
	return kept
}

// sound reports whether a flag is one (RFC 9051 section 9: an atom). A destination
// would refuse the whole message for the sake of another's odd keyword.
func sound(f mailbox.Flag) bool {
	atom := strings.TrimPrefix(string(f), `\`)
	return atom != "" && len(atom) < 200 && !strings.ContainsFunc(atom, func(c rune) bool {
		return c <= ' ' || c > '~' || strings.ContainsRune(`(){%*"\]`, c)
	})
}
