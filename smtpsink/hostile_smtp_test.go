package smtpsink

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
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

// hostileSMTP are the rows of the protocol itself.
var hostileSMTP = map[string]func(t *testing.T){
	"smtp-crlf-inject":  smtpInject,
	"smtp-param-inject": smtpParams,
	"smtp-smuggle":      smtpSmuggle,
	"smtp-partial-body": smtpPartialBody,
	"smtp-dot-lost":     smtpDotLost,
	"smtp-data-stall":   smtpStall,
	"smtp-reply-flood":  smtpFlood,
	"smtp-rcpt-partial": smtpRcptPartial,
	"smtp-early-final":  smtpEarlyFinal,
	"smtp-cap-mismatch": smtpCaps,
	"smtp-bdat-refused": smtpBodies,
	"bcc-leak":          bccLeak,
}

// every is all that a server may offer.
var every = []string{"PIPELINING", "CHUNKING", "BINARYMIME", "8BITMIME", "SMTPUTF8", "DSN", "SIZE 1000000",
	"DELIVERBY", "MT-PRIORITY", "FUTURERELEASE 10000 2030-01-01T00:00:00Z", "LIMITS RCPTMAX=500"}

// listen has a lab write down its command lines.
func (l *lab) listen() *[]string {
	var lines []string
	l.decide = func(_ *labConn, verb, args string) verdict {
		l.mu.Lock()
		defer l.mu.Unlock()
		lines = append(lines, verb+" "+args)
		return verdict{}
	}
	return &lines
}

// naively says what a client says that checks nothing, and gives the lab's answers.
func (l *lab) naively(t *testing.T, said string) string {
	nc, err := l.DialContext(t.Context(), "", "")
	require.NoError(t, err)
	defer nc.Close()
	got := make(chan string)
	go func() {
		b, _ := io.ReadAll(nc)
		got <- string(b)
	}()
	_, err = io.WriteString(nc, said+"QUIT\r\n")
	require.NoError(t, err)
	return <-got
}

// smtpInject tries each octet in each argument.
func smtpInject(t *testing.T) {
	l := &lab{caps: every}
	lines := l.listen()
	d := &mailtest.CountingDialer{Dialer: l}
	opts := l.options(nil)
	opts.Net.Dialer = d
	sink, err := Dial(t.Context(), "lab.example:25", access.Auth{}, opts)
	require.NoError(t, err)
	defer sink.Close()
	good := func() (*Envelope, *SendOptions) {
		return envelope("bob@example.net"), &SendOptions{DSN: &DSN{Notify: []string{"NEVER"}, Return: "HDRS", EnvelopeID: "x", Original: map[string]string{}}}
	}
	taken := 0
	for arg, put := range map[string]func(env *Envelope, o *SendOptions, s string){
		"From":                   func(env *Envelope, _ *SendOptions, s string) { env.From = s + "@example.org" },
		"From, end":              func(env *Envelope, _ *SendOptions, s string) { env.From = "ann@example.org" + s },
		"To":                     func(env *Envelope, _ *SendOptions, s string) { env.To[0] = s + "@example.org" },
		"To, end":                func(env *Envelope, _ *SendOptions, s string) { env.To[0] = "ann@example.org" + s },
		"To, quoted":             func(env *Envelope, _ *SendOptions, s string) { env.To[0] = `"` + s + `"@example.org` },
		"To, behind a backslash": func(env *Envelope, _ *SendOptions, s string) { env.To[0] = `"\` + s[1:] + `"@example.org` },
		"To, literal":            func(env *Envelope, _ *SendOptions, s string) { env.To[0] = "ann@[127.0.0.1" + s + "]" },
		"ENVID":                  func(_ *Envelope, o *SendOptions, s string) { o.DSN.EnvelopeID = s },
		"NOTIFY":                 func(_ *Envelope, o *SendOptions, s string) { o.DSN.Notify[0] = "NEVER" + s },
		"RET":                    func(_ *Envelope, o *SendOptions, s string) { o.DSN.Return = "HDRS" + s },
		"ORCPT":                  func(env *Envelope, o *SendOptions, s string) { o.DSN.Original[env.To[0]] = s + "@example.org" },
	} {
		for b := range 256 {
			env, o := good()
			put(env, o, "a"+string([]byte{byte(b)})+"b")
			before := d.Stats().Sent
			_, err := sink.Send(t.Context(), env, strings.NewReader(plain), o)
			what := fmt.Sprintf("%s, octet %#x: %v", arg, b, err)
			if err != nil {
				assert.Equal(t, before, d.Stats().Sent, what)
				continue
			}
			require.True(t, b > 0x1f && b < 0x7f && (strings.IndexByte("<> ", byte(b)) < 0 || arg == "ENVID"), what)
			taken++
		}
	}
	env, o := good()
	_, err = sink.Send(t.Context(), env, strings.NewReader(plain), o)
	require.NoError(t, err, "the connection can be used still")
	assert.Equal(t, 1, l.conns)
	assert.Empty(t, l.oddities())
	assert.Len(t, l.mails(), taken+1)
	for _, line := range *lines {
		assert.Regexp(t, `^(MAIL FROM:<[!-~]+> SIZE=\d+ RET=HDRS ENVID=[!-*,-<>-~+A-F0-9]+|RCPT TO:<[!-~]+> NOTIFY=NEVER( ORCPT=rfc822;[!-<>-~]+)?|\. \d+ LAST|RSET )$`, line)
	}
	for b := range 256 {
		l := &lab{caps: every}
		hello := "a" + string([]byte{byte(b)}) + "b"
		sink, err := Dial(t.Context(), "lab.example:25", access.Auth{}, l.options(&Options{Hello: hello}))
		if err == nil {
			_ = sink.Close()
		}
		ok := b == '-' || b == '_' || b == '.' || digit(byte(b)) || b|0x20 >= 'a' && b|0x20 <= 'z' && b < 0x80
		assert.Equal(t, ok, err == nil, "Hello %q: %v", hello, err)
		if !ok {
			assert.Zero(t, l.conns)
		}
	}
	injectAuth(t)
	// Control: sent as it is, the end of a line makes it two commands.
	control := &lab{caps: every}
	lines = control.listen()
	control.naively(t, "EHLO x\r\nMAIL FROM:<a\r\nRSET\r\nMAIL FROM:<eve@example.net>\r\n")
	assert.Equal(t, []string{"MAIL FROM:<a", "RSET ", "MAIL FROM:<eve@example.net>"}, *lines)
}

// smtpParams: an address that brings parameters with it.
func smtpParams(t *testing.T) {
	l := &lab{caps: every}
	lines := l.listen()
	sink := l.dial(t, nil)
	defer sink.Close()
	for _, bad := range []string{
		"a@b> AUTH=<x", "a@b> SIZE=1", "a@b>", "<a@b>", "<a@b", "a@b NOTIFY=NEVER", "a b@c", "a@b\tc", "a@b\x00", "a\x1b[2J@b",
		`"a> AUTH=<x"@b`, `"a\> NOTIFY=NEVER"@b`, `"a b"@c`, "a@[1.2.3.4] X=Y", "a@[1.2.3.4", "a@[IPv6:::1]> X", "a@[IPv6:fe80::1%eth0]",
		"a\u0085b@c", "a\u2028b@c", "a@b\u2028c", "a@b＞ AUTH=＜x", "a@b\xff", "a\xff@b", "@b", "a@", "a", "", "a@b@c", "@b,@c:a@d", "a,b@c", "a;b@c",
		strings.Repeat("a", 65) + "@b", "a@" + strings.Repeat("b.", 127) + "bb", "a@" + strings.Repeat("b", 64), "a@b..c", "a@.b", "a@b.",
	} {
		for _, env := range []*Envelope{envelope("bob@example.net", bad), {From: bad, To: []string{"bob@example.net"}}} {
			if bad == "" && env.From == "" {
				continue // nobody
			}
			receipt, err := sink.Send(t.Context(), env, strings.NewReader(plain), nil)
			require.Error(t, err, "%q", env)
			assert.Equal(t, NotSent, receipt.Outcome)
			assert.NotContains(t, err.Error(), "\x1b")
		}
	}
	assert.Empty(t, *lines, "nothing was sent")
	for _, good := range []string{"postmaster", "a@b", "a.b.@c", ".a@b", `"a@b"@c`, `"a\"b"@c`, "a+b=c@d", "o'neil@b", "a@[1.2.3.4]", "a@[IPv6:::1]", "jürgen@b", "a@bücher.example",
		strings.Repeat("a", 64) + "@" + strings.Repeat("b.", 126) + "bb"} {
		_, err := sink.Send(t.Context(), envelope(good), strings.NewReader(plain), nil)
		assert.NoError(t, err, good)
	}
	assert.Contains(t, *lines, "RCPT TO:<a@xn--bcher-kva.example>")
	// Control: put between the brackets as it is, it is a parameter.
	control := &lab{caps: every}
	lines = control.listen()
	control.naively(t, fmt.Sprintf("EHLO x\r\nMAIL FROM:<%s>\r\n", "a@b> AUTH=<x"))
	assert.Equal(t, []string{"MAIL FROM:<a@b> AUTH=<x>"}, *lines)
}

// ends are what servers take for the end of a message: CRLF "." CRLF, and what lax
// ones do besides (CVE-2023-51764, CVE-2023-51765, CVE-2023-51766).
var ends = map[string][]string{
	"strict":  nil,
	"LF LF":   {"\n.\n"},
	"CR CR":   {"\r.\r"},
	"LF CRLF": {"\n.\r\n", "\r.\r\n"},
	"NUL":     {"\r\n\x00.\r\n"},
}

// firstEnd finds the first of them.
func firstEnd(lax []string) func(p []byte) int {
	return func(p []byte) int {
		first := 0
		for _, end := range append([]string{"\r\n.\r\n"}, lax...) {
			if i := bytes.Index(p, []byte(end)); i >= 0 && (first == 0 || i+len(end) < first) {
				first = i + len(end)
			}
		}
		return first
	}
}

const (
	inBody   = "Subject: harmless\r\n\r\ntext"
	inHeader = "Subject: harmless"
)

// smuggled is a message that holds another, behind what may be an end: in its body,
// or in its header.
func smuggled(before, end string) string {
	return before + end + "MAIL FROM:<boss@example.org>\r\nRCPT TO:<bob@example.net>\r\nDATA\r\nSubject: evil\r\n\r\npay\r\n"
}

// smtpSmuggle counts the messages that servers of different minds see.
func smtpSmuggle(t *testing.T) {
	for name, lax := range ends {
		for _, all := range ends {
			var raws []string
			for _, end := range append(all, "\r\n.\r\n", "\r\n..\r\n", "\r.\n", "\n\r.\r\n", "\r\r.\r\r") {
				raws = append(raws, smuggled(inBody, end), smuggled(inHeader, end))
			}
			for _, raw := range raws {
				l := &lab{caps: []string{"PIPELINING", "8BITMIME"}, ends: firstEnd(lax)}
				sink := l.dial(t, nil)
				_, err := sink.Send(t.Context(), envelope("bob@example.net"), strings.NewReader(raw), nil)
				_ = sink.Close()
				what := fmt.Sprintf("%q to a server of %s", raw, name)
				if strings.Contains(raw, "\x00") {
					require.ErrorIs(t, err, errNUL, what)
					require.Empty(t, l.mails(), what)
					continue
				}
				require.NoError(t, err, what)
				require.Len(t, l.mails(), 1, what)

				// By BDAT it is one in any case; whoever relays it by DATA has the
				// lax server read it.
				chunks := &lab{caps: []string{"PIPELINING", "CHUNKING"}}
				sink = chunks.dial(t, nil)
				_, err = sink.Send(t.Context(), envelope("bob@example.net"), strings.NewReader(raw), nil)
				require.NoError(t, err, what)
				_ = sink.Close()
				require.Len(t, chunks.mails(), 1, what)
				relay := &lab{ends: firstEnd(lax), caps: []string{"PIPELINING"}}
				relay.naively(t, relayed(chunks.mails()[0].raw))
				require.Len(t, relay.mails(), 1, what)
			}
		}
		// Control: without our normaliser the server reads two.
		for _, end := range lax {
			relay := &lab{ends: firstEnd(lax), caps: []string{"PIPELINING"}}
			relay.naively(t, relayed(smuggled(inBody, end))+relayed(smuggled(inHeader, end)))
			assert.Len(t, relay.mails(), 4, "control: %q to a server of %s", end, name)
		}
	}
	// A line's end and the dot behind it are in two of the blocks that we read; or the
	// dot is the first octet of all.
	filled := "Subject: harmless\r\n\r\n" + strings.Repeat("x", blockSize-23)
	for _, raw := range []string{smuggled(filled, "\r\n.\r\n"), smuggled("", ".\r\n")} {
		l := &lab{caps: []string{"PIPELINING"}}
		sink := l.dial(t, nil)
		_, err := sink.Send(t.Context(), envelope("bob@example.net"), strings.NewReader(raw), nil)
		require.NoError(t, err)
		_ = sink.Close()
		require.Len(t, l.mails(), 1)
		assert.Equal(t, raw, l.mails()[0].raw)
	}
}

// relayed is a session that passes a message on: it hides the dots behind CRLF, as
// RFC 5321 section 4.5.2 wants it, and changes nothing else.
func relayed(raw string) string {
	return "EHLO x\r\nMAIL FROM:<ann@example.org>\r\nRCPT TO:<bob@example.net>\r\nDATA\r\n" +
		strings.ReplaceAll(raw, "\r\n.", "\r\n..") + ".\r\n"
}

// failingAt gives n octets of a message and then err, with the last of them or
// alone, and then the end, as if that were all.
type failingAt struct {
	n    int
	with bool
	err  error
	done bool
}

func (r *failingAt) Read(p []byte) (int, error) {
	if r.done {
		return 0, io.EOF
	}
	n := min(len(p), r.n)
	r.n -= n
	copy(p, strings.Repeat("Subject: x\r\n\r\n"[:14], 1+n/14)[:n])
	if r.n == 0 && (r.with || n == 0) {
		r.done = true
		return n, r.err
	}
	return n, nil
}

// smtpPartialBody: a message that cannot be read to its end is not sent.
func smtpPartialBody(t *testing.T) {
	boom := errors.New("boom")
	for kind := range kinds() {
		for _, n := range []int{0, 1, 13, 1000, 32 << 10, 64<<10 - 1, 64 << 10, 64<<10 + 1, 200_000} {
			for _, r := range []io.Reader{
				&failingAt{n: n, err: boom}, &failingAt{n: n, err: boom, with: true},
				&failingAt{n: n, err: io.ErrUnexpectedEOF}, &failingAt{n: n, err: fmt.Errorf("wrapped: %w", io.EOF)},
				iotest.TimeoutReader(strings.NewReader(strings.Repeat("Subject: x\r\n", 5_000+n/12))),
			} {
				l := kinds()[kind]
				sink := l.dial(t, nil)
				receipt, err := sink.Send(t.Context(), envelope("bob@example.net"), r, nil)
				require.Error(t, err)
				assert.NotErrorIs(t, err, mailbox.ErrUnknownOutcome)
				if f, ok := r.(*failingAt); ok && f.err == boom {
					require.ErrorIs(t, err, boom)
				}
				assert.Equal(t, NotSent, receipt.Outcome)
				_, err = sink.Send(t.Context(), envelope("bob@example.net"), strings.NewReader(plain), nil)
				require.NoError(t, err, "another is sent as if nothing had been")
				_ = sink.Close()
				require.Len(t, l.mails(), 1, "%s, %d octets", kind, n)
				assert.Equal(t, plain, l.mails()[0].raw)
			}
		}
	}
	// Control: a client that ends what it has begun has half of it delivered.
	l := &lab{caps: []string{"PIPELINING"}}
	half, err := io.ReadAll(&failingAt{n: 1000, err: boom})
	require.ErrorIs(t, err, boom)
	l.naively(t, relayed(string(half)+"\r\n"))
	assert.Len(t, l.mails(), 1)
}

// smtpDotLost: the connection is lost behind the end of a message and ahead of its
// answer.
func smtpDotLost(t *testing.T) {
	for kind := range kinds() {
		for name, v := range map[string]verdict{"taken": {lose: true}, "not taken": {cut: true}} {
			l := kinds()[kind]
			finals := 0
			l.decide = func(_ *labConn, verb, _ string) verdict {
				if verb == "." {
					finals++
				}
				if verb == "." && finals == 2 {
					return v
				}
				return verdict{}
			}
			sink := l.dial(t, nil)
			send := func() (*Receipt, error) {
				return sink.Send(t.Context(), envelope("bob@example.net"), strings.NewReader(plain), nil)
			}
			_, err := send()
			require.NoError(t, err)
			receipt, err := send()
			require.ErrorIs(t, err, mailbox.ErrUnknownOutcome, "%s, %s", kind, name)
			assert.False(t, mailbox.Retryable(err))
			assert.Equal(t, Unknown, receipt.Outcome)
			assert.Equal(t, Unknown, receipt.Recipients[0].Outcome)
			assert.Equal(t, int64(len(plain)), receipt.Octets)
			assert.Equal(t, 1, l.conns, "nobody tried again")
			had := len(l.mails())
			// Control: whoever sends it again has sent it twice if it was taken.
			_, err = send()
			require.NoError(t, err)
			assert.Len(t, l.mails(), had+1)
			assert.Equal(t, map[string]int{"taken": 3, "not taken": 2}[name], had+1)
			_ = sink.Close()
		}
		// Control: what was lost ahead of the end is sent again by itself.
		l := kinds()[kind]
		rcpts := 0
		l.decide = func(_ *labConn, verb, _ string) verdict {
			if verb == "RCPT" {
				rcpts++
			}
			return verdict{cut: verb == "RCPT" && rcpts == 2}
		}
		sink := l.dial(t, nil)
		for range 2 {
			_, err := sink.Send(t.Context(), envelope("bob@example.net"), strings.NewReader(plain), nil)
			require.NoError(t, err)
		}
		assert.Equal(t, 2, l.conns)
		assert.Len(t, l.mails(), 2)
		_ = sink.Close()
	}
}

// deaf is a dialer whose server takes so many octets behind the first command of a
// name and then nothing.
type deaf struct {
	*lab
	at   string
	take int
	over chan struct{}
}

func (d *deaf) serve(nc net.Conn) {
	defer nc.Close()
	_, _ = io.WriteString(nc, "220 deaf\r\n")
	buf := make([]byte, 1)
	line := ""
	for {
		if _, err := nc.Read(buf); err != nil {
			return
		}
		if line += string(buf); buf[0] != '\n' {
			continue
		}
		verb, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		line = ""
		reply := "250 fine"
		switch verb {
		case "EHLO":
			reply = "250-deaf\r\n250-" + strings.Join(d.caps, "\r\n250-") + "\r\n250 X"
		case "DATA":
			reply = "354 go on"
		}
		if verb == d.at {
			if verb == "DATA" {
				_, _ = io.WriteString(nc, reply+"\r\n")
			}
			_, _ = io.CopyN(io.Discard, nc, int64(d.take))
			<-d.over
			return
		}
		_, _ = io.WriteString(nc, reply+"\r\n")
	}
}

// smtpStall: a server that takes no more has three minutes for each piece (RFC 5321
// section 4.5.3.2.5), and one that does not answer ten for the message.
func smtpStall(t *testing.T) {
	for _, tt := range []struct {
		at      string
		caps    []string
		take    int
		size    int
		timeout time.Duration
		want    time.Duration
		outcome Outcome
	}{
		{"DATA", []string{"PIPELINING"}, 100_000, 1 << 20, 0, 3 * time.Minute, NotSent},
		{"DATA", []string{"PIPELINING"}, 1, 100, 0, 3 * time.Minute, NotSent},
		{"BDAT", []string{"CHUNKING"}, 10, 1 << 20, 0, 3 * time.Minute, NotSent},
		{"BDAT", []string{"CHUNKING"}, 10, 100, 0, 3 * time.Minute, NotSent},
		{"DATA", []string{"PIPELINING"}, 100_000, 1 << 20, 2 * time.Second, 2 * time.Second, NotSent},
		{"DATA", []string{"PIPELINING"}, 103, 100, 0, 10 * time.Minute, Unknown},
		{"BDAT", []string{"CHUNKING"}, 100, 100, 0, 10 * time.Minute, Unknown},
		{"DATA", []string{"PIPELINING"}, 103, 100, time.Minute, time.Minute, Unknown},
	} {
		synctest.Test(t, func(t *testing.T) {
			d := &deaf{lab: &lab{caps: tt.caps}, at: tt.at, take: tt.take, over: make(chan struct{})}
			opts := d.options(&Options{Idle: -1, Net: access.Options{ProgressTimeout: tt.timeout}})
			opts.Net.Dialer = dialerFunc(func() (net.Conn, error) {
				client, server := net.Pipe()
				go d.serve(server)
				return client, nil
			})
			sink, err := Dial(t.Context(), "lab.example:25", access.Auth{}, opts)
			require.NoError(t, err)
			raw := "Subject: x\r\n\r\n" + strings.Repeat("0123456789abcd\r\n", tt.size/16)
			raw = raw[:tt.size-2] + "\r\n"
			begin := time.Now()
			receipt, err := sink.Send(t.Context(), envelope("bob@example.net"), strings.NewReader(raw), nil)
			require.ErrorIs(t, err, mailbox.ErrUnavailable)
			assert.Equal(t, tt.outcome, receipt.Outcome, "%+v", tt)
			took := time.Since(begin)
			assert.GreaterOrEqual(t, took, tt.want, "%+v", tt)
			assert.LessOrEqual(t, took, tt.want+timeoutDrain, "%+v", tt)
			close(d.over)
			_ = sink.Close()
		})
	}
	synctest.Test(t, func(t *testing.T) {
		// Control: bare, a write to it never returns.
		client, server := net.Pipe()
		written := make(chan error, 1)
		go func() {
			_, err := client.Write(make([]byte, 100))
			written <- err
		}()
		select {
		case err := <-written:
			t.Errorf("written: %v", err)
		case <-time.After(24 * time.Hour):
		}
		_ = server.Close()
		<-written
	})
}

// smtpRcptPartial: some recipients are refused.
func smtpRcptPartial(t *testing.T) {
	for kind := range kinds() {
		for mask := range 8 {
			for _, partial := range []bool{false, true} {
				for _, eager := range []bool{false, true} {
					l := kinds()[kind]
					l.eager = eager
					var mu sync.Mutex
					l.decide = func(_ *labConn, verb, args string) verdict {
						mu.Lock()
						defer mu.Unlock()
						for i := range 3 {
							if verb == "RCPT" && mask>>i&1 == 1 && strings.HasPrefix(args, fmt.Sprintf("TO:<r%d@", i)) {
								return verdict{reply: []string{"550 5.1.1 no", "451 4.2.1 later"}[i%2]}
							}
						}
						return verdict{}
					}
					what := fmt.Sprintf("%s, refused %03b, partial %t, eager %t", kind, mask, partial, eager)
					sink := l.dial(t, nil)
					to := []string{"r0@example.net", "r1@example.net", "r2@example.net"}
					receipt, err := sink.Send(t.Context(), envelope(to...), strings.NewReader(plain), &SendOptions{Partial: partial})
					var want []string
					for i, rcpt := range receipt.Recipients {
						refused := mask>>i&1 == 1
						require.Equal(t, refused, rcpt.Outcome == Rejected, what)
						if refused {
							require.Equal(t, []int{550, 451}[i%2], rcpt.Reply.Code, what)
							continue
						}
						require.Equal(t, mask == 0 || partial, rcpt.Outcome == Accepted, what)
						want = append(want, rcpt.Address)
					}
					if mask == 7 || mask > 0 && !partial {
						var r *Reply
						require.ErrorAs(t, err, &r, what)
						require.Equal(t, "RCPT", r.Command)
						require.Equal(t, Rejected, receipt.Outcome)
						want = nil
					} else {
						require.NoError(t, err, what)
					}
					var got []string
					for _, m := range l.mails() {
						assert.Equal(t, plain, m.raw)
						got = append(got, m.to...)
					}
					require.Equal(t, want, got, what)
					// The next one is not disturbed, nor are its recipients.
					_, err = sink.Send(t.Context(), envelope("next@example.net"), strings.NewReader(plain), nil)
					require.NoError(t, err, what)
					mails := l.mails()
					require.Equal(t, []string{"next@example.net"}, mails[len(mails)-1].to, what)
					asked := l.has("PIPELINING") && (l.lmtp || !l.has("CHUNKING")) && (mask == 7 && eager || mask > 0 && mask < 7 && !partial)
					if kind != "takes bodies" {
						assert.Equal(t, asked, l.conns == 2, "%s: what waits for a message that does not come is cut", what)
						assert.Empty(t, l.oddities(), what)
					}
					_ = sink.Close()
				}
			}
		}
	}
	// Control: a client that ends the message that nobody shall have delivers an
	// empty one.
	l := &lab{caps: []string{"PIPELINING"}}
	l.naively(t, relayed(""))
	require.Len(t, l.mails(), 1)
	assert.Empty(t, l.mails()[0].raw)
}

// dialerFunc is an access.Dialer.
type dialerFunc func() (net.Conn, error)

func (f dialerFunc) DialContext(context.Context, string, string) (net.Conn, error) { return f() }

// smtpCaps: what a message needs and the server does not offer.
func smtpCaps(t *testing.T) {
	utf8Header := "Subject: grüße\r\n\r\nx\r\n"
	for _, tt := range []struct {
		lacks string
		env   *Envelope
		raw   string
		opts  SendOptions
		want  error
		wire  string // with it
	}{
		{"8BITMIME", envelope("b@example.net"), "Subject: x\r\n\r\ngr\xfc\xdfe\r\n", SendOptions{}, errors.ErrUnsupported, "BODY=8BITMIME"},
		{"8BITMIME", envelope("b@example.net"), utf8Header, SendOptions{}, errors.ErrUnsupported, "BODY=8BITMIME"},
		{"SMTPUTF8", envelope("b@example.net"), utf8Header, SendOptions{}, errors.ErrUnsupported, "SMTPUTF8"},
		{"SMTPUTF8", envelope("jürgen@example.net"), plain, SendOptions{}, errors.ErrUnsupported, "SMTPUTF8"},
		{"SMTPUTF8", &Envelope{From: "jürgen@example.net", To: []string{"b@example.net"}}, plain, SendOptions{}, errors.ErrUnsupported, "FROM:<jürgen@"},
		{"DSN", envelope("b@example.net"), plain, SendOptions{DSN: &DSN{EnvelopeID: "a b=c+d"}}, errors.ErrUnsupported, "ENVID=a+20b+3Dc+2Bd"},
		{"DSN", envelope("b@example.net"), plain, SendOptions{DSN: &DSN{Return: "FULL"}}, errors.ErrUnsupported, "RET=FULL"},
		{"DSN", envelope("b@example.net"), plain, SendOptions{DSN: &DSN{Notify: []string{"DELAY", "FAILURE"}}}, errors.ErrUnsupported, "NOTIFY=DELAY,FAILURE"},
		{"DSN", envelope("b@example.net"), plain, SendOptions{DSN: &DSN{Original: map[string]string{"b@example.net": "c+d@bücher.example"}}}, errors.ErrUnsupported, "ORCPT=rfc822;c+2Bd@xn--bcher-kva.example"},
		{"DELIVERBY", envelope("b@example.net"), plain, SendOptions{DeliverBy: 1500 * time.Millisecond}, errors.ErrUnsupported, "BY=2;R"},
		{"MT-PRIORITY", envelope("b@example.net"), plain, SendOptions{Priority: -4}, errors.ErrUnsupported, "MT-PRIORITY=-4"},
		{"FUTURERELEASE", envelope("b@example.net"), plain, SendOptions{HoldFor: time.Minute}, errors.ErrUnsupported, "HOLDFOR=60"},
		{"FUTURERELEASE", envelope("b@example.net"), plain, SendOptions{HoldUntil: time.Unix(1800000000, 0)}, errors.ErrUnsupported, "HOLDUNTIL=2027-01-15T08:00:00Z"},
		{"BINARYMIME", envelope("b@example.net"), "X: y\r\n\r\n\x00\n", SendOptions{Binary: true}, errors.ErrUnsupported, "BODY=BINARYMIME"},
		{"CHUNKING", envelope("b@example.net"), "X: y\r\n\r\n\x00\n", SendOptions{Binary: true}, errors.ErrUnsupported, "BODY=BINARYMIME"},
	} {
		for _, with := range []bool{false, true} {
			l := &lab{}
			for _, c := range every {
				if name, _, _ := strings.Cut(c, " "); with || name != tt.lacks {
					l.caps = append(l.caps, c)
				}
			}
			lines := l.listen()
			sink := l.dial(t, nil)
			opts := tt.opts
			receipt, err := sink.Send(t.Context(), tt.env, strings.NewReader(tt.raw), &opts)
			_ = sink.Close()
			if with { // the control
				require.NoError(t, err, tt.wire)
				assert.Contains(t, strings.Join(*lines, "\n"), tt.wire)
				continue
			}
			require.ErrorIs(t, err, tt.want, tt.lacks)
			assert.ErrorContains(t, err, tt.lacks)
			assert.Equal(t, NotSent, receipt.Outcome)
			assert.Empty(t, *lines, "nothing was sent")
		}
	}
	t.Run("size", smtpSize)
	t.Run("late", smtpLate)
}

// smtpSize: a message that is too large is not sent, or not to its end.
func smtpSize(t *testing.T) {
	raw := "Subject: x\r\n\r\n" + strings.Repeat("0123456789abcd\r\n", 100<<10/16)
	for _, tt := range []struct {
		limit int
		size  int64 // that we tell
		sends bool
		ok    bool
	}{{100, 0, true, false}, {len(raw) - 1, 0, true, false}, {len(raw) - 1, int64(len(raw)), false, false}, {len(raw), int64(len(raw)), true, true}, {len(raw), 0, true, true}} {
		l := &lab{caps: []string{"PIPELINING", "CHUNKING", fmt.Sprintf("SIZE %d", tt.limit)}}
		lines := l.listen()
		sink := l.dial(t, nil)
		receipt, err := sink.Send(t.Context(), envelope("b@example.net"), strings.NewReader(raw), &SendOptions{Size: tt.size})
		_ = sink.Close()
		if tt.ok {
			require.NoError(t, err)
			continue
		}
		require.ErrorIs(t, err, mailbox.ErrTooLarge)
		assert.Equal(t, NotSent, receipt.Outcome)
		assert.Empty(t, l.mails())
		assert.Equal(t, tt.sends && tt.limit > 64<<10, len(*lines) > 0)
	}
}

// smtpLate: what a message needs shows only when its beginning is sent.
func smtpLate(t *testing.T) {
	raw := "Subject: x\r\n\r\n" + strings.Repeat("0123456789abcd\r\n", 100<<10/16) + "gr\xfc\xdfe\r\n"
	for _, caps := range [][]string{{"PIPELINING"}, {"PIPELINING", "CHUNKING"}} {
		l := &lab{caps: caps}
		sink := l.dial(t, nil)
		receipt, err := sink.Send(t.Context(), envelope("b@example.net"), strings.NewReader(raw), nil)
		require.ErrorIs(t, err, errors.ErrUnsupported)
		assert.Equal(t, NotSent, receipt.Outcome)
		assert.Empty(t, l.mails())
		_ = sink.Close()
		with := &lab{caps: slices.Concat(caps, []string{"8BITMIME"})}
		sink = with.dial(t, nil)
		_, err = sink.Send(t.Context(), envelope("b@example.net"), strings.NewReader(raw), nil)
		require.NoError(t, err, "the control")
		assert.Equal(t, raw, with.mails()[0].raw)
		_ = sink.Close()
	}
}
