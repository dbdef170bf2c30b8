package sent

import (
	"time"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/smtpsink"
)

// Policy says who files the copy.
type Policy int

// The policies.
const (
	// Auto goes by the table of providers.
	Auto Policy = iota
	// Always adds a copy if there is none yet, whatever the provider does.
	Always
	// Never neither adds a copy nor looks for one.
	Never
	// ByServer is for servers that file the copy and are not in the table, such
	// as a bridge on this machine: it looks, and adds nothing.
	ByServer
)

// Options are the options of Send and File. Nil and zero are safe.
type Options struct {
	// Policy says who files the copy.
	Policy Policy
	// Folder is where the copy goes; empty is the folder with RoleSent. If there
	// is none it is made, under the name "Sent" if none is given, with that
	// role.
	Folder string
	// Local is a mailbox for the copy where the account's has no way to add
	// messages, as with POP3, or refuses this one: a Maildir.
	Local mailbox.Mailbox
	// DropBcc leaves the Bcc field out of the copy.
	DropBcc bool
	// Received is the copy's date of receipt; zero is now.
	Received time.Time

	// Newest is how many of the newest messages are looked at for the
	// Message-ID; 0 is 100.
	Newest int
	// Looks is how often to look for a copy that the provider files, or whose
	// APPEND has lost its answer, before it counts as missing; 0 is 3. Wait is
	// how long to wait after the first look, and twice as long after each
	// further one; 0 is one second.
	Looks int
	Wait  time.Duration

	// Server is the SMTP server that the message goes through, for the table of
	// providers: "host", "host:port", or what a sender's Account says, which
	// tells as well whether the message goes out by the mailbox's own account.
	// Empty asks the sender, if it has a method Account as the drivers have; if
	// that does not say either, the mailbox's server decides.
	Server string
	// Receipt is what the sender said of the message, for File: some servers
	// write a Message-ID of their own and say so in their answer. Send fills
	// it.
	Receipt *smtpsink.Receipt
	// Send are the options of sending; nil is none. File needs them only to
	// know that the message is Binary: the lines of others are ended by CRLF.
	Send *smtpsink.SendOptions
}

// resolved is a copy of o with its defaults.
func (o *Options) resolved() Options {
	var r Options
	if o != nil {
		r = *o
	}
	if r.Newest <= 0 {
		r.Newest = 100
	}
	if r.Looks <= 0 {
		r.Looks = 3
	}
	if r.Wait <= 0 {
		r.Wait = time.Second
	}
	return r
}
