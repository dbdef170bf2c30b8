package postroom_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/postroom-go/postroom/imapsrc"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/maildir"
	"github.com/postroom-go/postroom/mailbox/mailtest"
	"github.com/postroom-go/postroom/mailbox/transfer"
	"github.com/postroom-go/postroom/popsrc"
)

// Read the newest messages of an inbox and name their attachments. It runs on a
// host of package mailtest; on a real account the options are nil.
func Example_readInbox() {
	host, err := mailtest.Start(nil)
	if err != nil {
		log.Fatal(err)
	}
	defer host.Close()
	host.AddUser("alice@example.com", "secret")
	if err := host.Deliver("alice@example.com", mailbox.Inbox, mailtest.BigMessage(1<<20), nil); err != nil {
		log.Fatal(err)
	}
	options := &imapsrc.Options{Net: access.Options{TLSConfig: host.ClientTLS()}}

	ctx := context.Background()
	auth := access.Password("alice@example.com", "secret", nil)
	mb, err := imapsrc.Dial(ctx, host.IMAPS, auth, options) // or popsrc.Dial
	if err != nil {
		log.Fatal(err)
	}
	defer mb.Close()

	for msg, err := range mb.List(ctx, mailbox.Inbox, &mailbox.ListOptions{Newest: 10}) {
		if err != nil {
			log.Fatal(err)
		}
		if e := msg.Envelope; e != nil { // nil if this account cannot tell
			fmt.Println(e.Subject)
		}
		attachments, err := mailbox.Attachments(ctx, mb, msg.ID)
		if err != nil {
			log.Fatal(err)
		}
		for _, part := range attachments {
			fmt.Println("  ", part.SafeName())
		}
	}
	// Output:
	// The big one
	//    huge.bin
	//    small.bin
}

// Download a POP3 account into a Maildir as a mail program does: what is new, and
// off the server once it is stored.
func Example_download() {
	host, err := mailtest.Start(nil)
	if err != nil {
		log.Fatal(err)
	}
	defer host.Close()
	host.AddUser("alice@example.com", "secret")
	if err := host.Deliver("alice@example.com", mailbox.Inbox, mailtest.BigMessage(1<<20), nil); err != nil {
		log.Fatal(err)
	}
	options := &popsrc.Options{Net: access.Options{TLSConfig: host.ClientTLS()}}
	dir, err := os.MkdirTemp("", "example-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	ctx := context.Background()
	auth := access.Password("alice@example.com", "secret", nil)
	src, err := popsrc.Dial(ctx, host.POP3S, auth, options) // or imapsrc.Dial
	if err != nil {
		log.Fatal(err)
	}
	defer src.Close()
	dst, err := maildir.Open(dir, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer dst.Close()

	remove := transfer.Remove{Stored: true} // the zero value deletes nothing
	report, err := transfer.Run(ctx, src, dst, &transfer.Options{Remove: remove})
	if err != nil {
		log.Fatal(err) // what was stored until then is stored; run it again
	}
	fmt.Println(report.Stored, "stored,", report.Deleted, "deleted at the server")
	// Output:
	// 1 stored, 1 deleted at the server
}
