package mailboxtest_test

import (
	"context"
	"fmt"

	"github.com/postroom-go/postroom/mailbox/mailboxtest"
	"github.com/postroom-go/postroom/mailbox/memory"
)

// Check tries an account without changing it.
func ExampleCheck() {
	store := memory.NewStore()
	raw := "From: ann@example.org\r\nSubject: Hello\r\n\r\nHello, Bob.\r\n"
	if err := store.Deliver("INBOX", []byte(raw), nil); err != nil {
		fmt.Println(err)
		return
	}
	mb := memory.New(&memory.Options{Store: store})
	defer mb.Close()

	if err := mailboxtest.Check(context.Background(), mb); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("this mailbox keeps the rules")
	// Output: this mailbox keeps the rules
}
