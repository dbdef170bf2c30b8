package discover

import (
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/mailtest"
)

const paccURL = "https://ua-auto-config.example.org/.well-known/user-agent-configuration.json"

var documentCases = map[string]func(t *testing.T, w *world){
	"18-doctype": func(t *testing.T, w *world) {
		w.DNS.SetMX("example.org", "10 mx.example.org.")
		for _, doc := range bombs() {
			w.Autoconfig("example.org", doc)
			e := w.fail("ann@example.org", ErrNothing)
			assert.Contains(t, attemptAt(e.Attempts, first), "it is not a document of the kind", "%.80s", doc)
			for _, u := range urls(w) {
				assert.NotContains(t, u, "evil")
			}
		}
	},
	"18-memory": func(t *testing.T, w *world) {
		// A document of the greatest size costs a few times its size to read: text in
		// a thousand pieces, elements side by side, attributes.
		fill := func(piece string) []byte {
			head, tail, _ := strings.Cut(usual("example.org"), "Test of")
			return []byte(head + strings.Repeat(piece, (256<<10)/len(piece)) + tail)
		}
		for _, piece := range []string{"xxxxxxx<!---->", "<![CDATA[x]]>", "&amp;", "<a/>", `<a b=""/>`, "x", "<domain>a.example</domain>", "<a>"} {
			doc := fill(piece)
			allocated := func() uint64 {
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				_, _ = parseXML(doc, 32)
				runtime.ReadMemStats(&after)
				return after.TotalAlloc - before.TotalAlloc
			}
			assert.Less(t, allocated(), uint64(64<<20), piece)
		}
	},
	"19-other-domain": func(t *testing.T, w *world) {
		w.Autoconfig("example.org", usual("hoster.example"))
		r := w.find("ann@example.org")
		assert.Empty(t, r.Incoming[0].Confirm, "the domain proved its name, and may name others")
		assert.Contains(t, strings.Join(r.Notes, " "), "hoster.example")

		w.DNS.SetMX("a.example", "10 mx.a.example.")
		w.ISPDB("a.example", usual("hoster.example"))
		e := w.fail("ann@a.example", ErrNothing)
		assert.Contains(t, attemptAt(e.Attempts, w.ISPDBURL()+"a.example"), "it is not for a.example")
		w.ISPDB("a.example", usual("a.example"))
		assert.Equal(t, "ispdb", w.find("ann@a.example").Incoming[0].Source)

		w.Autoconfig("b.example", strings.Replace(usual("b.example"), ` id="b.example"`, "", 1))
		w.find("ann@b.example")
	},
	"21-pop-only": func(t *testing.T, w *world) {
		w.mailServers("example.org")
		w.Autoconfig("example.org", config("example.org", server("pop3 pop.example.org 995 SSL"), server("smtp smtp.example.org 465 SSL")))
		r := w.find("ann@example.org")
		assert.Equal(t, "pop3 pop.example.org:995 TLS", brief(r.Incoming), "no guess above what is published")

		w.Autoconfig("a.example", config("a.example", server("pop3 pop.a.example 995 SSL"), server("imap imap.a.example 993 SSL"), server("smtp smtp.a.example 465 SSL")))
		assert.Equal(t, "imap imap.a.example:993 TLS\npop3 pop.a.example:995 TLS", brief(w.find("ann@a.example").Incoming))
	},
	"22-several": func(t *testing.T, w *world) {
		w.Autoconfig("example.org", config("example.org",
			server("imap b.example.org 143 STARTTLS"), server("imap a.example.org 993 SSL"), server("jmap j.example.org 443 SSL"),
			`<incomingServer type="ews"><url>https://x.example.org</url></incomingServer>`, server("gopher g.example.org 70 plain"),
			server("imap broken.example.org 99999 SSL"), server("imap localhost 993 SSL"), server("imap 192.0.2.1 993 SSL"), server("imap x.example.org 993 QUANTUM"),
			server("imap y.example.org 993 SSL", "u", "telepathy"), server("pop3 c.example.org 995 TLS"), server("smtp d.example.org 587 STARTTLS"), server("smtp e.example.org 465 ssl")))
		r := w.find("ann@example.org")
		assert.Equal(t, "imap a.example.org:993 TLS\nimap b.example.org:143 STARTTLS\npop3 c.example.org:995 TLS", brief(r.Incoming))
		assert.Equal(t, "smtp e.example.org:465 TLS\nsmtp d.example.org:587 STARTTLS", brief(r.Outgoing))
	},
	"25-plain-only": func(t *testing.T, w *world) {
		plain := config("example.org", server("pop3 pop.example.org 110 plain"), server("smtp smtp.example.org 25 plain"))
		w.Autoconfig("example.org", plain)
		e := w.fail("ann@example.org", ErrInsecure)
		require.ErrorIs(t, e, mailbox.ErrTLSRequired)
		w.opts.AllowPlaintext = true
		r := w.find("ann@example.org")
		assert.Equal(t, access.TLSNone, r.Incoming[0].TLS)
		require.Len(t, r.Incoming[0].Confirm, 1)
		w.Autoconfig("example.org", config("example.org", server("imap a.example.org 143 plain"), server("imap b.example.org 993 SSL"), server("smtp c.example.org 465 SSL")))
		assert.Equal(t, "imap b.example.org:993 TLS\nimap a.example.org:143 plaintext", brief(w.find("ann@example.org").Incoming), "last")
	},
	"26-oauth-without-endpoints": func(t *testing.T, w *world) {
		w.ISPDB("example.org", config("example.org", server("imap outlook.office365.com 993 SSL", "%EMAILADDRESS%", "OAuth2"), server("smtp smtp.office365.com 587 STARTTLS", "%EMAILADDRESS%", "OAuth2")))
		s := w.find("ann@example.org").Incoming[0]
		assert.Equal(t, []string{"oauth2"}, s.Auth, "no password will do")
		require.NotNil(t, s.OAuth2)
		assert.Equal(t, "microsoft", s.OAuth2.Provider)
		assert.Equal(t, []string{"https://outlook.office.com/IMAP.AccessAsUser.All", "offline_access"}, s.OAuth2.Scopes)

		w.Autoconfig("b.example", config("b.example", server("imap outlook.office365.com 993 SSL"), server("smtp smtp.gmail.com 465 SSL", "%EMAILADDRESS%", "OAuth2", "password-cleartext")))
		r := w.find("ann@b.example")
		assert.Equal(t, []string{"oauth2"}, r.Incoming[0].Auth, "whatever the domain says, Microsoft takes no password")
		assert.Equal(t, []string{"oauth2", "password"}, r.Outgoing[0].Auth, "else the domain knows best")
		assert.Equal(t, "google", r.Outgoing[0].OAuth2.Provider)

		doc := config("a.example", server("imap imap.a.example 993 SSL", "%EMAILADDRESS%", "OAuth2", "password-cleartext"), server("smtp smtp.a.example 465 SSL"))
		doc = strings.Replace(doc, "</clientConfig>", "<oAuth2><issuer>a.example</issuer><scope>mail  other</scope><authURL>https://login.a.example/auth</authURL><tokenURL>https://login.a.example/token</tokenURL><clientID>not ours</clientID></oAuth2></clientConfig>", 1)
		w.Autoconfig("a.example", doc)
		s = w.find("ann@a.example").Incoming[0]
		assert.Equal(t, &OAuth2{Issuer: "a.example", AuthURL: "https://login.a.example/auth", TokenURL: "https://login.a.example/token", Scopes: []string{"mail", "other"}}, s.OAuth2)
		w.Autoconfig("a.example", strings.Replace(doc, "https://login.a.example/token", "http://login.a.example/token", 1))
		assert.Nil(t, w.find("ann@a.example").Incoming[0].OAuth2, "a token is not asked for over http")
	},
	"26-oauth-placeholders": func(t *testing.T, w *world) {
		oauth := "<oAuth2><issuer>login.%EMAILDOMAIN%</issuer><scope>mail</scope><authURL>https://login.%EMAILDOMAIN%/auth</authURL><tokenURL>https://login.%EMAILDOMAIN%/token</tokenURL></oAuth2></clientConfig>"
		doc := config("a.example", server("imap imap.a.example 993 SSL", "%EMAILADDRESS%", "OAuth2"), server("smtp smtp.a.example 465 SSL"))
		doc = strings.Replace(strings.Replace(doc, "</clientConfig>", oauth, 1), "Test of a.example", "Mail of %EMAILDOMAIN%", 1)
		w.Autoconfig("a.example", doc)
		r := w.find("ann@a.example")
		assert.Equal(t, &OAuth2{Issuer: "login.a.example", AuthURL: "https://login.a.example/auth", TokenURL: "https://login.a.example/token", Scopes: []string{"mail"}}, r.Incoming[0].OAuth2)
		assert.Equal(t, "Mail of a.example", r.Provider)
		for _, bad := range []string{"%EMAILADDRESS%", "%EMAILLOCALPART%", "%EMAILDOMAIN", "%EMAILSOMETHING%"} {
			w.Autoconfig("a.example", strings.Replace(doc, "%EMAILDOMAIN%/token", bad+"/token", 1))
			assert.Nil(t, w.find("ann@a.example").Incoming[0].OAuth2, bad)
		}
	},
	"27-icloud": func(t *testing.T, w *world) {
		r := w.find("ann@me.com")
		assert.Equal(t, "imap imap.mail.me.com:993 TLS", brief(r.Incoming), "no POP3")
		assert.Equal(t, "ann", r.Incoming[0].User)
		assert.Equal(t, "local", r.Incoming[0].UserForm)
		assert.Equal(t, "ann@me.com", r.Incoming[0].AltUser)
		assert.Equal(t, "ann@me.com", r.Outgoing[0].User)
		assert.Equal(t, []string{"app-password"}, r.Incoming[0].Auth)
		assert.Contains(t, strings.Join(r.Notes, " "), "no POP3")

		w.DNS.SetMX("firm.example", "10 mx01.mail.icloud.com.", "10 mx02.mail.icloud.com.")
		r = w.find("ann@firm.example")
		assert.Equal(t, "iCloud", r.Provider)
		assert.Empty(t, r.Incoming[0].User)
		assert.Equal(t, "unknown", r.Incoming[0].UserForm)
		assert.Contains(t, strings.Join(r.Incoming[0].Notes, " "), "ask for it")
	},
	"28-placeholders": func(t *testing.T, w *world) {
		w.Autoconfig("example.org", config("example.org",
			server("imap %EMAILDOMAIN%.hoster.example 993 SSL", "%EMAILLOCALPART%.%EMAILDOMAIN%"),
			server("imap a.example.org 993 SSL", "%EMAILADDRESS"), server("imap b.example.org 993 SSL", "%EMAILSOMETHING%"),
			server("imap c.example.org 993 SSL", "100%"), server("imap %EMAILLOCALPART%.example.org 993 SSL"),
			server("smtp d.example.org 465 SSL", "DOMAIN\\%EMAILLOCALPART%")))
		r := w.find("%EMAILDOMAIN%@example.org")
		require.Equal(t, "imap example.org.hoster.example:993 TLS\nimap a.example.org:993 TLS\nimap b.example.org:993 TLS\nimap c.example.org:993 TLS", brief(r.Incoming))
		assert.Equal(t, "%EMAILDOMAIN%.example.org", r.Incoming[0].User, "what was put in is not looked at again")
		assert.Equal(t, "composite", r.Incoming[0].UserForm)
		assert.Equal(t, "", r.Incoming[1].User)
		assert.Equal(t, "unknown", r.Incoming[1].UserForm)
		assert.Equal(t, "", r.Incoming[2].User)
		assert.Equal(t, "100%", r.Incoming[3].User)
		assert.Equal(t, "fixed", r.Incoming[3].UserForm)
		assert.Equal(t, `DOMAIN\%EMAILDOMAIN%`, r.Outgoing[0].User)
	},
	"30-pacc": func(t *testing.T, w *world) {
		const doc = `{"protocols":{"imap":{"host":"imap.example.org"},"pop3":{"host":"pop.example.org"},"submit":{"host":"smtp.example.org"},"jmap":{"url":"https://j.example.org"}},
			"authentication":{"oauth-public":{"issuer":"https://login.example.org"},"password":true},"info":{"provider":{"name":"Test"}}}`
		w.PACC("example.org", doc)
		w.Autoconfig("example.org", config("example.org", server("imap other.example.org 993 SSL"), server("smtp other.example.org 465 SSL")))
		r := w.find("ann@example.org")
		assert.Equal(t, "imap imap.example.org:993 TLS\npop3 pop.example.org:995 TLS", brief(r.Incoming))
		assert.Equal(t, "smtp smtp.example.org:465 TLS", brief(r.Outgoing))
		assert.Equal(t, []string{"oauth2", "password"}, r.Incoming[0].Auth)
		assert.Equal(t, "https://login.example.org", r.Incoming[0].OAuth2.Issuer)
		assert.Equal(t, "pacc", r.Incoming[0].Source)
		assert.Equal(t, "ann@example.org", r.Incoming[0].User)

		record := mailtest.PACCRecord(doc)
		for txt, source := range map[string]string{
			"v=UAAC1; a=sha256; d=AAAA":                                         "autoconfig",
			strings.Replace(record, "UAAC1", "UAAC2", 1):                        "autoconfig",
			strings.Replace(record, "sha256", "md5", 1):                         "autoconfig",
			"d=" + strings.SplitN(record, "d=", 2)[1] + ";a=sha256;v=UAAC1;x=1": "pacc",
		} {
			w.DNS.SetTXT("_ua-auto-config.example.org", "v=spf1 -all", txt)
			assert.Equal(t, source, w.find("ann@example.org").Incoming[0].Source, txt)
		}
		w.DNS.SetTXT("_ua-auto-config.example.org", mailtest.PACCRecord("the next"), record)
		assert.Equal(t, "pacc", w.find("ann@example.org").Incoming[0].Source, "during a change there are two")
		w.Handle(paccURL, mailtest.WebDocument(doc+" "))
		r = w.find("ann@example.org")
		assert.Equal(t, "autoconfig", r.Incoming[0].Source, "one octet more")
		assert.Equal(t, "the digest in DNS is not that of the document", attemptAt(r.Attempts, paccURL))
		w.Handle(paccURL, mailtest.WebRedirect("https://www.example.org/c.json"))
		w.Handle("https://www.example.org/c.json", mailtest.WebDocument(doc))
		assert.Equal(t, "autoconfig", w.find("ann@example.org").Incoming[0].Source, "no redirects")

		second := `{"protocols":{"imap":{"host":"imap.example.org"},"smtp":{"host":"smtp.example.org"}}}`
		w.PACC("example.org", second)
		r = w.find("ann@example.org")
		assert.Equal(t, "smtp smtp.example.org:465 TLS", brief(r.Outgoing), "the name in the second draft")
		assert.Equal(t, []string{"password"}, r.Incoming[0].Auth)
		split := strings.Replace(mailtest.PACCRecord(second), "d=", "d= ", 1)
		w.DNS.SetTXT("_ua-auto-config.example.org", split[:len(split)-9]+" "+split[len(split)-9:])
		assert.Equal(t, "pacc", w.find("ann@example.org").Incoming[0].Source, "the strings of a record with a space between")
		for _, odd := range []string{`"pop.example.org"`, `7`, `null`, `[]`, `{"host":7}`, `{"host":["a"]}`, `{"host":"a b"}`, `{}`} {
			w.PACC("example.org", strings.Replace(second, `"smtp"`, `"pop3":`+odd+`,"smtp"`, 1))
			r = w.find("ann@example.org")
			assert.Equal(t, "imap imap.example.org:993 TLS", brief(r.Incoming), "what cannot be understood is dropped alone: %s", odd)
			assert.Equal(t, "pacc", r.Incoming[0].Source, odd)
		}
		w.PACC("example.org", `{"protocols":{"imap":{"host":"imap.example.org"}},"authentication":{"password":false}}`)
		assert.Equal(t, "autoconfig", w.find("ann@example.org").Incoming[0].Source, "no login that is known")
	},
	"30-pacc-issuer": func(t *testing.T, w *world) {
		const at = "https://login.example.org/.well-known/oauth-authorization-server/t1"
		w.PACC("example.org", `{"protocols":{"imap":{"host":"imap.example.org"},"submit":{"host":"smtp.example.org"}},"authentication":{"oauth-public":{"issuer":"https://login.example.org/t1"}}}`)
		want := &OAuth2{Issuer: "https://login.example.org/t1"}
		assert.Equal(t, want, w.find("ann@example.org").Incoming[0].OAuth2, "it tells nothing")
		for _, bad := range []string{
			`{"issuer":"https://login.example.net/t1","authorization_endpoint":"https://login.example.org/a","token_endpoint":"https://login.example.org/t"}`,
			`{"issuer":"https://login.example.org/t1","authorization_endpoint":"http://login.example.org/a","token_endpoint":"https://login.example.org/t"}`,
			`{"issuer":"https://login.example.org/t1","authorization_endpoint":"https://login.example.org/a","token_endpoint":"https://login.example.org/t","device_authorization_endpoint":"x"}`,
			`<html>`,
		} {
			w.Handle(at, mailtest.WebDocument(bad))
			assert.Equal(t, want, w.find("ann@example.org").Incoming[0].OAuth2, bad)
		}
		good := `{"issuer":"https://login.example.org/t1","authorization_endpoint":"https://login.example.org/a","token_endpoint":"https://login.example.org/t","device_authorization_endpoint":"https://login.example.org/d"}`
		want = &OAuth2{Issuer: want.Issuer, AuthURL: "https://login.example.org/a", TokenURL: "https://login.example.org/t", DeviceURL: "https://login.example.org/d"}
		w.Handle("https://login.example.org/t1/.well-known/openid-configuration", mailtest.WebDocument(good))
		r := w.find("ann@example.org")
		assert.Equal(t, want, r.Incoming[0].OAuth2)
		assert.Equal(t, want, r.Outgoing[0].OAuth2)
		assert.Equal(t, []string{"oauth2"}, r.Incoming[0].Auth)
		assert.NotContains(t, urls(w), "ann", "the issuer is not told who asks")
	},
	"mixed": func(t *testing.T, w *world) {
		w.Autoconfig("example.org", config("example.org", server("imap imap.example.org 993 SSL")))
		w.DNS.SetSRV("_submissions._tcp.example.org", "0 1 465 smtp.example.org.")
		r := w.find("ann@example.org")
		assert.Equal(t, "autoconfig", r.Incoming[0].Source)
		assert.Equal(t, "srv", r.Outgoing[0].Source)
		assert.Contains(t, strings.Join(r.Notes, " "), "different places")

		w.PACC("a.example", `{"protocols":{"submit":{"host":"smtp.a.example"}}}`)
		w.Autoconfig("a.example", config("a.example", server("imap imap.a.example 993 SSL")))
		r = w.find("ann@a.example")
		assert.Equal(t, "pacc", r.Outgoing[0].Source)

		w.Autoconfig("b.example", config("b.example", server("imap imap.b.example 993 SSL")))
		r = w.find("ann@b.example")
		assert.Empty(t, r.Outgoing)
		assert.Contains(t, strings.Join(r.Notes, " "), "Nothing names a server for sending")
	},
}

// bombs are documents that attack their reader.
func bombs() []string {
	doc := usual("example.org")
	head, rest, _ := strings.Cut(doc, "?>")
	with := func(doctype string) string { return head + "?>" + doctype + rest }
	return []string{
		with(`<!DOCTYPE clientConfig [<!ENTITY x SYSTEM "https://evil.example.net/x">]>`),
		with(`<!DOCTYPE clientConfig SYSTEM "https://evil.example.net/x.dtd">`),
		with(`<!DOCTYPE clientConfig [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>`),
		strings.Replace(doc, "Test of", "&xxe;", 1),
		head + "?>" + strings.Repeat("<a>", 80<<10),
		strings.Replace(doc, "<displayName>", strings.Repeat("<a>", 31)+strings.Repeat("</a>", 31)+"<displayName>", 1),
		"<html><body>Not found</body></html>", "", "<clientConfig/>", doc + doc, doc[:len(doc)/2], "<clientConfig></emailProvider>",
		strings.Replace(doc, `encoding="UTF-8"`, `encoding="UTF-16"`, 1), "\x00\x01",
	}
}
