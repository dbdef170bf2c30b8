package postroom

import (
	"context"
	"errors"
	"fmt"
	"net/mail"
	"strings"

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
	// TLS mode; an empty User is the address. See discover.Result.Complete.
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

	// Net is the network of all drivers; its TLS mode is the server's. For
	// servers that were looked up its Dialer gets IP addresses.
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
// A server that cannot be reached is followed by the next one: a second IMAP
// server, up to four of them, then POP3. One that has IMAP switched off for the
// account is followed by POP3. A refused secret ends it, since it is as wrong for the
// next one, and each attempt brings the account closer to being locked. If none of
// the servers that were found answers, no others are looked for: whoever can keep
// those from answering could lead the secret elsewhere. The sender's servers are not
// contacted before the first message is sent. Where packets get lost each server
// takes Net.ConnectTimeout: bound the whole by ctx.
//
// Servers that were looked up lead to public addresses alone, unless
// discover.Options.AllowPrivate; see discover.Finder.DialContext.
//
// Errors are a *mailbox.Error: around a *discover.Error if no server is known, or one
// of Options cannot be; around a *LoginError for each server that was tried; or around
// the context's own. Their text names the servers with the reason, in the order in
// which they were tried, and then says once what to do. errors.As finds the
// *LoginError that the user can do most about: a refused password before a server
// that was down.
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
	a.lazy = newLazySink(a, found.Outgoing, found.Incoming, auth)
	a.Sink = a.lazy
	return nil
}

// find gives the servers: those that are given, or those that are found.
func (o *Options) find(ctx context.Context, address string) (*discover.Result, error) {
	given := &discover.Result{Address: address, Incoming: copied(o.Incoming), Outgoing: copied(o.Outgoing)}
	if len(o.Incoming) > 0 || len(o.Outgoing) > 0 {
		if err := given.Complete(); err != nil || len(o.Incoming) > 0 {
			return given, err
		}
	}
	r, err := o.finder().Lookup(ctx, address)
	if err == nil && len(o.Outgoing) > 0 {
		r.Outgoing = given.Outgoing
	}
	return r, err
}

// finder looks servers up.
func (o *Options) finder() *discover.Finder {
	if o.Finder != nil {
		return o.Finder
	}
	d := o.Discover
	if d.Dialer == nil {
		d.Dialer = o.Net.Dialer
	}
	if d.TLSConfig == nil {
		d.TLSConfig = o.Net.TLSConfig
	}
	if d.Logger == nil {
		d.Logger = o.Net.Logger
	}
	return &discover.Finder{Options: d}
}

// maxServers is how many servers of one protocol are tried: each takes its time, and
// who publishes them can name many.
const maxServers = 4

// few are the first servers of each protocol.
func few(servers []discover.Server) (kept []discover.Server) {
	seen := map[discover.Protocol]int{}
	for _, s := range servers {
		if seen[s.Protocol]++; seen[s.Protocol] <= maxServers {
			kept = append(kept, s)
		}
	}
	return kept
}

// openMailbox logs in to the first server that lets us.
func (a *Account) openMailbox(ctx context.Context, servers []discover.Server, auth access.Auth) error {
	servers = few(servers)
	var failures []*LoginError
	for len(servers) > 0 {
		s := servers[0]
		c, user, err := a.opts.login(ctx, s, auth)
		if err == nil {
			a.Mailbox = c.mailbox
			s = known(s, a.Address, user)
			a.report.Incoming = s
			a.report.Tried = append(a.report.Tried, Tried{Server: s})
			a.report.Notes = append(a.report.Notes, insteadOf(failures, s)...)
			return nil
		}
		a.report.Tried = append(a.report.Tried, Tried{Server: s, Err: err})
		var e *LoginError
		if ctx.Err() != nil || !errors.As(err, &e) {
			return err
		}
		failures = append(failures, e)
		servers = goOn(e, servers)
	}
	return failed(failures, looked(a.report.Attempts))
}

// insteadOf is a note for the user if IMAP failed in a way that may pass, and what is
// open is POP3.
func insteadOf(failures []*LoginError, used discover.Server) []string {
	for _, e := range failures {
		if e.Server.Protocol == discover.IMAP && used.Protocol == discover.POP3 {
			return []string{"IMAP cannot be used (" + string(e.Reason) + "), so this is POP3: folders stay on this computer. If that is to change, mend it and open the account anew, without the settings that are stored."}
		}
	}
	return nil
}

// known is a server with the user name that it has accepted put first.
func known(s discover.Server, address, user string) discover.Server {
	switch user {
	case s.User:
		return s
	case s.AltUser:
		s.User, s.AltUser = user, s.User
	default: // the user's own choice
		s.User, s.AltUser = user, ""
	}
	switch {
	case user == address:
		s.UserForm = "address"
	case strings.HasPrefix(address, user+"@"):
		s.UserForm = "local"
	default:
		s.UserForm = "fixed"
	}
	return s
}

// goOn is which servers may be tried after the first of them has failed. What the
// user has to do something about comes first, unless another protocol does without;
// who was refused is not asked again by another port.
func goOn(e *LoginError, servers []discover.Server) []discover.Server {
	first, rest := servers[0], servers[1:]
	others := func(keep func(discover.Server) bool) (left []discover.Server) {
		for _, s := range rest {
			if keep(s) {
				left = append(left, s)
			}
		}
		return left
	}
	switch e.Reason {
	case WrongSecret, NeedsAppPassword, NeedsUser, NeedsSecret, NeedsSignIn, Throttled:
		return nil
	case NeedsOAuth2:
		return others(func(s discover.Server) bool { return s.Protocol != first.Protocol && !oauth2Only(s) })
	case SwitchedOff:
		return others(func(s discover.Server) bool { return s.Protocol != first.Protocol })
	case Unconfirmed: // who has said no is not asked again
		return others(func(s discover.Server) bool { return len(s.Confirm) == 0 })
	}
	return rest
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
// with a POP3 account. What has come within the last popsrc.Options.Refresh may wait
// for the next time there. It is transfer.Run; opts may be nil. Without Options.Dir it
// is errors.ErrUnsupported, while another Download runs mailbox.ErrBusy, and when the
// account is closed mailbox.ErrClosed.
func (a *Account) Download(ctx context.Context, opts *transfer.Options) (*transfer.Report, error) {
	if a.Local == nil {
		return nil, &mailbox.Error{Op: "download", Err: fmt.Errorf("%w: the account was opened without a directory", errors.ErrUnsupported)}
	}
	r, err := transfer.Run(ctx, a.Mailbox, a.Local, opts)
	if err != nil && a.lazy.life.Err() != nil && !errors.Is(err, mailbox.ErrClosed) {
		// The directory was closed under the run's journal.
		err = &mailbox.Error{Op: "download", Err: fmt.Errorf("%w: %w", mailbox.ErrClosed, err)}
	}
	return r, err
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
