package compose

import (
	"fmt"
	"net/mail"
	"net/url"
	"strings"
)

// ownFields writes Message.Header.
func (b *builder) ownFields(f *fields) error {
	for i, h := range b.m.Header {
		where := fmt.Sprintf("Header[%d]", i)
		if err := checkFieldName(where, h.Name); err != nil {
			return err
		}
		if err := checkText(h.Name, h.Value); err != nil {
			return err
		}
		f.text(h.Name, h.Value)
	}
	return nil
}

func checkFieldName(where, name string) error {
	if name == "" || len(name) > 64 {
		return invalid(where+".Name", "is empty or longer than 64 octets")
	}
	for i := range len(name) {
		// RFC 5322 allows more, and not all readers do.
		if c := name[i]; !isAlnum(c) && c != '-' && c != '_' {
			return invalid(where+".Name", "has a character other than ASCII letters, digits, hyphen and underscore")
		}
	}
	lower := strings.ToLower(name)
	switch lower {
	case "from", "sender", "reply-to", "to", "cc", "bcc", "subject", "date", "message-id", "in-reply-to", "references",
		"list-unsubscribe", "list-unsubscribe-post", "mime-version":
		return invalid(where, name+" is made of a field of Message: set that")
	case "dkim-signature", "return-path", "received", "delivered-to":
		return invalid(where, name+" is not the author's to write")
	}
	// Resent fields have some programs send the message to others (RFC 5322
	// section 3.6.6), and Content fields are those of the parts.
	if strings.HasPrefix(lower, "resent-") || strings.HasPrefix(lower, "content-") {
		return invalid(where, name+" is not the author's to write")
	}
	return nil
}

// unsubscribe writes List-Unsubscribe and List-Unsubscribe-Post.
func (b *builder) unsubscribe(f *fields) error {
	u := b.m.Unsubscribe
	if u == nil {
		return nil
	}
	var uris []string
	if u.Mail != "" {
		uri, err := mailto(u.Mail)
		if err != nil {
			return err
		}
		uris = append(uris, "<"+uri+">")
	}
	if u.URL != "" {
		parsed, err := url.Parse(u.URL)
		if err != nil || !strings.EqualFold(parsed.Scheme, "https") || parsed.Host == "" || !isURI(u.URL) {
			return invalid("Unsubscribe.URL", "is no https URI")
		}
		uris = append(uris, "<"+u.URL+">")
	}
	switch {
	case len(uris) == 0:
		return invalid("Unsubscribe", "has neither Mail nor URL")
	case u.OneClick && u.URL == "":
		return invalid("Unsubscribe.URL", "is empty: OneClick needs it")
	}
	for i := range uris[:len(uris)-1] {
		uris[i] += ","
	}
	f.words("List-Unsubscribe", uris)
	if u.OneClick {
		f.words("List-Unsubscribe-Post", []string{"List-Unsubscribe=One-Click"})
	}
	return nil
}

// mailto gives an address or mailto URI as a URI (RFC 6068).
func mailto(s string) (string, error) {
	if len(s) > 7 && strings.EqualFold(s[:7], "mailto:") {
		if _, err := url.Parse(s); err != nil || !isURI(s) {
			return "", invalid("Unsubscribe.Mail", "is no mailto URI")
		}
		return s, nil
	}
	a, err := checkAddress("Unsubscribe.Mail", mail.Address{Address: s})
	if err != nil {
		return "", err
	}
	return "mailto:" + strings.ReplaceAll(url.PathEscape(a.spec), "%40", "@"), nil
}

// isURI reports whether s has only characters that a URI may have (RFC 3986),
// less those that would end it between angle brackets.
func isURI(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte("<>\"\\^`{|}", c) >= 0 {
			return false
		}
	}
	return len(s) <= longWord
}
