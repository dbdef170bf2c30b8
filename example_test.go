package postroom_test

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/mail"
	"os"
	"strconv"
	"testing/fstest"

	"github.com/postroom-go/postroom"
	"github.com/postroom-go/postroom/discover"
	"github.com/postroom-go/postroom/imapsrc"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/maildir"
	"github.com/postroom-go/postroom/mailbox/mailtest"
	"github.com/postroom-go/postroom/mailbox/transfer"
	"github.com/postroom-go/postroom/popsrc"
	"github.com/postroom-go/postroom/smtpsink"
	"github.com/postroom-go/postroom/smtpsink/compose"
	"github.com/postroom-go/postroom/smtpsink/sent"
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

// Compose a message, send it, and keep a copy in the account's Sent folder.
func Example_send() {
	host, err := mailtest.Start(nil)
	if err != nil {
		log.Fatal(err)
	}
	defer host.Close()
	host.AddUser("alice@example.com", "secret")
	host.AddUser("bob@example.com", "secret")
	network := access.Options{TLSConfig: host.ClientTLS()}

	ctx := context.Background()
	auth := access.Password("alice@example.com", "secret", nil)
	mb, err := imapsrc.Dial(ctx, host.IMAPS, auth, &imapsrc.Options{Net: network})
	if err != nil {
		log.Fatal(err)
	}
	defer mb.Close()
	sink, err := smtpsink.Dial(ctx, host.SMTPS, auth, &smtpsink.Options{Net: network})
	if err != nil {
		log.Fatal(err)
	}
	defer sink.Close()

	files := fstest.MapFS{"march.csv": {Data: []byte("day,number\n1,17\n")}} // or os.DirFS
	message := &compose.Message{
		From:        []mail.Address{{Name: "Alice", Address: "alice@example.com"}},
		To:          []mail.Address{{Address: "bob@example.com"}},
		Subject:     "Zahlen für März",
		Text:        "See the table.\n",
		Attachments: []compose.Attachment{compose.FileAttachment(files, "march.csv")},
	}
	p, err := message.Prepare(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	result, err := sent.Send(ctx, sink, mb, p, nil)
	if err != nil {
		log.Fatal(err) // sent.ErrNotFiled: it is sent, and its copy is not kept
	}
	fmt.Println(result.Receipt.Outcome)
	fmt.Println("the copy:", result.Copy.State, "in", result.Copy.Folder)
	// Output:
	// accepted
	// the copy: filed in Sent
}

// Open an account whose servers the user has read off the provider's page. With
// nil options they are looked up.
func Example_open() {
	host, err := mailtest.Start(nil)
	if err != nil {
		log.Fatal(err)
	}
	defer host.Close()
	host.AddUser("alice@example.com", "secret")
	server := func(p discover.Protocol, addr string) discover.Server {
		name, port, _ := net.SplitHostPort(addr)
		n, _ := strconv.Atoi(port)
		return discover.Server{Protocol: p, Host: name, Port: n}
	}

	ctx := context.Background()
	account, err := postroom.Open(ctx, "alice@example.com", access.Password("", "secret", nil), &postroom.Options{
		Incoming: []discover.Server{server(discover.IMAP, host.IMAPS), server(discover.POP3, host.POP3S)},
		Outgoing: []discover.Server{server(discover.SMTP, host.SMTPS)},
		Net:      access.Options{TLSConfig: host.ClientTLS()},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer account.Close()
	to := []mail.Address{{Name: "Alice", Address: "alice@example.com"}}
	if _, err := account.Send(ctx, &compose.Message{To: to, Subject: "To myself", Text: "Hello.\n"}, nil); err != nil {
		log.Fatal(err)
	}
	for m, err := range account.Mailbox.List(ctx, mailbox.Inbox, nil) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(m.Envelope.Subject)
	}
	// Output:
	// To myself
}
