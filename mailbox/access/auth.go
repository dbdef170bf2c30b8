package access

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"

	"github.com/postroom-go/postroom/internal/mailmime"
)

// Auth is how to log in: a user name, and a secret or a source of tokens. It
// serves IMAP, POP3 and SMTP alike. However it is printed, logged or encoded,
// the secret does not show.
type Auth struct {
	user string
	// The secrets are closures so that even a printer that walks unexported
	// fields, as fmt does below the first level, has nothing to show.
	password func() string
	token    func(context.Context) (string, error)
	opts     AuthOptions
}

// AuthOptions are the options of an Auth. Zero is right for nearly everybody.
type AuthOptions struct {
	// Mechanisms are the SASL mechanisms to choose from, the best first; empty
	// lets the driver choose among what the server offers: for a password
	// SCRAM-SHA-256, PLAIN, LOGIN and the protocol's own login; for a token
	// OAUTHBEARER and XOAUTH2. A token is never sent as a password.
	Mechanisms []string
	// Identity is whom to act as, if not the user himself (SASL's authzid).
	Identity string
}

// Password is a user name and a password, or an app password. opts may be nil.
func Password(user, password string, opts *AuthOptions) Auth {
	return newAuth(Auth{user: user, password: func() string { return password }}, opts)
}

// OAuth2 is a user name and a source of access tokens (RFC 7628). The source is
// called at each login, perhaps from several goroutines, and should hand out a
// fresh token when the last one is about to expire; with x/oauth2 it is
//
//	func(context.Context) (string, error) { t, err := source.Token(); return t.AccessToken, err }
//
// with err checked first. opts may be nil.
func OAuth2(user string, token func(context.Context) (string, error), opts *AuthOptions) Auth {
	return newAuth(Auth{user: user, token: token}, opts)
}

func newAuth(a Auth, opts *AuthOptions) Auth {
	if opts != nil {
		a.opts = *opts
		a.opts.Mechanisms = slices.Clone(opts.Mechanisms)
	}
	return a
}

// User is the user name.
func (a Auth) User() string { return a.user }

// Options are the options that a was made with.
func (a Auth) Options() AuthOptions { return a.opts }

// Secret gives drivers the password; ok is false if there is none.
func (a Auth) Secret() (password string, ok bool) {
	if a.password == nil {
		return "", false
	}
	return a.password(), true
}

// TokenSource gives drivers the source of tokens; nil if there is none.
func (a Auth) TokenSource() func(context.Context) (string, error) { return a.token }

// String names the user and the kind of secret.
func (a Auth) String() string {
	kind := "no secret"
	switch {
	case a.token != nil:
		kind = "OAuth2"
	case a.password != nil:
		kind = "password"
	}
	return fmt.Sprintf("%s (%s)", mailmime.Printable(a.user, 200), kind)
}

// Format prints String for every verb.
func (a Auth) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, a.String()) }

// LogValue is String.
func (a Auth) LogValue() slog.Value { return slog.StringValue(a.String()) }

// MarshalText is String: an Auth does not serialise its secret.
func (a Auth) MarshalText() ([]byte, error) { return []byte(a.String()), nil }
