package mailbox

import (
	"fmt"
	"iter"
	"reflect"
	"strings"
	"time"
)

// Caps says what one mailbox can do. It is comparable, and what it says is
// about this account on this server, not about the protocol.
type Caps struct {
	// Protocol names what is spoken, for people: "IMAP4rev1", "POP3", "memory".
	Protocol string `json:"protocol"`

	// Folders: there may be more folders than INBOX.
	Folders bool `json:"folders"`
	// StableIDs: IDs hold over sessions. A POP3 server without UIDL has none,
	// and then Delete and everything that remembers messages refuses.
	StableIDs bool `json:"stable_ids"`
	// Envelopes: List tells envelopes without moving whole messages. A POP3
	// server without TOP cannot.
	Envelopes bool `json:"envelopes"`
	// Structure: List tells the structure (parts, attachments) without moving
	// whole messages.
	Structure bool `json:"structure"`
	// Parts: OpenPart moves that part alone. If clear, OpenPart works and
	// costs the download of the whole message.
	Parts bool `json:"parts"`
	// Headers: Open with HeaderOnly moves the header alone.
	Headers bool `json:"headers"`
	// Received: summaries have the date on which the server got the message.
	Received bool `json:"received"`
	// Flags: messages have flags, and SetFlags changes them.
	Flags bool `json:"flags"`
	// Keywords: flags of one's own are kept, too.
	Keywords bool `json:"keywords"`
	// Delete: messages can be removed one by one. IMAP needs UIDPLUS for it
	// (RFC 4315), POP3 needs UIDL.
	Delete bool `json:"delete"`
	// Append: messages can be added.
	Append bool `json:"append"`
	// AppendID: Append tells the new message's ID.
	AppendID bool `json:"append_id"`
	// AppendLimit is the most octets that Append takes; 0 is unknown.
	AppendLimit int64 `json:"append_limit"`
	// Exclusive: while this mailbox is in use no other session gets in (POP3
	// locks the maildrop).
	Exclusive bool `json:"exclusive"`
	// Connections is the most connections this mailbox uses at a time; 0 when
	// there are none.
	Connections int `json:"connections"`
	// LoginDelay is the least time between two logins that the server asks
	// for (POP3, RFC 2449 section 6.5); 0 is none.
	LoginDelay time.Duration `json:"login_delay"`
}

// All yields each capability's name, as in JSON, with its value.
func (c Caps) All() iter.Seq2[string, any] {
	return func(yield func(string, any) bool) {
		v := reflect.ValueOf(c)
		for i := range v.NumField() {
			if !yield(v.Type().Field(i).Tag.Get("json"), v.Field(i).Interface()) {
				return
			}
		}
	}
}

// String lists the capabilities that are set, such as
// "IMAP4rev1: folders stable_ids append_limit=1000000".
func (c Caps) String() string {
	var b strings.Builder
	b.WriteString(c.Protocol + ":")
	for name, v := range c.All() {
		switch v := v.(type) {
		case bool:
			if v {
				b.WriteString(" " + name)
			}
		case string:
		default:
			if !reflect.ValueOf(v).IsZero() {
				fmt.Fprintf(&b, " %s=%v", name, v)
			}
		}
	}
	return b.String()
}
