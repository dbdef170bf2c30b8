package discover

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	keepFound   = 24 * time.Hour // for how long what was found is believed
	keepNothing = time.Hour      // and that nothing was
	maxKept     = 1024           // domains
)

// Lookup finds the servers of a mail address. It takes no password and sends
// none: not to any server, not if asked for one. o may be nil.
//
// Errors are *mailbox.Error around *Error: ErrAddress, ErrNoDomain, ErrNoMail,
// ErrNothing, ErrInsecure, ErrProprietary, ErrNetwork, ErrTimeout, or the
// context's own. When Lookup returns, all that it began has ended. It keeps
// nothing: a program that looks up often has a Finder.
func Lookup(ctx context.Context, address string, o *Options) (*Result, error) {
	f := Finder{}
	if o != nil {
		f.Options = *o
	}
	return f.Lookup(ctx, address)
}

// Finder looks up addresses and keeps what it found, by domain: a day, unless the
// source says for how long; that nothing was found an hour; failures of the
// network, and nothing from sources that were slow, not at all. Callers who ask about one domain at once share one search,
// which ends when it is done or nobody waits for it any more; no goroutine is left
// then. The zero Finder is ready. It is safe for concurrent use; set Options before the first
// call.
type Finder struct {
	// Options are for all lookups.
	Options Options

	lim     *limits // of tests
	mu      sync.Mutex
	kept    map[string]kept
	flights map[string]*flight
}

// kept is what is remembered of a domain, or of an address if it is personal.
type kept struct {
	found found
	err   *Error
	until time.Time
}

// flight is a search that is under way.
type flight struct {
	done    chan struct{}
	cancel  context.CancelFunc
	waiters int

	// After done:
	found    found
	err      *Error
	attempts []Attempt
	address  string // whom it was made for
}

// Lookup is the function Lookup with f's options, and with what f has kept.
func (f *Finder) Lookup(ctx context.Context, addr string) (*Result, error) {
	s := newSettings(&f.Options)
	if f.lim != nil {
		s.lim = *f.lim
	}
	a, err := parseAddress(addr, func(domain string) bool { return len(s.preset(domain)) > 0 })
	if err != nil {
		return nil, wrap(failure("", err, adviceAddress))
	}
	q := &query{set: &s, addr: a, domain: a.domain, table: theTable(), log: newLog(s.Logger), facts: &facts{}, sending: &atomic.Bool{}}
	have := q.atHand()
	if have.stuck(&s) {
		return nil, wrap(failure(a.domain, ErrProprietary, have.bridge.bridge))
	}
	if len(have.incoming) > 0 && len(have.outgoing) > 0 {
		return q.result(have, q.log.list()), nil
	}
	if ctx.Err() != nil {
		return nil, wrap(context.Cause(ctx))
	}
	personal := a.domain + " " + a.full // the key of what is for one address only
	fl := f.recall(q, personal)
	if fl == nil {
		fl, err = f.fly(ctx, q, have, a.domain)
	}
	if err == nil && fl.found.personal && fl.address != a.full {
		fl, err = f.fly(ctx, q, have, personal)
	}
	if err != nil {
		return nil, wrap(err)
	}
	if fl.err != nil {
		e := *fl.err
		e.Attempts = slices.Clone(fl.attempts)
		if errors.Is(e.Err, ErrNetwork) {
			e.Unverified = q.unverified()
		}
		return nil, wrap(&e)
	}
	return q.result(fl.found, fl.attempts), nil
}

// recall is a search that is kept, as if it had just ended; nil if there is none.
func (f *Finder) recall(q *query, key string) *flight {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.recalled(q, key)
}

// recalled is recall where f.mu is held.
func (f *Finder) recalled(q *query, key string) *flight {
	k, ok := f.kept[key]
	if !ok || !time.Now().Before(k.until) {
		return nil
	}
	a := Attempt{Source: "cache", Target: q.domain, Outcome: "found"}
	if k.err != nil {
		a.Outcome = text(k.err.Err.Error())
	}
	return &flight{found: k.found, err: k.err, address: q.addr.full, attempts: []Attempt{a}}
}

// fly gives the search for key: one that is kept, one that is under way, or a new
// one. It waits until that has ended or ctx has.
func (f *Finder) fly(ctx context.Context, q *query, have found, key string) (*flight, error) {
	f.mu.Lock()
	if fl := f.recalled(q, key); fl != nil {
		f.mu.Unlock()
		return fl, nil
	}
	fl := f.flights[key]
	if fl == nil {
		fl = f.launch(ctx, q, have, key)
	}
	fl.waiters++
	f.mu.Unlock()
	select {
	case <-fl.done:
		return fl, nil
	case <-ctx.Done():
	}
	f.mu.Lock()
	fl.waiters--
	alone := fl.waiters == 0
	if alone && f.flights[key] == fl {
		delete(f.flights, key) // who comes now begins anew
	}
	f.mu.Unlock()
	if alone { // nobody wants it any more
		fl.cancel()
		<-fl.done
	}
	return nil, context.Cause(ctx)
}

// launch begins a search, which lasts as long as somebody waits for it.
func (f *Finder) launch(ctx context.Context, q *query, have found, key string) *flight {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), q.set.Timeout)
	fl := &flight{done: make(chan struct{}), cancel: cancel, address: q.addr.full}
	if f.flights == nil {
		f.flights = map[string]*flight{}
	}
	f.flights[key] = fl
	go func() {
		defer close(fl.done)
		defer cancel()
		fl.found, fl.err = q.searchAll(ctx, have)
		fl.attempts = q.log.list()
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.flights[key] == fl {
			delete(f.flights, key)
		}
		if !errors.Is(ctx.Err(), context.Canceled) { // it was not cut off
			f.keep(key, fl)
		}
	}()
	return fl
}

// keep remembers a search. f.mu is held.
func (f *Finder) keep(key string, fl *flight) {
	until := time.Now().Add(cmp.Or(fl.found.ttl, keepFound))
	switch {
	case fl.err == nil && fl.found.personal && !strings.Contains(key, " "):
		key += " " + fl.address
	case fl.err == nil:
	case errors.Is(fl.err, ErrNothing) && len(late(fl.attempts)) > 0:
		return // another time they may answer
	case errors.Is(fl.err, ErrNothing) || errors.Is(fl.err, ErrNoDomain) || errors.Is(fl.err, ErrNoMail) || errors.Is(fl.err, ErrInsecure) || errors.Is(fl.err, ErrProprietary):
		until = time.Now().Add(keepNothing)
	default:
		return
	}
	if f.kept == nil {
		f.kept = map[string]kept{}
	}
	if len(f.kept) >= maxKept {
		now := time.Now()
		maps.DeleteFunc(f.kept, func(_ string, k kept) bool { return now.After(k.until) })
		for old := range f.kept {
			if len(f.kept) < maxKept {
				break
			}
			delete(f.kept, old)
		}
	}
	f.kept[key] = kept{fl.found, fl.err, until}
}

// searchAll asks the network.
func (q *query) searchAll(ctx context.Context, have found) (found, *Error) {
	ctx, cancel := context.WithCancel(ctx)
	q.open = newSockets()
	q.client = q.set.newClient(ctx, q.open)
	q.mx = q.startMX(ctx)
	defer func() {
		cancel()
		<-q.mx.done
		q.open.end()
	}()
	f := q.search(ctx, append(published(), lastResorts()...), have)
	switch {
	case f.stuck(q.set):
		return f, failure(q.domain, ErrProprietary, f.bridge.bridge)
	case len(f.incoming) > 0:
		return f, nil
	}
	return f, q.whyNothing(ctx)
}
