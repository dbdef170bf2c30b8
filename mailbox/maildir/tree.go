package maildir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/postroom-go/postroom/internal/disk"
	"github.com/postroom-go/postroom/mailbox"
)

const (
	// maxFolders is how many directories are looked at.
	maxFolders = 100_000
	// maxDepth is how deep they may lie below one another.
	maxDepth = 64
)

// place is a directory that stands for a folder's name.
type place struct {
	name    string
	dir     string // below the root; "" for a name that has none
	open    bool   // it holds messages, not only other folders
	defects []mailbox.Defect
}

// tree is what names lead to. It is not changed once it is made.
type tree struct {
	byName map[string]*place
	inbox  string
	// parents are the directories for what is below a name, in the layout Plain.
	// They have names that are no folder's, too: "", "inbox".
	parents map[string]string
}

// inbox is the directory of INBOX.
func (mb *Mailbox) inbox() (string, error) {
	if mb.opts.Layout == MaildirPP || isDir(mb.root.dir, "cur") {
		return ".", nil
	}
	list, err := mb.root.dir.ReadDir(".")
	if err != nil {
		return "", err
	}
	inbox := mailbox.Inbox
	for _, d := range list {
		if d.Name() == mailbox.Inbox {
			return d.Name(), nil
		}
		if d.IsDir() && strings.EqualFold(d.Name(), mailbox.Inbox) {
			inbox = d.Name()
		}
	}
	return inbox, nil
}

func isDir(files disk.Dir, name string) bool {
	info, err := files.Lstat(strings.TrimPrefix(name, "./"))
	return err == nil && info.IsDir()
}

// readTree lists the directories and says what they stand for.
func (mb *Mailbox) readTree(ctx context.Context) (*tree, error) {
	inbox, err := mb.inbox()
	if err != nil {
		return nil, err
	}
	var all []*place
	if mb.opts.Layout == MaildirPP {
		all, err = mb.flat(ctx)
	} else {
		err = mb.walk(ctx, "", "", 0, &all)
	}
	if err != nil {
		return nil, err
	}
	t := &tree{byName: map[string]*place{}, inbox: inbox, parents: map[string]string{}}
	t.byName[mailbox.Inbox] = &place{name: mailbox.Inbox, dir: inbox, open: true}
	// Of two directories with one name that with the shorter encoding has it.
	slices.SortFunc(all, func(a, b *place) int {
		if d := len(a.defects) - len(b.defects); d != 0 {
			return d
		}
		if d := len(a.dir) - len(b.dir); d != 0 {
			return d
		}
		return strings.Compare(a.dir, b.dir)
	})
	for _, p := range all {
		mb.enter(t, p)
	}
	return t, nil
}

// enter gives a directory its name, or where another has that its raw one.
func (mb *Mailbox) enter(t *tree, p *place) {
	if t.parents[p.name] == "" {
		t.parents[p.name] = p.dir
	}
	if p.dir == t.inbox || p.name == "" && !p.open {
		return
	}
	for _, name := range []string{p.name, p.dir} {
		if name == "" || strings.EqualFold(name, mailbox.Inbox) || t.byName[name] != nil {
			continue
		}
		if name != p.name {
			p.name, p.defects = name, append(p.defects, "name: taken by another directory")
		}
		t.byName[name] = p
		return
	}
	if p.open {
		mb.log.Warn("maildir: a directory is left out: another one has its name", "dir", p.dir)
	}
}

const defectName mailbox.Defect = "name: the directory's name cannot be decoded"

// flat lists the directories of Maildir++.
func (mb *Mailbox) flat(ctx context.Context) ([]*place, error) {
	list, err := mb.root.dir.ReadDir(".")
	if err != nil {
		return nil, err
	}
	var all []*place
	for _, d := range list {
		name, dotted := strings.CutPrefix(d.Name(), ".")
		if !dotted || name == "" || !d.IsDir() {
			continue
		}
		if err := mb.count(ctx, len(all)); err != nil {
			return nil, err
		}
		p := &place{dir: d.Name(), open: mb.holdsMail(d.Name())}
		levels := strings.Split(name, ".")
		for i := range levels {
			p.level(&levels[i])
		}
		p.name = strings.Join(levels, delimiter)
		all = append(all, p)
	}
	return all, nil
}

// holdsMail reports whether a directory is a folder's. One that cannot be looked
// into may be: left out, it would be missed by nobody.
func (mb *Mailbox) holdsMail(dir string) bool {
	info, err := mb.root.dir.Lstat(dir + "/cur")
	if err != nil {
		return unreadable(err)
	}
	return info.IsDir()
}

// unreadable reports whether there is something that cannot be read.
func unreadable(err error) bool {
	return !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrInvalid)
}

// level decodes one level in its place.
func (p *place) level(raw *string) {
	level, ok := decodeLevel(*raw)
	if !ok && len(p.defects) == 0 {
		p.defects = append(p.defects, defectName)
	}
	*raw = level
}

func (mb *Mailbox) count(ctx context.Context, n int) error {
	if n >= maxFolders {
		return fmt.Errorf("there are more than %d folders: %w", maxFolders, mailbox.ErrTooLarge)
	}
	return mb.check(ctx)
}

// walk lists the directories below dir, whose folder is name.
func (mb *Mailbox) walk(ctx context.Context, dir, name string, depth int, all *[]*place) error {
	here := dir
	if dir == "" {
		here = "."
	}
	list, err := mb.root.dir.ReadDir(here)
	switch {
	case err != nil && dir == "":
		return err
	case errors.Is(err, fs.ErrNotExist):
		return nil // it went meanwhile
	case err != nil:
		mb.log.Warn("maildir: a directory cannot be read, nor what is below it", "dir", dir, "error", err)
	}
	self := &place{dir: dir, name: name, open: err != nil && unreadable(err)}
	for _, d := range list {
		if !d.IsDir() {
			continue
		}
		if messageDir(d.Name()) {
			self.open = self.open || d.Name() == "cur"
			continue
		}
		if strings.HasPrefix(d.Name(), ".") || depth == maxDepth {
			continue
		}
		if err := mb.count(ctx, len(*all)); err != nil {
			return err
		}
		if err := mb.below(ctx, self, d.Name(), depth, all); err != nil {
			return err
		}
	}
	if dir != "" {
		*all = append(*all, self)
	}
	return nil
}

// below walks one directory in parent.
func (mb *Mailbox) below(ctx context.Context, parent *place, element string, depth int, all *[]*place) error {
	child, n := &place{}, len(*all)
	level := element
	child.level(&level)
	name, dir := level, element
	if parent.dir != "" {
		name, dir = parent.name+delimiter+level, parent.dir+"/"+element
	}
	if err := mb.walk(ctx, dir, name, depth+1, all); err != nil {
		return err
	}
	if len(child.defects) > 0 {
		for _, p := range (*all)[n:] {
			if len(p.defects) == 0 {
				p.defects = child.defects
			}
		}
	}
	return nil
}

// folders gives the tree, read afresh if it must be.
func (mb *Mailbox) folders(ctx context.Context, fresh bool) (*tree, error) {
	mb.mu.Lock()
	t := mb.tree
	mb.mu.Unlock()
	if t != nil && !fresh {
		return t, nil
	}
	t, err := mb.readTree(ctx)
	if err != nil {
		return nil, err
	}
	mb.mu.Lock()
	mb.tree = t
	mb.mu.Unlock()
	return t, nil
}
