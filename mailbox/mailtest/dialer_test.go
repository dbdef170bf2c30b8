package mailtest

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox/access"
)

func TestCountingDialer(t *testing.T) {
	srv := Serve(t, nil, func(c *Conn) {
		c.Send("hello\r\n")
		for range 3 {
			c.Sendf("%s\r\n", c.ReadLine())
		}
	})
	var d CountingDialer
	nc, err := d.DialContext(t.Context(), "tcp", srv.Addr)
	require.NoError(t, err)
	defer nc.Close()
	c := newClient(t, nc)
	c.want("hello")
	c.send("a\r\n")
	c.want("a")
	before := d.Stats()
	assert.Equal(t, Stats{Connections: 1, Sent: 3, Received: 10, Flights: 1}, before)
	c.send("b\r\n")
	c.send("c\r\n")
	c.want("b")
	c.want("c")
	assert.Equal(t, Stats{Sent: 6, Received: 6, Flights: 1}, d.Stats().Sub(before))
	d.Reset()
	assert.Zero(t, d.Stats())
}

// pipeDialer hands out the client's end of a script.
type pipeDialer struct {
	t       *testing.T
	handler func(*Conn)
}

func (d *pipeDialer) DialContext(context.Context, string, string) (net.Conn, error) {
	return Pipe(d.t, d.handler), nil
}

func TestLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &CountingDialer{Latency: 20 * time.Millisecond, Dialer: &pipeDialer{t, func(c *Conn) {
			for range 4 {
				c.Sendf("%s\r\n", c.ReadLine())
			}
		}}}
		start := time.Now()
		nc, err := d.DialContext(t.Context(), "tcp", "")
		require.NoError(t, err)
		assert.Equal(t, 40*time.Millisecond, time.Since(start), "dialling")
		c := newClient(t, nc)
		for i := range 2 {
			c.send("x\r\n")
			c.want("x")
			assert.Equal(t, time.Duration(80+40*i)*time.Millisecond, time.Since(start))
		}
		c.send("y\r\n")
		c.send("y\r\n")
		c.want("y")
		c.want("y")
		assert.Equal(t, 160*time.Millisecond, time.Since(start), "what is sent together travels together")
		_, err = c.br.ReadByte()
		require.Error(t, err, "the end arrives, too")
		require.NoError(t, nc.Close())
		<-time.After(time.Second)
	})
}

func TestLatencyDialCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		d := &CountingDialer{Latency: time.Hour, Dialer: &pipeDialer{t, func(c *Conn) { c.Stall() }}}
		_, err := d.DialContext(ctx, "tcp", "")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Zero(t, d.Stats().Connections)
	})
}

func TestCanary(t *testing.T) {
	const secret = "s3cret word+1"
	plain := func(user string) string {
		return base64.StdEncoding.EncodeToString([]byte("\x00" + user + "\x00" + secret))
	}
	for name, tt := range map[string]struct {
		use  func(c *Canary)
		fail bool
	}{
		"clean trace":    {func(c *Canary) { c.Trace(access.TraceEvent{Line: "LOGIN ann ***"}) }, false},
		"trace":          {func(c *Canary) { c.Trace(access.TraceEvent{Line: "LOGIN ann " + secret}) }, true},
		"base64 0":       {func(c *Canary) { c.Trace(access.TraceEvent{Line: plain("a")}) }, true},
		"base64 1":       {func(c *Canary) { c.Trace(access.TraceEvent{Line: plain("ab")}) }, true},
		"base64 2":       {func(c *Canary) { c.Trace(access.TraceEvent{Line: plain("abc")}) }, true},
		"log":            {func(c *Canary) { c.Logger().Debug("x", "password", secret) }, true},
		"clean log":      {func(c *Canary) { c.Logger().Error("x") }, false},
		"error":          {func(c *Canary) { c.Error(fmt.Errorf("a: %w", errors.New(secret))) }, true},
		"joined error":   {func(c *Canary) { c.Error(errors.Join(errors.New("a"), errors.New(secret))) }, true},
		"clean error":    {func(c *Canary) { c.Error(errors.New("a")); c.Error(nil) }, false},
		"hidden in a %v": {func(c *Canary) { c.Value(struct{ x struct{ s string } }{struct{ s string }{secret}}) }, true},
		"auth":           {func(c *Canary) { c.Value(access.Password("ann", secret, nil)) }, false},
		"percent":        {func(c *Canary) { c.Value("imap://ann:s3cret%20word+1@h") }, true},
	} {
		t.Run(name, func(t *testing.T) {
			r := &recorder{TB: t}
			c := NewCanary(r, secret)
			tt.use(c)
			assert.Equal(t, tt.fail, r.Failed(), c.Seen())
			assert.NotEmpty(t, c.Seen()+"-")
		})
	}
}
