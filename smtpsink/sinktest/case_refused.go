package sinktest

import (
	"bytes"
	"errors"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/smtpsink"
)

func refusedCases() []testCase {
	return []testCase{
		{"refused/all-or-nothing", "If one recipient is refused nobody gets the message, and the receipt tells who it was.", "RefuseRecipient", refusedAllOrNothing},
		{"refused/partial", "With Partial the others get it, there is no error, and the receipt tells who does not.", "RefuseRecipient", refusedPartial},
		{"refused/everybody", "With Partial, too, it is an error if nobody is left.", "RefuseRecipient", refusedEverybody},
		{"refused/for-now", "A refusal for now can be told from one for good (RFC 5321 section 4.2.1).", "RefuseRecipient", refusedForNow},
		{"refused/next", "Who was refused or left out is no recipient of the next message (RFC 5321 section 4.1.1.5).", "RefuseRecipient", refusedNext},
		{"refused/large", "A large message is refused as a small one is.", "RefuseRecipient", refusedLarge},
		{"refused/message", "A message that the server refuses is Rejected, for everybody, and its reason is told.", "RefuseMessage", refusedMessage},
		{"refused/message-next", "After a refused message the next one goes well.", "RefuseMessage", refusedMessageNext},
	}
}

// wantReply checks that an error is a server's refusal.
func (t *tester) wantReply(what string, err error, temporary bool) {
	var r *smtpsink.Reply
	switch {
	case !errors.As(err, &r):
		t.Errorf("%s: the error is %q, which is no *Reply", what, err)
	case r.Code < 400 || r.Temporary() != temporary:
		t.Errorf("%s: the reply is %v, want temporary to be %t", what, r, temporary)
	case mailbox.Retryable(err) != temporary:
		t.Errorf("%s: Retryable is %t of %q", what, !temporary, err)
	}
	if errors.Is(err, mailbox.ErrUnknownOutcome) {
		t.Errorf("%s: the error is %q, though the answer is known", what, err)
	}
}

func refusedAllOrNothing(t *tester) {
	for nth := range 3 {
		t.h.RefuseRecipient(nth, false)
		env := t.envelope(3)
		s := t.send(t.ctx, env, bytes.NewReader(numbered(nth)), nil)
		t.outcome("a recipient is refused", s, smtpsink.Rejected)
		t.wantReply("a recipient is refused", s.err, false)
		want := []smtpsink.Outcome{smtpsink.NotSent, smtpsink.NotSent, smtpsink.NotSent}
		want[nth] = smtpsink.Rejected
		t.wantRecipients("a recipient is refused", s, env, want...)
		if refused := s.receipt.Refused(); !s.untold && (len(refused) != 1 || refused[0].Address != env.To[nth] || refused[0].Reply == nil) {
			t.Errorf("recipient %d is refused, and the receipt has %+v", nth, refused)
		}
	}
}

func refusedPartial(t *tester) {
	for nth := range 3 {
		t.h.RefuseRecipient(nth, false)
		env := t.envelope(3)
		s := t.send(t.ctx, env, bytes.NewReader(numbered(nth)), &smtpsink.SendOptions{Partial: true})
		if s.err != nil {
			t.Errorf("a recipient is refused: %v", s.err)
			continue
		}
		if s.receipt.Outcome != smtpsink.Accepted {
			t.Errorf("the outcome is %q, though two got the message", s.receipt.Outcome)
		}
		want := []smtpsink.Outcome{smtpsink.Accepted, smtpsink.Accepted, smtpsink.Accepted}
		want[nth] = smtpsink.Rejected
		t.wantRecipients("a recipient is refused", s, env, want...)
		if refused := s.receipt.Refused(); len(refused) == 1 && refused[0].Reply == nil {
			t.Errorf("the refused recipient has no reply")
		}
		var others []string
		for i, to := range env.To {
			if i != nth {
				others = append(others, to)
			}
		}
		t.expect("a message for two of three", env.From, others, numbered(nth))
	}
}

func refusedEverybody(t *tester) {
	for _, opts := range []*smtpsink.SendOptions{nil, {Partial: true}} {
		t.h.RefuseRecipient(0, false)
		t.h.RefuseRecipient(1, false)
		env := t.envelope(2)
		s := t.send(t.ctx, env, bytes.NewReader(numbered(1)), opts)
		t.outcome("everybody is refused", s, smtpsink.Rejected)
		t.wantReply("everybody is refused", s.err, false)
		t.wantRecipients("everybody is refused", s, env, smtpsink.Rejected)
	}
}

func refusedForNow(t *tester) {
	t.h.RefuseRecipient(0, true)
	env := t.envelope(1)
	s := t.send(t.ctx, env, bytes.NewReader(numbered(1)), nil)
	t.outcome("a recipient is refused for now", s, smtpsink.Rejected)
	t.wantReply("a recipient is refused for now", s.err, true)
	if refused := s.receipt.Refused(); !s.untold && (len(refused) != 1 || refused[0].Reply == nil || !refused[0].Reply.Temporary()) {
		t.Errorf("a recipient is refused for now, and the receipt has %+v", refused)
	}
}

func refusedNext(t *tester) {
	for n, opts := range []*smtpsink.SendOptions{nil, {Partial: true}} {
		t.h.RefuseRecipient(1, false)
		env := t.envelope(2)
		s := t.send(t.ctx, env, bytes.NewReader(numbered(n)), opts)
		if s.err == nil {
			t.expect("a message for one of two", env.From, env.To[:1], numbered(n))
		}
		next := &smtpsink.Envelope{From: t.h.From, To: t.h.Recipients[2:4]}
		t.ok("the message after that", next, numbered(10+n), nil)
	}
}

func refusedLarge(t *tester) {
	t.h.RefuseRecipient(0, false)
	s := t.send(t.ctx, t.envelope(1), newFlow(4<<20), nil)
	t.outcome("a recipient is refused", s, smtpsink.Rejected)
	t.ok("the message after that", t.envelope(1), flowed(300_000), nil)
}

func refusedMessage(t *tester) {
	for _, temporary := range []bool{false, true} {
		for _, opts := range []*smtpsink.SendOptions{nil, {Partial: true}} {
			t.h.RefuseMessage(temporary)
			env := t.envelope(2)
			s := t.send(t.ctx, env, bytes.NewReader(flowed(200_000)), opts)
			t.outcome("the message is refused", s, smtpsink.Rejected)
			t.wantReply("the message is refused", s.err, temporary)
			t.wantRecipients("the message is refused", s, env, smtpsink.Rejected)
			if r := s.receipt.Reply; !s.untold && (r == nil || r.Code < 400) {
				t.Errorf("the message is refused, and the receipt's reply is %v", r)
			}
		}
	}
}

func refusedMessageNext(t *tester) {
	t.h.RefuseMessage(false)
	_ = t.send(t.ctx, t.envelope(2), bytes.NewReader(numbered(1)), nil)
	t.ok("the message after that", &smtpsink.Envelope{From: t.h.From, To: t.h.Recipients[4:6]}, numbered(2), nil)
}
