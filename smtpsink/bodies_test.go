package smtpsink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/mailtest"
)

// TestSendAllLeft: the loop may be left in any way, and nothing goes on.
func TestSendAllLeft(t *testing.T) {
	for _, how := range []string{"break", "panic", "exit"} {
		for _, caps := range extensionSets {
			script := func(c *mailtest.Conn, _ int) {
				greets(c, caps...)
				serveMail(c, func(string, string) string { <-time.After(time.Second); return "" })
			}
			bubble(t, script, func(t *testing.T, p *pipes, opts *Options) {
				sink := dialBubble(t, opts)
				var bodies closers
				seen, over := 0, make(chan struct{})
				go func() {
					defer close(over)
					defer func() { _ = recover() }()
					for range sink.SendAll(t.Context(), bodies.messages(1000, big)) {
						switch seen++; {
						case how == "break":
							return
						case how == "panic":
							panic("as planned")
						default:
							runtime.Goexit() // as require does
						}
					}
				}()
				<-over
				synctest.Wait()
				assert.Equal(t, 1, seen)
				assert.Less(t, bodies.count(), 100)
				bodies.once(t)
				assert.Empty(t, sink.slots)
				_, err := sendPlain(t.Context(), sink, plain)
				require.NoError(t, err, "the sink is as good as before")
			})
		}
	}
}

// TestSendAllWaits: an iterator that waits until ctx is done, and does not end
// before.
func TestSendAllWaits(t *testing.T) {
	script := func(c *mailtest.Conn, _ int) {
		greets(c, "PIPELINING", "CHUNKING")
		serveMail(c, nil)
	}
	for _, how := range []string{"cancel", "break", "Close"} {
		bubble(t, script, func(t *testing.T, p *pipes, opts *Options) {
			sink := dialBubble(t, opts)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var ended atomic.Bool
			source := func(yield func(*Message) bool) {
				messages(3, "bob@example.org")(yield)
				<-ctx.Done()
				ended.Store(true)
			}
			n := 0
			var last error
			for r, err := range sink.SendAll(ctx, source) {
				if last = err; err != nil {
					continue
				}
				require.NoError(t, r.Err)
				if n++; n < 3 {
					continue
				}
				if how == "break" {
					break
				}
				time.AfterFunc(time.Hour, func() {
					if how == "cancel" {
						cancel()
					} else {
						_ = sink.Close()
					}
				})
			}
			assert.Equal(t, 3, n)
			switch how {
			case "cancel":
				require.ErrorIs(t, last, context.Canceled)
			case "Close":
				require.ErrorIs(t, last, mailbox.ErrClosed)
			}
			cancel()
			synctest.Wait()
			assert.True(t, ended.Load())
		})
	}
}

// TestBodiesClosed: each body is closed once, whatever comes of it.
func TestBodiesClosed(t *testing.T) {
	broken := errors.New("broken disk")
	first := func(*testing.T) io.Reader { return iotest.ErrReader(broken) }
	late := func(*testing.T) io.Reader {
		return io.MultiReader(strings.NewReader(big), iotest.ErrReader(broken))
	}
	whole := func(text string) func(*testing.T) io.Reader {
		return func(*testing.T) io.Reader { return strings.NewReader(text) }
	}
	for name, tt := range map[string]struct {
		body func(*testing.T) io.Reader
		to   string
		stop string // where the server hangs up
		fail string // what it refuses
		opts *SendOptions
	}{
		"small":            {body: whole(plain)},
		"big":              {body: whole(big)},
		"empty":            {body: whole("")},
		"read error":       {body: first},
		"late read error":  {body: late},
		"bad address":      {body: whole(big), to: "bob"},
		"unsupported":      {body: whole(big), opts: &SendOptions{RequireTLS: true}},
		"NUL":              {body: whole("\x00")},
		"late NUL":         {body: whole(big + "\x00")},
		"refused":          {body: whole(plain), fail: "RCPT"},
		"big refused":      {body: whole(big), fail: "RCPT"},
		"lost at MAIL":     {body: whole(big), stop: "MAIL"},
		"lost at RCPT":     {body: whole(plain), stop: "RCPT"},
		"lost at the end":  {body: whole(big), stop: "message"},
		"lost at a chunk":  {body: whole(big), stop: "BDAT"},
		"refused message":  {body: whole(big), fail: "message"},
		"a chunk refused":  {body: whole(big), fail: "BDAT"},
		"partially":        {body: whole(big), opts: &SendOptions{Partial: true}},
		"too large for it": {body: whole(big), opts: &SendOptions{Size: 1 << 40}},
	} {
		for _, caps := range extensionSets {
			t.Run(fmt.Sprint(name, caps), func(t *testing.T) {
				script := func(c *mailtest.Conn, _ int) {
					greets(c, append([]string{"SIZE 10000000", "8BITMIME"}, caps...)...)
					serveMail(c, func(verb, _ string) string {
						switch verb {
						case tt.stop:
							c.Close()
						case tt.fail:
							return "554 5.0.0 no"
						}
						return ""
					})
				}
				bubble(t, script, func(t *testing.T, _ *pipes, opts *Options) {
					var bodies closers
					to := "bob@example.org"
					if tt.to != "" {
						to = tt.to
					}
					source := func(yield func(*Message) bool) {
						for range 3 {
							if !yield(&Message{Envelope: envelope(to), Body: bodies.add(tt.body(t)), Options: tt.opts}) {
								return
							}
						}
						yield(&Message{Envelope: nil, Body: bodies.add(strings.NewReader(""))})
						yield(nil)
					}
					n := 0
					for r := range dialBubble(t, opts).SendAll(t.Context(), source) {
						if r != nil {
							n++
							require.NotNil(t, r.Receipt)
						}
					}
					assert.Equal(t, 5, n)
					synctest.Wait()
					bodies.once(t)
				})
			})
		}
	}
}

// TestRefusedWhileRead: a message that is refused in the middle is not handed back
// while its body is being read.
func TestRefusedWhileRead(t *testing.T) {
	script := func(c *mailtest.Conn, num int) {
		greets(c)
		serveMail(c, func(verb, _ string) string {
			if num == 1 && verb == "DATA" {
				c.Send("354 go on\r\n")
				_ = c.ReadN(blockSize)
				<-time.After(time.Second) // the next octets are awaited now
				c.Send("554 5.7.1 this is spam\r\n")
				c.Stall()
			}
			return ""
		})
	}
	bubble(t, script, func(t *testing.T, _ *pipes, opts *Options) {
		sink := dialBubble(t, opts)
		var bodies closers
		r, w := io.Pipe()
		go func() {
			_, _ = io.WriteString(w, big[:100_000])
			<-time.After(time.Minute)
			_ = w.Close()
		}()
		source := func(yield func(*Message) bool) {
			yield(&Message{Envelope: envelope("bob@example.org"), Body: bodies.add(r)})
			yield(&Message{Envelope: envelope("bob@example.org"), Body: bodies.add(strings.NewReader(plain))})
		}
		begin := time.Now()
		var outcomes []Outcome
		for r, err := range sink.SendAll(t.Context(), source) {
			require.NoError(t, err)
			outcomes = append(outcomes, r.Receipt.Outcome)
			assert.Equal(t, time.Minute, time.Since(begin), "%v", r.Err)
		}
		assert.Equal(t, []Outcome{Rejected, Accepted}, outcomes)
		bodies.once(t)
	})
}

// callsOff is a body that does something when it has been read.
type callsOff struct {
	io.Reader
	do func()
}

func (c *callsOff) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	if err == io.EOF {
		c.do()
	}
	return n, err
}

// lateClose makes connections that can be used for a while after they were closed,
// as if who closes them had been slow.
type lateClose struct{ access.Dialer }

type lateConn struct{ net.Conn }

func (d lateClose) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	nc, err := d.Dialer.DialContext(ctx, network, addr)
	return lateConn{nc}, err
}

func (c lateConn) Close() error {
	for range 1000 {
		runtime.Gosched()
	}
	return c.Conn.Close()
}

// TestCalledOffWhileRead: a message whose sending was called off before its end was
// read is not sent, however quick its end comes.
func TestCalledOffWhileRead(t *testing.T) {
	for name := range senders {
		for _, how := range []string{"cancel", "Close"} {
			for _, caps := range extensionSets {
				got := newTook()
				script := func(c *mailtest.Conn, num int) {
					greets(c, caps...)
					serveMail(c, func(verb, args string) string {
						if verb == "message" {
							got.add(num, args)
						}
						return ""
					})
				}
				bubble(t, script, func(t *testing.T, p *pipes, opts *Options) {
					opts.Net.Dialer = lateClose{p}
					sink := dialBubble(t, opts)
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					do, want := cancel, context.Canceled
					if how == "Close" {
						do, want = func() { _ = sink.Close() }, mailbox.ErrClosed
					}
					body := &callsOff{strings.NewReader(big), do}
					var receipt *Receipt
					var err error
					if name == "Send" {
						receipt, err = sink.Send(ctx, envelope("bob@example.org"), body, nil)
					} else {
						for r := range sink.SendAll(ctx, func(yield func(*Message) bool) {
							yield(&Message{Envelope: envelope("bob@example.org"), Body: body})
						}) {
							if r != nil {
								receipt, err = r.Receipt, r.Err
							}
						}
					}
					require.ErrorIs(t, err, want)
					assert.Equal(t, NotSent, receipt.Outcome)
					synctest.Wait()
					assert.Empty(t, got.texts)
				})
			}
		}
	}
}

// TestCutInTheMiddle: of a short message some octets are out when the connection is
// lost. Nobody can have it whole, and all the same it is not sent again by itself: a
// server might keep what it has.
func TestCutInTheMiddle(t *testing.T) {
	raw := "Subject: x\r\n\r\n" + strings.Repeat("0123456789abcd\r\n", 10<<10/16)
	for _, caps := range [][]string{{"PIPELINING", "CHUNKING"}, {"CHUNKING"}} {
		cutting := func() *lab {
			var finals atomic.Int32
			return &lab{caps: caps, decide: func(_ *labConn, verb, _ string) verdict {
				return verdict{cut: verb == "." && finals.Add(1) == 2}
			}}
		}
		l := cutting()
		sink := l.dial(t, nil)
		for i, want := range []Outcome{Accepted, NotSent, Accepted} {
			receipt, err := sink.Send(t.Context(), envelope("b@example.net"), strings.NewReader(raw), nil)
			assert.Equal(t, want, receipt.Outcome, "%v, message %d: %v", caps, i, err)
			assert.NotErrorIs(t, err, mailbox.ErrUnknownOutcome)
		}
		assert.Len(t, l.mails(), 2)
		assert.Equal(t, 2, l.conns)
		_ = sink.Close()

		l = cutting()
		sink = l.dial(t, nil)
		all := func(yield func(*Message) bool) {
			for range 3 {
				if !yield(&Message{Envelope: envelope("b@example.net"), Body: strings.NewReader(raw)}) {
					return
				}
			}
		}
		var got []Outcome
		for r, err := range sink.SendAll(t.Context(), all) {
			require.NoError(t, err)
			got = append(got, r.Receipt.Outcome)
		}
		assert.Equal(t, []Outcome{Accepted, NotSent, Accepted}, got, "%v", caps)
		assert.Len(t, l.mails(), 2)
		_ = sink.Close()
	}
}

// TestRefusedAhead: a message that went out ahead of the answer to its recipient, who
// is refused. Whatever comes behind that, it is rejected; and a server that takes the
// message then is not trusted with another.
func TestRefusedAhead(t *testing.T) {
	for name, end := range map[string]verdict{"lost": {cut: true}, "taken": {reply: "250 2.0.0 queued as X"}, "refused": {}} {
		var refused atomic.Bool
		l := &lab{caps: []string{"PIPELINING", "CHUNKING"}}
		l.decide = func(_ *labConn, verb, args string) verdict {
			switch {
			case verb == "RCPT" && strings.HasPrefix(args, "TO:<nobody@"):
				refused.Store(true)
				return verdict{reply: "550 5.1.1 no"}
			case verb == "." && refused.CompareAndSwap(true, false):
				return end
			}
			return verdict{}
		}
		sink := l.dial(t, nil)
		next := make(chan struct{})
		all := func(yield func(*Message) bool) {
			for _, to := range []string{"a@example.net", "nobody@example.net", "c@example.net"} {
				if !yield(&Message{Envelope: envelope(to), Body: strings.NewReader(plain)}) {
					return
				}
				<-next
			}
		}
		var got []Outcome
		for r, err := range sink.SendAll(t.Context(), all) {
			require.NoError(t, err)
			got = append(got, r.Receipt.Outcome)
			assert.NotErrorIs(t, r.Err, mailbox.ErrUnknownOutcome, name)
			next <- struct{}{}
		}
		assert.Equal(t, []Outcome{Accepted, Rejected, Accepted}, got, name)
		assert.Equal(t, map[string]int{"lost": 2, "taken": 2, "refused": 1}[name], l.conns, name)
		_ = sink.Close()
	}
}
