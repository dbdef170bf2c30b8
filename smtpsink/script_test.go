package smtpsink

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox/mailtest"
)

// silent is an answer of serveMail's that is none.
const silent = "silent"

// serveMail plays a mail server behind the login, until the client hangs up.
// answer, unless it is nil, may answer in its place: it gets a verb in upper
// case, or "message" at the end of one with its octets, and gives a reply
// without CRLF; "" is what a decent server says.
func serveMail(c *mailtest.Conn, answer func(verb, args string) string) {
	open := false // a transaction is
	var chunks strings.Builder
	reply := func(verb, args, decent string) string {
		r := ""
		if answer != nil {
			r = answer(verb, args)
		}
		if r == "" {
			r = decent
		}
		if r != silent {
			c.Send(r + "\r\n")
		}
		return r
	}
	for {
		verb, args, _ := strings.Cut(c.ReadLine(), " ")
		verb = strings.ToUpper(verb)
		switch verb {
		case "MAIL":
			open = reply(verb, args, "250 2.1.0 sender ok")[0] == '2'
			chunks.Reset()
		case "DATA":
			if reply(verb, args, "354 go on")[0] == '3' {
				reply("message", readData(c), "250 2.0.0 queued as "+queued(c))
			}
			open = false
		case "BDAT":
			size, last, _ := strings.Cut(args, " ")
			n, _ := strconv.Atoi(size)
			chunks.WriteString(c.ReadN(n))
			switch {
			case !open:
				reply(verb, args, "503 5.5.1 no transaction")
			case last == "":
				reply(verb, args, "250 2.0.0 more")
			default:
				reply("message", chunks.String(), "250 2.0.0 queued as "+queued(c))
				open = false
			}
		case "RSET":
			open = false
			chunks.Reset()
			reply(verb, args, "250 2.0.0 flushed")
		case "QUIT":
			reply(verb, args, "221 2.0.0 bye")
			return
		default:
			reply(verb, args, "250 2.1.5 ok")
		}
	}
}

func queued(c *mailtest.Conn) string { return fmt.Sprintf("Q%d", c.Num()) }

// readData reads a message behind DATA, its dots as they are.
func readData(c *mailtest.Conn) string {
	var b strings.Builder
	for {
		line := c.ReadLine()
		if line == "." {
			return b.String()
		}
		b.WriteString(line + "\r\n")
	}
}

// took counts the messages that a server has accepted, by their text, and how
// many on each connection.
type took struct {
	mu    sync.Mutex
	texts map[string]int
	conns map[int]int
}

func newTook() *took { return &took{texts: map[string]int{}, conns: map[int]int{}} }

func (k *took) add(num int, text string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.texts[text]++
	k.conns[num]++
}

func (k *took) on(num int) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.conns[num]
}

// once checks that there were n messages, each once.
func (k *took) once(t *testing.T, n int) {
	t.Helper()
	k.mu.Lock()
	defer k.mu.Unlock()
	assert.Len(t, k.texts, n)
	for text, times := range k.texts {
		assert.Equal(t, 1, times, "%q", text)
	}
}

// extensionSets are the ways in which a message can go.
var extensionSets = [][]string{nil, {"PIPELINING"}, {"PIPELINING", "CHUNKING"}}

// closers are bodies that know how often they were closed, and whether anybody
// read them at the time or later.
type closers struct {
	mu  sync.Mutex
	all []*closer
}

type closer struct {
	io.Reader
	closed  atomic.Int32
	reading atomic.Bool
}

func (c *closer) Read(p []byte) (int, error) {
	c.reading.Store(true)
	defer c.reading.Store(false)
	if c.closed.Load() > 0 {
		return 0, errors.New("read after it was closed")
	}
	return c.Reader.Read(p)
}

func (c *closer) Close() error {
	if c.reading.Load() {
		c.closed.Add(100)
	}
	c.closed.Add(1)
	return nil
}

func (b *closers) add(r io.Reader) *closer {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := &closer{Reader: r}
	b.all = append(b.all, c)
	return c
}

func (b *closers) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.all)
}

func (b *closers) once(t *testing.T) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	require.NotEmpty(t, b.all)
	for i, c := range b.all {
		assert.Equal(t, int32(1), c.closed.Load(), "body %d", i)
	}
}

func (b *closers) messages(n int, body string) func(yield func(*Message) bool) {
	return func(yield func(*Message) bool) {
		for range n {
			if !yield(&Message{Envelope: envelope("bob@example.org"), Body: b.add(strings.NewReader(body))}) {
				return
			}
		}
	}
}
