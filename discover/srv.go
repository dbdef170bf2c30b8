package discover

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"

	"github.com/postroom-go/postroom/mailbox/access"
)

// maxSRV is how many records of one service are used.
const maxSRV = 4

// service is one of the services of RFC 6186 and RFC 8314.
type service struct {
	name     string
	protocol Protocol
	tls      access.TLSMode
	implicit int // the port on which others speak TLS from the first octet
}

func services() []service {
	return []service{
		{"imaps", IMAP, access.TLSImplicit, 0},
		{"imap", IMAP, access.TLSStart, 993},
		{"pop3s", POP3, access.TLSImplicit, 0},
		{"pop3", POP3, access.TLSStart, 995},
		{"submissions", SMTP, access.TLSImplicit, 0},
		{"submission", SMTP, access.TLSStart, 465},
	}
}

// searchSRV asks DNS for all services at once.
func searchSRV(ctx context.Context, q *query) answer {
	all := services()
	records := make([][]*net.SRV, len(all))
	var wg sync.WaitGroup
	for i, s := range all {
		wg.Go(func() {
			name := "_" + s.name + "._tcp." + q.domain
			records[i], _ = ask(ctx, q, "srv", "SRV "+name, func(ctx context.Context) ([]*net.SRV, error) {
				_, r, err := q.set.Resolver.LookupSRV(ctx, s.name, "tcp", rooted(q.domain))
				return r, err
			})
		})
	}
	wg.Wait()
	a := answer{}
	rank := map[Protocol]uint16{}
	for i, s := range all {
		for _, r := range bySRV(records[i]) {
			server, ok := q.srvServer(s, r)
			if !ok {
				continue
			}
			a.servers = append(a.servers, server)
			if p, seen := rank[s.protocol]; !seen || r.Priority < p {
				rank[s.protocol] = r.Priority
			}
		}
	}
	if len(a.servers) == 0 {
		a.err = errors.New("no records")
	}
	if p, pop := rank[POP3]; pop {
		if i, imap := rank[IMAP]; imap && p < i {
			a.notes = append(a.notes, "The domain's DNS prefers POP3 to IMAP.")
		}
	}
	return a
}

// bySRV sorts records: the lowest priority first, within it the highest weight
// (RFC 2782 has clients choose by chance; here the same question gets the same
// answer). A target "." says that the service is not there.
func bySRV(records []*net.SRV) []*net.SRV {
	records = slices.Clone(records)
	slices.SortStableFunc(records, func(a, b *net.SRV) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(b.Weight, a.Weight), strings.Compare(a.Target, b.Target))
	})
	records = slices.DeleteFunc(records, func(r *net.SRV) bool { return r.Target == "." || r.Target == "" })
	return records[:min(len(records), maxSRV)]
}

// srvServer makes a server out of a record; ok is false if it is none.
func (q *query) srvServer(s service, r *net.SRV) (server Server, ok bool) {
	host, err := serverName(strings.ToLower(r.Target))
	if err != nil || r.Port == 0 {
		return server, false
	}
	if r.Port == 25 { // the port between servers
		return server, false
	}
	name := "_" + s.name + "._tcp." + q.domain
	server = Server{Protocol: s.protocol, Host: host, Port: int(r.Port), TLS: s.tls,
		User: tplAddress, AltUser: tplLocal, Auth: []string{"password"},
		Evidence: fmt.Sprintf("SRV %s %d %d %d %s", name, r.Priority, r.Weight, r.Port, host)}
	if server.Port == s.implicit {
		server.TLS = access.TLSImplicit
	}
	switch {
	case q.set.Authenticated != nil && q.set.Authenticated(name):
		server.Confidence = confidenceSRVSec
	case !related(host, q.domain):
		server.Confidence = confidenceSRVOther
		server.Confirm = []string{fmt.Sprintf("DNS, which can be forged, leads from %s to %s, which belongs to another domain.", q.domain, host)}
	}
	return server, true
}
