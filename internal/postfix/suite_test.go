package postfix_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/internal/postfix"
	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/smtpsink"
	"github.com/postroom-go/postroom/smtpsink/sinktest"
)

// TestSuite runs the suite for senders on a server that nobody here wrote. What
// has arrived is read from the mailboxes behind it.
func TestSuite(t *testing.T) {
	s := postfix.Get(t)
	for _, way := range services(s) {
		if way.name == "submission" {
			continue // it is submissions, but for the way into TLS
		}
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			last, poor := newBarrier(t, s), dial(t, s, services(s)[2], s.NewUser(t), nil)
			sinktest.Run(t, sinktest.Config{
				New: func(t testing.TB) *sinktest.Harness { return harness(t, s, way, last, poor) },
				Without: map[string]string{
					"RefuseRecipient": "Postfix refuses by the address, not by its place; TestRefusedRecipient has it",
					"RefuseMessage":   "only for its size, for which TestTooLarge has it",
					"LoseAnswer":      "Postfix answers", "CutMessage": "Postfix reads to the end",
					"StallMessage": "Postfix reads", "StallAnswer": "Postfix answers",
				},
				Known: map[string]string{
					"whole/long-line": "on the way to the mailbox Postfix breaks lines after 998 octets (lmtp_line_length_limit)",
					"bcc/keep":        "Postfix takes Bcc fields away itself (message_drop_headers)",
				},
				LargeSize: s.Size - 100_000, // what the server adds counts, too
			})
		})
	}
}

// outside makes connections from an address that is not the server's own: to
// what its own host sends Postfix adds the From, Date and Message-ID that it lacks
// (local_header_rewrite_clients).
func outside() access.Options {
	return access.Options{Dialer: &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}}
}

// harness is a sender with mailboxes that nobody had before.
func harness(t testing.TB, s *postfix.Server, way service, last *barrier, poor smtpsink.Sender) *sinktest.Harness {
	from := s.NewUser(t)
	sender := &counting{Sender: dial(t, s, way, from, &smtpsink.Options{Net: outside()}), poor: poor, due: map[string]int{}}
	h := &sinktest.Harness{Sender: sender, From: from, Secrets: []string{s.Dovecot.Password}}
	for range 100 {
		h.Recipients = append(h.Recipients, s.NewUser(t))
	}
	var came []sinktest.Delivery
	h.Settle = func() {
		last.wait(t)
		came = sender.deliveries(t, s, h.Recipients)
	}
	h.Delivered = func() []sinktest.Delivery { return came }
	return h
}

// counting is a sender that counts what must be in whose mailbox in the end.
type counting struct {
	smtpsink.Sender
	// poor sends what has a header in UTF-8 to a server without SMTPUTF8.
	// Dovecot's LMTP has none, and whether Postfix returns the message or gives
	// it to Dovecot nevertheless depends on whether it has a connection to
	// Dovecot already. That Postfix takes it is in TestUTF8.
	poor smtpsink.Sender

	mu  sync.Mutex
	due map[string]int
}

func (c *counting) Send(ctx context.Context, env *smtpsink.Envelope, body io.Reader, opts *smtpsink.SendOptions) (*smtpsink.Receipt, error) {
	to := c.Sender
	if r, ok := body.(*bytes.Reader); ok {
		raw := make([]byte, r.Len())
		_, _ = r.ReadAt(raw, 0) // and is where it was
		head, _, _ := bytes.Cut(raw, []byte("\r\n\r\n"))
		if bytes.ContainsFunc(head, func(c rune) bool { return c > 127 }) {
			to = c.poor
		}
	}
	receipt, err := to.Send(ctx, env, body, opts)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range receipt.Recipients {
		if r.Outcome == smtpsink.Accepted {
			c.due[r.Address]++
		}
	}
	return receipt, err
}

// deliveries waits until the users have what is due, and gives all that they have.
func (c *counting) deliveries(t testing.TB, s *postfix.Server, users []string) []sinktest.Delivery {
	type message struct{ queueID, from, body string }
	got := map[message][]string{}
	late := bounded(t).Done()
	for _, user := range users {
		for _, raw := range c.read(t, s, user, late) {
			m := trace.FindStringSubmatch(raw)
			if m == nil {
				t.Errorf("what Postfix and Dovecot put before a message is not as it was: %.1000q", raw)
				continue
			}
			key := message{m[2], m[1], raw[len(m[0]):]}
			got[key] = append(got[key], user)
		}
	}
	var all []sinktest.Delivery
	for m, to := range got {
		all = append(all, sinktest.Delivery{From: m.from, To: to, Body: []byte(m.body)})
	}
	return all
}

// read gives a user's messages when all that are due are there. That some never
// come is for the suite to say: it knows what it expects.
func (c *counting) read(t testing.TB, s *postfix.Server, user string, late <-chan struct{}) []string {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		var raws []string
		// Who never got mail has no directory, and is not asked.
		if _, err := os.Stat(filepath.Join(s.Dovecot.Mail, user)); err == nil {
			raws = overIMAP(t, s, user)
		}
		if len(raws) >= c.due[user] {
			return raws
		}
		select {
		case <-tick.C:
		case <-late:
			t.Logf("%s has %d messages of %d; see .ci/postfix log", user, len(raws), c.due[user])
			return raws
		}
	}
}

// trace is what Dovecot and Postfix put before a message, with the sender and
// Postfix's name for the message.
var trace = regexp.MustCompile(`^Return-Path: <([^>]*)>\r\n(?:Delivered-To: [^\r]*\r\n)?` +
	`Received: [^\r]*\r\n(?:\t[^\r]*\r\n)*` +
	`Received: [^\r]*\r\n(?:\t[^\r]*\r\n)*?\tby localhost \(Postfix\) with [A-Z0-9]+ id ([0-9A-F]+);?\r\n(?:\t[^\r]*\r\n)*`)

// barrier sends messages behind those of a case: when one is there what Postfix
// took before it is there, too, or on its way to a mailbox.
type barrier struct {
	s    *postfix.Server
	sink *smtpsink.Sink
	user string
	n    int
}

func newBarrier(t testing.TB, s *postfix.Server) *barrier {
	user := s.NewUser(t)
	return &barrier{s, dial(t, s, services(s)[0], user, nil), user, 0}
}

func (b *barrier) wait(t testing.TB) {
	env := &smtpsink.Envelope{From: b.user, To: []string{b.user}}
	_, err := b.sink.Send(bounded(t), env, strings.NewReader(note("barrier")), nil)
	require.NoError(t, err)
	b.n++
	arrived(t, b.s, b.user, b.n)
}
