package mailconn

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
)

// DefaultConnectTimeout is what zero access.Options.ConnectTimeout means.
const DefaultConnectTimeout = 30 * time.Second

// WithConnectTimeout bounds ctx by access.Options.ConnectTimeout. Drivers hold it
// over Dial and the greeting together. When the time is over the context's
// error is mailbox.ErrUnavailable, as ContextError gives it.
func WithConnectTimeout(ctx context.Context, o *access.Options) (context.Context, context.CancelFunc) {
	timeout := DefaultConnectTimeout
	if o != nil && o.ConnectTimeout > 0 {
		timeout = o.ConnectTimeout
	}
	return context.WithTimeoutCause(ctx, timeout,
		fmt.Errorf("%w: not connected within %v", mailbox.ErrUnavailable, timeout))
}

// Dial connects to addr, "host:port", and does TLS if o.TLS is TLSImplicit.
// Nothing is sent before TLS is verified. access.Options.ConnectTimeout bounds it.
// Errors are mailbox.ErrUnavailable, ErrCertificate, ErrTLSRequired (no TLS of
// version 1.2 or later there) or the context's own. o may be nil.
func Dial(ctx context.Context, addr string, o *access.Options) (*Conn, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("address %q is not host:port", addr)
	}
	if o == nil {
		o = &access.Options{}
	}
	ctx, cancel := WithConnectTimeout(ctx, o)
	defer cancel()
	nc, err := dialTCP(ctx, addr, o.Dialer)
	if err != nil {
		return nil, err
	}
	c := New(nc, host, o)
	if o.TLS == access.TLSImplicit {
		if err := c.handshake(ctx, false); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// dialTCP obeys ctx even where the dialer does not.
func dialTCP(ctx context.Context, addr string, d access.Dialer) (net.Conn, error) {
	if ctx.Err() != nil {
		return nil, ContextError(ctx)
	}
	if d == nil {
		d = &net.Dialer{}
	}
	type result struct {
		nc  net.Conn
		err error
	}
	done := make(chan result, 1)
	go func() {
		nc, err := d.DialContext(ctx, "tcp", addr)
		done <- result{nc, err}
	}()
	select {
	case r := <-done:
		switch {
		case r.err == nil:
			return r.nc, nil
		case ctx.Err() != nil:
			return nil, ContextError(ctx)
		}
		return nil, fmt.Errorf("%w: %w", mailbox.ErrUnavailable, r.err)
	case <-ctx.Done():
		go func() {
			if r := <-done; r.nc != nil {
				_ = r.nc.Close()
			}
		}()
		return nil, ContextError(ctx)
	}
}
