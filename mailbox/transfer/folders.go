package transfer

import (
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

// folders are those to look at: of the source, with where they go.
func (r *run) folders() ([]*job, error) {
	wanted := map[string]bool{}
	for _, name := range r.opts.Folders {
		wanted[mailbox.NewID(name, "", "").Folder()] = true
	}
	var all []*job
	for f, err := range r.src.Folders(r.ctx, &mailbox.FoldersOptions{Status: true}) {
		if err != nil {
			return nil, r.ended(err)
		}
		named := wanted[f.Name]
		delete(wanted, f.Name)
		if f.NoSelect || len(r.opts.Folders) > 0 && !named || !named && shownTwice(f) {
			continue
		}
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
		return nil, &mailbox.Error{Op: "transfer", Folder: name, Err: fmt.Errorf("%w at the source", mailbox.ErrNotFound)}
	}
	return all, nil
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
	if r.targets[j.target] != nil || r.opts.DryRun {
		return nil
	}
	opts := &folders.CreateOptions{}
	if j.from.RoleSource == mailbox.RoleByAttribute && !r.hasRole(j.from.Role) {
		opts.Role = j.from.Role
	}
	err := folders.Create(r.ctx, r.dst, j.target, opts)
	if err != nil && !errors.Is(err, mailbox.ErrExists) {
		return r.ended(err)
	}
	r.targets[j.target] = &mailbox.Folder{Name: j.target, Role: opts.Role}
	return nil
}

// loadTargets lists the destination's folders.
func (r *run) loadTargets() error {
	targets := map[string]*mailbox.Folder{}
	for f, err := range r.dst.Folders(r.ctx, nil) {
		if err != nil {
			return r.ended(err)
		}
		targets[f.Name] = f
	}
	r.targets = targets
	return nil
}

func (r *run) hasRole(role mailbox.Role) bool {
	for _, f := range r.targets {
		if f.Role == role {
			return true
		}
	}
	return false
}

// translate gives a folder's name at the destination, its levels separated as
// the destination separates them. What would become a delimiter there is written
// as a hyphen.
func (r *run) translate(f *mailbox.Folder) string {
	to := ""
	for _, t := range r.targets {
		to = max(to, t.Delimiter) // all have the same, but for an INBOX that has none
	}
	name := r.target(f)
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
		slices.SortStableFunc(todo, func(a, b item) int { return int(min(1, max(-1, a.size-b.size))) })
	}
	return todo
}
