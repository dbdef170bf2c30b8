package mailboxtest

import (
	"bytes"
	"context"
	"io"
	"iter"
	"slices"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/batch"
)

// alteredBatch is a batch whose methods can be exchanged.
type alteredBatch struct {
	batch.Batch
	add    func(ctx context.Context, message io.Reader, opts *mailbox.AppendOptions) (mailbox.ID, error)
	commit func(ctx context.Context) error
	end    func() error
}

func (b *alteredBatch) Add(ctx context.Context, message io.Reader, opts *mailbox.AppendOptions) (mailbox.ID, error) {
	if opts == nil {
		opts = &mailbox.AppendOptions{}
	}
	return b.add(ctx, message, opts)
}
func (b *alteredBatch) Commit(ctx context.Context) error { return b.commit(ctx) }
func (b *alteredBatch) Close() error                     { return b.end() }

// eachBatch lets alter change each batch.
func eachBatch(d *driver, alter func(b *alteredBatch)) {
	begin := d.batch
	d.batch = func(ctx context.Context, folder string) (batch.Batch, error) {
		batch, err := begin(ctx, folder)
		if err != nil {
			return nil, err
		}
		b := &alteredBatch{Batch: batch, add: batch.Add, commit: batch.Commit, end: batch.Close}
		alter(b)
		return b, nil
	}
}

func brokenBatches() []broken {
	return []broken{
		{name: "a batch is added in reverse", fails: []string{"batch/added", "batch/options", "batch/failed-add"}, alter: func(d *driver) {
			eachBatch(d, func(b *alteredBatch) {
				type staged struct {
					raw  []byte
					opts *mailbox.AppendOptions
				}
				var all []staged
				add, commit := b.add, b.commit
				b.add = func(ctx context.Context, message io.Reader, opts *mailbox.AppendOptions) (mailbox.ID, error) {
					raw, err := io.ReadAll(message)
					if err != nil {
						return add(ctx, &failing{err}, opts)
					}
					if ctx.Err() != nil || opts.Size > 0 && int64(len(raw)) != opts.Size || d.closed() {
						return add(ctx, bytes.NewReader(raw), opts)
					}
					all = append(all, staged{raw, opts})
					return mailbox.ID{}, nil
				}
				b.commit = func(ctx context.Context) error {
					for _, s := range slices.Backward(all) {
						if _, err := add(ctx, bytes.NewReader(s.raw), s.opts); err != nil {
							return err
						}
					}
					return commit(ctx)
				}
			})
		}},
		{name: "the flags of a batch are lost", fails: []string{"batch/options"}, alter: func(d *driver) {
			eachBatch(d, func(b *alteredBatch) {
				add := b.add
				b.add = func(ctx context.Context, message io.Reader, opts *mailbox.AppendOptions) (mailbox.ID, error) {
					return add(ctx, message, &mailbox.AppendOptions{Size: opts.Size, Received: opts.Received})
				}
			})
		}},
		{name: "a batch tells the IDs of others", fails: []string{"batch/ids"}, alter: func(d *driver) {
			eachBatch(d, func(b *alteredBatch) {
				add := b.add
				b.add = func(ctx context.Context, message io.Reader, opts *mailbox.AppendOptions) (mailbox.ID, error) {
					if _, err := add(ctx, message, opts); err != nil {
						return mailbox.ID{}, err
					}
					all, _ := collect(d.mem.List(ctx, "", nil))
					if len(all) == 0 {
						return mailbox.ID{}, nil
					}
					return all[0].ID, nil
				}
			})
		}},
		{name: "Close commits", fails: []string{"batch/close", "batch/several"}, alter: func(d *driver) {
			eachBatch(d, func(b *alteredBatch) {
				commit, end, over := b.commit, b.end, false
				b.commit = func(ctx context.Context) error { over = true; return commit(ctx) }
				b.end = func() error {
					if !over {
						over = true
						_ = commit(context.Background())
					}
					return end()
				}
			})
		}},
		{name: "Close wants to be called once", fails: []string{"batch/close", "batch/empty"}, alter: func(d *driver) {
			eachBatch(d, func(b *alteredBatch) {
				end, n := b.end, 0
				b.end = func() error {
					if n++; n > 1 {
						return errBroken
					}
					return end()
				}
			})
		}},
		{name: "a failed Add spoils the batch", fails: []string{"batch/failed-add"}, alter: func(d *driver) {
			eachBatch(d, func(b *alteredBatch) {
				add, commit, spoilt := b.add, b.commit, false
				b.add = func(ctx context.Context, message io.Reader, opts *mailbox.AppendOptions) (mailbox.ID, error) {
					id, err := add(ctx, message, opts)
					spoilt = spoilt || err != nil
					return id, err
				}
				b.commit = func(ctx context.Context) error {
					if spoilt {
						return errBroken
					}
					return commit(ctx)
				}
			})
		}},
		{name: "there is one batch for all", fails: []string{"batch/several"}, alter: func(d *driver) {
			begin := d.batch
			var last batch.Batch
			d.batch = func(ctx context.Context, folder string) (batch.Batch, error) {
				b, err := begin(ctx, folder)
				if last != nil && err == nil {
					_ = last.Close() // only one at a time
				}
				last = b
				return b, err
			}
		}},
		{name: "a batch makes its folder", fails: []string{"batch/missing-folder"}, alter: func(d *driver) {
			begin := d.batch
			d.batch = func(ctx context.Context, folder string) (batch.Batch, error) {
				if ctx.Err() == nil && folder == "No such folder" {
					_ = d.acc.store.CreateFolder(folder, "")
				}
				return begin(ctx, folder)
			}
		}},
		{name: "batches without Append", caps: without("append"), fails: []string{"batch/unsupported"}, alter: func(d *driver) {
			able, _ := (&account{store: d.acc.store, caps: wiredCaps()}).session()
			d.batch = able.(batcher).NewBatch
		}},
		{name: "a size is a limit", fails: []string{"fetch/sizes"}, alter: func(d *driver) {
			eachSized(d, func(m *mailbox.Message, size int64) bool {
				m.Body = io.LimitReader(m.Body, max(0, size))
				return true
			})
		}},
		{name: "what has no size is left out", fails: []string{"fetch/sizes"}, alter: func(d *driver) {
			eachSized(d, func(_ *mailbox.Message, size int64) bool { return size > 0 })
		}},
		{name: "too many sizes are too many", fails: []string{"fetch/sizes"}, alter: func(d *driver) {
			fetch := d.fetch
			d.fetch = func(ctx context.Context, ids []mailbox.ID, opts *mailbox.FetchOptions) iter.Seq2[*mailbox.Message, error] {
				for i := range opts.Sizes {
					_ = ids[i]
				}
				return fetch(ctx, ids, opts)
			}
		}},
	}
}

// eachSized lets alter change what Fetch yields, told the size that was given;
// it returns false to leave the message out.
func eachSized(d *driver, alter func(m *mailbox.Message, size int64) bool) {
	fetch := d.fetch
	d.fetch = func(ctx context.Context, ids []mailbox.ID, opts *mailbox.FetchOptions) iter.Seq2[*mailbox.Message, error] {
		return func(yield func(*mailbox.Message, error) bool) {
			for m, err := range fetch(ctx, ids, opts) {
				if m != nil && len(opts.Sizes) == len(ids) && !alter(m, opts.Sizes[slices.Index(ids, m.ID)]) {
					continue
				}
				if !yield(m, err) {
					return
				}
			}
		}
	}
}

// closed reports whether the session was closed.
func (d *driver) closed() bool {
	return first(d.mem.List(context.Background(), mailbox.Inbox, &mailbox.ListOptions{IDs: []mailbox.ID{}})) != nil
}
