package compose

import (
	"net/mail"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/imapsrc"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/mailtest"
	"github.com/postroom-go/postroom/popsrc"
)

// TestDrivers answers and forwards the same message over IMAP and POP3, and compares
// with what comes of it in memory.
func TestDrivers(t *testing.T) {
	for _, raw := range []string{question, parcel, newsletter, "From: bob@example.com\n\nGr\xfc\xdfe\n"} {
		host := mailtest.New(t, nil)
		host.AddUser("ann", "secret")
		require.NoError(t, host.Deliver("ann", mailbox.Inbox, []byte(canonical(raw)), nil))
		net := access.Options{TLSConfig: host.ClientTLS()}
		auth := access.Password("ann", "secret", nil)
		imap, err := imapsrc.Dial(t.Context(), host.IMAPS, auth, &imapsrc.Options{Net: net})
		require.NoError(t, err)
		defer imap.Close()
		pop, err := popsrc.Dial(t.Context(), host.POP3S, auth, &popsrc.Options{Net: net})
		require.NoError(t, err)
		defer pop.Close()
		box, _ := deliver(t, raw)
		want := passOn(t, box)
		require.Len(t, want, 4)
		assert.Equal(t, want, passOn(t, imap))
		assert.Equal(t, want, passOn(t, pop))
	}
}

// passOn gives what is seen of a mailbox's message after each way to pass it on.
func passOn(t *testing.T, mb mailbox.Mailbox) []view {
	t.Helper()
	var id mailbox.ID
	for s, err := range mb.List(t.Context(), mailbox.Inbox, nil) {
		require.NoError(t, err)
		id = s.ID
	}
	self := []mail.Address{ann}
	reply, err := Reply(t.Context(), mb, id, &ReplyOptions{Self: self})
	require.NoError(t, err)
	all, err := Reply(t.Context(), mb, id, &ReplyOptions{Self: self, All: true, Text: "Yes.", HTML: true})
	require.NoError(t, err)
	forward, err := Forward(t.Context(), mb, id, &ForwardOptions{Self: self})
	require.NoError(t, err)
	attached, err := Forward(t.Context(), mb, id, &ForwardOptions{Self: self, Attach: true})
	require.NoError(t, err)
	var views []view
	for _, m := range []*Message{reply, all, forward, attached} {
		m.MessageID = "1@example.org"
		if len(m.To) == 0 {
			m.To = []mail.Address{bob}
		}
		v := asLibrary(t, sent(t, prepare(t, m)))
		v.ID = strings.Join(append(m.References, m.InReplyTo...), " ")
		views = append(views, v)
	}
	return views
}
