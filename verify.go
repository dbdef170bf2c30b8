package postroom

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/postroom-go/postroom/discover"
	"github.com/postroom-go/postroom/imapsrc"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/popsrc"
	"github.com/postroom-go/postroom/smtpsink"
)

// Reason is why a login did not succeed, in a program's words.
type Reason string

// The reasons.
const (
	// WrongSecret: the server refuses the user name or the password.
	WrongSecret Reason = "wrong-secret"
	// NeedsAppPassword: it wants a password made for programs.
	NeedsAppPassword Reason = "needs-app-password"
	// NeedsOAuth2: it takes no password at all.
	NeedsOAuth2 Reason = "needs-oauth2"
	// SwitchedOff: the account may not be used by this protocol until its owner
	// or an administrator allows it.
	SwitchedOff Reason = "switched-off"
	// BadCertificate: the server does not prove its name.
	BadCertificate Reason = "bad-certificate"
	// NoTLS: the server offers no TLS, or somebody on the way keeps it away.
	NoTLS Reason = "no-tls"
	// Throttled: it wants to be left alone for a while.
	Throttled Reason = "throttled"
	// Unreachable: there is no connection, or no answer.
	Unreachable Reason = "unreachable"
	// Unconfirmed: the user has to approve of the server first, and nothing
	// was sent to it.
	Unconfirmed Reason = "unconfirmed"
	// Other: Err says it.
	Other Reason = "other"
)

// LoginError is why one server cannot be used. It holds no secret.
type LoginError struct {
	Server discover.Server
	Reason Reason
	// Advice is a sentence or two for the user.
	Advice string
	// Err is the driver's error.
	Err error
}

// Error names the server, the reason and what to do about it.
func (e *LoginError) Error() string {
	return fmt.Sprintf("%v: %s %v", e.Server, e.Advice, e.Err)
}

// Unwrap gives the driver's error.
func (e *LoginError) Unwrap() error { return e.Err }

// Verify logs in to one server and out again. auth is tried with the user name
// that the server's settings have, and with the second one if they have two and
// the first is refused; if auth names a user who is neither, nor the whole address
// in another case, with that one alone. An empty user name is the settings'.
//
// The error is a *LoginError, which says what the user can do, or the context's.
// A server that must be confirmed (discover.Server.Confirm) is not logged in to
// unless Options.Confirm allows it. Of opts only what concerns the network, the
// drivers and Confirm counts; it may be nil.
func Verify(ctx context.Context, server discover.Server, auth access.Auth, opts *Options) error {
	o := opts.clone()
	c, _, err := o.login(ctx, server, auth)
	if err != nil {
		return err
	}
	return c.close()
}

// conn is a driver of any kind.
type conn struct {
	mailbox mailbox.Mailbox
	sink    *smtpsink.Sink
}

func (c conn) close() error {
	if c.sink != nil {
		return c.sink.Close()
	}
	return c.mailbox.Close()
}

// login opens a driver on a server, and tells with which user name.
func (o *Options) login(ctx context.Context, server discover.Server, auth access.Auth) (conn, string, error) {
	if err := o.approve(ctx, server); err != nil {
		return conn{}, "", err
	}
	if err := suits(server, auth); err != nil {
		return conn{}, "", err
	}
	var first error
	for _, user := range users(server, auth) {
		c, err := o.dial(ctx, server, withUser(auth, user))
		if err == nil {
			return c, user, nil
		}
		if ctx.Err() != nil {
			return conn{}, "", err
		}
		e := explain(server, auth, err)
		if first == nil {
			first = e
		}
		if e.Reason != WrongSecret {
			return conn{}, "", e
		}
	}
	return conn{}, "", first
}

// approve asks whether a server may be trusted.
func (o *Options) approve(ctx context.Context, server discover.Server) error {
	if len(server.Confirm) == 0 || o.Confirm != nil && o.Confirm(ctx, server) {
		return nil
	}
	return &LoginError{Server: server, Reason: Unconfirmed,
		Advice: "Please confirm that this is your provider's server: " + strings.Join(server.Confirm, " "),
		Err:    errors.New("nothing was sent to it")}
}

// suits finds a kind of secret that the server cannot take, before it is sent.
func suits(server discover.Server, auth access.Auth) error {
	if _, password := auth.Secret(); !password || len(server.Auth) == 0 {
		return nil
	}
	for _, method := range server.Auth {
		if method != "oauth2" {
			return nil
		}
	}
	return &LoginError{Server: server, Reason: NeedsOAuth2, Advice: adviceOAuth2,
		Err: fmt.Errorf("%w: the provider takes no passwords here", mailbox.ErrAuth)}
}

// users are the names to try, two at most.
func users(server discover.Server, auth access.Auth) []string {
	given := auth.User()
	known := given == ""
	names := []string{server.User}
	if server.AltUser != "" && server.AltUser != server.User {
		names = append(names, server.AltUser)
	}
	for _, name := range names {
		known = known || strings.EqualFold(name, given)
	}
	// A user name that somebody chose wins over one that the settings derive.
	derived := server.UserForm == "address" || server.UserForm == "unknown"
	if server.User == "" || !known && (derived || !strings.Contains(given, "@")) {
		return []string{given}
	}
	return names
}

// withUser is auth for another user name.
func withUser(auth access.Auth, user string) access.Auth {
	opts := auth.Options()
	if user == "" || user == auth.User() {
		return auth
	}
	if password, ok := auth.Secret(); ok {
		return access.Password(user, password, &opts)
	}
	return access.OAuth2(user, auth.TokenSource(), &opts)
}

// dial opens the driver for a server's protocol.
func (o *Options) dial(ctx context.Context, server discover.Server, auth access.Auth) (conn, error) {
	net := o.Net
	net.TLS = server.TLS
	switch server.Protocol {
	case discover.IMAP:
		opts := o.IMAP
		opts.Net = net
		mb, err := imapsrc.Dial(ctx, server.Addr(), auth, &opts)
		if err != nil {
			return conn{}, err
		}
		return conn{mailbox: mb}, nil
	case discover.POP3:
		opts := o.POP3
		opts.Net = net
		mb, err := popsrc.Dial(ctx, server.Addr(), auth, &opts)
		if err != nil {
			return conn{}, err
		}
		return conn{mailbox: mb}, nil
	case discover.SMTP:
		opts := o.SMTP
		opts.Net = net
		if len(server.Auth) == 1 && server.Auth[0] == "none" {
			auth = access.Auth{}
		}
		sink, err := smtpsink.Dial(ctx, server.Addr(), auth, &opts)
		if err != nil {
			return conn{}, err
		}
		return conn{sink: sink}, nil
	}
	return conn{}, fmt.Errorf("%w: a server that speaks %q", errors.ErrUnsupported, server.Protocol)
}

const (
	adviceSecret      = "The server does not accept the user name or the password. Check both; some providers want another user name than the address."
	adviceAppPassword = "The provider wants a password made for mail programs, not your usual one. Make one in the security settings of your account."
	adviceOAuth2      = "The provider takes no password from mail programs. Sign in with the provider in a browser (OAuth2)."
	adviceOff         = "The provider has this way of access switched off for your account. Switch it on in the account's settings, or ask your administrator."
	adviceCertificate = "The server does not prove that it is the one it is said to be. Check its name; if that is right do not go on: somebody may be listening."
	adviceNoTLS       = "The server offers no encryption, or somebody on the way keeps it away. Your password was not sent."
	adviceThrottled   = "The provider wants a pause: too many logins or connections. Try again later."
	adviceUnreachable = "The server cannot be reached just now. Check the network, and the server's name and port."
)

// explain makes a driver's error a person's.
func explain(server discover.Server, auth access.Auth, err error) *LoginError {
	e := &LoginError{Server: server, Err: err}
	set := func(r Reason, advice string) *LoginError {
		e.Reason, e.Advice = r, advice
		if len(server.Notes) > 0 && (r == WrongSecret || r == NeedsAppPassword || r == SwitchedOff || r == NeedsOAuth2) {
			e.Advice += " " + strings.Join(server.Notes, " ")
		}
		return e
	}
	said := reasonOf(err.Error())
	switch {
	case errors.Is(err, mailbox.ErrCertificate):
		return set(BadCertificate, adviceCertificate)
	case errors.Is(err, mailbox.ErrTLSRequired), errors.Is(err, mailbox.ErrTLSInjection):
		return set(NoTLS, adviceNoTLS)
	case errors.Is(err, mailbox.ErrThrottled), errors.Is(err, mailbox.ErrBusy), said == Throttled && !errors.Is(err, mailbox.ErrAuth):
		return set(Throttled, adviceThrottled)
	case errors.Is(err, mailbox.ErrAuth), errors.Is(err, mailbox.ErrPermission):
		switch said {
		case SwitchedOff:
			return set(SwitchedOff, adviceOff)
		case NeedsOAuth2:
			return set(NeedsOAuth2, adviceOAuth2)
		case NeedsAppPassword:
			return set(NeedsAppPassword, adviceAppPassword)
		case Throttled:
			return set(Throttled, adviceThrottled)
		}
		if _, password := auth.Secret(); password && wantsAppPassword(server) {
			return set(NeedsAppPassword, adviceAppPassword)
		}
		return set(WrongSecret, adviceSecret)
	case errors.Is(err, mailbox.ErrUnavailable), errors.Is(err, mailbox.ErrProtocol):
		return set(Unreachable, adviceUnreachable)
	}
	return set(Other, "The server cannot be used.")
}

// wantsAppPassword reports whether the provider's own rules ask for one, and take
// no other password.
func wantsAppPassword(server discover.Server) bool {
	app := false
	for _, method := range server.Auth {
		switch method {
		case "app-password":
			app = true
		case "password", "encrypted":
			return false
		}
	}
	return app
}

// phrases are what providers say when they refuse a login for another reason than
// a wrong secret. Their codes do not tell: it is NO, -ERR or 535 all the same.
var phrases = []struct {
	reason Reason
	text   string
}{
	{NeedsAppPassword, "application-specific password"}, // Gmail
	{NeedsAppPassword, "app password"},
	{NeedsAppPassword, "app-specific password"}, // iCloud
	{NeedsAppPassword, "authorization code"},    // QQ, 163
	{SwitchedOff, "not enabled for imap"},       // Gmail
	{SwitchedOff, "not enabled for pop"},
	{SwitchedOff, "imap is disabled"}, // Yandex
	{SwitchedOff, "pop3 is disabled"},
	{SwitchedOff, "imap access is disabled"},
	{SwitchedOff, "pop access is disabled"},
	{SwitchedOff, "smtp auth is disabled"},             // GMX, Web.de
	{SwitchedOff, "smtpclientauthentication is disab"}, // Microsoft 365
	{SwitchedOff, "service is not open"},               // 163
	{SwitchedOff, "protocol disabled"},
	{NeedsOAuth2, "basicauthblocked"},        // Microsoft 365
	{NeedsOAuth2, "basic authentication is"}, // Outlook.com
	{NeedsOAuth2, "web login required"},      // Gmail
	{NeedsOAuth2, "log in via your web browser"},
	{Throttled, "too many"},
	{Throttled, "rate limit"},
	{Throttled, "temporarily blocked"},
	{Throttled, "try again later"},
}

// reasonOf looks for the phrases in what a server said.
func reasonOf(text string) Reason {
	text = strings.ToLower(text)
	for _, p := range phrases {
		if strings.Contains(text, p.text) {
			return p.reason
		}
	}
	return ""
}
