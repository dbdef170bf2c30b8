package main

import (
	"context"
	"fmt"
	"io"
	"net/url"

	"github.com/postroom-go/postroom"
	"github.com/postroom-go/postroom/discover"
	"github.com/postroom-go/postroom/examples/internal/account"
	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/mailtest"
)

// The names of the local host's servers, as its domain publishes them.
const (
	domain                      = "example.com"
	imapName, popName, smtpName = "imap." + domain, "pop." + domain, "smtp." + domain
	autoconfig                  = `<clientConfig version="1.1"><emailProvider id="example.com"><domain>example.com</domain>` +
		`<displayName>Example Mail</displayName>` +
		`<incomingServer type="imap"><hostname>imap.example.com</hostname><port>993</port>` + login + `</incomingServer>` +
		`<incomingServer type="pop3"><hostname>pop.example.com</hostname><port>995</port>` + login + `</incomingServer>` +
		`<outgoingServer type="smtp"><hostname>smtp.example.com</hostname><port>465</port>` + login + `</outgoingServer>` +
		`</emailProvider></clientConfig>`
	login = `<socketType>SSL</socketType><username>%EMAILADDRESS%</username><authentication>password-cleartext</authentication>`
)

// publish has a small internet in this process where the host's servers have
// names, and its domain says which.
func publish(host *mailtest.Host) *mailtest.Web {
	web := mailtest.StartWeb()
	web.Mail(host, imapName, popName, smtpName)
	web.Autoconfig(domain, autoconfig)
	return web
}

// showAdd adds the account by its address and password alone.
func showAdd(ctx context.Context, w io.Writer, web *mailtest.Web) (*discover.Result, error) {
	finder := &discover.Finder{Options: discover.Options{
		Resolver: &web.DNS, Dialer: web, TLSConfig: web.ClientTLS(), ISPDB: web.ISPDBURL(),
	}}
	a, err := postroom.Open(ctx, user, access.Password("", password, nil), &postroom.Options{
		Finder: finder, Net: access.Options{Dialer: web, TLSConfig: web.ClientTLS()},
	})
	if err != nil {
		return nil, err
	}
	defer a.Close()
	fmt.Fprintf(w, "   %v\n", a.Report())
	found, err := finder.Lookup(ctx, user) // it remembers
	if err != nil {
		return nil, err
	}
	for _, s := range append(found.Incoming[1:], found.Outgoing...) {
		fmt.Fprintf(w, "  and it has %v\n", s)
	}
	return found, nil
}

// urlOf is a server as a URL for account.Open.
func urlOf(s discover.Server) string {
	scheme := map[discover.Protocol]string{discover.IMAP: "imap", discover.POP3: "pop", discover.SMTP: "smtp"}[s.Protocol]
	if s.TLS == access.TLSImplicit {
		scheme += "s"
	}
	u := url.URL{Scheme: scheme, Host: s.Addr(), User: url.User(s.User)}
	return u.String()
}

// inWeb has accounts opened in a web.
func inWeb(web *mailtest.Web) account.Options {
	return account.Options{TLSConfig: web.ClientTLS(), Dialer: web, Password: func(_, _ string) (string, error) { return password, nil }}
}
