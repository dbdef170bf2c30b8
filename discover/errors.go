package discover

import (
	"errors"
	"fmt"
	"strings"

	"github.com/postroom-go/postroom/mailbox"
)

// The sentinels, for errors.Is. They stand in an *Error, and that in a
// *mailbox.Error.
var (
	// ErrAddress: that is no mail address, or none whose domain can be looked
	// up.
	ErrAddress = errors.New("not a mail address")
	// ErrNoDomain: the domain does not exist, or has nothing in DNS.
	ErrNoDomain = errors.New("no such mail domain")
	// ErrNoMail: the domain says that it takes no mail (a null MX, RFC 7505),
	// and names no server either.
	ErrNoMail = errors.New("the domain does not take mail")
	// ErrNothing: the domain is there, nothing names its servers, and guessing
	// did not find them. It is mailbox.ErrNotFound, too, and
	// mailbox.ErrCertificate if servers were there with certificates for other
	// names.
	ErrNothing = fmt.Errorf("no mail servers found: %w", mailbox.ErrNotFound)
	// ErrInsecure: only servers without TLS are offered. It is
	// mailbox.ErrTLSRequired, too.
	ErrInsecure = fmt.Errorf("only servers without TLS found: %w", mailbox.ErrTLSRequired)
	// ErrProprietary: the provider has no IMAP and no POP3, or only by a bridge
	// program of its own.
	ErrProprietary = errors.New("the provider has no standard mail servers")
	// ErrNetwork: the network does not let the lookup through: it is down, its
	// DNS fails, or something in it answers in the place of others. It is
	// mailbox.ErrUnavailable, too.
	ErrNetwork = fmt.Errorf("network failure: %w", mailbox.ErrUnavailable)
	// ErrTimeout: Options.Timeout ended before anything was found. It is
	// mailbox.ErrUnavailable, too.
	ErrTimeout = fmt.Errorf("timed out: %w", mailbox.ErrUnavailable)
)

// Error is why a lookup failed, and what the user can do.
type Error struct {
	// Domain is the domain in A-labels; empty if there is none.
	Domain string
	// Err is one of the sentinels, perhaps with more about it.
	Err error
	// Advice is a sentence or two for the user.
	Advice string
	// Attempts are what was tried.
	Attempts []Attempt
	// Unverified, if not nil, has the names that many domains use. Nobody said
	// that they are right: they are for a form that the user fills in, not for
	// a login.
	Unverified *Result
}

// Error names the domain, the reason and the advice.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Domain != "" {
		b.WriteString(e.Domain + ": ")
	}
	b.WriteString(e.Err.Error())
	if e.Advice != "" {
		b.WriteString(": " + e.Advice)
	}
	return b.String()
}

// Unwrap gives Err.
func (e *Error) Unwrap() error { return e.Err }

const adviceAddress = "Write it as name@example.org."

// failure makes the error of a whole lookup.
func failure(domain string, err error, advice string) *Error {
	return &Error{Domain: domain, Err: err, Advice: advice}
}

// wrap is what Lookup returns of err.
func wrap(err error) error { return &mailbox.Error{Op: "discover", Err: err} }
