package postfix_test

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/internal/postfix"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/mailtest"
	"github.com/postroom-go/postroom/smtpsink"
)

// queueID is what Postfix calls a message.
const queueID = `^[0-9A-F]{6,}$`

// TestSend: what is sent arrives as it was, but for the fields that the servers
// add ahead of it.
func TestSend(t *testing.T) {
	s := postfix.Get(t)
	for _, way := range services(s) {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			user := s.NewUser(t)
			body := ".\r\n..\r\n.dot\r\nFrom here\r\ntrailing  \t \r\n\r\n\r\n" + strings.Repeat("x", 998) + "\r\n" +
				strings.Repeat("many lines\r\n", 20_000) + "=?\r\n"
			if way.name != "poor" {
				body += "caf\xe9 \u20ac\r\n"
			}
			sent := note(way.name) + body + "\r\n\r\n"
			sink := dial(t, s, way, user, nil)
			receipt, err := sink.Send(bounded(t), &smtpsink.Envelope{From: user, To: []string{user}}, strings.NewReader(sent), nil)
			require.NoError(t, err)
			assert.Equal(t, smtpsink.Accepted, receipt.Outcome)
			assert.Regexp(t, queueID, receipt.QueueID)
			assert.Equal(t, int64(len(sent)), receipt.Octets)
			arrived(t, s, user, 1)
			for _, got := range [][]string{overIMAP(t, s, user), overPOP(t, s, user)} {
				require.Len(t, got, 1)
				head, ok := strings.CutSuffix(got[0], sent)
				require.Truef(t, ok, "%d octets: %.1500q … %.200q", len(got[0]), got[0], got[0][max(0, len(got[0])-200):])
				assert.Contains(t, head, "id "+receipt.QueueID)
			}
		})
	}
}

// TestEightBitNeedsIt: where the server does not say that it takes octets above
// 127 none are sent.
func TestEightBitNeedsIt(t *testing.T) {
	s := postfix.Get(t)
	user := s.NewUser(t)
	sink := dial(t, s, services(s)[2], user, nil)
	receipt, err := sink.Send(bounded(t), &smtpsink.Envelope{From: user, To: []string{user}}, strings.NewReader(note("x")+"\u20ac\r\n"), nil)
	assert.ErrorIs(t, err, errors.ErrUnsupported)
	assert.Equal(t, smtpsink.NotSent, receipt.Outcome)
}

func TestWrongPassword(t *testing.T) {
	s := postfix.Get(t)
	const wrong = "canary-5ecret"
	for _, way := range services(s) {
		_, err := smtpsink.Dial(bounded(t), way.addr, access.Password(s.NewUser(t), wrong, nil),
			&smtpsink.Options{Net: access.Options{TLS: way.mode, TLSConfig: s.Dovecot.TLSConfig()}})
		require.ErrorIs(t, err, mailbox.ErrAuth, way.name)
		assert.NotContains(t, err.Error(), wrong)
	}
}

// TestRefusedRecipient: one that is unknown keeps the message from all, or, if
// asked, only from him.
func TestRefusedRecipient(t *testing.T) {
	s := postfix.Get(t)
	for _, way := range services(s) {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			ann, bob, nobody := s.NewUser(t), s.NewUser(t), "nobody@"+s.Domain
			sink := dial(t, s, way, ann, nil)
			send := func(subject string, partial bool, to ...string) (*smtpsink.Receipt, error) {
				return sink.Send(bounded(t), &smtpsink.Envelope{From: ann, To: to}, strings.NewReader(note(subject)), &smtpsink.SendOptions{Partial: partial})
			}
			for _, partial := range []bool{false, true} {
				receipt, err := send("alone", partial, nobody)
				require.ErrorIs(t, err, mailbox.ErrNotFound)
				var reply *smtpsink.Reply
				require.ErrorAs(t, err, &reply)
				assert.Equal(t, 550, reply.Code)
				assert.Equal(t, "5.1.1", reply.Enhanced)
				assert.Equal(t, smtpsink.Rejected, receipt.Outcome)
			}
			receipt, err := send("to all or none", false, ann, nobody, bob)
			require.ErrorIs(t, err, mailbox.ErrNotFound)
			assert.Equal(t, smtpsink.Rejected, receipt.Recipients[1].Outcome)
			assert.NotEqual(t, smtpsink.Accepted, receipt.Recipients[0].Outcome)

			receipt, err = send("to some", true, ann, nobody, bob)
			require.NoError(t, err)
			assert.Equal(t, smtpsink.Accepted, receipt.Outcome)
			assert.Regexp(t, queueID, receipt.QueueID)
			refused := receipt.Refused()
			require.Len(t, refused, 1)
			assert.Equal(t, nobody, refused[0].Address)
			assert.ErrorIs(t, refused[0].Reply, mailbox.ErrNotFound)

			_, err = send("the last", false, ann, bob)
			require.NoError(t, err)
			for _, user := range []string{ann, bob} {
				arrived(t, s, user, 2)
				got := strings.Join(overIMAP(t, s, user), "")
				assert.Contains(t, got, "Subject: to some\r\n")
				assert.Contains(t, got, "Subject: the last\r\n")
			}
		})
	}
}

// endless is a body of n octets, whose size only reading it tells.
func endless(n int64) io.Reader {
	line := strings.Repeat("x", 76) + "\r\n"
	return io.MultiReader(strings.NewReader(note("large")), io.LimitReader(repeat(line), n))
}

type repeat string

func (r repeat) Read(p []byte) (n int, err error) {
	for len(p)-n >= len(r) {
		n += copy(p[n:], r)
	}
	if n == 0 {
		n = copy(p, r)
	}
	return n, nil
}

func TestTooLarge(t *testing.T) {
	s := postfix.Get(t)
	for _, way := range services(s) {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			user := s.NewUser(t)
			env := &smtpsink.Envelope{From: user, To: []string{user}}
			var d mailtest.CountingDialer
			sink := dial(t, s, way, user, &smtpsink.Options{Net: access.Options{Dialer: &d}})
			receipt, err := sink.Send(bounded(t), env, endless(2*s.Size), nil)
			require.ErrorIs(t, err, mailbox.ErrTooLarge)
			if way.name == "poor" { // only the server knows its limit
				assert.Equal(t, smtpsink.Rejected, receipt.Outcome)
			} else {
				assert.Equal(t, smtpsink.NotSent, receipt.Outcome)
				assert.Equal(t, s.Size, sink.Caps().MaxSize)
				before := d.Stats()
				_, err = sink.Send(bounded(t), env, endless(2*s.Size), &smtpsink.SendOptions{Size: 2 * s.Size})
				require.ErrorIs(t, err, mailbox.ErrTooLarge)
				assert.Less(t, d.Stats().Sub(before).Sent, int64(64<<10), "a size that is known costs nothing")
			}
			_, err = sink.Send(bounded(t), env, strings.NewReader(note("small")), nil)
			require.NoError(t, err)
			arrived(t, s, user, 1)
			assert.Contains(t, overPOP(t, s, user)[0], "Subject: small\r\n")
		})
	}
}

// TestUTF8: addresses and header fields in UTF-8 go to a server that takes them,
// and to no other.
func TestUTF8(t *testing.T) {
	s := postfix.Get(t)
	user := s.NewUser(t)
	env := &smtpsink.Envelope{From: user, To: []string{"us\u00e9r-1@" + s.Void}}
	letter := "From: " + user + "\r\nSubject: gr\u00fc\u00dfe\r\n\r\nHello.\r\n"
	for _, way := range services(s) {
		sink := dial(t, s, way, user, nil)
		receipt, err := sink.Send(bounded(t), env, strings.NewReader(letter), nil)
		if way.name == "poor" {
			assert.ErrorIs(t, err, errors.ErrUnsupported)
			assert.Equal(t, smtpsink.NotSent, receipt.Outcome)
			continue
		}
		require.NoError(t, err)
		assert.Regexp(t, queueID, receipt.QueueID)
	}
}

// TestReport: the report on a delivery that was asked for has what was to be in
// it.
func TestReport(t *testing.T) {
	s := postfix.Get(t)
	ann, bob := s.NewUser(t), s.NewUser(t)
	env := &smtpsink.Envelope{From: ann, To: []string{bob}}
	opts := &smtpsink.SendOptions{DSN: &smtpsink.DSN{
		Notify: []string{"SUCCESS", "FAILURE"}, Return: "HDRS", EnvelopeID: "env+1=x",
		Original: map[string]string{bob: "bob+old@example.org"},
	}}
	for _, way := range services(s) {
		sink := dial(t, s, way, ann, nil)
		receipt, err := sink.Send(bounded(t), env, strings.NewReader(note("reported")+"not in the report\r\n"), opts)
		if way.name == "poor" {
			assert.ErrorIs(t, err, errors.ErrUnsupported)
			assert.Equal(t, smtpsink.NotSent, receipt.Outcome)
			continue
		}
		require.NoError(t, err)
	}
	arrived(t, s, bob, 2)
	arrived(t, s, ann, 2)
	for _, report := range overIMAP(t, s, ann) {
		assert.Contains(t, report, "Original-Envelope-Id: env+1=x\r\n")
		assert.Contains(t, report, "Original-Recipient: rfc822;bob+old@example.org\r\n")
		assert.Contains(t, report, "Final-Recipient: rfc822; "+bob+"\r\n")
		assert.Contains(t, report, "Subject: reported\r\n")
		assert.NotContains(t, report, "not in the report")
	}
}

// TestSendAll: three hundred messages over one connection, each there once.
func TestSendAll(t *testing.T) {
	s := postfix.Get(t)
	for _, way := range services(s) {
		t.Run(way.name, func(t *testing.T) {
			n := 300
			if way.name != "submissions" {
				n = 50
			}
			user := s.NewUser(t)
			var d mailtest.CountingDialer
			sink := dial(t, s, way, user, &smtpsink.Options{Net: access.Options{Dialer: &d}})
			before := d.Stats()
			queued := map[string]bool{}
			i := 0
			for r, err := range sink.SendAll(bounded(t), notes(user, n)) {
				require.NoError(t, err)
				require.NoError(t, r.Err)
				assert.Equal(t, i, r.Message.Tag)
				queued[r.Receipt.QueueID] = true
				i++
			}
			cost := d.Stats().Sub(before)
			assert.Equal(t, n, i)
			assert.Len(t, queued, n)
			assert.Zero(t, cost.Connections, "one connection, which was there")
			t.Logf("%d messages in %d flights", n, cost.Flights)
			arrived(t, s, user, n)
			seen := map[string]int{}
			for _, raw := range overPOP(t, s, user) {
				_, rest, _ := strings.Cut(raw, "Subject: ")
				subject, _, _ := strings.Cut(rest, "\r\n")
				seen[subject]++
			}
			assert.Len(t, seen, n)
		})
	}
}

func notes(user string, n int) iter.Seq[*smtpsink.Message] {
	return func(yield func(*smtpsink.Message) bool) {
		for i := range n {
			if !yield(&smtpsink.Message{
				Envelope: &smtpsink.Envelope{From: user, To: []string{user}},
				Body:     strings.NewReader(note(fmt.Sprint("number ", i))), Tag: i,
			}) {
				return
			}
		}
	}
}

// TestHadEnough: after twenty errors Postfix says 421 and hangs up, whatever is
// under way. Each message still has its one outcome, and what was not refused is
// there once.
func TestHadEnough(t *testing.T) {
	s := postfix.Get(t)
	for _, way := range services(s) {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			user, nobody := s.NewUser(t), "nobody@"+s.Domain
			var d mailtest.CountingDialer
			sink := dial(t, s, way, user, &smtpsink.Options{Net: access.Options{Dialer: &d}})
			all := func(yield func(*smtpsink.Message) bool) {
				for m := range notes(user, 60) {
					if n := m.Tag.(int); n%30 > 0 {
						m.Envelope.To = []string{nobody}
					}
					if !yield(m) {
						return
					}
				}
			}
			n := 0
			for r, err := range sink.SendAll(bounded(t), all) {
				require.NoError(t, err)
				assert.Equal(t, n, r.Message.Tag)
				if n%30 == 0 {
					assert.NoError(t, r.Err, n)
				} else {
					assert.ErrorIs(t, r.Err, mailbox.ErrNotFound, n)
				}
				n++
			}
			assert.Equal(t, 60, n)
			connections := d.Stats().Connections
			assert.Greater(t, connections, int64(1), "it did hang up")
			assert.Less(t, connections, int64(10), "a refusal does not cost a connection")
			arrived(t, s, user, 2)
		})
	}
}
