package postroom

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/mail"
	"strings"
	"sync"

	"github.com/postroom-go/postroom/discover"
	"github.com/postroom-go/postroom/imapsrc"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/maildir"
	"github.com/postroom-go/postroom/mailbox/transfer"
	"github.com/postroom-go/postroom/popsrc"
	"github.com/postroom-go/postroom/smtpsink"
	"github.com/postroom-go/postroom/smtpsink/compose"
	"github.com/postroom-go/postroom/smtpsink/sent"
)

// Options are the options of Open. Nil and zero are safe: servers are looked up,
// TLS is required and verified, and nothing is stored here.
type Options struct {
	// Incoming and Outgoing are servers that are known already, the best first:
	// what a user reads off a provider's page, or what Account.Config had. If
	// Incoming has any, nothing is looked up. A zero Protocol of Incoming is
	// IMAP, of Outgoing SMTP; a zero Port is the usual one of the protocol and
	// TLS mode; an empty User is the address.
	Incoming, Outgoing []discover.Server
	// Finder looks servers up and remembers them; nil does it for this call.
	Finder *discover.Finder
	// Discover are the options of the lookup where Finder is nil. What is zero
	// in it for the network is taken from Net.
	Discover discover.Options
	// Confirm is asked before a secret is sent to a server that is not vouched
	// for well enough (discover.Server.Confirm says why). Nil says no.
	Confirm func(ctx context.Context, server discover.Server) bool

	// Dir is a directory for a Maildir of the account's own, made if it is not
	// there. A POP3 account needs one to keep mail: Account.Local.
	Dir string

	// Net is the network of all drivers; its TLS mode is the server's.
	Net access.Options
	// IMAP, POP3 and SMTP are the drivers' options; their Net is not used.
	IMAP imapsrc.Options
	POP3 popsrc.Options
	SMTP smtpsink.Options
	// Sent says how the copies of what is sent are kept.
	Sent sent.Options
}

// clone copies o, which may be nil.
func (o *Options) clone() *Options {
	if o == nil {
		return &Options{}
	}
	c := *o
	return &c
}

// Account is an account that is open: where its mail is, and how to send more.
// All methods are safe for concurrent use; the fields are not to be changed.
type Account struct {
	// Address is the account's address.
	Address string
	// Mailbox is the mail at the server. Mailbox.Caps tells what it can do.
	Mailbox mailbox.Mailbox
	// Local is the Maildir in Options.Dir, where received mail goes with
	// Download, and sent mail if the server cannot keep it; nil without Dir.
	Local mailbox.Mailbox
	// Sink sends. It connects at its first use.
	Sink smtpsink.Sender

	report Report
	opts   *Options
	lazy   *lazySink
}

// Open finds the servers of an address, logs in, IMAP before POP3, and gives the
// account. Nobody is asked anything unless Options.Confirm is. auth may have an
// empty user name: the servers' settings say which it is.
//
// A server that cannot be reached, or has the account switched off, is followed
// by the next one: a second IMAP server, then POP3. A refused secret ends it,
// since it is as wrong for the next one, and each attempt brings the account
// closer to being locked. The sender's servers are not contacted before the first
// message is sent.
//
// Errors are a *mailbox.Error around *discover.Error if no server is known, around
// a *LoginError for each server that was tried, or the context's own.
func Open(ctx context.Context, address string, auth access.Auth, opts *Options) (*Account, error) {
	a := &Account{opts: opts.clone()}
	if err := a.open(ctx, address, auth); err != nil {
		return nil, &mailbox.Error{Op: "open " + printable(address), Err: err}
	}
	return a, nil
}

func (a *Account) open(ctx context.Context, address string, auth access.Auth) error {
	found, err := a.opts.find(ctx, address)
	if err != nil {
		return err
	}
	a.Address = found.Address
	a.report = Report{Address: found.Address, Provider: found.Provider, Notes: found.Notes, Attempts: found.Attempts}
	if err := a.openMailbox(ctx, found.Incoming, auth); err != nil {
		return err
	}
	if a.opts.Dir != "" {
		local, err := maildir.Open(a.opts.Dir, nil)
		if err != nil {
			_ = a.Mailbox.Close()
			return err
		}
		a.Local = local
	}
	a.lazy = &lazySink{opts: a.opts, servers: found.Outgoing, auth: auth, incoming: a.report.Incoming}
	a.Sink = a.lazy
	return nil
}

// find gives the servers: those that are given, or those that are found.
func (o *Options) find(ctx context.Context, address string) (*discover.Result, error) {
	if len(o.Incoming) > 0 {
		return o.given(address)
	}
	finder := o.Finder
	if finder == nil {
		finder = &discover.Finder{Options: o.Discover}
		d := &finder.Options
		if d.Dialer == nil {
			d.Dialer = o.Net.Dialer
		}
		if d.TLSConfig == nil {
			d.TLSConfig = o.Net.TLSConfig
		}
		if d.Logger == nil {
			d.Logger = o.Net.Logger
		}
	}
	r, err := finder.Lookup(ctx, address)
	if err == nil && len(o.Outgoing) > 0 {
		var g *discover.Result
		if g, err = o.given(address); err == nil {
			r.Outgoing = g.Outgoing
		}
	}
	return r, err
}

// given makes Incoming and Outgoing complete.
func (o *Options) given(address string) (*discover.Result, error) {
	addr, err := mail.ParseAddress(address)
	if err != nil || !strings.Contains(addr.Address, "@") {
		return nil, fmt.Errorf("%w: %q", discover.ErrAddress, printable(address))
	}
	fill := func(servers []discover.Server, protocol discover.Protocol) ([]discover.Server, error) {
		var all []discover.Server
		for _, s := range servers {
			if s.Protocol == "" {
				s.Protocol = protocol
			}
			if s.Host == "" {
				return nil, errors.New("a server in Options has no Host")
			}
			if s.Port == 0 {
				s.Port = usualPort(s.Protocol, s.TLS)
			}
			if s.User == "" {
				s.User, s.UserForm = addr.Address, "address"
			}
			if s.Source == "" {
				s.Source = "given"
			}
			all = append(all, s)
		}
		return all, nil
	}
	r := &discover.Result{Address: addr.Address}
	if r.Incoming, err = fill(o.Incoming, discover.IMAP); err == nil {
		r.Outgoing, err = fill(o.Outgoing, discover.SMTP)
	}
	return r, err
}

// usualPort is RFC 8314's, and those it replaces.
func usualPort(p discover.Protocol, mode access.TLSMode) int {
	implicit := mode == access.TLSImplicit
	switch {
	case p == discover.IMAP && implicit:
		return 993
	case p == discover.IMAP:
		return 143
	case p == discover.POP3 && implicit:
		return 995
	case p == discover.POP3:
		return 110
	case implicit:
		return 465
	}
	return 587
}

// openMailbox logs in to the first server that lets us.
func (a *Account) openMailbox(ctx context.Context, servers []discover.Server, auth access.Auth) error {
	var failures []error
	for i, s := range servers {
		if s.Protocol == discover.SMTP {
			continue
		}
		c, user, err := a.opts.login(ctx, s, auth)
		if err == nil {
			a.Mailbox = c.mailbox
			s.User = user
			a.report.Incoming = s
			a.report.Tried = append(a.report.Tried, Tried{Server: s})
			return nil
		}
		a.report.Tried = append(a.report.Tried, Tried{Server: s, Err: err})
		failures = append(failures, err)
		if ctx.Err() != nil {
			return err
		}
		if !goOn(err, servers[i+1:]) {
			break
		}
	}
	return errors.Join(failures...)
}

// goOn reports whether another server may be tried after one has failed. What the
// user has to do something about comes first, unless another protocol does without.
func goOn(err error, rest []discover.Server) bool {
	var e *LoginError
	if !errors.As(err, &e) {
		return false
	}
	switch e.Reason {
	case WrongSecret, NeedsAppPassword, Throttled:
		return false
	case NeedsOAuth2:
		// Nothing was sent where the settings say so.
		for _, s := range rest {
			for _, method := range s.Auth {
				if method != "oauth2" {
					return true
				}
			}
		}
		return false
	}
	return true
}

// Send composes a message, sends it, and keeps the copy where this account keeps
// such copies: the server's Sent folder, or Local. An empty From is the account's
// address. The Result tells what became of both; it is nil only if the message
// cannot be composed. Errors are those of compose, of smtpsink.Sink.Send, and
// sent.ErrNotFiled if the message is sent and its copy is not kept. opts may be
// nil.
func (a *Account) Send(ctx context.Context, m *compose.Message, opts *smtpsink.SendOptions) (*sent.Result, error) {
	if len(m.From) == 0 {
		c := *m
		c.From = []mail.Address{{Address: a.Address}}
		m = &c
	}
	p, err := m.Prepare(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = p.Close() }()
	return a.SendMessage(ctx, p, opts)
}

// SendMessage is Send for a message that is ready: a *compose.Prepared, or what
// sent.Raw makes of a file.
func (a *Account) SendMessage(ctx context.Context, m sent.Message, opts *smtpsink.SendOptions) (*sent.Result, error) {
	o := a.opts.Sent
	o.Send = opts
	if o.Local == nil {
		o.Local = a.Local
	}
	return sent.Send(ctx, a.lazy, a.Mailbox, m, &o)
}

// Download copies what is new from the account into Local, each message once, and
// with opts.Remove deletes it at the server afterwards: what a mail program does
// with a POP3 account. It is transfer.Run; opts may be nil. Without Options.Dir it
// is errors.ErrUnsupported.
func (a *Account) Download(ctx context.Context, opts *transfer.Options) (*transfer.Report, error) {
	if a.Local == nil {
		return nil, &mailbox.Error{Op: "download", Err: fmt.Errorf("%w: the account was opened without a directory", errors.ErrUnsupported)}
	}
	return transfer.Run(ctx, a.Mailbox, a.Local, opts)
}

// Sender connects to the server that sends, if that is not done yet, and gives the
// driver: for smtpsink.Sink.SendAll, whose messages have no copies kept, and for
// Caps. It is Sink's own, and closed with the account.
func (a *Account) Sender(ctx context.Context) (*smtpsink.Sink, error) {
	s, err := a.lazy.open(ctx)
	if err != nil {
		return nil, &mailbox.Error{Op: "dial", Err: err}
	}
	return s, nil
}

// Close closes all that is open. It is idempotent.
func (a *Account) Close() error {
	var local error
	if a.Local != nil {
		local = a.Local.Close()
	}
	return errors.Join(a.Sink.Close(), a.Mailbox.Close(), local)
}

// lazySink connects when there is something to send.
type lazySink struct {
	opts     *Options
	servers  []discover.Server
	auth     access.Auth
	incoming discover.Server

	turn   sync.Mutex // held while connecting
	mu     sync.Mutex
	sink   *smtpsink.Sink
	server discover.Server
	tried  []Tried
	denied error
	closed bool
}

// Send implements smtpsink.Sender.
func (l *lazySink) Send(ctx context.Context, env *smtpsink.Envelope, message io.Reader, opts *smtpsink.SendOptions) (*smtpsink.Receipt, error) {
	sink, err := l.open(ctx)
	if err != nil {
		r := &smtpsink.Receipt{}
		if env != nil {
			for _, to := range env.To {
				r.Recipients = append(r.Recipients, smtpsink.Recipient{Address: to})
			}
		}
		return r, &mailbox.Error{Op: "send", Err: err}
	}
	return sink.Send(ctx, env, message, opts)
}

// Account names the account at the server; see smtpsink.Sink.Account.
func (l *lazySink) Account() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sink == nil {
		return ""
	}
	return l.sink.Account()
}

// Close implements smtpsink.Sender.
func (l *lazySink) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	if l.sink == nil {
		return nil
	}
	return l.sink.Close()
}

// open connects to the first server that lets us, once.
func (l *lazySink) open(ctx context.Context) (*smtpsink.Sink, error) {
	l.turn.Lock()
	defer l.turn.Unlock()
	l.mu.Lock()
	sink, denied, closed := l.sink, l.denied, l.closed
	l.mu.Unlock()
	switch {
	case closed:
		return nil, mailbox.ErrClosed
	case sink != nil || denied != nil:
		return sink, denied
	case len(l.servers) == 0:
		return nil, fmt.Errorf("%w: no server is known that sends this account's mail: give Options.Outgoing", errors.ErrUnsupported)
	}
	var failures []error
	for i, s := range l.servers {
		c, user, err := l.opts.login(ctx, s, l.auth)
		s.User = user
		l.mu.Lock()
		l.tried = append(l.tried, Tried{Server: s, Err: err})
		if err == nil {
			l.sink, l.server = c.sink, s
			if l.closed {
				err = mailbox.ErrClosed
				_ = c.sink.Close()
			}
			l.mu.Unlock()
			return c.sink, err
		}
		l.mu.Unlock()
		failures = append(failures, err)
		if ctx.Err() != nil || !goOn(err, l.servers[i+1:]) {
			break
		}
	}
	err := errors.Join(failures...)
	if errors.Is(err, mailbox.ErrAuth) && ctx.Err() == nil {
		l.mu.Lock()
		l.denied = err // do not try the secret again
		l.mu.Unlock()
	}
	return nil, err
}
