package mailconn_test

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/internal/mailconn"
	"github.com/postroom-go/postroom/mailbox"
)

// pair is a Conn and the server's end.
func pair(t *testing.T) (*mailconn.Conn, net.Conn) {
	client, server := net.Pipe()
	c := mailconn.New(client, "localhost", nil)
	t.Cleanup(func() { _ = c.Close(); _ = server.Close() })
	return c, server
}

func readAll(c *mailconn.Conn) (int, error) {
	b := make([]byte, 4096)
	total := 0
	for {
		n, err := c.Read(b)
		total += n
		if err != nil {
			return total, c.Fail(err)
		}
	}
}

func TestProgress(t *testing.T) {
	for _, tt := range []struct {
		name  string
		every time.Duration // between two pieces
		size  int           // of a piece
		want  time.Duration // when it ends; 0 is never
	}{
		{"silence", 0, 0, time.Minute},
		{"an octet a minute", 59 * time.Second, 1, 649 * time.Second},
		{"an octet in four seconds", 4 * time.Second, 1, 600 * time.Second},
		{"slow but moving", 50 * time.Second, 200, 0},
		{"the least", 4 * time.Second, 7, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, server := pair(t)
				defer func() { <-time.After(3 * time.Hour) }() // for the other goroutine to end
				begin := time.Now()
				go func() {
					for tt.size > 0 && time.Since(begin) < 2*time.Hour {
						<-time.After(tt.every)
						if _, err := server.Write(make([]byte, tt.size)); err != nil {
							return
						}
					}
					if tt.size > 0 {
						_ = server.Close()
					}
				}()
				_, err := readAll(c)
				require.ErrorIs(t, err, mailbox.ErrUnavailable)
				if tt.want == 0 {
					require.ErrorIs(t, err, io.ErrUnexpectedEOF, "it goes on until the server ends it")
					return
				}
				assert.NotErrorIs(t, err, io.ErrUnexpectedEOF)
				assert.Equal(t, tt.want, time.Since(begin))
				_, err = c.Read(make([]byte, 1))
				require.ErrorIs(t, err, mailbox.ErrUnavailable, "it stays broken")
			})
		})
	}
}

func TestIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, server := pair(t)
		got := make(chan error, 1)
		begin := time.Now()
		c.SetIdle(true)
		go func() {
			for {
				if _, err := c.Read(make([]byte, 10)); err != nil {
					got <- err
					return
				}
			}
		}()
		<-time.After(29 * time.Minute)
		_, err := server.Write([]byte("x")) // half an hour for an octet is no slowness
		require.NoError(t, err)
		<-time.After(time.Hour)
		select {
		case err := <-got:
			t.Fatal(err)
		default:
		}
		c.SetIdle(false) // from now on something is awaited, by the Read that waits already
		err = <-got
		assert.Equal(t, 90*time.Minute, time.Since(begin))
		require.ErrorIs(t, c.Fail(err), mailbox.ErrUnavailable)
	})
}

func TestIdleTimeDoesNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, server := pair(t)
		c.SetIdle(true)
		got := make(chan error, 1)
		go func() {
			_, err := io.ReadFull(c, make([]byte, 2))
			got <- err
		}()
		<-time.After(24 * time.Hour)
		c.SetIdle(false)
		for range 2 {
			_, err := server.Write([]byte("x"))
			require.NoError(t, err)
		}
		require.NoError(t, <-got)
	})
}

func TestWriteStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, server := pair(t)
		begin := time.Now()
		_, err := c.Write(make([]byte, 100))
		require.ErrorIs(t, c.Fail(err), mailbox.ErrUnavailable)
		assert.Equal(t, time.Minute, time.Since(begin))
		_ = server
	})
	synctest.Test(t, func(t *testing.T) {
		c, server := pair(t)
		defer func() { _ = c.Close(); <-time.After(time.Hour) }()
		go func() { // takes 16 KiB in each 50 seconds
			b := make([]byte, 16<<10)
			for {
				<-time.After(50 * time.Second)
				if _, err := io.ReadFull(server, b); err != nil {
					return
				}
			}
		}()
		n, err := c.Write(make([]byte, 160<<10))
		require.NoError(t, err, "slow, but it moves")
		assert.Equal(t, 160<<10, n)
	})
}

func TestBind(t *testing.T) {
	c, server := pair(t)
	ctx, cancel := context.WithCancel(t.Context())
	release := c.Bind(ctx)
	require.NoError(t, release())
	cancel()
	require.NoError(t, c.Err(), "not bound any more")

	ctx, cancel = context.WithCancel(t.Context())
	release = c.Bind(ctx)
	got := make(chan error, 1)
	go func() {
		_, err := c.Read(make([]byte, 1))
		got <- err
	}()
	cancel()
	require.ErrorIs(t, <-got, context.Canceled)
	require.ErrorIs(t, release(), context.Canceled)
	require.ErrorIs(t, c.Fail(io.EOF), context.Canceled, "the first reason is kept")
	_, err := c.Write([]byte("x"))
	require.ErrorIs(t, err, context.Canceled)
	_, err = server.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF, "the server sees the end")
}

func TestContextError(t *testing.T) {
	boom := errors.New("boom")
	for name, tt := range map[string]struct {
		cause error
		is    []error
		not   []error
	}{
		"plain":  {nil, []error{context.Canceled}, nil},
		"cause":  {boom, []error{context.Canceled, boom}, nil},
		"closed": {mailbox.ErrClosed, []error{mailbox.ErrClosed}, []error{context.Canceled}},
	} {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(tt.cause)
		err := mailconn.ContextError(ctx)
		for _, e := range tt.is {
			assert.ErrorIs(t, err, e, name)
		}
		for _, e := range tt.not {
			assert.NotErrorIs(t, err, e, name)
		}
	}
}

func TestClose(t *testing.T) {
	c, _ := pair(t)
	require.NoError(t, c.Close())
	require.NoError(t, c.Close())
	_, err := c.Read(make([]byte, 1))
	require.ErrorIs(t, err, mailbox.ErrClosed)
	_, err = c.Write([]byte("x"))
	require.ErrorIs(t, err, mailbox.ErrClosed)
}

func TestFail(t *testing.T) {
	for _, tt := range []struct {
		in   error
		want []error
	}{
		{io.EOF, []error{io.ErrUnexpectedEOF, mailbox.ErrUnavailable}},
		{io.ErrUnexpectedEOF, []error{io.ErrUnexpectedEOF, mailbox.ErrUnavailable}},
		{io.ErrClosedPipe, []error{io.ErrUnexpectedEOF, mailbox.ErrUnavailable}},
		{mailbox.ErrProtocol, []error{mailbox.ErrProtocol}},
		{errors.New("odd"), []error{mailbox.ErrUnavailable}},
	} {
		c, _ := pair(t)
		err := c.Fail(tt.in)
		for _, want := range tt.want {
			assert.ErrorIs(t, err, want)
		}
		assert.Equal(t, err, c.Err())
	}
}
