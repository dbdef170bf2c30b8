package smtpsink

import (
	"fmt"
	"strings"
	"testing"
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
