package postroom

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/postroom-go/postroom/discover"
)

// Config is what a program stores of an account to open it straight away next
// time: address and servers. It serialises to JSON and holds no secret. What the
// file then says counts as the program's own word: nobody is asked again, and a
// server whose "tls" is "none" is spoken to without TLS. So it belongs where only
// the user can write.
//
//	opts := postroom.Options{Incoming: config.Incoming, Outgoing: config.Outgoing}
//	account, err := postroom.Open(ctx, config.Address, auth, &opts)
//
// A file that somebody edited is checked by Open: what cannot be is an error that
// names the server, before anything is sent. Without Incoming the servers are looked
// up anew.
type Config struct {
	Address  string            `json:"address"`
	Incoming []discover.Server `json:"incoming"`
	Outgoing []discover.Server `json:"outgoing,omitempty"`
}

// Config gives the account's address and servers: the one that Mailbox uses, and
// the one that Sink uses or else those that it would try. What the user has
// confirmed is confirmed in it. It is the caller's own.
func (a *Account) Config() Config {
	r := a.Report()
	c := Config{Address: a.Address, Incoming: []discover.Server{r.Incoming}}
	if r.Outgoing.Host != "" {
		c.Outgoing = []discover.Server{r.Outgoing}
	} else {
		c.Outgoing = copied(a.lazy.servers)
	}
	c.Incoming[0].Confirm = nil
	if r.Outgoing.Host != "" {
		c.Outgoing[0].Confirm = nil
	}
	return c
}

// Report is what was chosen for an account, and why.
type Report struct {
	Address  string `json:"address"`
	Provider string `json:"provider,omitempty"`
	// Incoming is the server that Mailbox uses. Outgoing is the one that Sink
	// uses; zero until it has connected.
	Incoming discover.Server `json:"incoming"`
	Outgoing discover.Server `json:"outgoing"`
	// Tried are the servers that were logged in to, or tried to be, in their
	// order.
	Tried []Tried `json:"-"`
	// Notes are sentences for the user. Attempts are what the lookup tried;
	// empty if the servers were given.
	Notes    []string           `json:"notes,omitempty"`
	Attempts []discover.Attempt `json:"attempts,omitempty"`
}

// Tried is one server that was tried. Err is nil for those in use.
type Tried struct {
	Server discover.Server
	Err    error
}

// Report tells what was chosen and why. It is the caller's own.
func (a *Account) Report() Report {
	r := a.report
	r.Tried, r.Notes, r.Attempts = slices.Clone(r.Tried), slices.Clone(r.Notes), slices.Clone(r.Attempts)
	a.lazy.mu.Lock()
	r.Outgoing = a.lazy.server
	r.Tried = append(r.Tried, a.lazy.tried...)
	a.lazy.mu.Unlock()
	r.Incoming, r.Outgoing = own(r.Incoming), own(r.Outgoing)
	for i := range r.Tried {
		r.Tried[i].Server = own(r.Tried[i].Server)
	}
	return r
}

// own is a server that shares nothing with s.
func own(s discover.Server) discover.Server {
	s.Auth, s.Confirm, s.Notes = slices.Clone(s.Auth), slices.Clone(s.Confirm), slices.Clone(s.Notes)
	if s.OAuth2 != nil {
		o := *s.OAuth2
		o.Scopes = slices.Clone(o.Scopes)
		s.OAuth2 = &o
	}
	return s
}

func copied(servers []discover.Server) (all []discover.Server) {
	for _, s := range servers {
		all = append(all, own(s))
	}
	return all
}

// String is the report for people, in a few lines.
func (r Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s", r.Address)
	if r.Provider != "" {
		fmt.Fprintf(&b, " (%s)", printable(r.Provider))
	}
	for _, t := range r.Tried {
		if t.Err != nil {
			fmt.Fprintf(&b, "\n  not %v: %v", t.Server, t.Err)
			continue
		}
		fmt.Fprintf(&b, "\n  %v as %s, from %s", t.Server, printable(t.Server.User), t.Server.Source)
		if t.Server.Evidence != "" {
			fmt.Fprintf(&b, " (%s)", t.Server.Evidence)
		}
	}
	for _, n := range r.Notes {
		fmt.Fprintf(&b, "\n  %s", n)
	}
	return b.String()
}

// printable keeps what strangers wrote from disturbing a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, s[:min(len(s), 320)])
}
