package discover

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/postroom-go/postroom/mailbox"
)

// errPrivate is why an address is not dialled.
var errPrivate = errors.New("the name leads to a private or local address, which Options.AllowPrivate would allow")

const (
	// maxAddrs is how many addresses of a host are dialled, and eyeballs how
	// long one is given before the next is tried beside it (RFC 8305).
	maxAddrs = 4
	eyeballs = 250 * time.Millisecond
)

// Networks that net/netip has no word for.
var (
	cgnat    = netip.MustParsePrefix("100.64.0.0/10")
	thisNet  = netip.MustParsePrefix("0.0.0.0/8")
	protocol = netip.MustParsePrefix("192.0.0.0/24")
	reserved = netip.MustParsePrefix("240.0.0.0/4")
	nat64    = netip.MustParsePrefix("64:ff9b::/96")
	nat64own = netip.MustParsePrefix("64:ff9b:1::/48")
	sixTo4   = netip.MustParsePrefix("2002::/16")
	teredo   = netip.MustParsePrefix("2001::/32")
	siteOld  = netip.MustParsePrefix("fec0::/10")
)

// private reports whether an address is not on the public internet (RFC 6890):
// a name that leads to one may be an attack on what only this computer can
// reach. Addresses of IPv6 that stand for one of IPv4 count as that.
func private(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	switch {
	case nat64.Contains(a):
		b := a.As16()
		return private(netip.AddrFrom4([4]byte(b[12:])))
	case sixTo4.Contains(a):
		b := a.As16()
		return private(netip.AddrFrom4([4]byte(b[2:6])))
	}
	return !a.IsValid() || a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast() || a.IsMulticast() || a.IsUnspecified() ||
		cgnat.Contains(a) || thisNet.Contains(a) || protocol.Contains(a) || reserved.Contains(a) ||
		nat64own.Contains(a) || teredo.Contains(a) || siteOld.Contains(a)
}

// addrs resolves a host and leaves the addresses that may be dialled. A host
// that is an IP address already is checked in the same way.
func (s *settings) addrs(ctx context.Context, host string) ([]netip.Addr, error) {
	all, err := s.resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	kept := all
	if !s.AllowPrivate {
		kept = slices.DeleteFunc(slices.Clone(all), private)
	}
	if len(kept) == 0 {
		return nil, fmt.Errorf("%s: %w", host, errPrivate)
	}
	return interleave(kept), nil
}

func (s *settings) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}, nil
	}
	all, err := s.Resolver.LookupNetIP(ctx, "ip", rooted(host))
	if err != nil && len(all) == 0 {
		return nil, err
	}
	if len(all) == 0 {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	return all, nil
}

// interleave puts addresses of IPv6 and IPv4 in turns, and cuts the list.
func interleave(all []netip.Addr) (mixed []netip.Addr) {
	var six, four []netip.Addr
	for _, a := range all {
		if a.Unmap().Is4() {
			four = append(four, a.Unmap())
		} else {
			six = append(six, a)
		}
	}
	for i := 0; i < len(six) || i < len(four); i++ {
		if i < len(six) {
			mixed = append(mixed, six[i])
		}
		if i < len(four) {
			mixed = append(mixed, four[i])
		}
	}
	return mixed[:min(len(mixed), maxAddrs)]
}

// dial resolves and connects. The addresses that were checked are those that are
// dialled: nothing can change between (DNS rebinding).
func (s *settings) dial(ctx context.Context, host string, port int) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, s.ConnectTimeout)
	defer cancel()
	addrs, err := s.addrs(ctx, host)
	if err != nil {
		return nil, err
	}
	return s.dialAddrs(ctx, addrs, port)
}

// dialAddrs connects to whichever address answers first.
func (s *settings) dialAddrs(ctx context.Context, addrs []netip.Addr, port int) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		nc  net.Conn
		err error
	}
	results := make(chan result, len(addrs))
	start := func(a netip.Addr) {
		nc, err := s.Dialer.DialContext(ctx, "tcp", netip.AddrPortFrom(a, uint16(port)).String())
		results <- result{nc, err}
	}
	var errs []error
	next, open := 0, 0
	stagger := time.NewTimer(0)
	defer stagger.Stop()
	// Whoever loses must not keep a connection.
	defer func() {
		cancel()
		for ; open > 0; open-- {
			if r := <-results; r.nc != nil {
				_ = r.nc.Close()
			}
		}
	}()
	for {
		select {
		case <-stagger.C:
			if next < len(addrs) {
				go start(addrs[next])
				next, open = next+1, open+1
				stagger.Reset(eyeballs)
			}
		case r := <-results:
			open--
			if r.err == nil {
				return r.nc, nil
			}
			errs = append(errs, r.err)
			if next == len(addrs) && open == 0 {
				return nil, fmt.Errorf("%w: %w", mailbox.ErrUnavailable, errors.Join(errs...))
			}
			stagger.Reset(0)
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", mailbox.ErrUnavailable, context.Cause(ctx))
		}
	}
}

// DialContext connects to a server that a lookup has found, so that a Finder is an
// access.Dialer. It holds to what lookups hold to: Resolver resolves the name, only
// addresses that were checked are dialled, by Dialer, and loopback and private ones
// not unless AllowPrivate. Whoever publishes a server's name can have it lead to
// what only this computer reaches, and can change that later (DNS rebinding).
// network is not used. Errors are the Resolver's and the Dialer's; a dial that fails
// is mailbox.ErrUnavailable.
func (f *Finder) DialContext(ctx context.Context, _, addr string) (net.Conn, error) {
	set := newSettings(&f.Options)
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, err
	}
	addrs, err := set.addrs(ctx, host)
	if err != nil {
		return nil, err
	}
	return set.dialAddrs(ctx, addrs, int(n))
}

// notFound reports whether DNS said that there is no such name or record.
func notFound(err error) bool {
	var d *net.DNSError
	return errors.As(err, &d) && d.IsNotFound
}

// outcome says in a few words what became of an attempt.
func outcome(err error) string {
	var d *net.DNSError
	switch {
	case err == nil:
		return "found"
	case errors.Is(err, context.Canceled):
		return "no longer needed"
	case errors.Is(err, context.DeadlineExceeded):
		return "timed out"
	case errors.As(err, &d) && d.IsNotFound:
		return "not in DNS"
	case errors.As(err, &d) && d.IsTimeout:
		return "DNS timed out"
	case errors.As(err, &d):
		return text("DNS failed: " + d.Err)
	}
	return text(strings.TrimPrefix(err.Error(), "temporarily unavailable: "))
}
