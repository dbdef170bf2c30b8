package mailtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

// DNSFault is a way in which a DNS misbehaves about a name.
type DNSFault int

// The faults.
const (
	// DNSServFail answers SERVFAIL.
	DNSServFail DNSFault = iota
	// DNSSilent does not answer.
	DNSSilent
	// DNSMalformed gives the records, and an error about others that could not
	// be read, as net.Resolver does.
	DNSMalformed
)

// DNS is a resolver whose records a test sets. It has the methods of net.Resolver
// that mail needs, and writes down what it is asked. A name without records does
// not exist. Names may end in a dot, and their case does not count. It is safe for
// concurrent use; zero is ready.
type DNS struct {
	// Latency is how long each answer takes.
	Latency time.Duration

	mu      sync.Mutex
	addrs   map[string][]netip.Addr
	turns   map[string][]netip.Addr
	cnames  map[string]string
	mx      map[string][]*net.MX
	srv     map[string][]*net.SRV
	txt     map[string][]string
	wild    map[string][]netip.Addr
	faults  map[string]DNSFault
	queries []string
}

func fold(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

func put[T any](d *DNS, m *map[string]T, name string, v T) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if *m == nil {
		*m = map[string]T{}
	}
	(*m)[fold(name)] = v
}

// SetHost gives a name its addresses. It panics if one is no IP address.
func (d *DNS) SetHost(name string, addrs ...string) { put(d, &d.addrs, name, parseAddrs(addrs)) }

// SetRebinding gives a name one address after the other, a new one for each
// question; the last stays. It panics if one is no IP address.
func (d *DNS) SetRebinding(name string, addrs ...string) { put(d, &d.turns, name, parseAddrs(addrs)) }

// SetWildcard gives all names below a domain that have no records the addresses.
// It panics if one is no IP address.
func (d *DNS) SetWildcard(domain string, addrs ...string) { put(d, &d.wild, domain, parseAddrs(addrs)) }

// SetCNAME makes a name an alias.
func (d *DNS) SetCNAME(name, target string) { put(d, &d.cnames, name, target) }

// SetMX gives a domain its mail exchangers, each "PREFERENCE HOST". It panics if
// one is not of that form.
func (d *DNS) SetMX(domain string, records ...string) {
	var all []*net.MX
	for _, r := range records {
		mx := &net.MX{}
		scan(r, "%d %s", &mx.Pref, &mx.Host)
		all = append(all, mx)
	}
	put(d, &d.mx, domain, all)
}

// SetSRV gives a name, such as "_imaps._tcp.example.org", its records, each
// "PRIORITY WEIGHT PORT TARGET". It panics if one is not of that form.
func (d *DNS) SetSRV(name string, records ...string) {
	var all []*net.SRV
	for _, r := range records {
		srv := &net.SRV{}
		scan(r, "%d %d %d %s", &srv.Priority, &srv.Weight, &srv.Port, &srv.Target)
		all = append(all, srv)
	}
	put(d, &d.srv, name, all)
}

// SetTXT gives a name its records, the strings of each joined.
func (d *DNS) SetTXT(name string, records ...string) { put(d, &d.txt, name, records) }

// SetFault has questions about a name, or about all names that have no fault of
// their own if it is "*", go wrong.
func (d *DNS) SetFault(name string, f DNSFault) { put(d, &d.faults, name, f) }

// Queries is what was asked so far, such as "MX example.org", in order.
func (d *DNS) Queries() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.queries)
}

func parseAddrs(addrs []string) (all []netip.Addr) {
	for _, a := range addrs {
		all = append(all, netip.MustParseAddr(a))
	}
	return all
}

func scan(record, format string, into ...any) {
	if _, err := fmt.Sscanf(record, format, into...); err != nil {
		panic(fmt.Sprintf("mailtest: DNS record %q is not of the form %q", record, format))
	}
}

// ask writes a question down and lets its fault, if there is one, strike. An
// error that is malformed comes with the records.
func (d *DNS) ask(ctx context.Context, kind, name string) (malformed, err error) {
	name = fold(name)
	d.mu.Lock()
	d.queries = append(d.queries, kind+" "+name)
	fault, bad := d.faults[name]
	if !bad {
		fault, bad = d.faults["*"]
	}
	d.mu.Unlock()
	if bad && fault == DNSSilent {
		<-ctx.Done()
	} else if d.Latency > 0 {
		select {
		case <-ctx.Done():
		case <-time.After(d.Latency):
		}
	}
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return nil, &net.DNSError{Err: "i/o timeout", Name: name, IsTimeout: true, IsTemporary: true}
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case bad && fault == DNSServFail:
		return nil, &net.DNSError{Err: "server misbehaving", Name: name, IsTemporary: true}
	case bad && fault == DNSMalformed:
		return &net.DNSError{Err: "DNS response contained records which contain invalid names", Name: name}, nil
	}
	return nil, nil
}

// dnsAnswer gives records, or that there are none.
func dnsAnswer[T any](name string, records []T, malformed error) ([]T, error) {
	if len(records) == 0 && malformed == nil {
		return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	}
	return records, malformed
}

// LookupNetIP is as net.Resolver's.
func (d *DNS) LookupNetIP(ctx context.Context, _, host string) ([]netip.Addr, error) {
	malformed, err := d.ask(ctx, "A", host)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return dnsAnswer(host, slices.Clone(d.find(fold(host))), malformed)
}

// find looks for addresses, along aliases and in wildcards.
func (d *DNS) find(name string) []netip.Addr {
	for range 10 {
		target, ok := d.cnames[name]
		if !ok {
			break
		}
		name = fold(target)
	}
	if turns := d.turns[name]; len(turns) > 0 {
		if len(turns) > 1 {
			d.turns[name] = turns[1:]
		}
		return turns[:1]
	}
	if all, ok := d.addrs[name]; ok {
		return all
	}
	for rest, more := name, true; more; {
		if _, rest, more = strings.Cut(rest, "."); more && len(d.wild[rest]) > 0 {
			return d.wild[rest]
		}
	}
	return nil
}

// LookupCNAME is as net.Resolver's: the name at the end of all aliases, which is
// host itself if it has addresses.
func (d *DNS) LookupCNAME(ctx context.Context, host string) (string, error) {
	malformed, err := d.ask(ctx, "CNAME", host)
	if err != nil {
		return "", err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	name, seen := fold(host), false
	for range 10 {
		target, ok := d.cnames[name]
		if !ok {
			break
		}
		name, seen = fold(target), true
	}
	if !seen && len(d.find(name)) == 0 {
		_, err := dnsAnswer[string](host, nil, malformed)
		return "", err
	}
	return name + ".", malformed
}

// LookupMX is as net.Resolver's, sorted by preference.
func (d *DNS) LookupMX(ctx context.Context, name string) ([]*net.MX, error) {
	malformed, err := d.ask(ctx, "MX", name)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return dnsAnswer(name, slices.Clone(d.mx[fold(name)]), malformed)
}

// LookupSRV is as net.Resolver's, in the order in which they were set.
func (d *DNS) LookupSRV(ctx context.Context, service, proto, name string) (string, []*net.SRV, error) {
	full := "_" + service + "._" + proto + "." + name
	malformed, err := d.ask(ctx, "SRV", full)
	if err != nil {
		return "", nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	records, err := dnsAnswer(full, slices.Clone(d.srv[fold(full)]), malformed)
	return full + ".", records, err
}

// LookupTXT is as net.Resolver's.
func (d *DNS) LookupTXT(ctx context.Context, name string) ([]string, error) {
	malformed, err := d.ask(ctx, "TXT", name)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return dnsAnswer(name, slices.Clone(d.txt[fold(name)]), malformed)
}
