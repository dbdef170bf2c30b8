package postroom

import (
	"context"
	"errors"
	"net"
	"net/http"

	"golang.org/x/oauth2"

	"github.com/postroom-go/postroom/mailbox/access"
)

// ErrSignIn: the source of tokens gives none, and it is not that the provider cannot
// be reached or has trouble of its own: the user has withdrawn the permission, or it
// has expired. He has to sign in again.
// It stands in what Open and Verify return, and in what the calls of an account's
// Mailbox and Sink do when a token has to be renewed later; the source's own error
// is behind it in the chain.
var ErrSignIn = errors.New("the token could not be renewed: let the user sign in again")

// tokenError is why a source of tokens gives none.
type tokenError struct{ err error }

// Error is in one line: a token endpoint's answer may stand in it, which is a
// stranger's.
func (e *tokenError) Error() string {
	if e.passing() {
		return "the token could not be renewed: " + printable(e.err.Error())
	}
	return ErrSignIn.Error() + ": " + printable(e.err.Error())
}

// Is makes it ErrSignIn, unless it may pass by itself.
func (e *tokenError) Is(target error) bool { return target == ErrSignIn && !e.passing() }

// Unwrap gives the source's error.
func (e *tokenError) Unwrap() error { return e.err }

// passing reports whether the provider was not asked, or could not answer: what it
// thinks of the user is not known then, and a program that threw his permission away
// would be wrong.
func (e *tokenError) passing() bool {
	var n net.Error
	if errors.As(e.err, &n) || errors.Is(e.err, context.Canceled) {
		return true
	}
	var r *oauth2.RetrieveError
	if !errors.As(e.err, &r) {
		return false
	}
	status := 0
	if r.Response != nil {
		status = r.Response.StatusCode
	}
	return status >= 500 || status == http.StatusTooManyRequests ||
		r.ErrorCode == "temporarily_unavailable" || r.ErrorCode == "server_error" // RFC 6749 section 4.1.2.1
}

// marked is auth whose source of tokens tells its failures from the server's.
func marked(auth access.Auth) access.Auth {
	source := auth.TokenSource()
	if source == nil {
		return auth
	}
	opts := auth.Options()
	return access.OAuth2(auth.User(), func(ctx context.Context) (string, error) {
		token, err := source(ctx)
		if err != nil {
			return "", &tokenError{err}
		}
		return token, nil
	}, &opts)
}
