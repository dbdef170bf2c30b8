package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/maildir"
	"github.com/postroom-go/postroom/mailbox/mailtest"
	"github.com/postroom-go/postroom/popsrc"
)

const user, secret = "alice@example.com", "canary-5ecret"

func message(n int) []byte {
	return fmt.Appendf(nil, "Subject: note %d\r\nMessage-ID: <note%d@example.com>\r\n\r\nNumber %d.\r\n", n, n, n)
}

// run calls the program and gives its lines.
func run(t *testing.T, host *mailtest.Host, dir string, keep int) []string {
	t.Helper()
	var out bytes.Buffer
	opts := &popsrc.Options{Net: access.Options{TLSConfig: host.ClientTLS()}}
	require.NoError(t, download(t.Context(), &out, host.POP3S, access.Password(user, secret, nil), opts, dir, keep))
	assert.NotContains(t, out.String(), secret)
	return strings.Split(strings.TrimSpace(out.String()), "\n")
}

func atServer(t *testing.T, host *mailtest.Host) int {
	t.Helper()
	all, err := host.Messages(user, mailbox.Inbox)
	require.NoError(t, err)
	return len(all)
}

func stored(t *testing.T, dir string) (n int) {
	t.Helper()
	mb, err := maildir.Open(dir, nil)
	require.NoError(t, err)
	defer mb.Close()
	for _, err := range mb.List(t.Context(), mailbox.Inbox, nil) {
		require.NoError(t, err)
		n++
	}
	return n
}

func TestDownload(t *testing.T) {
	host, dir := mailtest.New(t, nil), t.TempDir()
	host.AddUser(user, secret)
	for n := range 3 {
		require.NoError(t, host.Deliver(user, mailbox.Inbox, message(n), nil))
	}
	lines := run(t, host, dir, 14)
	require.Len(t, lines, 3)
	for _, line := range lines {
		assert.Contains(t, line, "stored INBOX:")
	}
	assert.Equal(t, 3, atServer(t, host), "they are to stay for 14 days")
	assert.Equal(t, 3, stored(t, dir))

	require.NoError(t, host.Deliver(user, mailbox.Inbox, message(3), nil))
	lines = run(t, host, dir, 0)
	require.Len(t, lines, 5, "one comes, four go")
	assert.Contains(t, lines[0], "stored INBOX:")
	for _, line := range lines[1:] {
		assert.Contains(t, line, "deleted INBOX:")
	}
	assert.Equal(t, 0, atServer(t, host))
	assert.Equal(t, 4, stored(t, dir))
}
