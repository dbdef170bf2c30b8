package maildir

import (
	"context"
	"errors"
	"io/fs"
	"strings"

	"github.com/postroom-go/postroom/internal/disk"
	"github.com/postroom-go/postroom/mailbox"
)

// folder is a folder in use.
type folder struct {
	mb    *Mailbox
	name  string // as in IDs
	dir   string // below the root
	files disk.Dir
	state *state
	done  func()
}

// folder opens a folder; its close must be called. A missing one is
// mailbox.ErrNotFound.
func (mb *Mailbox) folder(ctx context.Context, name string) (*folder, error) {
	if err := mb.check(ctx); err != nil {
		return nil, err
	}
	if name == "" || strings.EqualFold(name, mailbox.Inbox) {
		name = mailbox.Inbox
	}
	done, err := mb.root.use()
	if err != nil {
		return nil, err
	}
	for _, fresh := range []bool{false, true} {
		t, err := mb.folders(ctx, fresh)
		if err != nil {
			done()
			return nil, err
		}
		p := t.byName[name]
		if p == nil || !p.open {
			continue
		}
		f, err := mb.enterFolder(p, done)
		switch {
		case err == nil:
			return f, nil
		case !errors.Is(err, fs.ErrNotExist):
			done()
			return nil, err
		}
	}
	done()
	return nil, mailbox.ErrNotFound
}

func (mb *Mailbox) enterFolder(p *place, done func()) (*folder, error) {
	f := &folder{mb: mb, name: p.name, dir: p.dir, files: mb.root.dir, state: mb.state(p.dir), done: done}
	if p.dir != "." {
		sub, err := mb.root.dir.Sub(p.dir)
		if err != nil {
			return nil, err
		}
		f.files = sub
		f.done = func() { _ = sub.Close(); done() }
	}
	info, err := f.files.Lstat("cur")
	if err == nil && !info.IsDir() {
		err = &fs.PathError{Op: "open", Path: p.dir + "/cur", Err: errNoDir}
	}
	if err != nil {
		if p.dir != "." {
			_ = f.files.Close()
		}
		return nil, err
	}
	return f, nil
}

var errNoDir = errors.New("it is no directory: links are not followed")

func (f *folder) close() { f.done() }

// id is the ID of the message with that base.
func (f *folder) id(base string) mailbox.ID { return mailbox.NewID(f.name, "", base) }

// dirs are the directories in which messages are, in the order in which they
// move from one to the other.
func dirs() []string { return []string{"new", "cur"} }

// keysIn are what is asked for of one folder.
type keysIn struct {
	folder string
	keys   []string
}

// grouped groups ids by folder, and refuses those of another epoch: there is
// none. Keys that are none of ours are left out, since no message has them.
func (mb *Mailbox) grouped(op string, ids []mailbox.ID) ([]*keysIn, error) {
	var all []*keysIn
	at := map[string]*keysIn{}
	for _, id := range ids {
		if id.Epoch() != "" {
			return nil, idError(op, id, mailbox.ErrStale)
		}
		if !validBase(id.Key(), mb.sep) {
			continue
		}
		k := at[id.Folder()]
		if k == nil {
			k = &keysIn{folder: id.Folder()}
			at[id.Folder()] = k
			all = append(all, k)
		}
		k.keys = append(k.keys, id.Key())
	}
	return all, nil
}
