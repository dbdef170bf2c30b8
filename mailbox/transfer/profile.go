package transfer

import (
	"fmt"
	"net/url"
	"strings"
)

// profile is what is known about a provider's POP3 that a program cannot see.
type profile struct {
	hosts   []string // of the server, or ends of them that begin with a dot
	reading string   // a warning for whoever reads there
	remove  string   // a warning for whoever deletes there
}

// profiles are the providers whose POP3 hides or keeps messages on its own.
func profiles() []profile {
	return []profile{
		{
			hosts: []string{"pop.gmail.com", "pop.googlemail.com"},
			reading: "Gmail hides a message from POP3 once it was downloaded, by any program, though nobody deleted it, and shows a few hundred " +
				"at a time: run again until nothing is new. With the user name \"recent:you@gmail.com\" the last 30 days are shown every time. " +
				"IMAP shows everything.",
			remove: "Gmail decides by a setting of its web mail (Forwarding and POP/IMAP) whether a message that is deleted over POP3 is kept, " +
				"archived or put into the trash.",
		},
		{
			hosts: []string{"outlook.office365.com", "pop-mail.outlook.com", ".outlook.com", ".office365.com"},
			remove: "Outlook.com deletes over POP3 only if its web setting \"Let devices and apps delete messages\" is on; else it moves the " +
				"messages into a folder of its own.",
		},
	}
}

// warn tells what people should know about this source.
func (r *run) warn() error {
	if n := r.ledger.damaged(); n > 0 {
		err := r.tell(Event{Kind: Warning, Reason: fmt.Sprintf("%d octets of the journal could not be read. After a loss of power that is "+
			"as it should be; else the disk is failing, and what they told of is copied once more.", n)})
		if err != nil {
			return err
		}
	}
	if !r.src.Caps().StableIDs {
		err := r.tell(Event{Kind: Warning, Reason: "The source gives its messages no lasting names (POP3 without UIDL): every run reads all of them, " +
			"to know by their digests what is stored already, and nothing can be deleted there."})
		if err != nil {
			return err
		}
	}
	u, err := url.Parse(r.source)
	if err != nil || u.Scheme != "pop3" {
		return nil
	}
	for _, p := range profiles() {
		if !p.has(strings.ToLower(u.Hostname())) {
			continue
		}
		recent := u.User != nil && strings.HasPrefix(u.User.Username(), "recent:")
		if p.reading != "" && !recent {
			if err := r.tell(Event{Kind: Warning, Reason: p.reading}); err != nil {
				return err
			}
		}
		if p.remove != "" && r.opts.Remove.Stored {
			return r.tell(Event{Kind: Warning, Reason: p.remove})
		}
	}
	return nil
}

func (p profile) has(host string) bool {
	for _, h := range p.hosts {
		if host == h || h[0] == '.' && strings.HasSuffix(host, h) {
			return true
		}
	}
	return false
}
