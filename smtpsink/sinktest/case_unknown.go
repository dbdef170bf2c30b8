package sinktest

import (
	"bytes"
	"context"
	"errors"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/smtpsink"
)

func unknownCases() []testCase {
	return []testCase{
		{"unknown/lost-answer", "If the answer to a message is lost the outcome is Unknown and ErrUnknownOutcome, and it is not sent again (RFC 1047).", "LoseAnswer", unknownLostAnswer},
		{"unknown/large", "That holds for a large message, too.", "LoseAnswer", unknownLarge},
		{"unknown/next", "After a lost answer the next message goes well, and the first one is not sent again with it.", "LoseAnswer", unknownNext},
		{"unknown/waiting", "A context that ends while the answer is awaited leaves the outcome Unknown.", "StallAnswer", unknownWaiting},
		{"unknown/close-waiting", "So does a Close.", "StallAnswer", unknownCloseWaiting},
		{"unknown/cut", "A message that was cut is not sent, and that is known; or it is sent again, whole.", "CutMessage", unknownCut},
		{"unknown/cut-next", "After a cut the next message goes well.", "CutMessage", unknownCutNext},
	}
}

// wantUnknown checks the outcome of a message whose answer was lost, and that the
// server has it.
func (t *tester) wantUnknown(what string, s sent, env *smtpsink.Envelope, raw []byte) {
	t.outcome(what, s, smtpsink.Unknown, mailbox.ErrUnknownOutcome)
	if mailbox.Retryable(s.err) {
		t.Errorf("%s: %q is said to be worth another try", what, s.err)
	}
	t.wantRecipients(what, s, env, smtpsink.Unknown)
	t.expect(what, env.From, env.To, raw)
}

func unknownLostAnswer(t *tester) {
	t.h.LoseAnswer()
	env := t.envelope(2)
	t.wantUnknown("the answer is lost", t.send(t.ctx, env, bytes.NewReader(numbered(1)), nil), env, numbered(1))
}

func unknownLarge(t *tester) {
	t.h.LoseAnswer()
	env, raw := t.envelope(1), flowed(1<<20)
	t.wantUnknown("the answer is lost", t.send(t.ctx, env, bytes.NewReader(raw), nil), env, raw)
}

func unknownNext(t *tester) {
	t.ok("the message before", t.envelope(1), numbered(0), nil)
	t.h.LoseAnswer()
	env := t.envelope(2)
	t.wantUnknown("the answer is lost", t.send(t.ctx, env, bytes.NewReader(numbered(1)), nil), env, numbered(1))
	t.ok("the next message", t.envelope(1), numbered(2), nil)
	t.ok("the one after", t.envelope(1), flowed(200_000), nil)
}

// waiting sends a message whose answer does not come, does f when the server has
// taken it, and gives the result.
func (t *tester) waiting(ctx context.Context, env *smtpsink.Envelope, raw []byte, f func()) sent {
	taken := t.h.StallAnswer()
	done := t.background(ctx, env, bytes.NewReader(raw), nil)
	select {
	case <-taken:
	case s := <-done:
		t.Fatalf("Send returns before the server has answered: %v", s.err)
	case <-t.ctx.Done():
		t.Fatalf("the server does not get the message")
	}
	f()
	return t.soon("the answer does not come", done)
}

func unknownWaiting(t *tester) {
	for n, raw := range [][]byte{numbered(0), flowed(300_000), numbered(2)} {
		ctx, cancel := context.WithCancel(t.ctx)
		env := t.envelope(1 + n)
		s := t.waiting(ctx, env, raw, cancel)
		cancel()
		t.wantUnknown("the context ended while the answer was awaited", s, env, raw)
	}
	t.ok("the next message", t.envelope(1), numbered(9), nil)
}

func unknownCloseWaiting(t *tester) {
	env := t.envelope(1)
	s := t.waiting(t.ctx, env, numbered(1), func() { _ = t.sender.Close() })
	t.wantUnknown("the sender was closed while the answer was awaited", s, env, numbered(1))
}

// cut sends a message in which the connection is cut. It is larger than what the
// network takes, so that the sender has not written all of it. One that still can
// may send it again: nobody has it.
func (t *tester) cut(octets int64) {
	t.h.CutMessage(octets)
	const size = 16 << 20
	env := t.envelope(2)
	s := t.send(t.ctx, env, newFlow(size), nil)
	if s.err == nil {
		t.add(&expected{what: "a message that was sent again after a cut"}, env.From, env.To, newFlow(size))
		return
	}
	t.notSent("the connection is cut in the message", s)
	if errors.Is(s.err, mailbox.ErrUnknownOutcome) {
		t.Errorf("the error is %q, though the message was not handed over whole", s.err)
	}
}

func unknownCut(t *tester) {
	for _, octets := range []int64{1, 10_000, 200_000} {
		t.cut(octets)
	}
}

func unknownCutNext(t *tester) {
	t.cut(1000)
	t.ok("the next message", &smtpsink.Envelope{From: t.h.From, To: t.h.Recipients[3:5]}, numbered(2), nil)
}
