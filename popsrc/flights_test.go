package popsrc_test

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/mailtest"
	"github.com/postroom-go/postroom/popsrc"
)

// filled is a host with n messages of about size octets for user. It takes a
// password in plaintext.
func filled(t testing.TB, n, size int) *mailtest.Host {
	host := mailtest.New(t, &mailtest.Options{Plaintext: true})
	host.AddUser(user, secret)
	for i := range n {
		raw := fmt.Sprintf("From: ann@example.org\r\nSubject: message %d\r\nMessage-ID: <%d@example.org>\r\n\r\n", i, i)
		line := strings.Repeat("x", 70) + "\r\n"
		raw += strings.Repeat(line, max(1, (size-len(raw))/len(line)))
		require.NoError(t, host.Deliver(user, mailbox.Inbox, []byte(raw), nil))
	}
	return host
}

// TestFlights counts round trips, TLS's own included: two at the beginning and
// one at the end, which nobody waits for. None of these may grow with the number
// of messages.
func TestFlights(t *testing.T) {
	const n = 1000
	host := filled(t, n, 400)
	dial := func(t *testing.T) (*popsrc.Mailbox, *mailtest.CountingDialer) {
		d := &mailtest.CountingDialer{}
		mb, err := popsrc.Dial(t.Context(), host.POP3S, access.Password(user, secret, nil),
			&popsrc.Options{Net: access.Options{TLSConfig: host.ClientTLS(), Dialer: d}})
		require.NoError(t, err)
		t.Cleanup(func() { _ = mb.Close() })
		return mb, d
	}
	t.Run("dial", func(t *testing.T) {
		_, d := dial(t)
		assert.LessOrEqual(t, d.Stats().Flights, int64(5), "TLS, CAPA, login, CAPA with UIDL and LIST")
	})
	t.Run("ids", func(t *testing.T) {
		mb, d := dial(t)
		before := d.Stats()
		count := 0
		for s, err := range mb.List(t.Context(), "", &mailbox.ListOptions{Fields: mailbox.FieldSize}) {
			require.NoError(t, err)
			assert.Positive(t, s.Size)
			count++
		}
		assert.Equal(t, n, count)
		assert.Zero(t, d.Stats().Sub(before).Flights, "the session knows it already")
	})
	t.Run("list", func(t *testing.T) {
		mb, d := dial(t)
		count := 0
		for s, err := range mb.List(t.Context(), "", nil) {
			require.NoError(t, err)
			assert.Equal(t, fmt.Sprintf("message %d", count), s.Envelope.Subject)
			count++
		}
		require.NoError(t, mb.Close())
		assert.Equal(t, n, count)
		assert.LessOrEqual(t, d.Stats().Flights, int64(12))
	})
	t.Run("fetch", func(t *testing.T) {
		mb, d := dial(t)
		var ids []mailbox.ID
		for s, err := range mb.List(t.Context(), "", &mailbox.ListOptions{Fields: mailbox.FieldsNone}) {
			require.NoError(t, err)
			ids = append(ids, s.ID)
		}
		count := 0
		for msg, err := range mb.Fetch(t.Context(), ids, nil) {
			require.NoError(t, err)
			_, err := io.Copy(io.Discard, msg.Body)
			require.NoError(t, err)
			count++
		}
		require.NoError(t, mb.Close())
		assert.Equal(t, n, count)
		assert.LessOrEqual(t, d.Stats().Flights, int64(7))
	})
	t.Run("delete", func(t *testing.T) {
		mb, d := dial(t)
		var ids []mailbox.ID
		for s, err := range mb.List(t.Context(), "", &mailbox.ListOptions{Fields: mailbox.FieldsNone}) {
			require.NoError(t, err)
			ids = append(ids, s.ID)
		}
		before := d.Stats()
		require.NoError(t, mb.Delete(t.Context(), ids[n-100:], nil))
		assert.LessOrEqual(t, d.Stats().Sub(before).Flights, int64(3), "DELE, QUIT, and TLS's farewell")
	})
}

// TestFlightsOfDownload counts without TLS, exactly: CAPA, the login, CAPA with
// UIDL and LIST, the messages, and a QUIT that nobody waits for. A program that
// finds nothing new needs no more than the listing.
func TestFlightsOfDownload(t *testing.T) {
	host := filled(t, 1000, 400)
	for fetch, want := range map[bool]int64{true: 5, false: 4} {
		d := &mailtest.CountingDialer{}
		mb, err := popsrc.Dial(t.Context(), host.POP3, access.Password(user, secret, nil),
			&popsrc.Options{Net: access.Options{TLS: access.TLSNone, Dialer: d}})
		require.NoError(t, err)
		var ids []mailbox.ID
		var sizes []int64
		for s, err := range mb.List(t.Context(), "", &mailbox.ListOptions{Fields: mailbox.FieldSize}) {
			require.NoError(t, err)
			ids, sizes = append(ids, s.ID), append(sizes, s.Size)
		}
		require.Len(t, ids, 1000)
		if !fetch {
			ids = nil
		}
		n := 0
		for msg, err := range mailbox.Fetch(t.Context(), mb, ids, &mailbox.FetchOptions{Sizes: sizes}) {
			require.NoError(t, err)
			_, err := io.Copy(io.Discard, msg.Body)
			require.NoError(t, err)
			n++
		}
		require.NoError(t, mb.Close())
		assert.Equal(t, len(ids), n)
		assert.Equal(t, want, d.Stats().Flights)
	}
}
