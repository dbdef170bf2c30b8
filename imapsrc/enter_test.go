package imapsrc

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/mailtest"
)

// counted plays a server whose STATUS says that INBOX has told messages, and on
// which it has exists when it is selected. before is sent ahead of the answer to
// EXAMINE.
func counted(told, exists int, before string) func(c *mailtest.Conn) {
	return func(c *mailtest.Conn) {
		mailtest.IMAPLogin(c, "IMAP4rev1 LIST-STATUS")
		c.Answer("LIST", func(tag, _ string) {
			c.Sendf("* LIST () \"/\" INBOX\r\n* STATUS INBOX (MESSAGES %d)\r\n%s OK done\r\n", told, tag)
		})
		c.Answer("EXAMINE", func(tag, _ string) {
			if exists < 0 {
				c.Send(before + tag + " NO [NONEXISTENT] gone\r\n")
				return
			}
			c.Sendf("%s* %d EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n%s OK done\r\n", before, exists, tag)
		})
		c.Answer("FETCH", func(tag, args string) {
			var from, to int
			if n, _ := fmt.Sscanf(args, "%d:%d ", &from, &to); n == 1 {
				to = from
			}
			if to > exists {
				c.Send(tag + " BAD Invalid messageset\r\n")
				return
			}
			for i := from; i <= to; i++ {
				c.Send(rowsOf(i))
			}
			c.Send(tag + " OK done\r\n")
		})
		idle(c)
	}
}

// TestListAfterStatus: where STATUS has told how many messages there are the
// first of them are asked for together with the selection; if it was wrong the
// list is right all the same.
func TestListAfterStatus(t *testing.T) {
	for name, tt := range map[string]struct {
		told, exists int
		opts         mailbox.ListOptions
		first, last  string
		n            int
	}{
		"right":      {60, 60, mailbox.ListOptions{}, "1", "60", 60},
		"more":       {60, 700, mailbox.ListOptions{}, "1", "700", 700},
		"fewer":      {60, 20, mailbox.ListOptions{}, "1", "20", 20},
		"none":       {60, 0, mailbox.ListOptions{}, "", "", 0},
		"not told":   {0, 60, mailbox.ListOptions{}, "1", "60", 60},
		"newest":     {60, 61, mailbox.ListOptions{Newest: 2}, "60", "61", 2},
		"newest few": {60, 59, mailbox.ListOptions{Newest: 2}, "58", "59", 2},
		"reverse":    {60, 61, mailbox.ListOptions{Reverse: true}, "61", "1", 61},
		"same":       {60, 60, mailbox.ListOptions{Newest: 3, Reverse: true}, "60", "58", 3},
	} {
		t.Run(name, func(t *testing.T) {
			// News about the folder that was selected before are no answers.
			r := newRig(t, nil, counted(tt.told, tt.exists, "* 1 FETCH (UID 99 FLAGS (\\Deleted) RFC822.SIZE 5)\r\n* 1 EXPUNGE\r\n"))
			r.opts.Connections = 1
			m := r.mustDial()
			for _, err := range m.Folders(t.Context(), &mailbox.FoldersOptions{Status: true}) {
				require.NoError(t, err)
			}
			for range 2 { // the second time the selection has told
				sums, err := r.list(m, &tt.opts)
				require.NoError(t, err)
				require.Len(t, sums, tt.n)
				for _, s := range sums {
					assert.Empty(t, s.Defects)
					assert.Equal(t, "s"+s.ID.Key(), s.Envelope.Subject)
				}
				if tt.n > 0 {
					assert.Equal(t, tt.first, sums[0].ID.Key())
					assert.Equal(t, tt.last, sums[tt.n-1].ID.Key())
				}
			}
			assert.NotContains(t, r.srv.Transcript(), "connection 2")
		})
	}
}

// TestListOfVanished: a folder that is gone since its STATUS is not found, and
// the connection is good for more.
func TestListOfVanished(t *testing.T) {
	r := newRig(t, nil, counted(60, -1, ""))
	m := r.mustDial()
	for range 2 {
		for _, err := range m.Folders(t.Context(), &mailbox.FoldersOptions{Status: true}) {
			require.NoError(t, err)
		}
		_, err := r.list(m, nil)
		require.ErrorIs(t, err, mailbox.ErrNotFound)
	}
	assert.NotContains(t, r.srv.Transcript(), "connection 2")
}

// TestServerThatDropsEarlyFetch: what a server does not take together it is asked
// for one after the other.
func TestServerThatDropsEarlyFetch(t *testing.T) {
	r := newRig(t, nil, func(c *mailtest.Conn) {
		if c.Num() > 1 {
			selected(c, "IMAP4rev1", 60)
			fetchAnswers(c, func(n int, _ string) string {
				var nums []int
				for i := 1 + 50*(n-1); i <= min(60, 50*n); i++ {
					nums = append(nums, i)
				}
				return rowsOf(nums...)
			})
			return
		}
		mailtest.IMAPLogin(c, "IMAP4rev1 LIST-STATUS")
		c.Answer("LIST", func(tag, _ string) {
			c.Send("* LIST () \"/\" INBOX\r\n* STATUS INBOX (MESSAGES 60)\r\n" + tag + " OK done\r\n")
		})
		c.Command("EXAMINE")
		c.Command("FETCH")
		c.Cut()
	})
	m := r.mustDial()
	for _, err := range m.Folders(t.Context(), &mailbox.FoldersOptions{Status: true}) {
		require.NoError(t, err)
	}
	sums, err := r.list(m, nil)
	require.NoError(t, err)
	assert.Len(t, sums, 60)
	second := r.srv.Transcript()
	second = second[strings.Index(second, "connection 2"):]
	assert.Less(t, strings.Index(second, "EXISTS"), strings.Index(second, " FETCH "), "not before the folder is selected")
}

// TestStatusOfSelected: a server that tells of the folder that is selected what
// the session has seen last is asked to look first, in the same flight.
func TestStatusOfSelected(t *testing.T) {
	r := newRig(t, nil, func(c *mailtest.Conn) {
		selected(c, "IMAP4rev1 LIST-STATUS", 2)
		seen := 2
		c.Answer("NOOP", func(tag, _ string) {
			seen = 3
			c.Send("* 3 EXISTS\r\n" + tag + " OK done\r\n")
		})
		c.Answer("LIST", func(tag, _ string) {
			c.Sendf("* LIST () \"/\" INBOX\r\n* STATUS INBOX (MESSAGES %d UIDNEXT %d UIDVALIDITY 7)\r\n%s OK done\r\n", seen, seen+1, tag)
		})
		fetchAnswers(c, func(int, string) string { return rowsOf(1, 2) })
	})
	m := r.mustDial()
	status := func() *mailbox.FolderStatus {
		for f, err := range m.Folders(t.Context(), &mailbox.FoldersOptions{Status: true}) {
			require.NoError(t, err)
			return f.Status
		}
		return nil
	}
	assert.Equal(t, "7.3.2", status().State, "the control: nothing is selected, and no NOOP sent")
	_, err := r.list(m, nil)
	require.NoError(t, err)
	assert.Equal(t, "7.4.3", status().State)
}
