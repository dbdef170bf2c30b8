package maildir

import (
	"context"
	"errors"
	"strings"

	"github.com/postroom-go/postroom/internal/flagset"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/folders"
)

// Delete removes exactly the given messages, for good: see mailbox.Mailbox.
func (mb *Mailbox) Delete(ctx context.Context, ids []mailbox.ID, _ *mailbox.DeleteOptions) error {
	return mb.change(ctx, "delete", ids, func(f *folder, keys []string) error {
		touched := map[string]bool{}
		_, err := f.each(ctx, keys, func(base, path string, twin bool) error {
			if err := mb.commit(ctx, func() error { return f.files.Remove(path) }); err != nil {
				return err
			}
			touched[path[:3]] = true
			f.state.note(base, "")
			if twin {
				return errAgain
			}
			return nil
		})
		return f.settle(ctx, touched, err)
	})
}

// SetFlags changes flags: see mailbox.SetFlags. A system flag that a Maildir has
// no letter for, and a keyword beyond the 26th of a folder, is
// errors.ErrUnsupported.
func (mb *Mailbox) SetFlags(ctx context.Context, ids []mailbox.ID, change mailbox.FlagChange, _ *mailbox.SetFlagsOptions) error {
	const op = "set flags"
	if err := flagset.CheckChange(change, true); err != nil {
		return failure(op, err)
	}
	// Whatever fails for want of letters fails before anything changes.
	edits := map[string]edit{}
	err := mb.change(ctx, op, ids, func(f *folder, _ []string) (err error) {
		edits[f.name], err = f.editFor(ctx, change)
		return err
	})
	if err != nil {
		return err
	}
	return mb.change(ctx, op, ids, func(f *folder, keys []string) error {
		touched := map[string]bool{}
		_, err := f.each(ctx, keys, func(base, path string, twin bool) error {
			return f.setLetters(ctx, base, path, twin, edits[f.name], touched)
		})
		return f.settle(ctx, touched, err)
	})
}

// setLetters renames one message.
func (f *folder) setLetters(ctx context.Context, key, path string, twin bool, e edit, touched map[string]bool) error {
	base, info := splitName(path[len("cur/"):], f.mb.sep)
	letters, rest := splitInfo(info, f.mb.sep)
	changed := e.apply(letters)
	if changed == letters {
		return nil
	}
	to := "cur/" + base + f.mb.sep + changed + rest
	err := f.mb.commit(ctx, func() error {
		if twin {
			return f.files.Move(path, to) // the other file may have that name
		}
		return f.files.Replace(path, to)
	})
	if err != nil {
		return err
	}
	touched[path[:3]], touched["cur"] = true, true
	f.state.note(key, to)
	return nil
}

// settle makes durable what was done, whatever came after it.
func (f *folder) settle(ctx context.Context, touched map[string]bool, err error) error {
	if len(touched) == 0 {
		return err
	}
	return errors.Join(err, f.mb.commit(context.WithoutCancel(ctx), func() error { return f.syncDirs(touched) }))
}

// change applies do to each folder's share of ids, once all are known to be
// good. Messages whose folder is gone are gone.
func (mb *Mailbox) change(ctx context.Context, op string, ids []mailbox.ID, do func(f *folder, keys []string) error) error {
	if err := mb.check(ctx); err != nil {
		return failure(op, err)
	}
	groups, err := mb.grouped(op, ids)
	if err != nil {
		return err
	}
	for _, g := range groups {
		f, err := mb.folder(ctx, g.folder)
		if errors.Is(err, mailbox.ErrNotFound) {
			continue
		}
		if err == nil {
			err = do(f, g.keys)
			f.close()
		}
		if err != nil {
			return folderError(op, g.folder, err)
		}
	}
	return nil
}

// CreateFolder makes a folder, and those above it that are missing, for good.
// Levels are separated by "/". A name that would need more than 255 octets as a
// directory is an error. A role is not kept. See folders.Create.
func (mb *Mailbox) CreateFolder(ctx context.Context, name string, _ *folders.CreateOptions) error {
	if err := mb.check(ctx); err != nil {
		return folderError("create folder", name, err)
	}
	if name == "" || strings.EqualFold(name, mailbox.Inbox) {
		return folderError("create folder", name, mailbox.ErrExists)
	}
	if err := checkFolderName(name, mb.opts.Layout); err != nil {
		return folderError("create folder", name, err)
	}
	return folderError("create folder", name, mb.create(ctx, name))
}
