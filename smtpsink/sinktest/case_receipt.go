package sinktest

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"unicode"

	"github.com/postroom-go/postroom/smtpsink"
)

func receiptCases() []testCase {
	return []testCase{
		{"receipt/accepted", "A message that was taken is Accepted, for each recipient, in the envelope's order.", "", receiptAccepted},
		{"receipt/never-nil", "The receipt is never nil, and names the recipients in the envelope's order even if nothing was sent.", "", receiptNeverNil},
		{"receipt/octets", "Octets is the size of what was handed over, and not above 0 if nothing was.", "", receiptOctets},
		{"receipt/own", "A receipt is the caller's: later calls do not change it.", "", receiptOwn},
		{"receipt/clean", "QueueID and the server's texts have no control characters and are short.", "", receiptClean},
	}
}

// wantRecipients compares a receipt's recipients with the envelope's.
func (t *tester) wantRecipients(what string, s sent, env *smtpsink.Envelope, want ...smtpsink.Outcome) {
	if !s.untold {
		t.recipients(what, s.receipt, env, want...)
	}
}

func (t *tester) recipients(what string, receipt *smtpsink.Receipt, env *smtpsink.Envelope, want ...smtpsink.Outcome) {
	if len(receipt.Recipients) != len(env.To) {
		t.Errorf("%s: the receipt has %d recipients, want %d", what, len(receipt.Recipients), len(env.To))
		return
	}
	for i, rcpt := range receipt.Recipients {
		if rcpt.Address != env.To[i] {
			t.Errorf("%s: recipient %d of the receipt is %q, want %q", what, i, rcpt.Address, env.To[i])
		}
		if len(want) > 0 && rcpt.Outcome != want[min(i, len(want)-1)] {
			t.Errorf("%s: the outcome for recipient %d is %q, want %q", what, i, rcpt.Outcome, want[min(i, len(want)-1)])
		}
	}
}

func receiptAccepted(t *tester) {
	env := &smtpsink.Envelope{From: t.h.From, To: []string{t.h.Recipients[7], t.h.Recipients[1], t.h.Recipients[4]}}
	for _, opts := range []*smtpsink.SendOptions{nil, {Partial: true}} {
		receipt := t.ok("a message", env, numbered(1), opts)
		if receipt.Outcome != smtpsink.Accepted {
			t.Errorf("the outcome is %q, want accepted", receipt.Outcome)
		}
		if receipt.Reply != nil && receipt.Reply.Code >= 400 {
			t.Errorf("the message is accepted with %v", receipt.Reply)
		}
		if refused := receipt.Refused(); len(refused) > 0 {
			t.Errorf("%d recipients count as refused", len(refused))
		}
		t.recipients("a message", receipt, env, smtpsink.Accepted)
	}
}

func receiptNeverNil(t *tester) {
	over, cancel := context.WithCancel(t.ctx)
	cancel()
	good := t.envelope(2)
	check := func(what string, receipt *smtpsink.Receipt, env *smtpsink.Envelope, err error) {
		switch {
		case err == nil:
			t.Errorf("%s: no error", what)
		case receipt == nil:
			t.Errorf("%s: the receipt is nil", what)
		case env != nil:
			t.recipients(what, receipt, env, smtpsink.NotSent)
		}
	}
	for what, env := range map[string]*smtpsink.Envelope{"no recipients": {From: t.h.From}, "no envelope": nil} {
		receipt, err := t.sender.Send(t.ctx, env, bytes.NewReader(numbered(1)), nil)
		check(what, receipt, env, err)
	}
	receipt, err := t.sender.Send(t.ctx, good, failing{}, nil)
	check("a reader that fails", receipt, good, err)
	receipt, err = t.sender.Send(over, good, bytes.NewReader(numbered(1)), nil)
	check("a context that has ended", receipt, good, err)
	_ = t.sender.Close()
	receipt, err = t.sender.Send(t.ctx, good, bytes.NewReader(numbered(1)), nil)
	check("a closed sender", receipt, good, err)
}

func receiptOctets(t *tester) {
	for _, raw := range [][]byte{numbered(1), flowed(300_000)} {
		receipt := t.ok("a message", t.envelope(1), raw, nil)
		if receipt.Octets != int64(len(raw)) {
			t.Errorf("of a message of %d octets %d were handed over", len(raw), receipt.Octets)
		}
	}
	s := t.send(t.ctx, t.envelope(1), failing{}, nil)
	if s.receipt.Octets > 0 {
		t.Errorf("of a message that could not be read %d octets were handed over", s.receipt.Octets)
	}
}

func receiptOwn(t *tester) {
	env := t.envelope(2)
	first := t.ok("a message", env, numbered(1), nil)
	was, recipients := *first, slices.Clone(first.Recipients)
	for n := range 5 {
		t.ok("another message", t.envelope(1), numbered(10+n), nil)
	}
	if first.Outcome != was.Outcome || first.QueueID != was.QueueID || !slices.Equal(first.Recipients, recipients) {
		t.Errorf("the receipt is %+v after other calls, and was %+v", *first, was)
	}
}

func receiptClean(t *tester) {
	receipt := t.ok("a message", t.envelope(1), numbered(1), nil)
	texts := []string{receipt.QueueID}
	replies := []*smtpsink.Reply{receipt.Reply}
	for _, rcpt := range receipt.Recipients {
		replies = append(replies, rcpt.Reply)
	}
	for _, r := range replies {
		if r != nil {
			texts = append(texts, r.Text, r.Command)
		}
	}
	for _, text := range texts {
		if strings.ContainsFunc(text, unicode.IsControl) || len(text) > 1<<10 {
			t.Errorf("the receipt has %.2000q", text)
		}
	}
}
