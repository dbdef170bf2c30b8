package outbox

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/postroom-go/postroom/smtpsink"
)

// sendOne tries to send a message to those who have not got it.
func (r *run) sendOne(it *item) (verdict, error) {
	o := r.o
	o.mu.Lock()
	meta, st := &it.meta, &it.st
	to := st.pending(len(meta.To))
	if o.opts.off.again {
		st.Rcpts = nil
		to = st.pending(len(meta.To))
	}
	now := time.Now()
	if why := tooLate(it, now); why != "" {
		defer o.mu.Unlock()
		st.Mark, st.At, st.Err = markDead, now, why
		return verdict{}, o.ledger.note(&it.st)
	}
	env := &smtpsink.Envelope{From: meta.From}
	for _, i := range to {
		env.To = append(env.To, meta.To[i])
	}
	opts := sendOptions(meta, now)
	o.mu.Unlock()

	t := &try{to: to, env: env, partial: opts.Partial}
	var broken error // of the disk or the journal
	file, err := o.open(it)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		o.mu.Lock()
		defer o.mu.Unlock()
		o.lose(it)
		return verdict{}, nil
	case unreadable(err):
		o.mu.Lock()
		defer o.mu.Unlock()
		it.broken = err
		return verdict{}, nil
	case err != nil:
		return verdict{}, fault("run", err)
	default:
		b := file.body(r.ctx, func() error {
			broken = o.intend(it)
			return broken
		})
		b.unsure = o.opts.off.whole
		t.receipt, t.err = r.sender.Send(r.ctx, env, b, opts)
		_ = b.Close()
		t.cut = !b.done
		if b.err != nil && t.overall() == smtpsink.NotSent {
			t.err = errors.Join(t.err, b.err)
			if broken == nil && t.cut && unreadable(b.err) && !errors.Is(b.err, errDamaged) {
				o.mu.Lock()
				defer o.mu.Unlock()
				it.broken = b.err
				return verdict{}, nil
			}
		}
	}
	t.ended = r.ctx.Err() != nil
	o.mu.Lock()
	defer o.mu.Unlock()
	v := o.sent(it, t)
	if r.opts.Sent == nil && st.Copy == copyDue {
		st.Copy = copyDone
	}
	if broken != nil {
		return verdict{again: true}, broken
	}
	return v, o.noteOrDrop(it)
}

// intend notes that the last octets of a message are about to be handed over,
// and waits for that to be durable.
func (o *Outbox) intend(it *item) error {
	if o.opts.off.intent {
		return nil
	}
	o.mu.Lock()
	it.st.Mark, it.st.At = markSending, time.Now()
	err := o.ledger.note(&it.st)
	o.mu.Unlock()
	if err == nil && !o.opts.off.wait {
		err = o.ledger.sync()
	}
	if err != nil {
		return fault("write", err)
	}
	return nil
}

// sent takes in what came of a try, and says when the next one is. The outbox is
// locked.
func (o *Outbox) sent(it *item, t *try) verdict {
	now := time.Now()
	st := &it.st
	v := st.take(len(it.meta.To), t, now)
	switch {
	case v.again || st.Mark == markDead:
	case len(st.pending(len(it.meta.To))) > 0:
		last := o.deadline(it)
		if !now.Before(last) {
			st.Mark = markDead
			break
		}
		if e := it.meta.Expires; !e.IsZero() && st.Since.IsZero() && e.Before(last) {
			last = e // to be dead in time
		}
		if st.Next = now.Add(max(o.delay(st.Tries), v.least)); st.Next.After(last) {
			st.Next = last
		}
	case st.unknown():
		st.Next = now.Add(o.opts.RetryMin) // to look for it
	}
	if st.Copy == copyDue && st.CopyNext.IsZero() {
		st.CopyNext = now
	}
	return v
}

// tooLate says why a message must not be sent any more, "" if it may.
func tooLate(it *item, now time.Time) string {
	m, by := &it.meta, it.meta.Expires
	if o := &m.Options; o.DeliverBy > 0 && !o.DeliverByNotify {
		if end := m.Enqueued.Add(o.DeliverBy); by.IsZero() || end.Before(by) {
			by = end
		}
	}
	if by.IsZero() || now.Before(by) || !it.st.Since.IsZero() {
		return ""
	}
	return "it expired at " + by.UTC().Format(time.RFC3339) + " before it was sent"
}

// sendOptions are the options for now: what counts from when a message is sent
// was meant to count from when it was enqueued.
func sendOptions(m *meta, now time.Time) *smtpsink.SendOptions {
	opts := clonedOptions(m.Options)
	if opts.Size == 0 {
		opts.Size = m.Wire
	}
	gone := max(0, now.Sub(m.Enqueued)).Truncate(time.Second)
	if opts.DeliverBy > 0 {
		opts.DeliverBy = max(time.Second, opts.DeliverBy-gone)
	}
	if opts.HoldFor > 0 {
		opts.HoldFor = max(0, opts.HoldFor-gone)
	}
	if !opts.HoldUntil.IsZero() && !now.Before(opts.HoldUntil) {
		opts.HoldUntil = time.Time{}
	}
	return &opts
}

// copyOne has the copy of a message filed.
func (r *run) copyOne(it *item) error {
	o := r.o
	// That it is sent must outlast whatever happens while the copy is filed.
	err := o.settle()
	if err != nil {
		return err
	}
	o.mu.Lock()
	e := o.entry(it)
	o.mu.Unlock()
	if r.opts.Sent != nil {
		err = r.opts.Sent(r.ctx, e, e.Receipt)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	now, st := time.Now(), &it.st
	switch {
	case err == nil:
		st.Copy, st.At, st.Err = copyDone, now, ""
		return o.noteOrDrop(it)
	case r.ctx.Err() != nil:
		return nil
	}
	st.At = now
	st.CopyTries++
	st.Err = clipped(fmt.Errorf("it is sent, and its copy was not filed: %w", err))
	st.CopyNext = now.Add(o.delay(st.CopyTries))
	if !now.Before(o.deadline(it)) {
		st.Copy = copyFailed
	}
	return o.ledger.note(&it.st)
}

// decideOne finds out what became of a message, or does what the options say.
func (r *run) decideOne(it *item) error {
	o := r.o
	if r.opts.Look == nil {
		o.mu.Lock()
		defer o.mu.Unlock()
		return o.decide(it, r.opts.OnUnknown)
	}
	o.mu.Lock()
	e := o.entry(it)
	o.mu.Unlock()
	found, err := r.opts.Look(r.ctx, e)
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case r.ctx.Err() != nil:
		return nil
	case err == nil && found:
		return o.decide(it, Accept)
	case err == nil && it.st.Resent == 0:
		return o.decide(it, Resend)
	}
	now := time.Now()
	it.st.At, it.st.Next = now, now.Add(o.opts.RetryMax)
	if err != nil {
		it.st.Next = now.Add(o.opts.RetryMin)
		it.st.Err = clipped(fmt.Errorf("it is unknown whether it was taken, and looking for it failed: %w", err))
	}
	return o.ledger.note(&it.st)
}
