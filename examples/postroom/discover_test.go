package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/discover"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/mailtest"
)

const document = `<clientConfig version="1.1"><emailProvider id="example.com"><domain>example.com</domain><displayName>Example Mail</displayName>
<incomingServer type="imap"><hostname>imap.example.com</hostname><port>993</port><socketType>SSL</socketType><username>%EMAILADDRESS%</username><authentication>password-cleartext</authentication></incomingServer>
<outgoingServer type="smtp"><hostname>smtp.example.com</hostname><port>465</port><socketType>SSL</socketType><username>%EMAILADDRESS%</username><authentication>password-cleartext</authentication></outgoingServer>
</emailProvider></clientConfig>`

// world is a host whose servers can be found by an address.
type world struct {
	t    *testing.T
	web  *mailtest.Web
	host *mailtest.Host
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, web: mailtest.NewWeb(t)}
	w.host = mailtest.New(t, &mailtest.Options{Cert: mailtest.WebCertificate("imap.example.com", "smtp.example.com")})
	w.host.AddUser(user, secret)
	w.web.Mail(w.host, "imap.example.com", "", "smtp.example.com")
	w.web.Autoconfig("example.com", document)
	return w
}

func (w *world) run(args ...string) (status int, stdout, stderr string) {
	var out, err bytes.Buffer
	a := &app{out: &out, err: &err, getenv: func(name string) string { return map[string]string{"POSTROOM_PASSWORD": secret}[name] },
		dialer:   w.web,
		discover: discover.Options{Resolver: &w.web.DNS, TLSConfig: w.web.ClientTLS(), ISPDB: w.web.ISPDBURL(), NoGuess: true}}
	a.tls = w.web.ClientTLS()
	status = a.run(w.t.Context(), args)
	assert.NotContains(w.t, out.String()+err.String(), secret)
	return status, out.String(), err.String()
}

func TestDiscover(t *testing.T) {
	w := newWorld(t)
	status, out, errOut := w.run("discover", user, "--explain")
	require.Equal(t, 0, status, errOut)
	assert.Regexp(t, `(?m)^imap +imap\.example\.com:993 +from the start +alice@example\.com`, out)
	assert.Regexp(t, `(?m)^smtp +smtp\.example\.com:465`, out)
	assert.Contains(t, out, "https://autoconfig.example.com/mail/config-v1.1.xml")
	assert.Contains(t, out, "OUTCOME")

	status, out, errOut = w.run("discover", user, "--json")
	require.Equal(t, 0, status, errOut)
	var r discover.Result
	require.NoError(t, json.Unmarshal([]byte(out), &r))
	assert.Equal(t, "imap.example.com", r.Incoming[0].Host)

	status, _, errOut = w.run("discover", "alice")
	assert.Equal(t, 2, status, errOut)
	status, out, errOut = w.run("discover", "alice@nowhere.example", "--explain")
	assert.Equal(t, 1, status)
	assert.Contains(t, out, "OUTCOME")
	assert.NotEmpty(t, errOut)
}

// TestAddressForURL uses an address where other commands take a URL.
func TestAddressForURL(t *testing.T) {
	w := newWorld(t)
	require.NoError(t, w.host.Deliver(user, mailbox.Inbox, []byte(attached), nil))
	status, out, errOut := w.run("list", user)
	require.Equal(t, 0, status, errOut)
	assert.Contains(t, out, "Grüße")

	status, out, errOut = w.run("send", user, "--from", user, "--to", user, "--text", "x")
	require.Equal(t, 0, status, errOut)
	assert.Contains(t, out, "accepted")
	assert.Regexp(t, `(?m)^copy +filed`, out)
	status, _, errOut = w.run("send", user, "--from", user, "--to", user, "--text", "x", "--hello", "desk.example.com")
	require.Equal(t, 0, status, errOut)
	assert.Contains(t, w.host.Transcript(), "EHLO desk.example.com")

	// What leads to this computer is not followed.
	w.web.DNS.SetHost("imap.example.com", "127.0.0.1")
	status, _, errOut = w.run("list", user)
	assert.Equal(t, 1, status)
	assert.Contains(t, errOut, "private or local address")
	status, _, errOut = w.run("list", user, "--private")
	assert.Equal(t, 1, status)
	assert.NotContains(t, errOut, "private or local address")
	w.web.DNS.SetHost("imap.example.com", w.web.Host("imap.example.com"))

	// An address whose servers only DNS names needs a yes.
	w.web.DNS.SetSRV("_imaps._tcp.example.org", "0 1 993 imap.example.com.")
	w.host.AddUser("ann@example.org", secret)
	status, _, errOut = w.run("folders", "ann@example.org")
	assert.Equal(t, 1, status)
	assert.Contains(t, errOut, "--yes")
	status, out, errOut = w.run("folders", "ann@example.org", "--yes")
	assert.Equal(t, 0, status, errOut)
	assert.True(t, strings.Contains(out, mailbox.Inbox))
}
