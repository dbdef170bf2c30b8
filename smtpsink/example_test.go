package smtpsink_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"strings"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/mailtest"
	"github.com/postroom-go/postroom/smtpsink"
)

const message = "From: ann@example.org\r\nTo: bob@example.org\r\nSubject: Lunch?\r\n\r\nAt noon.\r\n"

// start is your provider, in your program.
func start() *mailtest.Host {
	host, err := mailtest.Start(nil)
	if err != nil {
		log.Fatal(err)
	}
	for _, user := range []string{"ann@example.org", "bob@example.org"} {
		host.AddUser(user, "secret")
	}
	return host
}

func Example() {
	host := start()
	defer host.Close()

	ctx := context.Background()
	auth := access.Password("ann@example.org", "secret", nil)
	sink, err := smtpsink.Dial(ctx, host.SMTPS, auth, &smtpsink.Options{
		Net: access.Options{TLSConfig: host.ClientTLS()}, // the test host's own CA
	})
	if err != nil {
		log.Fatal(err)
	}
	defer sink.Close()

	receipt, err := sink.Send(ctx, &smtpsink.Envelope{
		From: "ann@example.org", To: []string{"bob@example.org"},
	}, strings.NewReader(message), nil)
	switch {
	case errors.Is(err, mailbox.ErrUnknownOutcome):
		log.Fatal("it may have been sent; look before sending it again")
	case err != nil:
		log.Fatal(err)
	}
	fmt.Println(receipt.Outcome, receipt.QueueID != "")
	// Output:
	// accepted true
}

func ExampleSink_SendAll() {
	host := start()
	defer host.Close()
	ctx := context.Background()
	auth := access.Password("ann@example.org", "secret", nil)
	sink, err := smtpsink.Dial(ctx, host.SMTP, auth, &smtpsink.Options{
		Net: access.Options{TLS: access.TLSStart, TLSConfig: host.ClientTLS()},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer sink.Close()

	letters := func(yield func(*smtpsink.Message) bool) {
		for _, to := range []string{"bob@example.org", "nobody@example.org", "ann@example.org"} {
			m := &smtpsink.Message{
				Envelope: &smtpsink.Envelope{From: "ann@example.org", To: []string{to}},
				Body:     strings.NewReader("To: " + to + "\r\nSubject: News\r\n\r\nHello.\r\n"),
				Tag:      to,
			}
			if !yield(m) {
				return
			}
		}
	}
	for r, err := range sink.SendAll(ctx, letters) {
		if err != nil {
			log.Fatal(err) // the rest was not sent
		}
		fmt.Println(r.Message.Tag, r.Receipt.Outcome, errors.Is(r.Err, mailbox.ErrNotFound))
	}
	// Output:
	// bob@example.org accepted false
	// nobody@example.org rejected true
	// ann@example.org accepted false
}

// Without Partial a message goes to all of its recipients, or to nobody.
func ExampleSendOptions_partial() {
	host := start()
	defer host.Close()
	ctx := context.Background()
	auth := access.Password("ann@example.org", "secret", nil)
	sink, err := smtpsink.Dial(ctx, host.SMTPS, auth, &smtpsink.Options{
		Net: access.Options{TLSConfig: host.ClientTLS()},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer sink.Close()

	env := &smtpsink.Envelope{From: "ann@example.org", To: []string{"bob@example.org", "nobody@example.org"}}
	_, err = sink.Send(ctx, env, strings.NewReader(message), nil)
	fmt.Println(errors.Is(err, mailbox.ErrNotFound), len(host.Submissions()))

	receipt, err := sink.Send(ctx, env, strings.NewReader(message), &smtpsink.SendOptions{Partial: true})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(receipt.Outcome, len(host.Submissions()))
	for _, rcpt := range receipt.Refused() {
		fmt.Println(rcpt.Address, rcpt.Reply.Enhanced)
	}
	// Output:
	// true 0
	// accepted 1
	// nobody@example.org 5.1.1
}
