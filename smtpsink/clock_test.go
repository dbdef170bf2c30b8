package smtpsink

import (
	"context"
	"errors"
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
	script func(c *mailtest.Conn, num int)

	mu     sync.Mutex
	dialed []time.Time
	open   int // connections
	most   int
	refuse func(num int) error // nil connects all
}

func (p *pipes) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	p.mu.Lock()
	p.dialed = append(p.dialed, time.Now())
	num, refuse := len(p.dialed), p.refuse
	p.mu.Unlock()
	if refuse != nil {
		if err := refuse(num); err != nil {
			return nil, err
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open++
	p.most = max(p.most, p.open)
	return &counted{Conn: mailtest.Pipe(p.t, func(c *mailtest.Conn) { p.script(c, num) }), pipes: p}, nil
}

func (p *pipes) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.dialed)
}

// counted counts its end.
type counted struct {
	net.Conn
	pipes *pipes
	once  sync.Once
}

func (c *counted) Close() error {
	c.once.Do(func() {
		c.pipes.mu.Lock()
		c.pipes.open--
		c.pipes.mu.Unlock()
	})
	return c.Conn.Close()
}

// bubble plays a script in a bubble, over plaintext and without a login. The
// clock stands still unless everybody waits; a goroutine that is left behind
// fails the test.
func bubble(t *testing.T, script func(c *mailtest.Conn, num int), f func(t *testing.T, p *pipes, opts *Options)) {
	synctest.Test(t, func(t *testing.T) {
		p := &pipes{t: t, script: script}
		f(t, p, &Options{Net: access.Options{TLS: access.TLSNone, Dialer: p}})
	})
}

func dialBubble(t *testing.T, opts *Options) *Sink {
	sink, err := Dial(t.Context(), "localhost:587", access.Auth{}, opts)
	require.NoError(t, err)
	t.Cleanup(func() { _ = sink.Close() })
	return sink
}

func sendPlain(ctx context.Context, sink *Sink, body string) (*Receipt, error) {
	return sink.Send(ctx, envelope("bob@example.org"), strings.NewReader(body), nil)
}

// sendAllPlain sends one message by SendAll and gives what Send would give.
func sendAllPlain(ctx context.Context, sink *Sink, body string) (*Receipt, error) {
	one := func(yield func(*Message) bool) {
		yield(&Message{Envelope: envelope("bob@example.org"), Body: strings.NewReader(body)})
	}
	var receipt *Receipt
	var first error
	for r, err := range sink.SendAll(ctx, one) {
		if r != nil {
			receipt, err = r.Receipt, r.Err
		}
		if first == nil {
			first = err
		}
	}
	return receipt, first
}

// senders are both ways to send.
var senders = map[string]func(ctx context.Context, sink *Sink, body string) (*Receipt, error){
	"Send": sendPlain, "SendAll": sendAllPlain,
}

// greets plays a session up to MAIL, without a login.
func greets(c *mailtest.Conn, caps ...string) {
	c.Send("220 ready\r\n")
	mailtest.SMTPAnswers(c, caps...)
	c.Verb("EHLO")
	c.Send("250-localhost\r\n")
	for _, keyword := range caps {
		c.Send("250-" + keyword + "\r\n")
	}
	c.Send("250 X-END\r\n")
}

// big is a message of many blocks.
var big = "Subject: big\r\n\r\n" + strings.Repeat(strings.Repeat("x", 70)+"\r\n", 8000)

func TestConnectTimeout(t *testing.T) {
	mute := func(c *mailtest.Conn, _ int) { c.Stall() }
	for _, mode := range []access.TLSMode{access.TLSNone, access.TLSStart, access.TLSImplicit} {
		bubble(t, mute, func(t *testing.T, _ *pipes, opts *Options) {
			opts.Net.TLS = mode
			begin := time.Now()
			_, err := Dial(t.Context(), "localhost:587", access.Auth{}, opts)
			require.ErrorIs(t, err, mailbox.ErrUnavailable)
			assert.Equal(t, 30*time.Second, time.Since(begin), "dialling, greeting and TLS together")
			assert.Equal(t, mode != access.TLSImplicit, strings.Contains(err.Error(), "does this port want TLS"), "%v", err)

			begin = time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err = Dial(ctx, "localhost:587", access.Auth{}, opts)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			assert.Equal(t, time.Second, time.Since(begin))
		})
	}
}

// stops plays a server that does all but answer at a stage; or that does not
// even take what is sent to it.
func stops(stage string, caps ...string) func(c *mailtest.Conn, num int) {
	return func(c *mailtest.Conn, num int) {
		halt := func(at string) {
			if num > 1 && at == stage {
				c.Stall()
			}
		}
		halt("greeting")
		c.Send("220 ready\r\n")
		c.Verb("EHLO")
		halt("EHLO")
		c.Send("250-localhost\r\n")
		for _, keyword := range caps {
			c.Send("250-" + keyword + "\r\n")
		}
		c.Send("250 AUTH PLAIN\r\n")
		if stage == "AUTH" {
			c.Verb("AUTH")
			halt("AUTH")
			c.Send("235 welcome\r\n")
		}
		n := 0
		serveMail(c, func(verb, args string) string {
			if verb == "RCPT" {
				if n++; n == 2 { // the second message's
					halt("RCPT 2")
				}
			}
			halt(verb)
			if verb == "DATA" && stage == "body" && num > 1 {
				c.Send("354 go on\r\n")
				<-c.Done()
			}
			if verb == "MAIL" && stage == "chunk" && num > 1 {
				c.Send("250 ok\r\n")
				c.Verb("RCPT")
				c.Send("250 ok\r\n")
				c.Verb("BDAT")
				<-c.Done()
			}
			return ""
		})
	}
}

// TestNoAnswer: how long a server may take (RFC 5321 section 4.5.3.2).
func TestNoAnswer(t *testing.T) {
	pipelining := []string{"PIPELINING"}
	chunking := []string{"PIPELINING", "CHUNKING"}
	for name, tt := range map[string]struct {
		stage string
		caps  []string
		body  string
		wait  time.Duration
	}{
		"EHLO":            {"EHLO", nil, plain, timeoutBlock},
		"AUTH":            {"AUTH", nil, plain, timeoutBlock},
		"MAIL":            {"MAIL", nil, plain, timeoutCommand},
		"RCPT":            {"RCPT", nil, plain, timeoutCommand},
		"DATA":            {"DATA", nil, plain, timeoutData},
		"message":         {"message", nil, plain, timeoutFinal},
		"body":            {"body", nil, big, timeoutBlock + timeoutDrain},
		"MAIL pipelined":  {"MAIL", pipelining, plain, timeoutCommand},
		"RCPT pipelined":  {"RCPT", pipelining, plain, timeoutCommand},
		"DATA pipelined":  {"DATA", pipelining, plain, timeoutData},
		"message by DATA": {"message", pipelining, plain, timeoutFinal},
		"MAIL chunked":    {"MAIL", chunking, plain, timeoutCommand},
		"BDAT":            {"BDAT", []string{"CHUNKING"}, big, timeoutCommand},
		"chunk":           {"chunk", chunking, big, timeoutBlock + timeoutDrain},
		"message by BDAT": {"message", chunking, plain, timeoutFinal},
	} {
		for _, own := range []time.Duration{0, 7 * time.Second} {
			t.Run(name+" "+own.String(), func(t *testing.T) {
				bubble(t, stops(tt.stage, tt.caps...), func(t *testing.T, p *pipes, opts *Options) {
					opts.Net.ProgressTimeout = own
					opts.Idle = -1
					auth := access.Auth{}
					if tt.stage == "AUTH" {
						auth = access.Password("ann@example.org", canary, nil)
					}
					sink, err := Dial(t.Context(), "localhost:587", auth, opts)
					require.NoError(t, err)
					defer sink.Close()
					begin := time.Now()
					receipt, err := sendPlain(t.Context(), sink, tt.body)
					want := tt.wait
					if own > 0 {
						want = own
						if tt.stage == "body" { // and in "chunk" an answer is due at the same time
							want += timeoutDrain
						}
					}
					assert.Equal(t, want, time.Since(begin))
					require.ErrorIs(t, err, mailbox.ErrUnavailable)
					if tt.stage == "message" {
						require.ErrorIs(t, err, mailbox.ErrUnknownOutcome)
						assert.Equal(t, Unknown, receipt.Outcome)
					} else {
						assert.NotErrorIs(t, err, mailbox.ErrUnknownOutcome)
						assert.Equal(t, NotSent, receipt.Outcome)
					}
					assert.Equal(t, 2, p.count(), "it is not tried again")
				})
			})
		}
	}
}

// TestSlowServer: one that is late with everything, but not too late; the control
// of TestNoAnswer.
func TestSlowServer(t *testing.T) {
	for name, send := range senders {
		for _, caps := range [][]string{nil, {"PIPELINING"}, {"PIPELINING", "CHUNKING"}} {
			t.Run(name+" "+strings.Join(caps, " "), func(t *testing.T) {
				late := map[string]time.Duration{"DATA": timeoutData, "message": timeoutFinal}
				script := func(c *mailtest.Conn, _ int) {
					greets(c, caps...)
					serveMail(c, func(verb, _ string) string {
						wait, ok := late[verb]
						if !ok {
							wait = timeoutCommand
						}
						<-time.After(wait - time.Second)
						return ""
					})
				}
				bubble(t, script, func(t *testing.T, p *pipes, opts *Options) {
					sink := dialBubble(t, opts)
					for range 3 {
						receipt, err := send(t.Context(), sink, plain)
						require.NoError(t, err)
						assert.Equal(t, Accepted, receipt.Outcome)
					}
					assert.Equal(t, 1, p.count())
				})
			})
		}
	}
}

// TestIdle: a connection that nobody uses is ended in good order.
func TestIdle(t *testing.T) {
	quits := make(map[int]time.Time)
	var mu sync.Mutex
	script := func(c *mailtest.Conn, num int) {
		greets(c)
		serveMail(c, func(verb, _ string) string {
			if verb == "QUIT" {
				mu.Lock()
				quits[num] = time.Now()
				mu.Unlock()
			}
			return ""
		})
	}
	for _, tt := range []struct{ idle, kept time.Duration }{{0, DefaultIdle}, {10 * time.Second, 10 * time.Second}, {-1, 0}} {
		bubble(t, script, func(t *testing.T, p *pipes, opts *Options) {
			mu.Lock()
			clear(quits)
			mu.Unlock()
			opts.Idle = tt.idle
			sink := dialBubble(t, opts)
			if tt.kept > 0 {
				<-time.After(tt.kept - time.Second)
			}
			_, err := sendPlain(t.Context(), sink, plain)
			require.NoError(t, err)
			used := time.Now()
			if tt.idle < 0 {
				assert.Equal(t, 2, p.count())
				return
			}
			assert.Equal(t, 1, p.count(), "it is used again")
			<-time.After(tt.kept + time.Second)
			mu.Lock()
			assert.Equal(t, tt.kept, quits[1].Sub(used), "since it was last used")
			mu.Unlock()
			_, err = sendPlain(t.Context(), sink, plain)
			require.NoError(t, err)
			assert.Equal(t, 2, p.count())
		})
	}
}

// TestIdleRace: a connection is ended for lack of use in the moment in which
// somebody wants it. Either is fine, but nobody may forget it.
func TestIdleRace(t *testing.T) {
	script := func(c *mailtest.Conn, _ int) {
		greets(c)
		serveMail(c, nil)
	}
	for range 50 {
		bubble(t, script, func(t *testing.T, p *pipes, opts *Options) {
			opts.Idle = 10 * time.Second
			sink := dialBubble(t, opts)
			<-time.After(opts.Idle)
			_, err := sendPlain(t.Context(), sink, plain)
			require.NoError(t, err)
			require.NoError(t, sink.Close())
			synctest.Wait()
			assert.Zero(t, p.open)
		})
	}
}

// TestInterval: the messages begin at a pace.
func TestInterval(t *testing.T) {
	var mu sync.Mutex
	var begun []time.Time
	script := func(c *mailtest.Conn, _ int) {
		greets(c, "PIPELINING", "CHUNKING")
		serveMail(c, func(verb, _ string) string {
			switch verb {
			case "MAIL":
				mu.Lock()
				begun = append(begun, time.Now())
				mu.Unlock()
			case "message":
				<-time.After(15 * time.Second) // both connections are taken for a while
			}
			return ""
		})
	}
	const interval = 4 * time.Second
	check := func(t *testing.T, n int) {
		mu.Lock()
		defer mu.Unlock()
		require.Len(t, begun, n)
		for i := 1; i < n; i++ {
			assert.GreaterOrEqual(t, begun[i].Sub(begun[i-1]), interval)
		}
	}
	t.Run("Send", func(t *testing.T) {
		bubble(t, script, func(t *testing.T, p *pipes, opts *Options) {
			mu.Lock()
			begun = nil
			mu.Unlock()
			opts.Interval = interval
			sink := dialBubble(t, opts)
			var all sync.WaitGroup
			for range 6 {
				all.Go(func() {
					_, err := sendPlain(t.Context(), sink, plain)
					assert.NoError(t, err)
				})
			}
			all.Wait()
			check(t, 6)
			assert.Equal(t, 2, p.count())
		})
	})
	t.Run("SendAll", func(t *testing.T) {
		bubble(t, script, func(t *testing.T, p *pipes, opts *Options) {
			mu.Lock()
			begun = nil
			mu.Unlock()
			opts.Interval = interval
			begin := time.Now()
			for r, err := range dialBubble(t, opts).SendAll(t.Context(), messages(6, "bob@example.org")) {
				require.NoError(t, err)
				require.NoError(t, r.Err)
			}
			check(t, 6)
			assert.GreaterOrEqual(t, time.Since(begin), 5*interval)
		})
	})
	t.Run("longer than the server waits", func(t *testing.T) {
		impatient := func(c *mailtest.Conn, num int) {
			greets(c)
			closing := time.AfterFunc(time.Minute, func() { _ = c.NetConn().Close() })
			defer closing.Stop()
			serveMail(c, func(string, string) string { closing.Reset(time.Minute); return "" })
		}
		for name, send := range senders {
			t.Run(name, func(t *testing.T) {
				bubble(t, impatient, func(t *testing.T, p *pipes, opts *Options) {
					opts.Interval, opts.Idle = time.Hour, time.Hour
					sink := dialBubble(t, opts)
					for range 3 {
						_, err := send(t.Context(), sink, plain)
						require.NoError(t, err)
					}
				})
			})
		}
		bubble(t, impatient, func(t *testing.T, p *pipes, opts *Options) {
			opts.Interval = time.Hour
			begin := time.Now()
			for r, err := range dialBubble(t, opts).SendAll(t.Context(), messages(4, "bob@example.org")) {
				require.NoError(t, err)
				require.NoError(t, r.Err)
			}
			assert.Equal(t, 3*time.Hour, time.Since(begin))
		})
	})
	t.Run("none", func(t *testing.T) { // the control
		bubble(t, script, func(t *testing.T, p *pipes, opts *Options) {
			mu.Lock()
			begun = nil
			mu.Unlock()
			for _, err := range dialBubble(t, opts).SendAll(t.Context(), messages(6, "bob@example.org")) {
				require.NoError(t, err)
			}
			mu.Lock()
			defer mu.Unlock()
			require.Len(t, begun, 6)
			assert.Less(t, begun[5].Sub(begun[0]), 6*15*time.Second)
		})
	})
}

// TestRedial: a connection that SendAll has lost is replaced, with patience and
// not for ever.
func TestRedial(t *testing.T) {
	busy := errors.New("connection refused")
	script := func(c *mailtest.Conn, num int) {
		greets(c)
		n := 0
		serveMail(c, func(verb, _ string) string {
			if verb == "MAIL" {
				if n++; num == 1 && n == 3 {
					c.Close()
				}
			}
			return ""
		})
	}
	for refused := range maxRedials + 2 {
		bubble(t, script, func(t *testing.T, p *pipes, opts *Options) {
			sink := dialBubble(t, opts)
			p.refuse = func(num int) error {
				if num > 1 && num <= 1+refused {
					return busy
				}
				return nil
			}
			sent, begin := 0, time.Now()
			var last error
			for r, err := range sink.SendAll(t.Context(), messages(5, "bob@example.org")) {
				if last = err; err != nil {
					continue
				}
				if r.Err == nil {
					sent++
				} else {
					require.ErrorIs(t, r.Err, mailbox.ErrUnavailable)
					assert.Equal(t, NotSent, r.Receipt.Outcome)
				}
			}
			wait := time.Duration(0)
			for i := range min(refused, maxRedials) {
				pause := p.dialed[i+2].Sub(p.dialed[i+1])
				assert.GreaterOrEqual(t, pause, redialWait<<i/2)
				assert.Less(t, pause, redialWait<<i*3/2)
				wait += pause
			}
			assert.Equal(t, wait, time.Since(begin))
			if refused > maxRedials {
				require.ErrorIs(t, last, mailbox.ErrUnavailable)
				require.ErrorIs(t, last, busy)
				assert.Equal(t, 2, sent)
				assert.Equal(t, 2+maxRedials, p.count())
				return
			}
			require.NoError(t, last)
			assert.Equal(t, 5, sent)
		})
	}
	t.Run("cancelled", func(t *testing.T) {
		bubble(t, script, func(t *testing.T, p *pipes, opts *Options) {
			sink := dialBubble(t, opts)
			p.refuse = func(int) error { return busy }
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			defer cancel()
			begin, n := time.Now(), 0
			var last error
			for _, err := range sink.SendAll(ctx, messages(5, "bob@example.org")) {
				n++
				last = err
			}
			require.ErrorIs(t, last, context.DeadlineExceeded)
			assert.Equal(t, 10*time.Millisecond, time.Since(begin))
			assert.Greater(t, n, 2)
		})
	})
	t.Run("not the first", func(t *testing.T) { // where nothing is known to work there is no patience
		bubble(t, script, func(t *testing.T, p *pipes, opts *Options) {
			opts.Idle = -1
			sink := dialBubble(t, opts)
			p.refuse = func(int) error { return busy }
			begin := time.Now()
			_, err := sendAllPlain(t.Context(), sink, plain)
			require.ErrorIs(t, err, mailbox.ErrUnavailable)
			assert.Zero(t, time.Since(begin))
			assert.Equal(t, 2, p.count())
		})
	})
}

// TestCancel: the end of the context, and Close, end a call at any stage, at once.
func TestCancel(t *testing.T) {
	for _, tt := range []struct {
		stage string
		caps  []string
		body  string
	}{
		{"dial", nil, plain}, {"TLS", nil, plain}, {"greeting", nil, plain}, {"EHLO", nil, plain}, {"AUTH", nil, plain},
		{"MAIL", nil, plain}, {"RCPT", nil, plain}, {"DATA", nil, plain}, {"body", nil, big}, {"message", nil, plain},
		{"MAIL", []string{"PIPELINING"}, plain}, {"DATA", []string{"PIPELINING"}, plain}, {"body", []string{"PIPELINING"}, big},
		{"message", []string{"PIPELINING"}, plain}, {"chunk", []string{"PIPELINING", "CHUNKING"}, big},
		{"BDAT", []string{"CHUNKING"}, big}, {"message", []string{"PIPELINING", "CHUNKING"}, plain},
		{"slot", nil, plain}, {"interval", nil, plain},
	} {
		for name, send := range senders {
			for _, how := range []string{"cancel", "Close"} {
				t.Run(name+" "+tt.stage+" "+strings.Join(tt.caps, " ")+" "+how, func(t *testing.T) {
					bubble(t, stops(tt.stage, tt.caps...), func(t *testing.T, p *pipes, opts *Options) {
						testCancel(t, p, opts, tt.stage, tt.body, how, send)
					})
				})
			}
		}
	}
}

func testCancel(t *testing.T, p *pipes, opts *Options, stage, body, how string, send func(context.Context, *Sink, string) (*Receipt, error)) {
	auth := access.Auth{}
	if stage == "AUTH" {
		auth = access.Password("ann@example.org", canary, nil)
	}
	opts.Idle, opts.Connections = -1, 1
	if stage == "TLS" {
		opts.Net.TLSConfig = mailtest.ClientTLS()
	}
	sink, err := Dial(t.Context(), "localhost:587", auth, opts)
	require.NoError(t, err)
	defer sink.Close()
	switch stage {
	case "dial":
		p.refuse = func(int) error {
			<-t.Context().Done() // and not the dialler's own
			return errors.New("too late")
		}
	case "TLS":
		sink.opts.Net.TLS = access.TLSImplicit
		p.script = func(c *mailtest.Conn, _ int) { c.Stall() }
	case "slot":
		held, err := sink.acquire(t.Context(), false)
		require.NoError(t, err)
		defer sink.release(held)
	case "interval":
		sink.opts.Interval = time.Hour
		_, err := sendPlain(t.Context(), sink, body)
		require.NoError(t, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	type result struct {
		receipt *Receipt
		err     error
	}
	done := make(chan result, 1)
	go func() {
		receipt, err := send(ctx, sink, body)
		done <- result{receipt, err}
	}()
	synctest.Wait()
	require.Empty(t, done, "it waits")
	begin := time.Now()
	want := context.Canceled
	if how == "Close" {
		want = mailbox.ErrClosed
		require.NoError(t, sink.Close())
	} else {
		cancel()
	}
	r := <-done
	assert.LessOrEqual(t, time.Since(begin), 100*time.Millisecond)
	require.ErrorIs(t, r.err, want)
	require.NotNil(t, r.receipt)
	if stage == "message" {
		require.ErrorIs(t, r.err, mailbox.ErrUnknownOutcome)
		assert.Equal(t, Unknown, r.receipt.Outcome)
	} else {
		require.NotErrorIs(t, r.err, mailbox.ErrUnknownOutcome)
		assert.Equal(t, NotSent, r.receipt.Outcome)
	}
	if how == "Close" {
		_, err = send(t.Context(), sink, body)
		require.ErrorIs(t, err, mailbox.ErrClosed)
	}
}

// TestCloseIsBounded: Close does not wait for the answer to QUIT, nor for long for
// a server that does not even take it.
func TestCloseIsBounded(t *testing.T) {
	for _, deaf := range []bool{false, true} {
		script := func(c *mailtest.Conn, _ int) {
			greets(c)
			if deaf {
				<-c.Done()
			}
			c.Verb("MAIL")
		}
		bubble(t, script, func(t *testing.T, _ *pipes, opts *Options) {
			opts.Connections = 3
			sink := dialBubble(t, opts)
			more, err := sink.acquire(t.Context(), true)
			require.NoError(t, err)
			sink.release(more)
			begin := time.Now()
			require.NoError(t, sink.Close())
			assert.LessOrEqual(t, time.Since(begin), timeoutQuit)
			require.NoError(t, sink.Close())
			_, err = sendPlain(t.Context(), sink, plain)
			require.ErrorIs(t, err, mailbox.ErrClosed)
		})
	}
}
