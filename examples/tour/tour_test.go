package main

import (
	"bytes"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/mailtest"
)

func TestLocalTour(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, showLocal(t.Context(), &out, 2<<20))
	t.Log(out.String())
	for _, want := range []string{
		"1. Add the account", "imap.example.com:993", "from autoconfig", "2. The same inbox", "3. What each account can do",
		"4. One small attachment", "5. Delete",
		"IMAP has 7. POP3 has 7.", "IMAP has 6. POP3 has 6.", "the octets are the same",
		"6. Send", "over SMTP: accepted as ", "the copy: filed in Sent.", "over IMAP it is INBOX:", "with 1 attachment: übersicht.csv",
		"7. Download", "7 messages stored, 2.0 MiB, and 7 deleted. IMAP has 0. POP3 has 0.",
		"over POP3 again: 0 messages stored, 0 B, and 0 deleted. IMAP has 0. POP3 has 0.", "over the Maildir",
	} {
		assert.Contains(t, out.String(), want)
	}
	assert.NotContains(t, out.String(), password)
}

// TestAccountsTour runs the read-only tour on URLs, and sees that it changes
// nothing.
func TestAccountsTour(t *testing.T) {
	host := mailtest.New(t, nil)
	require.NoError(t, fill(host, 2<<20))
	ca, err := host.CAFile(t.TempDir())
	require.NoError(t, err)
	t.Setenv("POSTROOM_PASSWORD", password)
	imap := url.URL{Scheme: "imaps", Host: host.IMAPS, User: url.User(user)}
	pop := url.URL{Scheme: "pops", Host: host.POP3S, User: url.User(user)}
	before, err := host.Messages(user, mailbox.Inbox)
	require.NoError(t, err)

	for name, args := range map[string][]string{
		"both": {"--ca", ca, "--imap", imap.String(), "--pop", pop.String()},
		"imap": {"--ca", ca, "--imap", imap.String()},
		"pop":  {"--ca", ca, "--pop", pop.String()},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			require.NoError(t, run(t.Context(), &out, args))
			assert.Contains(t, out.String(), "3. One attachment")
			assert.NotContains(t, out.String(), password)
		})
	}
	after, err := host.Messages(user, mailbox.Inbox)
	require.NoError(t, err)
	assert.Equal(t, before, after)
}

func TestTourWantsPassword(t *testing.T) {
	t.Setenv("POSTROOM_PASSWORD", "")
	assert.ErrorContains(t, run(t.Context(), &bytes.Buffer{}, []string{"--imap", "imaps://a@127.0.0.1:1"}), "POSTROOM_PASSWORD")
}
