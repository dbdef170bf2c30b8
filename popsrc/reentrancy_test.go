package popsrc_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/mailtest"
	"github.com/postroom-go/postroom/popsrc"
)

// TestLoopsMayDoAnything leaves and enters loops in the ways that programs do,
// each followed by a call that needs the connection.
func TestLoopsMayDoAnything(t *testing.T) {
	const n = 40
	message := func(i int) []byte {
		return []byte(fmt.Sprintf("Subject: %d\r\n\r\n", i) + strings.Repeat("0123456789abcdef0123456789abcdef\r\n", 10_000))
	}
	open := func(t *testing.T) (context.Context, *popsrc.Mailbox, []mailbox.ID) {
		host := mailtest.New(t, nil)
		host.AddUser("ann", "secret")
		for i := range n {
			require.NoError(t, host.Deliver("ann", "", message(i), nil))
		}
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		t.Cleanup(cancel)
		m, err := popsrc.Dial(ctx, host.POP3S, access.Password("ann", "secret", nil), &popsrc.Options{Net: access.Options{TLSConfig: host.ClientTLS()}})
		require.NoError(t, err)
		t.Cleanup(func() { _ = m.Close() })
		var ids []mailbox.ID
		for s, err := range m.List(ctx, "", &mailbox.ListOptions{Fields: mailbox.FieldsNone}) {
			require.NoError(t, err)
			ids = append(ids, s.ID)
		}
		require.Len(t, ids, n)
		return ctx, m, ids
	}
	whole := func(t *testing.T, r io.Reader, i int) {
		t.Helper()
		b, err := io.ReadAll(r)
		require.NoError(t, err)
		assert.True(t, bytes.Equal(message(i), b), "message %d", i)
	}
	openWhole := func(t *testing.T, ctx context.Context, m *popsrc.Mailbox, id mailbox.ID, i int) {
		t.Helper()
		r, err := m.Open(ctx, id, nil)
		require.NoError(t, err)
		defer r.Close()
		whole(t, r, i)
	}

	t.Run("break, then delete", func(t *testing.T) {
		ctx, m, ids := open(t)
		for msg, err := range m.Fetch(ctx, ids, nil) {
			require.NoError(t, err)
			whole(t, msg.Body, 0)
			break
		}
		require.NoError(t, m.Delete(ctx, ids[:1], nil))
		openWhole(t, ctx, m, ids[n-1], n-1)
	})
	t.Run("break in a body, then list", func(t *testing.T) {
		ctx, m, ids := open(t)
		for msg, err := range m.Fetch(ctx, ids, nil) {
			require.NoError(t, err)
			_, err = msg.Body.Read(make([]byte, 10))
			require.NoError(t, err)
			break
		}
		count := 0
		for _, err := range m.List(ctx, "", nil) {
			require.NoError(t, err)
			count++
		}
		assert.Equal(t, n, count)
	})
	t.Run("open, list and delete inside", func(t *testing.T) {
		ctx, m, ids := open(t)
		at := 0
		for msg, err := range m.Fetch(ctx, ids, nil) {
			require.NoError(t, err)
			msg.Body = io.TeeReader(msg.Body, io.Discard)
			switch at {
			case 3:
				openWhole(t, ctx, m, ids[n-1], n-1)
			case 6:
				for _, err := range m.List(ctx, "", &mailbox.ListOptions{Newest: 3}) {
					require.NoError(t, err)
				}
			case 9:
				require.NoError(t, m.Delete(ctx, ids[:2], nil))
			}
			whole(t, msg.Body, at)
			at++
		}
		assert.Equal(t, n, at)
	})
	t.Run("fetch inside fetch", func(t *testing.T) {
		ctx, m, ids := open(t)
		outer := 0
		for msg, err := range m.Fetch(ctx, ids[:10], nil) {
			require.NoError(t, err)
			inner := 10
			for msg, err := range m.Fetch(ctx, ids[10:20], nil) {
				require.NoError(t, err)
				whole(t, msg.Body, inner)
				inner++
			}
			assert.Equal(t, 20, inner)
			whole(t, msg.Body, outer)
			outer++
		}
		assert.Equal(t, 10, outer)
	})
	t.Run("panic in the loop", func(t *testing.T) {
		ctx, m, ids := open(t)
		assert.Panics(t, func() {
			for range m.Fetch(ctx, ids, nil) {
				panic("in the loop")
			}
		})
		openWhole(t, ctx, m, ids[0], 0)
	})
	t.Run("many readers at once, read in turns", func(t *testing.T) {
		ctx, m, ids := open(t)
		var readers []io.ReadCloser
		bodies := make([]bytes.Buffer, 8)
		for i := range bodies {
			r, err := m.Open(ctx, ids[i], nil)
			require.NoError(t, err)
			readers = append(readers, r)
		}
		for done := 0; done < len(bodies); {
			done = 0
			for i, r := range readers {
				k, err := io.CopyN(&bodies[i], r, 50_000)
				if k == 0 && err == io.EOF {
					done++
					continue
				}
				require.True(t, err == nil || err == io.EOF)
			}
		}
		for i := range bodies {
			assert.True(t, bytes.Equal(message(i), bodies[i].Bytes()), "message %d", i)
		}
	})
	t.Run("close in the loop", func(t *testing.T) {
		ctx, m, ids := open(t)
		var last error
		for msg, err := range m.Fetch(ctx, ids, nil) {
			if last = err; err != nil {
				break
			}
			_ = m.Close()
			_, err := io.ReadAll(msg.Body)
			require.ErrorIs(t, err, mailbox.ErrClosed)
		}
		require.ErrorIs(t, last, mailbox.ErrClosed)
	})
	t.Run("cancel in the loop", func(t *testing.T) {
		ctx, m, ids := open(t)
		inner, cancel := context.WithCancel(ctx)
		defer cancel()
		var last error
		for _, err := range m.Fetch(inner, ids, nil) {
			last = err
			cancel()
		}
		require.ErrorIs(t, last, context.Canceled)
		openWhole(t, ctx, m, ids[5], 5)
	})
}
