package memory

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/postroom-go/postroom/internal/flagset"
	"github.com/postroom-go/postroom/internal/memstore"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/folders"
)

// Delete removes exactly the given messages.
func (mb *Mailbox) Delete(ctx context.Context, ids []mailbox.ID, _ *mailbox.DeleteOptions) error {
	if !mb.caps.Delete {
		return unsupported("delete", "delete")
	}
	return mb.change(ctx, "delete", ids, func(b *share) error {
		return b.folder.Remove(b.snap.Epoch, b.uids)
	})
}

// SetFlags changes the flags of the given messages.
func (mb *Mailbox) SetFlags(ctx context.Context, ids []mailbox.ID, change mailbox.FlagChange, _ *mailbox.SetFlagsOptions) error {
	if !mb.caps.Flags {
		return unsupported("set flags", "flags")
	}
	if err := flagset.CheckChange(change, mb.caps.Keywords); err != nil {
		return &mailbox.Error{Op: "set flags", Err: err}
	}
	return mb.change(ctx, "set flags", ids, func(b *share) error {
		_, err := b.folder.SetFlags(b.snap.Epoch, b.uids, applying(change))
		return err
	})
}

// change applies f to each folder's share of ids, once all are known to be
// good.
func (mb *Mailbox) change(ctx context.Context, op string, ids []mailbox.ID, f func(*share) error) error {
	if err := mb.check(ctx); err != nil {
		return &mailbox.Error{Op: op, Err: err}
	}
	shares, err := mb.shares(op, ids)
	if err != nil {
		return err
	}
	folder := ""
	err = mb.commit(ctx, func() error {
		for _, b := range shares {
			if err := f(b); err != nil {
				folder = b.snap.Name
				return err
			}
		}
		return nil
	})
	return storeError(op, folder, err)
}

// applying is what a FlagChange does to the flags of one message.
func applying(c mailbox.FlagChange) func(old []string) []string {
	if c.Replace != nil {
		return func([]string) []string { return stringsOf(c.Replace) }
	}
	return func(old []string) []string {
		flags := slices.Concat(old, stringsOf(c.Add))
		return slices.DeleteFunc(flags, func(f string) bool {
			return slices.ContainsFunc(c.Remove, func(r mailbox.Flag) bool { return strings.EqualFold(string(r), f) })
		})
	}
}

// CreateFolder makes a folder, and those above it that are missing. One that is
// there already is mailbox.ErrExists.
func (mb *Mailbox) CreateFolder(ctx context.Context, name string, opts *folders.CreateOptions) error {
	if !mb.caps.Folders {
		return unsupported("create folder", "folders")
	}
	if opts == nil {
		opts = &folders.CreateOptions{}
	}
	err := mb.commit(ctx, func() error {
		_, err := mb.user.CreateAll(name, string(opts.Role))
		return err
	})
	return storeError("create folder", name, err)
}

// Append adds a message. Flags that this mailbox does not keep are left out.
func (mb *Mailbox) Append(ctx context.Context, folder string, message io.Reader, opts *mailbox.AppendOptions) (mailbox.ID, error) {
	if !mb.caps.Append {
		return mailbox.ID{}, unsupported("append", "append")
	}
	if opts == nil {
		opts = &mailbox.AppendOptions{}
	}
	id, err := mb.append(ctx, folder, message, opts)
	if err != nil {
		return mailbox.ID{}, &mailbox.Error{Op: "append", Folder: folder, Err: err}
	}
	return id, nil
}

func (mb *Mailbox) append(ctx context.Context, folder string, message io.Reader, opts *mailbox.AppendOptions) (mailbox.ID, error) {
	if err := mb.check(ctx); err != nil {
		return mailbox.ID{}, err
	}
	f, err := mb.folder(folder)
	if err != nil {
		return mailbox.ID{}, err
	}
	p, err := mb.prepare(ctx, message, opts)
	if err != nil {
		return mailbox.ID{}, err
	}
	var id mailbox.ID
	err = mb.commit(ctx, func() error {
		m, epoch, err := f.Append(p.content, p.flags, p.received)
		switch {
		case err != nil:
			return mailbox.ErrNotFound // the folder was deleted meanwhile
		case mb.caps.AppendID:
			id = mb.id(f.Name(), epoch, m.UID)
		}
		return nil
	})
	return id, err
}

// prepare reads a message and checks its options.
func (mb *Mailbox) prepare(ctx context.Context, message io.Reader, opts *mailbox.AppendOptions) (prepared, error) {
	if err := flagset.Check(opts.Flags); err != nil {
		return prepared{}, err
	}
	raw, err := mb.readMessage(ctx, message, opts.Size)
	if err != nil {
		return prepared{}, err
	}
	return prepared{memstore.NewContent(raw), stringsOf(mb.kept(opts.Flags)), opts.Received}, nil
}

// kept are the flags that this mailbox keeps.
func (mb *Mailbox) kept(flags []mailbox.Flag) []mailbox.Flag {
	var kept []mailbox.Flag
	for _, f := range flags {
		if mb.caps.Flags && (mb.caps.Keywords || flagset.System(f)) {
			kept = append(kept, f)
		}
	}
	return kept
}

// readMessage reads a message to be added. It may leave a Read of r behind when
// the context or the mailbox ends first. Where both happen at once it may still
// give the message.
func (mb *Mailbox) readMessage(ctx context.Context, r io.Reader, size int64) ([]byte, error) {
	limit := mb.caps.AppendLimit
	if limit > 0 && size > limit {
		return nil, mailbox.ErrTooLarge
	}
	most := size // one octet more than this is too many
	if size <= 0 {
		most = limit
	}
	if most > 0 {
		r = io.LimitReader(r, most+1)
	}
	type result struct {
		raw []byte
		err error
	}
	done := make(chan result, 1)
	go func() {
		raw, err := io.ReadAll(r)
		done <- result{raw, err}
	}()
	var res result
	select {
	case res = <-done:
	case <-mb.closed:
		return nil, mailbox.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	n := int64(len(res.raw))
	switch {
	case res.err != nil:
		return nil, res.err
	case size > 0 && n < size:
		return nil, fmt.Errorf("the message ends after %d of %d octets: %w", n, size, io.ErrUnexpectedEOF)
	case size > 0 && n > size:
		return nil, fmt.Errorf("the message is longer than its size of %d octets", size)
	case limit > 0 && n > limit:
		return nil, mailbox.ErrTooLarge
	}
	return res.raw, nil
}
