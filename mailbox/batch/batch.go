// Package batch adds many messages to a folder with one wait for all of them.
//
// A destination on a disk waits for it once for a batch instead of once for each
// message:
//
//	b, err := batch.New(ctx, mb, mailbox.Inbox)
//	...
//	defer b.Close()
//	for _, raw := range messages {
//		if _, err := b.Add(ctx, bytes.NewReader(raw), nil); err != nil { ... }
//	}
//	err = b.Commit(ctx)
package batch

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/postroom-go/postroom/mailbox"
)

// Batcher is implemented by drivers that can add many messages with one wait for
// the disk. Users call New.
type Batcher interface {
	NewBatch(ctx context.Context, folder string) (Batch, error)
}

// Batch adds messages to one folder, all of them confirmed together. One
// goroutine uses a Batch; several batches may be under way at a time.
type Batch interface {
	// Add takes one message, whole or not at all, and returns its ID to be: it
	// holds once Commit has returned nil. The zero ID is one that is not known,
	// or known only later. It fails as mailbox.Append does, and then this
	// message alone is left out; opts may be nil.
	Add(ctx context.Context, message io.Reader, opts *mailbox.AppendOptions) (mailbox.ID, error)
	// Commit adds what was taken. Nil means that all of it is stored for good.
	// After an error some messages may be there and others not, each whole or
	// absent. A Commit with nothing added makes sure that what others have
	// put there, as far as it can be seen, is there for good. A Batch is
	// committed once.
	Commit(ctx context.Context) error
	// Close drops what was not committed. It is idempotent.
	Close() error
}

// New begins a batch in a folder, mailbox.ErrNotFound if the folder is missing.
// Where the driver has no batches each Add is a mailbox.Append: added at once,
// and Close does not take it back. Where Caps.Append is clear it is
// errors.ErrUnsupported.
func New(ctx context.Context, mb mailbox.Mailbox, folder string) (Batch, error) {
	if caps := mb.Caps(); !caps.Append {
		return nil, &mailbox.Error{Op: "append", Folder: folder, Err: fmt.Errorf(
			"this %s account has no way to add messages: %w", caps.Protocol, errors.ErrUnsupported)}
	}
	if b, ok := mb.(Batcher); ok {
		return b.NewBatch(ctx, folder)
	}
	return &appends{mb, folder}, nil
}

// appends is the batch of a driver that has none.
type appends struct {
	mb     mailbox.Mailbox
	folder string
}

func (a *appends) Add(ctx context.Context, message io.Reader, opts *mailbox.AppendOptions) (mailbox.ID, error) {
	return mailbox.Append(ctx, a.mb, a.folder, message, opts)
}

func (a *appends) Commit(context.Context) error { return nil }

func (a *appends) Close() error { return nil }
