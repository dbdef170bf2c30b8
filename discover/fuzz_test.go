package discover

import (
	"strings"
	"testing"

	"github.com/postroom-go/postroom/mailbox/access"
)

// checkServer fails if a parser let something through that must not be dialled,
// shown or believed.
func checkServer(t *testing.T, s Server) {
	t.Helper()
	if name, err := serverName(s.Host); err != nil || name != s.Host {
		t.Fatalf("host %q", s.Host)
	}
	if s.Port < 1 || s.Port > 65535 {
		t.Fatalf("port %d", s.Port)
	}
	if s.TLS == access.TLSNone {
		t.Fatalf("no TLS: %v", s)
	}
	if len(s.Auth) == 0 || !printable(s.User) {
		t.Fatalf("auth %q, user %q", s.Auth, s.User)
	}
	if s.OAuth2 != nil && (s.OAuth2.AuthURL != "" && !safeURL(s.OAuth2.AuthURL) || s.OAuth2.TokenURL != "" && !safeURL(s.OAuth2.TokenURL)) {
		t.Fatalf("OAuth2 %+v", s.OAuth2)
	}
	if _, ok := expand(s.User, "a@b", "a", "b"); !ok {
		t.Fatalf("user %q", s.User)
	}
}

// FuzzClientConfig: whatever the document is, what comes out can be dialled.
func FuzzClientConfig(f *testing.F) {
	f.Add([]byte(usual("example.org")))
	for _, doc := range bombs() {
		if len(doc) < 2000 {
			f.Add([]byte(doc))
		}
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		s := newSettings(nil)
		c, err := parseClientConfig(doc, "example.org", &s)
		if err != nil {
			if c != nil {
				t.Fatal("a document and an error")
			}
			return
		}
		if len(c.servers) > s.lim.servers {
			t.Fatalf("%d servers", len(c.servers))
		}
		for _, server := range c.servers {
			checkServer(t, server)
		}
		for _, text := range append(c.notes, c.name) {
			if strings.ContainsAny(text, "\r\n\x1b\u202e") {
				t.Fatalf("text %q", text)
			}
		}
	})
}

// FuzzPACC: the same for the JSON.
func FuzzPACC(f *testing.F) {
	f.Add([]byte(`{"protocols":{"imap":{"host":"imap.example.org"},"submit":{"host":"smtp.example.org"}},"authentication":{"oauth-public":{"issuer":"https://login.example.org"},"password":true}}`))
	f.Add([]byte(`{"protocols":{"imap":{"host":7}}}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		servers, provider, err := parsePACC(doc)
		if err != nil && servers != nil {
			t.Fatal("servers and an error")
		}
		for _, server := range servers {
			checkServer(t, server)
			if server.TLS != access.TLSImplicit {
				t.Fatal(server)
			}
		}
		if !printable(strings.TrimSuffix(provider, "…")) {
			t.Fatalf("provider %q", provider)
		}
	})
}

// FuzzAutodiscover: the same for the responses of Autodiscover, and for their
// redirects.
func FuzzAutodiscover(f *testing.F) {
	f.Add([]byte(poxDoc("IMAP imap.example.org 993 on", "SMTP smtp.example.org 587 on")))
	f.Add([]byte(`<Autodiscover><Response><Account><Action>redirectUrl</Action><RedirectUrl>https://x.example/</RedirectUrl></Account></Response></Autodiscover>`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		s := newSettings(nil)
		p, err := parsePOX(doc, &s)
		if err != nil {
			return
		}
		if len(p.servers) > s.lim.servers || p.hours < 0 || p.hours > 7*24 {
			t.Fatalf("%d servers for %d hours", len(p.servers), p.hours)
		}
		for _, server := range p.servers {
			checkServer(t, server)
			if server.Port == 25 {
				t.Fatal(server)
			}
		}
	})
}

// FuzzAddress: what is accepted can be asked for in DNS, told to a server in a URL
// and written again.
func FuzzAddress(f *testing.F) {
	for _, a := range []string{"ann@example.org", `"a@b"@example.org`, "jörg@bücher.example", "a+b@x.co.uk", "a@b@c", "a@１２７.０.０.１", "@", "a@xn--a.example"} {
		f.Add(a)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := parseAddress(s, func(string) bool { return false })
		if err != nil {
			return
		}
		if !validName(a.domain) || !strings.Contains(a.domain, ".") {
			t.Fatalf("domain %q", a.domain)
		}
		if a.local == "" || a.full != a.local+"@"+a.shown {
			t.Fatalf("%+v", a)
		}
		again, err := parseAddress(a.full, func(string) bool { return false })
		if err != nil || again != a {
			t.Fatalf("%+v became %+v, %v", a, again, err)
		}
		set := newSettings(nil)
		q := &query{set: &set, addr: a, domain: a.domain}
		for _, c := range q.addressQuery() {
			if c <= ' ' || c > '~' || c == '#' || c == '"' || c == '<' {
				t.Fatalf("query %q", q.addressQuery())
			}
		}
		for _, up := range parents(a.domain) {
			if !under(a.domain, up) || registrable(up) == "" {
				t.Fatalf("%q is above %q", up, a.domain)
			}
		}
	})
}
