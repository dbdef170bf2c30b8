package discover

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/postroom-go/postroom/mailbox/access"
)

const (
	guessTime = 12 * time.Second
	// probesAtOnce is how many servers of one protocol are probed at once, and
	// probeTime how long one may take in all.
	probesAtOnce = 4
	probeTime    = 10 * time.Second
	// probeAddrs is how many addresses of a host are probed: mostly one of IPv6
	// and one of IPv4.
	probeAddrs = 2
	// hurriedConnect bounds a connection while other candidates wait for their
	// turn: a port that drops packets must not hold them up.
	hurriedConnect = 1200 * time.Millisecond
	// grace is how long better candidates have when enough has been found.
	grace = 500 * time.Millisecond
)

// candidate is a server that may be there.
type candidate struct {
	Server
	addrs []netip.Addr
	rank  int // 0 is the best of its protocol
}

// guesses are the names and ports that mail servers mostly have, the best
// first; "" is the domain itself.
func guesses() []struct {
	protocol        Protocol
	labels          []string
	implicit, start int
} {
	return []struct {
		protocol        Protocol
		labels          []string
		implicit, start int
	}{
		{IMAP, []string{"imap", "mail", ""}, 993, 143},
		{POP3, []string{"pop", "pop3", "mail", ""}, 995, 110},
		{SMTP, []string{"smtp", "mail", ""}, 465, 587},
	}
}

// searchGuess probes the names that mail servers mostly have. A candidate counts
// if its certificate is for its name, and it greets and tells its capabilities
// as its protocol wants; nobody logs in.
func searchGuess(ctx context.Context, q *query) answer {
	if q.set.NoGuess {
		return answer{err: errors.New("switched off")}
	}
	ctx, cancel := context.WithTimeout(ctx, guessTime)
	defer cancel()
	hosts := q.guessHosts(ctx)
	best := q.probeAll(ctx, q.candidates(hosts))
	a := answer{}
	for _, p := range []Protocol{IMAP, POP3, SMTP} {
		if c := best[p]; c != nil {
			a.servers = append(a.servers, c.Server)
		}
	}
	if len(a.servers) == 0 {
		a.err = errors.New("no server answered")
	}
	return a
}

// guessHosts resolves all labels at once.
func (q *query) guessHosts(ctx context.Context) map[string][]netip.Addr {
	labels := map[string]string{}
	for _, g := range guesses() {
		for _, l := range g.labels {
			if l == "" {
				labels[l] = q.domain
			} else if host, ok := q.below(l); ok {
				labels[l] = host
			}
		}
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	hosts := map[string][]netip.Addr{}
	for l, host := range labels {
		wg.Go(func() {
			addrs, err := ask(ctx, q, "guess", "A "+host, func(ctx context.Context) ([]netip.Addr, error) { return q.set.addrs(ctx, host) })
			if err == nil {
				mu.Lock()
				hosts[l] = addrs[:min(len(addrs), probeAddrs)]
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return hosts
}

// candidates are the servers to probe: for each protocol all with TLS from the
// first octet, then all with STARTTLS, and where that is allowed all without.
func (q *query) candidates(hosts map[string][]netip.Addr) map[Protocol][]candidate {
	all := map[Protocol][]candidate{}
	modes := []access.TLSMode{access.TLSImplicit, access.TLSStart}
	if q.set.AllowPlaintext {
		modes = append(modes, access.TLSNone)
	}
	for _, g := range guesses() {
		if g.protocol != SMTP && q.sending.Load() {
			continue
		}
		for _, mode := range modes {
			for _, l := range g.labels {
				if len(hosts[l]) == 0 {
					continue
				}
				c := candidate{addrs: hosts[l], rank: len(all[g.protocol])}
				c.Server = Server{Protocol: g.protocol, Host: q.domain, Port: g.start, TLS: mode, User: tplAddress, AltUser: tplLocal}
				if l != "" {
					c.Host = l + "." + q.domain
				}
				if mode == access.TLSImplicit {
					c.Port = g.implicit
				} else {
					c.Confidence = confidenceStart
				}
				all[g.protocol] = append(all[g.protocol], c)
			}
		}
	}
	return all
}

// probeAll probes the candidates, a few of each protocol at once, and gives the
// best of each that is there. When there are servers for receiving and for
// sending, the others have a moment left: dead ports hold nothing up.
func (q *query) probeAll(ctx context.Context, all map[Protocol][]candidate) map[Protocol]*candidate {
	ctx, cancel := context.WithCancel(ctx)
	results := make(chan *candidate)
	var wg sync.WaitGroup
	left := 0
	for _, list := range all {
		left += len(list)
		queue := make(chan candidate, len(list))
		for _, c := range list {
			queue <- c
		}
		close(queue)
		for range min(probesAtOnce, len(list)) {
			wg.Go(func() {
				for c := range queue {
					results <- q.probeOne(ctx, c, len(queue) > 0)
				}
			})
		}
	}
	best := map[Protocol]*candidate{}
	var enough <-chan time.Time
	for left > 0 {
		select {
		case c := <-results:
			left--
			if c == nil {
				continue
			}
			if b := best[c.Protocol]; b == nil || c.rank < b.rank {
				best[c.Protocol] = c
			}
			if enough == nil && best[SMTP] != nil && (best[IMAP] != nil || best[POP3] != nil || q.sending.Load()) {
				timer := time.NewTimer(grace)
				defer timer.Stop()
				enough = timer.C
			}
		case <-enough:
			cancel()
			enough = nil
		}
	}
	cancel()
	wg.Wait()
	return best
}

// probeOne is the candidate with what it said, or nil if it is none.
func (q *query) probeOne(ctx context.Context, c candidate, hurried bool) *candidate {
	if ctx.Err() != nil {
		return nil
	}
	end := q.attempt("guess", c.String())
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	connect := q.set.ConnectTimeout
	if hurried {
		connect = min(connect, hurriedConnect)
	}
	auth, err := q.set.probe(ctx, c, connect, q.open)
	end(err)
	if err != nil {
		return nil
	}
	c.Auth = auth
	c.Evidence = "probe of " + c.Addr()
	return &c
}

// loginWords are the ways to log in, by SASL's mechanisms. OAuth2 comes last:
// nothing says where its tokens would be from.
func loginWords(mechanisms []string, password bool) (auth []string) {
	has := func(names ...string) bool {
		return slices.ContainsFunc(names, func(n string) bool { return slices.Contains(mechanisms, n) })
	}
	if password || has("PLAIN", "LOGIN") {
		auth = append(auth, "password")
	}
	if has("SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-1", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-512", "CRAM-MD5") {
		auth = append(auth, "encrypted")
	}
	if has("GSSAPI") {
		auth = append(auth, "gssapi")
	}
	if has("NTLM") {
		auth = append(auth, "ntlm")
	}
	if has("OAUTHBEARER", "XOAUTH2") {
		auth = append(auth, "oauth2")
	}
	return auth
}
