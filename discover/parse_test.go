package discover

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/mailtest"
)

func read(t *testing.T, doc string) *clientConfig {
	t.Helper()
	s := newSettings(nil)
	c, err := parseClientConfig([]byte(doc), "example.org", &s)
	require.NoError(t, err, doc)
	return c
}

// TestClientConfigForms: what documents in the field look like.
func TestClientConfigForms(t *testing.T) {
	doc := usual("example.org")
	want := read(t, doc).servers
	require.Len(t, want, 3)
	for name, variant := range map[string]string{
		"BOM":            "\ufeff" + doc,
		"no declaration": doc[strings.Index(doc, "?>")+2:],
		"space before":   "\n  " + doc[strings.Index(doc, "?>")+2:],
		"UTF8":           strings.Replace(doc, "UTF-8", "UTF8", 1),
		"us-ascii":       strings.Replace(doc, "UTF-8", "us-ascii", 1),
		"latin1":         strings.Replace(doc, "UTF-8", "ISO-8859-1", 1),
		"CRLF":           strings.ReplaceAll(doc, "><", ">\r\n<"),
		"version":        strings.Replace(doc, `version="1.1"`, `version="7.3"`, 1),
		"namespace":      strings.ReplaceAll(strings.Replace(strings.ReplaceAll(doc, "<", "<a:"), "<a:?", "<?", 1), "<a:/", "</a:"),
		"CDATA":          strings.Replace(doc, "imap.example.org", "<![CDATA[imap.example.org]]>", 1),
		"comments":       strings.Replace(doc, "imap.example.org", "imap<!-- hm -->.example.org", 1),
		"spaces":         strings.Replace(doc, "993", "\n 993 \t", 1),
		"unknown":        strings.Replace(doc, "<port>", "<colour tint='x'>red</colour><port>", 1),
		"twice":          strings.Replace(doc, "<port>993</port>", "<port>993</port><port>1</port>", 1),
		"capitals":       strings.Replace(doc, "imap.example.org", "IMAP.Example.ORG.", 1),
		"entity":         strings.Replace(doc, "Test of", "Test&nbsp;&amp;&eacute;", 1),
		"two sockets":    strings.Replace(doc, "<socketType>SSL", "<socketType>FOO</socketType><socketType>SSL</socketType><socketType>plain", 1),
		"no auth":        strings.Replace(doc, "<authentication>password-cleartext</authentication>", "", 1),
		"placeholder":    strings.Replace(doc, "imap.example.org", "imap.%EMAILDOMAIN%", 1),
		"end":            doc + "\n<!-- bye -->\n",
	} {
		assert.Equal(t, want, read(t, variant).servers, name)
	}
	assert.Equal(t, "Testé of", read(t, strings.Replace(strings.Replace(doc, "UTF-8", "ISO-8859-1", 1), "Test of", "Test\xe9 of", 1)).name[:len("Testé of")])
}

// TestClientConfigBroken: a server that cannot be understood is dropped alone.
func TestClientConfigBroken(t *testing.T) {
	for _, broken := range []string{
		server("imap i.example.org 0 SSL"), server("imap i.example.org 65536 SSL"), server("imap i.example.org -1 SSL"), server("imap i.example.org imap SSL"),
		server("imap https://i.example.org 993 SSL"), server("imap i.example.org:993 993 SSL"), server("imap u@i.example.org 993 SSL"), server("imap i_i.example.org 993 SSL"),
		server("imap 127.0.0.1 993 SSL"), server("imap localhost 993 SSL"), server("imap i 993 SSL"), server("imap i.example.org 993 SSL3"),
		server("imap i.example.org 993 SSL", "u", "unheard-of"), server("imap %EMAILDOMAIN 993 SSL"), server("imap %EMAILADDRESS%.example.org 993 SSL"),
		`<incomingServer type="imap"/>`, `<incomingServer><hostname>i.example.org</hostname></incomingServer>`,
		`<incomingServer type="imap"><port>993</port><socketType>SSL</socketType></incomingServer>`,
		`<incomingServer type="imap"><hostname>i.example.org</hostname><port>993</port></incomingServer>`,
	} {
		c := read(t, config("example.org", broken, server("imap ok.example.org 993 SSL")))
		require.Len(t, c.servers, 1, broken)
		assert.Equal(t, "ok.example.org", c.servers[0].Host)
	}
	c := read(t, config("example.org", server("imap i.example.org 993 SSL", "a\x7fb")))
	assert.Empty(t, c.servers[0].User, "a user name with control characters is not known")
}

func TestClientConfigNotes(t *testing.T) {
	doc := strings.Replace(usual("example.org"), "</emailProvider>", `<enable visiturl="https://example.org/on"><instruction lang="de">Anschalten</instruction><instruction>Switch&#27;[31m it on</instruction></enable>`+
		`<enable visiturl="javascript:alert(1)"/></emailProvider>`, 1)
	assert.Equal(t, []string{"Switch [31m it on (https://example.org/on)", "Access for mail programs must be switched on."}, read(t, strings.Replace(doc, "&#27;", "\u202e", 1)).notes)
	restricted := read(t, strings.Replace(usual("example.org"), "</incomingServer>", "<restriction>client-IP-address</restriction></incomingServer>", 1))
	assert.Len(t, restricted.servers[0].Notes, 1)
}

func TestAuthWords(t *testing.T) {
	for words, want := range map[string]string{
		"password-cleartext": "password", "plain": "password", "password-encrypted": "encrypted", "secure": "encrypted", "OAuth2": "oauth2", "GSSAPI": "gssapi", "NTLM": "ntlm",
		"TLS-client-cert": "client-cert", "none": "none", "x OAuth2 password-cleartext plain": "oauth2 password", "": "password",
	} {
		got, ok := configAuth(strings.Fields(words))
		assert.True(t, ok, words)
		assert.Equal(t, want, strings.Join(got, " "), words)
	}
	_, ok := configAuth([]string{"http-basic"})
	assert.False(t, ok)
}

func TestPOX(t *testing.T) {
	s := newSettings(nil)
	p, err := parsePOX([]byte(poxDoc("IMAP imap.example.org 993 on", "IMAP imap.example.org 143 on", "POP3 pop.example.org 110 off", "SMTP smtp.example.org 587 on", "SMTP smtp.example.org 465 on",
		"SMTP smtp.example.org 25 on", "IMAP localhost 993 on", "IMAP imap.example.org x on", "CalDAV c.example.org 443 on", "EXCH x.example.org 443 on")), &s)
	require.NoError(t, err)
	assert.Equal(t, "imap imap.example.org:993 TLS\nimap imap.example.org:143 STARTTLS\nsmtp smtp.example.org:587 STARTTLS\nsmtp smtp.example.org:465 TLS", brief(p.servers))
	assert.Equal(t, 1, p.insecure)
	assert.True(t, p.exchange)

	const form = `<Autodiscover><Response><Account><Protocol><Type>IMAP</Type><Server>imap.example.org</Server>%s</Protocol></Account></Response></Autodiscover>`
	for in, want := range map[string]string{
		"":                             "imap imap.example.org:993 TLS",
		"<Port>143</Port>":             "imap imap.example.org:143 STARTTLS",
		"<Encryption>TLS</Encryption>": "imap imap.example.org:993 STARTTLS",
		"<Encryption>SSL</Encryption><Port>143</Port><SSL>off</SSL>": "imap imap.example.org:143 TLS",
		"<Encryption>None</Encryption>":                              "",
		"<SSL>off</SSL>":                                             "",
		"<Port>65536</Port>":                                         "",
		"<LoginName>ann@example.org</LoginName><TTL>2</TTL>":         "imap imap.example.org:993 TLS",
	} {
		p, err := parsePOX([]byte(strings.Replace(form, "%s", in, 1)), &s)
		require.NoError(t, err)
		assert.Equal(t, want, brief(p.servers), in)
		if strings.Contains(in, "LoginName") {
			assert.Equal(t, "ann@example.org", p.servers[0].User)
			assert.Equal(t, 2, p.hours)
		}
	}
	for _, bad := range []string{"", "<html/>", "<Autodiscover/>", "<Autodiscover><Response><Error/></Response></Autodiscover>", "<!DOCTYPE x><Autodiscover><Response><Account/></Response></Autodiscover>"} {
		_, err := parsePOX([]byte(bad), &s)
		assert.ErrorIs(t, err, errDocument, bad)
	}
	assert.Contains(t, poxRequest(`"<&>"@example.org`), "&lt;&amp;&gt;")
}

func TestPACCDigest(t *testing.T) {
	const doc = `{"protocols":{}}`
	record := mailtest.PACCRecord(doc)
	assert.True(t, paccDigest([]string{"x", record}, []byte(doc)))
	assert.True(t, paccDigest([]string{strings.Replace(record, "d=", "d= ", 1)}, []byte(doc)))
	assert.False(t, paccDigest([]string{record}, []byte(doc+"\n")))
	assert.False(t, paccDigest([]string{strings.Replace(record, "v=UAAC1; ", "", 1)}, []byte(doc)))
	assert.False(t, paccDigest(nil, []byte(doc)))
}

func TestExpand(t *testing.T) {
	for tpl, want := range map[string]string{
		"": "", "x": "x", "%EMAILADDRESS%": "a@b", "%EMAILLOCALPART%.%EMAILDOMAIN%": "a.b", "100%": "100%", "50%%": "50%%", "%EMAILADDRESS%%EMAILADDRESS%": "a@ba@b", "x%y%EMAILDOMAIN%": "x%yb", "%emailaddress%": "%emailaddress%",
	} {
		got, ok := expand(tpl, "a@b", "a", "b")
		assert.True(t, ok, tpl)
		assert.Equal(t, want, got, tpl)
	}
	for _, tpl := range []string{"%EMAILADDRESS", "%EMAIL%", "%REALNAME%", "x%EMAILDOMAIN"} {
		_, ok := expand(tpl, "a@b", "a", "b")
		assert.False(t, ok, tpl)
	}
}

// TestJSON: a result survives being stored.
func TestJSON(t *testing.T) {
	for _, address := range []string{"a+b@gmail.com", "ann@me.com", "ann@hotmail.com"} {
		r, err := Lookup(t.Context(), address, nil)
		require.NoError(t, err)
		p, err := json.Marshal(r)
		require.NoError(t, err)
		var back Result
		require.NoError(t, json.Unmarshal(p, &back))
		assert.Equal(t, *r, back)
	}
	s := Server{Protocol: IMAP, Host: "imap.example.org", Port: 143, TLS: access.TLSStart}
	p, err := json.Marshal(s)
	require.NoError(t, err)
	assert.JSONEq(t, `{"protocol":"imap","host":"imap.example.org","port":143,"tls":"starttls"}`, string(p))
	require.NoError(t, json.Unmarshal([]byte(`{"protocol":"pop3","host":"h.example","port":995}`), &s))
	assert.Equal(t, access.TLSImplicit, s.TLS, "nothing said is safe")
	assert.Error(t, json.Unmarshal([]byte(`{"tls":"maybe"}`), &s))
	assert.Error(t, json.Unmarshal([]byte(`{"port":"x"}`), &s))
	_, err = json.Marshal(Server{TLS: 7})
	assert.Error(t, err)
}

// TestOwned: what one caller does with a result is nothing to the next.
func TestOwned(t *testing.T) {
	w := newWorld(t)
	w.DNS.SetMX("example.org", "1 aspmx.l.google.com.")
	f := &Finder{Options: w.opts}
	r, err := f.Lookup(t.Context(), "ann@example.org")
	require.NoError(t, err)
	for i := range r.Incoming {
		r.Incoming[i].Auth[0], r.Incoming[i].OAuth2.Scopes[0], r.Incoming[i].OAuth2.TokenURL = "x", "x", "x"
	}
	r.Notes[0] = "x"
	again, err := f.Lookup(t.Context(), "ann@example.org")
	require.NoError(t, err)
	assert.Equal(t, "oauth2", again.Incoming[0].Auth[0])
	assert.Equal(t, "https://mail.google.com/", again.Incoming[0].OAuth2.Scopes[0])
	assert.NotEqual(t, "x", again.Incoming[0].OAuth2.TokenURL)
	assert.NotEqual(t, "x", again.Notes[0])
}
