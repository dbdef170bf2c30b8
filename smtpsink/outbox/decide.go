package outbox

import (
	"fmt"
	"time"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/smtpsink"
)

// Decision is what is done about a message of which nobody knows whether the
// server took it.
type Decision int

// The decisions.
const (
	// Hold leaves it until somebody decides.
	Hold Decision = iota
	// Resend sends it again, the same octets with the same Message-ID, to those
	// recipients of whom that is unknown. They may get it twice.
	Resend
	// Accept takes it for sent.
	Accept
	// Drop takes it out of the outbox.
	Drop
)

// Decide settles what became of a message that is Unknown. Hold does nothing.
// mailbox.ErrNotFound: there is no such message (any more), or nothing about it is
// to be decided; mailbox.ErrBusy: it is just being worked on. What is decided is
// durable when it returns nil.
func (o *Outbox) Decide(id ID, d Decision) error {
	return o.change("decide", id, func(it *item) error {
		if !it.st.unknown() {
			return fmt.Errorf("message %s is %s, not unknown: %w", id, it.state(), mailbox.ErrNotFound)
		}
		return o.decide(it, d)
	})
}

// decide does what was decided. The outbox is locked.
func (o *Outbox) decide(it *item, d Decision) error {
	now := time.Now()
	switch d {
	case Hold:
		return nil
	case Resend:
		it.st.turn(smtpsink.Unknown, smtpsink.NotSent)
		it.st.Resent++
		it.st.Mark = markNone
		it.st.Next = now
	case Accept:
		it.st.turn(smtpsink.Unknown, smtpsink.Accepted)
		it.st.CopyNext = now
	case Drop:
		return o.drop(it)
	default:
		return fmt.Errorf("there is no such decision as %d", d)
	}
	it.st.At, it.st.Err = now, ""
	return o.noteOrDrop(it)
}

// Retry has a message sent at once, be it queued or dead, to those recipients who
// have not got it, whatever its NotBefore and Expires, and with the whole lifetime
// before it. If only its copy is missing, that is filed; one whose file could not
// be read is read again. A message that is Unknown
// waits for Decide: mailbox.ErrUnknownOutcome. The other errors are those of
// Decide.
func (o *Outbox) Retry(id ID) error {
	return o.change("retry", id, func(it *item) error {
		now := time.Now()
		switch {
		case it.broken != nil:
			return o.reread(it)
		case it.st.unknown():
			return fmt.Errorf("message %s: %w: use Decide", id, mailbox.ErrUnknownOutcome)
		}
		s := &it.st
		if it.state() == Dead {
			s.Mark = markNone
			s.turn(smtpsink.Rejected, smtpsink.NotSent)
			if s.Copy == copyFailed {
				s.Copy, s.CopyTries = copyDue, 0
			}
		}
		s.At, s.Since, s.Next, s.CopyNext = now, now, now, now
		return o.ledger.note(&it.st)
	})
}

// Flush has all that is queued sent at once, and copies filed that are due: for
// when the network is back. Messages whose NotBefore has not come are left.
func (o *Outbox) Flush() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return fault("flush", mailbox.ErrClosed)
	}
	for _, it := range o.items {
		if !it.busy && !it.st.unknown() {
			it.st.Next, it.st.CopyNext = time.Time{}, time.Time{}
			o.plan(it)
		}
	}
	o.hurry()
	return nil
}

// Remove takes a message out of the outbox, whatever its state. The errors are
// those of Decide.
func (o *Outbox) Remove(id ID) error {
	return o.change("remove", id, o.drop)
}

// change does something to a message and makes it durable.
func (o *Outbox) change(op string, id ID, f func(*item) error) error {
	o.mu.Lock()
	it, err := o.find(op, id)
	if err == nil && it.busy {
		err = fault(op, fmt.Errorf("message %s is being worked on, try again later: %w", id, mailbox.ErrBusy))
	}
	if err == nil {
		if err = f(it); err != nil {
			err = fault(op, err)
		}
		o.plan(it)
		o.hurry()
	}
	o.mu.Unlock()
	if err != nil {
		return err
	}
	return o.settle()
}

// hurry ends a pause: somebody wants something done. The outbox is locked.
func (o *Outbox) hurry() {
	if o.run != nil {
		o.run.send.pause = time.Time{}
	}
	o.wake()
}

// noteOrDrop notes what has happened to a message, and drops it if that was all.
// The outbox is locked.
func (o *Outbox) noteOrDrop(it *item) error {
	if it.over() {
		return o.drop(it)
	}
	return o.ledger.note(&it.st)
}
