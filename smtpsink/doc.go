// Package smtpsink sends mail: submission by SMTP (RFC 6409, RFC 8314) and
// delivery by LMTP (RFC 2033).
//
//	sink, err := smtpsink.Dial(ctx, "smtp.example.org:465", auth, nil)
//	...
//	receipt, err := sink.Send(ctx, &smtpsink.Envelope{
//		From: "ann@example.org", To: []string{"bob@example.com"},
//	}, message, nil)
//
// Package compose, below this one, makes messages; package sent files the copy;
// package outbox keeps what is to be sent over crashes.
//
// # What became of it
//
// A Receipt tells, of the message and of each recipient, one of four things: not
// sent, accepted, rejected, or unknown. Unknown is the case that no client can
// rule out (RFC 1047): the whole message was handed over and the answer was lost.
// It is [mailbox.ErrUnknownOutcome], and nothing here sends such a message again
// by itself. What was not handed over whole was not sent: the end of a message
// is written only once all of it was read without an error, and a connection on
// which that cannot happen any more is cut.
//
// # What goes over the wire
//
// The message is streamed; memory does not grow with it. Every line ends in CRLF
// when it leaves, whatever it ended in before; a NUL octet is refused; Bcc fields
// are left out. So no server can read more than one message out of one
// (CVE-2023-51764 and its relatives). Addresses are checked before anything is
// sent.
//
// What the server can do is used: PIPELINING (RFC 2920), CHUNKING (RFC 3030),
// SIZE (RFC 1870), 8BITMIME (RFC 6152), SMTPUTF8 (RFC 6531). What the caller asks
// for and the server cannot do, such as delivery status notifications (RFC 3461)
// or REQUIRETLS (RFC 8689), is [errors.ErrUnsupported], and nothing is sent.
package smtpsink
