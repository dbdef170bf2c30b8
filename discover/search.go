package discover

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// query is one search: what all sources share.
type query struct {
	set    *settings
	client *http.Client
	open   *sockets
	table  *table
	addr   address
	// domain is the one that is asked: the address's, or one above it.
	domain string
	log    *log
	facts  *facts
	// mx is the domain's mail exchangers, asked for once.
	mx *exchangers
	// sending is set when incoming servers are known and only outgoing ones
	// are still sought.
	sending *atomic.Bool
}

// answer is what a source said. User and AltUser of its servers are templates.
type answer struct {
	source   string
	servers  []Server
	provider string
	// evidence, confidence and confirm are for all servers that have none of
	// their own; a confidence of 0 is the source's usual one.
	evidence   string
	confidence int
	confirm    []string
	notes      []string
	// personal: a user name in it is for one address only.
	personal bool
	// row is set where the table's own servers are the answer.
	row *row
	// bridge is a provider that has no servers.
	bridge *row
	// ttl is for how long it may be kept; 0 is as usual.
	ttl time.Duration
	err error
}

// has reports whether there is a server for mail that comes in, or goes out.
func (a *answer) has(incoming bool) bool {
	return slices.ContainsFunc(a.servers, func(s Server) bool { return incoming == (s.Protocol != SMTP) })
}

// source is a way to learn of servers.
type source struct {
	name       string
	confidence int
	search     func(ctx context.Context, q *query) answer
	// late starts only when all that is published has been asked in vain, or
	// after limits.guessAfter if eager.
	late, eager bool
}

// published are the sources that ask what somebody has published, in the order
// in which they are believed.
func published() []source {
	return []source{
		{name: "pacc", confidence: 90, search: searchPACC},
		{name: "autoconfig", confidence: 86, search: searchAutoconfig},
		{name: "well-known", confidence: 86, search: searchWellKnown},
		{name: "ispdb", confidence: 85, search: searchISPDB},
		{name: "srv", confidence: 78, search: searchSRV},
		{name: "mx", confidence: 75, search: searchMX},
		{name: "autodiscover", confidence: 55, search: searchAutodiscover},
		{name: "mx", confidence: 35, search: searchMXAutoconfig},
	}
}

// lastResorts are the sources for when nothing is published for the domain.
func lastResorts() []source {
	return []source{
		{name: "above", search: searchAbove, late: true, eager: true},
		{name: "guess", confidence: 45, search: searchGuess, late: true, eager: true},
		{name: "http", confidence: 10, search: searchHTTP, late: true},
	}
}

// found is what a search came to; user names are templates.
type found struct {
	incoming, outgoing []Server
	provider           string
	notes              []string
	personal           bool
	bridge             *row
	ttl                time.Duration
}

// lane is a source at work.
type lane struct {
	source
	done chan answer
}

// search runs the sources, all that can be at once, and takes the first in order
// that names an incoming server. A later source can win only when those before
// it have answered. Outgoing servers are the same source's if it has any. All
// that was begun has ended when search returns.
func (q *query) search(ctx context.Context, sources []source, have found) found {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()

	q.sending.Store(len(have.incoming) > 0)
	silent := make(chan struct{})
	lanes := make([]lane, len(sources))
	last := -1 // the last that is not late
	for i, s := range sources {
		if !s.late {
			last = i
		}
		lanes[i] = lane{s, make(chan answer, 1)}
		wg.Go(func() { lanes[i].done <- q.consult(ctx, s, silent) })
	}
	if last < 0 {
		close(silent)
	}
	var spare []answer // what names outgoing servers alone
	for i := range lanes {
		a := <-lanes[i].done
		if have.take(&a, spare) {
			return have
		}
		if len(have.incoming) == 0 && a.has(false) {
			spare = append(spare, a)
		}
		q.sending.Store(len(have.incoming) > 0)
		if i == last {
			close(silent)
		}
	}
	return have
}

// consult waits until it is the source's turn, and asks it.
func (q *query) consult(ctx context.Context, s source, silent <-chan struct{}) answer {
	if s.late {
		var soon <-chan time.Time
		if s.eager {
			timer := time.NewTimer(q.set.lim.guessAfter)
			defer timer.Stop()
			soon = timer.C
		}
		select {
		case <-silent:
		case <-soon:
		case <-ctx.Done():
			return answer{err: context.Cause(ctx)}
		}
	} else {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, q.set.SourceTimeout+time.Second)
		defer cancel()
	}
	a := s.search(ctx, q)
	a.source = cmp.Or(a.source, s.name)
	q.finish(&a, s.confidence)
	return a
}

// take adds an answer to what is known, and reports whether that is enough.
func (f *found) take(a *answer, spare []answer) bool {
	if len(f.incoming) == 0 && a.bridge != nil && len(a.servers) == 0 {
		f.bridge = a.bridge
		return true // there is nothing to be found
	}
	if len(f.incoming) == 0 && a.has(true) {
		f.bridge = a.bridge
		f.provider = cmp.Or(a.provider, f.provider)
		f.notes = append(f.notes, a.notes...)
		f.personal = f.personal || a.personal
		f.ttl = a.ttl
		for _, s := range a.servers {
			if s.Protocol != SMTP {
				f.incoming = append(f.incoming, s)
			}
		}
		rank(f.incoming)
		if len(f.outgoing) == 0 {
			f.addOutgoing(a)
		}
		for i := range spare {
			if len(f.outgoing) == 0 {
				f.addOutgoing(&spare[i])
			}
		}
	} else if len(f.incoming) > 0 && len(f.outgoing) == 0 {
		f.addOutgoing(a)
	}
	return len(f.incoming) > 0 && len(f.outgoing) > 0
}

func (f *found) addOutgoing(a *answer) {
	for _, s := range a.servers {
		if s.Protocol == SMTP {
			f.outgoing = append(f.outgoing, s)
			f.personal = f.personal || a.personal
		}
	}
	rank(f.outgoing)
	if len(f.outgoing) > 0 && f.incoming[0].Source != a.source {
		f.notes = append(f.notes, "The servers for receiving and for sending were found in different places.")
	}
}

// rank sorts servers: IMAP before POP3, then by confidence, then implicit TLS
// before STARTTLS before none. The source's own order decides the rest.
func rank(servers []Server) {
	order := map[Protocol]int{IMAP: 0, POP3: 1, SMTP: 2}
	slices.SortStableFunc(servers, func(a, b Server) int {
		return cmp.Or(cmp.Compare(order[a.Protocol], order[b.Protocol]), cmp.Compare(b.Confidence, a.Confidence), cmp.Compare(a.TLS, b.TLS))
	})
}
