package transfer_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/maildir"
	"github.com/postroom-go/postroom/mailbox/mailtest"
	"github.com/postroom-go/postroom/mailbox/transfer"
	"github.com/postroom-go/postroom/popsrc"
)

// Download a POP3 account into a Maildir as a mail program does: what is new, and
// off the server once it is stored. A second run has nothing to do.
func ExampleRun() {
	host, err := mailtest.Start(nil)
	if err != nil {
		log.Fatal(err)
	}
	defer host.Close()
	host.AddUser("alice", "secret")
	for _, subject := range []string{"Hello", "World"} {
		if err := host.Deliver("alice", mailbox.Inbox, []byte("Subject: "+subject+"\r\n\r\nHi.\r\n"), nil); err != nil {
			log.Fatal(err)
		}
	}
	dir, err := os.MkdirTemp("", "example-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	ctx := context.Background()
	auth := access.Password("alice", "secret", nil)
	src, err := popsrc.Dial(ctx, host.POP3S, auth, &popsrc.Options{Net: access.Options{TLSConfig: host.ClientTLS()}})
	if err != nil {
		log.Fatal(err)
	}
	defer src.Close()
	dst, err := maildir.Open(dir, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer dst.Close()

	for range 2 {
		report, err := transfer.Run(ctx, src, dst, &transfer.Options{Remove: transfer.Remove{Stored: true}})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(report.Stored, "stored,", report.Deleted, "deleted")
	}
	for msg, err := range dst.List(ctx, mailbox.Inbox, nil) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(msg.Envelope.Subject)
	}
	// Output:
	// 2 stored, 2 deleted
	// 0 stored, 0 deleted
	// Hello
	// World
}
