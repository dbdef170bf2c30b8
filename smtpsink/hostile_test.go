package smtpsink

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"io"
	"maps"
	"net"
	"net/textproto"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/mailtest"
)

// TestHostile plays servers that attack their clients, and people in the middle.
// Each row ends with its control: that the same script does harm to a client
// without the guard.
func TestHostile(t *testing.T) {
	rows := map[string]func(t *testing.T){}
	for _, layer := range []map[string]func(t *testing.T){hostileTLS, hostileAuth, hostileSMTP} {
		maps.Copy(rows, layer)
	}
	for id, row := range rows {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			row(t)
		})
	}
}

const canary = "canary-5ecret"

// plainCanary is the message of PLAIN (RFC 4616).
var plainCanary = base64.StdEncoding.EncodeToString([]byte("\x00ann@example.org\x00" + canary))

// client dials scripted servers, and watches that the secret does not get out.
type client struct {
	t      *testing.T
	canary *mailtest.Canary
	opts   Options
	auth   access.Auth
}

func newClient(t *testing.T, mode access.TLSMode) *client {
	c := &client{t: t, canary: mailtest.NewCanary(t, canary), auth: access.Password("ann@example.org", canary, nil)}
	c.opts.Net = access.Options{
		TLS: mode, TLSConfig: mailtest.ClientTLS(), Trace: c.canary.Trace, Logger: c.canary.Logger(),
	}
	return c
}

func (c *client) dial(addr string) (*Sink, error) { return c.dialContext(c.t.Context(), addr) }

func (c *client) dialContext(ctx context.Context, addr string) (*Sink, error) {
	sink, err := Dial(ctx, addr, c.auth, &c.opts)
	c.canary.Error(err)
	if err == nil {
		c.t.Cleanup(func() { _ = sink.Close() })
	}
	return sink, err
}

// open dials a server that must let the client in.
func (c *client) open(addr string) *Sink {
	c.t.Helper()
	sink, err := c.dial(addr)
	require.NoError(c.t, err)
	return sink
}

// withToken has the client log in by a token.
func (c *client) withToken() *client {
	c.auth = access.OAuth2("ann@example.org", func(context.Context) (string, error) { return canary, nil }, nil)
	return c
}

// unsent fails the test if the password reached the server, or anything that
// could carry it, or a message.
func unsent(t *testing.T, srv *mailtest.Server) {
	t.Helper()
	said := srv.Transcript()
	for _, s := range []string{canary, base64.StdEncoding.EncodeToString([]byte(canary)), plainCanary, "C: AUTH", "C: MAIL"} {
		assert.NotContains(t, said, s)
	}
}

// secureServer serves inside TLS.
func secureServer(t *testing.T, script func(c *mailtest.Conn)) *mailtest.Server {
	return mailtest.Serve(t, &mailtest.ServeOptions{TLS: true}, script)
}

// naive is a client as it is often written: opportunistic, trusting. It is the
// negative control: what breaks it is a real attack.
type naive struct {
	t   *testing.T
	raw net.Conn
	nc  net.Conn
	*textproto.Reader
}

func newNaive(t *testing.T, addr string) *naive {
	nc, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = nc.Close() })
	n := &naive{t: t, raw: nc, nc: nc}
	n.Reader = textproto.NewReader(bufio.NewReader(nc))
	_, _ = n.ReadLine() // whatever the greeting is
	return n
}

// cmd gives the last line of the reply.
func (n *naive) cmd(line string) string {
	_, err := io.WriteString(n.nc, line+"\r\n")
	require.NoError(n.t, err)
	for {
		reply, err := n.ReadLine()
		if err != nil || len(reply) < 4 || reply[3] != '-' {
			return reply
		}
	}
}

// upgrade uses TLS if the server likes to, and forgets what was buffered.
func (n *naive) upgrade() {
	if reply := n.cmd("STARTTLS"); len(reply) < 3 || reply[:3] != "220" {
		return
	}
	cfg := mailtest.ClientTLS()
	cfg.ServerName = "localhost"
	n.nc = tls.Client(n.raw, cfg)
	n.Reader = textproto.NewReader(bufio.NewReader(n.nc))
}

func (n *naive) login() string { return n.cmd("AUTH PLAIN " + plainCanary) }
