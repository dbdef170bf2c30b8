// Package account opens the mail account that a URL names. The example programs
// share it.
package account

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"

	"github.com/postroom-go/postroom/discover"
	"github.com/postroom-go/postroom/imapsrc"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/popsrc"
	"github.com/postroom-go/postroom/smtpsink"
)

// Help says in a program's usage text what an account's URL looks like.
const Help = `An account is a URL:

  imaps://alice@imap.example.com        IMAP, TLS from the start (port 993)
  imap://alice@imap.example.com         IMAP, STARTTLS required (port 143)
  pops://alice@pop.example.com          POP3, TLS from the start (port 995)
  pop://alice@pop.example.com           POP3, STLS required (port 110)
  maildir:///var/mail/alice             a directory on this machine, absolute
  maildir:Mail                          or below the working directory

An @ or / in the user name is written %40 or %2F; in a directory ? is %3F, # is
%23 and % is %25. ?layout=plain behind a directory keeps the folder A/B in A/B,
where Maildir++ has .A.B; ?lf=1 stores lines as Unix does.

` + AddressHelp

// ErrUsage marks a URL or an option that is wrong, as opposed to an account
// that cannot be reached.
var ErrUsage = errors.New("wrong usage")

// Options are the options of Open. Nil and zero require TLS with the system's
// roots.
type Options struct {
	// Plaintext uses no TLS at all with imap:// and pop://.
	Plaintext bool
	// CAFile names a PEM file of certificate authorities to trust as well.
	CAFile string
	// TLSConfig is the base of the TLS configuration; nil is the system's roots.
	TLSConfig *tls.Config
	// Dialer makes the connections; nil is the network.
	Dialer access.Dialer
	// Trace gets the protocol's lines, secrets redacted.
	Trace func(access.TraceEvent)
	// Connections limits an IMAP account's connections; 0 is the driver's own
	// limit.
	Connections int
	// Password tells the password; it is asked for once, before dialling, and
	// not at all for a Maildir.
	Password func(user, host string) (string, error)
	// Discover are the options of looking up the servers of an address. Confirm
	// is asked about those that are not vouched for; nil is no.
	Discover discover.Options
	Confirm  func(context.Context, discover.Server) bool
	// SMTP are the options of an address's sender; its Net is not used.
	SMTP smtpsink.Options
	// Create makes a Maildir that is not there, instead of mailbox.ErrNotFound.
	Create bool
}

// scheme is what an account's URL begins with.
type scheme struct {
	protocol string
	tls      access.TLSMode
	port     string
}

// schemes says what an account's URL means.
var schemes = map[string]scheme{
	"imaps": {"imap", access.TLSImplicit, "993"},
	"imap":  {"imap", access.TLSStart, "143"},
	"pops":  {"pop", access.TLSImplicit, "995"},
	"pop":   {"pop", access.TLSStart, "110"},
	"smtps": {"smtp", access.TLSImplicit, "465"},
	"smtp":  {"smtp", access.TLSStart, "587"},
}

// Open opens the account that rawURL names. An error that is ErrUsage is the
// caller's to mend.
func Open(ctx context.Context, rawURL string, o *Options) (mailbox.Mailbox, error) {
	if IsAddress(rawURL) {
		a, err := OpenAddress(ctx, rawURL, o)
		if err != nil {
			return nil, err
		}
		return a.Mailbox, nil // with nothing else open
	}
	u, err := url.Parse(rawURL)
	if err != nil {
		// url.Error repeats its input, which may hold a password.
		return nil, usagef("the account is neither an address nor a URL such as imaps://alice@imap.example.com")
	}
	if u.Scheme == maildirScheme {
		return o.openMaildir(u)
	}
	s, ok := schemes[u.Scheme]
	switch {
	case !ok || s.protocol == "smtp":
		return nil, usagef("unknown kind of account %q: want imaps, imap, pops, pop or maildir, as in imaps://alice@imap.example.com", u.Scheme)
	case u.User.Username() == "":
		return nil, usagef("the account's URL has no user: want %s://alice@%s (write @ in the user name as %%40)", u.Scheme, u.Host)
	}
	addr, auth, netOptions, err := o.server(u, s)
	if err != nil {
		return nil, err
	}
	if s.protocol == "pop" {
		return opened(popsrc.Dial(ctx, addr, auth, &popsrc.Options{Net: netOptions}))
	}
	return opened(imapsrc.Dial(ctx, addr, auth, &imapsrc.Options{Net: netOptions, Connections: o.Connections}))
}

// server is where a URL leads, and how to log in there.
func (o *Options) server(u *url.URL, s scheme) (addr string, auth access.Auth, n access.Options, err error) {
	if u.Hostname() == "" {
		return "", auth, n, usagef("the account's URL has no host: want %s://alice@mail.example.com", u.Scheme)
	}
	if _, has := u.User.Password(); has {
		return "", auth, n, usagef("no password in the URL, please: others see the command line")
	}
	port := u.Port()
	if port == "" {
		port = s.port
	}
	if n, err = o.net(s.tls); err != nil {
		return "", auth, n, err
	}
	if user := u.User.Username(); user != "" {
		password, err := o.Password(user, u.Hostname())
		if err != nil {
			return "", auth, n, err
		}
		auth = access.Password(user, password, nil)
	}
	return net.JoinHostPort(u.Hostname(), port), auth, n, nil
}

// opened keeps a driver's nil pointer from becoming a Mailbox that is not nil.
func opened[M mailbox.Mailbox](mb M, err error) (mailbox.Mailbox, error) {
	if err != nil {
		return nil, err
	}
	return mb, nil
}

func (o *Options) net(mode access.TLSMode) (access.Options, error) {
	n := access.Options{TLS: mode, Dialer: o.Dialer, TLSConfig: o.TLSConfig, Trace: o.Trace}
	if o.Plaintext {
		if mode == access.TLSImplicit {
			return n, usagef("--plaintext goes with imap://, pop:// and smtp://")
		}
		n.TLS = access.TLSNone
	}
	if o.CAFile == "" {
		return n, nil
	}
	pem, err := os.ReadFile(o.CAFile)
	if err != nil {
		return n, err
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM(pem) {
		return n, usagef("%s holds no PEM certificate", o.CAFile)
	}
	n.TLSConfig = &tls.Config{RootCAs: roots}
	return n, nil
}

func usagef(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...)}
}

// usageError is ErrUsage without repeating it in the text.
type usageError struct{ error }

func (usageError) Is(target error) bool { return target == ErrUsage }
