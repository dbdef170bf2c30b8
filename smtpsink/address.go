package smtpsink

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// The limits of RFC 5321 section 4.5.3.1, in octets.
const (
	maxLocal  = 64
	maxDomain = 255
)

// path is an address as it stands between < and >, its domain in ASCII. utf8 says
// that the local part is not, which needs SMTPUTF8 (RFC 6531).
//
// It takes less than the grammar does: spaces and angle brackets can stand in a
// quoted local part, and there are servers that read them otherwise. Dots may
// stand anywhere, since there are mailboxes with such names.
func path(address string) (p string, utf8Local bool, err error) {
	fail := func(why string) (string, bool, error) {
		return "", false, fmt.Errorf("the address %q %s", address[:min(len(address), 320)], why)
	}
	if strings.EqualFold(address, "postmaster") {
		return address, false, nil
	}
	i := strings.LastIndexByte(address, '@')
	if i < 0 {
		return fail("has no domain")
	}
	local, domain := address[:i], address[i+1:]
	switch {
	case len(local) == 0 || len(local) > maxLocal:
		return fail("has a local part that is empty or longer than 64 octets")
	case !utf8.ValidString(address):
		return fail("is not UTF-8")
	}
	if err := checkLocal(local); err != nil {
		return fail(err.Error())
	}
	ascii, err := checkDomain(domain)
	if err != nil {
		return fail(err.Error())
	}
	if ascii != domain {
		address = local + "@" + ascii
	}
	return address, !isASCII(local), nil
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// checkLocal checks a local part: atoms and dots, or a quoted string.
func checkLocal(local string) error {
	inner := local
	quoted := len(local) >= 2 && local[0] == '"' && local[len(local)-1] == '"'
	if quoted {
		inner = local[1 : len(local)-1]
	}
	for i := 0; i < len(inner); i++ {
		c := inner[i]
		switch {
		case c <= ' ' || c == 0x7f || c == '<' || c == '>':
			return errors.New("has a character that cannot be sent")
		case c >= utf8.RuneSelf:
			if r, _ := utf8.DecodeRuneInString(inner[i:]); r >= 0x80 && r < 0xa0 || r == 0x2028 || r == 0x2029 {
				return errors.New("has a character that cannot be sent")
			}
		case quoted && c == '\\':
			i++
			if i == len(inner) || inner[i] <= ' ' || inner[i] >= 0x7f || inner[i] == '<' || inner[i] == '>' {
				return errors.New("has a backslash with nothing to quote")
			}
		case quoted && c == '"', !quoted && strings.IndexByte(`"(),:;[\]@`, c) >= 0:
			return errors.New("has a character that must be quoted")
		}
	}
	return nil
}

// checkDomain gives a domain in ASCII: labels, or an address in brackets.
func checkDomain(domain string) (string, error) {
	if literal, ok := strings.CutPrefix(domain, "["); ok {
		literal, closed := strings.CutSuffix(literal, "]")
		ip, err := netip.ParseAddr(strings.TrimPrefix(literal, "IPv6:"))
		if !closed || err != nil || ip.Zone() != "" || ip.Is6() != strings.HasPrefix(literal, "IPv6:") {
			return "", errors.New("has a domain in brackets that is no IP address")
		}
		return domain, nil
	}
	if !isASCII(domain) {
		a, err := idna.Lookup.ToASCII(domain)
		if err != nil {
			return "", errors.New("has a domain that is no internationalised name")
		}
		domain = a
	}
	if len(domain) == 0 || len(domain) > maxDomain {
		return "", errors.New("has a domain that is empty or longer than 255 octets")
	}
	for label := range strings.SplitSeq(domain, ".") {
		if len(label) == 0 || len(label) > 63 {
			return "", errors.New("has a domain with a label that is empty or longer than 63 octets")
		}
		for _, c := range []byte(label) {
			if c != '-' && c != '_' && !digit(c) && (c|0x20 < 'a' || c|0x20 > 'z') {
				return "", errors.New("has a domain with a character that domains do not have")
			}
		}
	}
	return domain, nil
}
