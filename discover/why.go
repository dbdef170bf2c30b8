package discover

import (
	"context"
	"errors"
	"fmt"

	"github.com/postroom-go/postroom/mailbox"
)

// whyNothing says why nothing was found, and what the user can do.
func (q *query) whyNothing(ctx context.Context) *Error {
	q.facts.mu.Lock()
	defer q.facts.mu.Unlock()
	f := q.facts
	fail := func(err error, advice string, more error) *Error {
		if more != nil {
			err = fmt.Errorf("%w: %w", err, more)
		}
		return failure(q.domain, err, advice)
	}
	switch {
	case f.insecure:
		return fail(ErrInsecure, "The provider publishes only servers without TLS, on which anybody can read the password. Ask the provider for servers with TLS.", nil)
	case f.intercepted():
		return fail(ErrNetwork, "Something in the network answers in the place of the servers that were asked, as hotspots do before one has logged in to them. Open a web page first, or use another network.", f.anyWebCert())
	case f.dnsErr != nil && !f.exists && f.timeout:
		return fail(ErrTimeout, "DNS did not answer. Check the connection to the internet and try again.", f.dnsErr)
	case f.dnsErr != nil && !f.exists:
		return fail(ErrNetwork, "DNS fails for this domain. Check the connection to the internet, or try again later.", f.dnsErr)
	case f.list != nil && !f.answered:
		return fail(ErrNetwork, "No server could be reached, not even the list of providers. Check the connection to the internet, or a proxy.", f.list)
	case ctx.Err() != nil:
		return fail(ErrTimeout, "Not all sources answered in time. Try again, or enter the servers by hand.", nil)
	case f.nullMX:
		return fail(ErrNoMail, "Check how the address is spelt.", nil)
	case !f.exists && !f.https:
		return fail(ErrNoDomain, "Check how the address is spelt.", nil)
	case f.cert != nil:
		return fail(ErrNothing, "Servers were found whose certificates are not valid for their names. Ask the provider for the names of the servers, and enter them by hand.", f.cert)
	case f.policy != nil:
		return fail(ErrNothing, "Ask the provider for the names of the servers, and enter them by hand.", f.policy)
	}
	return fail(ErrNothing, "Ask the provider for the names of the servers, and enter them by hand.", nil)
}

// intercepted reports whether somebody on the way answers in the place of others:
// not even the list of providers, or else the servers of several domains, have
// their own certificates. One domain's can simply be wrong.
func (f *facts) intercepted() bool {
	return !f.proved && (errors.Is(f.list, mailbox.ErrCertificate) || len(f.webCerts) > 1)
}

func (f *facts) anyWebCert() error {
	for _, err := range f.webCerts {
		return err
	}
	return nil
}

// unverified are the names that many domains use.
func (q *query) unverified() *Result {
	f := found{notes: []string{"These are only the names that many domains use: nobody was asked."}}
	for _, g := range guesses() {
		s := Server{Protocol: g.protocol, Host: g.labels[0] + "." + q.domain, Port: g.implicit, User: tplAddress, Auth: []string{"password"},
			Source: "guess", Trust: TrustLow, Confirm: []string{"Nobody has checked that this server is there."}}
		if g.protocol == SMTP {
			f.outgoing = append(f.outgoing, s)
		} else {
			f.incoming = append(f.incoming, s)
		}
	}
	return q.result(f, nil)
}
