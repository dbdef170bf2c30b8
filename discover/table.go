package discover

import (
	_ "embed"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/postroom-go/postroom/mailbox/access"
)

//go:embed providers.txt
var providersText string

// theTable is read once per process, and does not change.
var theTable = sync.OnceValue(func() *table {
	t, err := parseTable(providersText)
	if err != nil {
		panic(err) // a test reads the same text
	}
	return t
})

// row is one provider.
type row struct {
	name, source string
	domains      []string
	mx, cname    []string
	servers      []Server // User and AltUser are templates
	mxAsk        bool     // found by its MX, the user name is not known
	auth         []string
	oauth        string
	notes        []string
	major        bool
	bridge       string
}

// authority is where OAuth2 tokens are from.
type authority struct {
	OAuth2
	source string
	scopes map[Protocol][]string
}

// table is the provider table.
type table struct {
	rows   []*row
	oauth  map[string]*authority
	exact  map[string]*row // domains
	suffix map[string]*row // domains below
	mx     map[string]*row // with a leading dot: names below
	cname  map[string]*row
	hosts  map[string][]*row // the rows with a server of that name
}

// byHost finds the provider whose server that is, for an address of a domain: some
// hosts serve several, whose rules differ. Where the domain is none of theirs, it is
// a customer's own, and the provider that has such customers is meant.
func (t *table) byHost(host, domain string) *row {
	rows := t.hosts[host]
	if len(rows) == 0 {
		return nil
	}
	if r := t.byDomain(domain); r != nil && slices.Contains(rows, r) {
		return r
	}
	for _, r := range rows {
		if len(r.cname) > 0 {
			return r
		}
	}
	return rows[0]
}

// byDomain finds the provider of an address's domain.
func (t *table) byDomain(domain string) *row {
	if r := t.exact[domain]; r != nil {
		return r
	}
	for rest := domain; ; {
		var more bool
		if _, rest, more = strings.Cut(rest, "."); !more {
			return nil
		}
		if r := t.suffix[rest]; r != nil {
			return r
		}
	}
}

// byMX finds the provider whose mail exchanger that is.
func (t *table) byMX(host string) *row { return longest(t.mx, host) }

// byCNAME finds the provider that runs what autodiscover.DOMAIN points to.
func (t *table) byCNAME(host string) *row { return longest(t.cname, host) }

// longest finds host itself, or the longest of its suffixes that begins at a dot.
func longest(m map[string]*row, host string) *row {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if r := m[host]; r != nil {
		return r
	}
	for i := range len(host) {
		if host[i] == '.' {
			if r := m[host[i:]]; r != nil {
				return r
			}
		}
	}
	return nil
}

// oauth2 is where tokens for a protocol are from; nil if the table does not know.
func (t *table) oauth2(name string, p Protocol) *OAuth2 {
	a := t.oauth[name]
	if a == nil || len(a.scopes[p]) == 0 {
		return nil
	}
	o := a.OAuth2
	o.Scopes = slices.Clone(a.scopes[p])
	return &o
}

// parseTable reads the format that is explained at the top of providers.txt.
func parseTable(text string) (*table, error) {
	t := &table{oauth: map[string]*authority{}, exact: map[string]*row{}, suffix: map[string]*row{},
		mx: map[string]*row{}, cname: map[string]*row{}, hosts: map[string][]*row{}}
	var r *row
	var a *authority
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, value, _ := strings.Cut(line, " ")
		value = strings.TrimSpace(value)
		var err error
		switch {
		case key == "provider":
			r, a = &row{name: value}, nil
			t.rows = append(t.rows, r)
		case key == "authority":
			r, a = nil, &authority{OAuth2: OAuth2{Provider: value}, scopes: map[Protocol][]string{}}
			t.oauth[value] = a
		case a != nil:
			err = a.set(key, value)
		case r != nil:
			err = r.set(key, value)
		default:
			err = fmt.Errorf("%q stands before the first provider", key)
		}
		if err != nil {
			return nil, fmt.Errorf("providers, line %d: %w", n, err)
		}
	}
	return t, t.index()
}

func (a *authority) set(key, value string) error {
	switch key {
	case "source":
		a.source = value
	case "issuer":
		a.Issuer = value
	case "authorize":
		a.AuthURL = value
	case "token":
		a.TokenURL = value
	case "device":
		a.DeviceURL = value
	case "imap", "pop3", "smtp":
		a.scopes[Protocol(key)] = strings.Fields(value)
	default:
		return fmt.Errorf("an authority has no %q", key)
	}
	return nil
}

func (r *row) set(key, value string) error {
	switch key {
	case "source":
		r.source = value
	case "domains":
		r.domains = append(r.domains, strings.Fields(value)...)
	case "mx":
		r.mx = append(r.mx, strings.Fields(value)...)
	case "cname":
		r.cname = append(r.cname, strings.Fields(value)...)
	case "imap", "pop3", "smtp":
		s, err := parseServer(Protocol(key), value)
		r.servers = append(r.servers, s)
		return err
	case "user":
		return r.setUser(value)
	case "mxuser":
		r.mxAsk = value == "ask"
	case "auth":
		r.auth = strings.Fields(value)
	case "oauth":
		r.oauth = value
	case "note":
		r.notes = append(r.notes, value)
	case "major":
		r.major = true
	case "bridge":
		r.bridge = value
	default:
		return fmt.Errorf("a provider has no %q", key)
	}
	return nil
}

// setUser sets the user names of the servers above that have none yet.
func (r *row) setUser(form string) error {
	if form != "local" {
		return fmt.Errorf("user is %q: only local needs to be said", form)
	}
	for i := range r.servers {
		r.servers[i].User = tplLocal
	}
	return nil
}

// parseServer reads "host:port mode [user=TEMPLATE] [alt=TEMPLATE]".
func parseServer(p Protocol, value string) (s Server, err error) {
	f := strings.Fields(value)
	if len(f) < 2 {
		return s, fmt.Errorf("%q is not host:port mode", value)
	}
	host, port, err := net.SplitHostPort(f[0])
	if err != nil {
		return s, err
	}
	s = Server{Protocol: p, Host: host, User: tplAddress}
	if s.Port, err = strconv.Atoi(port); err != nil {
		return s, err
	}
	switch f[1] {
	case "tls":
		s.TLS = access.TLSImplicit
	case "starttls":
		s.TLS = access.TLSStart
	default:
		return s, fmt.Errorf("%q is no mode", f[1])
	}
	for _, option := range f[2:] {
		switch k, v, _ := strings.Cut(option, "="); k {
		case "user":
			s.User = v
		case "alt":
			s.AltUser = v
		default:
			return s, fmt.Errorf("a server has no %q", k)
		}
	}
	return s, nil
}

// index fills the maps. No two rows may claim the same name.
func (t *table) index() error {
	claim := func(m map[string]*row, name string, r *row) error {
		if m[name] != nil {
			return fmt.Errorf("providers: %s is claimed by %s and by %s", name, m[name].name, r.name)
		}
		m[name] = r
		return nil
	}
	for _, r := range t.rows {
		var err error
		for _, d := range r.domains {
			if above, ok := strings.CutPrefix(d, "*."); ok {
				err = errors.Join(err, claim(t.suffix, above, r))
			} else {
				err = errors.Join(err, claim(t.exact, d, r))
			}
		}
		for _, name := range r.mx {
			err = errors.Join(err, claim(t.mx, name, r))
		}
		for _, name := range r.cname {
			err = errors.Join(err, claim(t.cname, name, r))
		}
		if r.oauth != "" && t.oauth[r.oauth] == nil {
			err = errors.Join(err, fmt.Errorf("providers: %s: no authority %q", r.name, r.oauth))
		}
		if err != nil {
			return err
		}
		for _, s := range r.servers {
			if r.bridge == "" && !slices.Contains(t.hosts[s.Host], r) { // this computer is nobody's
				t.hosts[s.Host] = append(t.hosts[s.Host], r)
			}
		}
	}
	return nil
}
