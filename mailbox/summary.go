package mailbox

import (
	"net/mail"
	"time"
)

// Fields is a set of what a summary can hold besides its ID.
type Fields uint

const (
	// FieldFlags is Summary.Flags.
	FieldFlags Fields = 1 << iota
	// FieldSize is Summary.Size.
	FieldSize
	// FieldReceived is Summary.Received.
	FieldReceived
	// FieldEnvelope is Summary.Envelope. Over POP3 it costs a TOP command for
	// each message.
	FieldEnvelope
	// FieldStructure is Summary.Structure.
	FieldStructure
	// FieldsNone, alone, asks for IDs only.
	FieldsNone

	// DefaultFields is what zero asks for: all but the structure.
	DefaultFields = FieldFlags | FieldSize | FieldReceived | FieldEnvelope
	// AllFields asks for everything.
	AllFields = DefaultFields | FieldStructure
)

// Resolve gives the fields that f asks for: zero is DefaultFields, and
// FieldsNone is dropped. Drivers call it.
func (f Fields) Resolve() Fields {
	if f == 0 {
		return DefaultFields
	}
	return f &^ FieldsNone
}

// Has reports whether f holds all of x.
func (f Fields) Has(x Fields) bool { return f&x == x }

// Summary is what a list shows of one message. No body moves for it.
type Summary struct {
	// ID names the message.
	ID ID
	// Fields says which of the following were asked for and told; what is not
	// in it is zero.
	Fields Fields
	// Flags are the message's flags; their order has no meaning.
	Flags []Flag
	// Size is the message's size in octets as the server tells it. Servers
	// err: it is a hint, never the end of a body.
	Size int64
	// Received is when the server got the message (IMAP's INTERNALDATE).
	Received time.Time
	// Envelope is what the header says, decoded.
	Envelope *Envelope
	// Structure is the tree of the message's parts.
	Structure *Part
	// Defects tells what could not be read as it should; the rest of the
	// summary is right.
	Defects []Defect
	// Raw holds the octets that could not be parsed, as the server sent them,
	// cut at 64 KiB; nil if all was parsed.
	Raw []byte
}

// Attachments are the parts of s.Structure to show as attachments; nil if the
// structure was not asked for.
func (s *Summary) Attachments() []*Part { return s.Structure.Attachments() }

// Envelope is what a message's header says of it, decoded to UTF-8: RFC 2047
// words, 8-bit and mislabelled text included. What is missing or beyond repair
// is zero.
type Envelope struct {
	// Date is when the sender says it was written, in the sender's zone.
	Date time.Time
	// Subject is the decoded subject on one line.
	Subject string
	// The addresses. Groups are flattened; an Address that could not be
	// parsed has an empty Address and the text in Name. Over IMAP Sender and
	// ReplyTo repeat From where the header has none (RFC 9051 section 7.5.2);
	// drivers that read the header do the same.
	From, Sender, ReplyTo, To, Cc, Bcc []mail.Address
	// MessageID and InReplyTo are without angle brackets.
	MessageID string
	InReplyTo []string
}

// Defect says in a few words what is wrong with a message or a folder: a short
// code, then perhaps where, such as "bad-date" or "envelope: unparsable". It
// holds nothing of the message itself.
type Defect string

// Flag marks a message. System flags begin with a backslash; others are
// keywords (RFC 9051 section 2.3.2). Case has no meaning to servers; drivers
// give system flags as spelt here.
type Flag string

// The system flags, and the keywords that everybody means the same by (the
// IANA registry of IMAP and JMAP keywords).
const (
	FlagSeen      Flag = `\Seen`
	FlagAnswered  Flag = `\Answered`
	FlagFlagged   Flag = `\Flagged`
	FlagDeleted   Flag = `\Deleted`
	FlagDraft     Flag = `\Draft`
	FlagForwarded Flag = "$Forwarded"
	FlagJunk      Flag = "$Junk"
	FlagNotJunk   Flag = "$NotJunk"
)
