package discover

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"time"
)

// lookupTime bounds each question to DNS.
const lookupTime = 3 * time.Second

var errNullMX = errors.New("the domain says that it takes no mail")

// rooted is a name as DNS is asked for it: with the final dot, which keeps resolvers
// from trying it below the search domains of this computer as well.
func rooted(name string) string { return strings.TrimSuffix(name, ".") + "." }

// ask asks DNS within the time, and notes what the answer says of the domain.
func ask[T any](ctx context.Context, q *query, source, record string, f func(ctx context.Context) ([]T, error)) ([]T, error) {
	end := q.attempt(source, record)
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	all, err := f(ctx)
	if len(all) > 0 {
		err = nil // records that are malformed do not lose the others
		q.facts.set(func(f *facts) { f.exists = true })
	} else if err == nil {
		err = &net.DNSError{Err: "no such record", Name: record, IsNotFound: true}
	}
	if err != nil {
		q.noteDNS(err)
	}
	end(err)
	return all, err
}

// noteDNS tells DNS that fails from DNS that says no.
func (q *query) noteDNS(err error) {
	if notFound(err) || errors.Is(err, context.Canceled) {
		return
	}
	q.facts.set(func(f *facts) {
		var d *net.DNSError
		if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &d) && d.IsTimeout {
			f.timeout = true
		}
		if f.dnsErr == nil {
			f.dnsErr = err
		}
	})
}

// txt are the TXT records of a name.
func (q *query) txt(ctx context.Context, source, name string) []string {
	all, _ := ask(ctx, q, source, "TXT "+name, func(ctx context.Context) ([]string, error) {
		return q.set.Resolver.LookupTXT(ctx, rooted(name))
	})
	return all
}

// exchangers are a domain's mail exchangers as soon as DNS has answered.
type exchangers struct {
	done  chan struct{}
	names []string
	err   error
}

func (q *query) startMX(ctx context.Context) *exchangers {
	e := &exchangers{done: make(chan struct{})}
	go func() {
		defer close(e.done)
		e.names, e.err = q.lookupMX(ctx)
	}()
	return e
}

func (e *exchangers) wait() ([]string, error) {
	<-e.done
	return e.names, e.err
}

// lookupMX asks for the domain's mail exchangers, and gives those of the lowest
// preference, sorted, without the final dot. A null MX (RFC 7505) is errNullMX.
func (q *query) lookupMX(ctx context.Context) ([]string, error) {
	records, err := ask(ctx, q, "mx", "MX "+q.domain, func(ctx context.Context) ([]*net.MX, error) {
		return q.set.Resolver.LookupMX(ctx, rooted(q.domain))
	})
	if err != nil {
		return nil, err
	}
	best := slices.MinFunc(records, func(a, b *net.MX) int { return int(a.Pref) - int(b.Pref) }).Pref
	var names []string
	for _, r := range records {
		host := strings.ToLower(strings.TrimSuffix(r.Host, "."))
		if host == "" && len(records) == 1 {
			q.facts.set(func(f *facts) { f.nullMX = true })
			return nil, errNullMX
		}
		if r.Pref == best && validName(host) {
			names = append(names, host)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}
