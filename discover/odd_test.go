package discover

import (
	"context"
	"fmt"
	gonet "net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unicode"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox/mailtest"
)

// TestOddHTTP has the first place answer in ways that no web server should: the next
// place still counts, in time, and nobody else is asked.
func TestOddHTTP(t *testing.T) {
	doc := usual("example.org")
	for name, answer := range map[string]string{
		"nothing":            "",
		"no HTTP":            "* OK IMAP4rev1 ready\r\n",
		"long header":        "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 1<<20) + "\r\n\r\n" + doc,
		"many interim":       strings.Repeat("HTTP/1.1 103 Early Hints\r\nX: "+strings.Repeat("x", 999)+"\r\n\r\n", 1000),
		"no content":         "HTTP/1.1 204 No Content\r\n\r\n" + doc,
		"partial":            "HTTP/1.1 206 Partial Content\r\nContent-Length: " + fmt.Sprint(len(doc)) + "\r\n\r\n" + doc,
		"not modified":       "HTTP/1.1 304 Not Modified\r\n\r\n",
		"short":              "HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n" + doc,
		"bad chunk":          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" + doc,
		"chunks without end": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n<?xml\r\n",
		"bad gzip":           "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: " + fmt.Sprint(len(doc)) + "\r\n\r\n" + doc,
		"brotli":             "HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 3\r\n\r\nxxx",
		"switch":             "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
		"no location":        "HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n",
		"to javascript":      "HTTP/1.1 302 Found\r\nLocation: javascript:alert(1)\r\nContent-Length: 0\r\n\r\n",
		"to file":            "HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n",
		"to a zone":          "HTTP/1.1 302 Found\r\nLocation: https://[fe80::1%25eth0]/\r\nContent-Length: 0\r\n\r\n",
		"to a number":        "HTTP/1.1 302 Found\r\nLocation: https://2130706433/\r\nContent-Length: 0\r\n\r\n",
		"to octal":           "HTTP/1.1 302 Found\r\nLocation: https://0177.0.0.1/\r\nContent-Length: 0\r\n\r\n",
		"to localhost":       "HTTP/1.1 302 Found\r\nLocation: https://localhost/\r\nContent-Length: 0\r\n\r\n",
		"to no URL":          "HTTP/1.1 302 Found\r\nLocation: https://%zz\r\nContent-Length: 0\r\n\r\n",
		"to a login":         "HTTP/1.1 302 Found\r\nLocation: https://a:b@conf.example.org/\r\nContent-Length: 0\r\n\r\n",
		"wants a proxy":      "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.DNS.SetHost("localhost", "127.0.0.1")
				w.DNS.SetHost("0177.0.0.1", "127.0.0.1")
				w.DNS.SetHost("2130706433", "127.0.0.1")
				w.WellKnown("example.org", doc)
				asked := w.Serve("autoconfig.example.org:443", overTLS, func(c *mailtest.Conn) {
					for c.ReadLine() != "" {
						continue
					}
					c.Send(answer)
				})
				began := time.Now()
				r := w.find("ann@example.org")
				assert.Equal(t, "well-known", r.Incoming[0].Source, "%s", attemptAt(r.Attempts, first))
				assert.LessOrEqual(t, time.Since(began), 5*time.Second, "of the clock of synctest")
				assert.NotZero(t, asked.Accepted())
				for _, d := range w.Dials() {
					assert.True(t, strings.HasPrefix(d, "203.0.113."), d)
				}
			})
		})
	}
}

// TestStorm has many callers ask for few domains and give up at all moments, also as
// the last who waits: nobody gets another's error or user name, and nothing is left.
func TestStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.DNS.Latency, w.Latency = 3*time.Millisecond, 5*time.Millisecond
		w.Autoconfig("a.example", usual("a.example"))
		w.Autoconfig("b.example", config("b.example", server("imap imap.b.example 993 SSL", "u4711"), server("smtp smtp.b.example 465 SSL", "u4711")))
		w.DNS.SetMX("c.example", "10 mx.c.example.")
		d := &busy{Web: w.Web}
		w.opts.Dialer, w.opts.Resolver, w.opts.NoGuess = d, d, true
		f := &Finder{Options: w.opts}
		var wg sync.WaitGroup
		var done, gaveUp atomic.Int64
		for i := range 120 {
			wg.Go(func() {
				<-time.After(time.Duration(i%11) * time.Millisecond)
				domain := []string{"a.example", "b.example", "c.example"}[i%3]
				address := fmt.Sprintf("user%d@%s", i%4, domain)
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+3*(i%41))*time.Millisecond)
				defer cancel()
				r, err := f.Lookup(ctx, address)
				switch {
				case ctx.Err() != nil && err != nil:
					gaveUp.Add(1)
				case domain == "c.example":
					assert.ErrorIs(t, err, ErrNothing)
				case assert.NoError(t, err):
					done.Add(1)
					assert.Equal(t, address, r.Address)
					assert.Equal(t, map[string]string{"a.example": address, "b.example": "u4711"}[domain], r.Incoming[0].User)
				}
			})
		}
		wg.Wait()
		synctest.Wait()
		assert.Zero(t, d.n.Load(), "questions, dials and connections")
		assert.Empty(t, f.flights)
		assert.NotZero(t, done.Load())
		assert.NotZero(t, gaveUp.Load())
		r, err := f.Lookup(t.Context(), "ann@a.example")
		require.NoError(t, err)
		assert.Equal(t, "ann@a.example", r.Incoming[0].User)
	})
}

// odd is a Resolver that answers everything with what is odd, or with much of it.
type odd struct{}

// names are what may stand in the records of who wants to do harm.
func (odd) names() []string {
	return []string{"", ".", "..", "x", "localhost.", "127.0.0.1", "127.0.0.1.", "[::1].", "a..b.example.", "-a.example.", "a_b.example.", "\x1b[2J.evil.example.", "a\r\nb.evil.example.", "a b.evil.example.",
		strings.Repeat("a.", 200) + "evil.example.", strings.Repeat("a", 64) + ".evil.example.", "ü.evil.example.", "xn--a.evil.example.", "com.", "co.uk.", "evil.example:993.", "evil.example/x.", "user@evil.example.", "EVIL.example."}
}

func (odd) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	all := []netip.Addr{{}, netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("fe80::1%eth0"), netip.MustParseAddr("::")}
	for i := range 2000 {
		all = append(all, netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}))
	}
	return all, nil
}

func (o odd) LookupCNAME(_ context.Context, host string) (string, error) {
	return o.names()[len(host)%len(o.names())], nil
}

func (o odd) LookupMX(context.Context, string) (all []*gonet.MX, err error) {
	for i := range 2000 {
		all = append(all, &gonet.MX{Host: o.names()[i%len(o.names())], Pref: uint16(i % 3)})
	}
	return all, nil
}

func (o odd) LookupSRV(context.Context, string, string, string) (_ string, all []*gonet.SRV, err error) {
	for i := range 2000 {
		all = append(all, &gonet.SRV{Target: o.names()[i%len(o.names())], Port: uint16(i), Priority: uint16(i % 7)})
	}
	return "", all, nil
}

func (odd) LookupTXT(context.Context, string) ([]string, error) {
	return []string{strings.Repeat("v=UAAC1; a=sha256; d=;", 10000), "\x00", "v=UAAC1;a=sha256;d=" + strings.Repeat("A", 1<<20)}, nil
}

// TestOddDNS has DNS answer with all that a forger may think of, to many callers at
// once: nothing of it is dialled, and what is shown is fit to be.
func TestOddDNS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.opts.Resolver = odd{}
		f := &Finder{Options: w.opts}
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				r, err := f.Lookup(t.Context(), fmt.Sprintf("ann@d%d.example", i%4))
				shown := ""
				if err != nil {
					shown = err.Error() + attemptsOf(err)
				} else {
					shown = fmt.Sprint(*r)
					assert.LessOrEqual(t, len(r.Incoming), 2*2*maxSRV)
					for _, s := range append(r.Incoming, r.Outgoing...) {
						host, err := serverName(s.Host)
						require.NoError(t, err, s.Host)
						assert.Equal(t, host, s.Host)
						assert.NotEmpty(t, s.Confirm, "it is another domain's")
					}
				}
				bad := strings.IndexFunc(strings.ReplaceAll(shown, "\n", " "), func(r rune) bool { return !unicode.IsPrint(r) })
				assert.Equal(t, -1, bad, "%.200q", shown[max(bad, 0):])
			})
		}
		wg.Wait()
		assert.Empty(t, w.Dials(), "all lead to private addresses")
	})
}
