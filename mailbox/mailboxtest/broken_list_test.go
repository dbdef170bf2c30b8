package mailboxtest

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"

	"github.com/postroom-go/postroom/mailbox"
)

// eachSummary lets alter change what List yields; it is told the place of each
// message, and returns false to leave it out.
func eachSummary(d *driver, alter func(i int, s *mailbox.Summary, opts *mailbox.ListOptions) bool) {
	list := d.list
	d.list = func(ctx context.Context, folder string, opts *mailbox.ListOptions) iter.Seq2[*mailbox.Summary, error] {
		return func(yield func(*mailbox.Summary, error) bool) {
			i := -1
			for s, err := range list(ctx, folder, opts) {
				if i++; err == nil && !alter(i, s, opts) {
					continue
				}
				if !yield(s, err) {
					return
				}
			}
		}
	}
}

// withOptions lets alter change what List is asked for.
func withOptions(d *driver, alter func(opts *mailbox.ListOptions)) {
	list := d.list
	d.list = func(ctx context.Context, folder string, opts *mailbox.ListOptions) iter.Seq2[*mailbox.Summary, error] {
		o := *opts
		alter(&o)
		return list(ctx, folder, &o)
	}
}

// asks reports whether a field is asked for.
func asks(opts *mailbox.ListOptions, f mailbox.Fields) bool { return opts.Fields.Resolve().Has(f) }

// eachStatus lets alter change the status of each folder.
func eachStatus(d *driver, alter func(st *mailbox.FolderStatus)) {
	eachFolder(d, func(f *mailbox.Folder) {
		if f.Status != nil {
			alter(f.Status)
		}
	})
}

// eachFolder lets alter change what Folders yields.
func eachFolder(d *driver, alter func(f *mailbox.Folder)) {
	folders := d.folders
	d.folders = func(ctx context.Context, opts *mailbox.FoldersOptions) iter.Seq2[*mailbox.Folder, error] {
		return func(yield func(*mailbox.Folder, error) bool) {
			for f, err := range folders(ctx, opts) {
				if f != nil {
					alter(f)
				}
				if !yield(f, err) {
					return
				}
			}
		}
	}
}

func brokenLists() []broken {
	return []broken{
		{name: "a damaged message ends the list", fails: []string{"list/damaged"}, alter: func(d *driver) {
			list := d.list
			d.list = func(ctx context.Context, folder string, opts *mailbox.ListOptions) iter.Seq2[*mailbox.Summary, error] {
				return func(yield func(*mailbox.Summary, error) bool) {
					for s, err := range list(ctx, folder, opts) {
						if err == nil && asks(opts, mailbox.FieldEnvelope) && len(s.Defects) > 0 {
							yield(nil, errBroken)
							return
						}
						if !yield(s, err) {
							return
						}
					}
				}
			}
		}},
		{name: "an error in the middle, and on it goes", fails: []string{"list/one-error"}, alter: func(d *driver) {
			list := d.list
			d.list = func(ctx context.Context, folder string, opts *mailbox.ListOptions) iter.Seq2[*mailbox.Summary, error] {
				return func(yield func(*mailbox.Summary, error) bool) {
					for s, err := range list(ctx, folder, opts) {
						if !yield(s, err) || errors.Is(err, mailbox.ErrNotFound) && !yield(&mailbox.Summary{}, nil) {
							return
						}
					}
				}
			}
		}},
		{name: "an error with a value", fails: []string{"list/one-error"}, alter: func(d *driver) {
			list := d.list
			d.list = func(ctx context.Context, folder string, opts *mailbox.ListOptions) iter.Seq2[*mailbox.Summary, error] {
				return func(yield func(*mailbox.Summary, error) bool) {
					for s, err := range list(ctx, folder, opts) {
						if err != nil {
							s = &mailbox.Summary{}
						}
						if !yield(s, err) {
							return
						}
					}
				}
			}
		}},
		{name: "Newest lists the oldest", fails: []string{"list/newest"}, alter: func(d *driver) {
			list := d.list
			d.list = func(ctx context.Context, folder string, opts *mailbox.ListOptions) iter.Seq2[*mailbox.Summary, error] {
				o := *opts
				o.Newest = 0
				return func(yield func(*mailbox.Summary, error) bool) {
					n := 0
					for s, err := range list(ctx, folder, &o) {
						if n++; opts.Newest > 0 && n > opts.Newest || !yield(s, err) {
							return
						}
					}
				}
			}
		}},
		{name: "Reverse is forgotten", fails: []string{"list/reverse", "list/newest-reverse", "list/ids-reverse"}, alter: func(d *driver) {
			withOptions(d, func(opts *mailbox.ListOptions) { opts.Reverse = false })
		}},
		{name: "no IDs list all", fails: []string{"list/no-ids"}, alter: func(d *driver) {
			withOptions(d, func(opts *mailbox.ListOptions) {
				if len(opts.IDs) == 0 {
					opts.IDs = nil
				}
			})
		}},
		{name: "stale IDs are left out", fails: []string{"list/one-error", "stale/list", "stale/new-epoch", "stale/reads"}, alter: func(d *driver) {
			withOptions(d, func(opts *mailbox.ListOptions) {
				opts.IDs = slices.DeleteFunc(slices.Clone(opts.IDs), func(id mailbox.ID) bool { return current(d, id) != id })
			})
		}},
		{name: "only the first batch", fails: []string{"list/many", "reconnect/in-list"}, alter: func(d *driver) {
			eachSummary(d, func(i int, _ *mailbox.Summary, _ *mailbox.ListOptions) bool { return i < 50 })
		}},
		{name: "INBOX is taken literally", fails: []string{"list/inbox-any-case"}, alter: func(d *driver) {
			list := d.list
			d.list = func(ctx context.Context, folder string, opts *mailbox.ListOptions) iter.Seq2[*mailbox.Summary, error] {
				if folder != mailbox.Inbox && strings.EqualFold(folder, mailbox.Inbox) {
					folder = "no such folder"
				}
				return list(ctx, folder, opts)
			}
		}},
		{name: "a missing folder is empty", fails: []string{"list/missing-folder", "list/odd-folder-names", "list/one-error", "errors/typed"}, alter: func(d *driver) {
			list := d.list
			d.list = func(ctx context.Context, folder string, opts *mailbox.ListOptions) iter.Seq2[*mailbox.Summary, error] {
				if _, err := collect(list(context.Background(), folder, &mailbox.ListOptions{Newest: 1})); err != nil && ctx.Err() == nil &&
					strings.Contains(err.Error(), "not found") {
					return func(func(*mailbox.Summary, error) bool) {}
				}
				return list(ctx, folder, opts)
			}
		}},
		{name: "a list is a snapshot", fails: []string{"list/again"}, alter: func(d *driver) {
			list := d.list
			d.list = func(ctx context.Context, folder string, opts *mailbox.ListOptions) iter.Seq2[*mailbox.Summary, error] {
				var kept []*mailbox.Summary
				return func(yield func(*mailbox.Summary, error) bool) {
					for _, s := range kept {
						if !yield(s, nil) {
							return
						}
					}
					if kept != nil {
						return
					}
					for s, err := range list(ctx, folder, opts) {
						if kept = append(kept, s); !yield(s, err) {
							return
						}
					}
				}
			}
		}},
		{name: "Fields claims what is not there", fails: []string{"fields/truth", "fetch/fields"}, alter: func(d *driver) {
			eachSummary(d, func(_ int, s *mailbox.Summary, opts *mailbox.ListOptions) bool {
				if !asks(opts, mailbox.FieldReceived) {
					s.Fields |= mailbox.FieldReceived
				}
				return true
			})
			d.fetch = fetchByOpen(d)
		}},
		{name: "the subject is raw", fails: []string{"fields/envelope"}, alter: func(d *driver) {
			eachSummary(d, func(_ int, s *mailbox.Summary, _ *mailbox.ListOptions) bool {
				if s.Envelope != nil && s.Envelope.Subject == "Grüße aus Köln" && s.Envelope.MessageID != "" {
					s.Envelope.Subject = "=?iso-8859-1?Q?Gr=FC=DFe?= =?utf-8?B?IGF1cyBLw7Zsbg==?="
				}
				return true
			})
		}},
		{name: "8-bit text is mangled", fails: []string{"fields/8-bit-header"}, alter: func(d *driver) {
			eachSummary(d, func(_ int, s *mailbox.Summary, _ *mailbox.ListOptions) bool {
				if s.Envelope != nil && s.Envelope.MessageID == "" {
					s.Envelope.Subject = strings.ToValidUTF8("Gr\xfc\xdfe"+s.Envelope.Subject, "?")
				}
				return true
			})
		}},
		{name: "the size is a guess", fails: []string{"fields/size"}, alter: func(d *driver) {
			eachSummary(d, func(_ int, s *mailbox.Summary, _ *mailbox.ListOptions) bool {
				s.Size += s.Size / 100 // as if line ends were counted twice
				return true
			})
		}},
		{name: "status counts wrong", fails: []string{"folders/status"}, alter: func(d *driver) {
			eachStatus(d, func(st *mailbox.FolderStatus) { st.Messages++ })
		}},
		{name: "folder names as on the wire", fails: []string{"folders/created", "create/folder"}, alter: func(d *driver) {
			eachFolder(d, func(f *mailbox.Folder) { f.Name = strings.ReplaceAll(f.Name, "&", "&-") })
		}},
		{name: "the list begins again after a reconnect", fails: []string{"reconnect/in-list"}, alter: func(d *driver) {
			list := d.list
			d.list = func(ctx context.Context, folder string, opts *mailbox.ListOptions) iter.Seq2[*mailbox.Summary, error] {
				return func(yield func(*mailbox.Summary, error) bool) {
				again:
					cuts := d.acc.cuts.Load()
					for s, err := range list(ctx, folder, opts) {
						if !yield(s, err) {
							return
						}
						if d.acc.cuts.Load() != cuts && opts.IDs == nil {
							goto again
						}
					}
				}
			}
		}},
	}
}

// fetchByOpen is Fetch by List and Open, as package mailbox does it, once no ID
// is known to be stale.
func fetchByOpen(d *driver) fetchFunc {
	return func(ctx context.Context, ids []mailbox.ID, opts *mailbox.FetchOptions) iter.Seq2[*mailbox.Message, error] {
		for _, id := range ids {
			if current(d, id) != id {
				ids = []mailbox.ID{id}
			}
		}
		return mailbox.Fetch(ctx, core{d}, ids, opts)
	}
}
