package imapsrc

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/mailtest"
)

// TestCloseDoesNotWait: LOGOUT is sent, and its answer is not waited for. A
// server that does not even read it holds Close for a second.
func TestCloseDoesNotWait(t *testing.T) {
	for want, after := range map[time.Duration]func(c *mailtest.Conn){
		0:            func(c *mailtest.Conn) { c.Command("LOGOUT"); c.Stall() },
		closeTimeout: func(*mailtest.Conn) { <-time.After(time.Minute) },
	} {
		script := func(c *mailtest.Conn) {
			mailtest.IMAPLogin(c, "IMAP4rev1")
			c.Answer("LOGOUT", nil)
			after(c)
		}
		bubble(t, access.TLSNone, script, func(t *testing.T, dial func(context.Context) (*Mailbox, error)) {
			m, err := dial(t.Context())
			require.NoError(t, err)
			begin := time.Now()
			require.NoError(t, m.Close())
			assert.Equal(t, want, time.Since(begin))
		})
	}
}

// shortMessages answers every FETCH of a body by one octet, whatever size it was
// said to have, once ready is closed.
func shortMessages(c *mailtest.Conn, asked func(), ready <-chan struct{}) {
	selected(c, "IMAP4rev1", 100)
	c.Answer("UID FETCH", func(tag, args string) {
		asked()
		<-ready
		var from, to int
		if n, _ := fmt.Sscanf(args, "%d:%d ", &from, &to); n == 1 {
			to = from
		}
		for i := from; i <= to; i++ {
			c.Sendf("* %d FETCH (UID %d FLAGS () RFC822.SIZE 1 INTERNALDATE \"02-Jan-2006 15:04:05 +0100\" BODY[] {1}\r\nx)\r\n", i, i)
		}
		c.Send(tag + " OK done\r\n")
	})
	idle(c)
}

func hundred(size int64) ([]mailbox.ID, *mailbox.FetchOptions) {
	var ids []mailbox.ID
	for i := range 100 {
		ids = append(ids, id(fmt.Sprint(i+1)))
	}
	return ids, &mailbox.FetchOptions{Sizes: all(len(ids), size)}
}

// firstOnly is a dialer whose second connection never comes.
type firstOnly struct {
	dialed  atomic.Int32
	waiting chan struct{} // closed when the second is being made
}

func (d *firstOnly) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	if d.dialed.Add(1) == 1 {
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	}
	close(d.waiting)
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestSecondConnectionIsNotWaitedFor: where there is much to move a second
// connection is made at once, and the end does not wait for it.
func TestSecondConnectionIsNotWaitedFor(t *testing.T) {
	d := &firstOnly{waiting: make(chan struct{})}
	r := newRig(t, nil, func(c *mailtest.Conn) { shortMessages(c, func() {}, d.waiting) })
	r.opts.Net.Dialer = d
	m := r.mustDial()
	ids, opts := hundred(shareBytes/100 + 1)
	n := 0
	for _, err := range m.Fetch(within(t, 10*time.Second), ids, opts) {
		require.NoError(t, err)
		n++
	}
	assert.Equal(t, 100, n)
	assert.Equal(t, int32(2), d.dialed.Load())
	require.NoError(t, m.Close())
}

// TestSecondConnectionJoinsLater: where a while has shown that it takes longer a
// second connection takes what the first has not asked for.
func TestSecondConnectionJoinsLater(t *testing.T) {
	joined := make(chan struct{})
	r := newRig(t, nil, func(c *mailtest.Conn) {
		shortMessages(c, func() {
			if c.Num() == 2 {
				select {
				case <-joined:
				default:
					close(joined)
				}
			}
		}, joined)
	})
	ids, opts := hundred(shareBytes/100 - 1)
	got := r.fetched(r.mustDial(), ids, opts)
	assert.Len(t, got, 100)
	assert.Equal(t, 2, r.srv.Accepted())

	r.opts.Connections = 1
	small, opts := hundred(1)
	r.fetched(r.mustDial(), small, opts)
	assert.Equal(t, 3, r.srv.Accepted(), "the control: one connection is enough")
}
