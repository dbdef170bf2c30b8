package discover

import (
	"context"
	"crypto/tls"
	"encoding/xml"
	"fmt"
	"io"
	gonet "net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/mailtest"
)

const secret = "canary-5ecret"

// TestHostile plays those who would like to have the account: forgers of DNS,
// people on the way, domains and servers that attack who asks them. Each row ends
// with its control: that the same does harm to a client without the guard.
func TestHostile(t *testing.T) {
	for id, row := range hostile {
		t.Run(id, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { row(t, newWorld(t)) })
		})
	}
}

var hostile = map[string]func(t *testing.T, w *world){
	"disc-srv-hijack": func(t *testing.T, w *world) {
		w.DNS.SetSRV("_imaps._tcp.example.org", "0 1 993 imap.evil.example.")
		w.DNS.SetSRV("_imap._tcp.example.org", "0 1 25 mail.example.org.")
		w.DNS.SetSRV("_submission._tcp.example.org", "0 1 25 mail.example.org.", "9 1 587 mail.example.org.")
		evil := w.Serve("imap.evil.example:993", overTLS, takesLogin)
		r := w.find("ann@example.org")
		assert.Equal(t, "imap imap.evil.example:993 TLS", brief(r.Incoming), "port 25 is not for users")
		require.NotEmpty(t, r.Incoming[0].Confirm, "the user must know whose server that is")
		assert.Contains(t, r.Incoming[0].Confirm[0], "imap.evil.example")
		assert.Equal(t, TrustLow, r.Incoming[0].Trust)
		assert.Equal(t, "smtp mail.example.org:587 STARTTLS", brief(r.Outgoing))
		for _, s := range append(r.Incoming, r.Outgoing...) {
			assert.NotEqual(t, access.TLSNone, s.TLS)
		}
		assert.Zero(t, evil.Accepted())
		w.opts.Authenticated = func(string) bool { return true } // the guard is off
		assert.Empty(t, w.find("ann@example.org").Incoming[0].Confirm)

		_, records, err := w.DNS.LookupSRV(t.Context(), "imaps", "tcp", "example.org")
		require.NoError(t, err)
		w.login(t, strings.TrimSuffix(records[0].Target, "."), int(records[0].Port))
		assert.Contains(t, evil.Transcript(), secret, "who believes DNS, with a good certificate, is robbed")
	},
	"disc-http-plain": func(t *testing.T, w *world) {
		const forged = "http://autoconfig.example.org/mail/config-v1.1.xml"
		w.DNS.SetMX("example.org", "10 mx.example.org.")
		w.Handle(forged, mailtest.WebDocument(usual("evil.example")))
		w.fail("ann@example.org", ErrNothing)
		w.opts.AllowHTTP = true
		r := w.find("ann@example.org")
		assert.Equal(t, "imap.evil.example", r.Incoming[0].Host, "the forger's")
		assert.NotEmpty(t, r.Incoming[0].Confirm, "even then the user must confirm")
		assert.Equal(t, TrustLow, r.Incoming[0].Trust)
		w.Autoconfig("example.org", usual("example.org"))
		assert.Equal(t, "autoconfig", w.find("ann@example.org").Incoming[0].Source, "and what is protected wins")

		assert.Contains(t, w.get(t, forged, 1<<20), "imap.evil.example", "who asks by http gets the forger's servers")
	},
	"disc-redirect": func(t *testing.T, w *world) {
		w.DNS.SetMX("example.org", "10 mx.example.org.")
		w.Handle(first, mailtest.WebRedirect("http://www.example.org/c.xml"))
		w.Handle("http://www.example.org/c.xml", mailtest.WebDocument(usual("evil.example")))
		w.Handle("https://example.org/.well-known/autoconfig/mail/config-v1.1.xml", mailtest.WebLoop())
		e := w.fail("ann@example.org", ErrNothing)
		assert.Equal(t, "it redirects to what is not https", attemptAt(e.Attempts, first))
		w.Handle(first, mailtest.WebRedirect("https://conf.evil.example/c.xml"))
		w.Handle("https://conf.evil.example/c.xml", mailtest.WebDocument(usual("evil.example")))
		assert.NotEmpty(t, w.find("ann@example.org").Incoming[0].Confirm)

		// Without the limit a loop is followed for as long as there is time.
		w.Latency = 20 * time.Millisecond
		loops := func() (n int) {
			before := len(w.Requests())
			w.Handle(first, mailtest.WebLoop())
			w.fail("ann@example.org", ErrNothing)
			for _, req := range w.Requests()[before:] {
				if strings.HasPrefix(req.URL, first) {
					n++
				}
			}
			return n
		}
		assert.Equal(t, 4, loops())
		w.lim.redirects = 1 << 30
		assert.Greater(t, loops(), 20)

		w.Handle(first, mailtest.WebRedirect("http://www.example.org/c.xml"))
		assert.Contains(t, w.get(t, first, 1<<20), "imap.evil.example", "net/http itself follows to http")
	},
	"disc-backoff-tld": func(t *testing.T, w *world) {
		for _, host := range []string{"co.uk", "autodiscover.co.uk", "autoconfig.co.uk", "ua-auto-config.co.uk", "imap.co.uk"} {
			w.Handle("https://"+host+"/autodiscover/autodiscover.xml", mailtest.WebDocument(poxDoc("IMAP imap.evil.example 993 on")))
		}
		w.DNS.SetMX("mail.firma.co.uk", "10 mx.firma.co.uk.")
		w.fail("ann@mail.firma.co.uk", ErrNothing)
		w.below(t, "firma.co.uk")
		w.DNS.SetMX("xn--80ak6aa92e.com", "10 mx.xn--80ak6aa92e.com.") // looks like "apple"
		r, err := w.lookup("ann@аррӏе.com")
		require.ErrorIs(t, err, ErrNothing, "%v", r)
		assert.Contains(t, err.Error(), "xn--80ak6aa92e.com", "what it is, not what it looks like")

		// As the clients did of which "Autodiscovering the Great Leak" tells:
		// label by label.
		asked := ""
		for domain := "mail.firma.co.uk"; asked == "" && strings.Contains(domain, "."); _, domain, _ = strings.Cut(domain, ".") {
			if _, err := w.DNS.LookupNetIP(t.Context(), "ip", "autodiscover."+domain); err == nil {
				asked = w.get(t, "https://autodiscover."+domain+"/autodiscover/autodiscover.xml", 1<<20)
			}
		}
		assert.Contains(t, asked, "imap.evil.example")
	},
	"disc-basic-downgrade": func(t *testing.T, w *world) {
		const target = "https://autodiscover.example.org/autodiscover/autodiscover.xml"
		w.DNS.SetMX("example.org", "10 mx.example.org.")
		w.Handle(target, mailtest.WebLogin("Bearer", "Basic realm=evil"))
		w.fail("ann@example.org", ErrNothing) // which checks the headers of all requests
		w.innocent()

		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, target, strings.NewReader(poxRequest("ann@example.org")))
		require.NoError(t, err)
		req.SetBasicAuth("ann@example.org", secret)
		resp, err := w.naive().Do(req)
		require.NoError(t, err)
		_ = resp.Body.Close()
		requests := w.Requests()
		_, password, _ := (&http.Request{Header: requests[len(requests)-1].Header}).BasicAuth()
		assert.Equal(t, secret, password, "who answers a challenge gives the password away")
	},
	"disc-doc-bomb": func(t *testing.T, w *world) {
		w.WellKnown("example.org", usual("example.org"))
		for _, doc := range bombs() {
			w.Autoconfig("example.org", doc)
			assert.Equal(t, "well-known", w.find("ann@example.org").Incoming[0].Source, "%.100s", doc)
		}
		for _, h := range []http.HandlerFunc{mailtest.WebGzipBomb(usual("example.org"), 16<<20), mailtest.WebSlow(usual("example.org"), time.Second)} {
			w.Handle(first, h)
			assert.Equal(t, "well-known", w.find("ann@example.org").Incoming[0].Source)
		}
		var many []string
		for i := range 900 {
			many = append(many, server(fmt.Sprintf("imap i%d.example.org 993 SSL", i)))
		}
		w.Autoconfig("example.org", config("example.org", many...))
		assert.Len(t, w.find("ann@example.org").Incoming, 50)

		w.lim.servers, w.lim.depth, w.lim.body = 1<<30, 1<<30, 1<<40
		assert.Len(t, w.find("ann@example.org").Incoming, 900, "without the limits")
		deep := strings.Repeat("<a>", 1000) + strings.Repeat("</a>", 1000)
		w.Autoconfig("example.org", strings.Replace(usual("example.org"), "<displayName>", deep+"<displayName>", 1))
		assert.Equal(t, "autoconfig", w.find("ann@example.org").Incoming[0].Source)
		var v struct{}
		assert.NoError(t, xml.Unmarshal([]byte(`<!DOCTYPE a [<!ENTITY x SYSTEM "https://evil.example/">]><a/>`), &v), "encoding/xml itself reads it")
	},
	"disc-plain-offer": func(t *testing.T, w *world) {
		doc := config("example.org", server("imap a.example.org 143 plain", "%EMAILADDRESS%", "plain"), server("imap b.example.org 143 STARTTLS"), server("smtp c.example.org 587 none"), server("smtp d.example.org 465 SSL"))
		w.Autoconfig("example.org", doc)
		r := w.find("ann@example.org")
		assert.Equal(t, "imap b.example.org:143 STARTTLS", brief(r.Incoming))
		assert.Equal(t, "smtp d.example.org:465 TLS", brief(r.Outgoing))
		w.Autoconfig("a.example", config("a.example", server("imap a.a.example 143 plain"), server("smtp c.a.example 25 plain")))
		w.fail("ann@a.example", ErrInsecure)

		w.opts.AllowPlaintext = true
		r = w.find("ann@example.org")
		assert.Equal(t, "imap b.example.org:143 STARTTLS\nimap a.example.org:143 plaintext", brief(r.Incoming), "with the user's will, last")
		assert.NotEmpty(t, r.Incoming[1].Confirm)
	},
	"disc-probe-creds": func(t *testing.T, w *world) {
		w.DNS.SetMX("example.org", "10 mx.example.org.")
		var servers []*mailtest.Server
		for _, at := range []string{"imap.example.org:993", "pop.example.org:995", "smtp.example.org:465"} {
			servers = append(servers, w.Serve(at, overTLS, takesLogin))
		}
		for _, at := range []string{"mail.example.org:143", "mail.example.org:110", "mail.example.org:587"} {
			servers = append(servers, w.Serve(at, nil, takesLogin))
		}
		for _, at := range []string{"mail.example.org:993", "mail.example.org:995", "mail.example.org:465"} {
			servers = append(servers, w.Serve(at, overTLS, babbles))
		}
		r := w.find("ann@example.org")
		assert.Equal(t, "imap.example.org:993", r.Incoming[0].Addr())
		for _, s := range servers {
			said := strings.ToUpper(s.Transcript())
			for _, word := range []string{"LOGIN \"", "C: A LOGIN", "AUTHENTICATE", "C: USER", "C: PASS", "C: AUTH", "ANN", "MAIL FROM"} {
				assert.NotContains(t, said, word, s.Addr)
			}
		}
		assert.LessOrEqual(t, w.MostDialing(), 3*4+4, "four of each protocol, beside the web")
		w.login(t, "imap.example.org", 993)
		assert.Contains(t, servers[0].Transcript(), secret, "who logs in to see what is there gives the password away")
	},
	"disc-ssrf": func(t *testing.T, w *world) {
		const inside = "127.0.0.1"
		w.DNS.SetMX("example.org", "10 mx.example.org.")
		public := w.Host("autoconfig.example.org")
		reached := w.Serve(inside+":443", &mailtest.ServeOptions{TLS: true, Cert: mailtest.WebCertificate("autoconfig.example.org")}, func(c *mailtest.Conn) {
			c.ReadLine()
			web(c)
		})
		for _, addr := range []string{inside, "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.100.100.200", "::1", "fd00::1", "fe80::1", "::ffff:10.0.0.1", "64:ff9b::10.0.0.1", "2002:7f00:1::", "0.0.0.0", "224.0.0.1"} {
			w.DNS.SetHost("autoconfig.example.org", addr)
			w.DNS.SetHost("imap.example.org", addr)
			e := w.fail("ann@example.org", ErrNothing)
			assert.Contains(t, attemptAt(e.Attempts, first), "private or local address", addr)
		}
		w.DNS.SetRebinding("autoconfig.example.org", public, inside)
		w.fail("ann@example.org", ErrNothing)
		w.fail("ann@example.org", ErrNothing)
		for _, d := range w.Dials() {
			assert.True(t, strings.HasPrefix(d, "203.0.113."), d)
		}
		assert.Zero(t, reached.Accepted())

		// Who checks first and lets the dialler resolve again is led inside.
		w.DNS.SetRebinding("autoconfig.example.org", public, inside)
		addrs, err := w.DNS.LookupNetIP(t.Context(), "ip", "autoconfig.example.org")
		require.NoError(t, err)
		require.False(t, private(addrs[0]))
		nc, err := w.DialContext(t.Context(), "tcp", "autoconfig.example.org:443")
		require.NoError(t, err)
		_ = nc.Close()
		assert.Equal(t, 1, reached.Accepted())
		w.opts.AllowPrivate = true
		w.fail("ann@example.org", ErrNothing)
		assert.Greater(t, reached.Accepted(), 1, "with the program's will")
	},
}

// takesLogin is a server of any protocol that is glad of a password.
func takesLogin(c *mailtest.Conn) {
	c.Send("* OK ready\r\n")
	for {
		tag, name, _ := c.NextCommand()
		if name == "CAPABILITY" {
			c.Send("* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n")
		}
		c.Sendf("%s OK\r\n", tag)
	}
}

// babbles says what no protocol says, without end.
func babbles(c *mailtest.Conn) {
	for {
		c.Send("login: password: 220 +OK * OK user?\r\n")
	}
}

// login is a client that believes what it was told.
func (w *world) login(t *testing.T, host string, port int) {
	t.Helper()
	nc, err := w.DialContext(context.WithoutCancel(t.Context()), "tcp", gonet.JoinHostPort(host, fmt.Sprint(port)))
	require.NoError(t, err)
	cfg := w.ClientTLS()
	cfg.ServerName = host
	c := tls.Client(nc, cfg)
	defer func() { _ = c.Close() }()
	_, err = fmt.Fprintf(c, "a LOGIN ann %s\r\n", secret)
	require.NoError(t, err)
	_, err = io.ReadFull(c, make([]byte, len("* OK ready\r\na OK\r\n")))
	require.NoError(t, err)
}

// TestPrivate: which addresses are not of the public internet.
func TestPrivate(t *testing.T) {
	for _, a := range []string{"127.0.0.1", "127.9.9.9", "10.0.0.1", "172.31.255.255", "192.168.0.1", "169.254.0.1", "100.64.0.1", "0.0.0.0", "0.1.2.3", "255.255.255.255", "240.0.0.1",
		"224.0.0.251", "192.0.0.8", "::", "::1", "fe80::1%eth0", "fc00::1", "ff02::1", "fec0::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1", "2002:a00:1::", "2001:0:1::"} {
		assert.True(t, private(netip.MustParseAddr(a)), a)
	}
	assert.True(t, private(netip.Addr{}))
	for _, a := range []string{"8.8.8.8", "100.63.0.1", "172.32.0.1", "203.0.113.1", "2606:4700::1", "64:ff9b::808:808", "2002:808:808::", "2001:4860::1"} {
		assert.False(t, private(netip.MustParseAddr(a)), a)
	}
}
