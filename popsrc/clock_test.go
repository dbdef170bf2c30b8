package popsrc

import (
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/mailtest"
)

// pipes dials scripts through net.Pipe, which testing/synctest can wait for.
type pipes struct {
	t      *testing.T
	mu     sync.Mutex
	dialed int
	script func(c *mailtest.Conn, num int)
}

func (p *pipes) DialContext(context.Context, string, string) (net.Conn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dialed++
	num := p.dialed
	return mailtest.Pipe(p.t, func(c *mailtest.Conn) { p.script(c, num) }), nil
}

// bubble plays a script in a bubble, over plaintext. The clock stands still
// unless everybody waits.
func bubble(t *testing.T, script func(c *mailtest.Conn, num int), f func(t *testing.T, p *pipes, opts *Options)) {
	synctest.Test(t, func(t *testing.T) {
		p := &pipes{t: t, script: script}
		f(t, p, &Options{Net: access.Options{TLS: access.TLSNone, Dialer: p}})
	})
}

func dialBubble(t *testing.T, opts *Options) *Mailbox {
	mb, err := Dial(t.Context(), "localhost:110", alice, opts)
	require.NoError(t, err)
	t.Cleanup(func() { _ = mb.Close() })
	return mb
}

func TestConnectTimeout(t *testing.T) {
	mute := func(c *mailtest.Conn, _ int) { c.Stall() }
	bubble(t, mute, func(t *testing.T, _ *pipes, opts *Options) {
		begin := time.Now()
		_, err := Dial(t.Context(), "localhost:110", alice, opts)
		require.ErrorIs(t, err, mailbox.ErrUnavailable)
		assert.Equal(t, 30*time.Second, time.Since(begin), "dialling and greeting together")

		begin = time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = Dial(ctx, "localhost:110", alice, opts)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, time.Second, time.Since(begin))
	})
}

// TestNoReply: a server that never answers some command.
func TestNoReply(t *testing.T) {
	for _, command := range []string{"CAPA", "PASS", "UIDL", "LIST"} {
		t.Run(command, func(t *testing.T) {
			script := func(c *mailtest.Conn, _ int) {
				c.Send("+OK\r\n")
				mailtest.POPAnswers(c, "USER")
				answerMaildrop(c, nil)
				c.Answer("USER", func(_, _ string) { c.Send("+OK\r\n") })
				c.Answer("PASS", func(_, _ string) { c.Send("+OK\r\n") })
				c.Answer(command, func(_, _ string) { c.Stall() })
				c.Verb("BYE")
			}
			bubble(t, script, func(t *testing.T, _ *pipes, opts *Options) {
				begin := time.Now()
				_, err := Dial(t.Context(), "localhost:110", alice, opts)
				require.ErrorIs(t, err, mailbox.ErrUnavailable)
				assert.Equal(t, time.Minute, time.Since(begin), "the progress timeout")
			})
		})
	}
}

// TestSlowMessage: a message that trickles in is not cut, one that stands still
// is.
func TestSlowMessage(t *testing.T) {
	body := mail("slow") + strings.Repeat("x", 20_000) + "\r\n"
	for name, stop := range map[string]int{"moves": len(body), "stands": 10_000} {
		t.Run(name, func(t *testing.T) {
			script := func(c *mailtest.Conn, _ int) {
				serve(c, caps, []string{body}, func(c *mailtest.Conn) {
					c.Answer("RETR", func(_, _ string) {
						c.Send("+OK\r\n")
						for i := 0; i < stop; i += 200 {
							<-time.After(40 * time.Second)
							c.Send(body[i:min(len(body), i+200)])
						}
						if stop < len(body) {
							c.Stall()
						}
						c.Send(".\r\n")
					})
					c.Verb("BYE")
				})
			}
			bubble(t, script, func(t *testing.T, _ *pipes, opts *Options) {
				mb := dialBubble(t, opts)
				got, err := read(t, mb, idsOf(t, mb)[0])
				if stop == len(body) {
					require.NoError(t, err)
					assert.Equal(t, body, got)
					return
				}
				require.ErrorIs(t, err, io.ErrUnexpectedEOF)
				require.ErrorIs(t, err, mailbox.ErrUnavailable)
			})
		})
	}
}

// TestRefresh: List takes a session's word for Options.Refresh, and then begins
// another; LOGIN-DELAY is respected.
func TestRefresh(t *testing.T) {
	for _, tt := range []struct {
		refresh time.Duration
		delay   string
		wait    time.Duration
		dialed  int
	}{
		{0, "X", 29 * time.Second, 1},
		{0, "X", 31 * time.Second, 2},
		{-1, "X", time.Hour, 1},
		{0, "LOGIN-DELAY 120", 40 * time.Second, 1},
		{0, "LOGIN-DELAY 120", 130 * time.Second, 2},
	} {
		script := func(c *mailtest.Conn, num int) {
			mails := []string{mail("one"), mail("two")}
			serve(c, append([]string{tt.delay}, caps...), mails[:num], nil)
		}
		bubble(t, script, func(t *testing.T, p *pipes, opts *Options) {
			opts.Refresh = tt.refresh
			mb := dialBubble(t, opts)
			require.Len(t, idsOf(t, mb), 1)
			<-time.After(tt.wait)
			assert.Len(t, idsOf(t, mb), tt.dialed)
			assert.Equal(t, tt.dialed, p.dialed)
		})
	}
}

// TestSilentSession: a session that nobody used for a while is asked whether it
// is still there, and replaced if it is not.
func TestSilentSession(t *testing.T) {
	script := func(c *mailtest.Conn, num int) {
		serve(c, caps, []string{mail("one")}, func(c *mailtest.Conn) {
			if num == 1 {
				c.Answer("NOOP", func(_, _ string) { c.Stall() })
			}
			c.Verb("BYE")
		})
	}
	bubble(t, script, func(t *testing.T, p *pipes, opts *Options) {
		mb := dialBubble(t, opts)
		id := idsOf(t, mb)[0]
		<-time.After(20 * time.Minute)
		begin := time.Now()
		got, err := read(t, mb, id)
		require.NoError(t, err)
		assert.Equal(t, mail("one"), got)
		assert.LessOrEqual(t, time.Since(begin), probeTimeout)
		assert.Equal(t, 2, p.dialed)
	})
}

// TestCloseIsBounded: Close does not wait for the answer to QUIT, nor for a server
// in the middle of a message.
func TestCloseIsBounded(t *testing.T) {
	script := func(c *mailtest.Conn, _ int) {
		serve(c, caps, []string{mail("one"), mail("two")}, func(c *mailtest.Conn) {
			c.Answer("QUIT", func(_, _ string) { c.Stall() })
			c.Answer("RETR", func(_, _ string) { c.Send("+OK\r\nFrom: x\r\n"); c.Stall() })
			c.Verb("BYE")
		})
	}
	bubble(t, script, func(t *testing.T, _ *pipes, opts *Options) {
		mb := dialBubble(t, opts)
		begin := time.Now()
		require.NoError(t, mb.Close())
		assert.Zero(t, time.Since(begin))
	})
	bubble(t, script, func(t *testing.T, _ *pipes, opts *Options) {
		mb := dialBubble(t, opts)
		r, err := mb.Open(t.Context(), idsOf(t, mb)[0], nil)
		require.NoError(t, err)
		got := make(chan error, 1)
		go func() {
			_, err := io.ReadAll(r)
			got <- err
		}()
		synctest.Wait()
		begin := time.Now()
		require.NoError(t, mb.Close())
		require.ErrorIs(t, <-got, mailbox.ErrClosed)
		assert.Zero(t, time.Since(begin))
		_, err = mb.Open(t.Context(), mailbox.NewID(mailbox.Inbox, "", "uid1"), nil)
		require.ErrorIs(t, err, mailbox.ErrClosed)
	})
}

// TestLeftInTheMiddle: a reader that is closed early, or whose context ends,
// costs the connection only if the rest does not come soon.
func TestLeftInTheMiddle(t *testing.T) {
	for _, how := range []string{"close", "cancel"} {
		for _, stalls := range []bool{false, true} {
			script := func(c *mailtest.Conn, num int) {
				serve(c, caps, []string{mail("one"), mail("two")}, func(c *mailtest.Conn) {
					c.Answer("RETR", func(_, args string) {
						if args == "2" {
							c.Send("+OK\r\n" + mail("two") + ".\r\n")
							return
						}
						c.Send("+OK\r\nFrom: x\r\n")
						if stalls {
							c.Stall()
						}
						<-time.After(time.Second)
						c.Send(".\r\n")
					})
					c.Verb("BYE")
				})
			}
			bubble(t, script, func(t *testing.T, p *pipes, opts *Options) {
				mb := dialBubble(t, opts)
				ids := idsOf(t, mb)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				r, err := mb.Open(ctx, ids[0], nil)
				require.NoError(t, err)
				begin := time.Now()
				if how == "close" {
					require.NoError(t, r.Close())
				} else {
					cancel()
					_, err := io.ReadAll(r)
					require.ErrorIs(t, err, context.Canceled)
				}
				assert.Zero(t, time.Since(begin), "nobody waits")
				got, err := read(t, mb, ids[1])
				require.NoError(t, err)
				assert.Equal(t, mail("two"), got)
				want := 1
				if stalls {
					want = 2
				}
				assert.Equal(t, want, p.dialed)
				assert.LessOrEqual(t, time.Since(begin), drainTime+time.Second)
			})
		}
	}
}

// TestBusyAfterLoss: the lock of our own lost session may last a while.
func TestBusyAfterLoss(t *testing.T) {
	script := func(c *mailtest.Conn, num int) {
		if num == 2 || num == 3 {
			c.Send("+OK\r\n")
			mailtest.POPAnswers(c, "USER", "PIPELINING")
			c.Verb("USER")
			c.Send("+OK\r\n")
			c.Verb("PASS")
			c.Send("-ERR [IN-USE] locked\r\n")
			return
		}
		serve(c, caps, []string{mail("one")}, func(c *mailtest.Conn) {
			if num == 1 {
				c.Answer("RETR", func(_, _ string) { c.Cut() })
			}
			c.Verb("BYE")
		})
	}
	bubble(t, script, func(t *testing.T, p *pipes, opts *Options) {
		mb := dialBubble(t, opts)
		begin := time.Now()
		got, err := read(t, mb, idsOf(t, mb)[0])
		require.NoError(t, err)
		assert.Equal(t, mail("one"), got)
		assert.Equal(t, 4, p.dialed)
		assert.Less(t, time.Since(begin), 3*time.Second)
	})
}
