package discover

import (
	"errors"
	"fmt"
	"net"
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
	ErrNothing error = &sentinel{"no mail servers found", mailbox.ErrNotFound}
	// ErrInsecure: only servers without TLS are offered. It is
	// mailbox.ErrTLSRequired, too.
	ErrInsecure error = &sentinel{"only servers without TLS found", mailbox.ErrTLSRequired}
	// ErrProprietary: the provider has no IMAP and no POP3, or only by a bridge
	// program of its own.
	ErrProprietary = errors.New("the provider has no standard mail servers")
	// ErrNetwork: the network does not let the lookup through: it is down, its
	// DNS fails, or something in it answers in the place of others. It is
	// mailbox.ErrUnavailable, too.
	ErrNetwork error = &sentinel{"the network does not let the lookup through", mailbox.ErrUnavailable}
	// ErrTimeout: Options.Timeout ended before anything was found, or DNS did not
	// answer at all. It is mailbox.ErrUnavailable, too.
	ErrTimeout error = &sentinel{"the lookup took too long", mailbox.ErrUnavailable}
)

// sentinel is an error that is another one, too, and does not repeat its words.
type sentinel struct {
	text string
	is   error
}

func (s *sentinel) Error() string { return s.text }

func (s *sentinel) Unwrap() error { return s.is }

// because is a sentinel with what has led to it, in a few words.
type because struct{ what, cause error }

func (b *because) Error() string { return fmt.Sprintf("%v (%s)", b.what, causeOf(b.cause)) }

func (b *because) Unwrap() []error { return []error{b.what, b.cause} }

// causeOf is outcome, with the name that DNS was asked for.
func causeOf(err error) string {
	var d *net.DNSError
	if errors.As(err, &d) && d.Name != "" {
		return strings.TrimSuffix(text(d.Name), ".") + ": " + outcome(err)
	}
	return outcome(err)
}

// Error is why a lookup failed, and what the user can do.
type Error struct {
	// Domain is the domain in A-labels; empty if there is none.
	Domain string
	// Err is one of the sentinels, perhaps with more about it.
	Err error
	// Advice is a sentence or two for the user.
	Advice string
	// Attempts are what was tried, in the order of their starts.
	Attempts []Attempt
	// Unverified has the names that many domains use; it is there with
	// ErrNetwork, and nil otherwise. Nobody said that they are right: they are
	// for a form that the user fills in, not for a login.
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
		b.WriteString(". " + e.Advice)
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
