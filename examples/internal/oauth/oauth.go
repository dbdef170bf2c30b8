// Package oauth gets tokens for mail accounts whose providers take no passwords
// from mail programs: in a browser on this machine, or on another device. It is
// what a program needs around golang.org/x/oauth2 and no more; a program registers
// with each provider for its client ID.
package oauth

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"golang.org/x/oauth2"

	"github.com/postroom-go/postroom/discover"
)

// Config is the configuration for what a lookup found. The secret is empty for
// most programs that run on a user's machine.
func Config(found *discover.OAuth2, clientID, clientSecret string) *oauth2.Config {
	return &oauth2.Config{
		ClientID: clientID, ClientSecret: clientSecret, Scopes: found.Scopes,
		Endpoint: oauth2.Endpoint{AuthURL: found.AuthURL, TokenURL: found.TokenURL, DeviceAuthURL: found.DeviceURL},
	}
}

// Source makes a source of tokens what access.OAuth2 wants.
func Source(s oauth2.TokenSource) func(context.Context) (string, error) {
	return func(context.Context) (string, error) {
		t, err := s.Token()
		if err != nil {
			return "", err
		}
		return t.AccessToken, nil
	}
}

// Loopback has the user sign in with a browser on this machine (RFC 8252): open
// shows him a URL, and the browser comes back to a port of the loopback interface.
// Nobody else can use the code that it brings (PKCE, RFC 7636). hint, the address,
// may be empty. c.RedirectURL is not used.
func Loopback(ctx context.Context, c *oauth2.Config, hint string, open func(url string) error) (*oauth2.Token, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	local := *c
	local.RedirectURL = fmt.Sprintf("http://%s/", l.Addr())
	verifier, state := oauth2.GenerateVerifier(), rand.Text()
	type answer struct {
		code string
		err  error
	}
	answers := make(chan answer, 1)
	server := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if subtle.ConstantTimeCompare([]byte(q.Get("state")), []byte(state)) != 1 {
			http.Error(w, "This is not the answer to a question of ours.", http.StatusBadRequest)
			return // somebody else's; the user's may still come
		}
		a := answer{code: q.Get("code")}
		if a.code == "" {
			a.err = fmt.Errorf("the provider said no: %.100q", q.Get("error"))
		}
		select {
		case answers <- a:
		default:
		}
		fmt.Fprintln(w, "Done. You can close this window.")
	})}
	defer server.Close()
	go func() { _ = server.Serve(l) }()

	options := []oauth2.AuthCodeOption{oauth2.AccessTypeOffline, oauth2.S256ChallengeOption(verifier)}
	if hint != "" {
		options = append(options, oauth2.SetAuthURLParam("login_hint", hint))
	}
	if err := open(local.AuthCodeURL(state, options...)); err != nil {
		return nil, err
	}
	select {
	case a := <-answers:
		if a.err != nil {
			return nil, a.err
		}
		return local.Exchange(ctx, a.code, oauth2.VerifierOption(verifier))
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Device has the user sign in on another device (RFC 8628): show tells him where
// to go and which code to type there.
func Device(ctx context.Context, c *oauth2.Config, show func(*oauth2.DeviceAuthResponse) error) (*oauth2.Token, error) {
	if c.Endpoint.DeviceAuthURL == "" {
		return nil, errors.New("the provider has no sign-in for other devices: use a browser on this one")
	}
	r, err := c.DeviceAuth(ctx)
	if err != nil {
		return nil, err
	}
	if err := show(r); err != nil {
		return nil, err
	}
	return c.DeviceAccessToken(ctx, r)
}
