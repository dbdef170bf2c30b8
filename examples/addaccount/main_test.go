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
