package imapsrc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/emersion/go-imap/v2/imapclient"

	"github.com/postroom-go/postroom/internal/imapwire"
	"github.com/postroom-go/postroom/internal/mailconn"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
)

// session is one connection that is logged in. One call uses it at a time.
type session struct {
	m       *Mailbox
	net     *mailconn.Conn
	wire    *imapwire.Conn
	client  *imapclient.Client
	offered capSet        // before login
	caps    capSet        // since the login
	ready   bool          // logged in by PREAUTH
	used    time.Time     // when it was last
	asked   chan struct{} // somebody waits for a session

	sel  selection
	pace pace // of Fetch

	// What is said on the way is noted by whoever reads, perhaps the engine.
	bye      atomic.Pointer[imapwire.Status] // when it hung up
	tagged   atomic.Pointer[imapwire.Status] // the answer to the login
	expunged atomic.Int32                    // EXPUNGE responses since the selection
}

// selection is what the server said of the folder that is selected.
type selection struct {
	folder   string // "" when none is
	writable bool
	epoch    uint32
	exists   uint32
	uidNext  uint32
	perm     []mailbox.Flag
	anyFlag  bool // PERMANENTFLAGS has \*, or was not sent
}

// newWire puts the guard over the connection as it is now.
func (s *session) newWire() {
	s.wire = imapwire.New(keeper{s.net}, &imapwire.Options{
		Limits:   s.m.opts.limits,
		OnStatus: s.onStatus,
		OnUpdate: s.onUpdate,
		Trace:    s.trace(),
	})
}

// keeper notes why the connection broke before the guard closes it.
type keeper struct{ *mailconn.Conn }

func (k keeper) Read(p []byte) (int, error) {
	n, err := k.Conn.Read(p)
	if err != nil {
		err = k.Fail(err)
	}
	return n, err
}

func (k keeper) Write(p []byte) (int, error) {
	n, err := k.Conn.Write(p)
	if err != nil {
		err = k.Fail(err)
	}
	return n, err
}

func (s *session) trace() func(bool, string) {
	if !s.net.Tracing() {
		return nil
	}
	return func(sent bool, line string) {
		if !sent {
			line = s.m.secrets.Redact(line)
		}
		s.net.Trace(sent, line)
	}
}

func (s *session) onStatus(st imapwire.Status) {
	st.Text = s.m.secrets.Redact(st.Text)
	switch {
	case s.m.opts.Net.TLS == access.TLSStart && !s.net.Secure():
		// Anybody may have said that.
	case st.Tag != "" && st.Tag != "*":
		s.tagged.CompareAndSwap(nil, &st)
	case st.Kind == "BYE":
		s.bye.Store(&st)
	case st.Code == "ALERT":
		s.m.logf("server alert", "text", mailconn.ServerText(st.Text))
	}
}

func (s *session) onUpdate(name string, _ uint32) {
	if name == "EXPUNGE" || name == "VANISHED" {
		s.expunged.Add(1)
	}
}

// run does an exchange that the end of ctx cuts, and gives errors their
// meaning.
func (s *session) run(ctx context.Context, exchange func() error) error {
	if ctx.Err() != nil {
		return mailconn.ContextError(ctx)
	}
	release, wire := s.net.Bind(ctx), s.wire
	stop := context.AfterFunc(ctx, func() { // whoever waits without reading is not woken by Bind
		s.net.Break(mailconn.ContextError(ctx))
		wire.Break(mailconn.ContextError(ctx))
	})
	defer stop()
	err := s.reason(exchange(), phaseOther)
	s.used = time.Now()
	if cut := release(); cut != nil {
		return cut
	}
	return err
}

// reason makes an error of ours out of what an exchange failed with. A status is
// a refusal and the session goes on; an error that has broken the connection is
// the first reason for that, or what the server said when it hung up.
func (s *session) reason(err error, ph phase) error {
	var status *imapwire.Status
	var refused *StatusError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refused):
		return err
	case errors.As(err, &status):
		return s.refusal(status.Kind, status.Code, status.Text, ph)
	case malformed(err):
		return fmt.Errorf("%w: %w", mailbox.ErrProtocol, err)
	case s.broken() == nil:
		return err
	}
	why := s.broken()
	if bye := s.bye.Load(); bye != nil && (errors.Is(why, io.ErrUnexpectedEOF) || errors.Is(why, io.EOF)) {
		return s.refusal("BYE", bye.Code, bye.Text, ph)
	}
	return why
}

// broken is why the session cannot be used any more; nil if it can.
func (s *session) broken() error {
	if err := s.wire.Err(); err != nil {
		return err
	}
	return s.net.Err()
}

// drop ends the session without a farewell, and wakes all who wait for it: the
// engine's reader is one.
func (s *session) drop(why error) {
	s.net.Break(why)
	s.wire.Break(why)
}

// midst reports whether commands were sent whose answers nobody has read: then
// the session is of no use to others, who would have to read them first.
func (s *session) midst() bool { return s.wire.Outstanding() > 0 }

// fits says how well the session serves w: 2 as it is, 1 with no folder
// selected, 0 with another.
func (s *session) fits(w want) int {
	switch {
	case w.folder == "" && s.sel.folder == "", w.folder != "" && s.sel.folder == w.folder && (s.sel.writable || !w.write):
		return 2
	case s.sel.folder == "":
		return 1
	}
	return 0
}

// command runs one command and skips its answers.
func (s *session) command(name string, args ...imapwire.Arg) (*imapwire.Status, error) {
	cmd, err := s.wire.Start(name, args...)
	if err != nil {
		return nil, err
	}
	return cmd.Wait()
}

// logout says goodbye and closes, until ctx ends. It does not wait for the
// answer: nothing is under way that it could be about, and it would cost a round
// trip.
func (s *session) logout(ctx context.Context) {
	release := s.net.Bind(ctx)
	if _, err := s.wire.Start("LOGOUT"); err == nil {
		_ = s.wire.Flush()
	}
	_ = s.wire.Close() // over TLS this says goodbye, too
	_ = release()
}
