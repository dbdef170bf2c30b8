package outbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/postroom-go/postroom/internal/disk"
	"github.com/postroom-go/postroom/internal/journal"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/smtpsink"
)

// Outbox is an outbox that this process works on. All methods are safe for
// concurrent use.
type Outbox struct {
	spool  *Spool
	ledger *ledger
	opts   Options

	mu    sync.Mutex
	items map[ID]*item
	gone  map[ID]tomb // whose file, or key, is still to be remembered
	// orphans are what the journal knows of messages that are not there: their
	// names were never durable. One may come again by its key.
	orphans  map[ID]*status
	doubt    doubt
	run      *run // nil if none is under way
	closed   bool
	unwanted []*item // whose files are to be removed once the journal is synced
	removing sync.Mutex
}

// Open opens the outbox in a directory, and makes it, mode 0700, if it is not
// there. What was being handed over when the last process that had it open
// ended is Unknown. If another process has it open, or another Outbox of this
// one, that is mailbox.ErrBusy; it can be enqueued to by OpenSpool.
func Open(dir string, opts *Options) (*Outbox, error) {
	d, err := disk.OpenNew(dir)
	if err != nil {
		return nil, fault("open", err)
	}
	o, err := openOn(d, opts)
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	o.spool.own = true
	return o, nil
}

func openOn(d disk.Dir, opts *Options) (*Outbox, error) {
	o := &Outbox{opts: opts.withDefaults(), items: map[ID]*item{}, gone: map[ID]tomb{}, orphans: map[ID]*status{}}
	var err error
	if o.spool, err = newSpool(d); err != nil {
		return nil, fault("open", err)
	}
	o.ledger, err = openLedger(d, func(s *status) {
		delete(o.gone, s.ID)
		delete(o.orphans, s.ID)
		switch {
		case s.ID == doubtID:
			o.doubt = doubtOf(s)
		case s.Mark == markGone:
			o.gone[s.ID] = tomb{s.At, s.Was, s.Keyed}
		default:
			o.orphans[s.ID] = s
		}
	})
	switch {
	case errors.Is(err, disk.ErrLocked):
		return nil, fault("open", fmt.Errorf("%w: another process works on this outbox: enqueue by OpenSpool: %w", mailbox.ErrBusy, err))
	case isAny(err, journal.ErrFormat), notRead(err):
		return nil, fault("open", fmt.Errorf("the journal cannot be read, or its beginning is damaged, or it is not an outbox's: if that lasts, move it away, and "+
			"all that is in the queue is Unknown; an older one from a backup would have it sent again: %w", err))
	case err != nil:
		return nil, fault("open", err)
	}
	if err := errors.Join(o.doubtLost(), o.sweep(), o.settle()); err != nil {
		return nil, errors.Join(fault("open", err), o.ledger.close())
	}
	o.ledger.most = 2*(len(o.items)+len(o.gone)+len(o.orphans)) + spare
	return o, nil
}

// Close ends a Run that is under way, cutting what is being sent, and frees the
// outbox for other processes. Later calls fail with mailbox.ErrClosed. To let
// what is being sent come to its end, end Run's context first.
func (o *Outbox) Close() error {
	o.mu.Lock()
	if o.closed {
		o.mu.Unlock()
		return nil
	}
	o.closed = true
	r := o.run
	o.mu.Unlock()
	if r != nil {
		r.cut(fault("run", mailbox.ErrClosed))
		<-r.ended
	}
	err := o.settle()
	if err == nil {
		err = o.compact()
	}
	return errors.Join(err, o.ledger.close(), o.spool.Close())
}

// Enqueue takes a message in, to be sent by Run: when it returns nil, no crash
// loses it. message is read once and stored as it is; if reading it fails, so does
// Enqueue, and nothing is left. Several calls at a time share the waits for the
// disk. mailbox.ErrUnknownOutcome says that the disk has failed late, and the
// message may be sent all the same.
//
// The caller should give the message a Message-ID: it is the same whenever the
// message is sent, so that two copies can be told for one.
func (o *Outbox) Enqueue(ctx context.Context, env *smtpsink.Envelope, message io.Reader, opts *EnqueueOptions) (ID, error) {
	o.mu.Lock()
	if o.closed {
		o.mu.Unlock()
		return "", fault("enqueue", mailbox.ErrClosed)
	}
	if opts != nil && opts.Key != "" {
		id := keyID(opts.Key)
		if o.items[id] != nil || o.remembers(id) {
			o.mu.Unlock()
			return id, nil
		}
	}
	o.mu.Unlock()
	id, it, err := o.spool.enqueue(ctx, env, message, opts)
	if err != nil || it == nil {
		return id, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.admit(it)
	o.wake()
	return id, nil
}

// remembers reports whether the message of an ID has left the outbox not long
// ago.
func (o *Outbox) remembers(id ID) bool {
	s, ok := o.gone[id]
	return ok && s.keyed && time.Since(s.at) < o.opts.Remember && !o.opts.off.keys
}

// tomb is what is remembered of a message that is gone: since when, when it was
// enqueued, and whether it had a key.
type tomb struct {
	at, was time.Time
	keyed   bool
}

func (t tomb) status(id ID) *status {
	return &status{ID: id, Mark: markGone, Keyed: t.keyed, At: t.at, Was: t.was}
}

// drop takes a message out of the outbox. The outbox is locked.
func (o *Outbox) drop(it *item) error {
	t := tomb{time.Now(), it.meta.Enqueued, it.st.Keyed}
	if err := o.ledger.note(t.status(it.id)); err != nil {
		return err
	}
	it.st.Mark = markGone
	delete(o.items, it.id)
	delete(o.orphans, it.id) // if its file could not be read
	o.plan(it)
	o.gone[it.id] = t
	o.unwanted = append(o.unwanted, it)
	return nil
}

// lose forgets a message whose file is not there: somebody has removed it, or its
// Enqueue has failed at last, and may be tried again with the same key. The outbox
// is locked.
func (o *Outbox) lose(it *item) {
	delete(o.items, it.id)
	if s := it.st; !s.At.IsZero() {
		o.orphans[it.id] = &s
	}
	it.st.Mark = markGone
}

// open opens the file of a message. What has come in its place since, by the same
// key, is another message, and the next scan finds it.
func (o *Outbox) open(it *item) (*stored, error) {
	s, err := openStored(o.spool.dir, it.id.file())
	if err == nil && !it.meta.Enqueued.IsZero() && !s.meta.is(&it.meta) {
		return nil, errors.Join(fs.ErrNotExist, s.f.Close())
	}
	return s, err
}

// settle makes durable what was noted, and removes the files of what is gone.
func (o *Outbox) settle() error {
	o.mu.Lock()
	unwanted := o.unwanted
	o.unwanted = nil
	o.mu.Unlock()
	if !o.opts.off.gone {
		if err := o.ledger.sync(); err != nil {
			return fault("write", err)
		}
	}
	o.removing.Lock() // so that what was looked at is what is removed
	defer o.removing.Unlock()
	for _, it := range unwanted {
		if !o.replaced(it) {
			// One that stays is found by the next scan.
			_ = o.spool.dir.Remove(it.id.file())
		}
	}
	return nil
}

// replaced reports whether another message has come in the place of one that is
// gone, by the same key.
func (o *Outbox) replaced(it *item) bool {
	if !it.st.Keyed {
		return false
	}
	s, err := openStored(o.spool.dir, it.id.file())
	if err != nil {
		return false
	}
	_ = s.f.Close()
	return !s.meta.is(&it.meta)
}

// find gives a message. The outbox is locked.
func (o *Outbox) find(op string, id ID) (*item, error) {
	if o.closed {
		return nil, fault(op, mailbox.ErrClosed)
	}
	it := o.items[id]
	if it == nil {
		return nil, fault(op, fmt.Errorf("message %q: %w", id, mailbox.ErrNotFound))
	}
	return it, nil
}

// sorted gives the messages in the order in which they were enqueued. The outbox
// is locked.
func (o *Outbox) sorted() []*item {
	all := make([]*item, 0, len(o.items))
	for _, it := range o.items {
		all = append(all, it)
	}
	slices.SortFunc(all, compare)
	return all
}

func compare(a, b *item) int {
	switch {
	case a.meta.before(&b.meta):
		return -1
	case b.meta.before(&a.meta):
		return 1
	}
	return strings.Compare(string(a.id), string(b.id))
}
