package discover

import "strings"

// The placeholders of user names (draft-ietf-mailmaint-autoconfig), which are
// also how findings are kept: one fetch serves all addresses of a domain.
const (
	tplAddress = "%EMAILADDRESS%"
	tplLocal   = "%EMAILLOCALPART%"
	tplDomain  = "%EMAILDOMAIN%"
)

// expand puts an address into a template, in one pass, so that what was put in
// is not looked at again. ok is false if there is a placeholder that nobody
// knows or that is not closed: then the value is not known.
func expand(tpl, full, local, domain string) (s string, ok bool) {
	var b strings.Builder
	for tpl != "" {
		text, rest, found := strings.Cut(tpl, "%")
		b.WriteString(text)
		if !found {
			break
		}
		tpl = rest
		switch name, after, closed := strings.Cut(rest, "%"); {
		case closed && name == "EMAILADDRESS":
			b.WriteString(full)
			tpl = after
		case closed && name == "EMAILLOCALPART":
			b.WriteString(local)
			tpl = after
		case closed && name == "EMAILDOMAIN":
			b.WriteString(domain)
			tpl = after
		case placeholderLike(rest):
			return "", false
		default:
			b.WriteByte('%')
		}
	}
	return b.String(), true
}

// placeholderLike reports whether what follows a % was meant to be a
// placeholder: it begins with three capital letters.
func placeholderLike(s string) bool {
	if len(s) < 3 {
		return false
	}
	return strings.Trim(s[:3], "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

// userForm says what a user name's template makes.
func userForm(tpl string) string {
	switch {
	case tpl == "":
		return "unknown"
	case tpl == tplAddress || tpl == tplLocal+"@"+tplDomain:
		return "address"
	case tpl == tplLocal:
		return "local"
	case strings.Contains(tpl, "%EMAIL"):
		return "composite"
	}
	return "fixed"
}

// generalise turns the user name in an answer that was made for one address into
// a template, so that it serves the domain's other addresses. personal is true
// if the name is of that address alone.
func generalise(user string, a address) (tpl string, personal bool) {
	switch {
	case strings.Contains(user, "%"):
		return user, false
	case strings.EqualFold(user, a.full), strings.EqualFold(user, a.local+"@"+a.domain):
		return tplAddress, false
	case strings.EqualFold(user, a.local):
		return tplLocal, false
	}
	return user, user != ""
}
