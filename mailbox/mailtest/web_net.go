package mailtest

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"
)

// listener is where something listens; it gets the server's end of each
// connection.
type listener func(net.Conn)

// DialContext connects to an IP address and port of the Web. Where nothing
// listens the connection is refused; a port that is a black hole never answers.
// Names are resolved, too, as a naive dialler would.
func (w *Web) DialContext(ctx context.Context, _, addr string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	if _, err := netip.ParseAddr(host); err != nil {
		addrs, err := w.DNS.LookupNetIP(ctx, "ip", host)
		if err != nil {
			return nil, err
		}
		addr = net.JoinHostPort(addrs[0].String(), port)
	}
	w.mu.Lock()
	w.dials = append(w.dials, addr)
	w.dialing++
	w.most = max(w.most, w.dialing)
	listen := w.listeners[addr]
	hole := w.holes[addr] || w.holes[hostOf(addr)] || w.holes["*"] && listen == nil
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		w.dialing--
		w.mu.Unlock()
	}()
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case hole:
		<-ctx.Done()
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: ctx.Err()}
	case listen == nil:
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	client, server := net.Pipe()
	listen(server)
	// With room between the ends: TLS has both of them write at once.
	return delayed(ctx, client, w.Latency)
}

func hostOf(addr string) string {
	host, _, _ := net.SplitHostPort(addr)
	return host
}

// Dials are the addresses that were dialled so far, "IP:port", in order.
func (w *Web) Dials() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.dials)
}

// MostDialing is the most dials that were ever under way at once.
func (w *Web) MostDialing() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.most
}

// Host is a host's address; it gives the host one, from 203.0.113.0/24 (RFC
// 5737), if it has none.
func (w *Web) Host(name string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	name = fold(name)
	if w.hosts[name] == "" {
		w.next++
		w.hosts[name] = fmt.Sprintf("203.0.113.%d", w.next)
		w.DNS.SetHost(name, w.hosts[name])
	}
	return w.hosts[name]
}

// at is "host:port" with the host's address.
func (w *Web) at(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		w.misused("%q is not host:port", addr)
	}
	if _, err := netip.ParseAddr(host); err != nil {
		host = w.Host(host)
	}
	return net.JoinHostPort(host, port)
}

// BlackHole has an address, "host:port", or a whole host never answer. "*" is
// every address at which nothing listens.
func (w *Web) BlackHole(addr string) {
	if _, _, err := net.SplitHostPort(addr); err == nil {
		addr = w.at(addr)
	} else if addr != "*" {
		addr = w.Host(addr)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.holes[addr] = true
}

// Serve plays a script with every client of an address, "host:port", as the
// function Serve does. Its certificate, if o has none, is good for the host.
func (w *Web) Serve(addr string, o *ServeOptions, handler func(c *Conn)) *Server {
	s := &Server{Addr: w.at(addr), t: w.t, handler: handler, done: make(chan struct{})}
	if o != nil {
		s.opts = *o
	}
	if s.opts.Cert == nil {
		s.opts.Cert = WebCertificate(hostOf(addr))
	}
	w.t.Cleanup(s.close)
	w.listen(s.Addr, s.start)
	return s
}

func (w *Web) listen(addr string, l listener) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.listeners[addr] = l
}
