package imapwire

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// server is the scripted end of a connection.
type server struct {
	t    testing.TB
	nc   net.Conn
	br   *bufio.Reader
	out  chan string
	done sync.WaitGroup
}

// serve runs a script against the connection that it returns. What the script
// sends is written behind its back, so that it never waits for a reader. The
// connection ends when the script does, once all was written, and the test
// waits for it.
func serve(t testing.TB, script func(s *server)) net.Conn {
	t.Helper()
	near, far := net.Pipe()
	s := &server{t: t, nc: far, br: bufio.NewReader(far), out: make(chan string, 1000)}
	s.done.Go(func() {
		for text := range s.out {
			if _, err := io.WriteString(far, text); err != nil {
				break
			}
		}
		_ = far.Close()
		for range s.out {
		}
	})
	s.done.Go(func() {
		defer close(s.out)
		script(s)
	})
	t.Cleanup(func() {
		_ = near.Close()
		s.done.Wait()
	})
	return near
}

func (s *server) send(format string, args ...any) {
	if len(args) > 0 {
		format = fmt.Sprintf(format, args...)
	}
	s.out <- format
}

// line reads a line without its end; "" at the end of the connection.
func (s *server) line() string {
	line, err := s.br.ReadString('\n')
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(line, "\r\n")
}

// expect reads a line and compares it.
func (s *server) expect(want string) bool {
	return assert.Equal(s.t, want, s.line())
}

// octets reads n octets.
func (s *server) octets(n int) string {
	b := make([]byte, n)
	_, err := io.ReadFull(s.br, b)
	assert.NoError(s.t, err)
	return string(b)
}

// hold keeps the connection open until the other end closes it.
func (s *server) hold() { _, _ = io.Copy(io.Discard, s.br) }

// canned is a connection whose other end has said all that it will say, and
// takes whatever it is told.
type canned struct {
	io.Reader
	wrote strings.Builder
}

func (c *canned) Write(p []byte) (int, error)      { return c.wrote.Write(p) }
func (c *canned) Close() error                     { return nil }
func (c *canned) LocalAddr() net.Addr              { return nil }
func (c *canned) RemoteAddr() net.Addr             { return nil }
func (c *canned) SetDeadline(time.Time) error      { return nil }
func (c *canned) SetReadDeadline(time.Time) error  { return nil }
func (c *canned) SetWriteDeadline(time.Time) error { return nil }

// run starts one command on a connection that answers it with text, in which %s
// is the command's tag.
func run(t testing.TB, lim Limits, answer, name string, args ...Arg) *Command {
	t.Helper()
	c := New(serve(t, func(s *server) {
		line := s.line()
		tag, _, _ := strings.Cut(line, " ")
		s.send("%s", strings.ReplaceAll(answer, "%s", tag))
		s.hold()
	}), &Options{Limits: lim})
	cmd, err := c.Start(name, args...)
	require.NoError(t, err)
	return cmd
}

// fetch runs a UID FETCH.
func fetch(t testing.TB, answer string) *Command {
	t.Helper()
	return run(t, Limits{}, answer, "UID FETCH", Raw("1:*"), Raw("(UID FLAGS)"))
}

// withEngine makes a guarded connection with go-imap's client behind it.
func withEngine(t testing.TB, o *Options, script func(s *server)) (*Conn, *imapclient.Client) {
	t.Helper()
	c := New(serve(t, script), o)
	e := imapclient.New(c.Engine([]string{"IMAP4rev1", "UIDPLUS", "ENABLE"}), nil)
	t.Cleanup(func() { _ = e.Close() })
	return c, e
}

func enc64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// value parses one value.
func value(t testing.TB, text string) Value {
	t.Helper()
	v, err := parseValue(text)
	require.NoError(t, err, "%.200s", text)
	return v
}

func parseValue(text string) (Value, error) {
	lim := Limits{}.withDefaults()
	p := &parser{lim: &lim}
	p.reset([]byte(text), 0)
	return p.value()
}
