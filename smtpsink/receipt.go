package smtpsink

import (
	"fmt"
	"strings"

	"github.com/postroom-go/postroom/mailbox"
)

// Outcome is what became of a message, or of one recipient's.
type Outcome int

// The outcomes.
const (
	// NotSent: it was not handed over, and nothing is on its way. Where the
	// reason is temporary, trying again is safe.
	NotSent Outcome = iota
	// Accepted: the server has taken the responsibility for it.
	Accepted
	// Rejected: the server has refused it, for now or for good.
	Rejected
	// Unknown: it was handed over and the answer was lost. Sending it again
	// may send it twice.
	Unknown
)

// String names the outcome.
func (o Outcome) String() string {
	switch o {
	case NotSent:
		return "not sent"
	case Accepted:
		return "accepted"
	case Rejected:
		return "rejected"
	case Unknown:
		return "unknown"
	}
	return fmt.Sprintf("Outcome(%d)", int(o))
}

// Receipt is what is known of a message that was to be sent.
type Receipt struct {
	// Outcome is Accepted if the server took it for at least one recipient.
	Outcome Outcome
	// QueueID is what the server calls the message, if it said so: what its
	// administrator looks for. It is clean and short.
	QueueID string
	// Reply is the server's answer to the message as a whole, or what it
	// refused it with before; nil if there was none.
	Reply *Reply
	// Recipients are in the order of Envelope.To.
	Recipients []Recipient
	// Octets is how many octets of the message were handed over.
	Octets int64
}

// Recipient is what became of a message for one recipient.
type Recipient struct {
	// Address is as it stands in the envelope.
	Address string
	Outcome Outcome
	// Reply is the server's answer; nil if there was none of his own.
	Reply *Reply
}

// Refused are the recipients that the server refused.
func (r *Receipt) Refused() []Recipient {
	var refused []Recipient
	for _, rcpt := range r.Recipients {
		if rcpt.Outcome == Rejected {
			refused = append(refused, rcpt)
		}
	}
	return refused
}

// Reply is a server's answer (RFC 5321 section 4.2). A refusal is an error, for
// errors.As; what it means is told by errors.Is with ErrAuth, ErrPermission,
// ErrNotFound, ErrQuota, ErrTooLarge, ErrThrottled and ErrUnavailable of package
// mailbox. One that is none of them was refused for good.
type Reply struct {
	// Command is what it answers, such as "RCPT"; "greeting", and "message"
	// for the answer to the message itself.
	Command string
	// Code is the reply code, 200 to 599.
	Code int
	// Enhanced is the enhanced status code (RFC 3463), such as "5.1.1"; empty
	// if there is none.
	Enhanced string
	// Text is what the server said, cleaned of control characters and cut at 1
	// KiB. Before TLS is on it is left out: anybody could have written it.
	Text string
}

// Temporary reports whether it is a refusal that may not last (4yz).
func (r *Reply) Temporary() bool { return r.Code >= 400 && r.Code < 500 }

// tooMany reports whether a recipient was refused only because there were so many
// before him (RFC 5321 section 4.5.3.1.10).
func (r *Reply) tooMany() bool {
	return r != nil && (r.Code == 452 || r.Code == 451 || r.Code == 552) && (r.Enhanced == "4.5.3" || r.Enhanced == "5.5.3" || r.Enhanced == "")
}

// Error says what was answered, and what the server said about it.
func (r *Reply) Error() string {
	var b strings.Builder
	b.WriteString(r.Command)
	switch {
	case r.Code >= 400:
		b.WriteString(" refused")
	default:
		b.WriteString(" answered")
	}
	fmt.Fprintf(&b, " %d", r.Code)
	if r.Enhanced != "" {
		b.WriteString(" " + r.Enhanced)
	}
	if r.Text != "" {
		fmt.Fprintf(&b, ": server said %q", r.Text)
	}
	return b.String()
}

// Is tells errors.Is what a refusal means. The enhanced code is more to the
// point than the code, where there is one (RFC 3463 section 3, RFC 5248).
func (r *Reply) Is(target error) bool {
	return r.Code >= 400 && target == r.meaning()
}

func (r *Reply) meaning() error {
	_, detail, _ := strings.Cut(r.Enhanced, ".")
	switch {
	case r.Code == 534 || r.Code == 535 || r.Code == 530 || r.Code == 538:
		return mailbox.ErrAuth
	case r.Code == 432, r.Code == 450 && detail == "7.1", r.Code == 452 && detail == "5.3", r.Code == 451 && detail == "7.1":
		return mailbox.ErrThrottled
	case r.Temporary():
		if detail == "2.2" {
			return mailbox.ErrQuota
		}
		return mailbox.ErrUnavailable
	case detail == "3.4" || detail == "2.3" || r.Code == 552 && detail == "":
		return mailbox.ErrTooLarge
	case detail == "2.2":
		return mailbox.ErrQuota
	case detail == "1.1" || detail == "1.2" || detail == "1.3" || detail == "1.6" || detail == "2.1":
		return mailbox.ErrNotFound
	case strings.HasPrefix(detail, "7."):
		return mailbox.ErrPermission
	}
	return nil
}
