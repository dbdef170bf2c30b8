package maildir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/postroom-go/postroom/internal/roles"
	"github.com/postroom-go/postroom/mailbox"
)

// Folders yields the folders by name, INBOX first. Directories that only hold
// others are NoSelect. Directories whose names cannot be decoded have their raw
// names, and a defect. One that cannot be read is yielded all the same; asked for
// its Status it has none, and a defect.
func (mb *Mailbox) Folders(ctx context.Context, opts *mailbox.FoldersOptions) iter.Seq2[*mailbox.Folder, error] {
	return func(yield func(*mailbox.Folder, error) bool) {
		all, err := mb.list(ctx)
		if err != nil {
			yield(nil, failure("folders", err))
			return
		}
		for _, f := range all {
			err := mb.check(ctx)
			if err == nil && opts != nil && opts.Status && !f.NoSelect {
				f.Status, err = mb.status(ctx, f.Name)
				if errors.Is(err, mailbox.ErrNotFound) {
					continue // it went meanwhile
				}
				if err != nil && mb.check(ctx) == nil { // one folder does not end the others
					mb.log.Warn("maildir: a folder cannot be read", "folder", f.Name, "error", sentinel(err))
					f.Defects, err = append(slices.Clone(f.Defects), "status: cannot be read"), nil
				}
			}
			if err != nil {
				yield(nil, folderError("folders", f.Name, err))
				return
			}
			if !yield(f, nil) {
				return
			}
		}
	}
}

func (mb *Mailbox) list(ctx context.Context) ([]*mailbox.Folder, error) {
	if err := mb.check(ctx); err != nil {
		return nil, err
	}
	done, err := mb.root.use()
	if err != nil {
		return nil, err
	}
	defer done()
	t, err := mb.folders(ctx, true)
	if err != nil {
		return nil, err
	}
	shown := map[string]*mailbox.Folder{}
	for name, p := range t.byName {
		if !p.open {
			continue
		}
		shown[name] = &mailbox.Folder{Name: name, Delimiter: delimiter, Defects: p.defects}
		for i := strings.LastIndex(name, delimiter); i > 0; i = strings.LastIndex(name[:i], delimiter) {
			above := t.byName[name[:i]]
			if (above == nil || !above.open) && !strings.EqualFold(name[:i], mailbox.Inbox) {
				shown[name[:i]] = &mailbox.Folder{Name: name[:i], Delimiter: delimiter, NoSelect: true}
			}
		}
	}
	all := make([]*mailbox.Folder, 0, len(shown))
	for _, f := range shown {
		all = append(all, f)
	}
	mb.roles(all)
	roles.ByName(all)
	return all, nil
}

// stateAge is how long a directory must have been left alone before the time of
// its modification can tell the next change from the last.
const stateAge = 2 * time.Second

// status counts what a folder holds.
func (mb *Mailbox) status(ctx context.Context, name string) (*mailbox.FolderStatus, error) {
	f, err := mb.folder(ctx, name)
	if err != nil {
		return nil, err
	}
	defer f.close()
	now := mb.now()
	before, err := f.look()
	if err != nil {
		return nil, err
	}
	all, err := f.scan(ctx)
	if err != nil {
		return nil, err
	}
	st := &mailbox.FolderStatus{Messages: int64(len(all))}
	for i := range all {
		letters, _ := splitInfo(all[i].info(), mb.sep)
		if strings.IndexByte(letters, 'S') < 0 {
			st.Unseen++
		}
	}
	if after, err := f.look(); err == nil && before.same(after) {
		st.State = before.text(now)
	}
	return st, nil
}

// text tells v from other views; "" if it may change and still look the same.
func (v view) text(now time.Time) string {
	var b strings.Builder
	for _, info := range v {
		if info == nil {
			b.WriteString("- ")
			continue
		}
		if now.Sub(info.ModTime()) < stateAge {
			return ""
		}
		fmt.Fprintf(&b, "%x.%x ", inode(info), info.ModTime().UnixNano())
	}
	return strings.TrimSpace(b.String())
}

// inode tells a directory from another that has taken its place; 0 if the system
// does not. Its type differs from system to system.
func inode(info fs.FileInfo) uint64 {
	v := reflect.Indirect(reflect.ValueOf(info.Sys()))
	if v.Kind() != reflect.Struct {
		return 0
	}
	if ino := v.FieldByName("Ino"); ino.IsValid() && ino.CanUint() {
		return ino.Uint()
	}
	return 0
}
