package imapwire

import (
	"fmt"
	"io"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
)

func TestGreeting(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       *Status
	}{
		{"ok", "* OK [CAPABILITY IMAP4rev1] hello\r\n", &Status{Kind: "OK", Code: "CAPABILITY", Args: "IMAP4rev1", Text: "hello"}},
		{"preauth", "* PREAUTH hello\r\n", &Status{Kind: "PREAUTH", Text: "hello"}},
		{"bye", "* BYE [UNAVAILABLE] later\n", &Status{Kind: "BYE", Code: "UNAVAILABLE", Text: "later"}},
		{"nested brackets", "* OK [REFERRAL imap://[::1]/] no\r\n", &Status{Kind: "OK", Code: "REFERRAL", Args: "imap://[::1]/", Text: "no"}},
		{"open bracket", "* OK [hello\r\n", &Status{Kind: "OK", Text: "[hello"}},
		{"no", "* NO go away\r\n", nil},
		{"tagged", "a OK hello\r\n", nil},
		{"another protocol", "220 mail.example ESMTP\r\n", nil},
		{"empty", "\r\n", nil},
		{"continuation", "+ hello\r\n", nil},
		{"octets", "\x00\x16\x03\x01\n", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := New(serve(t, func(s *server) { s.send("%s", tt.text); s.hold() }), nil)
			s, err := c.Greeting()
			if tt.want == nil {
				require.ErrorIs(t, err, mailbox.ErrProtocol)
				require.ErrorIs(t, c.Err(), mailbox.ErrProtocol)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, tt.want, s)
		})
	}
}

// TestEngine runs what the engine is for through the guard.
func TestEngine(t *testing.T) {
	var seen []Status
	c, e := withEngine(t, &Options{OnStatus: func(s Status) { seen = append(seen, s) }}, func(s *server) {
		s.expect(`T1 LOGIN "alice" "secret"`)
		s.send("T1 OK [CAPABILITY IMAP4rev1 IMAP4rev2 UIDPLUS MOVE] in\r\n")
		s.expect("T2 SELECT INBOX")
		s.send("* FLAGS (\\Seen $Label1 [bad])\r\n* 3 EXISTS\r\n* 0 RECENT\r\n")
		s.send("* OK [PERMANENTFLAGS (\\Seen \\* [x])] limited\r\n* OK [UNSEEN 2] first\r\n")
		s.send("* OK [UIDVALIDITY 77] ok\r\n* OK [UIDNEXT 9] ok\r\n* X-FOO (\"(\" {3}\r\n)))\r\nT2 OK [READ-WRITE] done\r\n")
		s.expect("T3 UID STORE 5 +FLAGS.SILENT (\\Deleted)")
		s.send("* 1 FETCH (FLAGS (\\Deleted) UID 5)\r\nT3 OK done\r\n")
		s.expect("T4 UID EXPUNGE 5")
		s.send("* 1 EXPUNGE\r\n* 2 EXISTS\r\nT4 OK done\r\n")
		s.expect("T5 APPEND INBOX {5}")
		s.send("+ go on\r\n")
		assert.Equal(s.t, "hello", s.octets(5))
		s.expect("")
		s.send("T5 OK [APPENDUID 77 9] stored\r\n")
	})
	require.NoError(t, e.Login("alice", "secret").Wait())
	assert.True(t, e.Caps().Has(imap.CapMove))
	assert.NotContains(t, e.Caps(), imap.CapIMAP4rev2, "hidden beside IMAP4rev1")
	box, err := e.Select("INBOX", nil).Wait()
	require.NoError(t, err)
	assert.Equal(t, uint32(3), box.NumMessages)
	assert.Equal(t, uint32(77), box.UIDValidity)
	assert.Equal(t, imap.UID(9), box.UIDNext)
	assert.Equal(t, []imap.Flag{imap.FlagSeen, "$Label1"}, box.Flags)
	assert.Equal(t, []imap.Flag{imap.FlagSeen, imap.FlagWildcard}, box.PermanentFlags)
	require.NoError(t, e.Store(imap.UIDSetNum(5), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Silent: true, Flags: []imap.Flag{imap.FlagDeleted}}, nil).Close())
	require.NoError(t, e.UIDExpunge(imap.UIDSetNum(5)).Close())
	a := e.Append("INBOX", 5, nil)
	_, err = io.WriteString(a, "hello")
	require.NoError(t, err)
	require.NoError(t, a.Close())
	data, err := a.Wait()
	require.NoError(t, err)
	assert.Equal(t, imap.UID(9), data.UID)
	assert.Zero(t, c.Outstanding())
	assert.Contains(t, seen, Status{Tag: "T2", Kind: "OK", Code: "READ-WRITE", Text: "done"})
	assert.Contains(t, seen, Status{Kind: "OK", Code: "UNSEEN", Args: "2", Text: "first"})
}

// TestPipelining has commands of both kinds outstanding at the same time, and
// one in front that nobody reads.
func TestPipelining(t *testing.T) {
	c, e := withEngine(t, nil, func(s *server) {
		s.expect(`P1 ID ("name" "postroom")`)
		s.expect("T1 SELECT INBOX")
		s.expect("P2 UID FETCH 1:* (UID FLAGS)")
		s.expect("P3 UID SEARCH ALL")
		s.send("* ID (\"name\" NIL)\r\nP1 BAD what\r\n* 1 EXISTS\r\n* OK [UIDVALIDITY 5] x\r\nT1 OK done\r\n")
		s.send("* 1 FETCH (UID 7 FLAGS (\\Seen))\r\n* 2 EXISTS\r\nP2 OK done\r\n* SEARCH 7 8\r\nP3 OK done\r\n")
		s.expect("T2 NOOP")
		s.send("T2 OK done\r\n")
	})
	require.NoError(t, c.Ahead("ID", Raw(`("name" "postroom")`)))
	sel := e.Select("INBOX", nil)
	get, err := c.Start("UID FETCH", Raw("1:*"), Raw("(UID FLAGS)"))
	require.NoError(t, err)
	find, err := c.Start("UID SEARCH", Raw("ALL"))
	require.NoError(t, err)
	require.NoError(t, c.Flush())

	data, err := sel.Wait()
	require.NoError(t, err)
	assert.Equal(t, uint32(5), data.UIDValidity)
	r, err := get.Next()
	require.NoError(t, err)
	assert.Equal(t, uint32(1), r.Num)
	item, err := r.Item()
	require.NoError(t, err)
	uid, _ := item.Value.UID()
	assert.Equal(t, uint32(7), uid)
	_, err = get.Next()
	require.Equal(t, io.EOF, err)
	r, err = find.Next()
	require.NoError(t, err)
	found, err := r.Numbers()
	require.NoError(t, err)
	assert.Equal(t, Set{{7, 8}}, found)
	_, err = find.Wait()
	require.NoError(t, err)
	require.NoError(t, e.Noop().Wait())
}

// TestUnasked: what a server says unasked is not taken for the answer to a
// command that waits behind another.
func TestUnasked(t *testing.T) {
	var updates []string
	c, e := withEngine(t, &Options{OnUpdate: func(name string, num uint32) { updates = append(updates, name) }}, func(s *server) {
		s.expect("T1 UID STORE 5 +FLAGS.SILENT (\\Seen)")
		s.expect("P1 UID FETCH 1:* (UID)")
		s.expect("P2 EXAMINE INBOX")
		s.send("* 9 FETCH (FLAGS (\\Seen))\r\nT1 OK done\r\n")
		s.send("* OK still here\r\n* 1 FETCH (UID 5)\r\n* 4 EXISTS\r\n* FLAGS (x)\r\nP1 OK done\r\n")
		s.send("* 7 EXISTS\r\n* OK [UIDVALIDITY 3] x\r\nP2 OK done\r\n")
	})
	store := e.Store(imap.UIDSetNum(5), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Silent: true, Flags: []imap.Flag{imap.FlagSeen}}, nil)
	get, err := c.Start("UID FETCH", Raw("1:*"), Raw("(UID)"))
	require.NoError(t, err)
	sel, err := c.Start("EXAMINE", Raw("INBOX"))
	require.NoError(t, err)
	require.NoError(t, c.Flush())
	require.NoError(t, store.Close(), "nobody has to read the FETCH before")

	names := func(cmd *Command) (all []string) {
		for {
			r, err := cmd.Next()
			if err == io.EOF {
				return all
			}
			require.NoError(t, err)
			all = append(all, fmt.Sprint(r.Num, r.Name))
		}
	}
	assert.Equal(t, []string{"1FETCH"}, names(get))
	assert.Equal(t, []string{"7EXISTS", "0OK"}, names(sel))
	assert.Equal(t, []string{"EXISTS"}, updates)
}
