package outbox

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/smtpsink"
)

// State is where a message in the outbox is on its way.
type State int

// The states. A message that was sent, and whose copy is filed if one is to be,
// is not in the outbox any more.
const (
	// Queued: it is to be sent, for the first time or again; Entry.Next says
	// when.
	Queued State = iota
	// Sending: it is being sent.
	Sending
	// Unknown: it was handed over and nobody knows whether the server took it; or
	// the journal was damaged and may have forgotten so much (Outbox.Doubt).
	// Entry.Receipt says for whom. It waits for Outbox.Decide, or does what
	// RunOptions say.
	Unknown
	// Accepted: it is sent; its copy is still to be filed.
	Accepted
	// Dead: it was refused, or its time ran out; Entry.LastError says why. Or it
	// is sent, and its copy could not be filed. It stays until Outbox.Retry or
	// Outbox.Remove.
	Dead
	// Done: it has left the outbox. Only RunOptions.Notify tells of it.
	Done
)

// String names the state.
func (s State) String() string {
	switch s {
	case Queued:
		return "queued"
	case Sending:
		return "sending"
	case Unknown:
		return "unknown"
	case Accepted:
		return "accepted"
	case Dead:
		return "dead"
	case Done:
		return "done"
	}
	return fmt.Sprintf("State(%d)", int(s))
}

// Entry is a message in the outbox as it was when it was asked for. It is a copy.
type Entry struct {
	// ID is its name.
	ID ID
	// State is where it is on its way.
	State State
	// Envelope is who it is from and to, Options what it is sent with.
	Envelope smtpsink.Envelope
	Options  smtpsink.SendOptions
	// MessageID is that of its header, without angle brackets; empty if there
	// is none.
	MessageID string
	// Size is how many octets it has.
	Size int64
	// Enqueued is when it came; NotBefore and Expires are as they were given.
	Enqueued, NotBefore, Expires time.Time
	// Tries is how often it was tried to send it, Resent how many of these were
	// after an unknown outcome.
	Tries, Resent int
	// Next is when it is sent, looked for or filed next; zero if nothing will be
	// done by itself.
	Next time.Time
	// LastError is why the last try failed; empty if none has.
	LastError string
	// Receipt is what is known so far, of all recipients in the order of the
	// envelope. It is never nil.
	Receipt *smtpsink.Receipt
	// CopyTries is how often the copy could not be filed.
	CopyTries int

	open func() (io.ReadCloser, error)
}

// Open gives the message as it was enqueued: mailbox.ErrNotFound if it is not in
// the outbox any more. A file that was damaged is an error at its end at the
// latest.
func (e *Entry) Open() (io.ReadCloser, error) { return e.open() }

// item is a message in memory.
type item struct {
	id   ID
	meta meta
	size int64
	st   status
	// broken is why its file cannot be read.
	broken error

	busy  bool // a job works on it
	told  told
	lane  *lane
	index int // in the lane
	due   time.Time
	job   job
}

func newItem(id ID, m *meta, size int64) *item {
	return &item{id: id, meta: *m, size: size, st: status{ID: id, Keyed: m.Keyed}}
}

func (it *item) state() State {
	switch {
	case it.st.Mark == markGone:
		return Done
	case it.broken != nil:
		return Dead
	case it.busy && it.job == jobSend || it.st.Mark == markSending:
		return Sending
	case it.st.unknown():
		return Unknown
	case it.st.Mark == markDead || it.st.Copy == copyFailed:
		return Dead
	case len(it.st.pending(len(it.meta.To))) > 0:
		return Queued
	case it.st.Copy == copyDue:
		return Accepted
	}
	return Dead
}

// over reports whether nothing is left to be done or decided.
func (it *item) over() bool {
	if it.broken != nil || it.st.Mark == markDead || it.st.Copy == copyDue || it.st.Copy == copyFailed {
		return false
	}
	return it.st.Rcpts != nil && !it.st.unknown() && len(it.st.pending(len(it.meta.To))) == 0 && !it.st.any(smtpsink.Rejected)
}

// entry is the message as callers see it. The outbox is locked.
func (o *Outbox) entry(it *item) *Entry {
	e := &Entry{
		ID: it.id, State: it.state(),
		Envelope: smtpsink.Envelope{From: it.meta.From, To: slices.Clone(it.meta.To)},
		Options:  clonedOptions(it.meta.Options), MessageID: it.meta.MessageID, Size: it.size,
		Enqueued: it.meta.Enqueued, NotBefore: it.meta.NotBefore, Expires: it.meta.Expires,
		Tries: it.st.Tries, Resent: it.st.Resent, LastError: it.st.Err, CopyTries: it.st.CopyTries,
		Receipt: it.receipt(),
	}
	switch e.State {
	case Queued:
		if e.Next = it.sendAt(); o.run != nil && o.run.send.pause.After(e.Next) {
			e.Next = o.run.send.pause
		}
	case Accepted:
		e.Next = it.st.CopyNext
	case Unknown:
		if it.lane != nil {
			e.Next = it.due
		}
	}
	switch refused := e.Receipt.Refused(); {
	case it.broken != nil:
		e.LastError = it.broken.Error()
	case e.State == Dead && e.LastError == "" && len(refused) > 0 && refused[0].Reply != nil:
		// Others have got it in the last try, which went well.
		e.LastError = fmt.Sprintf("recipient %s: %v", refused[0].Address, refused[0].Reply)
	}
	id := it.id
	e.open = func() (io.ReadCloser, error) {
		s, err := o.open(it)
		switch {
		case isAny(err, fs.ErrNotExist):
			return nil, fault("open", fmt.Errorf("message %s: %w", id, mailbox.ErrNotFound))
		case err != nil:
			return nil, fault("open", fmt.Errorf("message %s: %w", id, err))
		}
		return s.body(context.Background(), nil), nil
	}
	return e
}

// sendAt is when it is to be sent next.
func (it *item) sendAt() time.Time {
	at := it.meta.Enqueued
	if at.After(time.Now()) {
		at = time.Time{} // the clock was set back
	}
	if it.meta.NotBefore.After(at) && it.st.Since.IsZero() {
		at = it.meta.NotBefore
	}
	if it.st.Next.After(at) {
		at = it.st.Next
	}
	return at
}

// receipt is what is known about the message.
func (it *item) receipt() *smtpsink.Receipt {
	r := &smtpsink.Receipt{QueueID: it.st.Queue, Reply: cloned(it.st.Reply)}
	rank := map[smtpsink.Outcome]int{smtpsink.Rejected: 1, smtpsink.Accepted: 2, smtpsink.Unknown: 3}
	for i, address := range it.meta.To {
		one := smtpsink.Recipient{Address: address}
		if it.st.Rcpts != nil {
			one.Outcome, one.Reply = it.st.Rcpts[i].Outcome, cloned(it.st.Rcpts[i].Reply)
		}
		if rank[one.Outcome] > rank[r.Outcome] {
			r.Outcome = one.Outcome
		}
		r.Recipients = append(r.Recipients, one)
	}
	if r.Outcome == smtpsink.Accepted {
		r.Octets = it.meta.Wire
	}
	return r
}

// cloned is a copy, for callers to do with what they like.
func cloned[T any](v *T) *T {
	if v == nil {
		return nil
	}
	c := *v
	return &c
}

// clonedOptions is a copy that shares nothing.
func clonedOptions(o smtpsink.SendOptions) smtpsink.SendOptions {
	if o.DSN = cloned(o.DSN); o.DSN != nil {
		o.DSN.Notify, o.DSN.Original = slices.Clone(o.DSN.Notify), maps.Clone(o.DSN.Original)
	}
	return o
}

// List lists the messages in the outbox in the order in which they were
// enqueued, as they were when the loop began. Any method may be called in the
// loop.
func (o *Outbox) List() iter.Seq2[*Entry, error] {
	return func(yield func(*Entry, error) bool) {
		o.mu.Lock()
		if o.closed {
			o.mu.Unlock()
			yield(nil, fault("list", mailbox.ErrClosed))
			return
		}
		var all []*Entry
		for _, it := range o.sorted() {
			all = append(all, o.entry(it))
		}
		o.mu.Unlock()
		for _, e := range all {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// Get gives one message, mailbox.ErrNotFound if it is not in the outbox (any
// more).
func (o *Outbox) Get(id ID) (*Entry, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	it, err := o.find("get", id)
	if err != nil {
		return nil, err
	}
	return o.entry(it), nil
}
