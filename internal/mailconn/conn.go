package mailconn

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
)

// DefaultProgressTimeout is what zero access.Options.ProgressTimeout means.
const DefaultProgressTimeout = 60 * time.Second

// closeTimeout bounds the farewell of TLS in Close.
const closeTimeout = 250 * time.Millisecond

// Conn is one connection to a mail server. One goroutine may read while another
// writes; StartTLS and SetID are for the time before that. All other methods
// may be called at any time. It implements net.Conn.
type Conn struct {
	host   string
	opts   access.Options
	id     int
	wire   *wire
	cur    net.Conn // the wire, or TLS over it
	secure atomic.Bool

	mu  sync.Mutex
	err error // why it broke
}

// New makes a Conn out of a connection that was dialled already; host is the
// server's name for TLS. o is copied. No TLS is done: see Dial.
func New(nc net.Conn, host string, o *access.Options) *Conn {
	c := &Conn{host: host}
	if o != nil {
		c.opts = *o
	}
	if c.opts.ProgressTimeout <= 0 {
		c.opts.ProgressTimeout = DefaultProgressTimeout
	}
	c.wire = newWire(nc, c.opts.ProgressTimeout)
	c.cur = c.wire
	return c
}

// SetID gives the connection its number in traces; drivers count from 1. Call
// it before the first Trace.
func (c *Conn) SetID(n int) { c.id = n }

// ID is the connection's number in traces.
func (c *Conn) ID() int { return c.id }

// Secure reports whether TLS is on and the server's certificate was verified as
// the TLS configuration says.
func (c *Conn) Secure() bool { return c.secure.Load() }

// Read reads what the server sent. Unless SetIdle says that nothing is awaited,
// it fails when nothing arrives for access.Options.ProgressTimeout, or when less
// than 1 KiB arrives in ten times that. Errors are as the network gives them:
// Fail turns them into sentinels.
func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.cur.Read(p)
	return n, c.reason(err)
}

// Write sends p. It fails when the server takes nothing for
// access.Options.ProgressTimeout. Errors are as in Read.
func (c *Conn) Write(p []byte) (int, error) {
	n, err := c.cur.Write(p)
	return n, c.reason(err)
}

// reason replaces the error of a connection that we cut ourselves by why.
func (c *Conn) reason(err error) error {
	if err == nil {
		return nil
	}
	if why := c.Err(); why != nil {
		return why
	}
	return err
}

// SetIdle says whether the server owes us anything. While idle, Read waits
// without a deadline. A new Conn is not idle. It also acts on a Read that is
// already waiting.
func (c *Conn) SetIdle(idle bool) { c.wire.setIdle(idle) }

// Bind lets the end of ctx cut the connection, at once, until release is
// called. Release must be called once, after the exchange; it returns the
// context's error if ctx ended before, and then the connection is broken even
// if the exchange seemed to succeed.
func (c *Conn) Bind(ctx context.Context) (release func() error) {
	if ctx.Done() == nil {
		return func() error { return nil }
	}
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(done)
		c.Break(ContextError(ctx))
	})
	return func() error {
		if stop() {
			return nil
		}
		<-done
		return c.Err()
	}
}

// Break ends the connection at once and for good, without a farewell. The first
// reason is kept; a nil reason is mailbox.ErrClosed.
func (c *Conn) Break(err error) {
	if err == nil {
		err = mailbox.ErrClosed
	}
	c.mu.Lock()
	if c.err == nil {
		c.err = err
	}
	c.mu.Unlock()
	_ = c.wire.Conn.Close()
}

// Err is why the connection broke; nil if it can be used.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Close ends the connection, over TLS with a farewell that takes a quarter of a
// second at most. It is idempotent. Later calls fail with mailbox.ErrClosed.
func (c *Conn) Close() error {
	c.mu.Lock()
	first := c.err == nil
	if first {
		c.err = mailbox.ErrClosed
	}
	c.mu.Unlock()
	if t, ok := c.cur.(*tls.Conn); ok && first {
		c.wire.hurry(closeTimeout)
		_ = t.Close()
	}
	_ = c.wire.Conn.Close()
	return nil
}

// LocalAddr is the local address.
func (c *Conn) LocalAddr() net.Addr { return c.wire.LocalAddr() }

// RemoteAddr is the server's address.
func (c *Conn) RemoteAddr() net.Addr { return c.wire.RemoteAddr() }

// SetDeadline does nothing: Read and Write set deadlines themselves.
func (c *Conn) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing: see SetDeadline.
func (c *Conn) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing: see SetDeadline.
func (c *Conn) SetWriteDeadline(time.Time) error { return nil }
