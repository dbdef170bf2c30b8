package discover

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox/access"
)

// TestTable checks that each row is whole and safe.
func TestTable(t *testing.T) {
	table, err := parseTable(providersText)
	require.NoError(t, err)
	assert.GreaterOrEqual(t, len(table.rows), 68)
	dated := regexp.MustCompile(`, 20\d\d-\d\d$`)
	names := map[string]bool{}
	for _, r := range table.rows {
		assert.False(t, names[r.name], "%s stands twice", r.name)
		names[r.name] = true
		assert.Regexp(t, dated, r.source, r.name)
		assert.NotEmpty(t, append(slices.Clone(r.domains), r.mx...), "%s cannot be found", r.name)
		for _, d := range r.domains {
			host, err := hostName(strings.TrimPrefix(d, "*."))
			require.NoError(t, err, d)
			assert.Equal(t, host, strings.TrimPrefix(d, "*."))
			assert.NotEmpty(t, registrable(host), "%s is a public suffix: anybody can register below it", d)
		}
		for _, mx := range append(slices.Clone(r.mx), r.cname...) {
			assert.NotEmpty(t, registrable(strings.TrimPrefix(mx, ".")), "%s: anybody can register %q", r.name, mx)
		}
		if r.bridge != "" {
			continue
		}
		assert.NotEmpty(t, r.auth, r.name)
		incoming, outgoing := 0, 0
		for _, s := range r.servers {
			name, err := serverName(s.Host)
			require.NoError(t, err, "%s %s", r.name, s.Host)
			assert.Equal(t, s.Host, name)
			assert.NotEqual(t, access.TLSNone, s.TLS)
			assert.NotEqual(t, 25, s.Port)
			_, ok := expand(s.User+s.AltUser, "", "", "")
			assert.True(t, ok, "%s %s", r.name, s.User)
			if s.Protocol == SMTP {
				outgoing++
			} else {
				incoming++
			}
		}
		assert.NotZero(t, incoming, r.name)
		assert.NotZero(t, outgoing, r.name)
		if slices.Contains(r.auth, "oauth2") {
			assert.NotNil(t, table.oauth2(r.oauth, IMAP), r.name)
		}
	}
	for _, r := range table.rows {
		for _, d := range r.domains {
			assert.Equal(t, r, table.byDomain(strings.Replace(d, "*", "firm", 1)), d)
		}
		for _, mx := range r.mx {
			name := mx
			if mx[0] == '.' {
				name = "a.b" + mx
			}
			assert.Equal(t, r, table.byMX(name), mx)
		}
		for _, c := range r.cname {
			assert.Equal(t, r, table.byCNAME("autodiscover"+c), c)
		}
	}
	for name, a := range table.oauth {
		assert.Regexp(t, dated, a.source, name)
		for _, u := range []string{a.Issuer, a.AuthURL, a.TokenURL} {
			assert.True(t, safeURL(u), "%s: %s", name, u)
		}
		if a.DeviceURL != "" {
			_, err := url.Parse(a.DeviceURL)
			assert.NoError(t, err)
		}
		assert.NotEmpty(t, a.scopes[IMAP], name)
	}
}

// TestTableErrors: a mistake in the file is found when the tests run.
func TestTableErrors(t *testing.T) {
	for text, want := range map[string]string{
		"imap x.example:993 tls":                                       `"imap" stands before the first provider`,
		"provider A\nimap x.example tls":                               "missing port",
		"provider A\nimap x.example:993":                               "is not host:port mode",
		"provider A\nimap x.example:x tls":                             "invalid syntax",
		"provider A\nimap x.example:993 plain":                         `"plain" is no mode`,
		"provider A\nimap x.example:993 tls pass=x":                    `a server has no "pass"`,
		"provider A\ncolour red":                                       `a provider has no "colour"`,
		"provider A\nuser address":                                     "only local needs to be said",
		"provider A\ndomains a.example\nprovider B\ndomains a.example": "a.example is claimed by A and by B",
		"provider A\noauth nobody":                                     `no authority "nobody"`,
		"authority a\nsecret x":                                        `an authority has no "secret"`,
	} {
		_, err := parseTable(text)
		assert.ErrorContains(t, err, want)
	}
}

// TestProviders checks the named providers by a domain and, where they have
// customers with domains of their own, by a mail exchanger.
func TestProviders(t *testing.T) {
	for _, p := range []struct {
		name, domain, mx string
		incoming, out    string // the first server of each protocol
		auth             string
	}{
		{"Gmail", "gmail.com", "aspmx.l.google.com", "imap.gmail.com:993 pop.gmail.com:995", "smtp.gmail.com:465", "oauth2 app-password"},
		{"Gmail", "googlemail.com", "alt3.aspmx.l.google.com", "imap.gmail.com:993 pop.gmail.com:995", "smtp.gmail.com:465", "oauth2 app-password"},
		{"Outlook.com", "outlook.com", "outlook-com.olc.protection.outlook.com", "outlook.office365.com:993 outlook.office365.com:995", "smtp-mail.outlook.com:587", "oauth2"},
		{"Outlook.com", "hotmail.co.uk", "", "outlook.office365.com:993 outlook.office365.com:995", "smtp-mail.outlook.com:587", "oauth2"},
		{"Outlook.com", "live.com.mx", "", "outlook.office365.com:993 outlook.office365.com:995", "smtp-mail.outlook.com:587", "oauth2"},
		{"Outlook.com", "msn.com", "", "outlook.office365.com:993 outlook.office365.com:995", "smtp-mail.outlook.com:587", "oauth2"},
		{"Microsoft 365", "firm.onmicrosoft.com", "firm-example.mail.protection.outlook.com", "outlook.office365.com:993 outlook.office365.com:995", "smtp.office365.com:587", "oauth2"},
		{"Microsoft 365", "office365.com", "firm-example.o-v1.mx.microsoft", "outlook.office365.com:993 outlook.office365.com:995", "smtp.office365.com:587", "oauth2"},
		{"Microsoft 365 operated by 21Vianet", "firm.partner.onmschina.cn", "firm.mail.protection.partner.outlook.cn", "partner.outlook.cn:993 partner.outlook.cn:995", "smtp.partner.outlook.cn:587", "oauth2"},
		{"Microsoft 365 US Government (GCC High)", "firm.onmicrosoft.us", "firm.mail.protection.office365.us", "outlook.office365.us:993 outlook.office365.us:995", "smtp.office365.us:587", "oauth2"},
		{"iCloud", "icloud.com", "mx01.mail.icloud.com", "imap.mail.me.com:993", "smtp.mail.me.com:587", "app-password"},
		{"iCloud", "me.com", "", "imap.mail.me.com:993", "smtp.mail.me.com:587", "app-password"},
		{"iCloud", "mac.com", "", "imap.mail.me.com:993", "smtp.mail.me.com:587", "app-password"},
		{"AOL", "aol.com", "mx-aol.mail.gm0.yahoodns.net", "imap.aol.com:993 pop.aol.com:995", "smtp.aol.com:465", "oauth2 app-password"},
		{"Yahoo", "yahoo.co.uk", "mta7.am0.yahoodns.net", "imap.mail.yahoo.com:993 pop.mail.yahoo.com:995", "smtp.mail.yahoo.com:465", "oauth2 app-password"},
		{"Yahoo", "ymail.com", "mx-eu.mail.am0.yahoodns.net", "imap.mail.yahoo.com:993 pop.mail.yahoo.com:995", "smtp.mail.yahoo.com:465", "oauth2 app-password"},
		{"Yahoo! JAPAN", "yahoo.co.jp", "", "imap.mail.yahoo.co.jp:993", "smtp.mail.yahoo.co.jp:465", "password"},
		{"Verizon", "verizon.net", "", "imap.aol.com:993 pop.aol.com:995", "smtp.aol.com:465", "oauth2 app-password"},
		{"AT&T", "sbcglobal.net", "", "imap.mail.att.net:993 inbound.att.net:995", "outbound.att.net:465", "oauth2 app-password"},
		{"GMX", "gmx.de", "mx00.gmx.net", "imap.gmx.net:993 pop.gmx.net:995", "mail.gmx.net:465", "password"},
		{"GMX (international)", "gmx.com", "", "imap.gmx.com:993 pop.gmx.com:995", "mail.gmx.com:465", "password"},
		{"mail.com", "mail.com", "", "imap.mail.com:993 pop.mail.com:995", "smtp.mail.com:465", "password"},
		{"WEB.DE", "web.de", "mx-ha02.web.de", "imap.web.de:993 pop3.web.de:995", "smtp.web.de:465", "password"},
		{"T-Online", "t-online.de", "mx00.t-online.de", "secureimap.t-online.de:993 securepop.t-online.de:995", "securesmtp.t-online.de:465", "app-password"},
		{"IONOS (Germany)", "online.de", "mx00.kundenserver.de", "imap.ionos.de:993 pop.ionos.de:995", "smtp.ionos.de:465", "password"},
		{"IONOS", "ionos.com", "mx00.ionos.com", "imap.ionos.com:993 pop.ionos.com:995", "smtp.ionos.com:465", "password"},
		{"STRATO", "strato.de", "smtpin.rzone.de", "imap.strato.de:993 pop3.strato.de:995", "smtp.strato.de:465", "password"},
		{"freenet", "freenet.de", "", "mx.freenet.de:993", "mx.freenet.de:465", "password"},
		{"Vodafone (Germany)", "arcor.de", "", "imap.vodafonemail.de:993", "smtp.vodafonemail.de:465", "app-password"},
		{"Posteo", "posteo.net", "mx01.posteo.de", "posteo.de:993 posteo.de:995", "posteo.de:465", "password"},
		{"mailbox.org", "mailbox.org", "mxext1.mailbox.org", "imap.mailbox.org:993", "smtp.mailbox.org:465", "password"},
		{"mail.de", "mail.de", "", "imap.mail.de:993", "smtp.mail.de:465", "password"},
		{"Fastmail", "fastmail.fm", "in1-smtp.messagingengine.com", "imap.fastmail.com:993 pop.fastmail.com:995", "smtp.fastmail.com:465", "app-password oauth2"},
		{"Yandex", "ya.ru", "mx.yandex.net", "imap.yandex.com:993 pop.yandex.com:995", "smtp.yandex.com:465", "app-password oauth2"},
		{"Mail.ru", "bk.ru", "emx.mail.ru", "imap.mail.ru:993 pop.mail.ru:995", "smtp.mail.ru:465", "app-password"},
		{"Rambler", "rambler.ru", "", "imap.rambler.ru:993 pop.rambler.ru:995", "smtp.rambler.ru:465", "password"},
		{"Zoho", "zohomail.com", "mx2.zoho.com", "imap.zoho.com:993 pop.zoho.com:995", "smtp.zoho.com:465", "password"},
		{"Zoho (Europe)", "zoho.eu", "mx.zoho.eu", "imap.zoho.eu:993 pop.zoho.eu:995", "smtp.zoho.eu:465", "password"},
		{"QQ Mail", "foxmail.com", "", "imap.qq.com:993 pop.qq.com:995", "smtp.qq.com:465", "app-password"},
		{"Tencent Exmail", "", "mxbiz1.qq.com", "imap.exmail.qq.com:993 pop.exmail.qq.com:995", "smtp.exmail.qq.com:465", "app-password"},
		{"NetEase 163", "163.com", "", "imap.163.com:993 pop.163.com:995", "smtp.163.com:465", "app-password"},
		{"NetEase 126", "126.com", "", "imap.126.com:993 pop.126.com:995", "smtp.126.com:465", "app-password"},
		{"Naver", "naver.com", "", "imap.naver.com:993 pop.naver.com:995", "smtp.naver.com:465", "password"},
		{"Daum", "daum.net", "", "imap.daum.net:993", "smtp.daum.net:465", "password"},
		{"Orange", "wanadoo.fr", "", "imap.orange.fr:993 pop.orange.fr:995", "smtp.orange.fr:465", "password"},
		{"Free", "free.fr", "", "imap.free.fr:993 pop.free.fr:995", "smtp.free.fr:465", "password"},
		{"La Poste", "laposte.net", "", "imap.laposte.net:993", "smtp.laposte.net:465", "password"},
		{"SFR", "neuf.fr", "", "imap.sfr.fr:993", "smtp.sfr.fr:465", "password"},
		{"OVHcloud", "ovh.net", "mx1.mail.ovh.net", "ssl0.ovh.net:993 ssl0.ovh.net:995", "ssl0.ovh.net:465", "password"},
		{"Gandi", "", "spool.mail.gandi.net", "mail.gandi.net:993 mail.gandi.net:995", "mail.gandi.net:465", "password"},
		{"Infomaniak", "ik.me", "mta-gw.infomaniak.ch", "mail.infomaniak.com:993", "mail.infomaniak.com:465", "password"},
		{"Bluewin (Swisscom)", "bluewin.ch", "", "imaps.bluewin.ch:993", "smtpauths.bluewin.ch:465", "app-password"},
		{"Comcast Xfinity", "comcast.net", "", "imap.comcast.net:993 mail.comcast.net:995", "smtp.comcast.net:465", "oauth2 password"},
		{"Cox", "cox.net", "", "imap.mail.yahoo.com:993 pop.mail.yahoo.com:995", "smtp.mail.yahoo.com:465", "oauth2 app-password"},
		{"Spectrum (Charter)", "charter.net", "", "mobile.charter.net:993", "mobile.charter.net:587", "password"},
		{"Bell Canada", "sympatico.ca", "", "imap.bell.net:993 pophm.sympatico.ca:995", "smtphm.sympatico.ca:587", "password"},
		{"BT", "btinternet.com", "", "mail.btinternet.com:993 mail.btinternet.com:995", "mail.btinternet.com:465", "password"},
		{"Virgin Media", "blueyonder.co.uk", "", "imap.virginmedia.com:993", "smtp.virginmedia.com:465", "app-password"},
		{"Sky", "sky.com", "", "imap.tools.sky.com:993", "smtp.tools.sky.com:465", "app-password"},
		{"Libero", "libero.it", "", "imapmail.libero.it:993 popmail.libero.it:995", "smtp.libero.it:465", "password"},
		{"Virgilio", "virgilio.it", "", "in.virgilio.it:993 in.virgilio.it:995", "out.virgilio.it:465", "password"},
		{"Tiscali", "tiscali.it", "", "imap.tiscali.it:993", "smtp.tiscali.it:465", "password"},
		{"Aruba", "", "mx.aruba.it", "imaps.aruba.it:993 pop3s.aruba.it:995", "smtps.aruba.it:465", "password"},
		{"Seznam", "seznam.cz", "mx1.seznam.cz", "imap.seznam.cz:993 pop3.seznam.cz:995", "smtp.seznam.cz:465", "password"},
		{"WP", "wp.pl", "", "imap.wp.pl:993", "smtp.wp.pl:465", "app-password"},
		{"o2", "o2.pl", "", "poczta.o2.pl:993 poczta.o2.pl:995", "poczta.o2.pl:465", "password"},
		{"Onet", "op.pl", "", "imap.poczta.onet.pl:993", "smtp.poczta.onet.pl:465", "password"},
		{"Rackspace", "emailsrvr.com", "mx1.emailsrvr.com", "secure.emailsrvr.com:993 secure.emailsrvr.com:995", "secure.emailsrvr.com:465", "password"},
		{"Migadu", "migadu.com", "aspmx1.migadu.com", "imap.migadu.com:993 pop.migadu.com:995", "smtp.migadu.com:465", "password"},
		{"Purelymail", "purelymail.com", "mailserver.purelymail.com", "imap.purelymail.com:993 pop3.purelymail.com:995", "smtp.purelymail.com:465", "password"},
		{"Telstra", "bigpond.com", "", "imap.telstra.com:993 pop.telstra.com:995", "smtp.telstra.com:465", "password"},
		{"Telenet", "telenet.be", "", "imap.telenet.be:993", "smtp.telenet.be:587", "password"},
		{"Ziggo", "ziggo.nl", "", "imap.ziggo.nl:993 pop.ziggo.nl:995", "smtp.ziggo.nl:587", "password"},
		{"KPN", "kpnmail.nl", "", "imap.kpnmail.nl:993", "smtp.kpnmail.nl:587", "password"},
		{"Riseup", "riseup.net", "", "mail.riseup.net:993", "mail.riseup.net:465", "password"},
		{"Mailfence", "mailfence.com", "smtp.mailfence.com", "imap.mailfence.com:993", "smtp.mailfence.com:465", "app-password"},
		{"Hetzner", "", "www123.your-server.de", "mail.your-server.de:993", "mail.your-server.de:465", "password"},
		{"Namecheap Private Email", "", "mx1.privateemail.com", "mail.privateemail.com:993", "mail.privateemail.com:465", "password"},
		{"GoDaddy Workspace", "", "smtp.secureserver.net", "imap.secureserver.net:993 pop.secureserver.net:995", "smtpout.secureserver.net:465", "password"},
	} {
		table := theTable()
		check := func(r *row, by string) {
			if !assert.NotNil(t, r, "%s by %s", p.name, by) {
				return
			}
			assert.Equal(t, p.name, r.name, by)
			first := map[Protocol]string{}
			for _, s := range r.servers {
				mode := access.TLSStart
				if s.Port == 993 || s.Port == 995 || s.Port == 465 || r.name == "Spectrum (Charter)" { // with TLS on 587
					mode = access.TLSImplicit
				}
				assert.Equal(t, mode, s.TLS, "%s %v", p.name, s)
				assert.Equal(t, slices.Contains(byLocalPart, r.name) && (r.name != "iCloud" || s.Protocol == IMAP), s.User == tplLocal, "%s %v", p.name, s)
				if first[s.Protocol] == "" {
					first[s.Protocol] = s.Addr()
				}
			}
			assert.Equal(t, p.incoming, strings.TrimSpace(first[IMAP]+" "+first[POP3]), p.name)
			assert.Equal(t, p.out, first[SMTP], p.name)
			assert.Equal(t, p.auth, strings.Join(r.auth, " "), p.name)
		}
		if p.domain != "" {
			check(table.byDomain(p.domain), p.domain)
		}
		if p.mx != "" {
			check(table.byMX(strings.ToUpper(p.mx)+"."), p.mx)
		}
	}
	for domain, name := range map[string]string{"proton.me": "Proton Mail", "tuta.com": "Tuta", "hey.com": "HEY"} {
		assert.Equal(t, name, theTable().byDomain(domain).name)
		assert.NotEmpty(t, theTable().byDomain(domain).bridge)
	}
}

// byLocalPart are the providers whose user name is what is before the @.
var byLocalPart = []string{"iCloud", "Yahoo! JAPAN", "WEB.DE", "Free", "o2", "Mailfence"}

// TestNamed compares all that the table has of the largest providers: servers, user
// names, logins, where tokens are from and for what, and what the user is told.
func TestNamed(t *testing.T) {
	const (
		google    = "google https://accounts.google.com https://accounts.google.com/o/oauth2/v2/auth https://oauth2.googleapis.com/token https://mail.google.com/"
		microsoft = "microsoft https://login.microsoftonline.com https://login.microsoftonline.com/common/oauth2/v2.0/authorize https://login.microsoftonline.com/common/oauth2/v2.0/token https://login.microsoftonline.com/common/oauth2/v2.0/devicecode "
		china     = "microsoft-cn https://login.partner.microsoftonline.cn https://login.partner.microsoftonline.cn/common/oauth2/v2.0/authorize https://login.partner.microsoftonline.cn/common/oauth2/v2.0/token "
		yahoo     = "yahoo https://login.yahoo.com https://api.login.yahoo.com/oauth2/request_auth https://api.login.yahoo.com/oauth2/get_token mail-w"
		aol       = "aol https://login.aol.com https://api.login.aol.com/oauth2/request_auth https://api.login.aol.com/oauth2/get_token mail-w"
		office    = "https://outlook.office.com/"
		partner   = "https://partner.outlook.cn/"
	)
	tokens := func(base, resource string) map[Protocol]string {
		return map[Protocol]string{IMAP: base + resource + "IMAP.AccessAsUser.All offline_access", POP3: base + resource + "POP.AccessAsUser.All offline_access", SMTP: base + resource + "SMTP.Send offline_access"}
	}
	same := func(oauth string) map[Protocol]string {
		return map[Protocol]string{IMAP: oauth, POP3: oauth, SMTP: oauth}
	}
	for address, want := range map[string]struct {
		servers string // with the user name's form
		auth    string
		oauth   map[Protocol]string
		notes   []string
	}{
		"ann@gmail.com": {"imap imap.gmail.com:993 TLS address|pop3 pop.gmail.com:995 TLS address|smtp smtp.gmail.com:465 TLS address|smtp smtp.gmail.com:587 STARTTLS address",
			"oauth2 app-password", same(google), []string{"app password", "2-step verification"}},
		"ann@hotmail.com": {"imap outlook.office365.com:993 TLS address|pop3 outlook.office365.com:995 TLS address|smtp smtp-mail.outlook.com:587 STARTTLS address|smtp smtp.office365.com:587 STARTTLS address",
			"oauth2", tokens(microsoft, office), []string{"OAuth2 only", "switched on"}},
		"ann@firm.onmicrosoft.com": {"imap outlook.office365.com:993 TLS address|pop3 outlook.office365.com:995 TLS address|smtp smtp.office365.com:587 STARTTLS address",
			"oauth2", tokens(microsoft, office), []string{"OAuth2 only", "535 5.7.139", "user principal name"}},
		"ann@firm.partner.onmschina.cn": {"imap partner.outlook.cn:993 TLS address|pop3 partner.outlook.cn:995 TLS address|smtp smtp.partner.outlook.cn:587 STARTTLS address",
			"oauth2", tokens(china, partner), []string{"registered in the cloud of 21Vianet", "user principal name"}},
		"ann@mac.com": {"imap imap.mail.me.com:993 TLS local|smtp smtp.mail.me.com:587 STARTTLS address",
			"app-password", nil, []string{"app-specific password", "no POP3"}},
		"ann@aol.com": {"imap imap.aol.com:993 TLS address|pop3 pop.aol.com:995 TLS address|smtp smtp.aol.com:465 TLS address|smtp smtp.aol.com:587 STARTTLS address",
			"oauth2 app-password", same(aol), []string{"app password"}},
		"ann@yahoo.com": {"imap imap.mail.yahoo.com:993 TLS address|imap export.imap.mail.yahoo.com:993 TLS address|pop3 pop.mail.yahoo.com:995 TLS address|smtp smtp.mail.yahoo.com:465 TLS address|smtp smtp.mail.yahoo.com:587 STARTTLS address",
			"oauth2 app-password", same(yahoo), []string{"app password"}},
	} {
		t.Run(address, func(t *testing.T) {
			r, err := Lookup(t.Context(), address, &Options{Resolver: nobody{}})
			require.NoError(t, err)
			var servers []string
			for _, s := range append(r.Incoming, r.Outgoing...) {
				servers = append(servers, s.String()+" "+s.UserForm)
				assert.Equal(t, want.auth, strings.Join(s.Auth, " "))
				assert.Equal(t, TrustHigh, s.Trust)
				assert.Empty(t, s.Confirm)
				for _, note := range want.notes {
					assert.Contains(t, strings.Join(s.Notes, " "), note)
				}
				if want.oauth == nil {
					assert.Nil(t, s.OAuth2)
					continue
				}
				require.NotNil(t, s.OAuth2)
				o := *s.OAuth2
				said := strings.Join(append([]string{o.Provider, o.Issuer, o.AuthURL, o.TokenURL, o.DeviceURL}, o.Scopes...), " ")
				assert.Equal(t, want.oauth[s.Protocol], strings.ReplaceAll(said, "  ", " "))
			}
			assert.Equal(t, want.servers, strings.Join(servers, "|"))
		})
	}
	for name, n := range map[string]int{"Gmail": 2, "Outlook.com": 102 + 5, "iCloud": 3, "AOL": 18, "Yahoo": 16} {
		for _, r := range theTable().rows {
			if r.name == name {
				assert.Len(t, r.domains, n, name)
			}
		}
	}
}

// nobody is a Resolver that must not be asked.
type nobody struct{ Resolver }

// TestByHost: a host that several providers have is that of the address's own, or
// else of the one that has customers with domains of their own.
func TestByHost(t *testing.T) {
	for _, c := range []struct{ host, domain, want string }{
		{"outlook.office365.com", "hotmail.com", "Outlook.com"},
		{"outlook.office365.com", "firm.example", "Microsoft 365"},
		{"smtp.office365.com", "firm.onmicrosoft.com", "Microsoft 365"},
		{"imap.mail.yahoo.com", "cox.net", "Cox"},
		{"imap.mail.yahoo.com", "firm.example", "Yahoo"},
		{"imap.aol.com", "verizon.net", "Verizon"},
		{"imap.gmail.com", "hotmail.com", "Gmail"},
	} {
		r := theTable().byHost(c.host, c.domain)
		require.NotNil(t, r, c.host)
		assert.Equal(t, c.want, r.name, c)
	}
	assert.Nil(t, theTable().byHost("127.0.0.1", "proton.me"))

	r := Result{Address: "ann@firm.example", Incoming: []Server{{Host: "outlook.office365.com"}}}
	require.NoError(t, r.Complete())
	assert.NotContains(t, strings.Join(r.Incoming[0].Notes, " "), "Outlook.com takes", "that is for people at home")
}

// TestLookalikes: a domain is a provider's only if it is listed.
func TestLookalikes(t *testing.T) {
	for _, d := range []string{"outlook.corp.example", "hotmail.example", "live.example", "notgmail.com", "gmail.com.example", "x.gmail.com", "outlook.example.com",
		"onmicrosoft.com", "partner.onmschina.cn", "xonmicrosoft.com", "firm.onmicrosoft.com.example", "yahoo.example", "mail.hotmail.com", "gmail.co", "com"} {
		assert.Nil(t, theTable().byDomain(d), d)
	}
	for _, mx := range []string{"notgoogle.com", "google.com", "mx.notgoogle.com", "google.com.example", "yahoodns.net", "mta5.yahoodns.net", "protection.outlook.com", "mx1.qq.com", "xmxbiz1.qq.com", "a.mxbiz1.qq.com", "microsoft", "", "."} {
		assert.Nil(t, theTable().byMX(mx), mx)
	}
	for _, c := range []string{"outlook.com.example", "notoutlook.com", "autodiscover.example.org"} {
		assert.Nil(t, theTable().byCNAME(c), c)
	}
}

func BenchmarkTable(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Lookup(b.Context(), "ann@gmail.com", nil); err != nil {
			b.Fatal(err)
		}
	}
}
