package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/internal/disk/disktest"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/maildir"
	"github.com/postroom-go/postroom/mailbox/mailtest"
	"github.com/postroom-go/postroom/mailbox/memory"
)

// Who leaves the loop at a message that is stored already has not made a dead
// letter of it.
func TestLeaveLoopAtKnown(t *testing.T) {
	store := filled(t, 3)
	src, dst, o := open(t, store), open(t, memory.NewStore()), options(t)
	_, err := Run(t.Context(), src, dst, o)
	require.NoError(t, err)
	require.NoError(t, store.NewEpoch(mailbox.Inbox))
	for e, err := range Events(t.Context(), src, dst, o) {
		require.NoError(t, err)
		if e.Kind == Known {
			break
		}
	}
	report, err := Run(t.Context(), src, dst, o)
	require.NoError(t, err)
	assert.Empty(t, report.Dead)
	assert.Equal(t, notes(0, 1, 2), contents(t, dst, mailbox.Inbox))
}

// stuck is a destination that waits for its context.
type stuck struct {
	*plain
	asked chan struct{}
}

func (s *stuck) Append(ctx context.Context, folder string, r io.Reader, o *mailbox.AppendOptions) (mailbox.ID, error) {
	select {
	case s.asked <- struct{}{}:
		return s.plain.Append(ctx, folder, r, o)
	default:
		<-ctx.Done()
		return mailbox.ID{}, ctx.Err()
	}
}

// Leaving the loop ends what is under way to a slow server.
func TestLeaveLoopIsPrompt(t *testing.T) {
	src, o := open(t, filled(t, 200)), options(t)
	dst := &stuck{plainly(t, memory.NewStore()), make(chan struct{}, spoolMessages)}
	read := 0
	for e, err := range Events(t.Context(), src, dst, o) {
		require.NoError(t, err)
		if e.Kind == Read {
			read++
		}
		if read == 2*spoolMessages+1 { // the second group is on its way
			break
		}
	}
	report, err := Run(t.Context(), src, dst.plain, o)
	require.NoError(t, err)
	assert.Equal(t, 200, report.Present+report.Stored+report.Known)
	assert.Equal(t, notes(upTo(200)...), contents(t, dst.plain, mailbox.Inbox))
}

// errPanic is what a loop of a test panics with.
var errPanic = errors.New("no more")

// until runs to its n-th event and leaves the loop there, or panics. It reports
// whether the run came to its end before.
func until(t *testing.T, n int, panics bool, src, dst mailbox.Mailbox, o *Options) (ended bool) {
	t.Helper()
	defer func() {
		if r := recover(); r != nil && r != errPanic {
			panic(r)
		}
	}()
	i := 0
	for _, err := range Events(t.Context(), src, dst, o) {
		require.NoError(t, err)
		if i++; i <= n {
			continue
		}
		if panics {
			panic(errPanic)
		}
		return false
	}
	return true
}

// Wherever the loop is left, nothing is lost, nothing is stored twice, and nobody
// goes on in the background.
func TestLeaveAnywhere(t *testing.T) {
	for _, panics := range []bool{false, true} {
		for _, local := range []bool{false, true} {
			t.Run(fmt.Sprintf("panics=%v local=%v", panics, local), func(t *testing.T) {
				for n, ended := 0, false; !ended; n++ {
					from, to := filled(t, 7), memory.NewStore()
					src, o := open(t, from), options(t)
					o.messages, o.Remove = 2, Remove{Stored: true}
					var dst mailbox.Mailbox = plainly(t, to)
					if local {
						dst = open(t, to)
					}
					// Some of it is known already.
					o.MaxMessages = 3
					o.Remove.Stored = false
					_, err := Run(t.Context(), src, dst, o)
					require.NoError(t, err)
					require.NoError(t, from.NewEpoch(mailbox.Inbox))
					o.MaxMessages, o.Remove.Stored = 0, true

					before := runtime.NumGoroutine()
					ended = until(t, n, panics, src, dst, o)
					for runtime.NumGoroutine() > before {
						runtime.Gosched() // a goroutine that stays ends the test by its deadline
					}
					report, err := Run(t.Context(), src, dst, o)
					require.NoError(t, err)
					assert.Empty(t, report.Dead)
					assert.Empty(t, contents(t, src, mailbox.Inbox), "event %d: %+v", n, report)
					require.Equal(t, notes(upTo(7)...), contents(t, dst, mailbox.Inbox), "event %d: %+v", n, report)
				}
			})
		}
	}
}

// The folder may begin a new epoch at any command.
func TestEpochAnywhere(t *testing.T) {
	for _, command := range []string{"SELECT", "UID FETCH", "UID STORE", "UID EXPUNGE"} {
		for skip := range 4 {
			t.Run(fmt.Sprint(command, skip), func(t *testing.T) {
				w := newWay(t, "imap-maildir", crashMail)
				w.host.Inject(mailtest.Fault{Kind: mailtest.FaultEpoch, Protocol: "imap", Command: command, Folder: mailbox.Inbox, Skip: skip, Times: 1})
				_, err := w.e.do(t.Context(), nil, [2]access.Dialer{})
				t.Log(err)
				w.check(crashMail)
			})
		}
	}
}

// Several accounts are copied into one Maildir at a time.
func TestManySources(t *testing.T) {
	dst, err := maildir.OpenOn(disktest.NewMem(512), nil)
	require.NoError(t, err)
	defer dst.Close()
	var wg sync.WaitGroup
	for i := range 4 {
		store := memory.NewStore()
		for k := range 25 {
			require.NoError(t, store.Deliver(mailbox.Inbox, note(25*i+k), nil))
		}
		src := open(t, store)
		wg.Go(func() {
			o := &Options{Source: fmt.Sprint("account", i), Remove: Remove{Stored: true}, messages: 3}
			for range 2 {
				_, err := Run(t.Context(), src, dst, o)
				assert.NoError(t, err)
			}
		})
	}
	wg.Wait()
	assert.Equal(t, notes(upTo(100)...), contents(t, dst, mailbox.Inbox))
}
