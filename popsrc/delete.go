package popsrc

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/postroom-go/postroom/internal/mailconn"
	"github.com/postroom-go/postroom/mailbox"
)

// maxBunch is how many DELE commands are sent ahead.
const maxBunch = 1000

// Delete removes messages: DELE for each, then QUIT, since POP3 deletes at the
// end of a session only (RFC 1939 section 6). The next call begins another one.
//
// Nil means that the server has answered QUIT. If it refuses a DELE, or the
// connection is lost before QUIT, nothing is deleted. If it refuses QUIT, or the
// answer is lost, the error is mailbox.ErrUnknownOutcome. Without UIDL, and for
// messages that share a UIDL with others, it is errors.ErrUnsupported. Messages
// that are gone already count as removed; to be sure of that, an older session
// is ended and another begun.
func (m *Mailbox) Delete(ctx context.Context, ids []mailbox.ID, _ *mailbox.DeleteOptions) error {
	if err := m.delete(ctx, ids); err != nil {
		var e *mailbox.Error
		if errors.As(err, &e) {
			return &mailbox.Error{Op: "delete", ID: e.ID, Err: e.Err}
		}
		return &mailbox.Error{Op: "delete", Folder: mailbox.Inbox, Err: err}
	}
	return nil
}

func (m *Mailbox) delete(ctx context.Context, ids []mailbox.ID) error {
	if err := m.alive(ctx); err != nil {
		return err
	}
	if !m.caps.Delete {
		return fmt.Errorf("this POP3 account has no UIDL: %w", errors.ErrUnsupported)
	}
	if len(ids) == 0 {
		return nil
	}
	ctx, done := m.join(ctx)
	defer done()
	if err := m.acquire(ctx); err != nil {
		return err
	}
	defer m.release()
	before := m.sess
	confirmed := false
	try := func(s *session) error {
		err := m.deleteIn(ctx, s, before, ids)
		confirmed = err == nil
		return err
	}
	err := m.once(ctx, try)
	if lost(err) && !errors.Is(err, mailbox.ErrUnknownOutcome) {
		// QUIT was not sent: nothing is deleted, and it can be done again.
		m.log(ctx, "POP3 session lost, deleting again", err)
		before = nil
		if err = pause(ctx, firstPause); err == nil {
			err = m.once(ctx, try)
		}
	}
	if confirmed {
		return nil // though ctx may have ended since
	}
	return err
}

// deleteIn deletes in one session. If that is the one of before, what it does
// not know may have come since it began, and another session must tell.
func (m *Mailbox) deleteIn(ctx context.Context, s, before *session, ids []mailbox.ID) error {
	if s == before && s.list.missesAny(ids) {
		var err error
		if s, err = m.renew(ctx); err != nil {
			return err
		}
		release := s.conn.Bind(ctx)
		defer func() { _ = release() }()
	}
	items, err := s.list.pick(ids)
	if err != nil {
		return err
	}
	for _, e := range items {
		if !e.stable {
			return &mailbox.Error{Op: "delete", ID: s.list.id(e), Err: fmt.Errorf(
				"the message has no UIDL of its own: %w", errors.ErrUnsupported)}
		}
	}
	if len(items) == 0 {
		return nil
	}
	if err := s.mark(items); err != nil {
		return s.takeBack(err)
	}
	if ctx.Err() != nil {
		return s.fail(mailconn.ContextError(ctx))
	}
	m.sess = nil
	if err := s.quit(); err != nil {
		return fmt.Errorf("%w: %w", mailbox.ErrUnknownOutcome, err)
	}
	return nil
}

// mark sends DELE for each message. All answers are read; the first refusal is
// the error.
func (s *session) mark(items []entry) error {
	bunch := 1
	if s.caps.has("PIPELINING") {
		bunch = maxBunch
	}
	var refused error
	for len(items) > 0 && refused == nil {
		n := min(bunch, len(items))
		var out []byte
		for _, e := range items[:n] {
			line := "DELE " + strconv.Itoa(e.num)
			s.conn.Trace(true, line)
			out = append(out, line+"\r\n"...)
		}
		s.push(out)
		for _, e := range items[:n] {
			_, err := s.reply("DELE")
			if _, ok := asReply(err); err != nil && !ok {
				return err
			}
			if err != nil && refused == nil {
				refused = &mailbox.Error{Op: "delete", ID: s.list.id(e), Err: err}
			}
		}
		items = items[n:]
	}
	return refused
}

// takeBack makes sure that nothing is deleted because of why: RSET unmarks all
// (RFC 1939 section 5); if that fails the session ends without QUIT, which
// deletes nothing either.
func (s *session) takeBack(why error) error {
	if s.broken() {
		return why
	}
	if err := s.command("RSET", ""); err != nil {
		s.conn.Break(why)
	}
	return why
}
