package maildir_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"strings"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/folders"
	"github.com/postroom-go/postroom/mailbox/maildir"
)

// Keep two messages in a folder, mark one as read, and list them.
func ExampleOpen() {
	dir, err := os.MkdirTemp("", "example-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	ctx := context.Background()
	mb, err := maildir.Open(dir, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer mb.Close()
	if err := folders.Create(ctx, mb, "Lists/Go", nil); err != nil {
		log.Fatal(err)
	}
	var ids []mailbox.ID
	for _, subject := range []string{"Hello", "World"} {
		message := strings.NewReader("Subject: " + subject + "\r\n\r\nHi.\r\n")
		id, err := mailbox.Append(ctx, mb, "Lists/Go", message, nil)
		if err != nil {
			log.Fatal(err)
		}
		ids = append(ids, id)
	}
	seen := mailbox.FlagChange{Add: []mailbox.Flag{mailbox.FlagSeen}}
	if err := mailbox.SetFlags(ctx, mb, ids[:1], seen, nil); err != nil {
		log.Fatal(err)
	}

	for msg, err := range mb.List(ctx, "Lists/Go", nil) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(msg.Envelope.Subject, msg.Size, msg.Flags)
	}
	// Output:
	// Hello 23 [\Seen]
	// World 23 []
}
