package maildir

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"slices"

	"github.com/postroom-go/postroom/mailbox"
)

// List yields a summary of each message in folder: see mailbox.Mailbox. With
// FieldsNone or FieldFlags alone only names are looked at.
func (mb *Mailbox) List(ctx context.Context, folder string, opts *mailbox.ListOptions) iter.Seq2[*mailbox.Summary, error] {
	if opts == nil {
		opts = &mailbox.ListOptions{}
	}
	return func(yield func(*mailbox.Summary, error) bool) {
		f, err := mb.folder(ctx, folder)
		if err != nil {
			yield(nil, folderError("list", folder, err))
			return
		}
		defer f.close()
		if id, ok := f.strange(opts.IDs); ok {
			yield(nil, idError("list", id, mailbox.ErrStale))
			return
		}
		if err := f.list(ctx, opts, yield); err != nil {
			yield(nil, folderError("list", folder, err))
		}
	}
}

// strange finds an ID that is not of this folder.
func (f *folder) strange(ids []mailbox.ID) (mailbox.ID, bool) {
	for _, id := range ids {
		if id.Folder() != f.name || id.Epoch() != "" {
			return id, true
		}
	}
	return mailbox.ID{}, false
}

// list yields what opts ask for. An error is for the caller to yield.
func (f *folder) list(ctx context.Context, opts *mailbox.ListOptions, yield func(*mailbox.Summary, error) bool) error {
	all, err := f.scan(ctx)
	if err != nil {
		return err
	}
	l := &lister{f: f, fields: opts.Fields.Resolve()}
	if l.fields&described != 0 {
		l.index = f.newIndexer(all)
		defer l.index.end(ctx)
	}
	for i, e := range f.chosen(all, opts) {
		if err := f.mb.check(ctx); err != nil {
			return err
		}
		s, err := l.summary(ctx, i, e)
		switch {
		case errors.Is(err, mailbox.ErrNotFound):
			continue // it went meanwhile
		case err != nil:
			return err
		case !yield(s, nil):
			return nil
		}
	}
	return nil
}

// chosen yields the messages that opts ask for, in their order, and their places
// among all.
func (f *folder) chosen(all []entry, opts *mailbox.ListOptions) iter.Seq2[int, *entry] {
	places := f.places(all, opts.IDs)
	n := len(all)
	if opts.IDs != nil {
		n = len(places)
	}
	from := 0
	if opts.Newest > 0 && opts.Newest < n {
		from = n - opts.Newest
	}
	return func(yield func(int, *entry) bool) {
		for i := from; i < n; i++ {
			at := i
			if opts.Reverse {
				at = n - 1 - (i - from)
			}
			if opts.IDs != nil {
				at = places[at]
			}
			if !yield(at, &all[at]) {
				return
			}
		}
	}
}

// places finds messages, each once, in their order.
func (f *folder) places(all []entry, ids []mailbox.ID) []int {
	var places []int
	for _, id := range ids {
		at := stampOf(id.Key())
		i, ok := slices.BinarySearchFunc(all, id.Key(), func(e entry, key string) int { return e.compareKey(at, key) })
		if ok {
			places = append(places, i)
		}
	}
	slices.Sort(places)
	return slices.Compact(places)
}

// lister makes summaries of one folder.
type lister struct {
	f      *folder
	fields mailbox.Fields
	words  *keywords // read when a letter wants them
	index  *indexer  // nil if nothing is asked for that is in it
	buf    []byte    // for headers
}

const (
	// described are the fields that the message itself tells.
	described = mailbox.FieldEnvelope | mailbox.FieldStructure
	// needsFile are the fields that the name does not tell.
	needsFile = mailbox.FieldSize | mailbox.FieldReceived | described
)

// summary tells what was asked for. A message that is gone is
// mailbox.ErrNotFound.
func (l *lister) summary(ctx context.Context, place int, e *entry) (*mailbox.Summary, error) {
	path := l.f.state.now(e)
	if path == "" {
		return nil, mailbox.ErrNotFound
	}
	s := &mailbox.Summary{ID: l.f.id(e.key()), Fields: l.fields}
	if l.fields&needsFile != 0 {
		err := l.fill(ctx, s, place, path)
		if errors.Is(err, fs.ErrNotExist) {
			err = l.f.with(ctx, e.key(), func(now string) error {
				path = now
				return l.fill(ctx, s, place, path)
			})
		}
		if err != nil {
			return nil, err
		}
	}
	if l.fields.Has(mailbox.FieldFlags) {
		_, info := splitName(path, l.f.mb.sep)
		if l.words == nil && lowered(info, l.f.mb.sep) {
			var err error
			if l.words, err = l.f.keywords(); err != nil {
				return nil, err
			}
		}
		s.Flags = l.words.flagsOf(info, l.f.mb.sep)
	}
	return s, nil
}

// fill tells what the file says, or the index.
func (l *lister) fill(ctx context.Context, s *mailbox.Summary, place int, path string) error {
	info, err := l.f.files.Lstat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return mailbox.ErrNotFound // something else took its place
	}
	if l.fields.Has(mailbox.FieldSize) {
		s.Size = info.Size()
	}
	if l.fields.Has(mailbox.FieldReceived) {
		s.Received = info.ModTime()
	}
	if l.fields&described == 0 {
		return nil
	}
	fp := fingerprint{info.Size(), info.ModTime().UnixNano()}
	d := l.index.look(place, fp)
	if d == nil || !d.has(l.fields) {
		d, err = l.describe(ctx, path, d)
		switch {
		case errors.Is(err, fs.ErrNotExist), err != nil && l.f.mb.check(ctx) != nil:
			return err
		case err != nil: // one that cannot be read does not end the list
			l.f.mb.log.Warn("maildir: a message cannot be read", "id", s.ID, "error", sentinel(err))
			s.Fields &^= described
			s.Defects = append(s.Defects, "file: cannot be read")
			return nil
		}
		l.index.learn(ctx, place, fp, d)
	}
	d.tell(s)
	return nil
}
