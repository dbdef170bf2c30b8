package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom"
	"github.com/postroom-go/postroom/discover"
	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/mailtest"
)

const document = `<clientConfig version="1.1"><emailProvider id="example.org"><domain>example.org</domain><displayName>Example Mail</displayName>
<incomingServer type="imap"><hostname>imap.example.org</hostname><port>993</port><socketType>SSL</socketType><username>%EMAILADDRESS%</username><authentication>password-cleartext</authentication></incomingServer>
<outgoingServer type="smtp"><hostname>smtp.example.org</hostname><port>465</port><socketType>SSL</socketType><username>%EMAILADDRESS%</username><authentication>password-cleartext</authentication></outgoingServer>
</emailProvider></clientConfig>`

// start is a wizard in a world with one provider, and what its user types. The
// passwords are typed one after another.
func start(t *testing.T, typed string, passwords ...string) (*wizard, *bytes.Buffer) {
	web := mailtest.NewWeb(t)
	host := mailtest.New(t, &mailtest.Options{Cert: mailtest.WebCertificate("imap.example.org", "smtp.example.org")})
	host.AddUser("ann@example.org", "canary-5ecret")
	host.AddUser("ann@example.com", "canary-5ecret")
	web.Mail(host, "imap.example.org", "", "smtp.example.org")
	web.Autoconfig("example.org", document)
	web.DNS.SetSRV("_imaps._tcp.example.com", "0 1 993 imap.example.org.")
	web.DNS.SetSRV("_submissions._tcp.example.com", "0 1 465 smtp.example.org.")
	var out bytes.Buffer
	w := &wizard{in: bufio.NewReader(strings.NewReader(typed)), out: &out, options: postroom.Options{
		Net:      access.Options{Dialer: web, TLSConfig: web.ClientTLS()},
		Discover: discover.Options{Resolver: &web.DNS, Dialer: web, TLSConfig: web.ClientTLS(), ISPDB: web.ISPDBURL(), NoGuess: true},
	}}
	w.secret = func() (string, error) {
		if len(passwords) == 0 {
			return "", fmt.Errorf("asked once too often")
		}
		p := passwords[0]
		passwords = passwords[1:]
		return p, nil
	}
	return w, &out
}

func TestWizard(t *testing.T) {
	w, out := start(t, "ann@example.org\n", "wrong", "canary-5ecret")
	config, err := w.run(t.Context())
	require.NoError(t, err, out)
	assert.Contains(t, out.String(), "imap.example.org:993")
	assert.Contains(t, out.String(), "Check both", "after the wrong password")
	stored, err := json.Marshal(config)
	require.NoError(t, err)
	assert.NotContains(t, out.String()+string(stored), "canary-5ecret")
	require.Len(t, config.Outgoing, 1)
	assert.Equal(t, "smtp.example.org", config.Outgoing[0].Host)
}

// TestWizardConfirms asks before a secret goes where only DNS leads.
func TestWizardConfirms(t *testing.T) {
	w, out := start(t, "ann@example.com\nn\n", "canary-5ecret")
	_, err := w.run(t.Context())
	require.Error(t, err)
	assert.Contains(t, out.String(), "Is this your provider's server?")

	w, out = start(t, "ann@example.com\ny\ny\n", "canary-5ecret")
	_, err = w.run(t.Context())
	require.NoError(t, err, out)
}

func TestWizardGivesUp(t *testing.T) {
	w, out := start(t, "ann@example.org\n", "wrong", "wrong", "wrong")
	_, err := w.run(t.Context())
	assert.ErrorContains(t, err, "three times", out)

	w, _ = start(t, "ann\n")
	_, err = w.run(t.Context())
	assert.ErrorIs(t, err, discover.ErrAddress)
}

// TestWizardOAuth2 asks for no password where none is taken, and gives the client's
// secret to nobody who is not known.
func TestWizardOAuth2(t *testing.T) {
	w, out := start(t, "ann@outlook.com\n", "canary-5ecret")
	_, err := w.run(t.Context())
	assert.ErrorContains(t, err, "--client-id")
	assert.NotContains(t, out.String(), "Password")

	w, out = start(t, "ann@example.net\nn\n")
	w.clientID, w.clientSecret = "client", "canary-5ecret"
	oauth2 := `<oAuth2><issuer>example.net</issuer><scope>mail</scope><authURL>https://sign.evil.example/</authURL><tokenURL>https://sign.evil.example/token</tokenURL></oAuth2></clientConfig>`
	w.options.Net.Dialer.(*mailtest.Web).Autoconfig("example.net", strings.NewReplacer("example.org", "example.net", "password-cleartext", "OAuth2", "</clientConfig>", oauth2).Replace(document))
	_, err = w.run(t.Context())
	assert.ErrorContains(t, err, "not confirmed")
	assert.Contains(t, out.String(), "https://sign.evil.example/")
	assert.NotContains(t, out.String(), "canary-5ecret")
}

// TestWizardUser asks for a user name that nobody knows.
func TestWizardUser(t *testing.T) {
	w, out := start(t, "ann@example.net\nann@example.com\n", "canary-5ecret")
	w.options.Net.Dialer.(*mailtest.Web).Autoconfig("example.net", strings.NewReplacer("<domain>example.org", "<domain>example.net", "%EMAILADDRESS%", "%EMAILADDRESS").Replace(document))
	config, err := w.run(t.Context())
	require.NoError(t, err, out)
	assert.Contains(t, out.String(), "User name: ")
	assert.Equal(t, "ann@example.com", config.Incoming[0].User)
}

// TestWizardByHand asks for the servers where nothing names them, or where what is
// published does not answer.
func TestWizardByHand(t *testing.T) {
	w, out := start(t, "ann@example.com\nimap.example.org\nsmtp.example.org\n", "canary-5ecret")
	web := w.options.Net.Dialer.(*mailtest.Web)
	web.DNS.SetMX("example.com", "10 mx.example.com.")
	web.DNS.SetSRV("_imaps._tcp.example.com")
	web.DNS.SetSRV("_submissions._tcp.example.com")
	config, err := w.run(t.Context())
	require.NoError(t, err, out)
	assert.Contains(t, out.String(), "no mail servers found")
	assert.Contains(t, out.String(), "imap imap.example.org:993 TLS, by given")
	assert.Equal(t, "ann@example.com", config.Incoming[0].User)
	assert.Equal(t, "smtp.example.org", config.Outgoing[0].Host)

	w, out = start(t, "ann@example.net\nimap.example.org\nsmtp.example.org\n", "canary-5ecret", "canary-5ecret")
	web = w.options.Net.Dialer.(*mailtest.Web)
	web.Autoconfig("example.net", strings.NewReplacer("<domain>example.org", "<domain>example.net", "imap.example.org", "imap.example.net", "%EMAILADDRESS%", "ann@example.com").Replace(document))
	_, err = w.run(t.Context())
	assert.Contains(t, out.String(), "imap imap.example.net:993 TLS: unreachable", "%v", err)
	assert.Contains(t, out.String(), "Server that has your mail")

	w, out = start(t, "ann@nowhere.example\n\n")
	web = w.options.Net.Dialer.(*mailtest.Web)
	web.DNS.SetFault("*", mailtest.DNSServFail)
	_, err = w.run(t.Context())
	require.ErrorIs(t, err, discover.ErrNetwork, out)
	assert.NotContains(t, out.String(), "Password")

	w, _ = start(t, "ann@example.org\n", "canary-5ecret")
	web = w.options.Net.Dialer.(*mailtest.Web)
	web.Autoconfig("example.org", strings.Replace(document, "SSL", "plain", 2))
	_, err = w.run(t.Context())
	assert.ErrorIs(t, err, discover.ErrInsecure, "that is no question of names")
}
