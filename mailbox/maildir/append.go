package maildir

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/postroom-go/postroom/internal/disk"
	"github.com/postroom-go/postroom/mailbox"
)

// Append adds a message: see mailbox.Append. Flags that a Maildir cannot keep are
// left out. A full disk is mailbox.ErrQuota. opts may be nil.
func (mb *Mailbox) Append(ctx context.Context, folder string, message io.Reader, opts *mailbox.AppendOptions) (mailbox.ID, error) {
	if opts == nil {
		opts = &mailbox.AppendOptions{}
	}
	f, letters, err := mb.receiver(ctx, folder, opts)
	if err != nil {
		return mailbox.ID{}, folderError("append", folder, err)
	}
	id, err := f.append(ctx, message, letters, opts)
	if err != nil {
		return mailbox.ID{}, folderError("append", folder, err)
	}
	return id, nil
}

// receiver opens a folder for a delivery, and gives the letters of its flags.
func (mb *Mailbox) receiver(ctx context.Context, folder string, opts *mailbox.AppendOptions) (*folder, string, error) {
	f, err := mb.folder(ctx, folder)
	if err != nil {
		return nil, "", err
	}
	letters, err := f.letters(ctx, opts.Flags)
	if err == nil {
		err = f.ready(ctx)
	}
	if err != nil {
		f.close()
		return nil, "", err
	}
	return f, letters, nil
}

// append adds a message and closes the folder.
func (f *folder) append(ctx context.Context, message io.Reader, letters string, opts *mailbox.AppendOptions) (mailbox.ID, error) {
	d, file, err := f.create()
	if err != nil {
		f.close()
		return mailbox.ID{}, err
	}
	size, done, err := f.receive(ctx, d, file, message, opts)
	if !done {
		return mailbox.ID{}, err
	}
	defer f.close()
	if err == nil {
		f.aim(d, letters, size)
		err = f.deliver(ctx, d, letters, size)
	}
	if err != nil {
		f.drop(d)
		return mailbox.ID{}, err
	}
	return f.id(d.base), nil
}

// receive writes the message into its file in tmp, and syncs and closes that.
// done is false if ctx or the mailbox ended while the source made it wait: what
// is left is cleaned up when the source comes back, and the folder is closed
// then.
func (f *folder) receive(ctx context.Context, d *delivery, file disk.File, message io.Reader, opts *mailbox.AppendOptions) (size int64, done bool, err error) {
	switch message.(type) {
	case *bytes.Reader, *bytes.Buffer, *strings.Reader: // nobody waits for these
		size, err = f.write(ctx, d, file, message, opts)
		return size, true, err
	}
	type result struct {
		size int64
		err  error
	}
	finished := make(chan result, 1)
	go func() {
		size, err := f.write(ctx, d, file, message, opts)
		finished <- result{size, err}
	}()
	select {
	case r := <-finished:
		return r.size, true, r.err
	case <-f.mb.closed:
		err = mailbox.ErrClosed
	case <-ctx.Done():
		err = ctx.Err()
	}
	f.drop(d)
	go func() {
		<-finished
		f.drop(d) // where a file cannot be removed while it is open
		f.close()
	}()
	return 0, false, err
}

func (f *folder) write(ctx context.Context, d *delivery, file disk.File, message io.Reader, opts *mailbox.AppendOptions) (int64, error) {
	c := &copier{mb: f.mb}
	size, err := c.copy(ctx, file, message, opts.Size)
	if err == nil {
		err = file.Sync()
	}
	if cerr := file.Close(); err == nil {
		err = cerr
	}
	if err == nil && !opts.Received.IsZero() {
		err = f.files.SetTime(d.tmp(), opts.Received)
	}
	return size, err
}

// deliver gives a message its name, for good.
func (f *folder) deliver(ctx context.Context, d *delivery, letters string, size int64) error {
	return f.mb.commit(ctx, func() error {
		err := f.move(d)
		for try := 1; errors.Is(err, fs.ErrExist) && try < maxCollisions; try++ {
			if err = f.rename(d, letters, size); err == nil {
				err = f.move(d)
			}
		}
		if err != nil {
			return err
		}
		if err = f.files.SyncDir(d.dir); err == nil {
			return nil
		}
		// Nobody knows whether the name will last: so it goes.
		f.state.note(d.base, "")
		if removed := f.files.Remove(d.final()); removed != nil {
			return fmt.Errorf("%w: %w", mailbox.ErrUnknownOutcome, err)
		}
		return err
	})
}
