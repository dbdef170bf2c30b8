package discover

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/postroom-go/postroom/mailbox"
)

// whyNothing says why nothing was found, and what the user can do.
func (q *query) whyNothing(ctx context.Context) *Error {
	q.facts.mu.Lock()
	defer q.facts.mu.Unlock()
	f := q.facts
	slow := ""
	if sources := late(q.log.list()); len(sources) > 0 {
		slow = "Not all sources answered in time (" + strings.Join(sources, ", ") + "). "
	}
	fail := func(err error, advice string, more error) *Error {
		if more != nil {
			err = &because{err, more}
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
		return fail(ErrNetwork, "No server could be reached, not even the list of providers, so that this is not about the address. Check the connection to the internet, or a proxy.", f.list)
	case ctx.Err() != nil:
		return fail(ErrTimeout, slow+"Try again, or enter the servers by hand.", nil)
	case f.nullMX:
		return fail(ErrNoMail, "Check how the address is spelt.", nil)
	case !f.exists && !f.https:
		return fail(ErrNoDomain, "Check how the address is spelt.", nil)
	case f.cert != nil:
		return fail(ErrNothing, "Servers were found whose certificates are not valid for their names. Ask the provider for the names of the servers, and enter them by hand.", f.cert)
	case f.exchange:
		return fail(ErrNothing, "An Exchange server seems to answer for this domain, and tells its settings only to those who log in, which a lookup never does. Ask the administrator whether IMAP is switched on, and for the names of the servers.", nil)
	case f.policy != nil:
		return fail(ErrNothing, "Ask the provider for the names of the servers, and enter them by hand.", f.policy)
	}
	return fail(ErrNothing, slow+"Ask the provider for the names of the servers, and enter them by hand.", nil)
}

// late are the sources that did not answer in time. That ports which somebody only
// guessed do not answer is no wonder.
func late(attempts []Attempt) (sources []string) {
	for _, a := range attempts {
		if strings.HasSuffix(a.Outcome, "timed out") && a.Source != "guess" && !slices.Contains(sources, a.Source) {
			sources = append(sources, a.Source)
		}
	}
	return sources
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
