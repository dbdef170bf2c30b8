package discover

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/postroom-go/postroom/mailbox/access"
)

// Resolver asks DNS; *net.Resolver is one. Names come with the final dot, so that
// no search domain is added to them. Errors are *net.DNSError where that matters,
// and records may come together with an error about others. It must obey its
// context and be safe for concurrent use.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
	LookupCNAME(ctx context.Context, host string) (string, error)
	LookupMX(ctx context.Context, name string) ([]*net.MX, error)
	LookupSRV(ctx context.Context, service, proto, name string) (string, []*net.SRV, error)
	LookupTXT(ctx context.Context, name string) ([]string, error)
}

// Options are the options of a lookup. Nil and zero are safe: HTTPS alone,
// servers with TLS alone, public addresses alone. There is nothing in them that
// could hold a secret.
type Options struct {
	// Presets are servers by domain (in A-labels or as typed), which win over
	// everything else. User and AltUser may hold the placeholders
	// %EMAILADDRESS%, %EMAILLOCALPART% and %EMAILDOMAIN%, Host the last one; an
	// empty User is the address, a zero Port the usual one. If there are only
	// incoming or only outgoing ones, the others are looked up.
	Presets map[string][]Server
	// ISPDB is the URL of a list of providers, to which the domain is
	// appended; it must be https. Empty is Thunderbird's, "off" is none. It is
	// told the domain, never the address.
	ISPDB string
	// NoGuess switches off the probing of servers that nobody named.
	NoGuess bool
	// HideAddress does not tell the domain's own HTTPS servers the address.
	// Some of them then do not answer.
	HideAddress bool
	// AllowHTTP also asks for configuration over unprotected HTTP, last of all;
	// the user must confirm whatever comes of it.
	AllowHTTP bool
	// AllowPlaintext also takes servers without TLS, last of all; the user must
	// confirm them.
	AllowPlaintext bool
	// AllowPrivate also connects to loopback, private and link-local addresses
	// (RFC 6890). It is for tests and for the network of a house or company.
	AllowPrivate bool

	// Resolver asks DNS; nil is net.DefaultResolver.
	Resolver Resolver
	// Authenticated reports whether the answer that Resolver gave last about a
	// name was validated by DNSSEC (the AD bit, RFC 4035 section 3.2.3), by a
	// resolver that is reached safely. Such SRV records may lead to other
	// domains without confirmation. It is called from several goroutines. Nil is
	// never.
	Authenticated func(name string) bool
	// Dialer makes the TCP connections, always to an IP address that was
	// checked. It must obey its context. Nil is a *net.Dialer.
	Dialer access.Dialer
	// HTTPClient is the base of the HTTP client: its cookies, redirects and
	// timeout are replaced. If its Transport is nil or an *http.Transport
	// without a proxy or dialler of its own, a copy of it dials as Dialer says;
	// any other one dials by itself, and then it alone can keep private
	// addresses out. Nil is an http.Client that uses no proxy.
	HTTPClient *http.Client
	// TLSConfig is the base of the TLS configuration; it is cloned. Nil is the
	// system's roots. ServerName is not used.
	TLSConfig *tls.Config

	// Timeout bounds a lookup; 0 is 20 seconds.
	Timeout time.Duration
	// SourceTimeout bounds each question to a source, its answer included; 0 is
	// 5 seconds.
	SourceTimeout time.Duration
	// ConnectTimeout bounds each TCP connection; 0 is 2 seconds, so that a
	// packet may be lost once.
	ConnectTimeout time.Duration
	// Logger gets each attempt, at level Debug, without the address. Nil logs
	// nothing.
	Logger *slog.Logger
}

const (
	defaultISPDB          = "https://autoconfig.thunderbird.net/v1.1/"
	defaultTimeout        = 20 * time.Second
	defaultSourceTimeout  = 5 * time.Second
	defaultConnectTimeout = 2 * time.Second
)

// settings are the options with their defaults filled in.
type settings struct {
	Options
	lim limits
}

// limits are the limits that are no options. Tests lift them, to show what they
// are for.
type limits struct {
	body       int64 // octets of a document, after decompression
	redirects  int
	depth      int           // of elements
	servers    int           // of a document
	guessAfter time.Duration // for how long only what is published is asked
}

func newSettings(o *Options) settings {
	s := settings{lim: limits{body: 256 << 10, redirects: 3, depth: 32, servers: 50, guessAfter: 500 * time.Millisecond}}
	if o != nil {
		s.Options = *o
	}
	if s.Resolver == nil {
		s.Resolver = net.DefaultResolver
	}
	if s.Dialer == nil {
		s.Dialer = &net.Dialer{}
	}
	if s.ISPDB == "" {
		s.ISPDB = defaultISPDB
	}
	if s.Timeout <= 0 {
		s.Timeout = defaultTimeout
	}
	if s.SourceTimeout <= 0 {
		s.SourceTimeout = defaultSourceTimeout
	}
	if s.ConnectTimeout <= 0 {
		s.ConnectTimeout = defaultConnectTimeout
	}
	if s.Logger == nil {
		s.Logger = slog.New(slog.DiscardHandler)
	}
	return s
}
