package mailboxtest

import (
	"context"
	"fmt"
	"io"
	"iter"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/postroom-go/postroom/mailbox"
)

// eachPart lets alter change the body of each part.
func eachPart(d *driver, alter func(opts *mailbox.OpenPartOptions, part string, text string) string) {
	openPart := d.openPart
	d.openPart = func(ctx context.Context, id mailbox.ID, part string, opts *mailbox.OpenPartOptions) (io.ReadCloser, error) {
		body, err := openPart(ctx, id, part, opts)
		return altered(body, err, rewritten(func(s string) string { return alter(opts, part, s) }))
	}
}

func brokenParts() []broken {
	return []broken{
		{name: "parts are not decoded", fails: []string{"parts/decoded", "parts/single", "parts/encoding-known", "parts/fallback", "concurrency/same-message"},
			alter: func(d *driver) {
				openPart := d.openPart
				d.openPart = func(ctx context.Context, id mailbox.ID, part string, _ *mailbox.OpenPartOptions) (io.ReadCloser, error) {
					return openPart(ctx, id, part, &mailbox.OpenPartOptions{Encoded: true})
				}
			}},
		{name: "parts are always decoded", fails: []string{"parts/encoded", "parts/single", "parts/encoding-known", "parts/fallback"}, alter: func(d *driver) {
			openPart := d.openPart
			d.openPart = func(ctx context.Context, id mailbox.ID, part string, _ *mailbox.OpenPartOptions) (io.ReadCloser, error) {
				return openPart(ctx, id, part, &mailbox.OpenPartOptions{})
			}
		}},
		{name: "a known encoding is trusted twice", fails: []string{"parts/encoding-known"}, alter: func(d *driver) {
			eachPart(d, func(opts *mailbox.OpenPartOptions, _, text string) string {
				if opts.Encoding == "base64" && !opts.Encoded {
					return ""
				}
				return text
			})
		}},
		{name: "a missing part is empty", fails: []string{"parts/missing", "parts/single", "errors/typed"},
			alter: func(d *driver) {
				openPart := d.openPart
				d.openPart = func(ctx context.Context, id mailbox.ID, part string, opts *mailbox.OpenPartOptions) (io.ReadCloser, error) {
					body, err := openPart(ctx, id, part, opts)
					if err != nil && strings.Contains(err.Error(), "not found") {
						if whole, err := d.mem.Open(ctx, id, nil); err == nil {
							_ = whole.Close()
							return io.NopCloser(strings.NewReader("")), nil
						}
					}
					return body, err
				}
			}},
		{name: "the message inside lacks its header", fails: []string{"parts/message", "parts/decoded", "parts/encoded", "parts/encoding-known", "concurrency/same-message"},
			alter: func(d *driver) {
				eachPart(d, func(_ *mailbox.OpenPartOptions, _, text string) string {
					if strings.HasPrefix(text, "From: Carl") {
						_, text, _ = strings.Cut(text, "\r\n\r\n")
					}
					return text
				})
			}},
		{name: "a file name is not decoded", fails: []string{"parts/structure", "parts/attachments", "fields/structure"}, alter: func(d *driver) {
			eachSummary(d, func(_ int, s *mailbox.Summary, _ *mailbox.ListOptions) bool {
				for p := range s.Structure.All() {
					if p.Filename() == "€ rates.pdf" {
						p.DispositionParams["filename"] = "%E2%82%AC%20rates.pdf"
					}
				}
				return true
			})
		}},
		{name: "a large part is cut", fails: []string{"parts/large"}, alter: func(d *driver) {
			eachPart(d, func(_ *mailbox.OpenPartOptions, _, text string) string { return text[:min(len(text), smallLarge/2)] })
		}},
	}
}

// current gives an ID the epoch that its folder has now.
func current(d *driver, id mailbox.ID) mailbox.ID {
	for s := range d.mem.List(context.Background(), id.Folder(), &mailbox.ListOptions{Newest: 1, Fields: mailbox.FieldsNone}) {
		if s != nil {
			return mailbox.NewID(id.Folder(), s.ID.Epoch(), id.Key())
		}
	}
	return id
}

// allCurrent is current for a list.
func allCurrent(d *driver, ids []mailbox.ID) []mailbox.ID {
	var all []mailbox.ID
	for _, id := range ids {
		all = append(all, current(d, id))
	}
	return all
}

func brokenIDs() []broken {
	return []broken{
		{name: "a stale ID opens another message", fails: []string{"stale/reads", "stale/new-epoch", "errors/typed"},
			alter: func(d *driver) {
				open := d.open
				d.open = func(ctx context.Context, id mailbox.ID, opts *mailbox.OpenOptions) (io.ReadCloser, error) {
					return open(ctx, current(d, id), opts)
				}
			}},
		{name: "a stale ID deletes another message", fails: []string{"stale/delete-folders", "stale/delete", "stale/new-epoch-changes", "errors/typed"},
			alter: func(d *driver) {
				del := d.del
				d.del = func(ctx context.Context, ids []mailbox.ID, opts *mailbox.DeleteOptions) error {
					return del(ctx, allCurrent(d, ids), opts)
				}
			}},
		{name: "a stale ID flags another message", fails: []string{"stale/flags-folders", "stale/flags", "stale/new-epoch-changes", "errors/typed"},
			alter: func(d *driver) {
				setFlags := d.setFlags
				d.setFlags = func(ctx context.Context, ids []mailbox.ID, change mailbox.FlagChange, opts *mailbox.SetFlagsOptions) error {
					return setFlags(ctx, allCurrent(d, ids), change, opts)
				}
			}},
		{name: "a stale ID fetches another message", fails: []string{"stale/fetch-folders", "stale/fetch", "stale/new-epoch", "list/one-error"}, alter: func(d *driver) {
			fetch := d.fetch
			d.fetch = func(ctx context.Context, ids []mailbox.ID, opts *mailbox.FetchOptions) iter.Seq2[*mailbox.Message, error] {
				return fetch(ctx, allCurrent(d, ids), opts)
			}
		}},
		{name: "a stale ID is noticed in its turn", fails: []string{"stale/fetch-folders", "stale/fetch"}, alter: func(d *driver) {
			fetch := d.fetch
			d.fetch = func(ctx context.Context, ids []mailbox.ID, opts *mailbox.FetchOptions) iter.Seq2[*mailbox.Message, error] {
				return func(yield func(*mailbox.Message, error) bool) {
					seen := map[mailbox.ID]bool{}
					for _, id := range ids {
						for m, err := range fetch(ctx, []mailbox.ID{id}, opts) {
							if !seen[id] && !yield(m, err) || err != nil {
								return
							}
						}
						seen[id] = true
					}
				}
			}
		}},
		{name: "stale IDs after good ones are too late", fails: []string{"stale/delete-folders", "stale/delete", "stale/new-epoch-changes"}, alter: func(d *driver) {
			del := d.del
			d.del = func(ctx context.Context, ids []mailbox.ID, opts *mailbox.DeleteOptions) error {
				if len(ids) == 0 {
					return del(ctx, ids, opts)
				}
				for _, id := range ids {
					if err := del(ctx, []mailbox.ID{id}, opts); err != nil {
						return err
					}
				}
				return nil
			}
		}},
		{name: "IDs change with every session", alter: brokenSessionIDs, fails: []string{"ids/reopen", "stale/delete", "delete/gone-elsewhere", "delete/spares-others"}},
		{name: "IDs change with every list", fails: []string{"ids/comparable", "fields/get", "list/ids"}, alter: func(d *driver) {
			var n atomic.Int64
			list := d.list
			d.list = func(ctx context.Context, folder string, opts *mailbox.ListOptions) iter.Seq2[*mailbox.Summary, error] {
				if len(opts.IDs) != 1 || opts.Fields != 0 {
					return list(ctx, folder, opts)
				}
				return func(yield func(*mailbox.Summary, error) bool) {
					for s, err := range list(ctx, folder, opts) {
						if err == nil && s.Size == int64(len(numbered(1))) {
							s.ID = mailbox.NewID(s.ID.Folder(), s.ID.Epoch(), fmt.Sprintf("%s-%d", s.ID.Key(), n.Add(1)))
						}
						if !yield(s, err) {
							return
						}
					}
				}
			}
		}},
		{name: "a removed message's ID is used again", fails: []string{"ids/not-used-again", "delete/confirmed"}, alter: func(d *driver) {
			var gone sync.Map
			del, open := d.del, d.open
			d.del = func(ctx context.Context, ids []mailbox.ID, opts *mailbox.DeleteOptions) error {
				for _, id := range ids {
					gone.Store(id, true)
				}
				return del(ctx, ids, opts)
			}
			d.open = func(ctx context.Context, id mailbox.ID, opts *mailbox.OpenOptions) (io.ReadCloser, error) {
				body, err := open(ctx, id, opts)
				if _, was := gone.Load(id); err != nil && was {
					for s := range d.mem.List(ctx, id.Folder(), &mailbox.ListOptions{Newest: 1, Fields: mailbox.FieldsNone}) {
						if s != nil && s.ID.Key() > id.Key() {
							return open(ctx, s.ID, opts)
						}
					}
				}
				return body, err
			}
		}},
		{name: "a missing message is told by Read", fails: []string{"ids/unknown", "header/unknown"}, alter: func(d *driver) {
			open := d.open
			d.open = func(ctx context.Context, id mailbox.ID, opts *mailbox.OpenOptions) (io.ReadCloser, error) {
				body, err := open(ctx, id, opts)
				if err != nil && ctx.Err() == nil {
					return io.NopCloser(readerFunc(func([]byte) (int, error) { return 0, err })), nil
				}
				return body, err
			}
		}},
		{name: "keys go to the server as they are", fails: []string{"ids/odd-keys"}, alter: func(d *driver) {
			open := d.open
			d.open = func(ctx context.Context, id mailbox.ID, opts *mailbox.OpenOptions) (io.ReadCloser, error) {
				if id.Key() == "1:*" || id.Key() == "*" {
					id = mailbox.NewID(id.Folder(), id.Epoch(), "1")
				}
				return open(ctx, id, opts)
			}
		}},
	}
}

// brokenSessionIDs is a driver whose epochs hold for one session only, though
// it claims otherwise.
func brokenSessionIDs(d *driver) {
	tag := fmt.Sprintf("s%d-", d.acc.sessions.Load())
	out := func(id mailbox.ID) mailbox.ID { return mailbox.NewID(id.Folder(), tag+id.Epoch(), id.Key()) }
	in := func(id mailbox.ID) mailbox.ID {
		epoch, ok := strings.CutPrefix(id.Epoch(), tag)
		if !ok {
			epoch = "another session's"
		}
		return mailbox.NewID(id.Folder(), epoch, id.Key())
	}
	translate(d, in, out)
	eachStatus(d, func(st *mailbox.FolderStatus) { st.Epoch = tag + st.Epoch })
}
