package popsrc_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"strings"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/mailtest"
	"github.com/postroom-go/postroom/popsrc"
)

// Download everything, then remove it from the server.
func Example() {
	host, err := mailtest.Start(nil) // in your program, this is your provider
	if err != nil {
		log.Fatal(err)
	}
	defer host.Close()
	host.AddUser("ann@example.org", "secret")
	for _, subject := range []string{"Hello", "Lunch?"} {
		raw := "From: bob@example.org\r\nSubject: " + subject + "\r\n\r\nHi Ann\r\n"
		if err := host.Deliver("ann@example.org", mailbox.Inbox, []byte(raw), nil); err != nil {
			log.Fatal(err)
		}
	}

	ctx := context.Background()
	auth := access.Password("ann@example.org", "secret", nil)
	mb, err := popsrc.Dial(ctx, host.POP3S, auth, &popsrc.Options{
		Net: access.Options{TLSConfig: host.ClientTLS()}, // the test host's own CA
	})
	if err != nil {
		log.Fatal(err)
	}
	defer mb.Close()

	var ids []mailbox.ID
	for s, err := range mb.List(ctx, mailbox.Inbox, nil) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(s.Envelope.From[0].Address, s.Envelope.Subject)
		ids = append(ids, s.ID)
	}
	for msg, err := range mailbox.Fetch(ctx, mb, ids, nil) {
		if err != nil {
			log.Fatal(err)
		}
		raw, err := io.ReadAll(msg.Body)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(strings.Count(string(raw), "\n"), "lines")
	}
	if err := mb.Delete(ctx, ids, nil); err != nil {
		log.Fatal(err)
	}
	left := 0
	for _, err := range mb.List(ctx, mailbox.Inbox, nil) {
		if err != nil {
			log.Fatal(err)
		}
		left++
	}
	fmt.Println(left, "left")
	// Output:
	// bob@example.org Hello
	// bob@example.org Lunch?
	// 4 lines
	// 4 lines
	// 0 left
}
