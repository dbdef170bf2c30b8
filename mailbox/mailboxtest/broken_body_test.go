package mailboxtest

import (
	"bytes"
	"context"
	"io"
	"iter"
	"strings"

	"github.com/postroom-go/postroom/mailbox"
)

// eachBody lets alter change the body of each message that is opened whole.
func eachBody(d *driver, alter func(io.Reader) io.Reader) {
	open := d.open
	d.open = func(ctx context.Context, id mailbox.ID, opts *mailbox.OpenOptions) (io.ReadCloser, error) {
		body, err := open(ctx, id, opts)
		if opts.HeaderOnly {
			return body, err
		}
		return altered(body, err, alter)
	}
	d.fetch = fetchByOpen(d)
}

// rewritten is a body whose whole text is replaced.
func rewritten(alter func(string) string) func(io.Reader) io.Reader {
	return func(r io.Reader) io.Reader {
		var whole io.Reader
		return readerFunc(func(p []byte) (int, error) {
			if n, err := r.Read(nil); err != nil && err != io.EOF {
				return n, err // the context or the mailbox ended
			}
			if whole == nil {
				raw, err := io.ReadAll(r)
				if err != nil {
					return 0, err
				}
				whole = strings.NewReader(alter(string(raw)))
			}
			return whole.Read(p)
		})
	}
}

// eachHeader lets alter change what HeaderOnly reads.
func eachHeader(d *driver, alter func(string) string) {
	open := d.open
	d.open = func(ctx context.Context, id mailbox.ID, opts *mailbox.OpenOptions) (io.ReadCloser, error) {
		body, err := open(ctx, id, opts)
		if !opts.HeaderOnly {
			return body, err
		}
		return altered(body, err, rewritten(alter))
	}
}

func brokenBodies() []broken {
	return []broken{
		{name: "reading marks as seen", fails: []string{"reader/not-seen", "folders/state"}, alter: func(d *driver) {
			open := d.open
			d.open = func(ctx context.Context, id mailbox.ID, opts *mailbox.OpenOptions) (io.ReadCloser, error) {
				_ = d.mem.SetFlags(ctx, []mailbox.ID{id}, mailbox.FlagChange{Add: flags(mailbox.FlagSeen)}, nil)
				return open(ctx, id, opts)
			}
		}},
		{name: "fetching marks as seen", fails: []string{"reader/not-seen"}, alter: func(d *driver) {
			fetch := d.fetch
			d.fetch = func(ctx context.Context, ids []mailbox.ID, opts *mailbox.FetchOptions) iter.Seq2[*mailbox.Message, error] {
				_ = d.mem.SetFlags(ctx, ids, mailbox.FlagChange{Add: flags(mailbox.FlagSeen)}, nil)
				return fetch(ctx, ids, opts)
			}
		}},
		{name: "dots are unstuffed twice", fails: []string{"open/dots", "append/seeds"}, alter: func(d *driver) {
			eachBody(d, rewritten(func(s string) string { return strings.ReplaceAll(s, "\r\n.", "\r\n") }))
		}},
		{name: "empty lines at the end are lost", fails: []string{"open/blank-end", "append/seeds"}, alter: func(d *driver) {
			eachBody(d, rewritten(func(s string) string {
				for strings.HasSuffix(s, "\r\n\r\n\r\n") {
					s = s[:len(s)-2]
				}
				return s
			}))
		}},
		{name: "long lines are split", fails: []string{"open/long-line", "append/seeds"}, alter: func(d *driver) {
			eachBody(d, rewritten(func(s string) string {
				if i := strings.Index(s, "01234567890123456789"); i >= 0 {
					return s[:i+1000] + "\r\n" + s[i+1000:]
				}
				return s
			}))
		}},
		{name: "8-bit octets become question marks", fails: []string{"open/8-bit-body", "open/8-bit-header", "append/seeds"}, alter: func(d *driver) {
			eachBody(d, rewritten(func(s string) string { return strings.ToValidUTF8(s, "?") }))
		}},
		{name: "a CR ends the message", fails: []string{"open/bare-cr"}, alter: func(d *driver) {
			eachBody(d, rewritten(func(s string) string {
				if i := strings.Index(s, "\r\r\n"); i >= 0 {
					return s[:i]
				}
				return s
			}))
		}},
		{name: "the end is told once", fails: []string{"reader/end", "reader/contract", "reader/interleaved"}, alter: func(d *driver) {
			eachBody(d, func(r io.Reader) io.Reader {
				ended := false
				return readerFunc(func(p []byte) (int, error) {
					if ended {
						return 0, errBroken
					}
					n, err := r.Read(p)
					ended = err == io.EOF
					return n, err
				})
			})
		}},
		{name: "a closed reader reads on", fails: []string{"reader/close-early"}, alter: func(d *driver) {
			open := d.open
			d.open = func(ctx context.Context, id mailbox.ID, opts *mailbox.OpenOptions) (io.ReadCloser, error) {
				body, err := open(ctx, id, opts)
				return reader{body, io.NopCloser(nil)}, err
			}
		}},
		{name: "two readers share one buffer", fails: []string{"reader/interleaved", "context/others"}, alter: brokenShared},
		{name: "a body that was cut ends cleanly", fails: []string{"reconnect/in-read"}, alter: func(d *driver) {
			open := d.open
			d.open = func(ctx context.Context, id mailbox.ID, opts *mailbox.OpenOptions) (io.ReadCloser, error) {
				body, err := open(ctx, id, opts)
				return altered(body, err, d.cutShort)
			}
		}},
		{name: "a fetched body that was cut ends cleanly", fails: []string{"reconnect/in-fetch"}, alter: func(d *driver) {
			eachFetched(d, func(m *mailbox.Message) { m.Body = d.cutShort(m.Body) })
		}},
		{name: "HeaderOnly reads all", fails: []string{"header/section", "header/large", "concurrency/reads"}, alter: func(d *driver) {
			open := d.open
			d.open = func(ctx context.Context, id mailbox.ID, _ *mailbox.OpenOptions) (io.ReadCloser, error) {
				return open(ctx, id, nil)
			}
		}},
		{name: "HeaderOnly lacks the empty line", fails: []string{"header/section", "header/large", "header/no-body", "concurrency/reads"}, alter: func(d *driver) {
			eachHeader(d, func(s string) string { return strings.TrimSuffix(s, "\r\n") })
		}},
		{name: "Fetch yields as often as it is asked", fails: []string{"fetch/repeats"}, alter: func(d *driver) {
			fetch := d.fetch
			d.fetch = func(ctx context.Context, ids []mailbox.ID, opts *mailbox.FetchOptions) iter.Seq2[*mailbox.Message, error] {
				return func(yield func(*mailbox.Message, error) bool) {
					seen := map[mailbox.ID]bool{}
					for _, id := range ids {
						if !seen[id] {
							seen[id] = true
							continue
						}
						for m, err := range fetch(ctx, []mailbox.ID{id}, opts) {
							if !yield(m, err) {
								return
							}
						}
					}
					fetch(ctx, ids, opts)(yield)
				}
			}
		}},
		{name: "the rest of a body runs into the next", fails: []string{"fetch/discard"}, alter: func(d *driver) {
			fetch := d.fetch
			d.fetch = func(ctx context.Context, ids []mailbox.ID, opts *mailbox.FetchOptions) iter.Seq2[*mailbox.Message, error] {
				return func(yield func(*mailbox.Message, error) bool) {
					var left bytes.Buffer
					for m, err := range fetch(ctx, ids, opts) {
						if err == nil {
							own := m.Body
							m.Body = io.MultiReader(bytes.NewReader(bytes.Clone(left.Bytes())), own)
							left.Reset()
							if !yield(m, nil) {
								return
							}
							_, _ = io.CopyN(&left, own, 3)
						} else if !yield(nil, err) {
							return
						}
					}
				}
			}
		}},
		{name: "an old body reads the next message", fails: []string{"fetch/after-the-loop"}, alter: func(d *driver) {
			fetch := d.fetch
			d.fetch = func(ctx context.Context, ids []mailbox.ID, opts *mailbox.FetchOptions) iter.Seq2[*mailbox.Message, error] {
				return func(yield func(*mailbox.Message, error) bool) {
					var current io.Reader
					for m, err := range fetch(ctx, ids, opts) {
						if err == nil {
							current = m.Body
							m.Body = readerFunc(func(p []byte) (int, error) { return current.Read(p) })
						}
						if !yield(m, err) {
							return
						}
					}
				}
			}
		}},
	}
}

// eachFetched lets alter change what Fetch yields.
func eachFetched(d *driver, alter func(m *mailbox.Message)) {
	fetch := d.fetch
	d.fetch = func(ctx context.Context, ids []mailbox.ID, opts *mailbox.FetchOptions) iter.Seq2[*mailbox.Message, error] {
		return func(yield func(*mailbox.Message, error) bool) {
			for m, err := range fetch(ctx, ids, opts) {
				if err == nil {
					alter(m)
				}
				if !yield(m, err) {
					return
				}
			}
		}
	}
}

// cutShort is a body that ends cleanly when the connection is cut.
func (d *driver) cutShort(r io.Reader) io.Reader {
	cuts := d.acc.cuts.Load()
	return readerFunc(func(p []byte) (int, error) {
		if d.acc.cuts.Load() != cuts {
			return 0, io.EOF
		}
		return r.Read(p)
	})
}

// isLarge reports whether a message is the large one of the suite.
func (d *driver) isLarge(id mailbox.ID) bool {
	s, err := mailbox.Get(context.Background(), d.mem, id, mailbox.FieldSize)
	return err == nil && s.Size >= smallLarge
}

// brokenShared is a driver that keeps one body for each large message: whoever opens
// it again while it is open reads on in it.
func brokenShared(d *driver) {
	type shared struct {
		r     io.ReadCloser
		users int
	}
	bodies := map[mailbox.ID]*shared{}
	open := d.open
	turn := make(chan struct{}, 1)
	d.open = func(ctx context.Context, id mailbox.ID, opts *mailbox.OpenOptions) (io.ReadCloser, error) {
		body, err := open(ctx, id, opts)
		if err != nil || opts.HeaderOnly || !d.isLarge(id) {
			return body, err
		}
		turn <- struct{}{}
		defer func() { <-turn }()
		b := bodies[id]
		if b == nil {
			b = &shared{r: body}
			bodies[id] = b
		}
		b.users++
		return reader{readerFunc(func(p []byte) (int, error) {
			turn <- struct{}{}
			defer func() { <-turn }()
			if n, err := body.Read(nil); err != nil && err != io.EOF {
				return n, err
			}
			return b.r.Read(p)
		}), closerFunc(func() error {
			turn <- struct{}{}
			defer func() { <-turn }()
			if b.users--; b.users == 0 {
				delete(bodies, id)
			}
			return body.Close()
		})}, nil
	}
}

// closerFunc is a function as an io.Closer.
type closerFunc func() error

func (f closerFunc) Close() error { return f() }
