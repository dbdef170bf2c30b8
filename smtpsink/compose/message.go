package compose

import (
	"io"
	"net/mail"
	"time"

	"github.com/postroom-go/postroom/mailbox"
)

// Message is a message to be made. Zero fields are left out of it, but for those
// that a message must have. It belongs to one goroutine while it is prepared,
// and nothing of it is kept after that but what Attachments read from.
//
// Addresses are as package net/mail and mailbox.Envelope have them: Name is
// plain text, Address has no angle brackets and no comment. A local part that
// needs quotes may come with them or without. Domains may be internationalised.
type Message struct {
	// From is who wrote it, at least one. If there are more, Sender must say
	// who of them sends it (RFC 5322 section 3.6.2).
	From   []mail.Address
	Sender *mail.Address
	// ReplyTo is where answers should go; empty is From.
	ReplyTo []mail.Address
	// To, Cc and Bcc are the recipients, at least one in all. Bcc is in the
	// envelope and in the copy of one's own, never in what is sent.
	To, Cc, Bcc []mail.Address
	// Subject is plain text on one line.
	Subject string
	// Date is when it was written, in the zone it was written in; zero is when
	// Prepare is called.
	Date time.Time
	// MessageID is without angle brackets; empty is a new one: 128 random bits
	// at the domain of From.
	MessageID string
	// InReplyTo and References are message IDs without angle brackets (RFC
	// 5322 section 3.6.4).
	InReplyTo, References []string
	// Text and HTML are the message itself, each in UTF-8, with lines that end
	// in LF or CRLF. If both are set they say the same, and whoever reads it
	// sees one of them (RFC 2046 section 5.1.4).
	Text, HTML string
	// Flowed sends Text as paragraphs that fit any width (RFC 3676): each line
	// is one, and is wrapped at 72 columns on its way.
	Flowed bool
	// Inline are pictures and the like that HTML shows: an Attachment with the
	// ContentID "logo" is src="cid:logo" there (RFC 2387, RFC 2392).
	Inline []Attachment
	// Attachments are files beside the message.
	Attachments []Attachment
	// Calendar is an invitation or the answer to one; nil is none.
	Calendar *Calendar
	// Unsubscribe is how to leave the list that this is sent to; nil is none.
	Unsubscribe *Unsubscribe
	// Header are further fields, in their order. Fields that Message makes
	// itself, or that belong to delivery, are refused.
	Header []Field
	// DKIM signs the message, once for each: one with an RSA key and one with
	// an Ed25519 key is usual (RFC 8463).
	DKIM []DKIM
	// Protect, if it is not nil, signs or encrypts: it reads the finished MIME
	// entity (Content-* fields, an empty line, the body; every line ends in
	// CRLF) and writes the entity to be sent in its place, such as a
	// multipart/signed (RFC 1847). It is called once, by Prepare, and need not
	// give the same a second time. In the entity it gets no line begins with
	// "From " or ends in a space. What it writes must have Content-* fields
	// only, and lines of at most 998 octets.
	Protect func(w io.Writer, entity io.Reader) error
}

// Field is a header field of one's own.
type Field struct {
	// Name is of ASCII letters, digits, hyphens and underscores, such as
	// "X-Mailer" or "Auto-Submitted".
	Name string
	// Value is plain text on one line. What is not ASCII is sent as RFC 2047
	// words.
	Value string
}

// Calendar is an iCalendar object sent by mail (RFC 6047). It is an alternative
// to Text and HTML, which say the same to those who have no calendar.
type Calendar struct {
	// Method is the METHOD that Content has: REQUEST, REPLY, CANCEL...
	Method string
	// Content is the object in UTF-8, from BEGIN:VCALENDAR to END:VCALENDAR.
	Content string
}

// Unsubscribe is how to leave a mailing list (RFC 2369 section 3.2). At least
// one of Mail and URL must be set.
type Unsubscribe struct {
	// Mail is an address to which any message unsubscribes, or a mailto URI.
	Mail string
	// URL is an https URI.
	URL string
	// OneClick says that a POST to URL unsubscribes without any question (RFC
	// 8058). It counts only in messages signed by DKIM: Gmail and Yahoo ask
	// senders of bulk mail for it.
	OneClick bool
}

// FieldError is what is wrong with a Message.
type FieldError struct {
	// Field is the field of Message or of the header, such as "Subject" or
	// "Attachments[2].Name".
	Field string
	// Problem says what is wrong, and what would be right.
	Problem string
}

// Error names the field and the problem.
func (e *FieldError) Error() string { return e.Field + ": " + e.Problem }

func invalid(field, problem string) error { return &FieldError{Field: field, Problem: problem} }

// failed wraps what went wrong as the other packages do.
func failed(op string, err error) error { return &mailbox.Error{Op: op, Err: err} }
