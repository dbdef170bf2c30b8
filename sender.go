package postroom

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"sync"

	"github.com/postroom-go/postroom/discover"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/smtpsink"
)

// lazySink connects when there is something to send.
type lazySink struct {
	opts    *Options
	address string
	servers []discover.Server
	auth    access.Auth

	life context.Context // until Close
	end  context.CancelFunc
	turn chan struct{} // held while connecting

	mu     sync.Mutex
	sink   *smtpsink.Sink
	server discover.Server
	tried  []Tried
	denied error
}

// newLazySink is a sender for an account whose mailbox is open. The user name that
// was right there is tried first.
func newLazySink(a *Account, servers []discover.Server, published []discover.Server, auth access.Auth) *lazySink {
	l := &lazySink{opts: a.opts, address: a.Address, servers: few(servers), auth: auth, turn: make(chan struct{}, 1)}
	l.life, l.end = context.WithCancel(context.Background())
	for i := range l.servers {
		if s := &l.servers[i]; s.AltUser != "" && s.AltUser == a.report.Incoming.User {
			s.User, s.AltUser = s.AltUser, s.User
		}
	}
	for _, s := range published {
		// One of the forms that the settings have is no choice of the user's, and
		// this server may want another one.
		if user := auth.User(); user != "" && (strings.EqualFold(user, s.User) || strings.EqualFold(user, s.AltUser)) {
			l.auth = anyUser(auth)
		}
	}
	return l
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

// Account names the account at the server; see smtpsink.Sink.Account. Before there
// is a connection it is the account at the server that is tried first.
func (l *lazySink) Account() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.sink != nil:
		return l.sink.Account()
	case len(l.servers) == 0:
		return ""
	}
	u := url.URL{Scheme: "smtp", Host: l.servers[0].Host, User: url.User(l.servers[0].User)}
	return u.String()
}

// Close implements smtpsink.Sender. It ends connecting, too.
func (l *lazySink) Close() error {
	l.end()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sink == nil {
		return nil
	}
	return l.sink.Close()
}

// open connects to the first server that lets us, once.
func (l *lazySink) open(ctx context.Context) (*smtpsink.Sink, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(l.life, cancel)()
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
		if l.life.Err() != nil {
			return nil, mailbox.ErrClosed
		}
		return nil, ctx.Err()
	}
	l.mu.Lock()
	sink, denied := l.sink, l.denied
	l.mu.Unlock()
	switch {
	case l.life.Err() != nil:
		return nil, mailbox.ErrClosed
	case sink != nil || denied != nil:
		return sink, denied
	case len(l.servers) == 0:
		return nil, fmt.Errorf("%w: no server is known that sends this account's mail: give Options.Outgoing", errors.ErrUnsupported)
	}
	l.mu.Lock()
	l.tried = nil // what failed an earlier call
	l.mu.Unlock()
	var failures []*LoginError
	final := false
	for servers := l.servers; len(servers) > 0; {
		s := servers[0]
		c, user, err := l.opts.login(ctx, s, l.auth)
		if l.note(s, user, c, err) {
			return c.sink, nil
		}
		switch {
		case err == nil: // closed meanwhile
			_ = c.close()
			return nil, mailbox.ErrClosed
		case l.life.Err() != nil:
			return nil, mailbox.ErrClosed
		case ctx.Err() != nil:
			return nil, err
		}
		var e *LoginError
		if !errors.As(err, &e) {
			return nil, err
		}
		failures = append(failures, e)
		final = final || l.permanent(e)
		servers = goOn(e, servers)
	}
	err := failed(failures, false)
	if final {
		l.mu.Lock()
		l.denied = err
		l.mu.Unlock()
	}
	return nil, err
}

// note keeps what came of an attempt, and reports whether that is a connection.
func (l *lazySink) note(s discover.Server, user string, c conn, err error) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.tried = append(l.tried, Tried{Server: s, Err: err})
		return false
	}
	if l.life.Err() != nil {
		return false
	}
	s = known(s, l.address, user)
	l.sink, l.server = c.sink, s
	l.tried = append(l.tried, Tried{Server: s})
	return true
}

// permanent reports whether a password was refused: it is not tried again. The
// next token may be another one, and a server that wants a pause can have it.
func (l *lazySink) permanent(e *LoginError) bool {
	return errors.Is(e, mailbox.ErrAuth) && l.auth.TokenSource() == nil && e.Reason != Throttled
}
