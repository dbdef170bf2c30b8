package smtpsink

import (
	"context"
	"io"
	"time"
)

// Sender is whoever takes mail to be sent: a Sink, or what stands in its place.
// All methods are safe for concurrent use. Package sinktest checks the rules.
type Sender interface {
	// Send hands over one message: see Sink.Send, whose rules hold for all. The
	// end of it is handed over only after the reader has given io.EOF: until
	// then nobody has the message.
	Send(ctx context.Context, env *Envelope, message io.Reader, opts *SendOptions) (*Receipt, error)
	// Close ends it. Later calls fail with mailbox.ErrClosed.
	Close() error
}

// Envelope is who a message is from and to, for the servers on its way (RFC 5321
// section 2.3.1). What its header says is a matter of its own.
//
// Addresses are bare, such as "bob@example.net": no name, no angle brackets. A
// domain may be in Unicode and is sent as RFC 5891 has it; a local part that is not
// ASCII needs a server with SMTPUTF8, and is errors.ErrUnsupported without. What is
// no address is an error before anything is sent, as is a recipient list that is
// empty. Send does not change it.
type Envelope struct {
	// From is where reports of failure go; empty is nowhere, as it must be
	// for such reports themselves.
	From string
	// To are the recipients, at least one; Bcc's are among them.
	To []string
}

// SendOptions are the options of Send. Nil and zero are safe: all recipients or
// none. What asks for an extension that the server does not offer is
// errors.ErrUnsupported, before anything is sent; Sink.Caps tells.
type SendOptions struct {
	// Partial sends to the recipients that the server takes, if it refuses
	// others. The error is nil then, and Receipt.Recipients tells who. The
	// default is to send to nobody, with the error of the first refused.
	Partial bool
	// Size is the message's size in octets, lines ended by CRLF, if it is
	// known; 0 is unknown. It lets a server refuse a message before it is
	// sent (RFC 1870). A message that fits into 64 KiB is counted anyway.
	Size int64
	// Binary sends the octets as they are, Bcc fields apart: lines may be of
	// any length and hold NUL, CR and LF (RFC 3030 section 3).
	Binary bool
	// KeepBcc leaves Bcc fields where they are. Whoever gets the message then
	// sees them.
	KeepBcc bool
	// DSN asks for reports on delivery; nil leaves that to the servers.
	DSN *DSN
	// RequireTLS asks that the message travels over verified TLS alone, or is
	// returned (RFC 8689). It needs TLS here, too.
	RequireTLS bool
	// DeliverBy is by when the message must be delivered, from now on (RFC
	// 2852), rounded up to whole seconds; 0 is no limit. After that it is returned, or,
	// if DeliverByNotify is set, only reported as late.
	DeliverBy       time.Duration
	DeliverByNotify bool
	// Priority is from -9 to 9 (RFC 6710); 0 is the usual.
	Priority int
	// HoldFor has the server hold the message back (RFC 4865), rounded up to
	// whole seconds; HoldUntil the same until a time. At most one may be set; zero
	// is not at all.
	HoldFor   time.Duration
	HoldUntil time.Time
}

// DSN is what to report about a message's delivery (RFC 3461). Zero asks for
// nothing.
type DSN struct {
	// Notify says when to report: "NEVER" alone, or any of "SUCCESS",
	// "FAILURE" and "DELAY" (section 4.1). Empty leaves it to the servers.
	Notify []string
	// Return is what a report holds of the message: "FULL" or "HDRS" (section
	// 4.3); empty leaves it to the servers.
	Return string
	// EnvelopeID comes back in reports (section 4.4): up to 100 printable
	// ASCII characters. Empty is none.
	EnvelopeID string
	// Original is the address that a recipient had before somebody rewrote it
	// (section 4.2), by recipient; those not in it have none.
	Original map[string]string
}

// Message is one of SendAll's.
type Message struct {
	// Envelope is required: nil is an error of this message. It and Options must
	// not be changed until the result is there.
	Envelope *Envelope
	// Body is the whole message, header and all. It is read once; if it is an
	// io.Closer it is closed afterwards, whatever comes of it.
	Body io.Reader
	// Options may be nil.
	Options *SendOptions
	// Tag is the caller's own, to know the message by.
	Tag any
}

// Result is what became of one of SendAll's messages.
type Result struct {
	// Message is the one that it is about, as it was given; a new one for nil.
	Message *Message
	// Receipt and Err are as Send returns them.
	Receipt *Receipt
	Err     error
}
