package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/postroom-go/postroom/examples/internal/account"
	"github.com/postroom-go/postroom/examples/internal/human"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/mailtest"
)

// dial opens one side of the tour and counts its wire.
func dial(ctx context.Context, name, url string, o account.Options) (*side, error) {
	s := &side{name: name, url: url, wire: &mailtest.CountingDialer{Dialer: o.Dialer}}
	o.Dialer, s.opts = s.wire, o
	var err error
	s.mb, err = account.Open(ctx, url, &o)
	return s, err
}

// lookAgain begins a new session where one shows the mailbox as it was at login
// (RFC 1939 section 8: POP3 locks the maildrop).
func (s *side) lookAgain(ctx context.Context) error {
	if !s.mb.Caps().Exclusive {
		return nil
	}
	if err := s.mb.Close(); err != nil {
		return err
	}
	mb, err := account.Open(ctx, s.url, &s.opts)
	if err == nil {
		s.mb = mb
	}
	return err
}

// showAccounts is the read-only tour of real accounts. Either URL may be empty.
func showAccounts(ctx context.Context, w io.Writer, imapURL, popURL string, o *account.Options) error {
	var sides []*side
	for _, a := range []struct{ name, url string }{{"IMAP", imapURL}, {"POP3", popURL}} {
		if a.url == "" {
			continue
		}
		s, err := dial(ctx, a.name, a.url, *o)
		if err != nil {
			return err
		}
		defer func() { _ = s.mb.Close() }()
		sides = append(sides, s)
	}
	step(w, 1, "The newest messages, by the same code")
	if err := showInboxes(ctx, w, sides); err != nil {
		return err
	}
	step(w, 2, "What each account can do")
	if err := showCaps(w, sides); err != nil {
		return err
	}
	step(w, 3, "One attachment")
	if !sides[0].mb.Caps().Structure {
		fmt.Fprintln(w, "   Only the IMAP account tells which messages have attachments without a download.")
		return nil
	}
	m, p, err := pickAttachment(ctx, sides[0].mb)
	if err != nil {
		return err
	}
	if p == nil {
		fmt.Fprintln(w, "   None of the newest messages has one.")
		return nil
	}
	fmt.Fprintf(w, "   part %s of a message of %s\n", p.ID, human.Size(m.Size))
	if err := showPart(ctx, w, sides, m.Envelope.MessageID, p); err != nil {
		return err
	}
	fmt.Fprintln(w, "\nNothing was changed. The tour deletes only on the host that it starts itself.")
	return nil
}

// pickAttachment looks through the newest messages for the largest one that has
// attachments, and gives the smallest of these; nil if there is none.
func pickAttachment(ctx context.Context, mb mailbox.Mailbox) (*mailbox.Summary, *mailbox.Part, error) {
	var message *mailbox.Summary
	var smallest *mailbox.Part
	newest := &mailbox.ListOptions{Newest: 50, Fields: mailbox.AllFields}
	for m, err := range mb.List(ctx, mailbox.Inbox, newest) {
		if err != nil {
			return nil, nil, err
		}
		all := m.Attachments()
		if len(all) == 0 || m.Envelope == nil || message != nil && m.Size <= message.Size {
			continue
		}
		message = m
		smallest = slices.MinFunc(all, func(a, b *mailbox.Part) int { return cmp.Compare(a.Size, b.Size) })
	}
	return message, smallest, nil
}
