package mailtest

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// recorder is a testing.TB that takes failures down instead of failing.
type recorder struct {
	testing.TB
	mu       sync.Mutex
	errors   []string
	logs     []string
	cleanups []func()
}

func (r *recorder) Helper() {}
func (r *recorder) Cleanup(f func()) {
	r.cleanups = append(r.cleanups, f)
}

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}

func (r *recorder) Logf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.logs = append(r.logs, fmt.Sprintf(format, args...))
}

func (r *recorder) Failed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.errors) > 0
}

// end ends the test that the recorder plays.
func (r *recorder) end() {
	for i := len(r.cleanups) - 1; i >= 0; i-- {
		r.cleanups[i]()
	}
	r.cleanups = nil
}

// client is a line-wise client.
type client struct {
	t  *testing.T
	nc net.Conn
	br *bufio.Reader
}

func dial(t *testing.T, addr string) *client {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = nc.Close() })
	return newClient(t, nc)
}

func newClient(t *testing.T, nc net.Conn) *client { return &client{t, nc, bufio.NewReader(nc)} }

func (c *client) send(s string) {
	c.t.Helper()
	_, err := io.WriteString(c.nc, s)
	require.NoError(c.t, err)
}

func (c *client) want(line string) {
	c.t.Helper()
	got, err := c.br.ReadString('\n')
	require.NoError(c.t, err, "want %q, got %q", line, got)
	require.Equal(c.t, line, strings.TrimSuffix(got, "\r\n"))
}

// line gives the next line.
func (c *client) line() string {
	c.t.Helper()
	got, err := c.br.ReadString('\n')
	require.NoError(c.t, err)
	return strings.TrimSuffix(got, "\r\n")
}

// startTLS does the client's side of the handshake.
func (c *client) startTLS() {
	c.t.Helper()
	cfg := ClientTLS()
	cfg.ServerName = "localhost"
	tc := tls.Client(c.nc, cfg)
	require.NoError(c.t, tc.Handshake())
	c.nc, c.br = tc, bufio.NewReader(tc)
}

func TestServeIMAP(t *testing.T) {
	srv := Serve(t, &ServeOptions{Whole: true}, func(c *Conn) {
		assert.Equal(t, 1, c.Num())
		IMAPLogin(c, "IMAP4rev1")
		tag, args := c.Command("append")
		assert.Equal(t, "INBOX {5}\r\nhello", args)
		c.Sendf("%s OK done\r\n", tag)
		tag, args = c.Command("UID FETCH")
		assert.Equal(t, "1:* (FLAGS)", args)
		c.SendSplit(tag+" OK fetched\r\n", 3)
		c.ExpectEOF()
	})
	c := dial(t, srv.Addr)
	c.want("* OK [CAPABILITY IMAP4rev1] ready")
	c.send("1 capability\r\n")
	c.want("* CAPABILITY IMAP4rev1")
	c.want("1 OK done")
	c.send("2 LOGIN {3}\r\n")
	c.want("+ go on")
	c.send("ann {6+}\r\nsecret\r\n")
	c.want("2 OK [CAPABILITY IMAP4rev1] logged in")
	c.send("3 NOOP\r\n4 APPEND INBOX {5}\r\n")
	c.want("3 OK done")
	c.want("+ go on")
	c.send("hello\r\n5 uid fetch 1:* (FLAGS)\r\n")
	c.want("4 OK done")
	c.want("5 OK fetched")
	_ = c.nc.Close()
}

func TestServePOP(t *testing.T) {
	srv := Serve(t, nil, func(c *Conn) {
		POPLogin(c, "UIDL", "TOP")
		c.Verb("STAT")
		c.Send("+OK 0 0\r\n")
		assert.Equal(t, []string{"RETR 17", "17"}, c.Expect(`RETR (\d+)`))
		c.Send("-ERR no\r\n")
		c.Stall()
	})
	c := dial(t, srv.Addr)
	c.want("+OK ready")
	c.send("CAPA\r\n")
	for _, line := range []string{"+OK", "UIDL", "TOP", "."} {
		c.want(line)
	}
	c.send("AUTH PLAIN\r\n")
	c.want("+ ")
	c.send("AGFubgBzZWNyZXQ=\r\n")
	c.want("+OK logged in")
	c.send("STAT\r\nRETR 17\r\n")
	c.want("+OK 0 0")
	c.want("-ERR no")
}

func TestServeTLS(t *testing.T) {
	for _, implicit := range []bool{true, false} {
		srv := Serve(t, &ServeOptions{TLS: implicit}, func(c *Conn) {
			if !implicit {
				tag, _ := c.Command("STARTTLS")
				c.Sendf("%s OK go\r\n", tag)
				c.StartTLS()
			}
			assert.True(t, c.TLS())
			c.Send("* hello\r\n")
			c.CloseRaw()
		})
		c := dial(t, srv.Addr)
		if !implicit {
			c.send("a STARTTLS\r\n")
			c.want("a OK go")
		}
		c.startTLS()
		c.want("* hello")
		_, err := c.br.ReadByte()
		assert.ErrorIs(t, err, io.EOF, "crypto/tls forgives a missing close_notify between records")
	}
}

// TestServeFails proves that what a client should not do fails the test.
func TestServeFails(t *testing.T) {
	for name, tt := range map[string]struct {
		opts    *ServeOptions
		handler func(c *Conn)
		say     string
		want    string
	}{
		"other command": {nil, func(c *Conn) { c.Command("SELECT") }, "1 EXPUNGE\r\n", `the client sent the command "1 EXPUNGE", want "SELECT"`},
		"no command":    {nil, func(c *Conn) { c.Command("SELECT") }, "rubbish\r\n", "want an IMAP command"},
		"other verb":    {nil, func(c *Conn) { c.Verb("QUIT") }, "DELE 1\r\n", `the client sent "DELE 1", want "QUIT"`},
		"other line":    {nil, func(c *Conn) { c.Expect("a.*z") }, "abc\r\n", "want a.*z"},
		"more":          {nil, func(c *Conn) { c.ExpectEOF() }, "abc\r\n", "want it to hang up"},
		"early end":     {&ServeOptions{Whole: true}, func(c *Conn) { c.ReadLine() }, "abc", "while reading a line: EOF"},
		"before login":  {nil, func(c *Conn) { IMAPLogin(c, "IMAP4rev1") }, "1 SELECT x\r\n", "before its login"},
		"no SASL":       {nil, func(c *Conn) { c.SASLPlain(c.ReadLine()) }, "AAA\r\n", "no SASL PLAIN message"},
	} {
		t.Run(name, func(t *testing.T) {
			r := &recorder{TB: t}
			done := make(chan bool, 1)
			srv := Serve(r, tt.opts, func(c *Conn) {
				defer func() { done <- true }()
				tt.handler(c)
				t.Error("the handler went on")
			})
			c := dial(t, srv.Addr)
			c.send(tt.say)
			require.NoError(t, c.nc.(*net.TCPConn).CloseWrite())
			<-done
			r.end()
			require.Len(t, r.errors, 1)
			assert.Contains(t, r.errors[0], tt.want)
			require.Len(t, r.logs, 1, "the transcript is logged")
			assert.Contains(t, r.logs[0], "C: "+strings.ReplaceAll(tt.say, "\r\n", `\r\n`))
		})
	}
}

// TestServeQuiet: without Whole a client may hang up, and the end of the test
// frees a handler that waits.
func TestServeQuiet(t *testing.T) {
	r := &recorder{TB: t}
	started := make(chan bool)
	srv := Serve(r, nil, func(c *Conn) {
		started <- true
		c.ReadLine()
		t.Error("the handler went on")
	})
	dial(t, srv.Addr)
	<-started
	gone := dial(t, srv.Addr)
	<-started
	require.NoError(t, gone.nc.Close())
	r.end()
	assert.Empty(t, r.errors)
	assert.Empty(t, r.logs)
	assert.Equal(t, 2, srv.Accepted())
}

func TestCut(t *testing.T) {
	srv := Serve(t, nil, func(c *Conn) {
		c.ReadLine()
		c.Cut()
	})
	c := dial(t, srv.Addr)
	c.send("x\r\n")
	_, err := c.br.ReadByte()
	require.Error(t, err)
	assert.False(t, errors.Is(err, io.EOF), "a reset is no end: %v", err)
}

func TestPipeSynctest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nc := Pipe(t, func(c *Conn) {
			c.Send("* OK ready\r\n")
			c.StartTLS()
			<-time.After(time.Hour)
			c.Send("late\r\n")
		})
		c := newClient(t, nc)
		c.want("* OK ready")
		c.startTLS()
		start := time.Now()
		c.want("late")
		assert.Equal(t, time.Hour, time.Since(start))
	})
}

func TestCertificates(t *testing.T) {
	for kind, want := range map[CertKind]string{
		CertGood:       "",
		CertWrongHost:  "not localhost",
		CertExpired:    "expired",
		CertSelfSigned: "unknown authority",
		CertUnknownCA:  "unknown authority",
	} {
		srv := Serve(t, &ServeOptions{TLS: true, Cert: Certificate(kind)}, func(c *Conn) { c.Stall() })
		for _, name := range []string{"localhost", "127.0.0.1"} {
			cfg := srv.ClientTLS()
			cfg.ServerName = name
			nc, err := tls.Dial("tcp", srv.Addr, cfg)
			if want == "" {
				require.NoError(t, err)
				_ = nc.Close()
				continue
			}
			require.Error(t, err)
			if name == "localhost" {
				assert.ErrorContains(t, err, want)
			}
		}
	}
	assert.Contains(t, string(CAPEM()), "BEGIN CERTIFICATE")
}

func TestTranscript(t *testing.T) {
	var tr transcript
	tr.add('C', []byte("a LOGIN \"\xff"))
	tr.add('C', []byte("x\r\nb NOOP\r\n"))
	tr.add('S', []byte("a OK"))
	tr.note("cut")
	assert.Equal(t, "C: a LOGIN \"\\xffx\\r\\n\nC: b NOOP\\r\\n\nS: a OK\n-- cut\n", tr.Raw())
	assert.Equal(t, "C: a LOGIN ***\\r\\n\nC: b NOOP\\r\\n\nS: a OK\n-- cut\n", tr.String())
	for range 100 {
		tr.add('S', make([]byte, 1<<20))
	}
	assert.Less(t, len(tr.String()), maxTranscript+5*maxTranscriptChunk)
	assert.Contains(t, tr.String(), "[1046528 octets more]")
	assert.Contains(t, tr.String(), "the rest is left out")
}

// hangUp says that nothing more comes.
func (c *client) hangUp() { _ = c.nc.(*net.TCPConn).CloseWrite() }
