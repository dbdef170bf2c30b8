package mailconn

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/postroom-go/postroom/mailbox/access"
)

func TestAccount(t *testing.T) {
	auth := func(user string) access.Auth { return access.Password(user, "canary-5ecret", nil) }
	boss := access.Password("admin", "canary-5ecret", &access.AuthOptions{Identity: "bob"})
	for want, got := range map[string]string{
		"imap://ann@imap.example.org":                Account("imap", "IMAP.example.org:993", auth("ann")),
		"pop3://ann%40example.org@pop.example.org":   Account("pop3", "pop.example.org:995", auth("ann@example.org")),
		"imap://a%2Fb%3Ac%20%C3%A9@imap.example.org": Account("imap", "imap.example.org:143", auth("a/b:c é")),
		"imap://ann@[::1]":                           Account("imap", "[::1]:143", auth("ann")),
		"imap://bob@imap.example.org":                Account("imap", "imap.example.org:993", boss),
		"imap://imap.example.org":                    Account("imap", "imap.example.org:993", access.Auth{}),
	} {
		assert.Equal(t, want, got)
	}
}
