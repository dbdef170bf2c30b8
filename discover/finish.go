package discover

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/net/idna"

	"github.com/postroom-go/postroom/mailbox/access"
)

// The confidences that are not one source's own.
const (
	confidencePreset   = 100
	confidenceTable    = 95
	confidenceSRVSec   = 82 // SRV, validated by DNSSEC
	confidenceCNAME    = 70 // autodiscover leads to a provider of the table
	confidenceMXISPDB  = 60
	confidenceSRVOther = 40 // SRV or Autodiscover that leads to another domain
	confidenceGuess    = 45
	confidenceStart    = 35 // a guess with STARTTLS

	high, medium = 85, 55
)

// finish gives each server of an answer its source, its rank, and the reasons
// for which the user must approve of it; user names that are of the address
// alone are noticed.
func (q *query) finish(a *answer, confidence int) {
	a.servers = unique(a.servers)
	for i := range a.servers {
		s := &a.servers[i]
		s.Source = a.source
		s.Evidence = cmp.Or(s.Evidence, a.evidence)
		s.Confidence = cmp.Or(s.Confidence, a.confidence, confidence)
		s.Confirm = append(s.Confirm, a.confirm...)
		if a.row == nil && a.source != "preset" {
			q.enrich(s)
			s.Confirm = append(s.Confirm, oddName(s.Host, q.domain)...)
		}
		if s.TLS == access.TLSNone {
			s.Confirm = append(s.Confirm, "The connection is not protected: everybody on the way can read the password and the mail.")
		}
		s.Trust = trust(s.Confidence)
		if s.User == "" {
			s.Notes = append(s.Notes, "The user name is not known: ask for it.")
		}
	}
}

func trust(confidence int) Trust {
	switch {
	case confidence >= high:
		return TrustHigh
	case confidence >= medium:
		return TrustMedium
	}
	return TrustLow
}

// unique drops a server that stands twice.
func unique(servers []Server) []Server {
	seen := map[string]bool{}
	return slices.DeleteFunc(servers, func(s Server) bool {
		key := string(s.Protocol) + s.Addr()
		twice := seen[key]
		seen[key] = true
		return twice
	})
}

// enrich adds what the provider table knows of a host that somebody else named:
// where its OAuth2 tokens are from, which others leave out, and how it wants
// logins, of which DNS says nothing and which lists get wrong.
func (q *query) enrich(s *Server) {
	r := q.table.byHost(s.Host, q.addr.domain)
	if r == nil {
		return
	}
	oauthOnly := slices.Equal(r.auth, []string{"oauth2"})
	if oauthOnly || s.Source != "autoconfig" && s.Source != "well-known" && s.Source != "pacc" {
		s.Auth = slices.Clone(r.auth)
		s.Notes = append(s.Notes, r.notes...)
	}
	if slices.Contains(s.Auth, "oauth2") {
		if o := q.table.oauth2(r.oauth, s.Protocol); o != nil {
			s.OAuth2 = o
		}
	}
}

// oddName is a reason to ask the user if a host's name has letters beyond ASCII,
// which can look like others, and is not of the domain itself.
func oddName(host, domain string) []string {
	if !strings.Contains(host, "xn--") || related(host, domain) {
		return nil
	}
	shown, err := idna.ToUnicode(host)
	if err != nil {
		shown = host
	}
	return []string{fmt.Sprintf("The server's name is %s, which shows as %q: look whether that is what it seems to be.", host, shown)}
}
