package discover

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/postroom-go/postroom/mailbox/access"
)

// clientConfig is what a document of Thunderbird's autoconfiguration says
// (draft-ietf-mailmaint-autoconfig, versions 1.1 and 1.2). User names and AltUser
// are templates.
type clientConfig struct {
	domains  []string // that it says it is for, in A-labels
	name     string
	servers  []Server
	insecure int // servers left out because they have no TLS
	broken   int // servers left out because they cannot be understood
	notes    []string
}

// parseClientConfig reads such a document. What is unknown in it is ignored, a
// server that cannot be understood is dropped alone; domain is the domain that
// %EMAILDOMAIN% stands for in the names of hosts.
func parseClientConfig(doc []byte, domain string, s *settings) (*clientConfig, error) {
	root, err := parseXML(doc, s.lim.depth)
	if err != nil {
		return nil, err
	}
	if root.name != "clientConfig" {
		return nil, fmt.Errorf("%w: its root is <%.40s>", errDocument, root.name)
	}
	provider := root.first("emailProvider")
	if provider == nil {
		return nil, fmt.Errorf("%w: it names no provider", errDocument)
	}
	c := &clientConfig{}
	if name, ok := expand(provider.value("displayName"), "", "", domain); ok {
		c.name = text(name)
	}
	for _, d := range append(provider.values("domain"), provider.attr["id"]) {
		if name, err := hostName(strings.ToLower(d)); err == nil {
			c.domains = append(c.domains, name)
		}
	}
	oauth := configOAuth(root, provider, domain)
	for _, e := range provider.kids {
		var p Protocol
		switch {
		case e.name == "incomingServer" && strings.EqualFold(e.attr["type"], "imap"):
			p = IMAP
		case e.name == "incomingServer" && strings.EqualFold(e.attr["type"], "pop3"):
			p = POP3
		case e.name == "outgoingServer" && strings.EqualFold(strings.TrimSpace(e.attr["type"]), "smtp"):
			p = SMTP
		default:
			continue
		}
		server, ok := configServer(e, p, domain)
		switch {
		case !ok:
			c.broken++
		case server.TLS == access.TLSNone && !s.AllowPlaintext:
			c.insecure++
		case len(c.servers) < s.lim.servers:
			if slices.Contains(server.Auth, "oauth2") {
				server.OAuth2 = oauth
			}
			c.servers = append(c.servers, server)
		}
	}
	c.notes = configNotes(root, provider)
	return c, nil
}

// configServer reads one server; ok is false if it cannot be understood.
func configServer(e *element, p Protocol, domain string) (s Server, ok bool) {
	s.Protocol = p
	host, ok := expand(e.value("hostname"), "", "", domain)
	if !ok || strings.Contains(e.value("hostname"), tplAddress) || strings.Contains(e.value("hostname"), tplLocal) {
		return s, false
	}
	var err error
	if s.Host, err = serverName(host); err != nil {
		return s, false
	}
	if s.Port, err = strconv.Atoi(e.value("port")); err != nil || s.Port < 1 || s.Port > 65535 {
		return s, false
	}
	if s.TLS, ok = configTLS(e.values("socketType")); !ok {
		return s, false
	}
	s.User = e.value("username")
	if _, known := expand(s.User, "", "", ""); !known || !printable(s.User) {
		s.User = ""
	}
	if s.Auth, ok = configAuth(e.values("authentication")); !ok {
		return s, false
	}
	if e.first("restriction") != nil {
		s.Notes = append(s.Notes, "This server takes connections from the provider's own network only.")
	}
	return s, true
}

// serverName is hostName for servers, which have at least two labels.
func serverName(host string) (string, error) {
	name, err := hostName(strings.ToLower(host))
	if err == nil && !strings.Contains(name, ".") {
		err = fmt.Errorf("%q is a local name", name)
	}
	return name, err
}

// configTLS is the first mode that is known.
func configTLS(words []string) (access.TLSMode, bool) {
	for _, w := range words {
		switch strings.ToUpper(w) {
		case "SSL", "TLS":
			return access.TLSImplicit, true
		case "STARTTLS":
			return access.TLSStart, true
		case "PLAIN", "NONE":
			return access.TLSNone, true
		}
	}
	return 0, false
}

// configAuth are the ways to log in that are known. If there are only others,
// ok is false; if nothing is said, a password is meant.
func configAuth(words []string) (auth []string, ok bool) {
	if len(words) == 0 {
		return []string{"password"}, true
	}
	for _, w := range words {
		var a string
		switch strings.ToLower(w) {
		case "oauth2":
			a = "oauth2"
		case "password-cleartext", "plain", "smtp-after-pop":
			a = "password"
		case "password-encrypted", "secure":
			a = "encrypted"
		case "gssapi", "ntlm":
			a = strings.ToLower(w)
		case "tls-client-cert":
			a = "client-cert"
		case "none", "client-ip-address":
			a = "none"
		default:
			continue
		}
		if !slices.Contains(auth, a) {
			auth = append(auth, a)
		}
	}
	return auth, len(auth) > 0
}

// configOAuth reads <oAuth2>, which stands at the root or with the provider. A
// client ID in it is somebody else's, and not read. %EMAILDOMAIN% may stand in its
// URLs, as in the names of hosts; the address may not, since what is found serves
// all addresses of the domain.
func configOAuth(root, provider *element, domain string) *OAuth2 {
	e := root.first("oAuth2")
	if e == nil {
		e = provider.first("oAuth2")
	}
	if e == nil {
		return nil
	}
	o := &OAuth2{Issuer: text(e.value("issuer")), AuthURL: e.value("authURL"), TokenURL: e.value("tokenURL"), Scopes: strings.Fields(e.value("scope"))}
	for _, s := range []*string{&o.Issuer, &o.AuthURL, &o.TokenURL} {
		full, ok := expand(*s, "", "", domain)
		if !ok || strings.Contains(*s, tplAddress) || strings.Contains(*s, tplLocal) {
			return nil
		}
		*s = full
	}
	if !safeURL(o.AuthURL) || !safeURL(o.TokenURL) {
		return nil
	}
	o.Scopes = slices.DeleteFunc(o.Scopes, func(s string) bool { return !printable(s) })
	return o
}

// safeURL reports whether a URL from a document is one to send a user to.
func safeURL(s string) bool {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" || u.User != nil || !printable(s) {
		return false
	}
	name, err := serverName(u.Hostname())
	return err == nil && name == u.Hostname()
}

// configNotes are the instructions in English, or in no language, with their
// URL.
func configNotes(root, provider *element) (notes []string) {
	for _, where := range []*element{provider, root} {
		for _, e := range where.kids {
			if e.name != "enable" || len(notes) >= 5 {
				continue
			}
			note := "Access for mail programs must be switched on."
			for _, i := range e.kids {
				if lang := i.attr["lang"]; i.name == "instruction" && i.text != "" && (lang == "" || lang == "en") {
					note = text(i.text)
					break
				}
			}
			if u := e.attr["visiturl"]; safeURL(u) {
				note += " (" + u + ")"
			}
			notes = append(notes, note)
		}
	}
	return notes
}
