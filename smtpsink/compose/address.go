package compose

import (
	"net/mail"
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"

	"github.com/postroom-go/postroom/internal/mailmime"
)

// The limits of RFC 5321 section 4.5.3.1, in octets.
const (
	maxLocal  = 64
	maxDomain = 255
)

// address is an address that was checked.
type address struct {
	name string
	// spec is the address as it is written, in the header and in the envelope:
	// the local part in quotes if it needs them, the domain in ASCII.
	spec   string
	domain string
}

// utf8 reports whether it needs SMTPUTF8 (RFC 6531).
func (a address) utf8() bool { return !isASCII(a.spec) }

// ParseAddresses reads a list of addresses as people write them, such as
// "Ann <ann@example.org>, bob@example.com". One that could not be sent, or is
// not clear, is a *FieldError, and none is given then. An empty list is none.
func ParseAddresses(list string) ([]mail.Address, error) {
	parsed, ok := mailmime.ParseAddressList(list, nil, nil)
	if !ok {
		return nil, failed("compose", invalid("address", strconv.Quote(clip(list))+" is no list of addresses: write \"Ann <ann@example.org>, bob@example.com\""))
	}
	for _, a := range parsed {
		if _, err := checkAddress("address", a); err != nil {
			return nil, failed("compose", err)
		}
	}
	return parsed, nil
}

func checkAddresses(field string, list []mail.Address) ([]address, error) {
	checked := make([]address, 0, len(list))
	for _, a := range list {
		c, err := checkAddress(field, a)
		if err != nil {
			return nil, err
		}
		checked = append(checked, c)
	}
	return checked, nil
}

// checkAddress is the only place where an address is taken apart, and what it
// gives is what everybody else sees. It takes less than the grammar does, as
// smtpsink does: spaces, angle brackets and encoded words in a local part are read
// in more than one way by others.
func checkAddress(field string, a mail.Address) (address, error) {
	if err := checkText(field, a.Name); err != nil {
		return address{}, err
	}
	fail := func(why string) (address, error) {
		return address{}, invalid(field, "the address "+strconv.Quote(clip(a.Address))+" "+why)
	}
	local, domain, ok := splitAddress(a.Address)
	switch {
	case !ok:
		return fail("is none: write it as \"ann@example.org\"")
	case local == "" || len(local) > maxLocal:
		return fail("has a local part that is empty or longer than 64 octets")
	case !utf8.ValidString(local):
		return fail("is not UTF-8")
	case strings.Contains(local, "=?"):
		return fail("has an encoded word in it, which addresses do not have")
	}
	atom := true
	for _, r := range local {
		switch {
		case r <= ' ' || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029 || r == '<' || r == '>':
			return fail("has a character that cannot be sent")
		case r < utf8.RuneSelf && !isAtext(byte(r)) && r != '.':
			atom = false
		}
	}
	if local[0] == '.' || local[len(local)-1] == '.' || strings.Contains(local, "..") {
		atom = false
	}
	ascii, why := checkDomain(domain)
	if why != "" {
		return fail(why)
	}
	if !atom {
		local = quote(local)
		if len(local) > maxLocal {
			return fail("has a local part longer than 64 octets")
		}
	}
	return address{name: strings.TrimSpace(a.Name), spec: local + "@" + ascii, domain: ascii}, nil
}

// splitAddress gives the local part without quotes, and the domain.
func splitAddress(s string) (local, domain string, ok bool) {
	if strings.HasPrefix(s, `"`) {
		var b strings.Builder
		for i := 1; i < len(s); i++ {
			switch s[i] {
			case '\\':
				if i++; i < len(s) {
					b.WriteByte(s[i])
				}
			case '"':
				domain, ok = strings.CutPrefix(s[i+1:], "@")
				return b.String(), domain, ok
			default:
				b.WriteByte(s[i])
			}
		}
		return "", "", false
	}
	i := strings.LastIndexByte(s, '@')
	if i < 0 {
		return "", "", false
	}
	return s[:i], s[i+1:], true
}

// checkDomain gives a domain in ASCII, or why it is none.
func checkDomain(domain string) (ascii, why string) {
	if literal, ok := strings.CutPrefix(domain, "["); ok {
		literal, closed := strings.CutSuffix(literal, "]")
		ip, err := netip.ParseAddr(strings.TrimPrefix(literal, "IPv6:"))
		if !closed || err != nil || ip.Zone() != "" || ip.Is6() != strings.HasPrefix(literal, "IPv6:") {
			return "", "has a domain in brackets that is no IP address"
		}
		return domain, ""
	}
	if !isASCII(domain) {
		a, err := idna.Lookup.ToASCII(domain)
		if err != nil {
			return "", "has a domain that is no internationalised name"
		}
		domain = a
	}
	if domain == "" || len(domain) > maxDomain {
		return "", "has a domain that is empty or longer than 255 octets"
	}
	for label := range strings.SplitSeq(domain, ".") {
		if label == "" || len(label) > 63 {
			return "", "has a domain with a label that is empty or longer than 63 octets"
		}
		for _, c := range []byte(label) {
			if c != '-' && c != '_' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
				return "", "has a domain with a character that domains do not have"
			}
		}
	}
	return domain, ""
}

// addressKey is the same for addresses that are the same but for quotes, A-labels
// and case, which no mail host in use tells apart.
func addressKey(address string) string {
	if a, err := checkAddress("", mail.Address{Address: address}); err == nil {
		address = a.spec
	}
	return strings.ToLower(address)
}

// owned finds addresses among those of one person, by their keys.
type owned map[string]mail.Address

func ownAddresses(self []mail.Address) owned {
	own := owned{}
	for _, s := range self {
		own[addressKey(s.Address)] = s
	}
	return own
}

// find gives which of the addresses it is, perhaps with a tag behind a plus.
func (o owned) find(address string) (mail.Address, bool) {
	key := addressKey(address)
	s, ok := o[key]
	if local, domain, split := splitAddress(key); !ok && split {
		local, _, _ = strings.Cut(local, "+")
		s, ok = o[local+"@"+domain]
	}
	return s, ok
}

// clip cuts what an error shows of a value.
func clip(s string) string { return mailmime.Printable(s, 100) }
