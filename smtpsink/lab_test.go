package smtpsink

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox/access"
)

// lab is a server whose every answer a test decides on. It is strict about what it
// is sent, and writes down what it took.
type lab struct {
	caps  []string
	lmtp  bool
	eager bool // asks for a message though there is nobody to get it
	keeps bool // takes the octets of a refused BDAT for commands, as it must not
	// ends says how many octets at the beginning of what came after DATA are
	// the message with its end; 0 is not yet. Nil is CRLF "." CRLF.
	ends  func(p []byte) int
	early string        // is said when the first line of a message has come behind DATA,
	after time.Duration // so long after it
	// decide says what to do at a command: "." is a whole message.
	decide func(c *labConn, verb, args string) verdict

	mu    sync.Mutex
	conns int
	took  []labMail
	odd   []string // what a client must not send
}

// labMail is a message that was taken.
type labMail struct {
	from string
	to   []string
	raw  string
}

// verdict is what to do at a command; zero is what it asks for.
type verdict struct {
	reply string // refuses it, or whatever the text says; 421 hangs up as well
	cut   bool   // hangs up, and does not do it
	lose  bool   // does it and hangs up ahead of the answer
	last  bool   // hangs up behind the answer
	twice bool   // gives the answer twice
}

type labConn struct {
	*lab
	nc   net.Conn
	br   *bufio.Reader
	bw   *bufio.Writer
	num  int
	from *string
	to   []string
	body bytes.Buffer

	twice bool // the next answer
}

// DialContext makes a connection without a network.
func (l *lab) DialContext(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	l.mu.Lock()
	l.conns++
	c := &labConn{lab: l, nc: server, bw: bufio.NewWriter(server), num: l.conns}
	c.br = bufio.NewReader(fromClient{c})
	l.mu.Unlock()
	go c.serve()
	return client, nil
}

// dial is a Sink for the lab.
func (l *lab) dial(t testing.TB, o *Options) *Sink {
	sink, err := Dial(t.Context(), "lab.example:25", access.Auth{}, l.options(o))
	require.NoError(t, err)
	return sink
}

func (l *lab) options(o *Options) *Options {
	var opts Options
	if o != nil {
		opts = *o
	}
	opts.LMTP = l.lmtp
	opts.Net.TLS, opts.Net.Dialer = access.TLSNone, l
	return &opts
}

// mails is what was taken so far.
func (l *lab) mails() []labMail {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.took)
}

func (l *lab) oddities() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.odd)
}

func (l *lab) complain(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.odd = append(l.odd, fmt.Sprintf(format, args...))
}

func (l *lab) has(keyword string) bool {
	return slices.ContainsFunc(l.caps, func(line string) bool { return line == keyword || strings.HasPrefix(line, keyword+" ") })
}

func (c *labConn) say(reply string) bool {
	if c.twice {
		reply, c.twice = reply+"\r\n"+reply, false
	}
	_, err := io.WriteString(c.bw, strings.TrimSuffix(reply, "\r\n")+"\r\n")
	return err == nil
}

// fromClient reads what the client says. All answers are out before it waits.
type fromClient struct{ c *labConn }

func (f fromClient) Read(p []byte) (int, error) {
	if err := f.c.bw.Flush(); err != nil {
		return 0, err
	}
	return f.c.nc.Read(p)
}

func (c *labConn) serve() {
	defer c.nc.Close()
	defer c.bw.Flush()
	if !c.say("220 lab") {
		return
	}
	for {
		line, err := c.br.ReadString('\n')
		if err != nil {
			return
		}
		verb, args, _ := strings.Cut(strings.TrimSuffix(line, "\r\n"), " ")
		if !c.command(verb, args) {
			return
		}
	}
}

// command does one command; false is the end.
func (c *labConn) command(verb, args string) bool {
	if c.br.Buffered() > 0 && !c.has("PIPELINING") && verb != "BDAT" {
		c.complain("ahead of the answer to %s", verb)
	}
	switch verb {
	case "EHLO", "LHLO":
		lines := append([]string{"lab"}, c.caps...)
		for _, line := range lines[:len(lines)-1] {
			c.say("250-" + line)
		}
		return c.say("250 " + lines[len(lines)-1])
	case "AUTH":
		c.ask(verb, args)
		return c.say("235 2.7.0 welcome")
	case "QUIT":
		c.say("221 bye")
		return false
	case "BDAT":
		return c.chunk(args)
	}
	v := c.ask(verb, args)
	switch {
	case v.cut:
		return false
	case v.reply != "":
		return c.say(v.reply) && !strings.HasPrefix(v.reply, "421") && !v.last
	}
	reply := c.do(verb, args)
	if v.lose || !c.say(reply) || v.last {
		return false
	}
	if verb == "DATA" && reply[0] == '3' {
		return c.data()
	}
	return true
}

func (c *labConn) ask(verb, args string) verdict {
	if c.decide == nil {
		return verdict{}
	}
	v := c.decide(c, verb, args)
	c.twice = v.twice
	return v
}

func (c *labConn) do(verb, args string) string {
	switch verb {
	case "MAIL":
		if c.from != nil {
			return "503 nested"
		}
		c.from, c.to = &args, nil
		c.body.Reset()
		return "250 2.1.0 fine"
	case "RCPT":
		if c.from == nil {
			return "503 no MAIL"
		}
		to, _, _ := strings.Cut(strings.TrimPrefix(args, "TO:<"), ">")
		c.to = append(c.to, to)
		return "250 2.1.5 fine"
	case "DATA":
		if (c.from == nil || len(c.to) == 0) && !c.eager {
			return "503 no recipients"
		}
		return "354 go on"
	case "RSET":
		c.from = nil
		return "250 fine"
	case "NOOP":
		return "250 fine"
	}
	c.complain("%s %s", verb, args)
	return "500 what?"
}

// chunk is BDAT.
func (c *labConn) chunk(args string) bool {
	words := strings.Fields(args)
	size, err := strconv.Atoi(words[0])
	if err != nil {
		c.complain("BDAT %s", args)
		return false
	}
	last := len(words) == 2
	verb := "BDAT"
	if last {
		verb = "."
	}
	open := c.from != nil && len(c.to) > 0
	if last && open && c.lmtp {
		return c.readChunk(size, true) && c.final()
	}
	v := c.ask(verb, args)
	if !open && v.reply == "" {
		v.reply = "503 no recipients"
	}
	switch {
	case v.cut:
		return false
	case v.reply != "":
		c.from = nil
		if !c.keeps && !c.readChunk(size, false) {
			return false
		}
		return c.say(v.reply) && !strings.HasPrefix(v.reply, "421") && !v.last
	case !c.readChunk(size, true):
		return false
	}
	if last {
		c.take(c.to)
	}
	return !v.lose && c.say("250 2.0.0 queued as X") && !v.last
}

func (c *labConn) readChunk(size int, keep bool) bool {
	var w io.Writer = io.Discard
	if keep {
		w = &c.body
	}
	_, err := io.CopyN(w, c.br, int64(size))
	return err == nil
}

// data reads the message behind DATA.
func (c *labConn) data() bool {
	ends := c.ends
	if ends == nil {
		ends = func(p []byte) int {
			if bytes.HasSuffix(p, []byte("\r\n.\r\n")) || string(p) == ".\r\n" {
				return len(p)
			}
			return 0
		}
	}
	var raw []byte
	n := 0
	for n == 0 {
		line, err := c.br.ReadSlice('\n')
		if raw == nil && c.early != "" {
			if c.after > 0 {
				go func() {
					<-time.After(c.after)
					_, _ = io.WriteString(c.nc, c.early)
				}()
			} else {
				_, _ = io.WriteString(c.bw, c.early)
			}
		}
		raw = append(raw, line...)
		if err != nil && err != bufio.ErrBufferFull {
			return false
		}
		n = ends(raw)
	}
	if c.ends != nil { // what is behind it are commands
		c.br = bufio.NewReader(io.MultiReader(bytes.NewReader(raw[n:]), c.br))
	}
	c.body.WriteString(unstuff(strings.TrimSuffix(string(raw[:n]), ".\r\n")))
	return c.final()
}

// unstuff is RFC 5321 section 4.5.2.
func unstuff(s string) string {
	return strings.ReplaceAll("\r\n"+s, "\r\n.", "\r\n")[2:]
}

// final answers for the message.
func (c *labConn) final() bool {
	each := [][]string{c.to}
	if c.lmtp {
		each = nil
		for _, to := range c.to {
			each = append(each, []string{to})
		}
	}
	for _, to := range each {
		v := c.ask(".", to[0])
		if v.cut {
			return false
		}
		if v.reply == "" {
			c.take(to)
		}
		if v.lose {
			return false
		}
		if v.reply == "" {
			v.reply = "250 2.0.0 queued as X"
		}
		if !c.say(v.reply) || v.last || strings.HasPrefix(v.reply, "421") {
			return false
		}
	}
	c.from = nil
	return true
}

func (c *labConn) take(to []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := labMail{to: slices.Clone(to), raw: c.body.String()}
	if c.from != nil {
		m.from = *c.from
	}
	c.took = append(c.took, m)
	if !c.lmtp {
		c.from = nil
	}
}
