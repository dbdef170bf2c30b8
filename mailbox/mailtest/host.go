package mailtest

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-smtp"

	"github.com/postroom-go/postroom/internal/memstore"
)

// Options are the options of a [Host]. Nil and zero give IMAP4rev1 with all
// extensions that the host knows, full POP3, and no login without TLS.
type Options struct {
	// IMAP is what kind of IMAP server it is.
	IMAP IMAPFlavour
	// POP3 is what its POP3 server lacks.
	POP3 POP3Flavour
	// SMTP is what kind of SMTP server it is, and of LMTP server.
	SMTP SMTPFlavour
	// Plaintext allows logins without TLS on the ports that begin without it.
	Plaintext bool
	// AppendLimit is the most octets of a message that IMAP and SMTP take; 0
	// is 100 MiB, which is not advertised.
	AppendLimit uint32
	// Cert is the server's certificate; nil is Certificate(CertGood).
	Cert *tls.Certificate
}

// Host is a mail host on the loopback interface: IMAP, POP3, SMTP and LMTP over
// one store. All methods are safe for concurrent use.
type Host struct {
	// The addresses, host:port. IMAPS, POP3S and SMTPS speak TLS from the first
	// octet; the others begin without it and offer STARTTLS (POP3: STLS).
	IMAP, IMAPS, POP3, POP3S, SMTP, SMTPS string
	// LMTP is the address for local delivery (RFC 2033): no TLS and no login,
	// and an answer for each recipient.
	LMTP string

	opts   Options
	tls    *tls.Config
	store  *memstore.Store
	faults faults
	imap   *imapserver.Server
	smtp   *smtp.Server
	lmtp   *smtp.Server
	drops  maildrops
	done   chan struct{}
	once   sync.Once
	wg     sync.WaitGroup

	submitted submissions

	mu        sync.Mutex
	listeners []net.Listener
	fronts    map[*front]bool
	said      []*talk
}

// talk is one connection's transcript.
type talk struct {
	name string
	said *transcript
}

// maxTalks is how many connections are written down.
const maxTalks = 200

// New starts a host that ends with the test. If the test fails, what was said
// is logged. o may be nil.
func New(t testing.TB, o *Options) *Host {
	t.Helper()
	h, err := Start(o)
	if err != nil {
		t.Fatalf("mailtest: %v", err)
	}
	t.Cleanup(func() {
		_ = h.Close()
		if t.Failed() {
			t.Logf("the conversations were:\n%s", h.Transcript())
		}
	})
	return h
}

// Start is New for a program that is no test. Close ends the host. o may be
// nil.
func Start(o *Options) (*Host, error) {
	if o == nil {
		o = &Options{}
	}
	h := &Host{
		opts: *o, tls: serverTLS(o.Cert), store: memstore.New(),
		done: make(chan struct{}), fronts: map[*front]bool{},
	}
	h.imap = h.newIMAP()
	h.smtp, h.lmtp = h.newSMTP(false), h.newSMTP(true)
	err := h.listen()
	if err != nil {
		_ = h.Close()
		return nil, fmt.Errorf("mailtest: %w", err)
	}
	return h, nil
}

// listen opens the seven ports.
func (h *Host) listen() error {
	for _, port := range []struct {
		addr  *string
		serve func(net.Listener)
	}{
		{&h.IMAP, func(ln net.Listener) { h.serveIMAP(ln, false) }},
		{&h.IMAPS, func(ln net.Listener) { h.serveIMAP(ln, true) }},
		{&h.POP3, func(ln net.Listener) { h.servePOP(ln, false) }},
		{&h.POP3S, func(ln net.Listener) { h.servePOP(ln, true) }},
		{&h.SMTP, func(ln net.Listener) { h.serveSMTP(ln, h.smtp, false) }},
		{&h.SMTPS, func(ln net.Listener) { h.serveSMTP(ln, h.smtp, true) }},
		{&h.LMTP, func(ln net.Listener) { h.serveSMTP(ln, h.lmtp, false) }},
	} {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		*port.addr = ln.Addr().String()
		h.mu.Lock()
		h.listeners = append(h.listeners, ln)
		h.mu.Unlock()
		h.wg.Go(func() { port.serve(ln) })
	}
	return nil
}

// Close ends all servers and connections. It is idempotent.
func (h *Host) Close() error {
	var err error
	h.once.Do(func() {
		close(h.done)
		h.mu.Lock()
		for _, ln := range h.listeners {
			if e := ln.Close(); e != nil && !errors.Is(e, net.ErrClosed) {
				err = e
			}
		}
		h.mu.Unlock()
		_, _ = h.smtp.Close(), h.lmtp.Close()
		h.Interrupt()
		h.wg.Wait()
	})
	return err
}

// Interrupt cuts all connections without a goodbye, and waits for the end of
// their sessions. New connections are accepted at once.
func (h *Host) Interrupt() {
	h.mu.Lock()
	fronts := make([]*front, 0, len(h.fronts))
	for f := range h.fronts {
		fronts = append(fronts, f)
	}
	h.mu.Unlock()
	for _, f := range fronts {
		f.said.note("interrupted")
		f.end()
	}
	for _, f := range fronts {
		<-f.gone
	}
}

// accept hands each connection of ln to serve in a goroutine of its own, TLS
// done if it is implicit, until ln is closed.
func (h *Host) accept(ln net.Listener, proto string, implicit bool, serve func(*front)) {
	for {
		nc, err := ln.Accept()
		if err != nil {
			return
		}
		f := newFront(h, proto, nc)
		if !h.track(f, proto, implicit) {
			f.end()
			return
		}
		h.wg.Go(func() {
			if implicit && f.secure() != nil {
				h.untrack(f)
				f.end()
				return
			}
			serve(f)
		})
	}
}

// track keeps a connection for Interrupt, and its transcript; false after
// Close.
func (h *Host) track(f *front, proto string, implicit bool) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	select {
	case <-h.done:
		return false
	default:
	}
	h.fronts[f] = true
	if implicit {
		proto += "s"
	}
	if len(h.said) < maxTalks {
		h.said = append(h.said, &talk{fmt.Sprintf("%s connection %d", proto, len(h.said)+1), f.said})
	}
	return true
}

// untrack forgets a connection that has ended.
func (h *Host) untrack(f *front) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.fronts, f)
	close(f.gone)
}

// ClientTLS is a new client configuration that trusts the test CA alone.
func (h *Host) ClientTLS() *tls.Config { return ClientTLS() }

// CAFile writes the test CA's certificate in PEM form into a directory and
// gives the file's name, for programs that take one.
func (h *Host) CAFile(dir string) (string, error) {
	name := filepath.Join(dir, "mailtest-ca.pem")
	return name, os.WriteFile(name, CAPEM(), 0o600)
}

// Transcript is what was said on the first 200 connections, escaped, each cut
// at 64 KiB. What the clients logged in with is "***".
func (h *Host) Transcript() string {
	h.mu.Lock()
	said := append([]*talk(nil), h.said...)
	h.mu.Unlock()
	var b strings.Builder
	for _, t := range said {
		fmt.Fprintf(&b, "%s:\n%s", t.name, t.said)
	}
	return b.String()
}
