package main

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/imapsrc"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/maildir"
	"github.com/postroom-go/postroom/mailbox/mailtest"
)

const user, secret = "alice@example.com", "canary-5ecret"

func TestBackup(t *testing.T) {
	host, dir := mailtest.New(t, nil), t.TempDir()
	host.AddUser(user, secret)
	require.NoError(t, host.CreateFolder(user, "Gr\u00fc\u00dfe", ""))
	deliver := func(folder, text string) {
		require.NoError(t, host.Deliver(user, folder, fmt.Appendf(nil, "Subject: %s\r\n\r\n%[1]s\r\n", text), nil))
	}
	deliver(mailbox.Inbox, "one")
	deliver("Gr\u00fc\u00dfe", "two")

	run := func() string {
		var out bytes.Buffer
		opts := &imapsrc.Options{Net: access.Options{TLSConfig: host.ClientTLS()}}
		require.NoError(t, backup(t.Context(), &out, host.IMAPS, access.Password(user, secret, nil), opts, dir))
		return out.String()
	}
	assert.Contains(t, run(), "2 messages stored")
	assert.Contains(t, run(), "2 as they were; 0 messages stored, 0 octets; 0 failed")
	deliver("Gr\u00fc\u00dfe", "three")
	assert.Contains(t, run(), "1 as they were; 1 messages stored")

	mb, err := maildir.Open(dir, nil)
	require.NoError(t, err)
	defer mb.Close()
	var subjects []string
	for s, err := range mb.List(t.Context(), "Gr\u00fc\u00dfe", nil) {
		require.NoError(t, err)
		subjects = append(subjects, s.Envelope.Subject)
	}
	assert.Equal(t, []string{"two", "three"}, subjects)
}
