package imapsrc

import (
	"strconv"
	"strings"

	"github.com/postroom-go/postroom/mailbox"
)

// capSet are a server's capabilities, in upper case.
type capSet map[string]bool

func parseCaps(s string) capSet {
	caps := capSet{}
	for _, c := range strings.Fields(s) {
		caps[strings.ToUpper(c)] = true
	}
	return caps
}

func (c capSet) list() []string {
	all := make([]string, 0, len(c))
	for k := range c {
		all = append(all, k)
	}
	return all
}

func (c capSet) without(name string) capSet {
	rest := capSet{}
	for k := range c {
		if k != name {
			rest[k] = true
		}
	}
	return rest
}

// values are what follows the prefix in those that begin with it: the
// mechanisms of "AUTH=".
func (c capSet) values(prefix string) []string {
	var all []string
	for k := range c {
		if v, ok := strings.CutPrefix(k, prefix); ok {
			all = append(all, v)
		}
	}
	return all
}

func (c capSet) rev2() bool { return c["IMAP4REV2"] }

// rev2Only servers know no modified UTF-7: names are UTF-8 (RFC 9051 appendix
// A.1). Where both are offered the session is one of IMAP4rev1 until ENABLE.
func (c capSet) rev2Only() bool { return c["IMAP4REV2"] && !c["IMAP4REV1"] }

func (c capSet) uidPlus() bool { return c["UIDPLUS"] || c.rev2() }

func (c capSet) binary() bool { return c["BINARY"] || c.rev2() }

func (c capSet) specialUse() bool { return c["SPECIAL-USE"] || c.rev2() }

func (c capSet) listStatus() bool { return c["LIST-STATUS"] || c.rev2() }

// condStore servers count changes (RFC 7162); QRESYNC implies it (section 3.2).
func (c capSet) condStore() bool { return c["CONDSTORE"] || c["QRESYNC"] }

// appendLimit is the most octets of a message; 0 is unknown (RFC 7889).
func (c capSet) appendLimit() int64 {
	for _, v := range c.values("APPENDLIMIT=") {
		if n, err := strconv.ParseInt(v, 10, 64); err == nil && n > 0 {
			return n
		}
	}
	return 0
}

// capsOf says what an account on such a server can do.
func (m *Mailbox) capsOf(c capSet) mailbox.Caps {
	protocol := "IMAP4rev1"
	if c.rev2Only() {
		protocol = "IMAP4rev2"
	}
	return mailbox.Caps{
		Protocol: protocol,
		Folders:  true, StableIDs: true,
		Envelopes: true, Structure: true, Parts: true, Headers: true, Received: true,
		Flags: true, Keywords: true,
		Delete: c.uidPlus(),
		Append: true, AppendID: c.uidPlus(), AppendLimit: c.appendLimit(),
		Connections: m.opts.connections(),
	}
}
