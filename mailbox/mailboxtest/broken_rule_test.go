package mailboxtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"sync/atomic"

	"github.com/postroom-go/postroom/mailbox"
)

func brokenRules() []broken {
	return []broken{
		{name: "Caps promises too much", caps: without("structure"), fails: []string{"caps/as-configured"}, alter: func(d *driver) {
			d.caps = func() mailbox.Caps { c := d.acc.caps; c.Received, c.Keywords = false, true; return c }
		}},
		{name: "Caps contradicts itself", fails: []string{"caps/as-configured", "caps/consistent"}, alter: func(d *driver) {
			d.caps = func() mailbox.Caps { c := d.acc.caps; c.StableIDs = false; return c }
		}},
		{name: "Caps changes", fails: []string{"caps/snapshot"}, alter: func(d *driver) {
			var closed atomic.Bool
			d.caps = func() mailbox.Caps {
				c := d.acc.caps
				if closed.Load() {
					c.AppendLimit = 1
				}
				return c
			}
			end := d.end
			d.end = func() error { closed.Store(true); return end() }
		}},
		{name: "Open ignores its context", fails: []string{"context/before", "context/deadline", "context/in-read"}, alter: func(d *driver) {
			open := d.open
			d.open = func(ctx context.Context, id mailbox.ID, opts *mailbox.OpenOptions) (io.ReadCloser, error) {
				return open(context.WithoutCancel(ctx), id, opts)
			}
		}},
		{name: "a reader ignores its context", fails: []string{"context/in-read"}, alter: func(d *driver) {
			open := d.open
			d.open = func(ctx context.Context, id mailbox.ID, opts *mailbox.OpenOptions) (io.ReadCloser, error) {
				if ctx.Err() != nil {
					return open(ctx, id, opts)
				}
				return open(context.WithoutCancel(ctx), id, opts)
			}
		}},
		{name: "a list ignores its context", fails: []string{"context/in-list"}, alter: func(d *driver) {
			list := d.list
			d.list = func(ctx context.Context, folder string, opts *mailbox.ListOptions) iter.Seq2[*mailbox.Summary, error] {
				return func(yield func(*mailbox.Summary, error) bool) {
					if ctx.Err() == nil {
						ctx = context.WithoutCancel(ctx)
					}
					list(ctx, folder, opts)(yield)
				}
			}
		}},
		{name: "a change ignores its context", fails: []string{"context/before-change", "context/deadline"}, alter: func(d *driver) {
			setFlags := d.setFlags
			d.setFlags = func(ctx context.Context, ids []mailbox.ID, change mailbox.FlagChange, opts *mailbox.SetFlagsOptions) error {
				return setFlags(context.WithoutCancel(ctx), ids, change, opts)
			}
		}},
		{name: "Append ignores its context", fails: []string{"context/in-append"}, alter: func(d *driver) {
			add := d.add
			d.add = func(ctx context.Context, folder string, message io.Reader, opts *mailbox.AppendOptions) (mailbox.ID, error) {
				if ctx.Err() != nil {
					return add(ctx, folder, message, opts)
				}
				return add(context.WithoutCancel(ctx), folder, message, opts)
			}
		}},
		{name: "the end of one context cuts all", fails: []string{"context/others", "context/in-read"}, alter: func(d *driver) {
			var cut atomic.Bool
			open := d.open
			d.open = func(ctx context.Context, id mailbox.ID, opts *mailbox.OpenOptions) (io.ReadCloser, error) {
				body, err := open(ctx, id, opts)
				return altered(body, err, func(r io.Reader) io.Reader {
					return readerFunc(func(p []byte) (int, error) {
						if cut.Load() && ctx.Err() == nil {
							return 0, io.ErrUnexpectedEOF
						}
						n, err := r.Read(p)
						if errors.Is(err, context.Canceled) {
							cut.Store(true)
						}
						return n, err
					})
				})
			}
		}},
		{name: "Close twice is an error", fails: []string{"close/twice"}, alter: func(d *driver) {
			closed := make(chan struct{}, 1)
			d.end = func() error {
				select {
				case closed <- struct{}{}:
					return d.mem.Close()
				default:
					return &mailbox.Error{Op: "close", Err: mailbox.ErrClosed}
				}
			}
		}},
		{name: "calls after Close go on", fails: []string{"close/afterwards"}, alter: func(d *driver) {
			folders := d.folders
			d.folders = func(ctx context.Context, opts *mailbox.FoldersOptions) iter.Seq2[*mailbox.Folder, error] {
				return func(yield func(*mailbox.Folder, error) bool) {
					for f, err := range folders(ctx, opts) {
						if errors.Is(err, mailbox.ErrClosed) {
							return
						}
						if !yield(f, err) {
							return
						}
					}
				}
			}
		}},
		{name: "Close forgets open readers", fails: []string{"close/reader"}, alter: func(d *driver) {
			open := d.open
			d.open = func(ctx context.Context, id mailbox.ID, opts *mailbox.OpenOptions) (io.ReadCloser, error) {
				body, err := open(ctx, id, opts)
				return altered(body, err, func(r io.Reader) io.Reader {
					total := 0
					return readerFunc(func(p []byte) (int, error) {
						n, err := r.Read(p)
						if total += n; errors.Is(err, mailbox.ErrClosed) && total > 500 {
							err = io.ErrUnexpectedEOF
						}
						return n, err
					})
				})
			}
		}},
		{name: "Close ends all sessions", fails: []string{"close/other-session"}, alter: func(d *driver) {
			born := d.acc.sessions.Load()
			end, open := d.end, d.open
			d.end = func() error {
				if born == 2 {
					d.acc.cuts.Add(1 << 40)
				}
				return end()
			}
			d.open = func(ctx context.Context, id mailbox.ID, opts *mailbox.OpenOptions) (io.ReadCloser, error) {
				body, err := open(ctx, id, opts)
				return altered(body, err, func(r io.Reader) io.Reader {
					dead := d.acc.cuts.Load() >= 1<<40
					return readerFunc(func(p []byte) (int, error) {
						if !dead && d.acc.cuts.Load() >= 1<<40 {
							return 0, io.ErrUnexpectedEOF
						}
						return r.Read(p)
					})
				})
			}
		}},
		{name: "errors without a type", fails: []string{"errors/typed", "errors/named"}, alter: func(d *driver) {
			openPart := d.openPart
			d.openPart = func(ctx context.Context, id mailbox.ID, part string, opts *mailbox.OpenPartOptions) (io.ReadCloser, error) {
				body, err := openPart(ctx, id, part, opts)
				return body, errors.Unwrap(err)
			}
		}},
		{name: "errors without a name", fails: []string{"errors/named"}, alter: func(d *driver) {
			open := d.open
			d.open = func(ctx context.Context, id mailbox.ID, opts *mailbox.OpenOptions) (io.ReadCloser, error) {
				body, err := open(ctx, id, opts)
				return body, about(mailbox.ID{}, err)
			}
		}},
		{name: "a secret in an error", fails: []string{"errors/no-secret"}, alter: func(d *driver) {
			del := d.del
			d.del = func(ctx context.Context, ids []mailbox.ID, opts *mailbox.DeleteOptions) error {
				if err := del(ctx, ids, opts); err != nil {
					return fmt.Errorf("LOGIN alice %s: %w", secret, err)
				}
				return nil
			}
		}},
		{name: "a server's colours in an error", fails: []string{"errors/clean"}, alter: func(d *driver) {
			del := d.del
			d.del = func(ctx context.Context, ids []mailbox.ID, opts *mailbox.DeleteOptions) error {
				if err := del(ctx, ids, opts); err != nil {
					return fmt.Errorf("\x1b[31mNO\x1b[0m: %w", err)
				}
				return nil
			}
		}},
		{name: "what cannot be is temporary", fails: []string{"errors/permanent"}, alter: func(d *driver) {
			list := d.list
			d.list = func(ctx context.Context, folder string, opts *mailbox.ListOptions) iter.Seq2[*mailbox.Summary, error] {
				if !strings.ContainsAny(folder, "\r\n") {
					return list(ctx, folder, opts)
				}
				return func(yield func(*mailbox.Summary, error) bool) {
					yield(nil, &mailbox.Error{Op: "list", Folder: folder, Err: mailbox.ErrUnavailable})
				}
			}
		}},
		{name: "a panic", fails: []string{"parts/damaged"}, alter: func(d *driver) {
			eachSummary(d, func(_ int, s *mailbox.Summary, opts *mailbox.ListOptions) bool {
				if opts.Fields == mailbox.FieldStructure && len(s.Defects) > 0 {
					panic("out of my depth")
				}
				return true
			})
		}},
	}
}
