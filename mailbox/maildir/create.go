package maildir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/postroom-go/postroom/mailbox"
)

// create makes a folder and those above it.
func (mb *Mailbox) create(ctx context.Context, name string) error {
	mb.creating.Lock()
	defer mb.creating.Unlock()
	done, err := mb.root.use()
	if err != nil {
		return err
	}
	defer done()
	t, err := mb.folders(ctx, true)
	if err != nil {
		return err
	}
	if p := t.byName[name]; p != nil && p.open {
		return mailbox.ErrExists
	}
	levels := strings.Split(name, delimiter)
	for i := range levels {
		above := strings.Join(levels[:i+1], delimiter)
		if above == "" || strings.EqualFold(above, mailbox.Inbox) {
			if t, err = mb.createParent(ctx, t, above); err != nil {
				return err
			}
			continue
		}
		if t, err = mb.createOne(ctx, t, above, i == len(levels)-1); err != nil {
			return err
		}
	}
	return nil
}

// createOne makes one folder, if it is not there, below one that is. It gives the
// tree with it.
func (mb *Mailbox) createOne(ctx context.Context, t *tree, name string, last bool) (*tree, error) {
	for range maxTries {
		p := t.byName[name]
		if p != nil && p.open {
			if last {
				return nil, mailbox.ErrExists // somebody was faster
			}
			return t, nil
		}
		var err error
		if p != nil {
			err = mb.commit(ctx, func() error { return mb.makeFolder(p.dir) })
		} else {
			err = mb.makeNew(ctx, t, name)
		}
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		made := err == nil
		if t, err = mb.folders(ctx, true); err != nil {
			return nil, err
		}
		if made {
			return t, nil
		}
	}
	return nil, fmt.Errorf("no directory for it could be made: all names that stand for it are taken: %w", mailbox.ErrExists)
}

// createParent makes the directory for what is below a name that is no folder's
// of its own.
func (mb *Mailbox) createParent(ctx context.Context, t *tree, name string) (*tree, error) {
	if mb.opts.Layout == MaildirPP || t.parents[name] != "" {
		return t, nil
	}
	err := mb.mkdir(ctx, ".", encodeLevel(name, Plain), func(string) error { return nil })
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return mb.folders(ctx, true)
}

// makeNew makes a folder that has no directory yet. It is fs.ErrExist if others
// take the names.
func (mb *Mailbox) makeNew(ctx context.Context, t *tree, name string) error {
	parent, element := ".", directory(name, mb.opts.Layout)
	if i := strings.LastIndex(name, delimiter); mb.opts.Layout == Plain && i >= 0 {
		parent, element = t.parents[name[:i]], encodeLevel(name[i+1:], Plain)
		if parent == "" {
			return fs.ErrExist // it went meanwhile: once more
		}
	}
	return mb.mkdir(ctx, parent, element, mb.makeFolder)
}

// mkdir makes a directory in parent, under the first of its encodings that is
// free, and does then with it. It is fs.ErrExist if there is one for the same.
func (mb *Mailbox) mkdir(ctx context.Context, parent, element string, then func(dir string) error) error {
	taken, err := mb.taken(parent, element)
	if err != nil {
		return err
	}
	for _, e := range encodings(element) {
		dir := path.Join(parent, e)
		if taken[folded(e)] || len(e) > maxName || len(dir) > maxPath {
			continue
		}
		err := mb.commit(ctx, func() error {
			if err := mb.root.dir.Mkdir(dir); err != nil {
				return err
			}
			return then(dir)
		})
		if !errors.Is(err, fs.ErrExist) {
			return err
		}
		// Taken after all: by somebody who makes the same, or by a file system's
		// own idea of what is equal.
		if taken, err = mb.taken(parent, element); err != nil {
			return err
		}
	}
	return fs.ErrExist
}

// taken are the names in parent, folded. It is fs.ErrExist if a directory stands
// for the same as element: somebody was faster, and another encoding would be a
// second folder of that name.
func (mb *Mailbox) taken(parent, element string) (map[string]bool, error) {
	list, err := mb.root.dir.ReadDir(parent)
	if err != nil {
		return nil, err
	}
	want, _ := decodeElement(element, mb.opts.Layout)
	all := map[string]bool{}
	for _, d := range list {
		all[folded(d.Name())] = true
		if got, ok := decodeElement(d.Name(), mb.opts.Layout); ok && got == want && d.IsDir() {
			return nil, fs.ErrExist
		}
	}
	return all, nil
}

// makeFolder makes what a folder's directory lacks, and that too. The directory
// cur comes last: with it the folder is there.
func (mb *Mailbox) makeFolder(dir string) error {
	files := mb.root.dir
	mkdir := func(name string) error {
		if err := files.Mkdir(name); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		return nil
	}
	if dir != "." {
		if err := mkdir(dir); err != nil {
			return err
		}
	}
	if dir != "." && mb.opts.Layout == MaildirPP {
		// Maildir++: it tells a folder from a Maildir of somebody else.
		file, err := files.Create(path.Join(dir, "maildirfolder"))
		if err == nil {
			err = file.Close()
		}
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	for _, name := range []string{"tmp", "new", "cur"} {
		if err := mkdir(path.Join(dir, name)); err != nil {
			return err
		}
	}
	return mb.syncUp(dir)
}

// roles gives the folders their roles.
func (mb *Mailbox) roles(all []*mailbox.Folder) {
	for _, f := range all {
		if f.Name == mailbox.Inbox {
			f.Role, f.RoleSource = mailbox.RoleInbox, mailbox.RoleByProtocol
		} else if r := mb.opts.Roles[f.Name]; r != "" && r != mailbox.RoleInbox {
			f.Role, f.RoleSource = r, mailbox.RoleByAttribute
		}
	}
	slices.SortFunc(all, func(a, b *mailbox.Folder) int {
		if a.Name == mailbox.Inbox || b.Name == mailbox.Inbox {
			return map[bool]int{true: -1, false: 1}[a.Name == mailbox.Inbox]
		}
		return strings.Compare(a.Name, b.Name)
	})
}
