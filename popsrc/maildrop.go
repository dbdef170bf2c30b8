package popsrc

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/postroom-go/postroom/mailbox"
)

// readMaildrop reads, after the login, what the server can do and what the
// maildrop holds: in one flight if it can do PIPELINING.
func (s *session) readMaildrop() error {
	before := s.caps
	ahead := before.has("PIPELINING")
	first := "CAPA\r\n"
	if ahead {
		first += "UIDL\r\nLIST\r\n"
	}
	if err := s.send(first); err != nil {
		return err
	}
	if err := s.readCaps(); err != nil {
		return err
	}
	if s.caps == nil {
		s.caps = before
	}
	return s.readListing(ahead)
}

// readListing is UIDL and LIST; sent says that they were sent already. UIDL is
// tried whatever CAPA says: both kinds of wrong answer are about.
func (s *session) readListing(sent bool) error {
	if !sent && s.caps.has("PIPELINING") {
		sent = true
		if err := s.send("UIDL\r\nLIST\r\n"); err != nil {
			return err
		}
	}
	ask := func(command string, add func([]byte)) error {
		if !sent {
			if err := s.send(command + "\r\n"); err != nil {
				return err
			}
		}
		return s.lines(command, s.lim.listLines, add)
	}
	s.began = time.Now()
	var uidls uidlParser
	var sizes sizeParser
	uidlErr := ask("UIDL", uidls.add)
	if uidlErr != nil && !permanent(uidlErr) {
		return uidlErr
	}
	listErr := ask("LIST", sizes.add)
	if listErr != nil && (uidlErr != nil || !permanent(listErr)) {
		return listErr
	}
	s.list = makeListing(uidls.entries(), sizes.all, uidlErr == nil)
	return nil
}

// permanent tells a server that does not have a command from one that is in
// trouble just now, and from a connection that is lost.
func permanent(err error) bool {
	_, refused := asReply(err)
	return refused && !errors.Is(err, mailbox.ErrUnavailable)
}

// hasTOP believes CAPA. Servers without CAPA have TOP nearly always; the first
// message will tell.
func (s *session) hasTOP() (bool, error) {
	if s.caps != nil {
		return s.caps.has("TOP"), nil
	}
	if len(s.list.entries) == 0 {
		return true, nil
	}
	e := s.list.entries[0]
	err := s.command("TOP", strconv.Itoa(e.num)+" 0")
	if _, refused := asReply(err); refused {
		return false, nil
	}
	if err == nil {
		err = s.fail(s.rd.body(s.lim.most(e.size), func([]byte) error { return nil }))
	}
	return err == nil, err
}

// snapshot gives what the maildrop holds. If fresh is set it is no older than
// Options.Refresh.
func (m *Mailbox) snapshot(ctx context.Context, fresh bool) (l *listing, err error) {
	err = m.use(ctx, true, func(s *session) error {
		if fresh && m.outdated(s) {
			var err error
			if s, err = m.renew(ctx); err != nil {
				return err
			}
		}
		l = s.list
		return nil
	})
	return l, err
}

func (m *Mailbox) outdated(s *session) bool {
	age := time.Since(s.began)
	return m.opts.Refresh > 0 && age > m.opts.Refresh && age > s.caps.loginDelay()
}

// resolve gives the messages of ids, each once and in the maildrop's order, and
// the listing that they are of. Those that are gone are left out. A stale ID is
// mailbox.ErrStale.
func (m *Mailbox) resolve(ctx context.Context, ids []mailbox.ID) (*listing, []entry, error) {
	var l *listing
	var all []entry
	err := m.use(ctx, true, func(s *session) error {
		var err error
		if l = s.list; m.outdated(s) && l.missesAny(ids) {
			if s, err = m.renew(ctx); err != nil {
				return err
			}
			l = s.list
		}
		all, err = l.pick(ids)
		return err
	})
	return l, all, err
}

// missesAny reports whether one of ids may be younger than the listing.
func (l *listing) missesAny(ids []mailbox.ID) bool {
	for _, id := range ids {
		if _, err := l.find(id); errors.Is(err, mailbox.ErrNotFound) {
			return true
		}
	}
	return false
}

// pick gives the messages of ids, each once and in the maildrop's order.
func (l *listing) pick(ids []mailbox.ID) ([]entry, error) {
	all := make([]entry, 0, min(len(ids), len(l.entries)))
	for _, id := range ids {
		e, err := l.find(id)
		if err == nil && id.Folder() == mailbox.Inbox {
			all = append(all, e)
		} else if !errors.Is(err, mailbox.ErrNotFound) {
			return nil, &mailbox.Error{Op: "find", ID: id, Err: err}
		}
	}
	return inOrder(all), nil
}
