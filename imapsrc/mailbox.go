package imapsrc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postroom-go/postroom/internal/imapwire"
	"github.com/postroom-go/postroom/internal/mailconn"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/folders"
)

// Mailbox is an IMAP account's mail. It implements mailbox.Mailbox, Fetcher,
// PartOpener, FlagSetter, Appender, FolderCreator and CharsetDecoder.
type Mailbox struct {
	addr string
	auth access.Auth
	opts Options

	ctx    context.Context // ends at Close
	cancel context.CancelCauseFunc
	pool   *pool
	conns  atomic.Int64 // connections made so far
	caps   mailbox.Caps
	offers capSet // what the server offers after login

	once    sync.Once
	learnt  learnt
	secrets *mailconn.Secrets // must not be in texts of the server's
}

// learnt is what using the server has taught us about it.
type learnt struct {
	noInlineIR  atomic.Bool  // it offers SASL-IR and refuses it
	noBinary    atomic.Bool  // it offers BINARY and refuses it
	noReturn    atomic.Bool  // it refuses LIST with RETURN
	wholePieces atomic.Bool  // a piece shorter than asked for is the last
	longest     atomic.Int64 // ... if it is shorter than this, the longest that came
	rawNames    sync.Map     // names of folders that are sent as they came
	counts      sync.Map     // by folder, how many messages there were when last heard of
}

var (
	_ mailbox.Mailbox        = (*Mailbox)(nil)
	_ mailbox.Fetcher        = (*Mailbox)(nil)
	_ mailbox.PartOpener     = (*Mailbox)(nil)
	_ mailbox.FlagSetter     = (*Mailbox)(nil)
	_ mailbox.Appender       = (*Mailbox)(nil)
	_ folders.Creator        = (*Mailbox)(nil)
	_ mailbox.CharsetDecoder = (*Mailbox)(nil)
)

// Dial connects to the IMAP server at addr, "host:port", and logs in. The usual
// ports are 993 for TLS and 143 for STARTTLS. ctx covers Dial alone. opts may be
// nil. The zero Auth is for a server that says, by PREAUTH, that we are logged
// in already: a tunnel; with any other, PREAUTH is refused.
//
// Errors, beside the context's own: mailbox.ErrUnavailable, ErrCertificate,
// ErrTLSRequired, ErrTLSInjection, ErrAuth (permanent: it must not be tried
// again unchanged), ErrThrottled, ErrProtocol.
func Dial(ctx context.Context, addr string, auth access.Auth, opts *Options) (*Mailbox, error) {
	m := &Mailbox{addr: addr, auth: auth, secrets: &mailconn.Secrets{}}
	if opts != nil {
		m.opts = *opts
		m.opts.ID = maps.Clone(opts.ID)
	}
	if err := m.check(); err != nil {
		return nil, opError("dial", "", mailbox.ID{}, err)
	}
	m.ctx, m.cancel = context.WithCancelCause(context.Background())
	m.pool = newPool(m.ctx, m.opts.connections(), m.connect)
	s, err := m.pool.get(ctx, want{})
	if err != nil {
		m.cancel(mailbox.ErrClosed)
		return nil, opError("dial", "", mailbox.ID{}, err)
	}
	m.offers = s.caps
	m.caps = m.capsOf(s.caps)
	m.pool.put(s)
	return m, nil
}

// check refuses what could not be sent.
func (m *Mailbox) check() error {
	if _, _, err := net.SplitHostPort(m.addr); err != nil {
		return fmt.Errorf("address %.200q is not host:port", m.addr)
	}
	if len(m.opts.ID) > 30 {
		return fmt.Errorf("more than 30 fields of ID")
	}
	for k, v := range m.opts.ID {
		if k == "" || len(k) > 30 || len(v) > 1024 || strings.ContainsFunc(k+v, func(r rune) bool { return r < ' ' || r > '~' }) {
			return fmt.Errorf("the ID field %.50q is too long or not printable ASCII", k)
		}
	}
	return nil
}

// Account names the account, as "imap://user@host" with the user percent-encoded
// where needed: no port and no secret. It is what a program can remember under
// what it has downloaded.
func (m *Mailbox) Account() string { return mailconn.Account("imap", m.addr, m.auth) }

// Caps says what this account can do, as of Dial.
func (m *Mailbox) Caps() mailbox.Caps { return m.caps }

// CharsetReader converts text to UTF-8: charset.NewReader.
func (m *Mailbox) CharsetReader(label string, r io.Reader) (io.Reader, error) {
	return newCharsetReader(label, r)
}

// closeTimeout bounds the farewell of Close.
const closeTimeout = time.Second

// Close says goodbye on the idle connections, without waiting for the answer, and
// cuts those in use: every call under way or made later fails with
// mailbox.ErrClosed. It is idempotent, and expunges nothing. It returns nil.
func (m *Mailbox) Close() error {
	m.once.Do(func() {
		idle, busy := m.pool.close()
		m.cancel(mailbox.ErrClosed)
		for _, s := range busy {
			s.drop(mailbox.ErrClosed)
		}
		ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		var bye sync.WaitGroup
		for _, s := range idle {
			bye.Go(func() { s.logout(ctx) })
		}
		bye.Wait()
		m.pool.making.Wait()
	})
	return nil
}

// begin gives the context of one call: it ends at Close, too. The caller ends it
// when the call is over.
func (m *Mailbox) begin(ctx context.Context) (context.Context, context.CancelCauseFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(m.ctx, func() { cancel(mailbox.ErrClosed) })
	return ctx, func(why error) {
		stop()
		cancel(why)
	}
}

// retries is how often an exchange is tried again after its connection was
// lost. The first time is at once: connections die while idle.
const retries = 3

// pause is how long to wait before the nth try: jittered, so that the clients of
// a server that comes back do not all arrive together.
func pause(n int) time.Duration {
	if n <= 1 {
		return 0
	}
	d := 50 * time.Millisecond << (2 * min(n-2, 5))
	return d/2 + rand.N(d)
}

// do runs an exchange on a session with w's folder selected. Where again is set
// and the connection is lost, it does so on a fresh one. ctx is begin's.
func (m *Mailbox) do(ctx context.Context, w want, again bool, talk func(*session) error) error {
	for try := 0; ; try++ {
		err, gone := m.exchange(ctx, w, talk)
		gone = gone || try > 0 && errors.Is(err, mailbox.ErrUnavailable)
		if err == nil || !gone || !again || try == retries || ctx.Err() != nil {
			return err
		}
		m.logf("connection lost, trying again", "error", err)
		if err := sleep(ctx, pause(try+1)); err != nil {
			return err
		}
	}
}

// exchange is one try of do; gone says that the connection was lost.
func (m *Mailbox) exchange(ctx context.Context, w want, talk func(*session) error) (err error, gone bool) {
	s, err := m.pool.get(ctx, w)
	if err != nil {
		return err, false
	}
	defer m.pool.put(s)
	err = s.run(ctx, func() error {
		if err := s.selectFolder(w); err != nil {
			return err
		}
		return talk(s)
	})
	return err, lost(s, err)
}

func sleep(ctx context.Context, d time.Duration) error {
	if d == 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return mailconn.ContextError(ctx)
	}
}

func (m *Mailbox) logf(msg string, args ...any) {
	if m.opts.Net.Logger != nil {
		m.opts.Net.Logger.Info("imap: "+msg, args...)
	}
}

// malformed reports whether err is about one response alone.
func malformed(err error) bool { return errors.Is(err, imapwire.ErrMalformed) }
