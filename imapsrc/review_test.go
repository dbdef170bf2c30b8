package imapsrc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/mailtest"
)

// hosted is a host with n messages of size octets each, and a mailbox on it.
func hosted(t *testing.T, n, size, conns int) (*mailtest.Host, *Mailbox, []mailbox.ID) {
	h := mailtest.New(t, nil)
	h.AddUser("ann", canary)
	for i := range n {
		raw := fmt.Sprintf("Subject: %d\r\n\r\n%s\r\n", i, strings.Repeat("x", size))
		require.NoError(t, h.Deliver("ann", "INBOX", []byte(raw), nil))
	}
	m, err := Dial(t.Context(), h.IMAPS, access.Password("ann", canary, nil), &Options{
		Net: access.Options{TLSConfig: h.ClientTLS()}, Connections: conns,
	})
	require.NoError(t, err)
	t.Cleanup(func() { _ = m.Close() })
	var ids []mailbox.ID
	for s, err := range m.List(t.Context(), "", &mailbox.ListOptions{Fields: mailbox.FieldsNone}) {
		require.NoError(t, err)
		ids = append(ids, s.ID)
	}
	require.Len(t, ids, n)
	return h, m, ids
}

// TestChangeAfterLeftFetch leaves the loop while windows are under way: what is
// left of them must not stand in the way of the commands that come next.
func TestChangeAfterLeftFetch(t *testing.T) {
	_, m, ids := hosted(t, 40, 300<<10, 1)
	for i := range 5 {
		for msg, err := range m.Fetch(t.Context(), ids[i:], nil) {
			require.NoError(t, err)
			require.NotNil(t, msg)
			break
		}
		ctx := within(t, 8*time.Second)
		require.NoError(t, m.Delete(ctx, ids[i:i+1], nil), "round %d", i)
	}
}

// TestMessageBodyIsTheLoops: the message is the loop's to change.
func TestMessageBodyIsTheLoops(t *testing.T) {
	_, m, ids := hosted(t, 3, 100, 1)
	n := 0
	for msg, err := range m.Fetch(t.Context(), ids, nil) {
		require.NoError(t, err)
		msg.Body = io.TeeReader(msg.Body, io.Discard)
		_, err := io.Copy(io.Discard, msg.Body)
		require.NoError(t, err)
		n++
	}
	assert.Equal(t, 3, n)
}

// TestDroppedSessionsLeaveNothing: a login that is refused, and a call that is
// cut, end the goroutines of their connection.
func TestDroppedSessionsLeaveNothing(t *testing.T) {
	h, m, _ := hosted(t, 1, 10, 1)
	before := runtime.NumGoroutine()
	for range 20 {
		_, err := Dial(t.Context(), h.IMAPS, access.Password("ann", "wrong", nil), &Options{Net: access.Options{TLSConfig: h.ClientTLS()}})
		require.ErrorIs(t, err, mailbox.ErrAuth)
	}
	for range 20 {
		ctx, cancel := context.WithCancel(t.Context())
		_, err := m.Append(ctx, "", cancelling{cancel}, &mailbox.AppendOptions{Size: 10})
		require.ErrorIs(t, err, context.Canceled)
	}
	assert.Eventually(t, func() bool { return runtime.NumGoroutine() <= before+6 }, 3*time.Second, 10*time.Millisecond,
		"%d goroutines before", before)
}

type cancelling struct{ cancel func() }

func (c cancelling) Read([]byte) (int, error) {
	c.cancel()
	return 0, io.EOF
}

// pieces plays a server that gives pieces of at most most octets, tells sizes
// that are wrong by off, and does with the rest as answer says.
func pieces(t *testing.T, bodies map[string]string, most int, told func(uid string) int, origin bool) *rig {
	return newRig(t, nil, func(c *mailtest.Conn) {
		selected(c, "IMAP4rev1 UIDPLUS", len(bodies))
		fetchAnswers(c, func(_ int, args string) string {
			uid, items, _ := strings.Cut(args, " ")
			var off, n int
			_, err := fmt.Sscanf(items[strings.IndexByte(items, '<'):], "<%d.%d>", &off, &n)
			require.NoError(t, err)
			body := bodies[uid]
			body = body[min(off, len(body)):]
			body = body[:min(n, most, len(body))]
			where := fmt.Sprintf("<%d>", off)
			if !origin {
				where = ""
			}
			return fmt.Sprintf("* 1 FETCH (UID %s RFC822.SIZE %d BODY[]%s {%d}\r\n%s)\r\n", uid, told(uid), where, len(body), body)
		})
	})
}

func readAll(t *testing.T, m *Mailbox, uid string) (string, error) {
	r, err := m.Open(t.Context(), id(uid), nil)
	if err != nil {
		return "", err
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	return string(data), err
}

// TestShortPieces: a server with wrong sizes and small pieces. What was learnt
// from a message that was shorter than told must not cut the next one.
func TestShortPieces(t *testing.T) {
	bodies := map[string]string{"1": strings.Repeat("a", 5000), "2": strings.Repeat("b", 200_000)}
	for name, off := range map[string]int{"right": 0, "too large": 100, "too small": -100} {
		t.Run(name, func(t *testing.T) {
			m := pieces(t, bodies, 64<<10, func(uid string) int { return len(bodies[uid]) + off }, true).mustDial()
			for _, uid := range []string{"1", "2", "1", "2"} {
				data, err := readAll(t, m, uid)
				require.NoError(t, err)
				assert.Equal(t, len(bodies[uid]), len(data), "UID %s", uid)
			}
		})
	}
}

// TestNoOrigin: a server that obeys <0.262144> and does not say so has sent the
// first piece, not all.
func TestNoOrigin(t *testing.T) {
	bodies := map[string]string{"1": strings.Repeat("a", firstWindow+1000)}
	m := pieces(t, bodies, 1<<30, func(uid string) int { return len(bodies[uid]) }, false).mustDial()
	data, err := readAll(t, m, "1")
	if err == nil {
		assert.Equal(t, len(bodies["1"]), len(data), "a clean end")
	} else {
		assert.ErrorIs(t, err, io.ErrUnexpectedEOF)
	}
}

// TestNilPiece: a message that is expunged between two windows is not at its
// end.
func TestNilPiece(t *testing.T) {
	r := newRig(t, nil, func(c *mailtest.Conn) {
		selected(c, "IMAP4rev1", 1)
		fetchAnswers(c, func(_ int, args string) string {
			if strings.Contains(args, "<0.") {
				return fmt.Sprintf("* 1 FETCH (UID 1 RFC822.SIZE 1000000 BODY[]<0> {%d}\r\n%s)\r\n", firstWindow, strings.Repeat("x", firstWindow))
			}
			return "* 1 FETCH (UID 1 BODY[]<262144> NIL)\r\n"
		})
	})
	_, err := readAll(t, r.mustDial(), "1")
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	var e *mailbox.Error
	require.ErrorAs(t, err, &e)
}

// TestFetchBodyErrors: the errors of a body say what they are about.
func TestFetchBodyErrors(t *testing.T) {
	_, m, ids := hosted(t, 3, 100<<10, 1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for msg, err := range m.Fetch(ctx, ids, nil) {
		if err != nil {
			require.ErrorIs(t, err, context.Canceled)
			break
		}
		cancel()
		_, err := io.ReadAll(msg.Body)
		require.ErrorIs(t, err, context.Canceled)
		var e *mailbox.Error
		require.ErrorAs(t, err, &e)
		assert.Equal(t, msg.ID, e.ID)
	}
}

// TestLostForGood: the connection is lost in the middle of a body, and the next
// one is refused.
func TestLostForGood(t *testing.T) {
	r := newRig(t, nil, func(c *mailtest.Conn) {
		if c.Num() > 1 {
			c.Send("* OK [CAPABILITY IMAP4rev1] hi\r\n")
			tag, _ := c.Command("LOGIN")
			c.Send(tag + " NO [AUTHENTICATIONFAILED] expired meanwhile\r\n")
			c.ExpectEOF()
			return
		}
		selected(c, "IMAP4rev1", 1)
		tag, _ := c.Command("UID FETCH")
		c.Send("* 1 FETCH (UID 7 RFC822.SIZE 10)\r\n" + tag + " OK done\r\n")
		c.Command("UID FETCH")
		c.Send("* 1 FETCH (UID 7 RFC822.SIZE 10 BODY[] {10}\r\n0123")
		c.Close()
	})
	for msg, err := range r.mustDial().Fetch(t.Context(), []mailbox.ID{id("7")}, nil) {
		if err != nil {
			require.ErrorIs(t, err, mailbox.ErrAuth)
			break
		}
		data, err := io.ReadAll(msg.Body)
		assert.Equal(t, "0123", string(data))
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		require.ErrorIs(t, err, mailbox.ErrAuth)
		var e *mailbox.Error
		require.ErrorAs(t, err, &e)
	}
}

// TestCauseWhileWaiting: a context with a cause of its own is cancelled while the
// call waits for a connection.
func TestCauseWhileWaiting(t *testing.T) {
	r := newRig(t, nil, func(c *mailtest.Conn) {
		selected(c, "IMAP4rev1", 1)
		c.Command("UID FETCH")
		c.Stall()
	})
	r.opts.Connections = 1
	m := r.mustDial()
	go func() { _, _ = m.Open(t.Context(), id("1"), nil) }()
	cause := errors.New("the user went home")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(50*time.Millisecond, func() { cancel(cause) })
	_, err := m.Open(ctx, id("1"), nil)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, cause)
}

// TestAppendOfOurOwn: messages are copied from folder to folder, each over the
// connection that reading it needs.
func TestAppendOfOurOwn(t *testing.T) {
	_, m, ids := hosted(t, 2, 3<<20, 1)
	for _, msgID := range ids {
		sum, err := mailbox.Get(t.Context(), m, msgID, 0)
		require.NoError(t, err)
		body, err := m.Open(t.Context(), msgID, nil)
		require.NoError(t, err)
		_, err = m.Append(within(t, 5*time.Second), "", body, &mailbox.AppendOptions{Size: sum.Size})
		require.NoError(t, err)
		require.NoError(t, body.Close())
	}
	all, err := (&rig{t: t, canary: mailtest.NewCanary(t, canary)}).list(m, nil)
	require.NoError(t, err)
	assert.Len(t, all, 4)
}

// TestTwoBodies: a server that sends another message's body along must not
// change the one that was asked for.
func TestTwoBodies(t *testing.T) {
	const size = 4 << 20
	whole := strings.Repeat("0123456789abcde\n", size/16)
	r := newRig(t, nil, func(c *mailtest.Conn) {
		selected(c, "IMAP4rev1", 2)
		fetchAnswers(c, func(_ int, args string) string {
			var off, n int
			_, _ = fmt.Sscanf(args[strings.IndexByte(args, '<'):], "<%d.%d>", &off, &n)
			piece := whole[min(off, size):min(off+n, size)]
			other := strings.Repeat("#", len(piece))
			return fmt.Sprintf("* 1 FETCH (UID 1 RFC822.SIZE %d BODY[]<%d> {%d}\r\n%s)\r\n* 2 FETCH (UID 2 BODY[]<%d> {%d}\r\n%s)\r\n",
				size, off, len(piece), piece, off, len(other), other)
		})
	})
	data, err := readAll(t, r.mustDial(), "1")
	require.NoError(t, err)
	assert.True(t, data == whole)
}

// TestAppendStuckReader: the context ends Append though its reader does not.
func TestAppendStuckReader(t *testing.T) {
	_, m, ids := hosted(t, 1, 10, 1)
	stuck, w := io.Pipe()
	defer w.Close()
	for _, size := range []int64{0, 10} {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		done := make(chan error, 1)
		go func() {
			_, err := m.Append(ctx, "", stuck, &mailbox.AppendOptions{Size: size})
			done <- err
		}()
		select {
		case err := <-done:
			require.ErrorIs(t, err, context.DeadlineExceeded)
			assert.NotErrorIs(t, err, mailbox.ErrUnknownOutcome)
		case <-time.After(3 * time.Second):
			t.Fatal("Append waits for its reader")
		}
	}
	_, err := mailbox.Get(t.Context(), m, ids[0], 0)
	require.NoError(t, err)
}

// TestFetchOfGone: messages that have neither a size nor a body are gone, and
// are not asked for one by one.
func TestFetchOfGone(t *testing.T) {
	var asked atomic.Int32
	r := newRig(t, nil, func(c *mailtest.Conn) {
		selected(c, "IMAP4rev1", 1)
		fetchAnswers(c, func(int, string) string { asked.Add(1); return "" })
	})
	r.opts.Connections = 1
	m := r.mustDial()
	var ids []mailbox.ID
	for i := range 2000 {
		ids = append(ids, id(fmt.Sprint(i+1)))
	}
	for msg, err := range m.Fetch(t.Context(), ids, nil) {
		require.NoError(t, err)
		t.Errorf("got %v", msg.ID)
	}
	require.NoError(t, m.Close())
	assert.Less(t, asked.Load(), int32(20))
}

// TestOpenBesideSlowFetch: a loop that moves, but slowly, keeps nobody else from
// the connection for long.
func TestOpenBesideSlowFetch(t *testing.T) {
	_, m, ids := hosted(t, 120, 500<<10, 1)
	opened := make(chan error, 1)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	taken, since := 0, 0
	for msg, err := range m.Fetch(t.Context(), ids, nil) {
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, msg.Body)
		require.NoError(t, err)
		if taken++; taken > 20 {
			<-tick.C
		}
		if taken == 40 {
			since = taken
			go func() {
				b, err := m.Open(t.Context(), ids[0], nil)
				if err == nil {
					err = b.Close()
				}
				opened <- err
			}()
		}
		select {
		case err := <-opened:
			require.NoError(t, err)
			assert.Less(t, taken-since, 25, "messages that the loop took meanwhile")
			return
		default:
		}
	}
	t.Error("Open waited for the end of the loop")
}
