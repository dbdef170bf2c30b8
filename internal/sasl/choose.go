package sasl

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/postroom-go/postroom/internal/mailconn"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
)

// Options say what the driver knows of the connection.
type Options struct {
	// Secure: TLS is on.
	Secure bool
	// Plaintext: the user explicitly chose to have no TLS.
	Plaintext bool
	// Login names the protocol's own login command, such as "LOGIN" or "USER";
	// empty if the server does not allow it.
	Login string
	// Host and Port are told to the server by OAUTHBEARER; zero leaves them
	// out.
	Host string
	Port int
}

// The mechanisms tried if the user does not list any, the best first. An empty
// name is the protocol's own command. SCRAM-SHA-1 comes last: servers that keep
// modern password hashes often offer it in vain.
var (
	passwordOrder = []string{scramSHA256, "PLAIN", "LOGIN", "", scramSHA1}
	tokenOrder    = []string{"OAUTHBEARER", "XOAUTH2"}
	tokenOnly     = []string{"OAUTHBEARER", "XOAUTH2"}
	identityToo   = []string{scramSHA256, scramSHA1, "PLAIN", "OAUTHBEARER"}
)

// Choose picks the mechanism for auth out of those that the server offers; nil
// without an error means the protocol's own command with Credentials. It
// fetches the token, if auth has a source of them.
//
// AuthOptions.Mechanisms, if any, is both the order and all that is permitted;
// the protocol's own command is in it by Options.Login's name. Errors are
// mailbox.ErrTLSRequired, and mailbox.ErrAuth if nothing that is allowed is
// offered or the user's name or secret cannot be sent; then nothing was sent.
// o may not be nil.
func Choose(ctx context.Context, auth access.Auth, offered []string, o *Options) (*Client, error) {
	if !o.Secure && !o.Plaintext {
		return nil, fmt.Errorf("%w before login", mailbox.ErrTLSRequired)
	}
	if err := check("user name", auth.User()); err != nil {
		return nil, err
	}
	if err := check("identity", auth.Options().Identity); err != nil {
		return nil, err
	}
	for _, name := range wanted(auth, o) {
		switch {
		case !fits(auth, name):
		case name == "":
			if o.Login != "" {
				_, _, err := Credentials(auth)
				return nil, err
			}
		case slices.ContainsFunc(offered, func(s string) bool { return strings.EqualFold(s, name) }):
			return newClient(ctx, auth, name, o)
		}
	}
	return nil, fmt.Errorf("%w: the server offers no login that is allowed here; it offers %s",
		mailbox.ErrAuth, list(offered, o.Login))
}

// wanted are the mechanisms in the user's order, or in ours. An own command
// that has the name of a mechanism comes after it.
func wanted(auth access.Auth, o *Options) []string {
	var names []string
	for _, name := range auth.Options().Mechanisms {
		name = strings.ToUpper(name)
		if name == o.Login && name != "LOGIN" {
			name = ""
		}
		names = append(names, name)
		if name == "LOGIN" && o.Login == "LOGIN" {
			names = append(names, "")
		}
	}
	switch {
	case names != nil:
		return names
	case auth.TokenSource() != nil:
		return tokenOrder
	}
	return passwordOrder
}

// fits reports whether a mechanism can carry what auth has.
func fits(auth access.Auth, name string) bool {
	if auth.Options().Identity != "" && !slices.Contains(identityToo, name) {
		return false
	}
	_, password := auth.Secret()
	if slices.Contains(tokenOnly, name) {
		return auth.TokenSource() != nil
	}
	return password
}

// Credentials gives the user name and password for a protocol's own login
// command, checked for octets that would break out of it.
func Credentials(auth access.Auth) (user, password string, err error) {
	password, ok := auth.Secret()
	if !ok {
		return "", "", fmt.Errorf("%w: there is no password", mailbox.ErrAuth)
	}
	if err := check("user name", auth.User()); err != nil {
		return "", "", err
	}
	if err := check("password", password); err != nil {
		return "", "", err
	}
	return auth.User(), password, nil
}

// check refuses what could break out of a line or a mechanism's field. The text
// itself is not in the error.
func check(what, s string) error {
	if strings.ContainsAny(s, "\r\n\x00\x01") {
		return fmt.Errorf("%w: the %s has a line break or a control character in it", mailbox.ErrAuth, what)
	}
	return nil
}

func list(offered []string, login string) string {
	all := slices.Clone(offered)
	if login != "" {
		all = append(all, login+" command")
	}
	if len(all) == 0 {
		return "nothing"
	}
	return clean(strings.Join(all, ", "))
}

// token asks the user's source, and does not wait longer than ctx.
func token(ctx context.Context, source func(context.Context) (string, error)) (string, error) {
	type result struct {
		token string
		err   error
	}
	done := make(chan result, 1)
	go func() {
		t, err := source(ctx)
		done <- result{t, err}
	}()
	select {
	case <-ctx.Done():
		return "", mailconn.ContextError(ctx)
	case r := <-done:
		switch {
		case r.err != nil:
			return "", fmt.Errorf("token source: %w", r.err)
		case r.token == "":
			return "", fmt.Errorf("%w: the token source gave an empty token", mailbox.ErrAuth)
		case strings.ContainsFunc(r.token, func(c rune) bool { return c <= ' ' || c > '~' }):
			return "", fmt.Errorf("%w: the token has characters in it that no token may have", mailbox.ErrAuth)
		}
		return r.token, nil
	}
}

// errOrder is a challenge where the mechanism has none.
var errOrder = errors.New("unexpected challenge")
