package discover

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// searchMX asks for the domain's mail exchangers and looks for their provider, in
// the table and then in the curated list. A forged record can only choose among
// those.
func searchMX(ctx context.Context, q *query) answer {
	exchangers, err := q.mx.wait()
	if err != nil {
		return answer{err: err}
	}
	for _, mx := range exchangers {
		if r := q.table.byMX(mx); r != nil {
			return q.byMX(r, mx)
		}
	}
	a := q.askMX(exchangers, func(name string) answer { return q.ispdb(ctx, "mx", name) })
	a.confidence = confidenceMXISPDB
	return a
}

// askMX asks for each name of the first exchanger's provider, at once, so that one
// that does not answer costs no time of its own; the first name in order counts that
// has an answer.
func (q *query) askMX(exchangers []string, ask func(name string) answer) answer {
	if len(exchangers) == 0 {
		return answer{err: errNobody}
	}
	mx := exchangers[0]
	names := mxNames(mx, q.domain)
	answers := make([]answer, len(names))
	var wg sync.WaitGroup
	for i, name := range names {
		wg.Go(func() { answers[i] = ask(name) })
	}
	wg.Wait()
	for i, a := range answers {
		if a.err == nil {
			a.confirm = append(a.confirm, mxReason(mx, names[i]))
			return a
		}
	}
	return answer{err: errNobody}
}

var errNobody = errors.New("nobody known")

// byMX is the row of a provider that takes the domain's mail.
func (q *query) byMX(r *row, mx string) answer {
	a := r.answer("MX "+q.domain+" "+mx, q.table)
	if !r.major {
		a.confirm = []string{mxReason(mx, r.name)}
	}
	if r.mxAsk {
		for i := range a.servers {
			a.servers[i].User, a.servers[i].AltUser = "", ""
		}
	}
	return a
}

func mxReason(mx, whose string) string {
	return fmt.Sprintf("The domain's mail goes to %s, so the settings are those of %s; DNS, which says so, can be forged.", mx, whose)
}

// mxNames are the domains by which a mail exchanger's provider may be known: its
// name without the first label, then its registrable domain; never one above,
// and none of those that are asked anyway.
func mxNames(mx, domain string) []string {
	base := registrable(mx)
	if base == "" {
		return nil
	}
	names := []string{base}
	if _, rest, _ := strings.Cut(mx, "."); under(rest, base) && rest != base {
		names = []string{rest, base}
	}
	return slices.DeleteFunc(names, func(n string) bool { return related(n, domain) })
}

// searchMXAutoconfig asks the provider that takes the domain's mail. Whoever
// forges the MX record can name himself here, so the user must confirm.
func searchMXAutoconfig(ctx context.Context, q *query) answer {
	exchangers, err := q.mx.wait()
	if err != nil {
		return answer{err: err}
	}
	if len(exchangers) > 0 && q.table.byMX(exchangers[0]) != nil {
		return answer{err: errNobody}
	}
	return q.askMX(exchangers, func(name string) answer {
		target := "https://autoconfig." + name + configFile
		return q.config(ctx, "mx", target, request{url: target, redirects: q.set.lim.redirects}, "")
	})
}

// answer is what the table knows of a provider.
func (r *row) answer(evidence string, t *table) answer {
	if r.bridge != "" && len(r.servers) == 0 {
		return answer{bridge: r}
	}
	a := answer{servers: slices.Clone(r.servers), provider: r.name, evidence: evidence, notes: r.notes, row: r}
	if r.bridge != "" {
		a.bridge = r
	}
	for i := range a.servers {
		r.rules(&a.servers[i], t)
	}
	return a
}

// rules are how the provider wants logins at a server of his.
func (r *row) rules(s *Server, t *table) {
	s.Auth, s.Notes = slices.Clone(r.auth), slices.Clone(r.notes)
	if slices.Contains(s.Auth, "oauth2") {
		s.OAuth2 = t.oauth2(r.oauth, s.Protocol)
	}
	if s.OAuth2 == nil && len(s.Auth) > 1 {
		s.Auth = slices.DeleteFunc(s.Auth, func(w string) bool { return w == "oauth2" })
	}
}
