package smtpsink

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// sendMany sends n messages to the lab, and counts what comes of them.
func sendMany(t *testing.T, l *lab, n int, o *Options) map[Outcome]int {
	outcomes := map[Outcome]int{}
	synctest.Test(t, func(t *testing.T) {
		sink := l.dial(t, o)
		all := func(yield func(*Message) bool) {
			for i := range n {
				m := &Message{Envelope: envelope(fmt.Sprintf("m%d@example.net", i)), Body: strings.NewReader("Subject: x\r\n\r\n"), Tag: i}
				if !yield(m) {
					return
				}
			}
		}
		i := 0
		for r, err := range sink.SendAll(t.Context(), all) {
			require.NoError(t, err)
			assert.Equal(t, i, r.Message.Tag)
			outcomes[r.Receipt.Outcome]++
			i++
		}
		_ = sink.Close()
	})
	return outcomes
}

// TestManyRefused: Postfix hangs up on who makes twenty errors without a message in
// between (smtpd_hard_error_limit). A list of bad addresses is worked off all the
// same.
func TestManyRefused(t *testing.T) {
	for _, caps := range [][]string{{"PIPELINING", "CHUNKING"}, {"PIPELINING"}, {"SIZE"}} {
		for name, bad := range map[string]func(i int) bool{
			"all":         func(int) bool { return true },
			"half":        func(i int) bool { return i%2 == 0 },
			"the first":   func(i int) bool { return i < 150 },
			"one in four": func(i int) bool { return i%4 == 0 },
		} {
			errors := map[int]int{}
			l := &lab{caps: caps}
			l.decide = func(c *labConn, verb, args string) verdict {
				i := 0
				if n, _ := fmt.Sscanf(args, "TO:<m%d@", &i); verb == "RCPT" && n == 1 && bad(i) {
					if errors[c.num]++; errors[c.num] >= 20 {
						return verdict{reply: "421 4.7.0 too many errors"}
					}
					return verdict{reply: "550 5.1.1 no"}
				}
				switch {
				case verb == "." && len(c.to) > 0:
					errors[c.num] = 0
				case verb == ".", verb == "DATA" && len(c.to) == 0, verb == "BDAT":
					if errors[c.num]++; errors[c.num] >= 20 {
						return verdict{reply: "421 4.7.0 too many errors"}
					}
				}
				return verdict{}
			}
			got := sendMany(t, l, 200, nil)
			want := 0
			for i := range 200 {
				if bad(i) {
					want++
				}
			}
			assert.Equal(t, want, got[Rejected], "%v, %s: %v", caps, name, got)
			assert.Equal(t, 200-want, got[Accepted], "%v, %s: %v", caps, name, got)
			assert.Equal(t, 200-want, len(l.mails()))
			each := 16 // and not 20: the beginning is quick
			if len(caps) == 1 && caps[0] == "PIPELINING" {
				each = 8 // DATA goes out with RCPT and is refused, too
			}
			assert.LessOrEqual(t, l.conns, want/each+2, "%v, %s: refused recipients slow us down", caps, name)
		}
	}
}

// TestFewMessages: a server that takes so many messages over one connection and no
// more, by its word (RFC 9422) or without one, or ours to say.
func TestFewMessages(t *testing.T) {
	for _, caps := range [][]string{{"PIPELINING", "CHUNKING"}, {"PIPELINING"}, {"SIZE"}} {
		for _, reply := range []string{"452 4.5.3 too many messages", "421 4.7.0 too many messages", "LIMITS", "ours"} {
			begun := map[int]int{}
			l := &lab{caps: caps}
			opts := &Options{}
			switch reply {
			case "LIMITS":
				l.caps = append([]string{"LIMITS MAILMAX=10"}, caps...)
			case "ours":
				opts.Messages = 10
			}
			l.decide = func(c *labConn, verb, _ string) verdict {
				if verb != "MAIL" {
					return verdict{}
				}
				if begun[c.num]++; begun[c.num] > 10 {
					assert.NotContains(t, []string{"LIMITS", "ours"}, reply, "it was told")
					return verdict{reply: reply}
				}
				return verdict{}
			}
			got := sendMany(t, l, 100, opts)
			assert.Equal(t, map[Outcome]int{Accepted: 100}, got, "%v, %s", caps, reply)
			assert.Equal(t, 100, len(l.mails()))
			assert.LessOrEqual(t, l.conns, 11)
		}
	}
}

// TestFewRecipients: a server takes ten recipients at a time, and says so only to the
// eleventh (RFC 5321 section 4.5.3.1.10). With Partial the others come next.
func TestFewRecipients(t *testing.T) {
	var to []string
	for i := range 35 {
		to = append(to, fmt.Sprintf("r%d@example.net", i))
	}
	long := "Subject: x\r\n\r\n" + strings.Repeat("0123456789abcd\r\n", 100<<10/16)
	for _, reply := range []string{"452 4.5.3 too many recipients", "452 too many", "552 too many"} {
		for _, caps := range [][]string{{"PIPELINING", "CHUNKING"}, {"PIPELINING"}, nil} {
			for _, tt := range []struct {
				body  io.Reader
				raw   string
				parts int
			}{
				{strings.NewReader(plain), plain, 4},
				{iotest.OneByteReader(strings.NewReader(plain)), plain, 4},
				{strings.NewReader(long), long, 4},
				{io.MultiReader(strings.NewReader(long)), long, 1}, // cannot be read again
			} {
				l := &lab{caps: caps, decide: func(c *labConn, verb, _ string) verdict {
					if verb == "RCPT" && len(c.to) == 10 {
						return verdict{reply: reply}
					}
					return verdict{}
				}}
				sink := l.dial(t, nil)
				receipt, err := sink.Send(t.Context(), envelope(to...), tt.body, &SendOptions{Partial: true})
				_ = sink.Close()
				require.NoError(t, err)
				assert.Equal(t, Accepted, receipt.Outcome)
				var got []string
				for _, m := range l.mails() {
					assert.LessOrEqual(t, len(m.to), 10)
					assert.Equal(t, tt.raw, m.raw)
					got = append(got, m.to...)
				}
				assert.Len(t, l.mails(), tt.parts, "%s, %v", reply, caps)
				var want []string
				for _, rcpt := range receipt.Recipients {
					if rcpt.Outcome == Accepted {
						want = append(want, rcpt.Address)
					}
				}
				assert.Equal(t, want, got, "each once")
				assert.Len(t, got, min(35, 10*tt.parts))
				assert.Len(t, receipt.Refused(), 35-len(got))
			}
		}
	}
	// The control: all or nothing is nothing.
	l := &lab{caps: []string{"PIPELINING"}, decide: func(c *labConn, verb, _ string) verdict {
		if verb == "RCPT" && len(c.to) == 10 {
			return verdict{reply: "452 4.5.3 too many recipients"}
		}
		return verdict{}
	}}
	sink := l.dial(t, nil)
	receipt, err := sink.Send(t.Context(), envelope(to...), strings.NewReader(plain), nil)
	require.Error(t, err)
	assert.Equal(t, Rejected, receipt.Outcome)
	assert.Empty(t, l.mails())
	_ = sink.Close()
}
