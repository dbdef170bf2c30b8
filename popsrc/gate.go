package popsrc

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"time"

	"github.com/postroom-go/postroom/internal/mailconn"
	"github.com/postroom-go/postroom/mailbox"
)

const (
	// A session that was silent for maxSilence is asked whether it is still
	// there, and given probeTimeout to say so.
	maxSilence   = time.Minute
	probeTimeout = 5 * time.Second

	// After a lost session the server may still hold its lock: logging in is
	// tried so often, with growing pauses from firstPause on.
	loginTries = 4
	firstPause = 100 * time.Millisecond
)

// join is ctx, ended also by Close. Call done at the end.
func (m *Mailbox) join(ctx context.Context) (joined context.Context, done func()) {
	joined, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(m.ctx, func() { cancel(mailbox.ErrClosed) })
	return joined, func() {
		stop()
		cancel(nil)
	}
}

// acquire waits for the gate. Whoever holds it is asked to hurry.
func (m *Mailbox) acquire(ctx context.Context) error {
	if ctx.Err() != nil {
		return mailconn.ContextError(ctx)
	}
	select {
	case m.gate <- struct{}{}:
		return nil
	default:
	}
	m.waiting.Add(1)
	defer m.waiting.Add(-1)
	if st := m.holder.Load(); st != nil {
		st.spill()
	}
	select {
	case m.gate <- struct{}{}:
		return nil
	case <-ctx.Done():
		return mailconn.ContextError(ctx)
	}
}

func (m *Mailbox) release() { <-m.gate }

// use runs f alone on a live session, and again on another one if the first is
// lost and again is set. ctx cuts it short.
func (m *Mailbox) use(ctx context.Context, again bool, f func(s *session) error) error {
	ctx, done := m.join(ctx)
	defer done()
	if err := m.acquire(ctx); err != nil {
		return err
	}
	defer m.release()
	err := m.once(ctx, f)
	if again && lost(err) {
		m.log(ctx, "POP3 session lost, trying again", err)
		if err = pause(ctx, firstPause); err == nil {
			err = m.once(ctx, f)
		}
	}
	return err
}

// once runs f on a live session. The caller holds the gate.
func (m *Mailbox) once(ctx context.Context, f func(s *session) error) error {
	s, err := m.session(ctx)
	if err != nil {
		return err
	}
	release := s.conn.Bind(ctx)
	err = f(s)
	if cut := release(); cut != nil && err == nil {
		err = cut
	}
	return err
}

// lost tells whether a session was lost on the way, so that another may do
// better.
func lost(err error) bool {
	if _, refused := asReply(err); refused || err == nil {
		return false
	}
	return errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, mailbox.ErrUnavailable)
}

// session gives a session that is alive as far as one can know. The caller holds
// the gate.
func (m *Mailbox) session(ctx context.Context) (*session, error) {
	if m.sess != nil && !m.sess.broken() && time.Since(m.sess.used) > maxSilence {
		m.probe(ctx)
	}
	if m.sess != nil && !m.sess.broken() {
		return m.sess, nil
	}
	return m.reconnect(ctx)
}

// probe breaks a session that does not answer.
func (m *Mailbox) probe(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	release := m.sess.conn.Bind(ctx)
	_ = m.sess.command("NOOP", "")
	_ = release()
}

// reconnect begins another session. A maildrop that is still locked, by our own
// last session perhaps, is tried a few times; a password that was refused never
// again: that is how accounts get locked.
func (m *Mailbox) reconnect(ctx context.Context) (*session, error) {
	m.sess = nil
	if m.denied != nil {
		return nil, m.denied
	}
	wait := firstPause
	for try := 1; ; try++ {
		s, err := m.dialSession(ctx)
		if err == nil {
			m.sess = s
			return s, nil
		}
		if errors.Is(err, mailbox.ErrAuth) && m.auth.TokenSource() == nil {
			m.denied = err
		}
		if !errors.Is(err, mailbox.ErrBusy) || try == loginTries {
			return nil, err
		}
		m.log(ctx, "POP3 maildrop is locked, trying again", err)
		if err := pause(ctx, wait); err != nil {
			return nil, err
		}
		wait *= 2
	}
}

// renew ends the session in good order and begins another. The caller holds the
// gate.
func (m *Mailbox) renew(ctx context.Context) (*session, error) {
	quitting, cancel := context.WithTimeout(ctx, probeTimeout)
	m.hangUp(quitting, true)
	cancel()
	return m.reconnect(ctx)
}

// pause waits for about d: between a half and one and a half of it.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d/2 + rand.N(d))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return mailconn.ContextError(ctx)
	}
}

func (m *Mailbox) log(ctx context.Context, msg string, err error) {
	if l := m.opts.Net.Logger; l != nil {
		l.WarnContext(ctx, msg, "server", m.addr, "error", err)
	}
}
