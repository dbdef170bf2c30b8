package smtpsink

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/postroom-go/postroom/internal/mailconn"
)

const (
	// maxTries is how many connections may be lost under one message.
	maxTries = 3
	// maxRecipients is how many recipients every server takes at a time (RFC
	// 5321 section 4.5.3.1.8).
	maxRecipients = 100
)

// Send hands over one message: its header, an empty line and its body, lines
// ended by LF or CRLF. It is read once, to the end, and not closed. If reading fails
// nothing is sent. Send does not wait for a Read that blocks when ctx ends or the
// sink is closed: it may be under way still when Send returns. opts may be nil.
//
// The error is nil if the server has taken the message, for all recipients
// unless SendOptions.Partial says otherwise. The receipt is never nil, and tells
// whom it was accepted for also when there is an error. Errors are a
// *mailbox.Error around a *Reply where the server refused; around
// ErrUnknownOutcome if the message was handed over and no answer came, and then
// only somebody who can look should send it again; around ErrTooLarge,
// errors.ErrUnsupported, ErrUnavailable, ErrAuth, ErrClosed, ErrProtocol, the
// reader's or the context's own if it was not sent, or what Dial fails with where
// another connection was needed. What no server could be sent, such as a bad address
// or a NUL octet, is an error around none of these. In LMTP some recipients may be refused after
// others have got the message; the error is that of the first.
//
// A connection that turns out to be lost is replaced without a word as long as
// nothing of the message can have been taken. With Partial, a message for more
// recipients than the server takes at a time is handed over several times, if it
// is short or an io.Seeker.
func (k *Sink) Send(ctx context.Context, env *Envelope, message io.Reader, opts *SendOptions) (*Receipt, error) {
	ctx, cancel := k.bound(ctx)
	defer cancel()
	t := newTransaction(env, patiently(ctx, message), opts)
	if !t.done {
		if t.opts.Partial && (t.whole || t.start >= 0) {
			k.sendParts(ctx, t)
		} else {
			k.send(ctx, t)
		}
	}
	t.recycle()
	return t.receipt, opError(t.err)
}

// send sends one transaction.
func (k *Sink) send(ctx context.Context, t *transaction) {
	for fresh := false; ; fresh = true {
		s, err := k.turn(ctx, fresh)
		if err != nil {
			t.fail(err)
			return
		}
		if k.isCareful() {
			s.forgo()
		}
		old := s.rested || k.opts.Interval > 0
		again := s.sendOne(ctx, t)
		cause, asking := s.over(), s.isAsking()
		k.release(s)
		if !again {
			return
		}
		t.tries++
		if errors.Is(cause, errTakesBodies) || asking && !old {
			k.beCareful()
			old = true
		}
		if ctx.Err() != nil {
			cause = mailconn.ContextError(ctx)
		}
		if !t.replayable() || !old || t.tries == maxTries || ctx.Err() != nil {
			t.fail(fmt.Errorf("nothing was sent: %w", cause))
			return
		}
		k.log(ctx, "SMTP connection lost, making another", cause)
	}
}

// turn is acquire when the next message may begin.
func (k *Sink) turn(ctx context.Context, fresh bool) (*session, error) {
	if err := k.lull(ctx); err != nil {
		return nil, err
	}
	s, err := k.acquire(ctx, fresh)
	if err != nil {
		return nil, err
	}
	if err := k.pace(ctx); err != nil {
		k.release(s)
		return nil, err
	}
	return s, nil
}

// sendOne sends one transaction and waits for what becomes of it; again says that
// it was not sent, since the session is over.
func (s *session) sendOne(ctx context.Context, t *transaction) (again bool) {
	if err := t.suits(&s.caps); err != nil {
		t.fail(err)
		return false
	}
	s.begun++
	release := s.bind(ctx)
	defer func() { _ = release() }()
	err := s.transmit(t, false)
	if err == nil {
		err = s.await(func() bool { return t.done })
	}
	if err == nil {
		return false
	}
	return t.settle(s)
}

// sendParts sends a transaction to as many recipients at a time as the server
// takes. Those of whom it does not want to hear just now come next.
func (k *Sink) sendParts(ctx context.Context, t *transaction) {
	limit := maxRecipients
	if n := k.Caps().MaxRecipients; n > 0 {
		limit = n
	}
	rest := make([]int, len(t.to))
	for i := range rest {
		rest[i] = i
	}
	var rejected error
	for first := true; len(rest) > 0 && t.err == nil; first = false {
		if !first {
			if t.err = t.rewind(); t.err != nil {
				break
			}
		}
		some := rest[:min(limit, len(rest))]
		rest = rest[len(some):]
		part := t.part(some)
		k.send(ctx, part)
		if surplus := t.merge(part, some); len(surplus) > 0 {
			rest = append(surplus, rest...)
			limit = len(some) - len(surplus)
		}
		switch part.receipt.Outcome {
		case Rejected:
			rejected = part.err
		case NotSent, Unknown:
			t.err = part.err
		}
	}
	if t.err == nil && t.receipt.Outcome != Accepted {
		t.err = rejected
	}
}

// part is the transaction for some of the recipients.
func (t *transaction) part(some []int) *transaction {
	env := &Envelope{From: t.env.From}
	o := &order{env: env, opts: t.opts, from: t.from, utf8: t.utf8}
	p := &transaction{order: o, src: t.src, first: t.first, whole: t.whole, receipt: &Receipt{}}
	for _, i := range some {
		env.To = append(env.To, t.env.To[i])
		o.to = append(o.to, t.to[i])
		p.receipt.Recipients = append(p.receipt.Recipients, Recipient{Address: t.env.To[i]})
	}
	return p
}

// merge adds what became of a part to the receipt. surplus are those who were
// one too many.
func (t *transaction) merge(p *transaction, some []int) (surplus []int) {
	all, part := t.receipt, p.receipt
	for j, i := range some {
		rcpt := part.Recipients[j]
		all.Recipients[i] = rcpt
		if part.Outcome == Accepted && rcpt.Outcome == Rejected && rcpt.Reply.tooMany() {
			surplus = append(surplus, i)
		}
	}
	rank := func(o Outcome) int { return [...]int{NotSent: 0, Rejected: 1, Accepted: 2, Unknown: 3}[o] }
	if rank(part.Outcome) >= rank(all.Outcome) {
		all.Outcome, all.Reply = part.Outcome, part.Reply
	}
	if all.QueueID == "" {
		all.QueueID = part.QueueID
	}
	all.Octets = max(all.Octets, part.Octets)
	return surplus
}

// rewind begins to read the message anew.
func (t *transaction) rewind() error {
	if t.whole {
		return nil
	}
	if _, err := t.src.src.(io.Seeker).Seek(t.start, io.SeekStart); err != nil {
		return fmt.Errorf("reading the message again: %w", err)
	}
	t.src = &content{src: t.src.src, binary: t.opts.Binary, keep: t.opts.KeepBcc}
	var err error
	if t.first, err = t.src.next(); err == io.EOF {
		t.whole, err = true, nil
	}
	return err
}
