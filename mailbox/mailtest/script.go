package mailtest

import (
	"crypto/tls"
	"fmt"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// ServeOptions are the options of [Serve]. Nil and zero serve plaintext.
type ServeOptions struct {
	// TLS speaks TLS from the first octet. Without it the handler may call
	// Conn.StartTLS.
	TLS bool
	// Cert is the certificate for TLS; nil is Certificate(CertGood).
	Cert *tls.Certificate
	// Whole makes the test fail when a client hangs up in the middle of the
	// script. Without it that ends the handler quietly.
	Whole bool
}

// Server is a scripted server on the loopback interface.
type Server struct {
	// Addr is where it listens: host:port.
	Addr string

	t       testing.TB
	opts    ServeOptions
	handler func(*Conn)
	ln      net.Listener
	done    chan struct{}
	wg      sync.WaitGroup

	mu    sync.Mutex
	conns []*Conn
}

// Serve starts a server that plays handler with every client, each in a
// goroutine of its own, numbered by Conn.Num. When the handler returns, the
// connection is closed. What the handler finds wrong fails the test and ends
// that handler alone. The end of the test closes everything, waits for the
// handlers, and if the test failed logs what was said, with "***" in place of
// what the client logged in with. o may be nil.
func Serve(t testing.TB, o *ServeOptions, handler func(c *Conn)) *Server {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("mailtest: %v", err)
	}
	s := &Server{Addr: ln.Addr().String(), t: t, handler: handler, ln: ln, done: make(chan struct{})}
	if o != nil {
		s.opts = *o
	}
	s.wg.Add(1)
	go s.accept()
	t.Cleanup(s.close)
	return s
}

// Pipe plays handler in a goroutine and gives the client's end of the
// connection. It needs no network, so that it works inside a bubble of
// testing/synctest. Writes wait for the reader, as with net.Pipe.
func Pipe(t testing.TB, handler func(c *Conn)) net.Conn {
	t.Helper()
	client, server := net.Pipe()
	s := &Server{t: t, handler: handler, done: make(chan struct{})}
	s.start(server)
	t.Cleanup(func() {
		_ = client.Close()
		s.close()
	})
	return client
}

// ClientTLS is a new client configuration that trusts the test CA alone.
func (s *Server) ClientTLS() *tls.Config { return ClientTLS() }

// Accepted is how many clients have connected so far.
func (s *Server) Accepted() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// Transcript is what was said so far, connection by connection, escaped. It
// holds what the clients logged in with, for tests of just that: do not log it.
func (s *Server) Transcript() string { return s.text((*transcript).Raw) }

func (s *Server) text(of func(*transcript) string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	for _, c := range s.conns {
		fmt.Fprintf(&b, "connection %d:\n%s", c.num, of(c.said))
	}
	return b.String()
}

func (s *Server) accept() {
	defer s.wg.Done()
	for {
		nc, err := s.ln.Accept()
		if err != nil {
			return
		}
		s.start(nc)
	}
}

// start plays the script on nc in the background.
func (s *Server) start(nc net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := newConn(s, nc, len(s.conns)+1)
	s.conns = append(s.conns, c)
	if s.over() {
		_ = nc.Close()
		return
	}
	s.wg.Add(1)
	go c.play()
}

// over reports whether the test has ended.
func (s *Server) over() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

func (s *Server) close() {
	close(s.done)
	if s.ln != nil {
		_ = s.ln.Close()
	}
	s.mu.Lock()
	for _, c := range s.conns {
		_ = c.raw.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
	if s.t.Failed() {
		s.t.Logf("the conversation was:\n%s", s.text((*transcript).String))
	}
}

// play runs the handler. A handler is ended from the inside by runtime.Goexit,
// as testing's FailNow does, so nothing may follow it but deferred calls.
func (c *Conn) play() {
	defer c.srv.wg.Done()
	defer c.Close()
	if c.srv.opts.TLS {
		c.StartTLS()
	}
	c.srv.handler(c)
}

// fail fails the test and ends the handler. The message is logged: it must not
// hold more of what the client said than c.shown.
func (c *Conn) fail(format string, args ...any) {
	c.said.note("FAILED: "+format, args...)
	c.srv.t.Errorf("mailtest: connection %d: %s", c.num, fmt.Sprintf(format, args...))
	runtime.Goexit()
}

// gone ends the handler because the client is gone.
func (c *Conn) gone(doing string, err error) {
	if c.srv.opts.Whole && !c.srv.over() {
		c.fail("while %s: %v", doing, err)
	}
	c.said.note("while %s: %v", doing, err)
	runtime.Goexit()
}
