package discover

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
)

const (
	configFile  = "/mail/config-v1.1.xml"
	wellKnown   = "/.well-known/autoconfig/mail/config-v1.1.xml"
	isSuffixErr = "the domain is a public suffix: names below it belong to others"
)

// addressQuery is the query that tells a domain's own servers the address.
// Percent-encoded is what would not survive, "@" and "." stay as they are, since
// some servers echo what they get.
func (q *query) addressQuery() string {
	if q.set.HideAddress || q.domain != q.addr.domain {
		return ""
	}
	escaped := url.QueryEscape(q.addr.local + "@" + q.addr.domain)
	return "?emailaddress=" + strings.NewReplacer("%40", "@", "+", "%20").Replace(escaped)
}

// below is the name of a host of the domain; ok is false if the domain is a
// public suffix, below which everybody can register names.
func (q *query) below(label string) (host string, ok bool) {
	if registrable(q.domain) == "" {
		return "", false
	}
	return label + "." + q.domain, true
}

func searchAutoconfig(ctx context.Context, q *query) answer {
	host, ok := q.below("autoconfig")
	if !ok {
		return answer{err: errors.New(isSuffixErr)}
	}
	return q.ownConfig(ctx, "autoconfig", "https://"+host+configFile)
}

func searchWellKnown(ctx context.Context, q *query) answer {
	return q.ownConfig(ctx, "well-known", "https://"+q.domain+wellKnown)
}

// ownConfig asks the domain itself. Since it proved its name it may name servers
// of other domains.
func (q *query) ownConfig(ctx context.Context, source, target string) answer {
	return q.config(ctx, source, target, request{url: target + q.addressQuery(), redirects: q.set.lim.redirects}, "")
}

// searchISPDB asks a curated list, by the domain alone.
func searchISPDB(ctx context.Context, q *query) answer {
	return q.ispdb(ctx, "ispdb", q.domain)
}

func (q *query) ispdb(ctx context.Context, source, name string) answer {
	if q.set.ISPDB == "off" {
		return answer{err: errors.New("switched off")}
	}
	target := strings.TrimSuffix(q.set.ISPDB, "/") + "/" + name
	a := q.config(ctx, source, target, request{url: target, redirects: q.set.lim.redirects}, name)
	if a.err != nil && !errors.Is(a.err, errStatus) && !errors.Is(a.err, errDocument) && !errors.Is(a.err, context.Canceled) {
		q.facts.set(func(f *facts) { f.list = a.err })
	}
	return a
}

// searchHTTP asks over unprotected HTTP, where that is allowed. It never tells
// the address.
func searchHTTP(ctx context.Context, q *query) answer {
	host, ok := q.below("autoconfig")
	if !q.set.AllowHTTP || !ok {
		return answer{err: errors.New("not allowed")}
	}
	target := "http://" + host + configFile
	a := q.config(ctx, "http", target, request{url: target, redirects: q.set.lim.redirects, plain: true}, "")
	a.confirm = append(a.confirm, "The settings came over an unprotected connection, on which anybody can have changed them.")
	return a
}

// config fetches and reads a clientConfig. If listed is not empty, the document
// must say that it is for that domain.
func (q *query) config(ctx context.Context, source, target string, r request, listed string) answer {
	end := q.attempt(source, target)
	doc, err := q.fetch(ctx, r)
	var c *clientConfig
	if err == nil {
		q.facts.set(func(f *facts) { f.https = f.https || !r.plain })
		c, err = parseClientConfig(doc.body, q.addr.domain, q.set)
	}
	if err == nil && listed != "" && !slices.Contains(c.domains, listed) {
		err = fmt.Errorf("%w: it is not for %s", errDocument, listed)
	}
	if err == nil && c.insecure > 0 {
		q.facts.set(func(f *facts) { f.insecure = true })
	}
	if err == nil && len(c.servers) == 0 {
		err = noServers(c)
	}
	end(err)
	if err != nil {
		return answer{err: err}
	}
	a := answer{servers: c.servers, provider: c.name, evidence: doc.url, notes: c.notes, confirm: away(doc)}
	if listed == "" && len(c.domains) > 0 && !slices.Contains(c.domains, q.domain) {
		a.notes = append(a.notes, fmt.Sprintf("The settings say that they are for %s, and name no %s.", c.domains[0], q.domain))
	}
	if listed == "" && r.url != target { // it was told the address
		a.generalise(q.addr)
	}
	return a
}

// generalise makes the user names of an answer serve all addresses of the domain.
func (a *answer) generalise(addr address) {
	for i := range a.servers {
		var personal bool
		a.servers[i].User, personal = generalise(a.servers[i].User, addr)
		a.personal = a.personal || personal
	}
}

// away is the reason to ask the user if others than the domain gave the document.
func away(doc *document) []string {
	if doc.away == "" {
		return nil
	}
	return []string{fmt.Sprintf("The settings came from %s, to which the domain redirects.", doc.away)}
}

func noServers(c *clientConfig) error {
	switch {
	case c.insecure > 0:
		return fmt.Errorf("%w: it offers only servers without TLS", errDocument)
	case c.broken > 0:
		return fmt.Errorf("%w: none of its servers can be understood", errDocument)
	}
	return fmt.Errorf("%w: it names no server for mail", errDocument)
}

// searchAbove asks the domains above, step by step, up to the registrable one
// and never beyond: what is published there is often meant for all below. The
// address is not told.
func searchAbove(ctx context.Context, q *query) answer {
	for _, up := range parents(q.domain) {
		sub := *q
		sub.domain, sub.sending = up, &atomic.Bool{}
		f := sub.search(ctx, []source{
			{name: "autoconfig", confidence: 86, search: searchAutoconfig},
			{name: "well-known", confidence: 86, search: searchWellKnown},
			{name: "ispdb", confidence: 85, search: searchISPDB},
			{name: "srv", confidence: 78, search: searchSRV},
		}, found{})
		if len(f.incoming) == 0 {
			continue
		}
		a := answer{source: f.incoming[0].Source, servers: append(f.incoming, f.outgoing...), provider: f.provider, notes: f.notes}
		for i := range a.servers {
			s := &a.servers[i]
			s.Confidence -= 30
		}
		a.confirm = []string{fmt.Sprintf("The settings are those of %s, not of %s itself.", up, q.domain)}
		return a
	}
	return answer{err: errors.New("nothing above")}
}
