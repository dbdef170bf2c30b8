package discover

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox/mailtest"
)

var dnsCases = map[string]func(t *testing.T, w *world){
	"07-workspace": func(t *testing.T, w *world) {
		for i, mx := range []string{"aspmx.l.google.com.", "ALT1.ASPMX.L.GOOGLE.COM", "smtp.google.com.", "aspmx2.googlemail.com."} {
			domain := fmt.Sprintf("firm%d.example", i)
			w.DNS.SetMX(domain, "1 "+mx, "5 mx.elsewhere.example.")
			r := w.find("ann@" + domain)
			assert.Equal(t, "Gmail", r.Provider)
			assert.Equal(t, "mx", r.Incoming[0].Source)
			assert.Equal(t, "ann@"+domain, r.Incoming[0].User)
			assert.Equal(t, "imap.gmail.com:993", r.Incoming[0].Addr())
			assert.Equal(t, TrustMedium, r.Incoming[0].Trust)
			assert.Empty(t, r.Incoming[0].Confirm, "one of the seven needs no confirmation")
		}
	},
	"08-microsoft": func(t *testing.T, w *world) {
		for mx, smtp := range map[string]string{
			"a-example.mail.protection.outlook.com.": "smtp.office365.com:587",
			"a-example.o-v1.mx.microsoft.":           "smtp.office365.com:587",
			"hotmail-com.olc.protection.outlook.com": "smtp-mail.outlook.com:587",
		} {
			domain := fmt.Sprintf("firm%d.example", len(mx))
			w.DNS.SetMX(domain, "0 "+mx)
			r := w.find("ann@" + domain)
			assert.Equal(t, "outlook.office365.com:993", r.Incoming[0].Addr())
			assert.Equal(t, smtp, r.Outgoing[0].Addr(), mx)
			assert.Equal(t, strings.Contains(mx, "olc"), strings.Contains(strings.Join(r.Incoming[0].Notes, " "), "Outlook.com takes"), mx)
			assert.Equal(t, !strings.Contains(mx, "olc"), strings.Contains(strings.Join(r.Incoming[0].Notes, " "), "Microsoft 365 takes"), mx)
			assert.Equal(t, []string{"oauth2"}, r.Incoming[0].Auth)
			assert.Equal(t, "https://login.microsoftonline.com/common/oauth2/v2.0/token", r.Incoming[0].OAuth2.TokenURL)
			assert.Empty(t, r.Incoming[0].Confirm)
		}
	},
	"09-21vianet": func(t *testing.T, w *world) {
		w.DNS.SetMX("firm.example", "0 firm.mail.protection.partner.outlook.cn.")
		for _, address := range []string{"ann@firm.example", "ann@tenant.partner.onmschina.cn"} {
			r := w.find(address)
			assert.Equal(t, "Microsoft 365 operated by 21Vianet", r.Provider)
			assert.Equal(t, "imap partner.outlook.cn:993 TLS\npop3 partner.outlook.cn:995 TLS", brief(r.Incoming))
			assert.Equal(t, "smtp smtp.partner.outlook.cn:587 STARTTLS", brief(r.Outgoing))
			assert.Equal(t, "https://login.partner.microsoftonline.cn/common/oauth2/v2.0/authorize", r.Incoming[0].OAuth2.AuthURL)
			assert.Equal(t, []string{"https://partner.outlook.cn/SMTP.Send", "offline_access"}, r.Outgoing[0].OAuth2.Scopes)
		}
	},
	"10-mx-lookalikes": func(t *testing.T, w *world) {
		for i, mx := range []string{"mx.notgoogle.com.", "evil-mail.protection.outlook.com.attacker.example.", "google.com.attacker.example.", "xgoogle.com.", "amail.protection.outlook.com."} {
			domain := fmt.Sprintf("firm%d.example", i)
			w.DNS.SetMX(domain, "0 "+mx)
			w.fail("ann@"+domain, ErrNothing)
		}
	},
	"11-filter": func(t *testing.T, w *world) {
		w.DNS.SetMX("firm.example", "0 mxa-001.gslb.pphosted.com.")
		w.DNS.SetCNAME("autodiscover.firm.example", "autodiscover.outlook.com.")
		r := w.find("ann@firm.example")
		assert.Equal(t, "Microsoft 365", r.Provider)
		assert.Equal(t, "autodiscover", r.Incoming[0].Source)
		assert.Equal(t, TrustMedium, r.Incoming[0].Trust)
		assert.Empty(t, r.Incoming[0].Confirm)
		assert.Equal(t, "CNAME autodiscover.firm.example autodiscover.outlook.com", r.Incoming[0].Evidence)
	},
	"11-odd-alias": func(t *testing.T, w *world) {
		w.DNS.SetMX("firm.example", "0 mx.firm.example.")
		w.DNS.SetCNAME("autodiscover.firm.example", "\x1b[2J.outlook.com.")
		w.fail("ann@firm.example", ErrNothing)
	},
	"12-srv-absent": func(t *testing.T, w *world) {
		w.DNS.SetSRV("_imaps._tcp.a.example", "0 0 0 .")
		w.DNS.SetSRV("_imap._tcp.a.example", "0 1 143 mail.a.example.")
		w.DNS.SetSRV("_submission._tcp.a.example", "0 1 587 mail.a.example.")
		r := w.find("ann@a.example")
		assert.Equal(t, "imap mail.a.example:143 STARTTLS", brief(r.Incoming))
		assert.Equal(t, "smtp mail.a.example:587 STARTTLS", brief(r.Outgoing))
		assert.Equal(t, "ann@a.example", r.Incoming[0].User)
		assert.Equal(t, "ann", r.Incoming[0].AltUser)
		assert.Empty(t, r.Incoming[0].Confirm)

		for _, s := range services() {
			w.DNS.SetSRV("_"+s.name+"._tcp.b.example", "0 0 0 .")
		}
		w.DNS.SetMX("b.example", "1 aspmx.l.google.com.")
		assert.Equal(t, "mx", w.find("ann@b.example").Incoming[0].Source, "the next source")

		w.DNS.SetSRV("_pop3s._tcp.c.example", "0 1 995 pop.c.example.")
		w.DNS.SetSRV("_submissions._tcp.c.example", "0 1 465 smtp.c.example.")
		r = w.find("ann@c.example")
		assert.Equal(t, "pop3 pop.c.example:995 TLS", brief(r.Incoming))
		assert.Contains(t, strings.Join(r.Notes, " "), "POP3 only")
	},
	"13-srv-order": func(t *testing.T, w *world) {
		w.DNS.SetSRV("_imaps._tcp.a.example", "20 100 993 third.a.example.", "10 0 1993 second.a.example.", "10 100 1993 first.a.example.", "0 0 993 bad_name.a.example.")
		w.DNS.SetFault("_imaps._tcp.a.example", mailtest.DNSMalformed)
		w.DNS.SetSRV("_pop3s._tcp.a.example", "0 1 995 pop.a.example.")
		r := w.find("ann@a.example")
		assert.Equal(t, "imap first.a.example:1993 TLS\nimap second.a.example:1993 TLS\nimap third.a.example:993 TLS\npop3 pop.a.example:995 TLS", brief(r.Incoming))
		assert.Contains(t, r.Notes, "The domain's DNS prefers POP3 to IMAP.")
		assert.Equal(t, "SRV _imaps._tcp.a.example 10 100 1993 first.a.example", r.Incoming[0].Evidence)
	},
	"14-srv-elsewhere": func(t *testing.T, w *world) {
		w.DNS.SetSRV("_imaps._tcp.a.example", "0 1 993 imap.hoster.example.")
		w.DNS.SetSRV("_submissions._tcp.a.example", "0 1 465 smtp.hoster.example.")
		s := w.find("ann@a.example").Incoming[0]
		require.Len(t, s.Confirm, 1)
		assert.Contains(t, s.Confirm[0], "imap.hoster.example")
		assert.Equal(t, TrustLow, s.Trust)

		w.opts.Authenticated = func(name string) bool { return name == "_imaps._tcp.a.example" }
		r := w.find("ann@a.example")
		assert.Empty(t, r.Incoming[0].Confirm, "DNSSEC vouches for it")
		assert.NotEmpty(t, r.Outgoing[0].Confirm, "but for that one not")
	},
	"29-four-failures": func(t *testing.T, w *world) {
		w.DNS.SetMX("null.example", "0 .")
		w.fail("ann@null.example", ErrNoMail)
		w.fail("ann@nowhere.example", ErrNoDomain)

		f := Finder{Options: w.opts}
		w.DNS.SetFault("*", mailtest.DNSServFail)
		_, err := f.Lookup(t.Context(), "ann@a.example")
		require.ErrorIs(t, err, ErrNetwork)
		require.NotErrorIs(t, err, ErrTimeout)
		w.DNS.SetFault("*", mailtest.DNSSilent)
		w.fail("ann@a.example", ErrTimeout)

		// The failure was not kept.
		w.DNS.SetFault("*", mailtest.DNSMalformed)
		w.DNS.SetSRV("_imaps._tcp.a.example", "0 1 993 imap.a.example.")
		_, err = f.Lookup(t.Context(), "ann@a.example")
		assert.NoError(t, err)
	},
	"29-null-mx-with-servers": func(t *testing.T, w *world) {
		w.DNS.SetMX("null.example", "0 .")
		w.Autoconfig("null.example", usual("null.example"))
		assert.Equal(t, "autoconfig", w.find("ann@null.example").Incoming[0].Source)
	},
	"mx-malformed": func(t *testing.T, w *world) {
		w.DNS.SetMX("firm.example", "1 aspmx.l.google.com.")
		w.DNS.SetFault("firm.example", mailtest.DNSMalformed)
		assert.Equal(t, "Gmail", w.find("ann@firm.example").Provider, "one bad record does not lose the others")
	},
	"srv-usual-ports": func(t *testing.T, w *world) {
		w.DNS.SetSRV("_imap._tcp.a.example", "0 1 993 imap.a.example.")
		w.DNS.SetSRV("_pop3._tcp.a.example", "0 1 995 pop.a.example.")
		w.DNS.SetSRV("_submission._tcp.a.example", "0 1 465 smtp.a.example.")
		r := w.find("ann@a.example")
		assert.Equal(t, "imap imap.a.example:993 TLS\npop3 pop.a.example:995 TLS", brief(r.Incoming), "nobody speaks STARTTLS there")
		assert.Equal(t, "smtp smtp.a.example:465 TLS", brief(r.Outgoing))
	},
	"srv-table-host": func(t *testing.T, w *world) {
		// DNS knows nothing of how a provider wants logins; the table does.
		w.DNS.SetSRV("_imaps._tcp.a.example", "0 1 993 imap.gmail.com.")
		w.DNS.SetSRV("_submissions._tcp.a.example", "0 1 465 smtp.gmail.com.")
		s := w.find("ann@a.example").Incoming[0]
		assert.Equal(t, []string{"oauth2", "app-password"}, s.Auth)
		assert.Contains(t, strings.Join(s.Notes, " "), "https://myaccount.google.com/apppasswords")
		assert.NotEmpty(t, s.Confirm)
	},
	"mx-table-minor": func(t *testing.T, w *world) {
		w.DNS.SetMX("firm.example", "10 mx1.emailsrvr.com.")
		s := w.find("ann@firm.example").Incoming[0]
		assert.Equal(t, "secure.emailsrvr.com:993", s.Addr())
		require.Len(t, s.Confirm, 1, "who forges the record can choose among many")
		assert.Contains(t, s.Confirm[0], "Rackspace")
	},
	"mx-list": func(t *testing.T, w *world) {
		w.DNS.SetMX("firm.example", "20 mx.other.example.", "10 b.mx.hoster.example.", "10 a.mx.hoster.example.")
		w.ISPDB("hoster.example", config("hoster.example", server("imap imap.hoster.example 993 SSL"), server("smtp %EMAILDOMAIN%.hoster.example 465 SSL")))
		r := w.find("ann@firm.example")
		assert.Equal(t, "imap imap.hoster.example:993 TLS", brief(r.Incoming))
		assert.Equal(t, "smtp firm.example.hoster.example:465 TLS", brief(r.Outgoing), "the domain is still the address's")
		assert.Equal(t, "mx", r.Incoming[0].Source)
		require.Len(t, r.Incoming[0].Confirm, 1)
		assert.Contains(t, r.Incoming[0].Confirm[0], "a.mx.hoster.example")
		for _, u := range urls(w) {
			assert.NotContains(t, strings.TrimPrefix(u, "https://autoconfig.firm.example"), "ann", "nobody else is told the address")
		}
	},
	"mx-autoconfig": func(t *testing.T, w *world) {
		w.DNS.SetMX("firm.example", "10 mx.hoster.example.")
		w.Autoconfig("hoster.example", usual("hoster.example"))
		r := w.find("ann@firm.example")
		assert.Equal(t, "imap.hoster.example", r.Incoming[0].Host)
		assert.Equal(t, TrustLow, r.Incoming[0].Trust)
		assert.NotEmpty(t, r.Incoming[0].Confirm)
		assert.Contains(t, urls(w), "https://autoconfig.hoster.example/mail/config-v1.1.xml", "without the address")
	},
	"autodiscover-srv": func(t *testing.T, w *world) {
		w.DNS.SetSRV("_autodiscover._tcp.a.example", "0 0 443 exchange.a.example.")
		w.Handle("https://exchange.a.example:443/autodiscover/autodiscover.xml", mailtest.WebDocument(poxDoc("IMAP imap.a.example 993 on", "SMTP smtp.a.example 587 on")))
		w.DNS.SetSRV("_autodiscover._tcp.b.example", "0 0 443 evil.example.net.")
		w.Handle("https://evil.example.net:443/autodiscover/autodiscover.xml", mailtest.WebDocument(poxDoc("IMAP imap.evil.example.net 993 on")))
		w.DNS.SetMX("b.example", "10 mx.b.example.")
		r := w.find("ann@a.example")
		assert.Equal(t, "autodiscover", r.Incoming[0].Source)
		assert.Equal(t, "imap imap.a.example:993 TLS", brief(r.Incoming))
		assert.Equal(t, "smtp smtp.a.example:587 STARTTLS", brief(r.Outgoing))
		w.fail("ann@b.example", ErrNothing)
		for _, u := range urls(w) {
			assert.NotContains(t, u, "evil", "another domain is not told the address")
		}
	},
}

// TestMXNames: the names asked for are never above the registrable domain.
func TestMXNames(t *testing.T) {
	for mx, want := range map[string][]string{
		"mx.hoster.example":        {"hoster.example"},
		"a.b.hoster.co.uk":         {"b.hoster.co.uk", "hoster.co.uk"},
		"hoster.co.uk":             {"hoster.co.uk"},
		"co.uk":                    nil,
		"mx.firm.example":          {},
		"a.mx.firm.example":        {},
		"mail.blogspot.com":        {"mail.blogspot.com"},
		"x.mail.a.kawasaki.jp":     {"mail.a.kawasaki.jp"},
		"aspmx.l.elsewhere.google": {"l.elsewhere.google", "elsewhere.google"},
	} {
		assert.Equal(t, want, mxNames(mx, "firm.example"), mx)
	}
}

// TestContextOfResolver: a lookup does not go on when its context has ended.
func TestContextOfResolver(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Lookup(ctx, "ann@example.org", &w.opts)
	require.ErrorIs(t, err, context.Canceled)
	assert.Empty(t, w.DNS.Queries())
}

// poxDoc is a response of Autodiscover with servers "TYPE host port SSL".
func poxDoc(servers ...string) string {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0"?><Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006"><Response xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"><Account><AccountType>email</AccountType><Action>settings</Action>`)
	for _, s := range servers {
		f := strings.Fields(s)
		fmt.Fprintf(&b, "<Protocol><Type>%s</Type><Server>%s</Server><Port>%s</Port><SSL>%s</SSL></Protocol>", f[0], f[1], f[2], f[3])
	}
	b.WriteString("</Account></Response></Autodiscover>")
	return b.String()
}
