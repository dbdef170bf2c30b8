package discover

import (
	"context"
	"errors"
	gonet "net"
	"net/http"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/mailtest"
)

var failureCases = map[string]func(t *testing.T, w *world){
	"31-offline": func(t *testing.T, w *world) {
		w.DNS.SetFault("*", mailtest.DNSServFail)
		for _, address := range []string{"a@gmail.com", "a@hotmail.com", "a@firm.onmicrosoft.com", "a@t.partner.onmschina.cn", "a@icloud.com", "a@aol.com", "a@yahoo.com"} {
			assert.Equal(t, "table", w.find(address).Incoming[0].Source)
		}
		assert.Empty(t, w.DNS.Queries(), "what is in the table needs no network")
		assert.Empty(t, w.Dials())
		e := w.fail("ann@example.org", ErrNetwork)
		require.NotNil(t, e.Unverified)
		assert.Equal(t, "imap imap.example.org:993 TLS\npop3 pop.example.org:995 TLS", brief(e.Unverified.Incoming))
		assert.Equal(t, "smtp smtp.example.org:465 TLS", brief(e.Unverified.Outgoing))
	},
	"31-list-down": func(t *testing.T, w *world) {
		w.BlackHole("ispdb.example.net")
		w.Autoconfig("example.org", usual("example.org"))
		assert.Equal(t, "autoconfig", w.find("ann@example.org").Incoming[0].Source)
		w.DNS.SetSRV("_imaps._tcp.a.example", "0 1 993 imap.a.example.")
		w.DNS.SetSRV("_submissions._tcp.a.example", "0 1 465 smtp.a.example.")
		assert.Equal(t, "srv", w.find("ann@a.example").Incoming[0].Source)
	},
	"31-proxy-refuses": func(t *testing.T, w *world) {
		w.DNS.SetMX("example.org", "10 mx.example.org.")
		w.Autoconfig("example.org", usual("example.org"))
		w.opts.Dialer = refusing{}
		e := w.fail("ann@example.org", ErrNetwork)
		assert.Contains(t, e.Advice, "proxy")
	},
	"32-cancel": func(t *testing.T, w *world) {
		w.DNS.Latency, w.Latency = time.Millisecond, time.Millisecond
		w.mailServers("example.org")
		w.Handle(first, mailtest.WebSlow(usual("example.org"), time.Second))
		w.BlackHole("example.org")
		for _, after := range []time.Duration{0, time.Millisecond, 10 * time.Millisecond, 600 * time.Millisecond, 2 * time.Second} {
			synctest.Wait()
			before := goroutines()
			ctx, cancel := context.WithTimeout(t.Context(), after)
			began := time.Now()
			_, err := Lookup(ctx, "ann@example.org", &w.opts)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			assert.Equal(t, after, time.Since(began))
			cancel()
			<-time.After(time.Second) // what is under way to the servers arrives
			synctest.Wait()
			assert.Equal(t, before, goroutines(), "after %v", after)
		}
	},
	"32-nothing-left": func(t *testing.T, w *world) {
		w.DNS.Latency, w.Latency = 10*time.Millisecond, 10*time.Millisecond
		w.mailServers("example.org")
		w.Autoconfig("a.example", usual("a.example"))
		w.BlackHole("example.org")
		w.BlackHole("imap.example.org:143")
		w.Handle(first, mailtest.WebSlow(usual("example.org"), time.Second))
		d := &busy{Web: w.Web}
		w.opts.Dialer, w.opts.Resolver = d, d
		for _, after := range []time.Duration{5 * time.Millisecond, 15 * time.Millisecond, 35 * time.Millisecond, 45 * time.Millisecond, 505 * time.Millisecond, 535 * time.Millisecond, 4 * time.Second} {
			ctx, cancel := context.WithTimeout(t.Context(), after)
			_, err := Lookup(ctx, "ann@example.org", &w.opts)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			assert.Zero(t, d.n.Load(), "questions, dials and connections after %v", after)
			cancel()
		}
		w.DNS.SetFault("_imaps._tcp.a.example", mailtest.DNSSilent)
		w.find("ann@a.example")
		assert.Zero(t, d.n.Load(), "after success")
		assert.Zero(t, d.unrooted.Load(), "names that search domains would be added to")
	},
	"32-cut-off": func(t *testing.T, w *world) {
		// What is known when nobody waits any more is not the whole truth.
		w.Handle(first, mailtest.WebSlow(usual("example.org"), time.Millisecond))
		w.DNS.SetSRV("_imaps._tcp.example.org", "0 1 993 srv.example.org.")
		w.DNS.SetSRV("_submissions._tcp.example.org", "0 1 465 srv.example.org.")
		f := &Finder{Options: w.opts}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		_, err := f.Lookup(ctx, "ann@example.org")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Empty(t, f.kept)
		r, err := f.Lookup(t.Context(), "ann@example.org")
		require.NoError(t, err)
		assert.Equal(t, "autoconfig", r.Incoming[0].Source)
	},
	"32-one-fetch": func(t *testing.T, w *world) {
		w.DNS.Latency = 10 * time.Millisecond
		w.Autoconfig("example.org", usual("example.org"))
		f := &Finder{Options: w.opts}
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() {
				address := "user" + strings.Repeat("x", i%7) + "@example.org"
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if i%10 == 9 { // some lose patience; that is nothing to the others
					go func() {
						<-time.After(5 * time.Millisecond)
						cancel()
					}()
				}
				r, err := f.Lookup(ctx, address)
				if i%10 == 9 {
					assert.ErrorIs(t, err, context.Canceled)
					return
				}
				assert.NoError(t, err)
				assert.Equal(t, address, r.Incoming[0].User)
			})
		}
		wg.Wait()
		n := 0
		for _, u := range urls(w) {
			if strings.HasPrefix(u, first) {
				n++
			}
		}
		assert.Equal(t, 1, n)
	},
	"one-round": func(t *testing.T, w *world) {
		w.DNS.Latency, w.Latency = 20*time.Millisecond, 20*time.Millisecond
		w.Autoconfig("example.org", usual("example.org"))
		began := time.Now()
		r := w.find("ann@example.org")
		// DNS, TCP, TLS 1.3, HTTP and what Close waits for.
		assert.LessOrEqual(t, time.Since(began), 20*time.Millisecond+4*40*time.Millisecond, "of the clock of synctest")
		for _, a := range r.Attempts {
			assert.Zero(t, a.Start, "%s %s", a.Source, a.Target)
		}
	},
	"late": func(t *testing.T, w *world) {
		w.DNS.SetMX("example.org", "10 mx.example.org.")
		w.Handle(first, mailtest.WebSlow(usual("example.org"), time.Second))
		w.opts.Timeout, w.opts.NoGuess = 3*time.Second, true
		assert.Contains(t, w.fail("ann@example.org", ErrTimeout).Advice, "(autoconfig)")
	},
	"slow-is-not-nothing": func(t *testing.T, w *world) {
		// What did not answer in time may do so a minute later.
		w.DNS.SetMX("example.org", "10 mx.example.org.")
		w.Handle(first, mailtest.WebSlow(usual("example.org"), time.Second))
		f := &Finder{Options: w.opts}
		_, err := f.Lookup(t.Context(), "ann@example.org")
		require.ErrorIs(t, err, ErrNothing)
		assert.Empty(t, f.kept)
		w.Autoconfig("example.org", usual("example.org"))
		_, err = f.Lookup(t.Context(), "ann@example.org")
		assert.NoError(t, err)

		// Ports that swallow packets are no such thing.
		w.DNS.SetMX("a.example", "10 mx.a.example.")
		w.BlackHole("imap.a.example")
		_, err = f.Lookup(t.Context(), "ann@a.example")
		require.ErrorIs(t, err, ErrNothing)
		assert.Contains(t, f.kept, "a.example")
	},
	"in-all": func(t *testing.T, w *world) {
		// Everything is there and takes as long as it may; all has an end.
		w.DNS.SetMX("a.b.c.d.example.org", "10 a.mx.hoster.example.")
		slow := mailtest.WebSlow(usual("example.org"), time.Second)
		for _, domain := range []string{"a.b.c.d.example.org", "b.c.d.example.org", "c.d.example.org", "d.example.org", "mx.hoster.example", "hoster.example"} {
			for _, at := range []string{"https://autoconfig." + domain + configFile, "https://" + domain + wellKnown, "https://autodiscover." + domain + autodiscoverPath, w.ISPDBURL() + domain} {
				w.Handle(at, slow)
			}
			w.DNS.SetFault("_imap._tcp."+domain, mailtest.DNSSilent)
		}
		stall := func(c *mailtest.Conn) { c.Stall() }
		for _, host := range []string{"imap", "pop", "pop3", "smtp", "mail"} {
			for _, port := range []string{"993", "995", "465"} {
				w.Serve(host+".a.b.c.d.example.org:"+port, nil, stall)
			}
		}
		began := time.Now()
		e := w.fail("ann@a.b.c.d.example.org", ErrNothing)
		assert.LessOrEqual(t, time.Since(began), 20*time.Second, "of the clock of synctest")
		assert.Contains(t, e.Advice, "Not all sources answered in time (")
		w.opts.Timeout = 7 * time.Second
		began = time.Now()
		w.fail("ann@a.b.c.d.example.org", ErrTimeout)
		assert.Equal(t, w.opts.Timeout, time.Since(began))
	},
	"log": func(t *testing.T, w *world) {
		canary := mailtest.NewCanary(t, "ann-the-user")
		w.opts.Logger = canary.Logger()
		w.mailServers("example.org")
		w.Handle(first, mailtest.WebRedirect(first+"?again=ann-the-user"))
		w.Handle("https://autodiscover.example.org/autodiscover/autodiscover.xml", mailtest.WebRedirect("https://example.org/x?ann-the-user"))
		w.Handle("https://example.org/x", mailtest.WebLogin("Basic"))
		w.DNS.SetWildcard("autodiscover.example.org", "10.0.0.1")
		r := w.find("ann-the-user@example.org")
		assert.Equal(t, "guess", r.Incoming[0].Source)
		assert.Contains(t, canary.Seen(), "https://example.org/x")
		assert.Contains(t, canary.Seen(), "redirects too often")
		for _, a := range r.Attempts {
			assert.NotContains(t, a.Target+a.Outcome, "ann-the-user")
		}
		w.Handle("https://example.org/x", mailtest.WebDocument(poxDoc("IMAP imap.example.org 993 on")))
		r = w.find("ann-the-user@example.org")
		assert.Equal(t, "https://example.org/x", r.Incoming[0].Evidence, "without the query")
	},
	"personal": func(t *testing.T, w *world) {
		w.Autoconfig("example.org", config("example.org", server("imap imap.example.org 993 SSL", "ann@example.org"), server("smtp smtp.example.org 465 SSL", "ann")))
		f := &Finder{Options: w.opts}
		for _, address := range []string{"ann@example.org", "bob@example.org"} {
			r, err := f.Lookup(t.Context(), address)
			require.NoError(t, err)
			assert.Equal(t, address, r.Incoming[0].User, "a name that is the address is a pattern")
		}
		assert.Len(t, f.kept, 1)

		w.Autoconfig("a.example", config("a.example", server("imap imap.a.example 993 SSL", "u4711"), server("smtp smtp.a.example 465 SSL", "u4711")))
		count := func() (n int) {
			for _, u := range urls(w) {
				if strings.HasPrefix(u, "https://autoconfig.a.example/") {
					n++
				}
			}
			return n
		}
		for i, address := range []string{"ann@a.example", "bob@a.example", "ann@a.example"} {
			r, err := f.Lookup(t.Context(), address)
			require.NoError(t, err)
			assert.Equal(t, "u4711", r.Incoming[0].User)
			assert.Equal(t, min(i+1, 2), count(), "a name that is one user's own serves no other")
		}
	},
	"personal-at-once": func(t *testing.T, w *world) {
		w.Handle("https://autoconfig.a.example/mail/config-v1.1.xml", func(rw http.ResponseWriter, r *http.Request) {
			local, _, _ := strings.Cut(r.URL.Query().Get("emailaddress"), "@")
			user := "customer-" + local
			mailtest.WebDocument(config("a.example", server("imap imap.a.example 993 SSL", user), server("smtp smtp.a.example 465 SSL", user)))(rw, r)
		})
		f := &Finder{Options: w.opts}
		var wg sync.WaitGroup
		for _, name := range []string{"ann", "bob", "cem", "ann"} {
			wg.Go(func() {
				r, err := f.Lookup(t.Context(), name+"@a.example")
				assert.NoError(t, err)
				assert.Equal(t, "customer-"+name, r.Incoming[0].User)
			})
		}
		wg.Wait()
	},
	"kept": func(t *testing.T, w *world) {
		w.Autoconfig("example.org", usual("example.org"))
		w.DNS.SetMX("a.example", "10 mx.a.example.")
		f := &Finder{Options: w.opts}
		ask := func(address string) int {
			before := len(w.DNS.Queries())
			_, _ = f.Lookup(t.Context(), address)
			return len(w.DNS.Queries()) - before
		}
		assert.NotZero(t, ask("ann@example.org"))
		assert.Zero(t, ask("bob@EXAMPLE.org"))
		assert.NotZero(t, ask("ann@a.example"))
		assert.Zero(t, ask("ann@a.example"))
		_, err := f.Lookup(t.Context(), "ann@a.example")
		var e *Error
		require.True(t, errors.As(err, &e))
		assert.Equal(t, []Attempt{{Source: "cache", Target: "a.example", Outcome: "no mail servers found"}}, e.Attempts)
		<-time.After(keepNothing)
		assert.NotZero(t, ask("ann@a.example"))
		assert.Zero(t, ask("bob@example.org"))
		<-time.After(keepFound)
		assert.NotZero(t, ask("ann@example.org"))
	},
	"presets": func(t *testing.T, w *world) {
		w.opts.Presets = map[string][]Server{
			"gmail.com":   {{Protocol: IMAP, Host: "imap.corp.example"}, {Protocol: SMTP, Host: "smtp.corp.example", TLS: access.TLSStart, User: tplLocal}},
			"Example.org": {{Protocol: POP3, Host: "%EMAILDOMAIN%.corp.example", Port: 1995}},
			"a.example":   {{Protocol: SMTP, Host: "smtp.corp.example"}},
			"intranet":    {{Protocol: IMAP, Host: "mail", Port: 993}, {Protocol: SMTP, Host: "mail"}},
		}
		r := w.find("ann@gmail.com")
		assert.Equal(t, "imap imap.corp.example:993 TLS", brief(r.Incoming))
		assert.Equal(t, "smtp smtp.corp.example:587 STARTTLS", brief(r.Outgoing))
		assert.Equal(t, "ann", r.Outgoing[0].User)
		assert.Equal(t, "ann@gmail.com", r.Incoming[0].User)
		assert.Equal(t, TrustHigh, r.Incoming[0].Trust)
		assert.Empty(t, w.DNS.Queries())
		assert.Equal(t, "mail:993", w.find("ann@intranet").Incoming[0].Addr())

		w.Autoconfig("example.org", usual("example.org"))
		r = w.find("ann@example.org")
		assert.Equal(t, "pop3 example.org.corp.example:1995 TLS", brief(r.Incoming))
		assert.Equal(t, "autoconfig", r.Outgoing[0].Source, "the others are looked up")
		w.Autoconfig("a.example", usual("a.example"))
		r = w.find("ann@a.example")
		assert.Equal(t, "autoconfig", r.Incoming[0].Source)
		assert.Equal(t, "smtp smtp.corp.example:465 TLS", brief(r.Outgoing))
	},
	"only-an-address": func(t *testing.T, w *world) {
		w.Host("example.org")
		w.opts.NoGuess = true
		w.fail("ann@example.org", ErrNothing)
		w.BlackHole("example.org")
		w.fail("ann@example.org", ErrNothing)
		w.fail("ann@example.com", ErrNoDomain)
		w.Handle("https://example.net/", mailtest.WebDocument("<html/>"))
		w.fail("ann@example.net", ErrNothing)
	},
	"proprietary": func(t *testing.T, w *world) {
		for _, address := range []string{"ann@proton.me", "ann@tuta.com", "ann@hey.com"} {
			e := w.fail(address, ErrProprietary)
			assert.NotEmpty(t, e.Advice)
		}
		assert.Empty(t, w.DNS.Queries())
		w.DNS.SetMX("a.example", "10 mail.tutanota.de.")
		w.fail("ann@a.example", ErrProprietary)
		w.DNS.SetMX("b.example", "10 mail.protonmail.ch.")
		e := w.fail("ann@b.example", ErrProprietary)
		assert.Contains(t, e.Advice, "Bridge")
		w.opts.AllowPrivate = true // the user has the bridge
		r := w.find("ann@b.example")
		assert.Equal(t, "imap 127.0.0.1:1143 STARTTLS", brief(r.Incoming))
		assert.Equal(t, "imap 127.0.0.1:1143 STARTTLS", brief(w.find("ann@proton.me").Incoming))
	},
}

// goroutines counts those of this bubble: the runtime has others, which come and
// go.
func goroutines() (n int) {
	stacks := make([]byte, 4<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	for _, s := range strings.Split(string(stacks), "\n\n") {
		header, _, _ := strings.Cut(s, "\n")
		if strings.Contains(header, "synctest bubble") {
			n++
		}
	}
	return n
}

// busy counts questions and dials that are under way, and connections that are
// open.
type busy struct {
	*mailtest.Web
	n, unrooted atomic.Int64
}

func (b *busy) DialContext(ctx context.Context, network, addr string) (gonet.Conn, error) {
	b.n.Add(1)
	nc, err := b.Web.DialContext(ctx, network, addr)
	if err != nil {
		b.end(ctx)
		return nil, err
	}
	return &busyConn{Conn: nc, b: b}, nil
}

// begin notes a name that resolvers would also look for below the search domains of
// the computer.
func (b *busy) begin(name string) {
	b.n.Add(1)
	if !strings.HasSuffix(name, ".") {
		b.unrooted.Add(1)
	}
}

// end is late when the context has ended, as whoever must be told is.
func (b *busy) end(ctx context.Context) {
	if ctx.Err() != nil {
		<-time.After(time.Millisecond)
	}
	b.n.Add(-1)
}

type busyConn struct {
	gonet.Conn
	b    *busy
	once sync.Once
}

func (c *busyConn) Close() error {
	c.once.Do(func() { c.b.n.Add(-1) })
	return c.Conn.Close()
}

func (b *busy) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	defer b.end(ctx)
	b.begin(host)
	return b.DNS.LookupNetIP(ctx, network, host)
}

func (b *busy) LookupCNAME(ctx context.Context, host string) (string, error) {
	defer b.end(ctx)
	b.begin(host)
	return b.DNS.LookupCNAME(ctx, host)
}

func (b *busy) LookupMX(ctx context.Context, name string) ([]*gonet.MX, error) {
	defer b.end(ctx)
	b.begin(name)
	return b.DNS.LookupMX(ctx, name)
}

func (b *busy) LookupSRV(ctx context.Context, service, proto, name string) (string, []*gonet.SRV, error) {
	defer b.end(ctx)
	b.begin(name)
	defer func() {
		if ctx.Err() != nil { // later still than the other questions
			<-time.After(5 * time.Millisecond)
		}
	}()
	return b.DNS.LookupSRV(ctx, service, proto, name)
}

func (b *busy) LookupTXT(ctx context.Context, name string) ([]string, error) {
	defer b.end(ctx)
	b.begin(name)
	return b.DNS.LookupTXT(ctx, name)
}

// refusing is a dialler whose proxy says no.
type refusing struct{}

func (refusing) DialContext(context.Context, string, string) (gonet.Conn, error) {
	return nil, errors.New("the proxy refuses")
}
