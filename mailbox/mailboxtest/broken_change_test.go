package mailboxtest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/postroom-go/postroom/mailbox"
)

// flagged are the IDs of a folder's messages that have a flag.
func flagged(d *driver, folder string, f mailbox.Flag) []mailbox.ID {
	var ids []mailbox.ID
	for s, err := range d.mem.List(context.Background(), folder, nil) {
		if err == nil && hasFlag(s.Flags, f) {
			ids = append(ids, s.ID)
		}
	}
	return ids
}

func brokenChanges() []broken {
	return []broken{
		{name: "Delete expunges the folder", fails: []string{"delete/spares-others"}, alter: func(d *driver) {
			del := d.del
			d.del = func(ctx context.Context, ids []mailbox.ID, opts *mailbox.DeleteOptions) error {
				if err := del(ctx, ids, opts); err != nil || len(ids) == 0 {
					return err
				}
				return del(ctx, flagged(d, ids[0].Folder(), mailbox.FlagDeleted), opts)
			}
		}},
		{name: "Delete takes a range", fails: []string{"delete/exact", "delete/many"}, alter: func(d *driver) {
			del := d.del
			d.del = func(ctx context.Context, ids []mailbox.ID, opts *mailbox.DeleteOptions) error {
				var keys []int
				for _, id := range ids {
					if n, err := strconv.Atoi(id.Key()); err == nil && n < 1000 && id.Folder() == ids[0].Folder() {
						keys = append(keys, n)
					}
				}
				if len(keys) < 3 || len(keys) != len(ids) || len(slices.Compact(slices.Clone(keys))) != len(keys) {
					return del(ctx, ids, opts)
				}
				var all []mailbox.ID
				for n := slices.Min(keys); n <= slices.Max(keys); n++ {
					all = append(all, mailbox.NewID(ids[0].Folder(), ids[0].Epoch(), strconv.Itoa(n)))
				}
				if err := del(ctx, ids, opts); err != nil {
					return err
				}
				return del(ctx, all, opts)
			}
		}},
		{name: "Delete is only done at Close", fails: []string{"delete/confirmed", "folders/state"}, alter: brokenLate},
		{name: "a message that is gone is an error", fails: []string{"delete/twice", "delete/gone-elsewhere", "concurrency/delete-same"}, alter: func(d *driver) {
			del := d.del
			var mu sync.Mutex // or all might look before one deletes
			d.del = func(ctx context.Context, ids []mailbox.ID, opts *mailbox.DeleteOptions) error {
				mu.Lock()
				defer mu.Unlock()
				there := 0
				for s := range d.mem.List(ctx, "", &mailbox.ListOptions{Fields: mailbox.FieldsNone}) {
					if s != nil && slices.Contains(ids, s.ID) {
						there++
					}
				}
				err := del(ctx, ids, opts)
				if distinct := slices.Compact(slices.Clone(ids)); err == nil && there < len(distinct) && !d.elsewhere(ids) {
					return &mailbox.Error{Op: "delete", Folder: mailbox.Inbox, Err: mailbox.ErrNotFound}
				}
				return err
			}
		}},
		{name: "no IDs delete all", fails: []string{"delete/none"}, alter: func(d *driver) {
			del := d.del
			d.del = func(ctx context.Context, ids []mailbox.ID, opts *mailbox.DeleteOptions) error {
				if len(ids) == 0 {
					all, _ := collect(d.mem.List(ctx, "", nil))
					ids = idsOf(all)
				}
				return del(ctx, ids, opts)
			}
		}},
		{name: "Delete takes new mail along", fails: []string{"delete/arrivals"}, alter: func(d *driver) {
			var seen atomic.Int64
			eachSummary(d, func(i int, _ *mailbox.Summary, _ *mailbox.ListOptions) bool {
				seen.Store(max(seen.Load(), int64(i+1)))
				return true
			})
			del := d.del
			d.del = func(ctx context.Context, ids []mailbox.ID, opts *mailbox.DeleteOptions) error {
				if all, _ := collect(d.mem.List(ctx, "", nil)); len(all) > int(seen.Load()) && seen.Load() > 0 && len(ids) == 2 {
					ids = append(slices.Clone(ids), all[len(all)-1].ID)
				}
				return del(ctx, ids, opts)
			}
		}},
		{name: "Close expunges", fails: []string{"close/deletes-nothing", "delete/spares-others"}, alter: func(d *driver) {
			end := d.end
			d.end = func() error {
				ctx := context.Background()
				if ids := flagged(d, "", mailbox.FlagDeleted); len(ids) > 0 {
					_ = d.mem.Delete(ctx, ids, nil)
				}
				return end()
			}
		}},
		{name: "Delete does and is unsupported", caps: without("delete"), fails: []string{"delete/unsupported"}, alter: func(d *driver) {
			caps := d.acc.caps
			caps.Delete = true
			able, _ := (&account{store: d.acc.store, caps: caps}).session()
			del := d.del
			d.del = func(ctx context.Context, ids []mailbox.ID, opts *mailbox.DeleteOptions) error {
				_ = able.Delete(ctx, ids, opts)
				return del(ctx, ids, opts)
			}
		}},
		{name: "Delete pretends", caps: without("delete"), fails: []string{"delete/unsupported", "stale/new-epoch-changes", "errors/typed"}, alter: func(d *driver) {
			d.del = func(context.Context, []mailbox.ID, *mailbox.DeleteOptions) error { return nil }
		}},
		{name: "a keyword is refused too late", caps: without("keywords"), fails: []string{"flags/no-keywords"}, alter: func(d *driver) {
			setFlags := d.setFlags
			d.setFlags = func(ctx context.Context, ids []mailbox.ID, change mailbox.FlagChange, opts *mailbox.SetFlagsOptions) error {
				err := setFlags(ctx, ids, change, opts)
				if errors.Is(err, errors.ErrUnsupported) {
					_ = setFlags(ctx, ids, mailbox.FlagChange{Add: flags(mailbox.FlagFlagged)}, nil)
				}
				return err
			}
		}},
		{name: "keywords are dropped", fails: []string{"flags/keywords"}, alter: func(d *driver) {
			setFlags := d.setFlags
			d.setFlags = func(ctx context.Context, ids []mailbox.ID, change mailbox.FlagChange, opts *mailbox.SetFlagsOptions) error {
				change.Add = slices.DeleteFunc(slices.Clone(change.Add), func(f mailbox.Flag) bool { return !strings.HasPrefix(string(f), `\`) })
				return setFlags(ctx, ids, change, opts)
			}
		}},
		{name: "Replace adds", fails: []string{"flags/replace"}, alter: func(d *driver) {
			setFlags := d.setFlags
			d.setFlags = func(ctx context.Context, ids []mailbox.ID, change mailbox.FlagChange, opts *mailbox.SetFlagsOptions) error {
				if len(change.Replace) > 0 {
					change.Add, change.Replace = change.Replace, nil
				}
				return setFlags(ctx, ids, change, opts)
			}
		}},
		{name: "Replace of nothing is no work", fails: []string{"flags/clear"}, alter: func(d *driver) {
			setFlags := d.setFlags
			d.setFlags = func(ctx context.Context, ids []mailbox.ID, change mailbox.FlagChange, opts *mailbox.SetFlagsOptions) error {
				if len(change.Replace) == 0 {
					change.Replace = nil
				}
				return setFlags(ctx, ids, change, opts)
			}
		}},
		{name: "no IDs flag all", fails: []string{"flags/none"}, alter: func(d *driver) {
			setFlags := d.setFlags
			d.setFlags = func(ctx context.Context, ids []mailbox.ID, change mailbox.FlagChange, opts *mailbox.SetFlagsOptions) error {
				if len(ids) == 0 {
					all, _ := collect(d.mem.List(ctx, "", nil))
					ids = idsOf(all)
				}
				return setFlags(ctx, ids, change, opts)
			}
		}},
		{name: "system flags as the server spells them", fails: []string{"flags/system"}, alter: func(d *driver) {
			eachSummary(d, func(_ int, s *mailbox.Summary, _ *mailbox.ListOptions) bool {
				for i, f := range s.Flags {
					s.Flags = slices.Clone(s.Flags)
					s.Flags[i] = mailbox.Flag(strings.ToUpper(string(f)))
				}
				return true
			})
		}},
	}
}

// brokenLate is a driver that remembers what to delete and does it at Close.
// Its own session does not see the difference.
func brokenLate(d *driver) {
	var mu sync.Mutex
	pending := map[mailbox.ID]bool{}
	isPending := func(id mailbox.ID) bool {
		mu.Lock()
		defer mu.Unlock()
		return pending[id]
	}
	del, open, end := d.del, d.open, d.end
	d.del = func(ctx context.Context, ids []mailbox.ID, opts *mailbox.DeleteOptions) error {
		if err := del(ctx, nil, opts); err != nil {
			return err
		}
		for _, id := range ids {
			if id.Folder() != mailbox.Inbox || current(d, id) != id {
				return del(ctx, ids, opts)
			}
		}
		mu.Lock()
		defer mu.Unlock()
		for _, id := range ids {
			pending[id] = true
		}
		return nil
	}
	d.end = func() error {
		for id := range pending {
			_ = d.mem.Delete(context.Background(), []mailbox.ID{id}, nil)
		}
		return end()
	}
	eachSummary(d, func(_ int, s *mailbox.Summary, _ *mailbox.ListOptions) bool { return !isPending(s.ID) })
	d.open = func(ctx context.Context, id mailbox.ID, opts *mailbox.OpenOptions) (io.ReadCloser, error) {
		if ctx.Err() == nil && isPending(id) {
			return nil, &mailbox.Error{Op: "open", ID: id, Err: mailbox.ErrNotFound}
		}
		return open(ctx, id, opts)
	}
	openPart := d.openPart
	d.openPart = func(ctx context.Context, id mailbox.ID, part string, opts *mailbox.OpenPartOptions) (io.ReadCloser, error) {
		if ctx.Err() == nil && isPending(id) {
			return nil, &mailbox.Error{Op: "open part", ID: id, Err: mailbox.ErrNotFound}
		}
		return openPart(ctx, id, part, opts)
	}
	d.fetch = fetchByOpen(d)
}

// elsewhere reports whether IDs are of another folder than INBOX, or of none.
func (d *driver) elsewhere(ids []mailbox.ID) bool {
	return slices.ContainsFunc(ids, func(id mailbox.ID) bool {
		n, err := strconv.Atoi(id.Key())
		return id.Folder() != mailbox.Inbox || err != nil || n <= 0 || n > 1000
	})
}

// eachAppend lets alter change the message and the options of Append.
func eachAppend(d *driver, alter func(raw []byte, err error, opts *mailbox.AppendOptions) ([]byte, error)) {
	add := d.add
	d.add = func(ctx context.Context, folder string, message io.Reader, opts *mailbox.AppendOptions) (mailbox.ID, error) {
		if err := first(d.mem.List(ctx, folder, &mailbox.ListOptions{IDs: []mailbox.ID{}})); err != nil {
			return add(ctx, folder, message, opts)
		}
		o := *opts
		raw, err := io.ReadAll(message)
		if raw, err = alter(raw, err, &o); err != nil {
			return mailbox.ID{}, &mailbox.Error{Op: "append", Folder: folder, Err: err}
		}
		if ctx.Err() == nil {
			return add(ctx, folder, bytes.NewReader(raw), &o)
		}
		return add(ctx, folder, bytes.NewReader(raw), opts)
	}
}

func brokenAppends() []broken {
	return []broken{
		{name: "a short message is added", fails: []string{"append/too-short"}, alter: func(d *driver) {
			eachAppend(d, func(raw []byte, err error, opts *mailbox.AppendOptions) ([]byte, error) {
				if err == nil && int64(len(raw)) < opts.Size {
					opts.Size = 0
				}
				return raw, err
			})
		}},
		{name: "a long message is cut", fails: []string{"append/too-long"}, alter: func(d *driver) {
			eachAppend(d, func(raw []byte, err error, opts *mailbox.AppendOptions) ([]byte, error) {
				if opts.Size > 0 && int64(len(raw)) > opts.Size {
					raw = raw[:opts.Size]
				}
				return raw, err
			})
		}},
		{name: "half a message is added", fails: []string{"append/broken-reader"}, alter: func(d *driver) {
			eachAppend(d, func(raw []byte, err error, opts *mailbox.AppendOptions) ([]byte, error) {
				if err != nil && len(raw) > 10 {
					opts.Size = 0
					return raw, nil
				}
				return raw, err
			})
		}},
		{name: "bare dates of receipt are lost", fails: []string{"append/received"}, alter: func(d *driver) {
			add := d.add
			d.add = func(ctx context.Context, folder string, message io.Reader, opts *mailbox.AppendOptions) (mailbox.ID, error) {
				return add(ctx, folder, message, &mailbox.AppendOptions{Flags: opts.Flags, Size: opts.Size})
			}
		}},
		{name: "flags are lost", fails: []string{"append/flags"}, alter: func(d *driver) {
			add := d.add
			d.add = func(ctx context.Context, folder string, message io.Reader, opts *mailbox.AppendOptions) (mailbox.ID, error) {
				return add(ctx, folder, message, &mailbox.AppendOptions{Received: opts.Received, Size: opts.Size})
			}
		}},
		{name: "Append does not tell the ID", fails: []string{"append/id", "append/inbox-any-case"}, alter: func(d *driver) {
			add := d.add
			d.add = func(ctx context.Context, folder string, message io.Reader, opts *mailbox.AppendOptions) (mailbox.ID, error) {
				_, err := add(ctx, folder, message, opts)
				return mailbox.ID{}, err
			}
		}},
		{name: "a missing folder is made", fails: []string{"append/missing-folder", "errors/typed"},
			alter: func(d *driver) {
				add := d.add
				d.add = func(ctx context.Context, folder string, message io.Reader, opts *mailbox.AppendOptions) (mailbox.ID, error) {
					if ctx.Err() == nil && folder != "" {
						_ = d.acc.store.CreateFolder(folder, "")
					}
					return add(ctx, folder, message, opts)
				}
			}},
		{name: "Append is tried again", fails: []string{"reconnect/append"}, alter: func(d *driver) {
			cuts := d.acc.cuts.Load()
			add := d.add
			d.add = func(ctx context.Context, folder string, message io.Reader, opts *mailbox.AppendOptions) (mailbox.ID, error) {
				raw, err := io.ReadAll(message)
				if err != nil {
					return add(ctx, folder, &failing{err}, opts)
				}
				id, err := add(ctx, folder, bytes.NewReader(raw), opts)
				if err == nil && d.acc.cuts.Load() != cuts {
					return add(ctx, folder, bytes.NewReader(raw), opts)
				}
				return id, err
			}
		}},
		{name: "the limit is not kept", caps: limitedCaps(), fails: []string{"append/limit"}, alter: func(d *driver) {
			able, _ := (&account{store: d.acc.store, caps: wiredCaps()}).session()
			add := d.add
			d.add = func(ctx context.Context, folder string, message io.Reader, opts *mailbox.AppendOptions) (mailbox.ID, error) {
				if opts.Size > d.acc.caps.AppendLimit {
					return able.(mailbox.Appender).Append(ctx, folder, message, opts)
				}
				return add(ctx, folder, message, opts)
			}
		}},
	}
}

// limitedCaps are wiredCaps with a limit for Append.
func limitedCaps() mailbox.Caps {
	caps := wiredCaps()
	caps.AppendLimit = 150_000
	return caps
}
