package outbox

import (
	"errors"
	"fmt"
	"time"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/smtpsink"
)

// A record of the journal that the disk has damaged may have said that a message
// was handed over. The journal tells which messages that cannot be: those of which
// it has a newer record. All others are in doubt, and are asked about rather than
// sent: what is in the queue, and whatever comes with a key as long as keys are
// remembered, since it may have come before.

// ErrDoubt: the journal was damaged, and may have forgotten what was sent.
var ErrDoubt = errors.New("the journal of the outbox was damaged")

// doubtID names the record that says that there is doubt. No message has it.
const doubtID ID = "00000000000000000000000000000000"

const whyDoubt = "the journal of the outbox was damaged, and this may have been sent"

// doubt is what is known about damage of the journal.
type doubt struct {
	since time.Time // when it was found; zero if none is to be thought of
	all   bool      // while what is in the queue is taken in
}

func (d doubt) status() *status {
	s := &status{ID: doubtID, At: d.since}
	if !d.since.IsZero() {
		s.Mark = markDoubt
	}
	return s
}

func doubtOf(s *status) doubt {
	if s.Mark != markDoubt {
		return doubt{}
	}
	return doubt{since: s.At}
}

// Doubt is nil if all is known that has become of the messages in the outbox and
// of those whose keys are remembered. Else the journal has been damaged, and the
// error is ErrDoubt, and says since when. What was in the outbox then and may have
// been sent is Unknown, as is each message with a key that comes until
// Options.Remember has passed, or until Trust is called, unless the journal knows
// its key. Other messages are not affected.
func (o *Outbox) Doubt() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.doubtful() {
		return nil
	}
	since := o.doubt.since.UTC()
	return fault("doubt", fmt.Errorf("%w, which was found at %s: call Decide for what is Unknown, and Trust if no message comes with a key that was sent "+
		"before, or wait until %s", ErrDoubt, since.Format(time.RFC3339), since.Add(o.opts.Remember).Format(time.RFC3339)))
}

// Trust ends Doubt: messages that come with a key from now on are taken for new
// unless the journal knows better. What is Unknown stays so. It is durable when it
// returns nil.
func (o *Outbox) Trust() error {
	o.mu.Lock()
	if o.closed {
		o.mu.Unlock()
		return fault("trust", mailbox.ErrClosed)
	}
	o.doubt = doubt{}
	err := o.ledger.note(o.doubt.status())
	o.mu.Unlock()
	if err != nil {
		return fault("trust", err)
	}
	return o.settle()
}

// doubtful reports whether the journal may have forgotten keys. The outbox is
// locked.
func (o *Outbox) doubtful() bool {
	return !o.doubt.since.IsZero() && time.Since(o.doubt.since) < o.opts.Remember
}

// doubtLost takes in what is in the queue, and asks about what the journal may have
// forgotten.
func (o *Outbox) doubtLost() error {
	last, lost := o.ledger.lost()
	if !lost || o.opts.off.doubt {
		return o.scan()
	}
	now := time.Now()
	o.doubt = doubt{since: now, all: true}
	for _, s := range o.orphans {
		if s.nth <= last {
			s.Mark, s.At = markDoubt, now
		}
	}
	err := o.scan()
	o.doubt.all = false
	if err != nil {
		return err
	}
	return o.rewrite() // and it does not say any more that it has lost something
}

// mayBeForgotten reports whether something may have become of a message of which
// the journal says nothing. The outbox is locked.
func (o *Outbox) mayBeForgotten(it *item) bool {
	return o.doubt.all || o.doubtful() && it.st.Keyed
}

// hold asks about a message of which nothing is known. The outbox is locked.
func (o *Outbox) hold(it *item) {
	s := &it.st
	if it.broken != nil { // until it can be read
		s = &status{ID: it.id, Keyed: true, Mark: markDoubt, At: time.Now()}
		o.orphans[it.id] = s
	} else {
		s.Mark = markDoubt
		o.recover(it)
	}
	// It is short. Should it be lost with the power, the doubt is not.
	_ = o.ledger.note(s)
}

// doubt is for a message that may have been sent to anybody who is not known to
// have got it.
func (s *status) doubt(n int, now time.Time) {
	s.fit(n)
	for i := range s.Rcpts {
		if s.Rcpts[i].Outcome != smtpsink.Accepted {
			s.Rcpts[i] = rcpt{Outcome: smtpsink.Unknown}
		}
	}
	s.Mark, s.At, s.Next = markNone, now, now
	if s.Err = whyDoubt + ". Before that: " + s.Err; s.Err == whyDoubt+". Before that: " {
		s.Err = whyDoubt
	}
}
