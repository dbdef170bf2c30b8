package discover

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"github.com/postroom-go/postroom/mailbox/access"
)

// stuck reports whether the provider has no servers, or only a bridge on this
// computer, which may not be dialled.
func (f *found) stuck(s *settings) bool {
	return f.bridge != nil && (len(f.incoming) == 0 || !s.AllowPrivate)
}

// preset are the caller's servers for a domain.
func (s *settings) preset(domain string) []Server {
	for name, servers := range s.Presets {
		if n, err := hostName(strings.ToLower(name)); name == domain || err == nil && n == domain {
			return servers
		}
	}
	return nil
}

// atHand is what presets and the table know, without the network.
func (q *query) atHand() found {
	have := found{}
	if servers := q.set.preset(q.domain); len(servers) > 0 {
		a := answer{source: "preset", servers: presetServers(servers, q.domain), evidence: "the program"}
		q.finish(&a, confidencePreset)
		have.take(&a, nil)
		if len(have.incoming) == 0 {
			have.outgoing = append(have.outgoing, a.servers...)
		}
	}
	end := q.attempt("table", q.domain)
	r := q.table.byDomain(q.domain)
	if r == nil {
		end(errors.New("not listed"))
	} else {
		end(nil)
		a := r.answer("provider table: "+r.name, q.table)
		a.source = "table"
		q.finish(&a, confidenceTable)
		have.take(&a, nil)
	}
	return have
}

// presetServers fills in what a preset may leave out.
func presetServers(servers []Server, domain string) []Server {
	servers = slices.Clone(servers)
	for i := range servers {
		s := &servers[i]
		s.Host = strings.ReplaceAll(s.Host, tplDomain, domain)
		if host, err := givenHost(s.Host); err == nil {
			s.Host = host
		}
		s.User = cmp.Or(s.User, tplAddress)
		if len(s.Auth) == 0 {
			s.Auth = []string{"password"}
		}
		s.Confirm, s.Notes = slices.Clone(s.Confirm), slices.Clone(s.Notes)
		if s.Port == 0 {
			s.Port = usualPort(s.Protocol, s.TLS)
		}
	}
	return servers
}

// usualPort is RFC 8314's, and those that it replaces.
func usualPort(p Protocol, mode access.TLSMode) int {
	implicit := mode == access.TLSImplicit
	switch {
	case p == IMAP && implicit:
		return 993
	case p == IMAP:
		return 143
	case p == POP3 && implicit:
		return 995
	case p == POP3:
		return 110
	case implicit:
		return 465
	}
	return 587
}
