package popsrc

import (
	"context"
	"io"
	"iter"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postroom-go/postroom/internal/mailconn"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/charset"
)

const (
	// DefaultWindow is what zero Options.Window means: 64 MiB.
	DefaultWindow = 64 << 20
	// DefaultRefresh is what zero Options.Refresh means.
	DefaultRefresh = 30 * time.Second

	// closeTimeout bounds the farewell of Close.
	closeTimeout = time.Second
)

// Options are the options of Dial. Nil and zero are safe: TLS from the first
// octet, verified.
type Options struct {
	// Net is the network: TLS, dialer, timeouts, logger, trace.
	Net access.Options
	// APOP logs in by APOP (RFC 1939 section 7) if the greeting has a
	// timestamp and TLS is on. It protects the password from a server that
	// does not have it yet; its MD5 is broken (CVE-2007-1558), so it is off
	// unless asked for.
	APOP bool
	// Window is how many octets of messages may be asked for ahead where the
	// server can do PIPELINING; 0 is DefaultWindow.
	Window int64
	// Refresh is how old a session may be for List to take its word on what
	// the maildrop holds; 0 is DefaultRefresh, negative is for ever. A POP3
	// session never sees new mail, so an older one is ended and List begins
	// another. The server's LOGIN-DELAY is respected.
	Refresh time.Duration

	limits limits
}

// Mailbox is one POP3 account. It implements mailbox.Mailbox, mailbox.Fetcher
// and mailbox.CharsetDecoder, and keeps one session at most.
type Mailbox struct {
	addr  string
	auth  access.Auth
	opts  Options
	caps  mailbox.Caps
	conns atomic.Int64 // connections made

	ctx    context.Context // ends with ErrClosed
	cancel context.CancelCauseFunc

	gate    chan struct{} // held by whoever uses the session
	waiting atomic.Int64  // calls that want it
	holder  atomic.Pointer[stream]

	// Guarded by the gate.
	sess   *session
	denied error // the server refused the password: do not try it again

	closing sync.Once
}

var (
	_ mailbox.Mailbox        = (*Mailbox)(nil)
	_ mailbox.Fetcher        = (*Mailbox)(nil)
	_ mailbox.CharsetDecoder = (*Mailbox)(nil)
)

// Dial connects to addr, "host:port", logs in, and reads what the maildrop
// holds. Where the server can do PIPELINING all of it takes three round trips
// after TLS. opts may be nil.
//
// Errors are a *mailbox.Error around ErrUnavailable, ErrCertificate,
// ErrTLSRequired, ErrTLSInjection, ErrAuth, ErrBusy, ErrThrottled, ErrPermission
// or ErrProtocol, and around a *ReplyError where the server said so. No secret
// is sent before TLS is verified.
func Dial(ctx context.Context, addr string, auth access.Auth, opts *Options) (*Mailbox, error) {
	m := &Mailbox{addr: addr, auth: auth, gate: make(chan struct{}, 1)}
	if opts != nil {
		m.opts = *opts
	}
	if m.opts.Window <= 0 {
		m.opts.Window = DefaultWindow
	}
	if m.opts.Refresh == 0 {
		m.opts.Refresh = DefaultRefresh
	}
	if m.opts.limits == (limits{}) {
		m.opts.limits = defaultLimits
	}
	m.ctx, m.cancel = context.WithCancelCause(context.Background())
	s, err := m.dialSession(ctx)
	if err == nil {
		err = m.look(ctx, s)
	}
	if err != nil {
		m.cancel(mailbox.ErrClosed)
		return nil, &mailbox.Error{Op: "dial", Err: err}
	}
	m.sess = s
	return m, nil
}

// look finds out what the mailbox can do, at its first session.
func (m *Mailbox) look(ctx context.Context, s *session) error {
	release := s.conn.Bind(ctx)
	top, err := s.hasTOP()
	if cut := release(); cut != nil {
		err = cut
	}
	if err != nil {
		s.conn.Break(err)
		return err
	}
	m.caps = mailbox.Caps{
		Protocol:    "POP3",
		StableIDs:   s.list.uidl,
		Delete:      s.list.uidl,
		Envelopes:   top,
		Headers:     top,
		Exclusive:   true,
		Connections: 1,
		LoginDelay:  s.caps.loginDelay(),
	}
	return nil
}

// Account names the account, as "pop3://user@host" with the user percent-encoded
// where needed: no port and no secret. It is what a program can remember under
// what it has downloaded.
func (m *Mailbox) Account() string { return mailconn.Account("pop3", m.addr, m.auth) }

// Caps says what this account can do. StableIDs and Delete need UIDL, Envelopes
// and Headers need TOP. A POP3 server never tells flags, dates of receipt or the
// structure of a message, and OpenPart costs the download of the whole message.
func (m *Mailbox) Caps() mailbox.Caps { return m.caps }

// Folders yields INBOX, the only folder there is.
func (m *Mailbox) Folders(ctx context.Context, opts *mailbox.FoldersOptions) iter.Seq2[*mailbox.Folder, error] {
	return func(yield func(*mailbox.Folder, error) bool) {
		f := &mailbox.Folder{Name: mailbox.Inbox, Role: mailbox.RoleInbox, RoleSource: mailbox.RoleByProtocol}
		err := m.alive(ctx)
		if err == nil && opts != nil && opts.Status {
			f.Status, err = m.status(ctx)
		}
		if err != nil {
			yield(nil, &mailbox.Error{Op: "folders", Err: err})
			return
		}
		yield(f, nil)
	}
}

func (m *Mailbox) status(ctx context.Context) (*mailbox.FolderStatus, error) {
	l, err := m.snapshot(ctx, true)
	if err != nil {
		return nil, err
	}
	st := &mailbox.FolderStatus{Messages: int64(len(l.entries)), Unseen: -1}
	if !m.caps.StableIDs {
		st.Epoch = l.epoch
	}
	return st, nil
}

// CharsetReader converts text in a named charset to UTF-8.
func (m *Mailbox) CharsetReader(label string, r io.Reader) (io.Reader, error) {
	return charset.NewReader(label, r)
}

// Close ends the session with QUIT, which deletes nothing, within a second or
// so. It does not wait for the answer, so the server may hold its lock for a
// moment longer. It is idempotent. Calls under way, open readers and all later calls fail
// with mailbox.ErrClosed. It returns nil.
func (m *Mailbox) Close() error {
	m.closing.Do(func() {
		m.cancel(mailbox.ErrClosed)
		ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		// All who hold the gate have just been cut off.
		if m.acquire(ctx) == nil {
			defer m.release()
			m.hangUp(ctx, false)
		}
	})
	return nil
}

// hangUp ends the session, if there is one, with QUIT and no more ado than ctx
// allows. Who wants to log in again waits for the answer: until then the maildrop
// is locked. The caller holds the gate.
func (m *Mailbox) hangUp(ctx context.Context, wait bool) {
	s := m.sess
	m.sess = nil
	if s == nil || s.broken() {
		return
	}
	release := s.conn.Bind(ctx)
	if wait {
		_ = s.quit()
	} else {
		_ = s.send("QUIT\r\n")
	}
	_ = s.conn.Close()
	_ = release()
}

// alive is the error of a call that should not begin at all.
func (m *Mailbox) alive(ctx context.Context) error {
	switch {
	case m.ctx.Err() != nil:
		return mailbox.ErrClosed
	case ctx.Err() != nil:
		return mailconn.ContextError(ctx)
	}
	return nil
}
