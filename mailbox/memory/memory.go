// Package memory is a mailbox in memory: the reference driver.
//
// It has every capability, and each can be switched off, so that a program can
// be tried against accounts that cannot do everything. Several mailboxes may
// share one [Store], as several sessions share one account.
//
//	store := memory.NewStore()
//	store.Deliver("INBOX", raw, nil)
//	mb := memory.New(&memory.Options{Store: store})
package memory

import (
	"context"
	"fmt"
	"sync"

	"github.com/postroom-go/postroom/internal/memstore"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/batch"
	"github.com/postroom-go/postroom/mailbox/folders"
)

// Options are the options of [New]. Nil and zero give an empty mailbox that can
// do everything.
type Options struct {
	// Store is where the mail is; nil is a new one.
	Store *Store
	// Caps is what the mailbox can do; nil is AllCaps(). What contradicts
	// itself is put right: there are no keywords without flags, no AppendID
	// and AppendLimit without Append, no Delete without StableIDs. There are
	// never Connections, a LoginDelay or Exclusive sessions.
	Caps *mailbox.Caps
}

// AllCaps is what a mailbox in memory can do.
func AllCaps() mailbox.Caps {
	return mailbox.Caps{
		Protocol: "memory",
		Folders:  true, StableIDs: true, Envelopes: true, Structure: true, Parts: true, Headers: true,
		Received: true, Flags: true, Keywords: true, Delete: true, Append: true, AppendID: true,
	}
}

// normal puts right what contradicts itself.
func normal(c mailbox.Caps) mailbox.Caps {
	if c.Protocol == "" {
		c.Protocol = "memory"
	}
	c.Keywords = c.Keywords && c.Flags
	c.Delete = c.Delete && c.StableIDs
	c.AppendID = c.AppendID && c.Append
	if !c.Append || c.AppendLimit < 0 {
		c.AppendLimit = 0
	}
	c.Exclusive, c.Connections, c.LoginDelay = false, 0, 0
	return c
}

// Mailbox is one session with a Store. It implements all optional interfaces of
// package mailbox; their methods fail with errors.ErrUnsupported where Caps is
// clear.
type Mailbox struct {
	store *Store
	user  *memstore.User
	caps  mailbox.Caps
	// session is the epoch's first half where IDs are not stable.
	session string

	// ending is held to end the session, and shared by what changes the store:
	// after Close nothing changes any more.
	ending sync.RWMutex
	once   sync.Once
	closed chan struct{}
}

var (
	_ mailbox.Mailbox        = (*Mailbox)(nil)
	_ mailbox.Fetcher        = (*Mailbox)(nil)
	_ mailbox.PartOpener     = (*Mailbox)(nil)
	_ mailbox.FlagSetter     = (*Mailbox)(nil)
	_ mailbox.Appender       = (*Mailbox)(nil)
	_ folders.Creator        = (*Mailbox)(nil)
	_ batch.Batcher          = (*Mailbox)(nil)
	_ mailbox.CharsetDecoder = (*Mailbox)(nil)
)

// New opens a mailbox. opts may be nil.
func New(opts *Options) *Mailbox {
	if opts == nil {
		opts = &Options{}
	}
	store, caps := opts.Store, AllCaps()
	if store == nil {
		store = NewStore()
	}
	if opts.Caps != nil {
		caps = normal(*opts.Caps)
	}
	mb := &Mailbox{store: store, user: store.user, caps: caps, closed: make(chan struct{})}
	if !caps.StableIDs {
		mb.session = fmt.Sprintf("s%d.", store.sessions.Add(1))
	}
	return mb
}

// Store is where the mail is.
func (mb *Mailbox) Store() *Store { return mb.store }

// Caps says what this mailbox can do.
func (mb *Mailbox) Caps() mailbox.Caps { return mb.caps }

// Close ends the session; the store stays. It never fails.
func (mb *Mailbox) Close() error {
	mb.once.Do(func() {
		mb.ending.Lock()
		defer mb.ending.Unlock()
		close(mb.closed)
	})
	return nil
}

// commit does f, which changes the store and does not wait, unless ctx or the
// mailbox has ended before.
func (mb *Mailbox) commit(ctx context.Context, f func() error) error {
	mb.ending.RLock()
	defer mb.ending.RUnlock()
	if err := mb.check(ctx); err != nil {
		return err
	}
	return f()
}

// check is why a call under ctx must end now, or nil.
func (mb *Mailbox) check(ctx context.Context) error {
	select {
	case <-mb.closed:
		return mailbox.ErrClosed
	default:
		return ctx.Err()
	}
}

// folder finds a folder that this mailbox shows.
func (mb *Mailbox) folder(name string) (*memstore.Folder, error) {
	f, err := mb.user.Folder(name)
	if err != nil || !mb.caps.Folders && f.Name() != mailbox.Inbox {
		return nil, mailbox.ErrNotFound
	}
	return f, nil
}
