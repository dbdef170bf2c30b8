package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

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
	host, err := mailtest.Start(&mailtest.Options{Cert: mailtest.WebCertificate(imapName, popName, smtpName)})
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
	web := publish(host)
	defer web.Close()
	fmt.Fprintln(w, "A mail host runs in this process, one store behind IMAP, POP3 and SMTP, all over TLS.\n"+
		"Its domain is "+domain+", with a DNS and a web server that are in this process as well.")

	step(w, 1, "Add the account: "+user+" and a password")
	found, err := showAdd(ctx, w, web)
	if err != nil {
		return err
	}
	var sides []*side
	for i, name := range []string{"IMAP", "POP3"} {
		s, err := dial(ctx, name, urlOf(found.Incoming[i]), inWeb(web))
		if err != nil {
			return err
		}
		defer func() { _ = s.mb.Close() }()
		sides = append(sides, s)
	}

	step(w, 2, "The same inbox, by the same code")
	if err := showInboxes(ctx, w, sides); err != nil {
		return err
	}
	step(w, 3, "What each account can do")
	if err := showCaps(w, sides); err != nil {
		return err
	}
	step(w, 4, fmt.Sprintf("One small attachment of a message of %s", human.Size(int64(big))))
	m, p, err := pickAttachment(ctx, sides[0].mb)
	if err != nil {
		return err
	}
	if err := showPart(ctx, w, sides, m.Envelope.MessageID, p); err != nil {
		return err
	}
	step(w, 5, "Delete: nil means that the server has confirmed it")
	for _, s := range sides {
		if err := showDelete(ctx, w, s, sides); err != nil {
			return err
		}
	}
	step(w, 6, "Send: a receipt says what became of it, and the copy is filed")
	if err := showSend(ctx, w, urlOf(found.Outgoing[0]), inWeb(web), sides); err != nil {
		return err
	}
	step(w, 7, "Download: durable in a Maildir first, then off the server, each message once")
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
