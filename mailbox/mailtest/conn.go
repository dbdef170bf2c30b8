package mailtest

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"sync"
)

// maxScriptLine and maxScriptLiteral are the longest line and literal that a
// script takes from its client.
const (
	maxScriptLine    = 1 << 20
	maxScriptLiteral = 64 << 20
)

// Conn is the server's end of a scripted conversation. Its methods are for the
// handler's goroutine, and do not return errors: what the client should not
// have done fails the test, and that or a lost connection ends the handler.
type Conn struct {
	srv  *Server
	num  int
	raw  net.Conn // what is below TLS
	nc   net.Conn // raw, or TLS over it
	br   *bufio.Reader
	said *transcript

	// shown is what may be shown of the line or command read last.
	shown string

	// answers reply to commands that the script does not ask for.
	answers map[string]func(tag, args string)
	once    sync.Once
}

func newConn(s *Server, nc net.Conn, num int) *Conn {
	c := &Conn{srv: s, num: num, raw: nc, nc: nc, said: &transcript{}, answers: map[string]func(tag, args string){}}
	c.br = bufio.NewReader(c.nc)
	return c
}

// Num numbers the connections of one server from 1.
func (c *Conn) Num() int { return c.num }

// NetConn is the connection itself, TLS included.
func (c *Conn) NetConn() net.Conn { return c.nc }

// Done is closed when the test ends.
func (c *Conn) Done() <-chan struct{} { return c.srv.done }

// Read reads what the client sends; it is written down.
func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.br.Read(p)
	c.said.add('C', p[:n])
	return n, err
}

// Write sends p as it is; it is written down.
func (c *Conn) Write(p []byte) (int, error) {
	n, err := c.nc.Write(p)
	c.said.add('S', p[:n])
	return n, err
}

// Send sends exactly the octets of s, in one write.
func (c *Conn) Send(s string) {
	if _, err := io.WriteString(c, s); err != nil {
		c.gone("sending", err)
	}
}

// Sendf is Send of a formatted string.
func (c *Conn) Sendf(format string, args ...any) { c.Send(fmt.Sprintf(format, args...)) }

// SendSplit sends s in writes of n octets.
func (c *Conn) SendSplit(s string, n int) {
	for len(s) > n {
		c.Send(s[:n])
		s = s[n:]
	}
	c.Send(s)
}

// ReadLine gives the client's next line without its CRLF.
func (c *Conn) ReadLine() string {
	var line []byte
	for {
		frag, err := c.br.ReadSlice('\n')
		line = append(line, frag...)
		if len(line) > maxScriptLine {
			c.shown = c.said.add('C', line)
			c.fail("the client sent a line of more than %d octets", maxScriptLine)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		c.shown = strings.TrimRight(c.said.add('C', line), "\r\n")
		if err != nil {
			c.gone("reading a line", err)
		}
		break
	}
	s := strings.TrimSuffix(string(line), "\n")
	return strings.TrimSuffix(s, "\r")
}

// ReadN gives the client's next n octets.
func (c *Conn) ReadN(n int) string {
	b := make([]byte, n)
	m, err := io.ReadFull(c.br, b)
	c.shown = c.said.add('C', b[:m])
	if err != nil {
		c.gone(fmt.Sprintf("reading %d octets", n), err)
	}
	return string(b)
}

// Expect reads a line and fails the test unless the regular expression pattern
// matches the whole of it. It gives the line and then its submatches.
func (c *Conn) Expect(pattern string) []string {
	line := c.ReadLine()
	m := regexp.MustCompile(`^(?s:` + pattern + `)$`).FindStringSubmatch(line)
	if m == nil {
		c.fail("the client sent %q, want %s", c.shown, new(hider).client([]byte(pattern)))
	}
	return m
}

// ExpectEOF fails the test if the client sends anything more before it hangs
// up.
func (c *Conn) ExpectEOF() {
	var b [256]byte
	n, err := io.ReadAtLeast(c.br, b[:], 1)
	c.shown = c.said.add('C', b[:n])
	if n > 0 {
		c.fail("the client sent %q, want it to hang up", c.shown)
	}
	c.said.note("hung up: %v", err)
}

// Stall says nothing more: it takes what the client sends until it hangs up or
// the test ends, and then ends the handler.
func (c *Conn) Stall() {
	c.said.note("stalling")
	_, err := io.Copy(io.Discard, c)
	c.said.note("stalled until: %v", err)
	c.Close()
	c.exit()
}

// StartTLS does the server's side of the handshake. What the client sent in
// plaintext ahead of it counts as part of it.
func (c *Conn) StartTLS() {
	tc := tls.Server(&bufferedConn{c.nc, c.br}, serverTLS(c.srv.opts.Cert))
	if err := tc.Handshake(); err != nil {
		c.said.note("TLS handshake: %v", err)
		c.gone("shaking hands", err)
	}
	c.said.note("TLS is on")
	c.nc = tc
	c.br = bufio.NewReader(tc)
}

// TLS reports whether TLS is on.
func (c *Conn) TLS() bool { return c.nc != c.raw }

// Close ends the connection in good order: TLS says so, then TCP does.
func (c *Conn) Close() { c.once.Do(func() { _ = c.nc.Close(); _ = c.raw.Close() }) }

// Cut ends the connection as a crash does: TCP is reset, TLS says nothing. What
// was sent just before may be lost.
func (c *Conn) Cut() {
	c.said.note("cut")
	c.once.Do(func() { cut(c.raw) })
}

// CloseRaw ends the connection below TLS: TCP ends in good order, so that all
// that was sent arrives, but TLS has not said that it is the end.
func (c *Conn) CloseRaw() {
	c.said.note("closed below TLS")
	c.once.Do(func() { _ = c.raw.Close() })
}

// cut resets a TCP connection and closes any other.
func cut(nc net.Conn) {
	if tc, ok := nc.(*net.TCPConn); ok {
		_ = tc.SetLinger(0)
	}
	_ = nc.Close()
}

// bufferedConn reads what has been buffered first.
type bufferedConn struct {
	net.Conn
	r io.Reader
}

func (c *bufferedConn) Read(p []byte) (int, error) { return c.r.Read(p) }
