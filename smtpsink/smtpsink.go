package smtpsink

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postroom-go/postroom/internal/mailconn"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
)

const (
	// DefaultConnections is what zero Options.Connections means.
	DefaultConnections = 2
	// DefaultIdle is what zero Options.Idle means.
	DefaultIdle = time.Minute
	// DefaultWindow is what zero Options.Window means.
	DefaultWindow = 64
)

// Options are the options of Dial. Nil and zero are safe: TLS from the first
// octet, verified.
type Options struct {
	// Net is the network: TLS, dialer, timeouts, logger, trace. TLSImplicit is
	// for port 465, TLSStart for 587. Zero ProgressTimeout is what RFC 5321
	// section 4.5.3.2 asks for: 5 minutes for the answer to a command (3 up to
	// the login, 2 for DATA), 3 for each piece of a message to be taken, 10 for
	// the answer to a message. Other values hold for all of these.
	Net access.Options
	// Hello is our name for EHLO: a host name, or an IP address in brackets.
	// Empty is the address that the connection comes from.
	Hello string
	// LMTP speaks LMTP (RFC 2033): each recipient is answered for after the
	// message. A Dialer in Net that ignores its address can reach a Unix
	// socket.
	LMTP bool
	// Connections is the most that are open at a time; 0 is
	// DefaultConnections.
	Connections int
	// Messages is the most that are sent over one connection; 0 is no limit
	// but the server's: where that has had enough, another is made.
	Messages int
	// Interval is the least time between the beginnings of two messages, over
	// all connections; 0 is none.
	Interval time.Duration
	// Idle is how long a connection is kept that nobody uses; 0 is
	// DefaultIdle, negative is not at all.
	Idle time.Duration
	// Window is how many messages SendAll may have under way before they are
	// answered for: so many are Unknown if the connection is lost. 0 is
	// DefaultWindow; with 1 each waits for the answer to the one before.
	Window int
}

// Sink sends mail over one server's connections. It implements Sender. All
// methods are safe for concurrent use.
type Sink struct {
	addr  string
	auth  access.Auth
	opts  Options
	conns atomic.Int64 // connections made

	ctx    context.Context // ends with ErrClosed
	cancel context.CancelCauseFunc

	slots chan struct{} // one for each connection in use

	mu     sync.Mutex
	idle   []*session // the last used last
	denied error      // the server refused the password: do not try it again
	// secret is the last that was used, to keep it out of texts; a closure, so
	// that a printer that walks unexported fields has nothing to show.
	secret  func() string
	careful bool // a server took the octets of a refused message for commands
	caps    Caps
	next    time.Time // when the next message may begin
}

var _ Sender = (*Sink)(nil)

// Dial connects to addr, "host:port", and logs in. The zero auth does not log in,
// as for LMTP or a relay that trusts the network. opts may be nil.
//
// Errors are a *mailbox.Error around ErrUnavailable, ErrCertificate,
// ErrTLSRequired, ErrTLSInjection, ErrAuth, ErrThrottled, ErrProtocol or ctx's own,
// and around a *Reply where the server said so. No secret is sent before TLS is
// verified. ctx is for Dial alone; Close ends the sink. Dial starts goroutines,
// which Close ends.
func Dial(ctx context.Context, addr string, auth access.Auth, opts *Options) (*Sink, error) {
	k := &Sink{addr: addr, auth: auth}
	if opts != nil {
		k.opts = *opts
	}
	if k.opts.Connections <= 0 {
		k.opts.Connections = DefaultConnections
	}
	if k.opts.Idle == 0 {
		k.opts.Idle = DefaultIdle
	}
	if k.opts.Window <= 0 {
		k.opts.Window = DefaultWindow
	}
	if err := checkHello(k.opts.Hello); err != nil {
		return nil, &mailbox.Error{Op: "dial", Err: err}
	}
	password, _ := auth.Secret()
	k.know(password)
	k.slots = make(chan struct{}, k.opts.Connections)
	k.ctx, k.cancel = context.WithCancelCause(context.Background())
	s, err := k.acquire(ctx, true)
	if err != nil {
		k.cancel(mailbox.ErrClosed)
		return nil, &mailbox.Error{Op: "dial", Err: err}
	}
	k.release(s)
	return k, nil
}

// anonymous reports whether there is nobody to log in as.
func (k *Sink) anonymous() bool {
	_, password := k.auth.Secret()
	return k.auth.User() == "" && !password && k.auth.TokenSource() == nil
}

// Account names the account, as "smtp://user@host" with the user percent-encoded
// where needed: no port and no secret.
func (k *Sink) Account() string {
	scheme := "smtp"
	if k.opts.LMTP {
		scheme = "lmtp"
	}
	return mailconn.Account(scheme, k.addr, k.auth)
}

// Caps is what the server offered when the last connection was made. Its
// Mechanisms must not be changed.
func (k *Sink) Caps() Caps {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.caps
}

// Close ends all connections, those that nobody uses with QUIT, to which it does
// not wait for the answer. Calls under way end with mailbox.ErrClosed, or with
// ErrUnknownOutcome as well if a message was handed over. It is idempotent and
// returns nil.
func (k *Sink) Close() error {
	k.cancel(mailbox.ErrClosed)
	k.mu.Lock()
	idle := k.idle
	k.idle = nil
	k.mu.Unlock()
	var all sync.WaitGroup
	for _, s := range idle {
		if s.stopIdle() {
			all.Go(s.quit)
		}
	}
	all.Wait()
	return nil
}

// bound is ctx that Close ends, too.
func (k *Sink) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(k.ctx, func() { cancel(mailbox.ErrClosed) })
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

// acquire gives a session of the caller's own, to be released. With fresh it is
// a new one.
func (k *Sink) acquire(ctx context.Context, fresh bool) (*session, error) {
	ctx, cancel := k.bound(ctx)
	defer cancel()
	switch {
	case k.ctx.Err() != nil:
		return nil, mailbox.ErrClosed
	case ctx.Err() != nil:
		return nil, mailconn.ContextError(ctx)
	}
	select {
	case k.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, mailconn.ContextError(ctx)
	}
	s, err := k.session(ctx, fresh)
	if err != nil {
		<-k.slots
		return nil, err
	}
	return s, nil
}

func (k *Sink) session(ctx context.Context, fresh bool) (*session, error) {
	if !fresh {
		if s := k.pick(); s != nil {
			return s, nil
		}
	}
	k.makeRoom()
	k.mu.Lock()
	denied := k.denied
	k.mu.Unlock()
	if denied != nil {
		return nil, denied
	}
	s, err := k.connect(ctx)
	if err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.caps = s.caps
	return s, nil
}

// pick takes the idle session that was used last; nil if there is none. One that
// the reaper has is left where it is until it is closed, so that it counts.
func (k *Sink) pick() *session {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i := len(k.idle) - 1; i >= 0; i-- {
		s := k.idle[i]
		if !s.stopIdle() {
			continue
		}
		k.idle = slices.Delete(k.idle, i, i+1)
		if !s.lost() {
			s.rested = true
			return s
		}
		_ = s.conn.Close()
	}
	return nil
}

// makeRoom ends idle sessions, the oldest first, until there is room for another
// one. The caller has a slot for it.
func (k *Sink) makeRoom() {
	for {
		k.mu.Lock()
		if len(k.idle) == 0 || len(k.idle)+len(k.slots) <= cap(k.slots) {
			k.mu.Unlock()
			return
		}
		s := k.idle[0]
		k.mu.Unlock()
		if s.stopIdle() {
			s.quit()
		} else {
			_ = s.conn.Close()
		}
		k.forget(s)
	}
}

// forget takes a session off the list of the idle.
func (k *Sink) forget(s *session) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.idle = slices.DeleteFunc(k.idle, func(other *session) bool { return other == s })
}

// deny has no password sent any more: one that was refused is not right the next
// time, and who tries it again gets the account locked.
func (k *Sink) deny(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.denied = err
}

// know has the secret kept out of all that a server says.
func (k *Sink) know(secret string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.secret = func() string { return secret }
}

func (k *Sink) known() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.secret()
}

// release gives a session back.
func (k *Sink) release(s *session) {
	if !s.lost() && k.opts.Idle >= 0 && !k.worn(s) && k.keep(s) {
		return
	}
	s.quit()
	<-k.slots
}

// keep has a session wait for who needs one next; false if the sink is closed.
func (k *Sink) keep(s *session) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.ctx.Err() != nil {
		return false
	}
	s.reaper = time.AfterFunc(k.opts.Idle, func() {
		s.quit()
		k.forget(s)
	})
	k.idle = append(k.idle, s)
	<-k.slots
	return true
}

// worn reports whether a session has sent all that it may.
func (k *Sink) worn(s *session) bool {
	limit := k.opts.Messages
	if m := s.caps.MaxMessages; m > 0 && (limit <= 0 || m < limit) {
		limit = m
	}
	return limit > 0 && s.begun >= limit
}

func (k *Sink) isCareful() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.careful
}

func (k *Sink) beCareful() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.careful = true
}

// lull waits until the next message may begin, unless others come first: without
// a connection, which the server might not keep for so long.
func (k *Sink) lull(ctx context.Context) error {
	k.mu.Lock()
	wait := time.Until(k.next)
	k.mu.Unlock()
	return sleep(ctx, wait)
}

// pace waits until the next message may begin. Who calls it has the connection:
// the next may begin an interval after this one does, and not after it began to
// wait for one.
func (k *Sink) pace(ctx context.Context) error {
	if k.opts.Interval <= 0 {
		return nil
	}
	k.mu.Lock()
	now := time.Now()
	if k.next.Before(now) {
		k.next = now
	}
	wait := k.next.Sub(now)
	k.next = k.next.Add(k.opts.Interval)
	k.mu.Unlock()
	return sleep(ctx, wait)
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return mailconn.ContextError(ctx)
	}
}

func (k *Sink) log(ctx context.Context, msg string, err error) {
	if l := k.opts.Net.Logger; l != nil {
		l.WarnContext(ctx, msg, "server", k.addr, "error", err)
	}
}
