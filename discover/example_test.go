package discover_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"

	"github.com/postroom-go/postroom/discover"
)

// A provider that is in the table needs no network.
func ExampleLookup() {
	r, err := discover.Lookup(context.Background(), "ann@icloud.com", nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(r.Provider)
	for _, s := range append(r.Incoming, r.Outgoing...) {
		fmt.Println(s, "as", s.User, "by", s.Auth)
	}
	for _, note := range r.Notes {
		fmt.Println(note)
	}
	// Output:
	// iCloud
	// imap imap.mail.me.com:993 TLS as ann by [app-password]
	// smtp smtp.mail.me.com:587 STARTTLS as ann@icloud.com by [app-password]
	// iCloud wants an app-specific password from https://account.apple.com.
	// iCloud has no POP3.
}

// An error says what the user can do.
func ExampleError() {
	_, err := discover.Lookup(context.Background(), "ann@tuta.com", nil)
	var e *discover.Error
	if errors.As(err, &e) {
		fmt.Println(errors.Is(err, discover.ErrProprietary))
		fmt.Println(e.Advice)
	}
	// Output:
	// true
	// Tuta has no servers for mail programs, and no bridge. Its own program is the only way.
}

// What was found is stored as JSON, and read back at the next start.
func ExampleServer() {
	r, err := discover.Lookup(context.Background(), "ann@mailbox.org", nil)
	if err != nil {
		log.Fatal(err)
	}
	stored, err := json.Marshal(r.Incoming[0])
	if err != nil {
		log.Fatal(err)
	}
	var s discover.Server
	if err := json.Unmarshal(stored, &s); err != nil {
		log.Fatal(err)
	}
	fmt.Println(s.Addr(), s.TLS, s.User)
	// Output: imap.mailbox.org:993 TLS ann@mailbox.org
}
