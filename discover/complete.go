package discover

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
	"unicode"
)

// Complete makes a Result out of an Address and servers that are known already:
// what a user reads off his provider's page, or what a program has stored. Nothing
// is looked up. An empty Protocol of Incoming is IMAP, of Outgoing SMTP; a zero Port
// the usual one; an empty User the address; an empty Source "given". Host may be an
// IP address, and is put into A-labels otherwise; User holds no placeholders. Where
// Auth and Notes are empty and the provider table knows the host, they and OAuth2 are
// the table's. The slices are replaced, not changed.
//
// Errors are a *mailbox.Error around an *Error: ErrAddress, and a *net.AddrError for
// a server that cannot be; then r is as it was.
func (r *Result) Complete() error {
	a, err := parseAddress(r.Address, func(string) bool { return true })
	if err != nil {
		return wrap(failure("", err, adviceAddress))
	}
	incoming, err := complete(r.Incoming, IMAP, a)
	var outgoing []Server
	if err == nil {
		outgoing, err = complete(r.Outgoing, SMTP, a)
	}
	if err != nil {
		return wrap(failure(a.domain, err, "Look at the names of the servers on the provider's pages."))
	}
	r.Address, r.Domain, r.Display = a.full, a.domain, a.display()
	r.Incoming, r.Outgoing = incoming, outgoing
	return nil
}

func complete(servers []Server, usual Protocol, a address) (all []Server, err error) {
	for _, s := range servers {
		if s.Protocol = Protocol(strings.ToLower(string(s.Protocol))); s.Protocol == "" {
			s.Protocol = usual
		}
		if s.Host, err = givenHost(s.Host); err != nil {
			return nil, err
		}
		switch {
		case s.Protocol != IMAP && s.Protocol != POP3 && s.Protocol != SMTP, (s.Protocol == SMTP) != (usual == SMTP):
			return nil, noServer(s.Host, "cannot speak "+strconv.Quote(string(s.Protocol))+" here")
		case s.Port < 0 || s.Port > 65535:
			return nil, noServer(s.Host, "cannot have port "+strconv.Itoa(s.Port))
		case s.TLS < 0 || int(s.TLS) >= len(tlsWords):
			return nil, noServer(s.Host, "has a TLS mode that is not known")
		case strings.ContainsFunc(s.User+s.AltUser, unicode.IsControl):
			return nil, noServer(s.Host, "cannot have a user name with a control character in it")
		}
		if s.Port == 0 {
			s.Port = usualPort(s.Protocol, s.TLS)
		}
		if s.User == "" && s.UserForm != "unknown" {
			s.User, s.UserForm = a.full, "address"
		}
		if s.Source == "" {
			s.Source = "given"
		}
		if r := theTable().byHost(s.Host, a.domain); r != nil && len(s.Auth) == 0 && len(s.Notes) == 0 {
			r.rules(&s, theTable())
		}
		all = append(all, s)
	}
	return all, nil
}

// givenHost is hostName for what somebody typed, which may be an IP address.
func givenHost(host string) (string, error) {
	host = strings.TrimSpace(host)
	if host == "" {
		return "", noServer("", "a server has no Host")
	}
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return strings.Trim(host, "[]"), nil
	}
	name, err := hostName(strings.ToLower(host))
	if err != nil {
		return "", noServer(strconv.Quote(text(host)), err.Error())
	}
	return name, nil
}

func noServer(host, why string) error { return &net.AddrError{Err: why, Addr: host} }
