package maildir

import (
	"context"
	"errors"
	"io"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/batch"
)

// NewBatch begins a batch: see batch.New. Add writes to tmp and gives the
// ID that the message will have; Commit waits for the disk once, and renames;
// an empty one waits for what others have renamed.
// After a crash an ID that Add gave is there or not, which List tells. Add reads
// its source in the caller's goroutine: ctx is obeyed between two Reads. A batch
// must be closed, also after its mailbox was.
func (mb *Mailbox) NewBatch(ctx context.Context, folder string) (batch.Batch, error) {
	f, err := mb.folder(ctx, folder)
	if err == nil {
		if err = f.ready(ctx); err != nil {
			f.close()
		}
	}
	if err != nil {
		return nil, folderError("append", folder, err)
	}
	return &deliveries{f: f, copier: &copier{mb: mb}}, nil
}

// deliveries is a batch.Batch.
type deliveries struct {
	f       *folder
	copier  *copier
	pending []*delivery
	over    bool // committed or closed
	closed  bool
}

var errBatchOver = errors.New("the batch was committed or closed already: begin another one")

func (b *deliveries) Add(ctx context.Context, message io.Reader, opts *mailbox.AppendOptions) (mailbox.ID, error) {
	if opts == nil {
		opts = &mailbox.AppendOptions{}
	}
	d, err := b.add(ctx, message, opts)
	if err != nil {
		return mailbox.ID{}, folderError("append", b.f.name, err)
	}
	b.pending = append(b.pending, d)
	return b.f.id(d.base), nil
}

func (b *deliveries) add(ctx context.Context, message io.Reader, opts *mailbox.AppendOptions) (*delivery, error) {
	f := b.f
	if err := f.mb.check(ctx); err != nil {
		return nil, err
	}
	if b.over {
		return nil, errBatchOver
	}
	letters, err := f.letters(ctx, opts.Flags)
	if err != nil {
		return nil, err
	}
	d, file, err := f.create()
	if err != nil {
		return nil, err
	}
	size, err := b.copier.copy(ctx, file, message, opts.Size)
	if cerr := file.Close(); err == nil {
		err = cerr
	}
	if err == nil && !opts.Received.IsZero() {
		err = f.files.SetTime(d.tmp(), opts.Received)
	}
	if err != nil {
		f.drop(d)
		return nil, err
	}
	f.aim(d, letters, size)
	return d, nil
}

func (b *deliveries) Commit(ctx context.Context) error {
	return folderError("append", b.f.name, b.commit(ctx))
}

func (b *deliveries) commit(ctx context.Context) error {
	f := b.f
	if err := f.mb.check(ctx); err != nil {
		return err
	}
	if b.over {
		return errBatchOver
	}
	b.over = true
	if len(b.pending) == 0 {
		// Whoever renamed what is there may have died before its own wait.
		return f.mb.commit(ctx, func() error { return f.syncDirs(map[string]bool{"new": true, "cur": true}) })
	}
	names := make([]string, len(b.pending))
	for i, d := range b.pending {
		names[i] = d.tmp()
	}
	if err := f.files.SyncFiles(names); err != nil {
		return err
	}
	touched := map[string]bool{}
	for len(b.pending) > 0 {
		d := b.pending[0]
		if err := f.mb.commit(ctx, func() error { return f.move(d) }); err != nil {
			return err
		}
		touched[d.dir] = true
		b.pending = b.pending[1:]
	}
	return f.mb.commit(ctx, func() error { return f.syncDirs(touched) })
}

func (b *deliveries) Close() error {
	if b.closed {
		return nil
	}
	b.over, b.closed = true, true
	for _, d := range b.pending {
		b.f.drop(d)
	}
	b.pending = nil
	b.f.close()
	return nil
}
