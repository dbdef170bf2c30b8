package transfer

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/folders"
)

// job is one folder to transfer.
type job struct {
	from   *mailbox.Folder
	target string
	tag    uint32 // of the source's folder
}

// targets are the folders of the destination.
type targets struct {
	folders   map[string]bool // true: it holds messages
	roles     map[mailbox.Role]bool
	delimiter string
}

// folders are those to look at: of the source, with where they go.
func (r *run) folders() ([]*job, error) {
	wanted := map[string]bool{}
	for _, name := range r.opts.Folders {
		wanted[canonicalName(name)] = true
	}
	var all []*job
	for f, err := range r.src.Folders(r.ctx, &mailbox.FoldersOptions{Status: true}) {
		if err != nil {
			return nil, r.ended(err)
		}
		named := wanted[f.Name]
		if f.NoSelect || len(r.opts.Folders) > 0 && !named || !named && shownTwice(f) {
			continue
		}
		delete(wanted, f.Name)
		all = append(all, &job{from: f, tag: tag(f.Name)})
	}
	if err := r.loadTargets(); err != nil {
		return nil, err
	}
	for _, j := range all {
		j.target = r.translate(j.from)
	}
	all = slices.DeleteFunc(all, func(j *job) bool { return j.target == "" })
	for name := range wanted {
		return nil, &mailbox.Error{Op: "transfer", Folder: name, Err: fmt.Errorf("%w at the source, or a folder that only holds others", mailbox.ErrNotFound)}
	}
	return all, r.warnOfMerging(all)
}

// canonicalName is a folder's name as IDs have it: INBOX in one spelling.
func canonicalName(name string) string { return mailbox.NewID(name, "", "").Folder() }

// warnOfMerging tells of folders that become one because their names differ only
// in what the destination's cannot have.
func (r *run) warnOfMerging(all []*job) error {
	if r.opts.Target != nil || !r.dst.Caps().Folders {
		return nil
	}
	first := map[string]string{}
	for _, j := range all {
		if other, taken := first[j.target]; taken && other != j.from.Name {
			err := r.tell(Event{Kind: Warning, Folder: j.from.Name, Target: j.target,
				Reason: fmt.Sprintf("%q and %q both go to %q", other, j.from.Name, j.target)})
			if err != nil {
				return err
			}
		}
		first[j.target] = j.from.Name
	}
	return nil
}

// shownTwice reports whether a folder only shows messages that other folders
// have as well.
func shownTwice(f *mailbox.Folder) bool {
	return f.RoleSource != mailbox.RoleByName && (f.Role == mailbox.RoleFlagged || f.Role == mailbox.RoleImportant)
}

// target is where a folder goes.
func (r *run) target(f *mailbox.Folder) string {
	switch {
	case r.opts.Target != nil:
		return r.opts.Target(f)
	case f.Name == mailbox.Inbox || !r.dst.Caps().Folders:
		return mailbox.Inbox
	}
	return f.Name
}

// prepare makes the destination's folder if it is missing.
func (r *run) prepare(j *job) error {
	if r.targets.folders[j.target] || r.opts.DryRun {
		return nil
	}
	opts := &folders.CreateOptions{}
	if j.from.RoleSource == mailbox.RoleByAttribute && !r.targets.roles[j.from.Role] {
		opts.Role = j.from.Role
	}
	err := folders.Create(r.ctx, r.dst, j.target, opts)
	if err != nil && !errors.Is(err, mailbox.ErrExists) {
		if broken(err) {
			return r.ended(err)
		}
		return r.ofFolder(err)
	}
	r.targets.folders[j.target], r.targets.roles[opts.Role] = true, true
	return nil
}

// loadTargets lists the destination's folders.
func (r *run) loadTargets() error {
	t := targets{folders: map[string]bool{}, roles: map[mailbox.Role]bool{}}
	for f, err := range r.dst.Folders(r.ctx, nil) {
		if err != nil {
			return r.ended(err)
		}
		t.folders[f.Name] = !f.NoSelect
		t.roles[f.Role] = true
		t.delimiter = max(t.delimiter, f.Delimiter) // all have the same, but for an INBOX that has none
	}
	r.targets = t
	return nil
}

// translate gives a folder's name at the destination, its levels separated as
// the destination separates them. What would become a delimiter there is written
// as a hyphen.
func (r *run) translate(f *mailbox.Folder) string {
	name, to := canonicalName(r.target(f)), r.targets.delimiter
	if r.opts.Target != nil || f.Delimiter == to || to == "" || name == mailbox.Inbox {
		return name
	}
	levels := []string{name}
	if f.Delimiter != "" {
		levels = strings.Split(name, f.Delimiter)
	}
	for i := range levels {
		levels[i] = strings.ReplaceAll(levels[i], to, "-")
	}
	return strings.Join(levels, to)
}

// state is the folder's state by which the next run knows that there is nothing
// to do: the source's word for it, and what this run was asked for. It is "" if
// that cannot be told.
func (r *run) state(j *job) string {
	st := j.from.Status
	if st == nil || st.State == "" || r.opts.Match != nil || !r.opts.Since.IsZero() || !r.opts.Before.IsZero() {
		return ""
	}
	return strings.Join([]string{st.State, j.target,
		strconv.FormatInt(r.opts.MinSize, 10), strconv.FormatInt(r.opts.MaxSize, 10)}, "\x00")
}

// idle reports whether a folder needs no list: nothing came or went, nothing is
// open, and nothing is to be deleted.
func (r *run) idle(j *job) bool {
	at := r.state(j)
	if at == "" || r.ledger.cursor(j.from.Name) != at {
		return false
	}
	work := false
	r.ledger.each(j.tag, func(e *entry) {
		switch e.state {
		case fetched, pending:
			work = true
		case dead:
			work = work || r.opts.RetryDead
		case stored:
			due, _ := r.opts.Remove.due(e.size, e.time(), r.now)
			work = work || due
		}
	})
	return !work
}

// sorted brings new messages into the order that was asked for.
func (r *run) sorted(todo []item) []item {
	switch r.opts.Order {
	case NewestFirst:
		slices.Reverse(todo)
	case LargestLast:
		slices.SortStableFunc(todo, func(a, b item) int { return cmp.Compare(a.size, b.size) })
	}
	return todo
}
