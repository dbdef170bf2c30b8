package discover

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"
)

const autodiscoverPath = "/autodiscover/autodiscover.xml"

var errExchange = errors.New("it names Exchange alone")

// searchAutodiscover asks as Microsoft's Autodiscover does, but for one thing: it
// never logs in. Where the server wants that, Exchange is all it would tell of.
//
// A name of Microsoft's in place of autodiscover.DOMAIN, by a CNAME or by a
// redirect, leads to the provider table without any question to Microsoft.
func searchAutodiscover(ctx context.Context, q *query) answer {
	urls := make([]string, 0, 2)
	urls = append(urls, "https://"+q.domain+autodiscoverPath)
	host, ok := q.below("autodiscover")
	if ok {
		urls = append(urls, "https://"+host+autodiscoverPath)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make(chan answer, 4)
	n := 0
	start := func(f func() answer) {
		n++
		go func() { results <- f() }()
	}
	if ok {
		start(func() answer { return q.autodiscoverCNAME(ctx, host) })
	}
	for _, u := range urls {
		start(func() answer { return q.askPOX(ctx, u) })
	}
	start(func() answer { return q.autodiscoverSRV(ctx) })
	all := make([]answer, 0, n)
	for range n {
		a := <-results
		if len(a.servers) > 0 && a.confidence == confidenceCNAME {
			cancel()
		}
		all = append(all, a)
	}
	slices.SortStableFunc(all, func(a, b answer) int {
		return cmp.Or(cmp.Compare(b.confidence, a.confidence), cmp.Compare(len(b.servers), len(a.servers)))
	})
	return all[0]
}

// autodiscoverCNAME looks whether a provider of the table runs the host.
func (q *query) autodiscoverCNAME(ctx context.Context, host string) answer {
	names, err := ask(ctx, q, "autodiscover", "CNAME "+host, func(ctx context.Context) ([]string, error) {
		name, err := q.set.Resolver.LookupCNAME(ctx, rooted(host))
		if name == "" {
			return nil, err
		}
		return []string{name}, err
	})
	if err != nil {
		return answer{err: err}
	}
	return q.byCNAME("CNAME "+host, strings.ToLower(strings.TrimSuffix(names[0], ".")))
}

// byCNAME is the row of the provider that runs a host; there may be none.
func (q *query) byCNAME(evidence, host string) answer {
	r := q.table.byCNAME(host)
	if r == nil || !validName(host) {
		return answer{err: errNobody}
	}
	a := r.answer(evidence+" "+host, q.table)
	a.confidence = confidenceCNAME
	return a
}

// autodiscoverSRV asks the host that _autodiscover._tcp names, if it is of the
// same domain: the address is told to nobody else.
func (q *query) autodiscoverSRV(ctx context.Context) answer {
	records, err := ask(ctx, q, "autodiscover", "SRV _autodiscover._tcp."+q.domain, func(ctx context.Context) ([]*net.SRV, error) {
		_, r, err := q.set.Resolver.LookupSRV(ctx, "autodiscover", "tcp", rooted(q.domain))
		return r, err
	})
	if err != nil {
		return answer{err: err}
	}
	for _, r := range bySRV(records) {
		host, err := serverName(strings.ToLower(r.Target))
		if err != nil {
			continue
		}
		if a := q.byCNAME("SRV _autodiscover._tcp."+q.domain, host); a.err == nil {
			return a
		}
		if !related(host, q.domain) {
			return answer{err: errors.New("it leads to another domain, which is not told the address")}
		}
		return q.askPOX(ctx, fmt.Sprintf("https://%s:%d%s", host, r.Port, autodiscoverPath))
	}
	return answer{err: errors.New("no records")}
}

// askPOX asks one server, following its redirects within the domain.
func (q *query) askPOX(ctx context.Context, target string) answer {
	if q.set.HideAddress {
		return answer{err: errors.New("not asked, since it would be told the address")}
	}
	for range q.set.lim.redirects + 1 {
		shown := target
		if u, err := url.Parse(target); err == nil {
			shown = withoutQuery(u)
		}
		end := q.attempt("autodiscover", shown)
		doc, next, err := q.postPOX(ctx, target)
		var p *pox
		if err == nil && next == "" {
			p, err = parsePOX(doc.body, q.set)
		}
		if err == nil && p != nil {
			next = p.redirectURL
			if p.redirectAddress != "" {
				err = errors.New("it sends to another address")
			}
		}
		a := answer{err: err}
		if err == nil && next == "" {
			a = q.poxAnswer(p, shown)
		}
		end(a.err)
		if errors.Is(a.err, errLogin) || errors.Is(a.err, errExchange) {
			q.facts.set(func(f *facts) { f.exchange = true })
		}
		if next == "" || err != nil {
			return a
		}
		u, err := url.Parse(next)
		if err != nil || badURL(u, false) != nil {
			return answer{err: errScheme}
		}
		if a := q.byCNAME("redirect of "+shown, u.Hostname()); a.err == nil {
			return a
		}
		if !related(u.Hostname(), q.domain) {
			return answer{err: errors.New("it redirects to another domain, which is not told the address")}
		}
		target = next
	}
	return answer{err: errRedirects}
}

// postPOX sends one request. Where the server redirects, next is where to.
func (q *query) postPOX(ctx context.Context, target string) (doc *document, next string, err error) {
	doc, err = q.fetch(ctx, request{url: target, body: poxRequest(q.addr.local + "@" + q.addr.domain), stop: &next})
	if next != "" {
		return nil, next, nil
	}
	return doc, "", err
}

func (q *query) poxAnswer(p *pox, target string) answer {
	if p.insecure > 0 {
		q.facts.set(func(f *facts) { f.insecure = true })
	}
	if len(p.servers) == 0 {
		if p.exchange {
			return answer{err: errExchange}
		}
		return answer{err: fmt.Errorf("%w: it names no server for mail", errDocument)}
	}
	a := answer{servers: p.servers, evidence: target, ttl: time.Duration(p.hours) * time.Hour}
	for i := range a.servers {
		s := &a.servers[i]
		if !related(s.Host, q.domain) {
			s.Confidence = confidenceSRVOther
			s.Confirm = append(s.Confirm, fmt.Sprintf("%s names a server of another domain, %s.", q.domain, s.Host))
		}
		if s.User == "" {
			s.User, s.AltUser = tplAddress, tplLocal
		}
	}
	a.generalise(q.addr)
	return a
}
