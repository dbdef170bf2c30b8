package imapsrc

import (
	"context"
	"iter"

	"github.com/postroom-go/postroom/internal/mailconn"
	"github.com/postroom-go/postroom/mailbox"
)

// List yields the messages of a folder: see mailbox.Mailbox. It asks in batches
// of some hundreds, several ahead, and holds no connection that another call
// wants. A message whose summary the server cannot send right is asked for
// again, for less each time, and at worst yielded with an ID and Defects alone.
// Nothing is marked as seen.
//
// A folder whose server tells no UIDVALIDITY, or 0, is ErrProtocol: no ID of it
// would be safe.
func (m *Mailbox) List(ctx context.Context, folder string, opts *mailbox.ListOptions) iter.Seq2[*mailbox.Summary, error] {
	if opts == nil {
		opts = &mailbox.ListOptions{}
	}
	name := folderName(folder)
	return func(yield func(*mailbox.Summary, error) bool) {
		if opts.IDs != nil && len(group(opts.IDs)) == 0 {
			return
		}
		if err := m.list(ctx, name, opts, yield); err != nil {
			yield(nil, opError("list", name, mailbox.ID{}, err))
		}
	}
}

// list runs the producer in a goroutine of its own and hands out what it sends.
// When the loop is left it does not wait for the producer, which only reads
// what is under way and gives its session back.
func (m *Mailbox) list(ctx context.Context, folder string, opts *mailbox.ListOptions, yield func(*mailbox.Summary, error) bool) error {
	l := &lister{
		m: m, folder: folder, fields: opts.Fields.Resolve(), opts: *opts,
		out:  make(chan []*mailbox.Summary, batchesAhead),
		stop: make(chan struct{}),
	}
	defer close(l.stop)
	own, cancel := m.begin(context.WithoutCancel(ctx))
	follow := context.AfterFunc(ctx, func() { cancel(mailconn.ContextError(ctx)) })
	defer follow()

	failed := make(chan error, 1)
	go func() {
		err := l.produce(own)
		failed <- err
		cancel(nil)
	}()
	for {
		select {
		case sums := <-l.out:
			if more, err := m.hand(ctx, sums, yield); !more || err != nil {
				return err
			}
		case err := <-failed:
			for len(l.out) > 0 {
				if more, err := m.hand(ctx, <-l.out, yield); !more || err != nil {
					return err
				}
			}
			return ended(ctx, err)
		case <-ctx.Done():
			return mailconn.ContextError(ctx)
		case <-m.ctx.Done():
			return mailbox.ErrClosed
		}
	}
}

// hand yields a batch, as long as ctx and the mailbox last.
func (m *Mailbox) hand(ctx context.Context, sums []*mailbox.Summary, yield func(*mailbox.Summary, error) bool) (more bool, err error) {
	for _, s := range sums {
		if ctx.Err() != nil {
			return false, mailconn.ContextError(ctx)
		}
		if m.ctx.Err() != nil {
			return false, mailbox.ErrClosed
		}
		if !yield(s, nil) {
			return false, nil
		}
	}
	return true, nil
}
