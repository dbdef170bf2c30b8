package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/mailtest"
	"github.com/postroom-go/postroom/smtpsink"
)

func TestSend(t *testing.T) {
	host := mailtest.New(t, nil)
	host.AddUser("alice@example.com", "correct horse")
	var out bytes.Buffer
	auth := access.Password("alice@example.com", "correct horse", nil)
	opts := &smtpsink.Options{Net: access.Options{TLSConfig: host.ClientTLS()}}
	require.NoError(t, send(t.Context(), &out, strings.NewReader("Hello.\n"), host.SMTPS, auth, opts,
		"alice@example.com", "alice@example.com", "A greeting"))
	assert.Contains(t, out.String(), "accepted")
	got, err := host.Messages("alice@example.com", mailbox.Inbox)
	require.NoError(t, err)
	require.Len(t, got, 1)
	assert.Contains(t, string(got[0].Raw), "Subject: A greeting\r\n")
	assert.True(t, strings.HasSuffix(string(got[0].Raw), "\r\n\r\nHello.\r\n"), "%q", got[0].Raw)

	err = send(t.Context(), &out, strings.NewReader("Hello.\n"), host.SMTPS, auth, opts, "alice@example.com", "nobody@example.com", "")
	assert.ErrorIs(t, err, mailbox.ErrNotFound)
}
