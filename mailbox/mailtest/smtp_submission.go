package mailtest

import (
	"fmt"
	"slices"
	"sync"
)

// Submission is a message that the host took by SMTP or LMTP.
type Submission struct {
	// ID is the queue ID that the answer named, such as "1A2B".
	ID string
	// Protocol is "smtp" or "lmtp".
	Protocol string
	// TLS reports whether it came inside TLS.
	TLS bool
	// User is who was logged in; empty with LMTP.
	User string

	// From is the reverse-path without its brackets, empty for "<>".
	From string
	// To are the recipients that were accepted, with LMTP by the answers to the
	// message, too, in the order of RCPT.
	To []Recipient

	// Size is MAIL's SIZE in octets (RFC 1870), 0 if there was none.
	Size int64
	// Body is MAIL's BODY: "7BIT", "8BITMIME" (RFC 6152), "BINARYMIME" (RFC
	// 3030), or "" if there was none.
	Body string
	// UTF8 is set by SMTPUTF8 (RFC 6531), RequireTLS by REQUIRETLS (RFC 8689).
	UTF8, RequireTLS bool
	// Ret is RET: "FULL", "HDRS" or "". EnvID is ENVID, decoded (RFC 3461).
	Ret, EnvID string
	// DeliverBy is BY (RFC 2852) as it was sent: "120;R". Priority is
	// MT-PRIORITY (RFC 6710): "-4". "" if there was none.
	DeliverBy, Priority string

	// Chunks is how many BDAT commands brought the message; 0 is DATA.
	Chunks int
	// Raw is the message exactly as it was received, dots unstuffed, without
	// the Received field that the host puts before it. It must not be changed.
	Raw []byte
}

// Recipient is one of a Submission.
type Recipient struct {
	// Address is the forward-path without its brackets.
	Address string
	// Notify is NOTIFY (RFC 3461) in upper case: "SUCCESS,FAILURE", or "".
	Notify string
	// ORcpt is ORCPT with its address decoded and its type in upper case:
	// "RFC822;ann@example.org", or "".
	ORcpt string
}

// firstQueueID is that of a host's first message.
const firstQueueID = 0x1A2B

// submissions are those of a host.
type submissions struct {
	mu  sync.Mutex
	all []Submission
}

func (l *submissions) add(s *Submission) (id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s.ID = fmt.Sprintf("%X", firstQueueID+len(l.all))
	l.all = append(l.all, *s)
	return s.ID
}

// Submissions lists what the host took by SMTP and LMTP, oldest first.
// What was refused, or did not come whole, is not among it.
func (h *Host) Submissions() []Submission {
	h.submitted.mu.Lock()
	defer h.submitted.mu.Unlock()
	return slices.Clone(h.submitted.all)
}
