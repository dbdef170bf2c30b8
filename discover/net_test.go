package discover

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	gonet "net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/mailtest"
)

func TestInterleave(t *testing.T) {
	parse := func(s string) (all []netip.Addr) {
		for _, a := range strings.Fields(s) {
			all = append(all, netip.MustParseAddr(a))
		}
		return all
	}
	for in, want := range map[string]string{
		"192.0.2.1":                                                   "192.0.2.1",
		"192.0.2.1 192.0.2.2 2001:db8::1":                             "2001:db8::1 192.0.2.1 192.0.2.2",
		"2001:db8::1 2001:db8::2 ::ffff:192.0.2.1":                    "2001:db8::1 192.0.2.1 2001:db8::2",
		"192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4 192.0.2.5 192.0.2.6": "192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4",
	} {
		assert.Equal(t, parse(want), interleave(parse(in)), in)
	}
}

// counting counts connections that are open.
type counting struct {
	*mailtest.Web
	open atomic.Int64
}

type countedConn struct {
	gonet.Conn
	c *counting
}

func (c *counting) DialContext(ctx context.Context, network, addr string) (gonet.Conn, error) {
	nc, err := c.Web.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	c.open.Add(1)
	return &countedConn{nc, c}, nil
}

func (c *countedConn) Close() error {
	c.c.open.Add(-1)
	return c.Conn.Close()
}

// TestDial: a dead address holds nothing up, and what is dialled in vain is
// closed.
func TestDial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c := &counting{Web: w.Web}
		w.opts.Dialer = c
		s := newSettings(&w.opts)
		for _, addr := range []string{"203.0.113.101", "203.0.113.102"} {
			w.Serve(addr+":1", nil, func(c *mailtest.Conn) { c.Stall() })
		}
		w.DNS.SetHost("a.example", "203.0.113.100", "203.0.113.101", "203.0.113.102")
		w.BlackHole("203.0.113.100:1")
		began := time.Now()
		nc, err := s.dial(t.Context(), "a.example", 1)
		require.NoError(t, err)
		assert.Equal(t, eyeballs, time.Since(began))
		assert.EqualValues(t, 1, c.open.Load())
		require.NoError(t, nc.Close())
		assert.Equal(t, []string{"203.0.113.100:1", "203.0.113.101:1"}, w.Dials())

		w.DNS.SetHost("b.example", "203.0.113.103", "203.0.113.104")
		began = time.Now()
		_, err = s.dial(t.Context(), "b.example", 1)
		require.ErrorIs(t, err, mailbox.ErrUnavailable)
		assert.Zero(t, time.Since(began), "refused at once")

		w.DNS.SetHost("c.example", "203.0.113.100")
		_, err = s.dial(t.Context(), "c.example", 1)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, defaultConnectTimeout, time.Since(began))

		w.opts.Dialer = dialing(func(_ context.Context, _, addr string) (gonet.Conn, error) {
			if addr == "203.0.113.101:1" { // it takes its time, whatever the context says
				<-time.After(400 * time.Millisecond)
			}
			return c.DialContext(context.Background(), "tcp", addr)
		})
		two := newSettings(&w.opts)
		w.DNS.SetHost("e.example", "203.0.113.101", "203.0.113.102")
		nc, err = two.dial(t.Context(), "e.example", 1)
		require.NoError(t, err)
		assert.EqualValues(t, 1, c.open.Load(), "the one that came too late is closed")
		require.NoError(t, nc.Close())

		w.DNS.SetHost("d.example", "127.0.0.1", "203.0.113.101")
		nc, err = s.dial(t.Context(), "d.example", 1)
		require.NoError(t, err, "the public address is dialled")
		_ = nc.Close()
		assert.Zero(t, c.open.Load())
		_, err = s.dial(t.Context(), "127.0.0.1", 1)
		assert.ErrorIs(t, err, errPrivate)
	})
}

// dialing is an access.Dialer.
type dialing func(ctx context.Context, network, addr string) (gonet.Conn, error)

func (f dialing) DialContext(ctx context.Context, network, addr string) (gonet.Conn, error) {
	return f(ctx, network, addr)
}

// transport is an http.RoundTripper that is no *http.Transport.
type transport struct{ http.RoundTripper }

// TestHTTPClient: what is taken from the program's client, and what is not.
func TestHTTPClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.Autoconfig("example.org", usual("example.org"))
		w.opts.TLSConfig = nil
		named := w.ClientTLS()
		named.ServerName = "evil.example" // would let one server prove itself as all others
		w.opts.HTTPClient = &http.Client{Transport: &http.Transport{TLSClientConfig: named}, Jar: jar{}, Timeout: time.Nanosecond}
		w.find("ann@example.org")
		own := w.naive().Transport
		w.opts.HTTPClient = &http.Client{Transport: transport{own}}
		w.opts.Dialer = refusing{}
		w.find("ann@example.org") // the transport dials by itself
		w.opts.HTTPClient = &http.Client{Transport: own}
		w.find("ann@example.org")
		w.opts.HTTPClient = &http.Client{Transport: &http.Transport{TLSClientConfig: w.ClientTLS()}}
		w.DNS.SetMX("example.org", "10 mx.example.org.")
		w.fail("ann@example.org", ErrNetwork)
		assert.Nil(t, w.opts.HTTPClient.Transport.(*http.Transport).DialContext, "the program's own is not changed")
		s := newSettings(&Options{TLSConfig: &tls.Config{MinVersion: tls.VersionTLS10}})
		assert.Equal(t, uint16(tls.VersionTLS12), s.tlsConfig("x").MinVersion)
	})
}

// jar is a cookie jar that must not be asked.
type jar struct{ http.CookieJar }

// TestSockets: what net/http has open when a lookup ends is closed, and nothing is
// opened later.
func TestSockets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSockets()
		near, far := gonet.Pipe()
		defer func() { _ = far.Close() }()
		nc, err := s.dial(func() (gonet.Conn, error) { return near, nil })
		require.NoError(t, err)
		go func() { _, _ = s.dial(func() (gonet.Conn, error) { <-time.After(time.Second); return nil, io.EOF }) }()
		synctest.Wait()
		began := time.Now()
		s.end()
		assert.Equal(t, time.Second, time.Since(began), "the dial was waited for")
		_, err = nc.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.ErrClosedPipe)
		require.NoError(t, nc.Close())
		_, err = s.dial(func() (gonet.Conn, error) { t.Error("dialled"); return nil, nil })
		assert.Error(t, err)
	})
}

func TestOutcome(t *testing.T) {
	for want, err := range map[string]error{
		"found":            nil,
		"no longer needed": fmt.Errorf("x: %w", context.Canceled),
		"timed out":        context.DeadlineExceeded,
		"not in DNS":       &gonet.DNSError{IsNotFound: true},
		"DNS timed out":    &gonet.DNSError{IsTimeout: true},
		"DNS failed: x":    &gonet.DNSError{Err: "x"},
		"refused":          fmt.Errorf("%w: refused", mailbox.ErrUnavailable),
		"a b":              errors.New("a\x1b\nb"),
		io.EOF.Error():     io.EOF,
	} {
		assert.Equal(t, want, outcome(err))
	}
}

func TestUsualPort(t *testing.T) {
	assert.Equal(t, []int{993, 143, 995, 110, 465, 587}, []int{usualPort(IMAP, 0), usualPort(IMAP, 1), usualPort(POP3, 0), usualPort(POP3, 1), usualPort(SMTP, 0), usualPort(SMTP, 1)})
}

// TestKeepBounded: the Finder's memory does not grow without end, and what was cut
// off is not taken for an answer.
func TestKeepBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		f := &Finder{Options: w.opts, kept: map[string]kept{}}
		for i := range maxKept {
			f.kept[fmt.Sprint(i)] = kept{until: time.Now().Add(time.Duration(i%2) * time.Hour)}
		}
		w.Autoconfig("example.org", usual("example.org"))
		ctx, cancel := context.WithCancel(t.Context())
		w.DNS.SetFault("*", mailtest.DNSSilent)
		go func() {
			<-time.After(time.Millisecond)
			cancel()
		}()
		_, err := f.Lookup(ctx, "ann@example.org")
		require.ErrorIs(t, err, context.Canceled)
		w.DNS.SetFault("*", mailtest.DNSMalformed)
		_, err = f.Lookup(t.Context(), "ann@example.org")
		require.NoError(t, err)
		assert.Len(t, f.kept, maxKept/2+1, "what is out of date goes first")
		for i := range maxKept {
			f.kept[fmt.Sprint(i)] = kept{until: time.Now().Add(time.Hour)}
		}
		w.Autoconfig("a.example", usual("a.example"))
		_, err = f.Lookup(t.Context(), "ann@a.example")
		require.NoError(t, err)
		assert.Len(t, f.kept, maxKept)
		assert.Contains(t, f.kept, "a.example")
	})
}
