package main

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"

	"github.com/postroom-go/postroom/examples/internal/account"
	"github.com/postroom-go/postroom/examples/internal/human"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/mailtest"
)

const (
	user, password = "alice@example.com", "correct horse"
	bigMessage     = 25 << 20 // octets
)

// showLocal is the tour of a mail host that it starts itself. big is the size of
// the large message.
func showLocal(ctx context.Context, w io.Writer, big int) error {
	host, err := mailtest.Start(nil)
	if err != nil {
		return err
	}
	defer host.Close()
	if err := fill(host, big); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "postroom-tour-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	ca, err := host.CAFile(dir)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "A mail host runs in this process, one store behind three protocols, all over TLS:\n"+
		"IMAP at %s, POP3 at %s, SMTP at %s.\n", host.IMAPS, host.POP3S, host.SMTPS)

	o := account.Options{CAFile: ca, Password: func(_, _ string) (string, error) { return password, nil }}
	var sides []*side
	for _, a := range []struct{ name, scheme, addr string }{{"IMAP", "imaps", host.IMAPS}, {"POP3", "pops", host.POP3S}} {
		u := url.URL{Scheme: a.scheme, Host: a.addr, User: url.User(user)}
		s, err := dial(ctx, a.name, u.String(), o)
		if err != nil {
			return err
		}
		defer func() { _ = s.mb.Close() }()
		sides = append(sides, s)
	}

	step(w, 1, "The same inbox, by the same code")
	if err := showInboxes(ctx, w, sides); err != nil {
		return err
	}
	step(w, 2, "What each account can do")
	if err := showCaps(w, sides); err != nil {
		return err
	}
	step(w, 3, fmt.Sprintf("One small attachment of a message of %s", human.Size(int64(big))))
	m, p, err := pickAttachment(ctx, sides[0].mb)
	if err != nil {
		return err
	}
	if err := showPart(ctx, w, sides, m.Envelope.MessageID, p); err != nil {
		return err
	}
	step(w, 4, "Delete: nil means that the server has confirmed it")
	for _, s := range sides {
		if err := showDelete(ctx, w, s, sides); err != nil {
			return err
		}
	}
	step(w, 5, "Download: durable in a Maildir first, then off the server, each message once")
	return showDownload(ctx, w, sides[1], filepath.Join(dir, "Maildir"), sides)
}

// fill gives the user a few messages of everyday kinds, and one that is large.
func fill(host *mailtest.Host, big int) error {
	host.AddUser(user, password)
	for _, s := range mailtest.Corpus()[:7] {
		if err := host.Deliver(user, mailbox.Inbox, s.Raw, nil); err != nil {
			return err
		}
	}
	return host.Deliver(user, mailbox.Inbox, mailtest.BigMessage(big), nil)
}

// showDelete deletes the oldest message on one side and counts on all.
func showDelete(ctx context.Context, w io.Writer, s *side, sides []*side) error {
	var oldest mailbox.ID
	for m, err := range s.mb.List(ctx, mailbox.Inbox, &mailbox.ListOptions{Fields: mailbox.FieldsNone}) {
		if err != nil {
			return err
		}
		oldest = m.ID
		break
	}
	if err := s.mb.Delete(ctx, []mailbox.ID{oldest}, nil); err != nil {
		return err
	}
	fmt.Fprintf(w, "   over %s %s is gone.", s.name, oldest)
	return showCounts(ctx, w, sides)
}
