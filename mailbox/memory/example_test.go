package memory_test

import (
	"context"
	"fmt"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/memory"
)

func Example() {
	ctx := context.Background()
	store := memory.NewStore()
	if err := store.Deliver("INBOX", []byte("From: bob@example.org\r\nSubject: Lunch?\r\n\r\nAt noon.\r\n"), nil); err != nil {
		fmt.Println(err)
		return
	}
	mb := memory.New(&memory.Options{Store: store})
	defer mb.Close()
	for m, err := range mb.List(ctx, mailbox.Inbox, nil) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(m.ID, m.Envelope.From[0].Address, m.Envelope.Subject)
	}
	// Output: INBOX:1:1 bob@example.org Lunch?
}

// Any capability can be switched off, to see what a program does without it.
func ExampleNew() {
	caps := memory.AllCaps()
	caps.Flags = false
	mb := memory.New(&memory.Options{Caps: &caps})
	defer mb.Close()
	seen := mailbox.FlagChange{Add: []mailbox.Flag{mailbox.FlagSeen}}
	fmt.Println(mailbox.SetFlags(context.Background(), mb, nil, seen, nil))
	// Output: set flags: this memory account has no flags: unsupported operation
}
