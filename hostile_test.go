package postroom_test

import (
	"errors"
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

// TestHostile plays those who want the secret, or to use this computer; each row
// ends with its control, which does harm.
func TestHostile(t *testing.T) {
	for id, row := range map[string]func(t *testing.T, p *provider){
		// The domain names servers whose names lead to this computer, for who opens
		// accounts for strangers.
		"disc-ssrf": func(t *testing.T, p *provider) {
			p.publish("password-cleartext")
			for _, inside := range []string{"127.0.0.1", "10.0.0.1", "169.254.169.254", "fd00::1"} {
				for _, name := range []string{"imap.example.org", "pop.example.org", "smtp.example.org"} {
					p.web.DNS.SetHost(name, inside)
				}
				_, err := p.open(p.options())
				var e *postroom.LoginError
				require.True(t, errors.As(err, &e), "%v", err)
				assert.Equal(t, postroom.Unreachable, e.Reason)
				assert.ErrorContains(t, err, "private or local address")
				for _, d := range p.web.Dials() {
					assert.NotContains(t, d, inside)
				}
			}
			o := p.options()
			o.Discover.AllowPrivate = true
			_, err := p.open(o)
			require.Error(t, err)
			assert.Contains(t, p.web.Dials(), "[fd00::1]:993", "where that is allowed it is dialled")

			// A Config of then leads there no more than the lookup did, and who
			// types a name knows it.
			stored := discover.Server{Protocol: discover.IMAP, Host: "imap.example.org", User: ann, Source: "autoconfig"}
			before := len(p.web.Dials())
			assert.Error(t, postroom.Verify(t.Context(), stored, password, p.options()))
			assert.Len(t, p.web.Dials(), before)
			stored.Source = "given"
			assert.Error(t, postroom.Verify(t.Context(), stored, password, p.options()))
			assert.Len(t, p.web.Dials(), before+1)
		},
		// The domain names many servers, none of which answers.
		"disc-doc-bomb": func(t *testing.T, p *provider) {
			var many strings.Builder
			for i := range 40 {
				fmt.Fprintf(&many, `<incomingServer type="imap"><hostname>i%d.example.org</hostname><port>993</port><socketType>SSL</socketType><username>x</username></incomingServer>`, i)
				p.web.Host(fmt.Sprintf("i%d.example.org", i))
			}
			p.web.Autoconfig("example.org", `<clientConfig version="1.1"><emailProvider id="example.org">`+many.String()+`</emailProvider></clientConfig>`)
			before := len(p.web.Dials())
			o := p.options()
			o.Discover.NoGuess = true
			_, err := p.open(o)
			require.Error(t, err)
			tried := 0
			for _, d := range p.web.Dials()[before:] {
				if strings.HasSuffix(d, ":993") {
					tried++
				}
			}
			assert.Equal(t, 4, tried)
			found, err := discover.Lookup(t.Context(), ann, &discover.Options{Resolver: &p.web.DNS, Dialer: p.web, TLSConfig: p.web.ClientTLS(), ISPDB: "off", NoGuess: true})
			require.NoError(t, err)
			assert.Len(t, found.Incoming, 40, "who tries all is busy for twenty minutes")
		},
		// A server repeats the secret to have it in logs and reports.
		"secrets-in-logs": func(t *testing.T, p *provider) {
			answer := ""
			p.web.Serve("pop.example.org:995", &mailtest.ServeOptions{TLS: true}, func(c *mailtest.Conn) {
				c.Send("+OK hello\r\n")
				for {
					switch line := c.ReadLine(); {
					case line == "CAPA":
						c.Send("+OK\r\nUSER\r\n.\r\n")
					case strings.HasPrefix(line, "PASS"):
						answer = line
						c.Sendf("-ERR [AUTH] you said %s, app password %s\r\n", line, secret)
					default:
						c.Send("+OK\r\n")
					}
				}
			})
			o := p.options()
			o.Incoming = []discover.Server{{Protocol: discover.POP3, Host: "pop.example.org"}}
			_, err := p.open(o) // and the canary looks at the error, the trace and the log
			var e *postroom.LoginError
			require.True(t, errors.As(err, &e), "%v", err)
			p.canary.Value(e)
			assert.NotContains(t, e.Advice+e.Error(), secret)
			assert.Contains(t, answer, secret, "it was said")
		},
		// DNS alone leads to a stranger's server, whose certificate is good.
		"disc-srv-hijack": func(t *testing.T, p *provider) {
			evil := p.web.Serve("imap.evil.example:993", &mailtest.ServeOptions{TLS: true}, func(c *mailtest.Conn) {
				c.Send("* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] hello\r\n")
				c.ReadLine()
			})
			p.web.DNS.SetSRV("_imaps._tcp.example.org", "0 1 993 imap.evil.example.")
			o := p.options()
			o.Discover.NoGuess = true
			_, err := p.open(o)
			var e *postroom.LoginError
			require.True(t, errors.As(err, &e), "%v", err)
			assert.Equal(t, postroom.Unconfirmed, e.Reason)
			assert.Zero(t, evil.Accepted())

			r, err := discover.Lookup(t.Context(), ann, &discover.Options{Resolver: &p.web.DNS, Dialer: p.web, TLSConfig: p.web.ClientTLS(), ISPDB: "off", NoGuess: true})
			require.NoError(t, err)
			r.Incoming[0].Confirm = nil // as by who does not ask
			assert.Error(t, postroom.Verify(t.Context(), r.Incoming[0], access.Password("", secret, nil), p.options()))
			assert.Equal(t, 1, strings.Count(evil.Transcript(), "C: "), "then it is robbed")
		},
	} {
		t.Run(id, func(t *testing.T) { row(t, newProvider(t)) })
	}
}
