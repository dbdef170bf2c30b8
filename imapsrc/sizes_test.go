package imapsrc

import (
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/mailtest"
)

// fetched reads what a Fetch gives, by ID.
func (r *rig) fetched(m *Mailbox, ids []mailbox.ID, opts *mailbox.FetchOptions) map[mailbox.ID]string {
	all := map[mailbox.ID]string{}
	for msg, err := range m.Fetch(r.t.Context(), ids, opts) {
		require.NoError(r.t, err)
		assert.NotContains(r.t, all, msg.ID)
		body, err := io.ReadAll(msg.Body)
		require.NoError(r.t, err)
		all[msg.ID] = string(body)
	}
	return all
}

// TestFetchWithSizes: sizes that the caller tells are not asked for, and one that
// is wrong, in whatever way, does no harm.
func TestFetchWithSizes(t *testing.T) {
	h, _, ids := hosted(t, 30, 2000, 2)
	var queries atomic.Int32
	m, err := Dial(t.Context(), h.IMAPS, access.Password("ann", canary, nil), &Options{Net: access.Options{
		TLSConfig: h.ClientTLS(),
		Trace: func(e access.TraceEvent) {
			if e.Sent && strings.HasSuffix(e.Line, "(UID RFC822.SIZE)") {
				queries.Add(1)
			}
		},
	}})
	require.NoError(t, err)
	defer m.Close()
	large := "Subject: large\r\n\r\n" + strings.Repeat("0123456789abcde\n", (largeMessage+100_000)/16)
	require.NoError(t, h.Deliver("ann", "INBOX", []byte(large), nil))
	ids = append(ids, mailbox.NewID("INBOX", ids[0].Epoch(), "31"))
	r := &rig{t: t}
	want := r.fetched(m, ids, nil)
	require.Len(t, want, 31)
	require.Len(t, want[ids[30]], len(large))

	whole := make([]int64, len(ids))
	for i, id := range ids {
		whole[i] = int64(len(want[id]))
	}
	assert.Equal(t, int32(1), queries.Load(), "the control: sizes that are not known are asked for")
	assert.Equal(t, want, r.fetched(m, ids, &mailbox.FetchOptions{Sizes: whole}))
	assert.Equal(t, int32(1), queries.Load())

	for name, sizes := range map[string][]int64{
		"small":   all(len(ids), 1),
		"large":   all(len(ids), largeMessage+1),
		"endless": all(len(ids), 1<<63-1),
		"unknown": all(len(ids), 0),
		"minus":   all(len(ids), -1<<63),
		"few":     whole[:3],
		"many":    append(whole[:len(whole):len(whole)], 1, 2, 3),
		"empty":   {},
		"mixed":   append([]int64{1 << 40, 1, 0, -1}, whole[4:]...),
	} {
		assert.Equal(t, want, r.fetched(m, ids, &mailbox.FetchOptions{Sizes: sizes}), name)
	}
	assert.Equal(t, want, r.fetched(m, ids, &mailbox.FetchOptions{Sizes: all(len(ids), 1), Fields: mailbox.FieldEnvelope}), "an envelope as well")
}

func all(n int, size int64) []int64 {
	sizes := make([]int64, n)
	for i := range sizes {
		sizes[i] = size
	}
	return sizes
}

// TestFetchOfGoneWithSizes: messages that are gone are not asked for one by one,
// though their sizes were told; those that the server only forgot are asked for
// again.
func TestFetchOfGoneWithSizes(t *testing.T) {
	var asked atomic.Int32
	r := newRig(t, nil, func(c *mailtest.Conn) {
		selected(c, "IMAP4rev1", 1)
		fetchAnswers(c, func(n int, args string) string {
			asked.Add(1)
			set, items, _ := strings.Cut(args, " ")
			switch {
			case strings.HasPrefix(set, "1,7:") || strings.HasPrefix(set, "1:") && items == "(UID RFC822.SIZE)":
				return "* 1 FETCH (UID 7 RFC822.SIZE 5)\r\n"
			case set == "7":
				return "* 1 FETCH (UID 7 RFC822.SIZE 5 BODY[] {5}\r\nseven)\r\n"
			}
			return ""
		})
	})
	r.opts.Connections = 1
	m := r.mustDial()
	var ids []mailbox.ID
	for i := range 2000 {
		ids = append(ids, id(fmt.Sprint(i+1)))
	}
	got := r.fetched(m, ids, &mailbox.FetchOptions{Sizes: all(len(ids), 100)})
	assert.Equal(t, map[mailbox.ID]string{id("7"): "seven"}, got)
	require.NoError(t, m.Close())
	assert.Less(t, asked.Load(), int32(25))
}

// TestLargerThanSaid: a message that is far larger than was said is given to the
// loop as it comes, and goes on where its connection was cut.
func TestLargerThanSaid(t *testing.T) {
	const size, cutAt = largeMessage + 1<<20, largeMessage + 1<<19
	body := strings.Repeat("0123456789abcde\n", size/16)
	for _, cut := range []bool{false, true} {
		begun := make(chan struct{})
		r := newRig(t, nil, func(c *mailtest.Conn) {
			selected(c, "IMAP4rev1", 1)
			c.Answer("UID FETCH", func(tag, args string) {
				if strings.Contains(args, "BODY.PEEK[]<") {
					var off, n int
					_, err := fmt.Sscanf(args[strings.Index(args, "<"):], "<%d.%d>", &off, &n)
					require.NoError(t, err)
					piece := body[min(off, size):min(off+n, size)]
					c.Sendf("* 1 FETCH (UID 1 BODY[]<%d> {%d}\r\n%s)\r\n%s OK done\r\n", off, len(piece), piece, tag)
					return
				}
				c.Sendf("* 1 FETCH (UID 1 FLAGS (\\Seen) RFC822.SIZE 9 INTERNALDATE \"02-Jan-2006 15:04:05 +0100\" BODY[] {%d}\r\n", size)
				c.Send(body[:1<<20])
				<-begun // by now the loop has it, or this never ends
				if cut && c.Num() == 1 {
					c.Send(body[1<<20 : cutAt])
					c.Close()
					return
				}
				c.Send(body[1<<20:] + ")\r\n" + tag + " OK done\r\n")
			})
			idle(c)
		})
		m := r.mustDial()
		n := 0
		for msg, err := range m.Fetch(within(t, 20*time.Second), []mailbox.ID{id("1")}, &mailbox.FetchOptions{Sizes: []int64{9}}) {
			require.NoError(t, err)
			close(begun)
			got, err := io.ReadAll(msg.Body)
			require.NoError(t, err)
			assert.True(t, string(got) == body)
			assert.Equal(t, []mailbox.Flag{mailbox.FlagSeen}, msg.Flags)
			n++
		}
		assert.Equal(t, 1, n)
	}
}
