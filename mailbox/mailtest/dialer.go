package mailtest

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/postroom-go/postroom/mailbox/access"
)

// CountingDialer is a access.Dialer that counts what goes over the wire, TLS
// included. Zero is ready. It is safe for concurrent use; set its fields before
// the first dial.
type CountingDialer struct {
	// Dialer makes the connections; nil is a *net.Dialer.
	Dialer access.Dialer
	// Latency, if above 0, is how long every octet is under way in each
	// direction, so that a round trip takes twice that. Dialling takes one
	// round trip, as TCP's handshake does. What was written before a Close is
	// still under way after it: in a bubble of testing/synctest let the time
	// pass before the bubble ends.
	Latency time.Duration

	mu    sync.Mutex
	stats Stats
}

// Stats is what a CountingDialer counted, over all connections.
type Stats struct {
	// Connections is how many were made.
	Connections int64
	// Sent and Received count octets.
	Sent, Received int64
	// Flights counts how often the client began to write after it had read
	// something, or for the first time: its turns. A client that waits for
	// each answer pays a round trip for each; one that pipelines may count
	// more flights than it waits for.
	Flights int64
}

// Sub is what was counted since an earlier value.
func (s Stats) Sub(earlier Stats) Stats {
	return Stats{
		Connections: s.Connections - earlier.Connections,
		Sent:        s.Sent - earlier.Sent,
		Received:    s.Received - earlier.Received,
		Flights:     s.Flights - earlier.Flights,
	}
}

// Stats is what was counted so far.
func (d *CountingDialer) Stats() Stats {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.stats
}

// Reset begins to count anew. Connections that are open stay and count on.
func (d *CountingDialer) Reset() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stats = Stats{}
}

// DialContext makes a connection.
func (d *CountingDialer) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	dialer := d.Dialer
	if dialer == nil {
		dialer = &net.Dialer{}
	}
	nc, err := dialer.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	if d.Latency > 0 {
		if nc, err = delayed(ctx, nc, d.Latency); err != nil {
			return nil, err
		}
	}
	d.mu.Lock()
	d.stats.Connections++
	d.mu.Unlock()
	return &countingConn{Conn: nc, d: d, turn: true}, nil
}

// countingConn is one of the connections.
type countingConn struct {
	net.Conn
	d    *CountingDialer
	turn bool // the next Write begins a flight; guarded by d.mu
}

func (c *countingConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.d.mu.Lock()
		c.d.stats.Received += int64(n)
		c.turn = true
		c.d.mu.Unlock()
	}
	return n, err
}

func (c *countingConn) Write(p []byte) (int, error) {
	c.d.mu.Lock()
	if c.turn {
		c.d.stats.Flights++
		c.turn = false
	}
	c.d.mu.Unlock()
	n, err := c.Conn.Write(p)
	c.d.mu.Lock()
	c.d.stats.Sent += int64(n)
	c.d.mu.Unlock()
	return n, err
}
