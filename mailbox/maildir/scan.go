package maildir

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/postroom-go/postroom/mailbox"
)

const (
	// maxPasses is how often the directories are read for one scan while others
	// change them.
	maxPasses = 5
	// maxTries is how often a message is looked for that others rename.
	maxTries = 10
)

// view is what tells one state of the two directories from another.
type view [2]fs.FileInfo // nil is one that is not there

func (f *folder) look() (v view, err error) {
	for i, dir := range dirs() {
		info, err := f.files.Lstat(dir)
		switch {
		case errors.Is(err, fs.ErrNotExist) && dir == "new":
		case err != nil:
			return v, notFound(err)
		default:
			v[i] = info
		}
	}
	return v, nil
}

func (v view) same(o view) bool {
	for i := range v {
		if (v[i] == nil) != (o[i] == nil) || v[i] != nil && !v[i].ModTime().Equal(o[i].ModTime()) {
			return false
		}
	}
	return true
}

// settled reports whether a change after v was seen, at now, is sure to show in
// the time of modification: these times come in ticks, of some milliseconds or,
// where there is no fraction, of up to two seconds.
func (v view) settled(now time.Time) bool {
	for _, info := range v {
		if info == nil {
			continue
		}
		tick := 50 * time.Millisecond
		if info.ModTime().Nanosecond() == 0 {
			tick = 3 * time.Second
		}
		if now.Sub(info.ModTime()) < tick {
			return false
		}
	}
	return true
}

// scan lists the messages, in their order. A message that is renamed while its
// directory is read may be under neither name: so the directories are read again
// if they have changed, and whatever was there in one pass is listed.
func (f *folder) scan(ctx context.Context) ([]entry, error) {
	f.state.forget()
	before, err := f.look()
	if err != nil {
		return nil, err
	}
	var all []entry
	for pass := range maxPasses {
		settled := before.settled(f.mb.now())
		for _, dir := range dirs() {
			if err := f.mb.check(ctx); err != nil {
				return nil, err
			}
			if all, err = f.read(all, dir, pass); err != nil {
				return nil, err
			}
		}
		after, err := f.look()
		if err != nil {
			return nil, err
		}
		if before.same(after) && (settled || pass > 0) {
			break
		}
		before = after
	}
	all = united(all)
	f.mb.remember(f.state, all)
	return all, nil
}

// read adds what is in one of the directories.
func (f *folder) read(all []entry, dir string, pass int) ([]entry, error) {
	list, err := f.files.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist) && dir == "new":
		return all, nil
	case err != nil:
		return nil, notFound(err)
	}
	all = slices.Grow(all, len(list))
	for _, d := range list {
		if base, _ := splitName(d.Name(), f.mb.sep); d.Type().IsRegular() && validBase(base, f.mb.sep) {
			all = append(all, newEntry(d.Name(), f.mb.sep, dir == "cur", pass))
		}
	}
	return all, nil
}

// united sorts entries, and leaves one of each base: that of the last pass, and
// of those the one in cur.
func united(all []entry) []entry {
	slices.SortFunc(all, func(a, b entry) int {
		if c := a.compareKey(b.at, b.key()); c != 0 {
			return c
		}
		if a.pass != b.pass {
			return cmp.Compare(b.pass, a.pass)
		}
		if a.cur != b.cur {
			if a.cur {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.name, b.name)
	})
	kept := all[:0]
	for _, e := range all {
		if n := len(kept); n > 0 && kept[n-1].key() == e.key() {
			kept[n-1].twin = kept[n-1].twin || kept[n-1].pass == e.pass
			continue
		}
		kept = append(kept, e)
	}
	return slices.Clip(kept)
}

// errAgain, from what each calls, means that the message must be looked for once
// more.
var errAgain = errors.New("look again")

// each calls do with the path of each message named, wherever it is by now; twin
// tells that there may be another file of the same message. A path that is gone
// when do comes (fs.ErrNotExist) was renamed or removed: it is looked for again.
// Messages that are not there are left out; found is how many were.
func (f *folder) each(ctx context.Context, bases []string, do func(base, path string, twin bool) error) (found int, err error) {
	c := &chase{f: f, ctx: ctx, do: do, left: map[string]bool{}}
	for _, base := range bases {
		c.left[base] = true
	}
	if f.state.known() {
		for _, base := range bases {
			if path, twin, ok := f.state.where(base); ok && c.left[base] {
				if err := c.try(base, path, twin); err != nil {
					return c.found, err
				}
			}
		}
	}
	for idle := 0; len(c.left) > 0; idle++ {
		if idle == maxTries {
			return c.found, fmt.Errorf("other programs rename it over and over: %w", mailbox.ErrUnavailable)
		}
		before := len(c.left)
		if err := c.round(idle > 0); err != nil {
			return c.found, err
		}
		if len(c.left) < before {
			idle = 0
		}
	}
	return c.found, nil
}

// chase is a search for messages that others rename meanwhile.
type chase struct {
	f     *folder
	ctx   context.Context
	do    func(base, path string, twin bool) error
	left  map[string]bool
	found int
}

// round looks for what is left. Hasty takes what one look into the directories
// gives, at once, before it is renamed again; then those that no scan finds are
// given up: they are gone.
func (c *chase) round(hasty bool) error {
	for _, dir := range dirs() {
		if !hasty {
			break
		}
		all, err := c.f.read(nil, dir, 0)
		if err != nil {
			return err
		}
		if err := c.tryAll(all); err != nil {
			return err
		}
	}
	if len(c.left) == 0 {
		return nil
	}
	all, err := c.f.scan(c.ctx)
	if err != nil {
		return err
	}
	there := map[string]bool{}
	for i := range all {
		if key := all[i].key(); c.left[key] {
			there[key] = true
		}
	}
	c.left = there
	return c.tryAll(all)
}

func (c *chase) tryAll(all []entry) error {
	for i := range all {
		if e := &all[i]; c.left[e.key()] {
			if err := c.try(e.key(), e.path(), e.twin); err != nil {
				return err
			}
		}
	}
	return nil
}

// try does it; a message that is not where it was stays to be found.
func (c *chase) try(base, path string, twin bool) error {
	if err := c.f.mb.check(c.ctx); err != nil {
		return err
	}
	err := c.do(base, path, twin)
	switch {
	case err == nil:
		delete(c.left, base)
		c.found++
	case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, errAgain):
		return err
	}
	return nil
}

// with is each for one message; one that is not there is mailbox.ErrNotFound.
func (f *folder) with(ctx context.Context, base string, do func(path string) error) error {
	n, err := f.each(ctx, []string{base}, func(_, path string, _ bool) error { return do(path) })
	if err == nil && n == 0 {
		err = mailbox.ErrNotFound
	}
	return err
}
