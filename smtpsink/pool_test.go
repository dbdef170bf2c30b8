package smtpsink

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/mailtest"
)

// TestConnectionsLimit: no more connections than allowed, also where they are lost
// all the time, and none is lost for good.
func TestConnectionsLimit(t *testing.T) {
	for _, lasts := range []int{1000, 4, 1} {
		got := newTook()
		script := func(c *mailtest.Conn, num int) {
			greets(c)
			serveMail(c, func(verb, args string) string {
				if verb == "MAIL" && got.on(num) == lasts {
					c.Close() // without a word
				}
				if verb == "message" {
					<-time.After(time.Second)
					got.add(num, args)
				}
				return ""
			})
		}
		bubble(t, script, func(t *testing.T, p *pipes, opts *Options) {
			opts.Connections = 3
			sink := dialBubble(t, opts)
			var all sync.WaitGroup
			for i := range 50 {
				all.Go(func() {
					<-time.After(time.Duration(i%7) * 300 * time.Millisecond)
					receipt, err := sendPlain(t.Context(), sink, fmt.Sprintf("Subject: %d\r\n\r\n", i))
					assert.NoError(t, err)
					assert.Equal(t, Accepted, receipt.Outcome)
				})
			}
			all.Wait()
			got.once(t, 50)
			assert.Equal(t, 3, p.most)
			assert.LessOrEqual(t, len(sink.idle), 3)
			require.NoError(t, sink.Close())
			synctest.Wait()
			assert.Zero(t, p.open)
			assert.Empty(t, sink.slots)
		})
	}
}

// TestLostWhileIdle: a connection of the pool that is lost is replaced without a
// word, until the whole message was handed over; then it is not.
func TestLostWhileIdle(t *testing.T) {
	for _, tt := range []struct {
		at      string // the first connection ends at this
		goodbye string
		unknown bool
	}{
		{at: "idle"}, {at: "idle", goodbye: "421 4.4.2 timeout"}, {at: "idle", goodbye: "nonsense"},
		{at: "MAIL"}, {at: "MAIL", goodbye: "421 4.3.2 shutting down"},
		{at: "RCPT"}, {at: "RCPT", goodbye: "421 4.3.2 shutting down"},
		{at: "DATA"}, {at: "DATA", goodbye: "421 4.3.2 shutting down"},
		{at: "message", unknown: true},
	} {
		for name, send := range senders {
			for _, caps := range extensionSets {
				if tt.at == "DATA" && len(caps) == 2 {
					continue // BDAT ends with the message
				}
				t.Run(fmt.Sprint(name, " ", tt.at, " ", tt.goodbye, " ", caps), func(t *testing.T) {
					got := newTook()
					script := func(c *mailtest.Conn, num int) {
						greets(c, caps...)
						if num == 1 && tt.at == "idle" {
							if <-time.After(time.Second); tt.goodbye != "" {
								c.Send(tt.goodbye + "\r\n")
							}
							c.Close()
						}
						serveMail(c, func(verb, args string) string {
							if num == 1 && verb == tt.at {
								if tt.goodbye != "" {
									c.Send(tt.goodbye + "\r\n")
								}
								c.Close()
							}
							if verb == "message" {
								got.add(num, args)
							}
							return ""
						})
					}
					bubble(t, script, func(t *testing.T, p *pipes, opts *Options) {
						sink := dialBubble(t, opts)
						<-time.After(2 * time.Second)
						receipt, err := send(t.Context(), sink, plain)
						if tt.unknown {
							require.ErrorIs(t, err, mailbox.ErrUnknownOutcome)
							assert.Equal(t, Unknown, receipt.Outcome)
							assert.Equal(t, 1, p.count())
							return
						}
						require.NoError(t, err)
						assert.Equal(t, Accepted, receipt.Outcome)
						got.once(t, 1)
						assert.Equal(t, 2, p.count())
					})
				})
			}
		}
	}
}

// TestServerHasEnough: a server that takes so many messages on a connection and
// no more costs nothing but connections.
func TestServerHasEnough(t *testing.T) {
	const each, total = 4, 19
	for _, enough := range []string{"452 4.5.3 Too many messages sent", "421 4.7.0 too many messages", "421 unasked", "421 bye", "cut"} {
		for _, caps := range extensionSets {
			for _, name := range []string{"Send", "SendAll"} {
				t.Run(fmt.Sprint(enough, caps, name), func(t *testing.T) {
					got := newTook()
					script := func(c *mailtest.Conn, num int) {
						greets(c, caps...)
						serveMail(c, func(verb, args string) string {
							full := got.on(num) == each
							switch {
							case verb == "MAIL" && full && enough == "cut":
								c.Close()
							case verb == "MAIL" && full && enough == "421 bye":
								c.Send("421 4.3.2 bye\r\n")
								c.Close()
							case verb == "MAIL" && full:
								return enough
							case verb == "RCPT" && full:
								return "503 5.5.1 no MAIL"
							case verb == "message":
								got.add(num, args)
								if enough == "421 unasked" && got.on(num) == each {
									c.Send("250 2.0.0 queued\r\n421 4.7.0 that was all\r\n")
									c.Close()
								}
							}
							return ""
						})
					}
					bubble(t, script, func(t *testing.T, p *pipes, opts *Options) {
						if enough == "cut" {
							opts.Window = 1 // or as many would be in doubt
						}
						sink := dialBubble(t, opts)
						if name == "Send" {
							for i := range total {
								_, err := sendPlain(t.Context(), sink, fmt.Sprintf("Subject: %d\r\n\r\n", i))
								require.NoError(t, err)
							}
						} else {
							i := 0
							for r, err := range sink.SendAll(t.Context(), messages(total, "bob@example.org")) {
								require.NoError(t, err)
								require.NoError(t, r.Err)
								assert.Equal(t, i, r.Message.Tag)
								i++
							}
						}
						got.once(t, total)
						assert.Equal(t, (total+each-1)/each, p.count())
					})
				})
			}
		}
	}
}

// TestGoodbyeToAll: who hears 421 on every connection stops.
func TestGoodbyeToAll(t *testing.T) {
	for name, send := range senders {
		for _, caps := range extensionSets {
			t.Run(fmt.Sprint(name, caps), func(t *testing.T) {
				script := func(c *mailtest.Conn, _ int) {
					greets(c, caps...)
					serveMail(c, func(verb, _ string) string {
						if verb == "MAIL" {
							return "421 4.3.2 not now"
						}
						return ""
					})
				}
				bubble(t, script, func(t *testing.T, p *pipes, opts *Options) {
					receipt, err := send(t.Context(), dialBubble(t, opts), plain)
					require.ErrorIs(t, err, mailbox.ErrUnavailable)
					var r *Reply
					require.ErrorAs(t, err, &r)
					assert.Equal(t, 421, r.Code)
					assert.Equal(t, NotSent, receipt.Outcome)
					assert.LessOrEqual(t, p.count(), maxTries)
				})
			})
		}
	}
}

// TestMessagesLimit: Options.Messages and the server's own limit (RFC 9422).
func TestMessagesLimit(t *testing.T) {
	for _, tt := range []struct {
		own, server, each int
	}{{0, 0, 100}, {3, 0, 3}, {0, 3, 3}, {2, 5, 2}, {5, 2, 2}, {1, 0, 1}} {
		for _, caps := range extensionSets {
			for _, name := range []string{"Send", "SendAll"} {
				t.Run(fmt.Sprint(tt, caps, name), func(t *testing.T) {
					const total = 10
					got, quits := newTook(), atomic.Int64{}
					script := func(c *mailtest.Conn, num int) {
						greets(c, append([]string{"LIMITS MAILMAX=" + strconv.Itoa(tt.server)}, caps...)...)
						serveMail(c, func(verb, args string) string {
							switch verb {
							case "message":
								got.add(num, args)
							case "QUIT":
								quits.Add(1)
							}
							return ""
						})
					}
					bubble(t, script, func(t *testing.T, p *pipes, opts *Options) {
						opts.Messages = tt.own
						sink := dialBubble(t, opts)
						if name == "Send" {
							for i := range total {
								_, err := sendPlain(t.Context(), sink, fmt.Sprintf("Subject: %d\r\n\r\n", i))
								require.NoError(t, err)
							}
						} else {
							for r, err := range sink.SendAll(t.Context(), messages(total, "bob@example.org")) {
								require.NoError(t, err)
								require.NoError(t, r.Err)
							}
						}
						got.once(t, total)
						for num, n := range got.conns {
							assert.LessOrEqual(t, n, tt.each, "connection %d", num)
						}
						assert.Equal(t, (total+tt.each-1)/tt.each, p.count())
						require.NoError(t, sink.Close())
						synctest.Wait()
						assert.Equal(t, int64(p.count()), quits.Load(), "all end in good order")
					})
				})
			}
		}
	}
}

// TestPoolUnderFire: many at once, over TLS, from a host that is interrupted all
// the time: what was accepted is there once, and nothing is left over.
func TestPoolUnderFire(t *testing.T) {
	host := newHost(t, nil)
	before := working()
	sink := dial(t, host, &Options{Connections: 4, Messages: 7})
	require.Greater(t, working(), before, "the control: there is a goroutine to look for")
	var sure, maybe sync.Map
	note := func(id string, o Outcome) {
		switch o {
		case Accepted:
			sure.Store(id, true)
		case Unknown:
			maybe.Store(id, true)
		}
	}
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for j := range 50 {
				if rand.N(20) == 0 {
					host.Interrupt()
				}
				id := fmt.Sprintf("s%d-%d", i, j)
				ctx, cancel := context.WithCancel(t.Context())
				if j%5 == 4 {
					time.AfterFunc(time.Duration(rand.N(3000))*time.Microsecond, cancel)
				}
				receipt, _ := sendPlain(ctx, sink, "X-Test: "+id+"\r\n\r\n")
				note(id, receipt.Outcome)
				cancel()
			}
		})
		all.Go(func() {
			source := func(yield func(*Message) bool) {
				for j := range 200 {
					id := fmt.Sprintf("a%d-%d", i, j)
					if !yield(&Message{Envelope: envelope("bob@example.org"), Tag: id, Body: strings.NewReader("X-Test: " + id + "\r\n\r\n")}) {
						return
					}
				}
			}
			for r := range sink.SendAll(t.Context(), source) {
				if r != nil {
					note(r.Message.Tag.(string), r.Receipt.Outcome)
				}
			}
		})
	}
	all.Wait()
	require.NoError(t, sink.Close())

	got := map[string]int{}
	for _, s := range host.Submissions() {
		id, _, _ := strings.Cut(strings.TrimPrefix(string(s.Raw), "X-Test: "), "\r\n")
		got[id]++
	}
	for id, n := range got {
		assert.Equal(t, 1, n, "%s", id)
		_, accepted := sure.Load(id)
		_, unknown := maybe.Load(id)
		assert.True(t, accepted || unknown, "%s was taken, and the receipt says otherwise", id)
	}
	sure.Range(func(id, _ any) bool {
		assert.Equal(t, 1, got[id.(string)], "%s is lost", id)
		return true
	})
	host.Interrupt()
	assert.Eventually(t, func() bool { return working() <= before }, 10*time.Second, 10*time.Millisecond, "goroutines are left over")
}

// TestCloseRace: Close comes in the middle of everything.
func TestCloseRace(t *testing.T) {
	host := newHost(t, nil)
	before := working()
	for range 30 {
		sink := dialLMTP(t, host.LMTP, &Options{Connections: 3, Messages: 5, Idle: time.Millisecond})
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() {
				for {
					_, err := sendPlain(t.Context(), sink, plain)
					if errors.Is(err, mailbox.ErrClosed) {
						return
					}
					assert.NoError(t, err)
				}
			})
			all.Go(func() {
				for {
					for _, err := range sink.SendAll(t.Context(), messages(20, "bob@example.org")) {
						if errors.Is(err, mailbox.ErrClosed) {
							return
						}
						assert.NoError(t, err)
					}
				}
			})
		}
		all.Go(func() {
			<-time.After(time.Duration(rand.N(8000)) * time.Microsecond)
			assert.NoError(t, sink.Close())
			assert.NoError(t, sink.Close())
		})
		all.Wait()
	}
	assert.Eventually(t, func() bool { return working() <= before }, 10*time.Second, 10*time.Millisecond, "goroutines are left over")
}

// working counts what tells of goroutines of the package.
func working() int {
	buf := make([]byte, 4<<20)
	stacks := string(buf[:runtime.Stack(buf, true)])
	return strings.Count(stacks, "smtpsink.(*session).") + strings.Count(stacks, "smtpsink.(*bulk).")
}

// TestInTurn: to a server without PIPELINING nothing is sent before it has
// answered what came before.
func TestInTurn(t *testing.T) {
	for _, caps := range [][]string{nil, {"CHUNKING"}} {
		for _, body := range []string{plain, big} {
			for _, refused := range []string{"", "MAIL", "RCPT", "BDAT", "message"} {
				script := func(c *mailtest.Conn, _ int) {
					greets(c, caps...)
					serveMail(c, func(verb, _ string) string {
						if verb == refused {
							return "550 5.7.1 no"
						}
						return ""
					})
				}
				bubble(t, script, func(t *testing.T, _ *pipes, opts *Options) {
					var mu sync.Mutex
					begun, owed, most := false, 0, 0
					opts.Net.Trace = func(e access.TraceEvent) {
						mu.Lock()
						defer mu.Unlock()
						switch {
						case !begun, e.Sent && strings.HasPrefix(e.Line, "["):
						case e.Sent:
							owed++
							most = max(most, owed)
						case !strings.HasPrefix(e.Line, "354"): // behind which the message is owed for
							owed--
						}
					}
					sink := dialBubble(t, opts)
					mu.Lock()
					begun = true
					mu.Unlock()
					n := 0
					for r, err := range sink.SendAll(t.Context(), func(yield func(*Message) bool) {
						for range 3 {
							if !yield(&Message{Envelope: envelope("a@example.org", "b@example.org"), Body: strings.NewReader(body)}) {
								return
							}
						}
					}) {
						require.NoError(t, err)
						if r.Err == nil {
							n++
						}
					}
					assert.Contains(t, []int{0, 3}, n)
					assert.Equal(t, 1, most)
				})
			}
		}
	}
}
