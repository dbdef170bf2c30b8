package discover

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"
)

const maxAddress = 254 // octets; RFC 5321 section 4.5.3.1.3, less the brackets

var errNoName = errors.New("is not a host's name")

// address is a mail address, taken apart.
type address struct {
	full    string // local@shown
	local   string // as typed, quotes included
	domain  string // in A-labels
	shown   string // as typed, but in lower case and without what does not count
	unicode string // the domain in U-labels, for people
}

// display is the domain for people.
func (a address) display() string {
	if a.unicode == a.domain {
		return a.domain
	}
	return a.unicode + " (" + a.domain + ")"
}

// parseAddress takes an address apart. Its errors are sentences that say what
// is wrong; anyDomain accepts domains of one label, which a preset may name.
func parseAddress(s string, anyDomain func(domain string) bool) (address, error) {
	s = strings.TrimSpace(s)
	at := strings.LastIndexByte(s, '@')
	switch {
	case s == "":
		return address{}, fmt.Errorf("%w: it is empty", ErrAddress)
	case len(s) > maxAddress:
		return address{}, fmt.Errorf("%w: it is longer than %d octets", ErrAddress, maxAddress)
	case !utf8.ValidString(s):
		return address{}, fmt.Errorf("%w: it is not UTF-8", ErrAddress)
	case at < 0:
		return address{}, fmt.Errorf("%w: it has no @", ErrAddress)
	case at == 0:
		return address{}, fmt.Errorf("%w: there is nothing before the @", ErrAddress)
	case at == len(s)-1:
		return address{}, fmt.Errorf("%w: there is no domain behind the @", ErrAddress)
	}
	a := address{local: s[:at], shown: strings.TrimSuffix(strings.ToLower(s[at+1:]), ".")}
	if why := badLocal(a.local); why != "" {
		return address{}, fmt.Errorf("%w: %s", ErrAddress, why)
	}
	domain, err := hostName(a.shown)
	if err == nil && strings.HasSuffix(a.shown, ".") {
		err = errNoName
	}
	if err != nil {
		return address{}, fmt.Errorf("%w: the domain %q %s", ErrAddress, a.shown, err)
	}
	if !strings.Contains(domain, ".") && !anyDomain(domain) {
		return address{}, fmt.Errorf("%w: the domain %q has no dot", ErrAddress, a.shown)
	}
	a.domain, a.unicode = domain, domain
	if u, err := idna.Lookup.ToUnicode(domain); err == nil {
		a.unicode = u
	}
	// What is typed in ASCII stays; what is not may hold full-width letters and
	// marks that do not show, which are no part of a user name.
	if strings.IndexFunc(a.shown, func(r rune) bool { return r >= utf8.RuneSelf }) >= 0 {
		a.shown = a.unicode
	}
	a.full = a.local + "@" + a.shown
	return a, nil
}

// badLocal says what is wrong with the part before the @ (RFC 5322 section
// 3.4.1, RFC 6532); dots may stand anywhere, since some providers allow that.
func badLocal(s string) string {
	if strings.HasPrefix(s, `"`) {
		return badQuoted(s)
	}
	for _, r := range s {
		switch {
		case r == '@':
			return "it has more than one @"
		case unicode.IsSpace(r):
			return "there is a space before the @"
		case !unicode.IsPrint(r):
			return "there is a control character before the @"
		case strings.ContainsRune(`()<>[]:;,\"`, r):
			return fmt.Sprintf("there is a %q before the @, outside quotes", r)
		}
	}
	return ""
}

func badQuoted(s string) string {
	inner, ok := strings.CutSuffix(s[1:], `"`)
	if !ok {
		return "a quote before the @ is not closed"
	}
	escaped := false
	for _, r := range inner {
		switch {
		case r != ' ' && !unicode.IsPrint(r):
			return "there is a control character before the @"
		case escaped:
			escaped = false
		case r == '\\':
			escaped = true
		case r == '"':
			return "there is a quote inside the quotes before the @"
		}
	}
	if escaped {
		return "a quote before the @ is not closed"
	}
	return ""
}

// hostName makes A-labels out of a host's name (UTS 46, RFC 5891), and refuses
// what is no name: IP addresses, empty and overlong labels, underscores, ports.
// Its errors continue a sentence that names the host.
func hostName(s string) (string, error) {
	s = strings.TrimSuffix(s, ".")
	if strings.HasPrefix(s, "[") {
		return "", fmt.Errorf("is an IP address")
	}
	if _, err := netip.ParseAddr(s); err == nil {
		return "", fmt.Errorf("is an IP address")
	}
	name, err := idna.Lookup.ToASCII(s)
	if err != nil {
		return "", errNoName
	}
	name = strings.ToLower(name)
	// What the mapping made of full-width digits, say, may be an address.
	if _, err := netip.ParseAddr(name); err == nil {
		return "", fmt.Errorf("is an IP address")
	}
	if !validName(name) {
		return "", errNoName
	}
	return name, nil
}

// validName checks letters, digits, hyphens and lengths (RFC 1123 section 2.1),
// and that the last label is no number, which resolvers might take for IPv4.
func validName(name string) bool {
	if name == "" || len(name) > 253 {
		return false
	}
	labels := strings.Split(name, ".")
	for _, l := range labels {
		if l == "" || len(l) > 63 || l[0] == '-' || l[len(l)-1] == '-' {
			return false
		}
		for i := range len(l) {
			c := l[i]
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
				return false
			}
		}
	}
	last := labels[len(labels)-1]
	return strings.Trim(last, "0123456789") != ""
}

// registrable is the domain that somebody registered to have name: the public
// suffix (https://publicsuffix.org) and one label. It is empty if name is a
// public suffix itself.
func registrable(name string) string {
	base, err := publicsuffix.EffectiveTLDPlusOne(name)
	if err != nil {
		return ""
	}
	return base
}

// related reports whether two hosts belong to the same registrable domain.
func related(a, b string) bool {
	base := registrable(a)
	return a == b || base != "" && base == registrable(b)
}

// parents are the domains above name, up to its registrable domain and never
// beyond: what is above belongs to others. There are three at most.
func parents(name string) (up []string) {
	base := registrable(name)
	for base != "" && name != base && len(up) < 3 {
		_, name, _ = strings.Cut(name, ".")
		up = append(up, name)
	}
	return up
}

// under reports whether name is domain, or below it.
func under(name, domain string) bool {
	return name == domain || strings.HasSuffix(name, "."+domain)
}
