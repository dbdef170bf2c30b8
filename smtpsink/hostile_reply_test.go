package smtpsink

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/textproto"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
)

// lines are a reply of n lines, octets is one of n octets, its end included.
func lines(code, n int) string {
	return strings.Repeat(fmt.Sprintf("%d-x\r\n", code), n-1) + fmt.Sprintf("%d x\r\n", code)
}

func octets(code, n int) string {
	return fmt.Sprintf("%d %s\r\n", code, strings.Repeat("x", n-6))
}

// flooding is a dialer whose server answers the nth time, from 0 for the greeting,
// what is given, and goes on for ever if that is "". took counts that.
type flooding struct {
	at    int
	reply string
	took  chan int
}

func (f *flooding) DialContext(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	go f.serve(server)
	return client, nil
}

func (f *flooding) serve(nc net.Conn) {
	defer nc.Close()
	br := bufio.NewReader(nc)
	until := ""
	for i := 0; ; i++ {
		verb := ""
		for line := " "; i > 0 && line != until; {
			var err error
			if line, err = br.ReadString('\n'); err != nil {
				return
			}
			if until == "" {
				verb, _, _ = strings.Cut(strings.TrimSpace(line), " ")
				break
			}
		}
		until = map[string]string{"DATA": ".\r\n"}[verb]
		reply := map[string]string{"EHLO": "250-flood\r\n250 SIZE\r\n", "DATA": "354 go on\r\n"}[verb]
		switch {
		case i == 0:
			reply = "220 flood\r\n"
		case reply == "":
			reply = "250 fine\r\n"
		}
		if i != f.at {
			_, _ = io.WriteString(nc, reply)
			continue
		}
		if f.reply != "" {
			_, _ = io.WriteString(nc, f.reply)
			continue
		}
		n := 0
		for err := error(nil); err == nil; {
			var m int
			m, err = io.WriteString(nc, reply[:3]+"-"+strings.Repeat("x", 6000)+"\r\n")
			n += m
		}
		f.took <- n
		return
	}
}

// smtpFlood: replies without an end.
func smtpFlood(t *testing.T) {
	try := func(at int, reply string) error {
		f := &flooding{at: at, reply: reply, took: make(chan int, 9)}
		opts := (&lab{}).options(nil)
		opts.Net.Dialer = f
		sink, err := Dial(t.Context(), "lab.example:25", access.Auth{}, opts)
		if err == nil {
			_, err = sink.Send(t.Context(), envelope("b@example.net"), strings.NewReader(plain), nil)
			_ = sink.Close()
		}
		if reply == "" {
			assert.Less(t, <-f.took, 70<<10, "answer %d: what it takes of an endless one", at)
		}
		return err
	}
	for at, code := range map[int]int{0: 220, 1: 250, 2: 250, 5: 250} {
		require.NoError(t, try(at, lines(code, 128)), "answer %d: at the limit", at)
		require.NoError(t, try(at, octets(code, 64<<10)), "answer %d: at the limit", at)
		require.ErrorIs(t, try(at, lines(code, 129)), mailbox.ErrProtocol, "answer %d", at)
		require.ErrorIs(t, try(at, octets(code, 64<<10+1)), mailbox.ErrProtocol, "answer %d", at)
		err := try(at, strings.TrimSuffix(lines(code, 100), fmt.Sprintf("%d x\r\n", code))+octets(code, 64<<10))
		require.ErrorIs(t, err, mailbox.ErrProtocol, "answer %d: all its lines count", at)
		err = try(at, "")
		require.ErrorIs(t, err, mailbox.ErrProtocol, "answer %d", at)
		assert.Less(t, len(err.Error()), 500)
		require.NoError(t, try(at, fmt.Sprintf("%d\r\n", code)), "no text")
		require.NoError(t, try(at, fmt.Sprintf("%d x\n", code)), "no CR")
	}
	// Control: net/textproto takes all of a reply a hundred times as long
	// (CVE-2025-61724).
	r := textproto.NewReader(bufio.NewReader(strings.NewReader(lines(250, 12800))))
	_, text, err := r.ReadResponse(250)
	require.NoError(t, err)
	assert.Equal(t, 12800, strings.Count(text, "x"))
}

// gated is a message of two pieces. Ahead of the second all that was going on has
// come to rest.
type gated struct {
	first, second string
	wait          func()
}

func (g *gated) Read(p []byte) (int, error) {
	if g.first != "" {
		n := copy(p, g.first)
		g.first = g.first[n:]
		return n, nil
	}
	if g.wait != nil {
		g.wait()
		g.wait = nil
	}
	if g.second == "" {
		return 0, io.EOF
	}
	n := copy(p, g.second)
	g.second = g.second[n:]
	return n, nil
}

// smtpEarlyFinal: answers that come ahead of their time, twice, or are none.
func smtpEarlyFinal(t *testing.T) {
	for early, tt := range map[string]struct {
		err     error
		outcome Outcome
	}{
		"250 queued as X": {mailbox.ErrProtocol, NotSent}, "250-x\r\n250 y": {mailbox.ErrProtocol, NotSent},
		"354 go on": {mailbox.ErrProtocol, NotSent}, "199 x": {mailbox.ErrProtocol, NotSent}, "999 x": {mailbox.ErrProtocol, NotSent},
		"600 x": {mailbox.ErrProtocol, NotSent}, "": {mailbox.ErrProtocol, NotSent}, "x": {mailbox.ErrProtocol, NotSent}, "25": {mailbox.ErrProtocol, NotSent},
		"250x": {mailbox.ErrProtocol, NotSent}, "2500 x": {mailbox.ErrProtocol, NotSent}, " 250 x": {mailbox.ErrProtocol, NotSent},
		"421 4.3.2 bye": {mailbox.ErrUnavailable, NotSent}, "451 4.3.0 disk": {mailbox.ErrUnavailable, Rejected},
		"554 5.7.1 spam": {mailbox.ErrPermission, Rejected}, "552 5.3.4 long": {mailbox.ErrTooLarge, Rejected},
	} {
		for _, caps := range [][]string{{"PIPELINING"}, {"PIPELINING", "8BITMIME"}} {
			synctest.Test(t, func(t *testing.T) {
				l := &lab{caps: caps, early: early + "\r\n"}
				sink := l.dial(t, &Options{Idle: -1})
				g := &gated{first: "Subject: x\r\n\r\n" + strings.Repeat("text\r\n", 30_000), second: "end\r\n", wait: synctest.Wait}
				receipt, err := sink.Send(t.Context(), envelope("b@example.net"), g, nil)
				require.ErrorIs(t, err, tt.err, "%q", early)
				assert.Equal(t, tt.outcome, receipt.Outcome, "%q", early)
				assert.NotEqual(t, Accepted, receipt.Recipients[0].Outcome)
				assert.Empty(t, l.mails(), "its end was not sent")
				l.early = ""
				_, err = sink.Send(t.Context(), envelope("b@example.net"), strings.NewReader(plain), nil)
				require.NoError(t, err, "%q", early)
				assert.Equal(t, 3, l.conns, "by another connection; Dial made the first")
				_ = sink.Close()
			})
		}
	}
	t.Run("put", smtpEarlyForPut)
	t.Run("instead", smtpOddReplies)
	t.Run("twice", smtpTwoReplies)
	t.Run("octets", smtpSlowReplies)
	// Control: a client that writes the whole message and then reads an answer takes
	// the early one for it.
	l := &lab{caps: []string{"PIPELINING"}, early: "250 queued as X\r\n", decide: func(_ *labConn, verb, _ string) verdict { return verdict{cut: verb == "."} }}
	assert.Contains(t, l.naively(t, relayed(plain)), "354 go on\r\n250 queued as X\r\n")
	assert.Empty(t, l.mails())
}

// smtpEarlyForPut: the end of the message is put, but waits a moment for the next
// one to go with it. What is answered in that moment is early still.
func smtpEarlyForPut(t *testing.T) {
	for early, want := range map[string]Outcome{"250 x": NotSent, "554 5.7.1 spam": Rejected, "421 bye": NotSent} {
		synctest.Test(t, func(t *testing.T) {
			l := &lab{caps: []string{"PIPELINING"}, early: early + "\r\n", after: lingerTime / 2}
			sink := l.dial(t, nil)
			hold := make(chan struct{})
			one := func(yield func(*Message) bool) {
				raw := "Subject: x\r\n\r\n" + strings.Repeat("text\r\n", 30_000)
				yield(&Message{Envelope: envelope("b@example.net"), Body: strings.NewReader(raw)})
				<-hold
			}
			for r, err := range sink.SendAll(t.Context(), one) {
				require.NoError(t, err)
				assert.Equal(t, want, r.Receipt.Outcome, "%q: %v", early, r.Err)
				close(hold)
			}
			assert.Empty(t, l.mails())
			_ = sink.Close()
		})
	}
}

// smtpOddReplies: what is no answer, in place of each.
func smtpOddReplies(t *testing.T) {
	for _, caps := range [][]string{{"PIPELINING"}, {"PIPELINING", "CHUNKING"}, {"SIZE"}} {
		for _, verb := range []string{"MAIL", "RCPT", "DATA", "."} {
			for _, odd := range []string{"100 x", "199-x\r\n199 y", "299x", "350 x", "600 x", "999 x", "", "\x00", "250", "-250 x", "250-x\r\n251 y", "250-x\r\n\r\n250 x", "abc", "２５０ x"} {
				if verb == "DATA" && len(caps) == 2 || odd == "250" && verb != "DATA" {
					continue
				}
				l := &lab{caps: caps, decide: func(_ *labConn, cmd, _ string) verdict {
					if cmd != verb {
						return verdict{}
					}
					return verdict{reply: odd + "\r\n", last: true}
				}}
				sink := l.dial(t, nil)
				receipt, err := sink.Send(t.Context(), envelope("b@example.net"), strings.NewReader(plain), nil)
				require.ErrorIs(t, err, mailbox.ErrProtocol, "%q to %s", odd, verb)
				assert.NotContains(t, err.Error(), "\x00")
				want := NotSent
				if verb == "." {
					want = Unknown
				}
				assert.Equal(t, want, receipt.Outcome, "%q to %s", odd, verb)
				assert.Equal(t, want == Unknown, errors.Is(err, mailbox.ErrUnknownOutcome))
				_ = sink.Close()
			}
		}
	}
}

// smtpTwoReplies: the second is not the answer to the next command.
func smtpTwoReplies(t *testing.T) {
	for _, caps := range [][]string{{"PIPELINING"}, {"PIPELINING", "CHUNKING"}, {"SIZE"}, {"CHUNKING"}} {
		for _, verb := range []string{"RCPT", "."} {
			for range 50 {
				l := &lab{caps: caps}
				l.decide = func(_ *labConn, cmd, _ string) verdict { return verdict{twice: cmd == verb} }
				sink := l.dial(t, nil)
				receipt, err := sink.Send(t.Context(), envelope("b@example.net"), strings.NewReader(plain), nil)
				if verb == "." {
					require.NoError(t, err)
					require.Equal(t, Accepted, receipt.Outcome)
				} else {
					require.ErrorIs(t, err, mailbox.ErrProtocol, "%v", caps)
					require.Equal(t, NotSent, receipt.Outcome)
				}
				l.decide = nil
				had, conns := len(l.mails()), l.conns
				_, err = sink.Send(t.Context(), envelope("b@example.net"), strings.NewReader(plain), nil)
				require.NoError(t, err)
				assert.Equal(t, conns+1, l.conns, "the connection is not used any more")
				assert.Len(t, l.mails(), had+1)
				_ = sink.Close()
			}
		}
	}
}

// oneByOne is a dialer whose server's answers come octet by octet.
type oneByOne struct{ *lab }

func (o oneByOne) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	nc, err := o.lab.DialContext(ctx, network, addr)
	return readingConn{nc, iotest.OneByteReader(nc)}, err
}

type readingConn struct {
	net.Conn
	r io.Reader
}

func (c readingConn) Read(p []byte) (int, error) { return c.r.Read(p) }

func smtpSlowReplies(t *testing.T) {
	for kind := range kinds() {
		l := kinds()[kind]
		opts := l.options(nil)
		opts.Net.Dialer = oneByOne{l}
		sink, err := Dial(t.Context(), "lab.example:25", access.Auth{}, opts)
		require.NoError(t, err)
		for range 3 {
			receipt, err := sink.Send(t.Context(), envelope("b@example.net", "c@example.net"), strings.NewReader(plain), nil)
			require.NoError(t, err)
			assert.Equal(t, Accepted, receipt.Outcome)
			assert.Equal(t, "X", receipt.QueueID)
		}
		assert.Equal(t, 1, l.conns)
		_ = sink.Close()
	}
}

// smtpBodies: a server that does not throw away the octets of a BDAT that it
// refuses, as it must (RFC 3030 section 4.2), takes them for commands. No line of a
// message may get there.
func smtpBodies(t *testing.T) {
	refusing := func() *lab {
		chunks := 0
		return &lab{caps: []string{"PIPELINING", "CHUNKING"}, keeps: true, decide: func(_ *labConn, verb, args string) verdict {
			if verb == "BDAT" {
				chunks++
			}
			if verb == "RCPT" && strings.HasPrefix(args, "TO:<m1") || verb == "BDAT" && chunks > 1 {
				return verdict{reply: "550 5.1.1 no"}
			}
			return verdict{}
		}}
	}
	for name, b := range batches {
		l := refusing()
		got := b.run(t, l, name)
		if b.each && b.long < 0 { // a short one waits for its recipients anyway
			assert.Empty(t, l.oddities())
			continue
		}
		assert.Equal(t, 2, got.conns, "%s: it was found out", name)
		assert.Equal(t, []string{"X "}, l.oddities(), "%s: nothing but the question", name)
	}
	long := strings.Repeat(evil, 300<<10/len(evil))
	l := refusing()
	sink := l.dial(t, nil)
	_, err := sink.Send(t.Context(), envelope("b@example.net"), strings.NewReader("X: y\r\n\r\n"+long), nil)
	require.NoError(t, err)
	assert.Equal(t, 2, l.conns)
	assert.Equal(t, []string{"X "}, l.oddities())
	_ = sink.Close()

	// Control: who trusts it has the lines executed.
	trusting := func(l *lab) *Sink {
		sink := l.dial(t, nil)
		s := sink.idle[0]
		s.mu.Lock()
		s.probed, s.discards = true, true
		s.mu.Unlock()
		return sink
	}
	l = refusing()
	sink = trusting(l)
	for range sink.SendAll(t.Context(), batches["one recipient"].seq) {
		continue
	}
	assert.Contains(t, l.oddities(), "STOLEN mail", "control")
	_ = sink.Close()
	l = refusing()
	sink = trusting(l)
	_, _ = sink.Send(t.Context(), envelope("b@example.net"), strings.NewReader("X: y\r\n\r\n"+long), nil)
	_ = sink.Close()
	assert.NotEmpty(t, l.oddities(), "control")

	// A server that hangs up at the question is not asked again.
	l = &lab{caps: []string{"PIPELINING", "CHUNKING"}, decide: func(c *labConn, verb, _ string) verdict { return verdict{cut: verb == "BDAT" && c.from == nil} }}
	got := batches["one recipient"].run(t, l, "hangs up")
	assert.Equal(t, 6, got.outcomes[Accepted])
	assert.Equal(t, 3, got.conns)
}

// bccLeak: whatever the header looks like, what a Bcc field says does not leave.
func bccLeak(t *testing.T) {
	const secret = "sekrit"
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		pick := func(s ...string) string { return s[rnd.IntN(len(s))] }
		var b strings.Builder
		kept := 0
		for range rnd.IntN(8) {
			end := func() string { return pick("\r\n", "\n", "\r") }
			name, value := pick("Bcc", "BCC", "bcc", "bCc", "Resent-Bcc", "RESENT-BCC")+pick("", " ", "\t", " \t "), secret
			if rnd.IntN(2) == 0 {
				name, value = pick("To", "X-Bcc", "Bcc-X", "Subject", "Bc", "Resent-To"), "kept"
			}
			b.WriteString(name + ":" + pick("", " ") + value)
			n := 1
			for rnd.IntN(3) == 0 {
				b.WriteString(pick(",", "") + end() + pick(" ", "\t", "  ") + pick(value, strings.Repeat(value+" ", 4000)))
				n++
			}
			b.WriteString(end())
			if value == "kept" {
				kept += n
			}
		}
		body := "\r\n" + pick("", "Bcc: body\r\n", "text\n\nBcc: body\n")
		raw := b.String() + body
		l := &lab{caps: [][]string{{"CHUNKING", "PIPELINING"}, {"PIPELINING"}}[seed%2]}
		for _, keep := range []bool{false, true} {
			sink := l.dial(t, nil)
			env := envelope("to@example.net", "hidden@example.net")
			_, err := sink.Send(t.Context(), env, &chopped{[]byte(raw), rnd}, &SendOptions{KeepBcc: keep})
			require.NoError(t, err)
			_ = sink.Close()
		}
		mails := l.mails()
		require.Len(t, mails, 2)
		assert.NotContains(t, mails[0].raw, secret, "%q", raw)
		assert.GreaterOrEqual(t, strings.Count(mails[0].raw, "kept"), kept)
		assert.Equal(t, strings.Count(raw, "kept"), strings.Count(mails[0].raw, "kept"))
		assert.Equal(t, strings.Count(raw, "body"), strings.Count(mails[0].raw, "body"))
		assert.Equal(t, []string{"to@example.net", "hidden@example.net"}, mails[0].to)
		assert.Equal(t, strings.Count(raw, secret), strings.Count(mails[1].raw, secret), "control")
	}
}
