package mailboxtest

import (
	"context"
	"io"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"

	"github.com/postroom-go/postroom/mailbox"
)

// lock is the one connection of a driver.
type lock struct {
	turn chan struct{}
	// rescue ends the wait of a driver that minds no context, so that the test
	// can end.
	rescue chan struct{}
}

// take waits for the connection.
func (l *lock) take(ctx context.Context) error {
	select {
	case l.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-l.rescue:
		return errBroken
	}
}

func (l *lock) give() { <-l.turn }

// exchanged makes Delete and SetFlags wait for the connection.
func (l *lock) exchanged(d *driver) {
	del, setFlags := d.del, d.setFlags
	d.del = func(ctx context.Context, ids []mailbox.ID, opts *mailbox.DeleteOptions) error {
		if err := l.take(ctx); err != nil {
			return err
		}
		defer l.give()
		return del(ctx, ids, opts)
	}
	d.setFlags = func(ctx context.Context, ids []mailbox.ID, change mailbox.FlagChange, opts *mailbox.SetFlagsOptions) error {
		if err := l.take(ctx); err != nil {
			return err
		}
		defer l.give()
		return setFlags(ctx, ids, change, opts)
	}
}

// readerLock is a driver whose readers keep the connection until they are
// closed.
func readerLock(d *driver, l *lock, wait func(context.Context) context.Context) {
	l.exchanged(d)
	open := d.open
	d.open = func(ctx context.Context, id mailbox.ID, opts *mailbox.OpenOptions) (io.ReadCloser, error) {
		body, err := open(ctx, id, opts)
		if err != nil {
			return nil, err
		}
		if err := l.take(wait(ctx)); err != nil {
			return nil, err
		}
		return reader{body, closerFunc(sync.OnceValue(func() error { l.give(); return body.Close() }))}, nil
	}
}

// TestBrokenLocks shows that the suite finds drivers that block, and that it
// comes to an end with them. The clock is synctest's, so nobody waits.
func TestBrokenLocks(t *testing.T) {
	asIs := func(ctx context.Context) context.Context { return ctx }
	readers := []string{"context/others", "reader/interleaved", "reader/many-open", "reader/no-lock"}
	for _, b := range []struct {
		name  string
		alter func(d *driver, l *lock)
		fails []string
		says  string
	}{
		{"a reader keeps the connection", func(d *driver, l *lock) { readerLock(d, l, asIs) }, readers, "context deadline exceeded"},
		{"and who waits minds no context", func(d *driver, l *lock) { readerLock(d, l, context.WithoutCancel) }, readers, "does not return"},
		{"a list keeps the connection", listLock, []string{"reentrancy/delete-in-list", "reentrancy/flags-in-list"}, "context deadline exceeded"},
		{"Close waits for readers", closeLock, []string{"close/reader"}, "Close does not return"},
	} {
		t.Run(b.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rescue := make(chan struct{})
				failed := failedCases(t, config(wiredCaps(), func(d *driver) {
					b.alter(d, &lock{make(chan struct{}, 1), rescue})
				}))
				close(rescue)
				for name, why := range failed {
					assert.Contains(t, strings.Join(why, "\n"), b.says, name)
				}
				slices.Sort(b.fails)
				assert.Equal(t, b.fails, names(failed))
			})
		})
	}
}

// listLock is a driver whose lists keep the connection until the loop ends.
func listLock(d *driver, l *lock) {
	l.exchanged(d)
	list := d.list
	d.list = func(ctx context.Context, folder string, opts *mailbox.ListOptions) iter.Seq2[*mailbox.Summary, error] {
		return func(yield func(*mailbox.Summary, error) bool) {
			select {
			case l.turn <- struct{}{}:
				defer l.give()
			default: // a list in a list may share it
			}
			list(ctx, folder, opts)(yield)
		}
	}
}

// closeLock is a driver whose Close waits until all readers are closed.
func closeLock(d *driver, l *lock) {
	var mu sync.Mutex
	var open []chan struct{}
	openBody, end := d.open, d.end
	d.open = func(ctx context.Context, id mailbox.ID, opts *mailbox.OpenOptions) (io.ReadCloser, error) {
		body, err := openBody(ctx, id, opts)
		if err != nil {
			return nil, err
		}
		mu.Lock()
		defer mu.Unlock()
		closed := make(chan struct{})
		open = append(open, closed)
		return reader{body, closerFunc(sync.OnceValue(func() error { close(closed); return body.Close() }))}, nil
	}
	d.end = func() error {
		mu.Lock()
		waiting := slices.Clone(open)
		mu.Unlock()
		for _, closed := range waiting {
			select {
			case <-closed:
			case <-l.rescue:
			}
		}
		return end()
	}
}
