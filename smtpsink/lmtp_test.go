package smtpsink

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/mailtest"
)

func dialLMTP(t *testing.T, addr string, o *Options) *Sink {
	t.Helper()
	var opts Options
	if o != nil {
		opts = *o
	}
	opts.LMTP, opts.Net.TLS = true, access.TLSNone
	sink, err := Dial(t.Context(), addr, access.Auth{}, &opts)
	require.NoError(t, err)
	t.Cleanup(func() { _ = sink.Close() })
	return sink
}

// TestLMTP delivers to a host by LMTP, in all ways.
func TestLMTP(t *testing.T) {
	for name, flavour := range map[string]mailtest.SMTPFlavour{"extended": mailtest.SMTPExtended, "pipelining": mailtest.SMTPPipelining, "bare": mailtest.SMTPBare} {
		for _, body := range []string{plain, big} {
			t.Run(fmt.Sprint(name, " ", len(body)), func(t *testing.T) {
				host := newHost(t, &mailtest.Options{SMTP: flavour})
				sink := dialLMTP(t, host.LMTP, nil)
				assert.Equal(t, "lmtp://127.0.0.1", sink.Account())
				for range 3 {
					receipt, err := sink.Send(t.Context(), envelope("ann@example.org", "bob@example.org"), strings.NewReader(body), nil)
					require.NoError(t, err)
					assert.Equal(t, Accepted, receipt.Outcome)
					assert.NotEmpty(t, receipt.QueueID)
					for _, rcpt := range receipt.Recipients {
						assert.Equal(t, Accepted, rcpt.Outcome)
						assert.Equal(t, "message", rcpt.Reply.Command)
					}
				}
				n := 0
				source := func(yield func(*Message) bool) {
					for range 5 {
						if !yield(&Message{Envelope: envelope("ann@example.org", "bob@example.org"), Body: strings.NewReader(body)}) {
							return
						}
					}
				}
				for r, err := range sink.SendAll(t.Context(), source) {
					require.NoError(t, err)
					require.NoError(t, r.Err)
					n++
				}
				assert.Equal(t, 5, n)
				for _, user := range []string{"ann@example.org", "bob@example.org"} {
					got, err := host.Messages(user, mailbox.Inbox)
					require.NoError(t, err)
					require.Len(t, got, 8)
					for _, m := range got {
						assert.True(t, strings.HasSuffix(string(m.Raw), body))
					}
				}
				for _, s := range host.Submissions() {
					assert.Equal(t, "lmtp", s.Protocol)
					assert.Zero(t, s.Chunks)
				}
			})
		}
	}
}

// lmtpServer answers RCPT with rcpt, one for each recipient, and the message with
// finals, one for each of those that it has taken. "cut" ends the connection.
func lmtpServer(t *testing.T, caps, rcpt, finals []string) *mailtest.Server {
	return mailtest.Serve(t, nil, func(c *mailtest.Conn) {
		c.Send("220 ready\r\n")
		c.Verb("LHLO")
		c.Send("250-localhost\r\n")
		for _, keyword := range caps {
			c.Send("250-" + keyword + "\r\n")
		}
		c.Send("250 X-END\r\n")
		n, good := 0, 0
		serveMail(c, func(verb, _ string) string {
			switch verb {
			case "MAIL":
				n, good = 0, 0
			case "RCPT":
				r := rcpt[n]
				if n++; r[0] == '2' {
					good++
				}
				return r
			case "DATA":
				if good == 0 {
					return "503 5.5.1 nobody"
				}
			case "message":
				for i, r := range finals {
					if r == "cut" {
						c.Close()
					}
					if i == good {
						break
					}
					c.Send(r + "\r\n")
				}
				return silent
			}
			return ""
		})
	})
}

func TestLMTPOutcomes(t *testing.T) {
	const ok, no, later = "250 2.1.5 ok", "550 5.1.1 nobody", "452 4.2.2 full"
	rcpts := []string{"a@example.org", "b@example.org", "c@example.org"}
	for name, tt := range map[string]struct {
		rcpt, finals []string
		partial      bool
		want         []Outcome
		outcome      Outcome
		err          error  // nil for none
		to           string // whom the error names
	}{
		"all well":         {rcpt: []string{ok, ok, ok}, finals: []string{ok, ok, ok}, want: []Outcome{Accepted, Accepted, Accepted}, outcome: Accepted},
		"one refused late": {rcpt: []string{ok, ok, ok}, finals: []string{ok, no, ok}, want: []Outcome{Accepted, Rejected, Accepted}, outcome: Accepted, err: mailbox.ErrNotFound, to: "b@"},
		"partial: late":    {rcpt: []string{ok, ok, ok}, finals: []string{no, later, ok}, partial: true, want: []Outcome{Rejected, Rejected, Accepted}, outcome: Accepted},
		"first counts":     {rcpt: []string{ok, ok, ok}, finals: []string{later, ok, no}, want: []Outcome{Rejected, Accepted, Rejected}, outcome: Accepted, err: mailbox.ErrQuota, to: "a@"},
		"all refused late": {rcpt: []string{ok, ok, ok}, finals: []string{no, no, no}, want: []Outcome{Rejected, Rejected, Rejected}, outcome: Rejected, err: mailbox.ErrNotFound, to: "a@"},
		"partial: nobody":  {rcpt: []string{ok, ok, ok}, finals: []string{no, no, no}, partial: true, want: []Outcome{Rejected, Rejected, Rejected}, outcome: Rejected, err: mailbox.ErrNotFound},
		"refused early":    {rcpt: []string{ok, no, ok}, finals: []string{ok, ok, ok}, want: []Outcome{NotSent, Rejected, NotSent}, outcome: Rejected, err: mailbox.ErrNotFound, to: "b@"},
		"partial: early":   {rcpt: []string{ok, no, ok}, finals: []string{ok, later}, partial: true, want: []Outcome{Accepted, Rejected, Rejected}, outcome: Accepted},
		"partial: none":    {rcpt: []string{no, no, later}, finals: nil, partial: true, want: []Outcome{Rejected, Rejected, Rejected}, outcome: Rejected},
		"lost at once":     {rcpt: []string{ok, ok, ok}, finals: []string{"cut"}, want: []Outcome{Unknown, Unknown, Unknown}, outcome: Unknown, err: mailbox.ErrUnknownOutcome},
		"lost after one":   {rcpt: []string{ok, ok, ok}, finals: []string{ok, "cut"}, want: []Outcome{Accepted, Unknown, Unknown}, outcome: Unknown, err: mailbox.ErrUnknownOutcome},
		"lost after two":   {rcpt: []string{ok, ok, ok}, finals: []string{no, ok, "cut"}, partial: true, want: []Outcome{Rejected, Accepted, Unknown}, outcome: Unknown, err: mailbox.ErrUnknownOutcome},
		"lost with two":    {rcpt: []string{ok, no, ok}, finals: []string{ok, "cut"}, partial: true, want: []Outcome{Accepted, Rejected, Unknown}, outcome: Unknown, err: mailbox.ErrUnknownOutcome},
	} {
		for _, caps := range extensionSets {
			for _, how := range []string{"Send", "SendAll"} {
				for _, body := range []string{plain, big} {
					t.Run(fmt.Sprint(name, caps, how, len(body)), func(t *testing.T) {
						srv := lmtpServer(t, caps, tt.rcpt, tt.finals)
						sink := dialLMTP(t, srv.Addr, nil)
						opts := &SendOptions{Partial: tt.partial}
						var receipt *Receipt
						var err error
						if how == "Send" {
							receipt, err = sink.Send(t.Context(), envelope(rcpts...), strings.NewReader(body), opts)
						} else {
							one := func(yield func(*Message) bool) {
								yield(&Message{Envelope: envelope(rcpts...), Body: strings.NewReader(body), Options: opts})
							}
							for r, fatal := range sink.SendAll(t.Context(), one) {
								require.NoError(t, fatal)
								receipt, err = r.Receipt, r.Err
							}
						}
						var got []Outcome
						for _, rcpt := range receipt.Recipients {
							got = append(got, rcpt.Outcome)
						}
						assert.Equal(t, tt.want, got)
						assert.Equal(t, tt.outcome, receipt.Outcome)
						switch {
						case tt.outcome == Rejected:
							require.Error(t, err)
						case tt.err == nil:
							require.NoError(t, err)
						}
						if tt.err != nil {
							require.ErrorIs(t, err, tt.err)
							assert.Contains(t, err.Error(), tt.to)
						}
						assert.LessOrEqual(t, strings.Count(srv.Transcript(), "C: MAIL"), 1, "it is not sent again")
					})
				}
			}
		}
	}
}

// TestLMTPNotSMTP: the two do not understand each other, and say so.
func TestLMTPNotSMTP(t *testing.T) {
	host := newHost(t, &mailtest.Options{Plaintext: true})
	for addr, lmtp := range map[string]bool{host.SMTP: true, host.LMTP: false} {
		_, err := Dial(t.Context(), addr, access.Auth{}, &Options{LMTP: lmtp, Net: access.Options{TLS: access.TLSNone}})
		require.Error(t, err)
		var r *Reply
		require.ErrorAs(t, err, &r)
		assert.Equal(t, 5, r.Code/100)
		assert.False(t, mailbox.Retryable(err))
	}
}

// unixSocket is a Dialer that goes to a Unix socket, whatever the address is.
type unixSocket string

func (path unixSocket) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, "unix", string(path))
}

// TestLMTPUnixSocket reaches a server by a Unix socket, as Dovecot's are.
func TestLMTPUnixSocket(t *testing.T) {
	host := newHost(t, nil)
	path := filepath.Join(t.TempDir(), "lmtp")
	ln, err := net.Listen("unix", path)
	require.NoError(t, err)
	defer ln.Close()
	go relay(ln, host.LMTP)

	sink := dialLMTP(t, "localhost:24", &Options{Net: access.Options{Dialer: unixSocket(path)}})
	for range 2 {
		_, err = sink.Send(t.Context(), envelope("bob@example.org"), strings.NewReader(plain), nil)
		require.NoError(t, err)
	}
	require.Len(t, host.Submissions(), 2)
}

// relay passes connections on to addr.
func relay(ln net.Listener, addr string) {
	for {
		from, err := ln.Accept()
		if err != nil {
			return
		}
		to, err := net.Dial("tcp", addr)
		if err != nil {
			_ = from.Close()
			continue
		}
		pass := func(dst, src net.Conn) {
			defer dst.Close()
			buf := make([]byte, 4096)
			for {
				n, err := src.Read(buf)
				if n > 0 {
					if _, err := dst.Write(buf[:n]); err != nil {
						return
					}
				}
				if err != nil {
					return
				}
			}
		}
		go pass(to, from)
		go pass(from, to)
	}
}
