package postroom

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
	// WrongSecret: the server refuses the user name, or the password or token. Ask
	// for it again, but not often: providers lock accounts.
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
	// Throttled: it wants to be left alone for a while. Try again in minutes, not
	// seconds.
	Throttled Reason = "throttled"
	// Unreachable: there is no connection, or no answer, or an answer that makes no
	// sense; also where tokens would be from. It may pass.
	Unreachable Reason = "unreachable"
	// NeedsSignIn: the source of tokens gives none any more, so that the user has
	// to sign in again; errors.Is(err, ErrSignIn).
	NeedsSignIn Reason = "needs-sign-in"
	// NeedsUser: the settings do not say what the user name is, and nothing was
	// sent.
	NeedsUser Reason = "needs-user"
	// NeedsSecret: the server wants a password, and got a token or nothing.
	NeedsSecret Reason = "needs-secret"
	// Unconfirmed: the user has to approve of the server first, and nothing
	// was sent to it. Open asks about no other server then.
	Unconfirmed Reason = "unconfirmed"
	// Other: none of these; Err says what.
	Other Reason = "other"
)

// LoginError is why one server cannot be used: Reason for programs, Advice for
// users, Err for logs. It holds no secret.
type LoginError struct {
	Server discover.Server
	Reason Reason
	// Advice is a sentence or two for the user.
	Advice string
	// Err is the driver's error.
	Err error
}

// Error names the server, the reason and what to do about it.
func (e *LoginError) Error() string { return e.reason() + ". " + e.Advice }

// reason is the error without the advice.
func (e *LoginError) reason() string { return fmt.Sprintf("%v: %s: %v", e.Server, e.Reason, e.Err) }

// token reports whether it is the source of tokens that has failed.
func (e *LoginError) token() bool {
	var t *tokenError
	return errors.As(e.Err, &t)
}

// Unwrap gives the driver's error.
func (e *LoginError) Unwrap() error { return e.Err }

// Verify logs in to one server and out again, with two user names at most: the
// settings' User and, if that is refused, their AltUser. The user name in auth may be
// empty. One that is neither of those two is the user's own choice, and is tried
// alone; but an address gives way where the settings say that the user name is of
// another form (discover.Server.UserForm "local", "composite" or "fixed").
//
// The error is a *LoginError, which says what the user can do, or the context's.
// How the session ends does not count: the login was good. A server that must be
// confirmed (discover.Server.Confirm) is not logged in to unless Options.Confirm
// allows it. Of opts only what concerns the network, the drivers and Confirm
// counts; it may be nil.
func Verify(ctx context.Context, server discover.Server, auth access.Auth, opts *Options) error {
	o := opts.clone()
	c, _, err := o.login(ctx, server, auth)
	if err != nil {
		return err
	}
	_ = c.close()
	return nil
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
	if nobody(server) {
		c, err := o.dial(ctx, server, access.Auth{})
		if err != nil && ctx.Err() == nil {
			err = explain(server, auth, err)
		}
		return c, server.User, err
	}
	auth = marked(auth)
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
		// Another form of the user name helps only where nothing else is the matter.
		if !errors.Is(err, mailbox.ErrAuth) || reasonOf(err.Error()) != "" {
			return conn{}, "", e
		}
	}
	return conn{}, "", first
}

// nobody reports whether a server of somebody's own network is to be used without
// a login.
func nobody(server discover.Server) bool {
	return server.Protocol == discover.SMTP && len(server.Auth) == 1 && server.Auth[0] == "none"
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

// suits finds what the server cannot take, before it is sent.
func suits(server discover.Server, auth access.Auth) error {
	_, password := auth.Secret()
	switch {
	case server.Protocol != discover.IMAP && server.Protocol != discover.POP3 && server.Protocol != discover.SMTP:
		return &LoginError{Server: server, Reason: Other, Advice: adviceOther,
			Err: fmt.Errorf("%w: a server that speaks %q", errors.ErrUnsupported, server.Protocol)}
	case nobody(server):
		return nil
	case password && oauth2Only(server):
		return &LoginError{Server: server, Reason: NeedsOAuth2, Advice: noted(adviceOAuth2, server),
			Err: fmt.Errorf("%w: the provider takes no passwords here", mailbox.ErrAuth)}
	case !password && auth.TokenSource() == nil:
		return &LoginError{Server: server, Reason: NeedsSecret, Advice: noted(adviceNoSecret, server),
			Err: fmt.Errorf("%w: there is neither a password nor a source of tokens", mailbox.ErrAuth)}
	case len(users(server, auth)) == 0:
		return &LoginError{Server: server, Reason: NeedsUser, Advice: noted(adviceUser, server),
			Err: errors.New("nothing says what the user name is")}
	}
	return nil
}

// oauth2Only reports whether a server's settings say that it takes no password.
func oauth2Only(server discover.Server) bool {
	for _, method := range server.Auth {
		if method != "oauth2" {
			return false
		}
	}
	return len(server.Auth) > 0
}

// users are the names to try, two at most; none if nothing says one.
func users(server discover.Server, auth access.Auth) (names []string) {
	given := auth.User()
	known := given == ""
	for _, name := range []string{server.User, server.AltUser} {
		if name != "" && !slices.Contains(names, name) {
			names = append(names, name)
			known = known || strings.EqualFold(name, given)
		}
	}
	// A user name that somebody chose wins over one that the settings derive.
	derived := server.UserForm == "address" || server.UserForm == "unknown"
	if !known && (len(names) == 0 || derived || !strings.Contains(given, "@")) {
		return []string{given}
	}
	return names
}

// withUser is auth for another user name.
func withUser(auth access.Auth, user string) access.Auth {
	opts := auth.Options()
	if user == auth.User() {
		return auth
	}
	if password, ok := auth.Secret(); ok {
		return access.Password(user, password, &opts)
	}
	return access.OAuth2(user, auth.TokenSource(), &opts)
}

// anyUser is auth whose user name is the settings' business.
func anyUser(auth access.Auth) access.Auth {
	opts := auth.Options()
	if password, ok := auth.Secret(); ok {
		return access.Password("", password, &opts)
	}
	return access.OAuth2("", auth.TokenSource(), &opts)
}

// dialer is for one server: where a lookup has found it, it leads to nothing on
// this computer or its network, unless lookups may.
func (o *Options) dialer(server discover.Server) access.Dialer {
	switch server.Source {
	case "", "given", "preset", "table":
		return o.Net.Dialer
	}
	d := o.finder().Options
	if d.AllowPrivate {
		return o.Net.Dialer
	}
	d.Dialer = o.Net.Dialer
	return &discover.Finder{Options: d}
}

// dial opens the driver for a server's protocol.
func (o *Options) dial(ctx context.Context, server discover.Server, auth access.Auth) (conn, error) {
	net := o.Net
	net.TLS, net.Dialer = server.TLS, o.dialer(server)
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
	default: // suits has let SMTP through
		opts := o.SMTP
		opts.Net = net
		sink, err := smtpsink.Dial(ctx, server.Addr(), auth, &opts)
		if err != nil {
			return conn{}, err
		}
		return conn{sink: sink}, nil
	}
}
