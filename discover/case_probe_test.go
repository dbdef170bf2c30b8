package discover

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/mailtest"
)

// web answers mail clients as a web server does.
func web(c *mailtest.Conn) {
	c.Send("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
}

var probeCases = map[string]func(t *testing.T, w *world){
	"15-wildcard": func(t *testing.T, w *world) {
		w.DNS.SetMX("example.org", "10 mx.elsewhere.example.")
		addr := w.Host("example.org")
		w.DNS.SetWildcard("example.org", addr)
		cert := mailtest.WebCertificate("*.example.org", "example.org")
		w.SetCertificate("*", cert)
		w.SetCertificate("ispdb.example.net", mailtest.WebCertificate("ispdb.example.net"))
		w.Handle("https://example.org/", mailtest.WebDocument("<html>Welcome</html>"))
		w.Serve(addr+":993", &mailtest.ServeOptions{TLS: true, Cert: cert}, web)
		w.Serve(addr+":143", nil, web)
		w.fail("ann@example.org", ErrNothing)
		assert.Contains(t, w.Dials(), addr+":993")

		// The same name with a real server is found.
		w.Serve(addr+":993", &mailtest.ServeOptions{TLS: true, Cert: cert}, imapServer)
		w.Serve(addr+":465", &mailtest.ServeOptions{TLS: true, Cert: cert}, smtpServer)
		assert.Equal(t, "imap imap.example.org:993 TLS", brief(w.find("ann@example.org").Incoming))
	},
	"23-certificates": func(t *testing.T, w *world) {
		hoster := w.Host("mx.hoster.example")
		texts := map[string]bool{}
		for kind, want := range map[mailtest.CertKind]string{
			mailtest.CertSelfSigned: "it is signed by itself",
			mailtest.CertExpired:    "it has expired or is not valid yet",
			mailtest.CertUnknownCA:  "its issuer is not known",
			mailtest.CertWrongHost:  `it is for "mx.hoster.example", not for mail.example.org`,
		} {
			cert := mailtest.WebBadCertificate(kind, "mail.example.org")
			if kind == mailtest.CertWrongHost {
				cert = mailtest.WebCertificate("mx.hoster.example")
			}
			w.DNS.SetMX("example.org", "10 mx.example.org.")
			srv := w.Serve("mail.example.org:993", &mailtest.ServeOptions{TLS: true, Cert: cert}, imapServer)
			e := w.fail("ann@example.org", ErrNothing)
			require.ErrorIs(t, e, mailbox.ErrCertificate)
			assert.Contains(t, e.Error(), want)
			assert.Contains(t, attemptAt(e.Attempts, "imap mail.example.org:993 TLS"), want)
			assert.NotContains(t, srv.Transcript(), "CAPABILITY")
			texts[e.Error()] = true
		}
		assert.Len(t, texts, 4)
		for _, d := range w.Dials() {
			assert.False(t, strings.HasPrefix(d, hoster+":"), "the name in the certificate is not dialled")
		}
	},
	"24-starttls": func(t *testing.T, w *world) {
		for name, script := range map[string]func(c *mailtest.Conn){
			"stripped": func(c *mailtest.Conn) {
				c.Send("* OK hi\r\n")
				mailtest.IMAPAnswers(c, "IMAP4rev1 AUTH=PLAIN")
				_, _ = c.Command("STARTTLS")
			},
			"injected": func(c *mailtest.Conn) {
				c.Send("* OK hi\r\n")
				mailtest.IMAPAnswers(c, "IMAP4rev1 STARTTLS")
				tag, _ := c.Command("STARTTLS")
				c.Sendf("%s OK go\r\n* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n", tag)
				c.StartTLS()
			},
			"refused": func(c *mailtest.Conn) {
				c.Send("* OK hi\r\n")
				mailtest.IMAPAnswers(c, "IMAP4rev1 STARTTLS")
				tag, _ := c.Command("STARTTLS")
				c.Sendf("%s NO not now\r\n", tag)
			},
			"preauth": func(c *mailtest.Conn) {
				c.Send("* PREAUTH hi\r\n")
				mailtest.IMAPAnswers(c, "IMAP4rev1 STARTTLS")
				_, _ = c.Command("STARTTLS")
			},
			"bye": func(c *mailtest.Conn) { c.Send("* BYE no\r\n") },
		} {
			w.DNS.SetMX("example.org", "10 mx.example.org.")
			srv := w.Serve("imap.example.org:143", nil, script)
			w.fail("ann@example.org", ErrNothing)
			for _, word := range []string{"LOGIN", "AUTHENTICATE", "ann"} {
				assert.NotContains(t, srv.Transcript(), "C: "+word, name)
			}
		}
		// In plaintext only where that is allowed and STARTTLS is not offered.
		w.opts.AllowPlaintext = true
		w.Serve("imap.example.org:143", nil, func(c *mailtest.Conn) {
			c.Send("* OK hi\r\n")
			mailtest.IMAPAnswers(c, "IMAP4rev1 AUTH=PLAIN")
			_, _ = c.Command("STARTTLS")
		})
		r := w.find("ann@example.org")
		assert.Equal(t, "imap imap.example.org:143 plaintext", brief(r.Incoming))
		assert.NotEmpty(t, r.Incoming[0].Confirm)
	},
	"34-dead-ports": func(t *testing.T, w *world) {
		w.DNS.SetMX("example.org", "10 mx.example.org.")
		w.Host("example.org")
		w.BlackHole("imap.example.org:993")
		w.BlackHole("example.org")
		w.Serve("imap.example.org:143", nil, imapServer)
		w.Serve("pop.example.org:995", overTLS, popServer)
		w.Serve("smtp.example.org:587", nil, smtpServer)
		began := time.Now()
		r := w.find("ann@example.org")
		assert.Equal(t, "imap imap.example.org:143 STARTTLS\npop3 pop.example.org:995 TLS", brief(r.Incoming))
		assert.Equal(t, "smtp smtp.example.org:587 STARTTLS", brief(r.Outgoing), "465 is refused")
		assert.Less(t, time.Since(began), 3*time.Second, "of the clock of synctest")
		assert.Equal(t, []string{"password", "oauth2"}, r.Incoming[0].Auth)
		assert.Equal(t, TrustLow, r.Incoming[0].Trust)
		assert.Equal(t, "probe of imap.example.org:143", r.Incoming[0].Evidence)
	},
	"guess-in-time": func(t *testing.T, w *world) {
		// Everything is there and silent but the last candidates of each kind.
		w.Latency, w.DNS.Latency = 20*time.Millisecond, 20*time.Millisecond
		w.DNS.SetMX("example.org", "10 mx.example.org.")
		for _, name := range []string{"example.org", "imap.example.org", "pop.example.org", "pop3.example.org", "smtp.example.org", "mail.example.org", "autoconfig.example.org", "autodiscover.example.org"} {
			w.Host(name)
		}
		w.BlackHole("*")
		w.Serve("mail.example.org:143", nil, imapServer)
		w.Serve("mail.example.org:587", nil, smtpServer)
		began := time.Now()
		r := w.find("ann@example.org")
		assert.Equal(t, "imap mail.example.org:143 STARTTLS", brief(r.Incoming))
		assert.Equal(t, "smtp mail.example.org:587 STARTTLS", brief(r.Outgoing))
		assert.Less(t, time.Since(began), 3*time.Second, "of the clock of synctest")
		assert.LessOrEqual(t, w.MostDialing(), 3*4+4, "four of each kind, beside the web")
	},
	"guess-in-time-hoster": func(t *testing.T, w *world) {
		// So is the web of who takes the domain's mail, and of the domain above.
		w.Latency, w.DNS.Latency = 20*time.Millisecond, 20*time.Millisecond
		w.DNS.SetMX("cs.example.org", "10 a.mx.hoster.example.")
		for _, name := range []string{"cs.example.org", "example.org", "autoconfig.example.org", "autoconfig.cs.example.org", "autoconfig.mx.hoster.example", "autoconfig.hoster.example", "imap.cs.example.org"} {
			w.Host(name)
		}
		w.BlackHole("*")
		w.Serve("mail.cs.example.org:993", overTLS, imapServer)
		w.Serve("mail.cs.example.org:465", overTLS, smtpServer)
		began := time.Now()
		r := w.find("ann@cs.example.org")
		assert.Equal(t, "imap mail.cs.example.org:993 TLS", brief(r.Incoming))
		assert.Less(t, time.Since(began), 3*time.Second, "of the clock of synctest")
	},
	"guess-few-addresses": func(t *testing.T, w *world) {
		// Who has a name lead to many addresses has few of them dialled.
		w.DNS.SetMX("example.org", "10 mx.example.org.")
		var many []string
		for i := range 9 {
			many = append(many, fmt.Sprintf("203.0.113.%d", 200+i), fmt.Sprintf("2606:4700::%d", 1+i))
		}
		w.DNS.SetHost("imap.example.org", many...)
		w.BlackHole("*")
		w.fail("ann@example.org", ErrNothing)
		dialled := map[string]bool{}
		for _, d := range w.Dials() {
			if addr, found := strings.CutSuffix(d, ":993"); found {
				dialled[addr] = true
			}
		}
		assert.Equal(t, map[string]bool{"203.0.113.200": true, "[2606:4700::1]": true}, dialled)
	},
	"guess-slow-greeting": func(t *testing.T, w *world) {
		w.mailServers("example.org")
		w.Serve("smtp.example.org:465", overTLS, func(c *mailtest.Conn) {
			<-time.After(2 * time.Second) // as some do, to annoy spammers
			smtpServer(c)
		})
		r := w.find("ann@example.org")
		assert.Equal(t, "smtp smtp.example.org:465 TLS", brief(r.Outgoing), "what is missing still is waited for")
	},
	"guess-off": func(t *testing.T, w *world) {
		w.mailServers("example.org")
		w.opts.NoGuess = true
		w.fail("ann@example.org", ErrNothing)
		for _, d := range w.Dials() {
			assert.True(t, strings.HasSuffix(d, ":443"), d)
		}
	},
	"guess-for-sending": func(t *testing.T, w *world) {
		w.mailServers("example.org")
		w.Autoconfig("example.org", config("example.org", server("imap imap.elsewhere.example 993 SSL")))
		r := w.find("ann@example.org")
		assert.Equal(t, "imap imap.elsewhere.example:993 TLS", brief(r.Incoming))
		assert.Equal(t, "guess", r.Outgoing[0].Source)
		for _, d := range w.Dials() {
			assert.False(t, strings.HasSuffix(d, ":993") || strings.HasSuffix(d, ":995"), "%s: only a server for sending is sought", d)
		}
	},
}
