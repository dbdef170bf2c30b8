package mailtest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"time"
)

// maxUnderWay is how many chunks of 32 KiB may be under way in a direction. A
// real path's bandwidth times its delay is as limited.
const maxUnderWay = 128

// chunk is what is under way: octets, or the end if err is set.
type chunk struct {
	p   []byte
	err error
	due time.Time
}

// delayed puts a path of the given delay, in each direction, between the caller
// and far, and waits as long as TCP's handshake over it would take.
func delayed(ctx context.Context, far net.Conn, delay time.Duration) (net.Conn, error) {
	select {
	case <-ctx.Done():
		_ = far.Close()
		return nil, context.Cause(ctx)
	case <-time.After(2 * delay):
	}
	near, end := net.Pipe()
	go carry(end, far, delay)
	go carry(far, end, delay)
	return &delayedConn{near, far}, nil
}

// delayedConn has the addresses of the far end.
type delayedConn struct {
	net.Conn
	far net.Conn
}

func (c *delayedConn) LocalAddr() net.Addr  { return c.far.LocalAddr() }
func (c *delayedConn) RemoteAddr() net.Addr { return c.far.RemoteAddr() }

// carry moves what src says to dst, late. The end moves late, too.
func carry(dst, src net.Conn, delay time.Duration) {
	way := make(chan chunk, maxUnderWay)
	go func() {
		defer close(way)
		p := make([]byte, 32<<10)
		for {
			n, err := src.Read(p)
			way <- chunk{bytes.Clone(p[:n]), err, time.Now().Add(delay)}
			if err != nil {
				return
			}
		}
	}()
	for c := range way {
		time.Sleep(time.Until(c.due))
		if len(c.p) > 0 {
			_, _ = dst.Write(c.p)
		}
		if c.err != nil {
			endOf(dst, c.err)
		}
	}
}

// endOf ends what goes to dst. Only TCP can end one direction alone; a pipe
// ends both.
func endOf(dst net.Conn, why error) {
	if tc, ok := dst.(*net.TCPConn); ok && (errors.Is(why, io.EOF) || errors.Is(why, io.ErrClosedPipe)) {
		_ = tc.CloseWrite()
	}
	_ = dst.Close()
}
