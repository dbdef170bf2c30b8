package main

import (
	"context"
	"fmt"
	"io"
	"net/mail"

	"github.com/postroom-go/postroom/examples/internal/account"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/smtpsink"
	"github.com/postroom-go/postroom/smtpsink/compose"
	"github.com/postroom-go/postroom/smtpsink/sent"
)

// showSend composes a message, sends it over SMTP with its copy filed on the
// first side, and sees it arrive on all sides.
func showSend(ctx context.Context, w io.Writer, server string, o account.Options, sides []*side) error {
	sink, err := account.OpenSink(ctx, server, &o, smtpsink.Options{})
	if err != nil {
		return err
	}
	defer sink.Close()
	m := &compose.Message{
		From:    []mail.Address{{Name: "Alice", Address: user}},
		To:      []mail.Address{{Name: "Älice herself", Address: user}},
		Bcc:     []mail.Address{{Address: user}},
		Subject: "Grüße from the tour",
		Text:    "Sent by the code of step 6.\n",
		Attachments: []compose.Attachment{
			{Name: "übersicht.csv", Data: []byte("protocol,port\nIMAP,993\nPOP3,995\nSMTP,465\n")},
		},
	}
	p, err := m.Prepare(ctx)
	if err != nil {
		return err
	}
	defer p.Close()
	r, err := sent.Send(ctx, sink, sides[0].mb, p, nil)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "   over SMTP: %v as %s; the copy: %v in %s.\n", r.Receipt.Outcome, r.Receipt.QueueID, r.Copy.State, r.Copy.Folder)
	for _, s := range sides {
		if err := s.lookAgain(ctx); err != nil {
			return err
		}
		id, err := find(ctx, s.mb, p.MessageID())
		if err != nil {
			return fmt.Errorf("the message did not arrive over %s: %w", s.name, err)
		}
		parts, err := mailbox.Attachments(ctx, s.mb, id)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "   over %s it is %s, with %d attachment: %s\n", s.name, id, len(parts), parts[0].SafeName())
	}
	return nil
}
