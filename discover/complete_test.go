package discover

import (
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/mailtest"
)

func TestComplete(t *testing.T) {
	r := &Result{Address: " Ann@Bücher.Example", Incoming: []Server{
		{Host: " imap.Bücher.example. "},
		{Host: "[::1]", TLS: access.TLSStart, Protocol: POP3, User: "100%EMAILADDRESS%"},
		{Host: "localhost", TLS: access.TLSNone, UserForm: "unknown", Source: "mx"},
	}, Outgoing: []Server{{Host: "192.0.2.1", TLS: access.TLSStart}}}
	require.NoError(t, r.Complete())
	assert.Equal(t, "Ann@bücher.example", r.Address)
	assert.Equal(t, "xn--bcher-kva.example", r.Domain)
	assert.Equal(t, "imap imap.xn--bcher-kva.example:993 TLS\npop3 [::1]:110 STARTTLS\nimap localhost:143 plaintext", brief(r.Incoming))
	assert.Equal(t, "smtp 192.0.2.1:587 STARTTLS", brief(r.Outgoing))
	assert.Equal(t, []string{"Ann@bücher.example", "100%EMAILADDRESS%", ""}, []string{r.Incoming[0].User, r.Incoming[1].User, r.Incoming[2].User})
	assert.Equal(t, []string{"given", "mx"}, []string{r.Incoming[0].Source, r.Incoming[2].Source})

	// It does not change what it has made.
	stored, err := json.Marshal(r)
	require.NoError(t, err)
	var again Result
	require.NoError(t, json.Unmarshal(stored, &again))
	require.NoError(t, again.Complete())
	assert.Equal(t, r, &again)

	assert.ErrorIs(t, (&Result{Address: "ann", Incoming: []Server{{Host: "imap.example.org"}}}).Complete(), ErrAddress)
	var e *net.AddrError
	for _, wrong := range []Server{
		{}, {Host: " "}, {Host: "imaps://imap.example.org"}, {Host: "imap.example.org:993"}, {Host: "imap example.org"}, {Host: "x\x1b[31m.example"},
		{Host: "imap.example.org", Port: -1}, {Host: "imap.example.org", Port: 65536}, {Host: "imap.example.org", TLS: 7},
		{Host: "imap.example.org", Protocol: "jmap"}, {Host: "smtp.example.org", Protocol: SMTP},
	} {
		r := &Result{Address: "ann@example.org", Incoming: []Server{wrong}}
		err = r.Complete()
		require.ErrorAs(t, err, &e, "%+v", wrong)
		assert.NotContains(t, err.Error(), "\x1b")
		assert.Equal(t, []Server{wrong}, r.Incoming)
	}
	r = &Result{Address: "ann@example.org", Outgoing: []Server{{Host: "imap.example.org", Protocol: IMAP}}}
	assert.ErrorAs(t, r.Complete(), &e)
}

// TestCompleteRules: the provider's rules hold for who types the names of his servers.
func TestCompleteRules(t *testing.T) {
	r := &Result{Address: "ann@example.org", Incoming: []Server{{Host: "outlook.office365.com"}, {Host: "imap.mail.me.com"}, {Host: "imap.gmail.com", Auth: []string{"password"}}},
		Outgoing: []Server{{Host: "smtp.gmail.com"}}}
	require.NoError(t, r.Complete())
	assert.Equal(t, []string{"oauth2"}, r.Incoming[0].Auth)
	require.NotNil(t, r.Incoming[0].OAuth2)
	assert.Equal(t, "microsoft", r.Incoming[0].OAuth2.Provider)
	assert.Equal(t, []string{"app-password"}, r.Incoming[1].Auth)
	assert.NotEmpty(t, r.Incoming[1].Notes)
	assert.Equal(t, []string{"password"}, r.Incoming[2].Auth, "what is said counts")
	assert.Equal(t, []string{"oauth2", "app-password"}, r.Outgoing[0].Auth)

	r.Incoming = []Server{{Host: "127.0.0.1"}} // where a provider's bridge may be, and much else
	require.NoError(t, r.Complete())
	assert.Empty(t, r.Incoming[0].Auth)
	assert.Empty(t, r.Incoming[0].Notes)
}

// TestFinderDials dials public addresses alone, of those that a name has.
func TestFinderDials(t *testing.T) {
	web := mailtest.NewWeb(t)
	web.Serve("imap.example.org:993", nil, func(c *mailtest.Conn) { c.Send("hello") })
	public := web.Host("imap.example.org")
	web.DNS.SetHost("imap.example.org", "127.0.0.1", public)
	web.DNS.SetHost("inside.example.org", "10.0.0.1", "::1")
	o := &Options{Resolver: &web.DNS, Dialer: web}
	nc, err := (&Finder{Options: *o}).DialContext(t.Context(), "tcp", "imap.example.org:993")
	require.NoError(t, err)
	require.NoError(t, nc.Close())
	for _, addr := range []string{"inside.example.org:993", "127.0.0.1:993", "[::1]:993"} {
		_, err = (&Finder{Options: *o}).DialContext(t.Context(), "tcp", addr)
		assert.ErrorIs(t, err, errPrivate, addr)
	}
	for _, addr := range []string{"imap.example.org", "imap.example.org:imaps", "imap.example.org:70000"} {
		_, err = (&Finder{Options: *o}).DialContext(t.Context(), "tcp", addr)
		assert.Error(t, err, addr)
	}
	assert.Equal(t, []string{public + ":993"}, web.Dials())
	o.AllowPrivate = true
	_, err = (&Finder{Options: *o}).DialContext(t.Context(), "tcp", "inside.example.org:993")
	assert.Error(t, err)
	assert.Contains(t, web.Dials(), "10.0.0.1:993")
}

// TestAddressInLog: a server cannot have the address logged by repeating it.
func TestAddressInLog(t *testing.T) {
	web := mailtest.NewWeb(t)
	web.Handle("https://autoconfig.example.org/mail/config-v1.1.xml", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "https://%zz/?"+r.URL.RawQuery)
		w.WriteHeader(http.StatusFound)
	})
	_, err := Lookup(t.Context(), "ann@example.org", &Options{Resolver: &web.DNS, Dialer: web, TLSConfig: web.ClientTLS(), ISPDB: "off", NoGuess: true})
	var e *Error
	require.ErrorAs(t, err, &e)
	said := ""
	for _, a := range e.Attempts {
		said += a.Target + " " + a.Outcome + "\n"
	}
	assert.Contains(t, said, "redirects")
	assert.NotContains(t, strings.ReplaceAll(said, "example.org", ""), "ann")
}

// TestProviderNotes: what the provider wants stands with each server, so that it is
// still there when a login fails.
func TestProviderNotes(t *testing.T) {
	r, err := Lookup(t.Context(), "ann@gmail.com", nil)
	require.NoError(t, err)
	for _, s := range append(r.Incoming, r.Outgoing...) {
		assert.Contains(t, strings.Join(s.Notes, " "), "app password", s.String())
	}
}

// TestPresetHost: a preset may be typed as people write it.
func TestPresetHost(t *testing.T) {
	r, err := Lookup(t.Context(), "ann@bücher.example", &Options{Presets: map[string][]Server{
		"bücher.example": {{Protocol: IMAP, Host: "IMAP.%EMAILDOMAIN%"}, {Protocol: SMTP, Host: "smtp.Bücher.example"}, {Protocol: POP3, Host: "127.0.0.1"}},
	}})
	require.NoError(t, err)
	assert.Equal(t, "imap imap.xn--bcher-kva.example:993 TLS\npop3 127.0.0.1:995 TLS", brief(r.Incoming))
	assert.Equal(t, "smtp smtp.xn--bcher-kva.example:465 TLS", brief(r.Outgoing))
}
