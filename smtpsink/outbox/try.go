package outbox

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/smtpsink"
)

// verdict is what a try means beyond the message.
type verdict struct {
	stop  error // every other message would meet this as well, until somebody acts
	pause bool  // every other message would meet this as well, for a while
	again bool  // as if it had not been tried
	// least is how long the server wants to be left alone, if it said so.
	least time.Duration
}

// mostLeast bounds that: a mistake must not stop the outbox for good.
const mostLeast = 24 * time.Hour

// try is one try to send a message to some of its recipients, and what came of
// it.
type try struct {
	to      []int
	env     *smtpsink.Envelope
	partial bool
	receipt *smtpsink.Receipt
	err     error
	cut     bool // the sender has not read the last octets
	ended   bool // the run was told to end meanwhile
}

// overall is what came of the message where nothing is known of a recipient.
func (t *try) overall() smtpsink.Outcome {
	switch {
	case errors.Is(t.err, mailbox.ErrUnknownOutcome):
		return smtpsink.Unknown
	case t.err == nil && (t.receipt == nil || t.receipt.Outcome == smtpsink.Accepted):
		return smtpsink.Accepted
	case t.receipt == nil && !t.cut && t.reply() == nil && !t.stops() && !mailbox.Retryable(t.err):
		return smtpsink.Unknown // it has broken the rules, and says nothing
	case t.receipt == nil:
		return smtpsink.NotSent
	case t.err == nil && t.receipt.Outcome == smtpsink.NotSent:
		return smtpsink.Unknown // which of the two is right?
	}
	return t.receipt.Outcome
}

// of is what came of the message for the i-th recipient tried. Where the sender
// contradicts itself nobody knows what became of it.
func (t *try) of(i int) (smtpsink.Outcome, *smtpsink.Reply) {
	outcome, reply := t.says(i)
	if outcome < smtpsink.NotSent || outcome > smtpsink.Unknown || outcome == smtpsink.Accepted && t.cut {
		outcome = smtpsink.Unknown
	}
	return outcome, reply
}

func (t *try) says(i int) (smtpsink.Outcome, *smtpsink.Reply) {
	all := t.overall()
	reply := t.reply()
	if t.receipt == nil || len(t.receipt.Recipients) != len(t.to) || t.receipt.Recipients[i].Address != t.env.To[i] {
		return all, reply
	}
	one := t.receipt.Recipients[i]
	if one.Reply != nil {
		reply = one.Reply
	}
	if one.Outcome == smtpsink.NotSent {
		switch {
		case all == smtpsink.Accepted && t.err == nil, all == smtpsink.Unknown && !t.tells(smtpsink.Unknown):
			return smtpsink.Unknown, reply
		case all == smtpsink.Rejected && !t.tells(smtpsink.Rejected):
			return smtpsink.Rejected, reply // before anything was said of recipients
		}
	}
	return one.Outcome, reply
}

func (t *try) tells(o smtpsink.Outcome) bool {
	for _, r := range t.receipt.Recipients {
		if r.Outcome == o {
			return true
		}
	}
	return false
}

// reply is the answer to the message as a whole.
func (t *try) reply() *smtpsink.Reply {
	var reply *smtpsink.Reply
	if t.receipt != nil && t.receipt.Reply != nil {
		return t.receipt.Reply
	}
	errors.As(t.err, &reply)
	return reply
}

// take takes in what came of a try.
func (s *status) take(n int, t *try, now time.Time) verdict {
	s.fit(n)
	s.Mark, s.At, s.Err = markNone, now, clipped(t.err)
	before := append([]rcpt{}, s.Rcpts...)
	var unknown, accepted, refused bool
	for i, at := range t.to {
		outcome, reply := t.of(i)
		r := rcpt{Outcome: outcome, Reply: reply}
		switch outcome {
		case smtpsink.Unknown:
			unknown = true
		case smtpsink.Accepted:
			accepted = true
		case smtpsink.Rejected:
			r.Final = lasting(reply, t.err)
			refused = refused || r.Final
		}
		s.Rcpts[at] = r
	}
	if accepted || unknown {
		s.Reply = t.reply()
		if t.receipt != nil {
			s.Queue = t.receipt.QueueID
		}
	}
	if accepted && s.Copy == copyNone {
		s.Copy = copyDue
	}
	s.Tries++
	v := verdict{}
	if throttled := (*mailbox.ThrottledError)(nil); errors.As(t.err, &throttled) {
		v.least = min(throttled.RetryAfter, mostLeast)
	}
	switch {
	case unknown && !accepted:
		// A server that answers no message would make all of them unknown.
		v.pause = true
	case accepted:
	case t.ended && !refused:
		s.Rcpts, s.Err, s.Tries = before, "", s.Tries-1
		return verdict{again: true}
	case t.stops():
		s.Rcpts, s.Tries = before, s.Tries-1
		return verdict{stop: t.err, again: true}
	case refused && !t.partial, t.overall() == smtpsink.NotSent && hopeless(t.err):
		s.Mark = markDead
	case t.overall() == smtpsink.NotSent:
		v.pause = true
	}
	return v
}

// stops reports whether an error is of the account or the server rather than of
// the message, and will last.
func (t *try) stops() bool {
	if isAny(t.err, mailbox.ErrAuth, mailbox.ErrCertificate, mailbox.ErrTLSRequired, mailbox.ErrTLSInjection, mailbox.ErrClosed) {
		return true
	}
	reply := t.reply()
	if reply == nil || reply.Code < 500 {
		return false
	}
	switch strings.ToUpper(reply.Command) {
	case "GREETING", "EHLO", "HELO", "LHLO", "STARTTLS", "AUTH":
		return true
	}
	return false
}

// lasting reports whether a refusal will last.
func lasting(reply *smtpsink.Reply, err error) bool {
	if reply != nil {
		return reply.Code >= 500
	}
	return hopeless(err)
}

// hopeless reports whether a message that was not sent for that reason never
// will be, as it is: no more than a Sender can tell without a server's word, such
// as that an address is none.
func hopeless(err error) bool {
	var network net.Error
	var system syscall.Errno
	switch {
	case errors.Is(err, errDamaged):
		return true
	case mailbox.Retryable(err), errors.As(err, &network), errors.As(err, &system):
		return false
	}
	return !isAny(err, io.EOF, io.ErrUnexpectedEOF, io.ErrNoProgress, net.ErrClosed, fs.ErrClosed, context.Canceled, context.DeadlineExceeded)
}

func isAny(err error, all ...error) bool {
	for _, e := range all {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// clipped is the text of an error as it is kept.
func clipped(err error) string {
	const most = 1 << 10
	if err == nil {
		return ""
	}
	text := err.Error()
	if len(text) > most {
		text = text[:most]
	}
	return strings.ToValidUTF8(text, "")
}
