package imapsrc

import (
	"context"
	"errors"
	"slices"

	"github.com/postroom-go/postroom/mailbox"
)

// How far a list runs ahead. The first flight of commands is short, so that a
// loop that is left early wastes little; later ones are long, so that their
// round trips do not show. What is read and not yet taken by the loop is never
// more than a few batches.
const (
	firstBatch   = 50
	firstFlight  = 5
	laterFlight  = 20
	batchesAhead = 2
	drainAtMost  = 4000 // messages worth reading only to keep a connection
	maxLosses    = 40   // connections in one list
	maxCulprits  = 3    // messages in a row that break the connection
)

// errYield ends an exchange whose session somebody else wants.
var errYield = errors.New("session given back")

// lister produces the batches of one List.
type lister struct {
	m      *Mailbox
	folder string
	fields mailbox.Fields
	opts   mailbox.ListOptions

	plan    plan
	started bool // the plan is made
	wary    bool // nothing is asked for before the folder is selected
	epoch   uint32
	ids     idMaker
	sent    sentUIDs
	flight  int                // most commands under way; 0 is as many as is good
	pending []*mailbox.Summary // to send when no session is held
	culprit int                // messages given up on, one after another

	out  chan []*mailbox.Summary
	stop chan struct{} // closed when the loop was left
}

// produce runs until all is sent, the loop is left, or an error.
func (l *lister) produce(ctx context.Context) error {
	losses, same, at := 0, 0, 0
	for !l.stopped() {
		err, gone := l.m.exchange(ctx, want{folder: l.folder, later: true}, l.talk)
		if n := len(l.sent.all); n > at {
			same, at = 0, n
		}
		switch {
		case err == nil:
			return nil
		case errors.Is(err, errYield):
		case !gone || ctx.Err() != nil || losses == maxLosses:
			return err
		default:
			losses++
			same++
			if err := l.lostAt(ctx, same, err); err != nil {
				return err
			}
		}
		if sums := l.pending; sums != nil {
			l.pending = nil
			l.send(ctx, sums)
		}
		if l.started && l.plan.left() == 0 {
			return nil
		}
	}
	return nil
}

func (l *lister) stopped() bool {
	select {
	case <-l.stop:
		return true
	default:
		return false
	}
}

// send hands a batch to the loop while no session is held.
func (l *lister) send(ctx context.Context, sums []*mailbox.Summary) {
	select {
	case l.out <- sums:
	case <-l.stop:
	case <-ctx.Done():
	}
}

// lostAt decides how to go on after the connection was lost for the nth time at
// the same place: at once, then with the batch cut in halves until one message
// is left, then asking less of that one, and at last without it.
func (l *lister) lostAt(ctx context.Context, n int, why error) error {
	l.m.logf("connection lost while listing", "folder", l.folder, "error", why)
	switch {
	case n < 2:
	case !l.plan.byUID || l.plan.left() == 0 || l.m.opts.test.noDegrade:
		if n > retries || l.m.opts.test.noDegrade {
			return why
		}
	default:
		b := l.plan.peek(0)
		if l.plan.failed(len(b.nums)) {
			break
		}
		if l.culprit++; l.culprit > maxCulprits {
			return why
		}
		l.giveUp(b.nums[0])
	}
	return sleep(ctx, pause(min(n, 2)))
}

// giveUp yields a message that cannot be asked for as an ID with a defect.
func (l *lister) giveUp(uid uint32) {
	l.sent.add(uid)
	l.pending = append(l.pending, &mailbox.Summary{ID: l.ids.id(uid), Defects: []mailbox.Defect{"unreadable: it breaks the connection"}})
	l.plan.done(1)
}

// talk lists on one session for as long as it may keep it.
func (l *lister) talk(s *session) error {
	var way underway
	if err := l.begin(s, &way); err != nil {
		return err
	}
	for l.plan.left() > 0 {
		if l.stopped() {
			return way.leave(s)
		}
		if err := l.ask(s, &way); err != nil {
			return err
		}
		rs, err := l.next(s, &way)
		if err != nil {
			return err
		}
		sums := l.accept(rs)
		if s.expunged.Load() > 0 && !l.plan.byUID && l.plan.left() > 0 {
			// While numbers are in use it must not, and now they may be wrong.
			if err := l.renumber(s, &way); err != nil {
				l.pending = sums
				return err
			}
		}
		if err := l.pass(s, &way, sums); err != nil {
			return err
		}
	}
	return nil
}

// pass hands a batch to the loop. If somebody else wants the session meanwhile
// the commands under way are skipped, to be sent again later, and it is given
// back: what waits for the loop never holds a connection.
func (l *lister) pass(s *session, way *underway, sums []*mailbox.Summary) error {
	select {
	case l.out <- sums:
		select {
		case <-s.asked:
		default:
			return nil
		}
	default:
		select {
		case l.out <- sums:
			return nil
		case <-l.stop:
			return way.leave(s)
		case <-s.asked:
			l.pending = sums
		}
	}
	l.flight = 1
	if l.plan.left() == 0 {
		return errYield
	}
	if l.plan.byUID {
		if err := way.leave(s); err != nil {
			return err
		}
		return errYield
	}
	if err := l.renumber(s, way); err != nil { // others may change the numbers
		return err
	}
	return errYield
}

// begin makes the plan, or checks that the folder is still the one of the plan.
func (l *lister) begin(s *session, way *underway) error {
	w := want{folder: l.folder}
	if !l.started && l.opts.IDs == nil {
		return l.enter(s, w, way)
	}
	if err := s.selectFolder(w); err != nil {
		return err
	}
	if !l.started {
		return l.first(s)
	}
	if s.sel.epoch != l.epoch && !l.m.opts.test.noEpochCheck {
		return mailbox.ErrStale
	}
	if l.plan.byUID || l.plan.left() == 0 {
		return nil
	}
	return l.renumber(s, way)
}

// enter selects the folder and makes the plan. If it is known about how many
// messages there are, the first of them are asked for in the same flight.
func (l *lister) enter(s *session, w want, way *underway) error {
	count := uint32(0)
	if n, ok := l.m.learnt.counts.Load(l.folder); ok && !l.wary {
		count = n.(uint32)
	}
	cmd, err := s.startSelect(w)
	if err != nil {
		return err
	}
	l.wary = true // until it has worked
	if count > 0 {
		l.number(count)
		if err := l.ask(s, way); err != nil {
			return err
		}
	}
	err = s.endSelect(w, cmd)
	if err != nil || s.sel.exists != count && (s.sel.exists < count || l.opts.Newest > 0 || l.opts.Reverse) {
		if lerr := way.leave(s); lerr != nil && err == nil { // it was asked for in vain
			err = lerr
		}
	}
	if err != nil {
		return err
	}
	l.wary = false
	return l.first(s)
}

// number plans for a folder of so many messages.
func (l *lister) number(exists uint32) {
	l.plan = plan{reverse: l.opts.Reverse, small: firstBatch, lo: 1, hi: exists}
	if n := l.opts.Newest; n > 0 && uint64(n) < uint64(exists) {
		l.plan.lo = exists - uint32(n) + 1
	}
}

// first makes the plan out of what the caller asked for.
func (l *lister) first(s *session) error {
	l.epoch, l.started = s.sel.epoch, true
	l.ids = idMaker{l.folder, newID("", l.epoch, 1).Epoch()}
	l.number(s.sel.exists)
	if l.opts.IDs == nil {
		return nil
	}
	l.plan.byUID = true
	for _, g := range group(l.opts.IDs) {
		if g.folder != l.folder || g.stale(l.epoch) && !l.m.opts.test.noEpochCheck {
			return mailbox.ErrStale
		}
		l.plan.uids = g.uids
	}
	if n := l.opts.Newest; n > 0 && n < len(l.plan.uids) {
		l.plan.uids = l.plan.uids[len(l.plan.uids)-n:]
	}
	return nil
}

// renumber turns what is left of the plan from numbers into UIDs: those beyond
// what was sent. What is under way is skipped.
func (l *lister) renumber(s *session, way *underway) error {
	if err := way.leave(s); err != nil {
		return err
	}
	left := l.plan.left()
	from, to := uint32(1), ^uint32(0)
	if len(l.sent.all) > 0 {
		if l.plan.reverse {
			to = slices.Min(l.sent.all) - 1
		} else if from = slices.Max(l.sent.all) + 1; from == 0 {
			to = 0
		}
	}
	if to == 0 {
		l.plan.goByUID(nil)
		return nil
	}
	uids, err := s.searchUIDs(from, to)
	if err != nil {
		return err
	}
	l.plan.goByUID(uids)
	if l.opts.Newest > 0 && len(l.plan.uids) > left {
		l.plan.uids = l.plan.uids[len(l.plan.uids)-left:]
	}
	return nil
}
