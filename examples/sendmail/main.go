// Command sendmail sends what it reads from standard input as the text of a
// message.
//
//	echo Hello. | PASSWORD=... go run ./examples/sendmail smtp.example.com:465 alice@example.com bob@example.net "A greeting"
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/mail"
	"os"
	"os/signal"

	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/smtpsink"
	"github.com/postroom-go/postroom/smtpsink/compose"
)

func main() {
	if len(os.Args) != 5 {
		log.Fatal("usage: sendmail HOST:PORT FROM TO SUBJECT, the text on standard input and the password in PASSWORD")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal kills, as where nothing comes from standard input
	auth := access.Password(os.Args[2], os.Getenv("PASSWORD"), nil)
	if err := send(ctx, os.Stdout, os.Stdin, os.Args[1], auth, nil, os.Args[2], os.Args[3], os.Args[4]); err != nil {
		log.Fatal(err)
	}
}

// send is the whole program.
func send(ctx context.Context, w io.Writer, text io.Reader, addr string, auth access.Auth, opts *smtpsink.Options, from, to, subject string) error {
	body, err := io.ReadAll(text)
	if err != nil {
		return err
	}
	m := &compose.Message{From: []mail.Address{{Address: from}}, To: []mail.Address{{Address: to}}, Subject: subject, Text: string(body)}
	p, err := m.Prepare(ctx)
	if err != nil {
		return err
	}
	defer p.Close()
	sink, err := smtpsink.Dial(ctx, addr, auth, opts)
	if err != nil {
		return err
	}
	defer sink.Close()

	raw, err := p.Open(ctx)
	if err != nil {
		return err
	}
	defer raw.Close()
	receipt, err := sink.Send(ctx, p.Envelope(), raw, nil)
	fmt.Fprintf(w, "%s: %s %s\n", p.MessageID(), receipt.Outcome, receipt.QueueID)
	return err
}
