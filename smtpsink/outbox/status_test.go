package outbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/internal/journal"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/smtpsink"
)

const (
	notSent  = smtpsink.NotSent
	accepted = smtpsink.Accepted
	rejected = smtpsink.Rejected
	unknown  = smtpsink.Unknown
)

// answers makes a receipt: outcomes of ann, bob and eve, and codes of those that
// were refused.
func answers(all smtpsink.Outcome, outcomes []smtpsink.Outcome, codes ...int) *smtpsink.Receipt {
	r := &smtpsink.Receipt{Outcome: all}
	for i, o := range outcomes {
		one := smtpsink.Recipient{Address: three().To[i], Outcome: o}
		if o == rejected && len(codes) > 0 {
			one.Reply, codes = reply("RCPT", codes[0]), codes[1:]
		}
		r.Recipients = append(r.Recipients, one)
	}
	return r
}

func three() *smtpsink.Envelope { return to("ann@example.org", "bob@example.com", "eve@example.net") }

// TestTake is what each answer means for the message and for the run.
func TestTake(t *testing.T) {
	type outcomes = []smtpsink.Outcome
	wrap := func(err error) error { return &mailbox.Error{Op: "send", Err: err} }
	for _, c := range []struct {
		name    string
		partial bool
		ended   bool
		cut     bool // the sender has not read all of it
		receipt *smtpsink.Receipt
		err     error
		want    outcomes // of the recipients
		pending int      // recipients that are tried again
		mark    mark
		verdict verdict
		tries   int
	}{
		{name: "all took it", receipt: answers(accepted, outcomes{accepted, accepted, accepted}), want: outcomes{accepted, accepted, accepted}, tries: 1},
		{name: "no receipt, no error", want: outcomes{accepted, accepted, accepted}, tries: 1},
		{name: "no receipt of recipients", receipt: &smtpsink.Receipt{Outcome: accepted}, want: outcomes{accepted, accepted, accepted}, tries: 1},
		{name: "receipt of other recipients", receipt: answers(accepted, outcomes{accepted}), want: outcomes{accepted, accepted, accepted}, tries: 1},
		{name: "taken, though the end of the session failed", receipt: answers(accepted, outcomes{accepted, accepted, accepted}), err: wrap(io.EOF),
			want: outcomes{accepted, accepted, accepted}, tries: 1},
		{name: "no error, and nothing sent", receipt: answers(notSent, outcomes{notSent, notSent, notSent}), want: outcomes{unknown, unknown, unknown}, verdict: verdict{pause: true}, tries: 1},
		{name: "no error, and one not sent", receipt: answers(accepted, outcomes{accepted, notSent, accepted}), want: outcomes{accepted, unknown, accepted}, tries: 1},

		{name: "answer lost", receipt: answers(unknown, outcomes{unknown, unknown, unknown}), err: wrap(mailbox.ErrUnknownOutcome), want: outcomes{unknown, unknown, unknown}, verdict: verdict{pause: true}, tries: 1},
		{name: "answer lost, no receipt", err: wrap(mailbox.ErrUnknownOutcome), want: outcomes{unknown, unknown, unknown}, verdict: verdict{pause: true}, tries: 1},
		{name: "answer lost, receipt says nothing", receipt: answers(notSent, outcomes{notSent, notSent, notSent}), err: wrap(mailbox.ErrUnknownOutcome),
			want: outcomes{unknown, unknown, unknown}, verdict: verdict{pause: true}, tries: 1},
		{name: "answer lost as the run ends", ended: true, err: errors.Join(mailbox.ErrUnknownOutcome, context.Canceled), want: outcomes{unknown, unknown, unknown}, verdict: verdict{pause: true}, tries: 1},
		{name: "answers lost of some", receipt: answers(unknown, outcomes{accepted, unknown, rejected}, 550), err: wrap(mailbox.ErrUnknownOutcome),
			want: outcomes{accepted, unknown, rejected}, tries: 1},
		{name: "answer lost, one was to come later", receipt: answers(unknown, outcomes{unknown, notSent, accepted}), err: wrap(mailbox.ErrUnknownOutcome),
			want: outcomes{unknown, notSent, accepted}, pending: 1, tries: 1},
		{name: "sender closed, and answer lost", err: errors.Join(mailbox.ErrClosed, mailbox.ErrUnknownOutcome), want: outcomes{unknown, unknown, unknown}, verdict: verdict{pause: true}, tries: 1},

		{name: "no receipt, and an error behind the last octet", err: io.ErrUnexpectedEOF, want: outcomes{unknown, unknown, unknown}, verdict: verdict{pause: true}, tries: 1},
		{name: "the same as the run ends", ended: true, err: context.Canceled, want: outcomes{unknown, unknown, unknown}, verdict: verdict{pause: true}, tries: 1},
		{name: "the same, known to be not sent", err: unavailable(), want: outcomes{notSent, notSent, notSent}, pending: 3, verdict: verdict{pause: true}, tries: 1},
		{name: "the same, refused", err: wrap(reply("message", 451)), want: outcomes{notSent, notSent, notSent}, pending: 3, verdict: verdict{pause: true}, tries: 1},
		{name: "taken, and not read", cut: true, receipt: answers(accepted, outcomes{accepted, accepted, rejected}, 550), want: outcomes{unknown, unknown, rejected}, verdict: verdict{pause: true}, tries: 1},
		{name: "outcomes that are none", receipt: answers(accepted, outcomes{accepted, 17, -1}), want: outcomes{accepted, unknown, unknown}, tries: 1},
		{name: "no outcome of the whole", receipt: &smtpsink.Receipt{Outcome: 99}, want: outcomes{unknown, unknown, unknown}, verdict: verdict{pause: true}, tries: 1},

		{name: "refused for now", receipt: answers(rejected, outcomes{rejected, notSent, notSent}, 450), err: wrap(reply("RCPT", 450)),
			want: outcomes{rejected, notSent, notSent}, pending: 3, tries: 1},
		{name: "refused for good", receipt: answers(rejected, outcomes{rejected, notSent, notSent}, 550), err: wrap(reply("RCPT", 550)),
			want: outcomes{rejected, notSent, notSent}, pending: 2, mark: markDead, tries: 1},
		{name: "one for now, one for good", receipt: answers(rejected, outcomes{rejected, rejected, notSent}, 450, 550), err: wrap(reply("RCPT", 450)),
			want: outcomes{rejected, rejected, notSent}, pending: 2, mark: markDead, tries: 1},
		{name: "sender refused for now", receipt: &smtpsink.Receipt{Outcome: rejected, Reply: reply("MAIL", 451), Recipients: answers(notSent, outcomes{notSent, notSent, notSent}).Recipients},
			err: wrap(reply("MAIL", 451)), want: outcomes{rejected, rejected, rejected}, pending: 3, tries: 1},
		{name: "sender refused for good", receipt: &smtpsink.Receipt{Outcome: rejected, Reply: reply("MAIL", 550), Recipients: answers(notSent, outcomes{notSent, notSent, notSent}).Recipients},
			err: wrap(reply("MAIL", 550)), want: outcomes{rejected, rejected, rejected}, mark: markDead, tries: 1},
		{name: "refused without a word", receipt: &smtpsink.Receipt{Outcome: rejected}, err: errors.New("no"), want: outcomes{rejected, rejected, rejected}, mark: markDead, tries: 1},
		{name: "refused, unavailable", receipt: &smtpsink.Receipt{Outcome: rejected}, err: wrap(mailbox.ErrUnavailable), want: outcomes{rejected, rejected, rejected}, pending: 3, tries: 1},

		{name: "some, for now", partial: true, receipt: answers(accepted, outcomes{accepted, rejected, accepted}, 450), want: outcomes{accepted, rejected, accepted}, pending: 1, tries: 1},
		{name: "some, for good", partial: true, receipt: answers(accepted, outcomes{accepted, rejected, accepted}, 550), want: outcomes{accepted, rejected, accepted}, tries: 1},
		{name: "some, the rest not sent", partial: true, receipt: answers(accepted, outcomes{accepted, notSent, notSent}), err: unavailable(),
			want: outcomes{accepted, notSent, notSent}, pending: 2, tries: 1},
		{name: "none, one for now", partial: true, receipt: answers(rejected, outcomes{rejected, rejected, rejected}, 450, 550, 550), err: wrap(reply("RCPT", 450)),
			want: outcomes{rejected, rejected, rejected}, pending: 1, tries: 1},
		{name: "some, and then the account was locked", partial: true, receipt: answers(accepted, outcomes{accepted, notSent, notSent}), err: wrap(mailbox.ErrAuth),
			want: outcomes{accepted, notSent, notSent}, pending: 2, tries: 1},

		{name: "not reached", cut: true, err: unavailable(), want: outcomes{notSent, notSent, notSent}, pending: 3, verdict: verdict{pause: true}, tries: 1},
		{name: "throttled", cut: true, err: &mailbox.ThrottledError{Err: errors.New("slowly")}, want: outcomes{notSent, notSent, notSent}, pending: 3, verdict: verdict{pause: true}, tries: 1},
		{name: "network", cut: true, err: &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, want: outcomes{notSent, notSent, notSent}, pending: 3, verdict: verdict{pause: true}, tries: 1},
		{name: "cut", cut: true, err: fmt.Errorf("read: %w", io.ErrUnexpectedEOF), want: outcomes{notSent, notSent, notSent}, pending: 3, verdict: verdict{pause: true}, tries: 1},
		{name: "a time limit of the sender's", cut: true, err: context.DeadlineExceeded, want: outcomes{notSent, notSent, notSent}, pending: 3, verdict: verdict{pause: true}, tries: 1},
		{name: "greeting 421", cut: true, err: wrap(reply("greeting", 421)), want: outcomes{notSent, notSent, notSent}, pending: 3, verdict: verdict{pause: true}, tries: 1},
		{name: "bad address", cut: true, err: errors.New("the address has no domain"), want: outcomes{notSent, notSent, notSent}, pending: 3, mark: markDead, tries: 1},
		{name: "unsupported", cut: true, err: wrap(errors.ErrUnsupported), want: outcomes{notSent, notSent, notSent}, pending: 3, mark: markDead, tries: 1},
		{name: "too large", cut: true, err: wrap(mailbox.ErrTooLarge), want: outcomes{notSent, notSent, notSent}, pending: 3, mark: markDead, tries: 1},
		{name: "run ends", cut: true, ended: true, err: context.Canceled, want: nil, pending: 3, verdict: verdict{again: true}},
		{name: "refused for good as the run ends", ended: true, receipt: answers(rejected, outcomes{rejected, notSent, notSent}, 550), err: wrap(reply("RCPT", 550)),
			want: outcomes{rejected, notSent, notSent}, pending: 2, mark: markDead, tries: 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &status{}
			v := s.take(3, &try{to: []int{0, 1, 2}, env: three(), partial: c.partial, receipt: c.receipt, err: c.err, ended: c.ended, cut: c.cut}, time.Now())
			var got outcomes
			for _, r := range s.Rcpts {
				got = append(got, r.Outcome)
			}
			if c.want == nil {
				c.want = outcomes{notSent, notSent, notSent}
			}
			assert.Equal(t, c.want, got)
			assert.Len(t, s.pending(3), c.pending)
			assert.Equal(t, c.mark, s.Mark)
			assert.Equal(t, c.verdict, v)
			assert.Equal(t, c.tries, s.Tries)
			assert.Equal(t, s.any(accepted), s.Copy == copyDue)
		})
	}
}

// TestTakeStops: what every message would meet ends the run, and costs this one
// nothing.
func TestTakeStops(t *testing.T) {
	for _, err := range []error{
		mailbox.ErrAuth, mailbox.ErrCertificate, mailbox.ErrTLSRequired, mailbox.ErrTLSInjection, mailbox.ErrClosed,
		reply("AUTH", 535), reply("MAIL", 530), reply("greeting", 554), reply("EHLO", 550), reply("STARTTLS", 501),
	} {
		t.Run(err.Error(), func(t *testing.T) {
			s := &status{}
			err = &mailbox.Error{Op: "send", Err: err}
			v := s.take(3, &try{to: []int{0, 1, 2}, env: three(), err: err}, time.Now())
			assert.Equal(t, verdict{stop: err, again: true}, v)
			assert.Zero(t, s.Tries)
			assert.Len(t, s.pending(3), 3)
			assert.Equal(t, markNone, s.Mark)
		})
	}
}

// TestTakeSome tries two of three again: the third stays as it was.
func TestTakeSome(t *testing.T) {
	s := &status{Rcpts: []rcpt{{Outcome: rejected, Reply: reply("RCPT", 450)}, {Outcome: accepted}, {Outcome: notSent}}}
	require.Equal(t, []int{0, 2}, s.pending(3))
	env := to("ann@example.org", "eve@example.net")
	r := &smtpsink.Receipt{Outcome: accepted, QueueID: "Q2", Recipients: []smtpsink.Recipient{
		{Address: "ann@example.org", Outcome: rejected, Reply: reply("RCPT", 550)}, {Address: "eve@example.net", Outcome: accepted},
	}}
	s.take(3, &try{to: []int{0, 2}, env: env, partial: true, receipt: r}, time.Now())
	assert.Equal(t, []rcpt{{Outcome: rejected, Reply: reply("RCPT", 550), Final: true}, {Outcome: accepted}, {Outcome: accepted}}, s.Rcpts)
	assert.Equal(t, "Q2", s.Queue)
	assert.Empty(t, s.pending(3))
}

// TestUnsure: of what was being handed over when the program ended nobody knows;
// of the others it is known.
func TestUnsure(t *testing.T) {
	s := &status{Mark: markSending, Rcpts: []rcpt{{Outcome: accepted}, {Outcome: rejected}, {Outcome: rejected, Final: true}, {}}}
	s.unsure(4)
	assert.Equal(t, &status{Rcpts: []rcpt{{Outcome: accepted}, {Outcome: unknown}, {Outcome: rejected, Final: true}, {Outcome: unknown}}}, s)
}

// TestRecord: what servers said is cut before a record is too long for the
// journal, and what became of each recipient never is.
func TestRecord(t *testing.T) {
	s := &status{ID: newID(), Mark: markDead, Keyed: true, Tries: 3, At: time.Now().UTC().Round(0), Queue: "q\"", Err: strings.Repeat("é", 500)}
	for i := range mostRecipients {
		r := reply("RCPT", 450+100*(i%2))
		r.Text, r.Enhanced = strings.Repeat("<", 1024), "5.1.1"
		s.Rcpts = append(s.Rcpts, rcpt{Outcome: rejected, Reply: r, Final: i%2 == 1})
	}
	record, err := s.record()
	require.NoError(t, err)
	require.LessOrEqual(t, len(record), journal.MaxRecord)
	got, err := parseStatus(record)
	require.NoError(t, err)
	for i := range s.Rcpts {
		require.Equal(t, rejected, got.Rcpts[i].Outcome)
		require.Equal(t, s.Rcpts[i].Final, got.Rcpts[i].Final)
		require.Equal(t, s.Rcpts[i].Reply.Code, got.Rcpts[i].Reply.Code)
	}
	got.Rcpts, s.Rcpts = nil, nil
	require.Equal(t, s, got)
}

func TestRecordRefused(t *testing.T) {
	good := `{"id":"00112233445566778899aabbccddeeff"`
	_, err := parseStatus([]byte(good + "}"))
	require.NoError(t, err, "control")
	for _, record := range []string{
		"", "{}", "[]", "null", good, good + "}x", good + `,"later":1}`, good + `,"mark":"later"}`, good + `,"copy":"x"}`,
		good + `,"rcpts":[{"o":4}]}`, good + `,"rcpts":[{"o":-1}]}`, `{"id":"../../../../../../etc/passwd/...."}`,
		`{"id":"00112233445566778899AABBCCDDEEFF"}`,
	} {
		_, err := parseStatus([]byte(record))
		require.ErrorIs(t, err, errRecord, record)
	}
}
