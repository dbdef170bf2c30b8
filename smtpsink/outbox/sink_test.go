package outbox

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/mailtest"
	"github.com/postroom-go/postroom/smtpsink"
)

const secret = "canary-5ecret"

// host is a mail host with bob and eve on it, and a Sink to it.
func host(t *testing.T, password string) (*mailtest.Host, *smtpsink.Sink) {
	t.Helper()
	return hostOf(t, mailtest.SMTPExtended, password)
}

func hostOf(t *testing.T, flavour mailtest.SMTPFlavour, password string) (*mailtest.Host, *smtpsink.Sink) {
	t.Helper()
	h := mailtest.New(t, &mailtest.Options{SMTP: flavour})
	for _, user := range []string{"ann@example.org", "bob@example.com", "eve@example.net"} {
		h.AddUser(user, secret)
	}
	sink, err := smtpsink.Dial(t.Context(), h.SMTPS, access.Password("ann@example.org", password, nil), &smtpsink.Options{
		Net: access.Options{TLSConfig: h.ClientTLS()},
	})
	require.NoError(t, err)
	t.Cleanup(func() { _ = sink.Close() })
	return h, sink
}

// received is which notes a user has, with how often.
func received(t *testing.T, h *mailtest.Host, user string) map[int]int {
	t.Helper()
	all := map[int]int{}
	messages, err := h.Messages(user, mailbox.Inbox)
	require.NoError(t, err)
	for _, m := range messages {
		n := numberOf(m.Raw)
		assert.True(t, bytes.HasSuffix(m.Raw, []byte(note(n))))
		all[n]++
	}
	return all
}

// TestSink sends by the real one, to a server that misbehaves: each message is
// there once, or is unknown.
func TestSink(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault mailtest.Fault
		after map[int]int // received by bob after the first run
		state State       // of what is left of message 1 then
		last  map[int]int // after another
	}{
		{"no fault", mailtest.Fault{}, map[int]int{0: 1, 1: 1, 2: 1}, Done, map[int]int{0: 1, 1: 1, 2: 1}},
		{"answer lost", mailtest.Fault{Kind: mailtest.FaultCut, Command: "DATA", N: math.MaxInt64},
			map[int]int{0: 1, 1: 1}, Unknown, map[int]int{0: 1, 1: 1, 2: 1}},
		{"cut in the message", mailtest.Fault{Kind: mailtest.FaultCut, Command: "DATA", N: 100},
			map[int]int{0: 1}, Unknown, map[int]int{0: 1, 2: 1}}, // it had left whole
		{"message refused for now", mailtest.Fault{Kind: mailtest.FaultReply, Command: "DATA", Text: "451 4.3.0 later"},
			map[int]int{0: 1, 2: 1}, Queued, map[int]int{0: 1, 1: 1, 2: 1}},
		{"message refused for good", mailtest.Fault{Kind: mailtest.FaultReply, Command: "DATA", Text: "554 5.6.0 no"},
			map[int]int{0: 1, 2: 1}, Dead, map[int]int{0: 1, 2: 1}},
		{"recipient refused for now", mailtest.Fault{Kind: mailtest.FaultReply, Command: "RCPT", Text: "450 4.2.1 greylisted"},
			map[int]int{0: 1, 2: 1}, Queued, map[int]int{0: 1, 1: 1, 2: 1}},
		{"sender refused for good", mailtest.Fault{Kind: mailtest.FaultReply, Command: "MAIL", Text: "550 5.1.0 no"},
			map[int]int{0: 1, 2: 1}, Dead, map[int]int{0: 1, 2: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, sink := host(t, secret)
			box, _ := fresh(t, nil)
			if c.name != "no fault" {
				c.fault.Protocol, c.fault.Skip, c.fault.Times = "smtp", 1, 1
				h.Inject(c.fault)
			}
			var ids []ID
			for n := range 3 {
				ids = append(ids, put(t, box, n, nil))
			}
			once(t, box, sink, nil)
			state := Done
			if e, err := box.Get(ids[1]); err == nil {
				state = e.State
				t.Log(e.LastError)
				assert.NotContains(t, e.LastError, secret)
			}
			assert.Equal(t, c.state, state)
			assert.Equal(t, c.after, received(t, h, "bob@example.com"))
			require.NoError(t, box.Flush())
			once(t, box, sink, nil)
			assert.Equal(t, c.last, received(t, h, "bob@example.com"))
		})
	}
}

// TestSinkPartial: the recipient who was refused for now gets it later, and the
// other one no second time.
func TestSinkPartial(t *testing.T) {
	h, sink := host(t, secret)
	h.Inject(mailtest.Fault{Kind: mailtest.FaultReply, Protocol: "smtp", Command: "RCPT", Text: "450 4.2.1 later", Times: 1})
	box, _ := fresh(t, nil)
	id, err := box.Enqueue(t.Context(), to("bob@example.com", "eve@example.net"), strings.NewReader(note(1)), &EnqueueOptions{Send: smtpsink.SendOptions{Partial: true}})
	require.NoError(t, err)
	once(t, box, sink, nil)
	assert.Empty(t, received(t, h, "bob@example.com"))
	assert.Equal(t, map[int]int{1: 1}, received(t, h, "eve@example.net"))
	assert.Equal(t, Queued, get(t, box, id).State)
	require.NoError(t, box.Flush())
	once(t, box, sink, nil)
	assert.Equal(t, map[int]int{1: 1}, received(t, h, "bob@example.com"))
	assert.Equal(t, map[int]int{1: 1}, received(t, h, "eve@example.net"))
	assert.Empty(t, entries(t, box))
}

// TestSinkAddress: what no server need be asked about is dead at once.
func TestSinkAddress(t *testing.T) {
	_, sink := host(t, secret)
	box, _ := fresh(t, nil)
	for _, address := range []string{"nobody", "a b@example.org", "<x@example.org>"} {
		id, err := box.Enqueue(t.Context(), to(address), strings.NewReader(note(1)), nil)
		require.NoError(t, err)
		once(t, box, sink, nil)
		assert.Equal(t, Dead, get(t, box, id).State)
		assert.Equal(t, 1, get(t, box, id).Tries)
	}
}
