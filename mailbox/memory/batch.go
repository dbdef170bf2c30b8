package memory

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/postroom-go/postroom/internal/memstore"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/batch"
)

// NewBatch begins a batch: see batch.New. Its messages are kept aside until
// Commit adds them, and have no IDs before.
func (mb *Mailbox) NewBatch(ctx context.Context, folder string) (batch.Batch, error) {
	if !mb.caps.Append {
		return nil, unsupported("append", "append")
	}
	err := mb.check(ctx)
	var f *memstore.Folder
	if err == nil {
		f, err = mb.folder(folder)
	}
	if err != nil {
		return nil, &mailbox.Error{Op: "append", Folder: folder, Err: err}
	}
	return &appendBatch{mb: mb, folder: f}, nil
}

// appendBatch holds messages that are to be added.
type appendBatch struct {
	mb     *Mailbox
	folder *memstore.Folder
	all    []prepared
	over   bool
}

// prepared is a message that can be added without waiting for anything.
type prepared struct {
	content  *memstore.Content
	flags    []string
	received time.Time
}

// errOver is what using a batch gives after its end.
var errOver = errors.New("the batch was committed or closed: begin another")

func (b *appendBatch) fail(err error) error {
	if err == nil {
		return nil
	}
	return &mailbox.Error{Op: "append", Folder: b.folder.Name(), Err: err}
}

func (b *appendBatch) Add(ctx context.Context, message io.Reader, opts *mailbox.AppendOptions) (mailbox.ID, error) {
	if opts == nil {
		opts = &mailbox.AppendOptions{}
	}
	err := b.mb.check(ctx)
	if err == nil && b.over {
		err = errOver
	}
	if err == nil {
		var p prepared
		if p, err = b.mb.prepare(ctx, message, opts); err == nil {
			b.all = append(b.all, p)
		}
	}
	return mailbox.ID{}, b.fail(err)
}

func (b *appendBatch) Commit(ctx context.Context) error {
	return b.fail(b.mb.commit(ctx, func() error {
		if b.over {
			return errOver
		}
		b.over = true
		for _, p := range b.all {
			if _, _, err := b.folder.Append(p.content, p.flags, p.received); err != nil {
				return mailbox.ErrNotFound // the folder was deleted meanwhile
			}
		}
		b.all = nil
		return nil
	}))
}

func (b *appendBatch) Close() error {
	b.over, b.all = true, nil
	return nil
}
