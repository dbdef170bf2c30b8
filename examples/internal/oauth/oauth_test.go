package oauth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/postroom-go/postroom/discover"
)

// provider is an authorization server that knows one code.
func provider(t *testing.T, challenge *string) (*discover.OAuth2, *http.Client) {
	mux := http.NewServeMux()
	mux.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) {
		require.NoError(t, r.ParseForm())
		switch r.Form.Get("grant_type") {
		case "authorization_code":
			sum := sha256.Sum256([]byte(r.Form.Get("code_verifier")))
			if r.Form.Get("code") != "the-code" || base64.RawURLEncoding.EncodeToString(sum[:]) != *challenge {
				http.Error(w, `{"error":"invalid_grant"}`, http.StatusBadRequest)
				return
			}
		case "urn:ietf:params:oauth:grant-type:device_code":
			assert.Equal(t, "device", r.Form.Get("device_code"))
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"access_token": "token", "token_type": "Bearer", "refresh_token": "again", "expires_in": 3600})
	})
	mux.HandleFunc("/device", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"device_code": "device", "user_code": "ABCD", "verification_uri": "https://example.org/device", "expires_in": 60, "interval": 1})
	})
	srv := httptest.NewTLSServer(mux)
	t.Cleanup(srv.Close)
	return &discover.OAuth2{AuthURL: srv.URL + "/auth", TokenURL: srv.URL + "/token", DeviceURL: srv.URL + "/device", Scopes: []string{"mail"}}, srv.Client()
}

// browse is a browser whose user says yes at once.
func browse(t *testing.T, challenge *string, change func(url.Values)) func(string) error {
	return func(raw string) error {
		u, err := url.Parse(raw)
		require.NoError(t, err)
		q := u.Query()
		assert.Equal(t, "ann@example.org", q.Get("login_hint"))
		assert.Equal(t, "S256", q.Get("code_challenge_method"))
		*challenge = q.Get("code_challenge")
		back := url.Values{"state": {q.Get("state")}, "code": {"the-code"}}
		change(back)
		resp, err := http.Get(q.Get("redirect_uri") + "?" + back.Encode())
		require.NoError(t, err)
		return resp.Body.Close()
	}
}

func TestLoopback(t *testing.T) {
	var challenge string
	found, client := provider(t, &challenge)
	ctx := context.WithValue(t.Context(), oauth2.HTTPClient, client)
	c := Config(found, "client", "")
	token, err := Loopback(ctx, c, "ann@example.org", browse(t, &challenge, func(url.Values) {}))
	require.NoError(t, err)
	assert.Equal(t, "again", token.RefreshToken)
	got, err := Source(c.TokenSource(ctx, token))(ctx)
	require.NoError(t, err)
	assert.Equal(t, "token", got)

	_, err = Loopback(ctx, c, "ann@example.org", browse(t, &challenge, func(v url.Values) { v.Del("code"); v.Set("error", "access_denied") }))
	assert.ErrorContains(t, err, "access_denied")

	// Another's answer is not the user's.
	forged, cancel := context.WithCancel(ctx)
	_, err = Loopback(forged, c, "ann@example.org", func(u string) error {
		defer cancel()
		return browse(t, &challenge, func(v url.Values) { v.Set("state", "guessed") })(u)
	})
	assert.ErrorIs(t, err, context.Canceled)

	// Who has the code and not the verifier gets nothing.
	_, err = Loopback(ctx, c, "ann@example.org", func(u string) error {
		err := browse(t, &challenge, func(url.Values) {})(u)
		challenge = "another"
		return err
	})
	assert.ErrorContains(t, err, "invalid_grant")
}

func TestDevice(t *testing.T) {
	var challenge string
	found, client := provider(t, &challenge)
	ctx := context.WithValue(t.Context(), oauth2.HTTPClient, client)
	shown := ""
	token, err := Device(ctx, Config(found, "client", ""), func(r *oauth2.DeviceAuthResponse) error {
		shown = r.VerificationURI + " " + r.UserCode
		return nil
	})
	require.NoError(t, err)
	assert.Equal(t, "token", token.AccessToken)
	assert.Equal(t, "https://example.org/device ABCD", shown)

	found.DeviceURL = ""
	_, err = Device(ctx, Config(found, "client", ""), nil)
	assert.ErrorContains(t, err, "browser")
}
