package imapsrc

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/mailtest"
)

func hostileBodyBeforeUID(t *testing.T) {
	r := newRig(t, nil, func(c *mailtest.Conn) {
		selected(c, "IMAP4rev1", 1)
		fetchAnswers(c, func(_ int, args string) string {
			if !strings.Contains(args, "BODY") {
				return "* 1 FETCH (RFC822.SIZE 5 UID 7)\r\n"
			}
			partial := ""
			if strings.Contains(args, "<0") {
				partial = "<0>"
			}
			return "* 1 FETCH (BODY[]" + partial + " {5}\r\nhello FLAGS (\\Seen) RFC822.SIZE 5 UID 7)\r\n"
		})
	})
	m := r.mustDial()
	body, err := m.Open(t.Context(), id("7"), nil)
	require.NoError(t, err)
	data, err := io.ReadAll(body)
	require.NoError(t, err)
	assert.Equal(t, "hello", string(data))
	n := 0
	for msg, err := range m.Fetch(t.Context(), []mailbox.ID{id("7")}, nil) {
		require.NoError(t, err)
		data, err := io.ReadAll(msg.Body)
		require.NoError(t, err)
		assert.Equal(t, "hello", string(data))
		assert.Equal(t, id("7"), msg.ID)
		assert.Equal(t, []mailbox.Flag{mailbox.FlagSeen}, msg.Flags)
		n++
	}
	assert.Equal(t, 1, n)

	msgs, err := bare(t, r.srv.Addr).Fetch(imap.UIDSetNum(7), &imap.FetchOptions{UID: true, BodySection: []*imap.FetchItemBodySection{{Peek: true}}}).Collect()
	require.NoError(t, err)
	assert.Empty(t, msgs, "the control: the bare engine loses it")
}

func hostileShortLiteral(t *testing.T) {
	play := func(heals bool) *rig {
		return newRig(t, nil, func(c *mailtest.Conn) {
			selected(c, "IMAP4rev1", 1)
			for {
				tag, args := c.Command("UID FETCH")
				switch {
				case !strings.Contains(args, "BODY"):
					c.Send("* 1 FETCH (UID 7 RFC822.SIZE 10)\r\n" + tag + " OK done\r\n")
				case strings.Contains(args, "<4.6>") && heals:
					c.Send("* 1 FETCH (UID 7 BODY[]<4> {6}\r\n456789)\r\n" + tag + " OK done\r\n")
				default:
					c.Send("* 1 FETCH (UID 7 RFC822.SIZE 10 FLAGS () INTERNALDATE \"02-Jan-2006 15:04:05 +0100\" BODY[] {10}\r\n0123")
					c.Close()
					return
				}
			}
		})
	}
	read := func(r *rig) (string, error) {
		for msg, err := range r.mustDial().Fetch(t.Context(), []mailbox.ID{id("7")}, nil) {
			require.NoError(t, err)
			data, err := io.ReadAll(msg.Body)
			return string(data), err
		}
		return "", errors.New("nothing came")
	}
	data, err := read(play(false))
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	assert.True(t, strings.HasPrefix("0123456789", data))
	data, err = read(play(true))
	require.NoError(t, err, "the rest can be had")
	assert.Equal(t, "0123456789", data)

	n := newNaive(t, play(false).srv.Addr)
	require.Contains(t, n.login(), " OK ")
	require.Contains(t, n.cmd("EXAMINE INBOX"), " OK ")
	_, err = io.WriteString(n.nc, "a1 UID FETCH 7 (BODY[])\r\n")
	require.NoError(t, err)
	_, err = n.ReadLine()
	require.NoError(t, err)
	read4, err := io.ReadAll(io.LimitReader(n.R, 10))
	require.NoError(t, err, "the control: who counts by a limit notices nothing")
	assert.Equal(t, "0123", string(read4))
}

func hostileMissing(t *testing.T) {
	play := func(c *mailtest.Conn) {
		selected(c, "IMAP4rev1", 5)
		fetchAnswers(c, func(n int, args string) string {
			switch {
			case n == 1:
				return rowsOf(1, 5)
			case strings.HasPrefix(args, "2:4 ") && strings.Contains(args, "ENVELOPE"):
				return rowsOf(3)
			case strings.HasPrefix(args, "2,4 "):
				return "* 2 FETCH (UID 2)\r\n" // this one exists, and that is all that it tells
			}
			return ""
		})
	}
	r := newRig(t, nil, play)
	all, err := r.list(r.mustDial(), nil)
	require.NoError(t, err)
	require.Len(t, all, 4)
	assert.Equal(t, id("2"), all[1].ID)
	assert.NotEmpty(t, all[1].Defects)
	assert.Equal(t, "s3", all[2].Envelope.Subject)

	r.opts.test.noRefetch = true
	all, err = r.list(r.mustDial(), nil)
	require.NoError(t, err)
	assert.Len(t, all, 2, "the control: without asking again they are lost")
}

func hostileAlien(t *testing.T) {
	play := func(exists int) *rig {
		return newRig(t, nil, func(c *mailtest.Conn) {
			selected(c, "IMAP4rev1", exists)
			fetchAnswers(c, func(int, string) string {
				return rowsOf(99, 1) + "* 2 FETCH (UID 0)\r\n" + rowsOf(2, 1, 4000000000) + "* 2 FETCH (FLAGS (\\Seen))\r\n* 0 FETCH (UID 3)\r\n" + rowsOf(3)
			})
		})
	}
	r := play(2)
	all, err := r.list(r.mustDial(), nil)
	require.NoError(t, err)
	require.Len(t, all, 2)
	for i, uid := range []string{"1", "2"} {
		assert.Equal(t, id(uid), all[i].ID)
		assert.Equal(t, "s"+uid, all[i].Envelope.Subject)
	}
	assert.Equal(t, []mailbox.Flag{mailbox.FlagSeen}, all[1].Flags, "news about a message is not lost")
	r = play(3)
	all, err = r.list(r.mustDial(), nil)
	require.NoError(t, err)
	assert.Len(t, all, 3, "one that was asked for counts")

	n := newNaive(t, play(2).srv.Addr)
	n.login()
	n.cmd("EXAMINE INBOX")
	rows := n.all("FETCH 1:2 (UID)")
	for _, alien := range []string{"UID 99 ", "UID 4000000000 ", "UID 0)", "UID 3 "} {
		assert.Contains(t, rows, alien, "the control: who takes what comes has more than there is")
	}
}

func uidsOf(msgs []*imapclient.FetchMessageBuffer) (uids []imap.UID) {
	for _, m := range msgs {
		uids = append(uids, m.UID)
	}
	return uids
}

// hostileRegress: UIDNEXT falls and UIDs are used again, without a new
// UIDVALIDITY. What is listed is what is there now; nothing is concluded from
// what was, and nothing is changed.
func hostileRegress(t *testing.T) {
	uids := [][]int{{101, 102, 103}, {1, 102}, {}}
	var times atomic.Int32
	r := newRig(t, nil, func(c *mailtest.Conn) {
		mailtest.IMAPLogin(c, "IMAP4rev1 UIDPLUS")
		c.Answer("EXAMINE", func(tag, _ string) {
			n := times.Load()
			next := []int{104, 3, 1}[n]
			c.Sendf("* %d EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n* OK [UIDNEXT %d] x\r\n%s OK done\r\n", len(uids[n]), next, tag)
		})
		fetchAnswers(c, func(int, string) string {
			var b strings.Builder
			n := int(times.Load())
			for i, uid := range uids[n] {
				fmt.Fprintf(&b, rowLine, i+1, uid, 1000*(n+1)+uid)
			}
			return b.String()
		})
	})
	r.opts.Connections = 1
	m := r.mustDial()
	var naive []int // what a client has that asks for no more than is new: UIDs from the UIDNEXT it knows
	known := 1
	for n, there := range uids {
		times.Store(int32(n))
		all, err := r.list(m, nil)
		require.NoError(t, err)
		require.Len(t, all, len(there))
		for i, uid := range there {
			assert.Equal(t, id(fmt.Sprint(uid)), all[i].ID)
			assert.Equal(t, fmt.Sprintf("s%d", 1000*(n+1)+uid), all[i].Envelope.Subject, "as it is now")
			if uid >= known {
				naive = append(naive, uid)
			}
		}
		known = 104
	}
	assert.NotContains(t, naive, 1, "the control: who goes by UIDNEXT never sees the new message")
	said := r.srv.Transcript()
	assert.NotContains(t, said, "STORE")
	assert.NotContains(t, said, "EXPUNGE")
}

func hostileUIDValidity(t *testing.T) {
	for _, validity := range []string{"0", "4294967296", "-1", "x"} {
		r := newRig(t, nil, func(c *mailtest.Conn) {
			mailtest.IMAPLogin(c, "IMAP4rev1")
			answerSelect(c, 1, validity)
			idle(c)
		})
		_, err := r.list(r.mustDial(), nil)
		require.ErrorIs(t, err, mailbox.ErrProtocol, validity)
	}
	r := newRig(t, nil, func(c *mailtest.Conn) {
		mailtest.IMAPLogin(c, "IMAP4rev1 UIDPLUS")
		answerSelect(c, 1, "8")
		for _, name := range []string{"UID STORE", "UID EXPUNGE"} {
			c.Answer(name, func(tag, _ string) { c.Send(tag + " OK done\r\n") })
		}
		idle(c)
	})
	m := r.mustDial()
	_, err := m.Open(t.Context(), id("1"), nil)
	require.ErrorIs(t, err, mailbox.ErrStale)
	require.ErrorIs(t, m.Delete(t.Context(), []mailbox.ID{id("1")}, nil), mailbox.ErrStale)
	assert.NotContains(t, r.srv.Transcript(), "UID FETCH")
	assert.NotContains(t, r.srv.Transcript(), "UID STORE")
	r.opts.test.noEpochCheck = true
	require.NoError(t, r.mustDial().Delete(t.Context(), []mailbox.ID{id("1")}, nil))
	assert.Contains(t, r.srv.Transcript(), "UID EXPUNGE 1", "the control")
}

// hostileExpansion: a SEARCH that finds four thousand million messages, in a
// folder of three. The control believes in a folder that is large enough.
func hostileExpansion(t *testing.T) {
	search := func(found string, exists uint32) (uids []uint32, err error) {
		r := newRig(t, nil, func(c *mailtest.Conn) {
			selected(c, "IMAP4rev1", 3)
			c.Answer("UID SEARCH", func(tag, _ string) { c.Send("* " + found + "\r\n" + tag + " OK done\r\n") })
			idle(c)
		})
		err = r.mustDial().do(t.Context(), want{folder: "INBOX"}, false, func(s *session) (err error) {
			s.sel.exists = exists
			uids, err = s.searchUIDs(1, ^uint32(0))
			return err
		})
		return uids, err
	}
	for _, found := range []string{"ESEARCH (TAG \"P1\") UID ALL 1:4294967295", "ESEARCH (TAG \"P1\") UID ALL 4294967295:1", "ESEARCH (TAG \"P1\") UID ALL 1:200000"} {
		uids, err := search(found, 3)
		require.ErrorIs(t, err, mailbox.ErrProtocol)
		assert.Empty(t, uids)
	}
	uids, err := search("ESEARCH (TAG \"P1\") UID ALL 1:200000", 200_000)
	require.NoError(t, err)
	assert.Len(t, uids, 200_000, "the control: what is believed is written out")
	uids, err = search("SEARCH 1 2 4294967295", 3)
	require.NoError(t, err)
	assert.Equal(t, []uint32{1, 2, 4294967295}, uids)
}

// hostileDesync: an EXPUNGE where there must be none makes numbers worthless.
func hostileDesync(t *testing.T) {
	r := newRig(t, nil, func(c *mailtest.Conn) {
		selected(c, "IMAP4rev1", 60)
		c.Answer("UID SEARCH", func(tag, args string) {
			assert.Equal(t, "UID 51:4294967295", args)
			c.Send("* SEARCH 51 53 54\r\n" + tag + " OK done\r\n")
		})
		fetchAnswers(c, func(n int, args string) string {
			var b strings.Builder
			switch n {
			case 1:
				for i := 1; i <= 50; i++ {
					b.WriteString(rowsOf(i))
				}
				b.WriteString("* 52 EXPUNGE\r\n")
			case 2: // by number, and now of others
				for i := 51; i <= 60; i++ {
					b.WriteString(fmt.Sprintf(rowLine, i, i+1, i))
				}
			default:
				assert.True(t, strings.HasPrefix(args, "51,53:54 "), args)
				b.WriteString(fmt.Sprintf(rowLine, 51, 51, 51) + fmt.Sprintf(rowLine, 52, 53, 53) + fmt.Sprintf(rowLine, 53, 54, 54))
			}
			return b.String()
		})
	})
	all, err := r.list(r.mustDial(), nil)
	require.NoError(t, err)
	require.Len(t, all, 53)
	assert.Equal(t, id("53"), all[51].ID)
	assert.Equal(t, "s53", all[51].Envelope.Subject)

	c := bare(t, r.srv.Addr)
	var got []imap.UID
	for _, set := range []imap.SeqSet{{{Start: 1, Stop: 50}}, {{Start: 51, Stop: 60}}} {
		msgs, err := c.Fetch(set, &imap.FetchOptions{UID: true}).Collect()
		require.NoError(t, err)
		got = append(got, uidsOf(msgs)...)
	}
	assert.Len(t, got, 60)
	assert.NotContains(t, got, imap.UID(51), "the control: who goes on by number loses a message")
}

func hostileUnknown(t *testing.T) {
	lines := []string{"* VANISHED 1:5", "* LSUB () \"/\" x", "* X-FOO bar", "* 1 FETCH (X-GM-MSGID 12345)", "* 1 FETCH (EMAILID (x) SAVEDATE NIL)",
		"* OK [X-CODE [nested] ] x", "* NO whatever", "* BAD whatever", "* ESEARCH (TAG \"x\") UID ALL 1:3", "* METADATA \"\" (/x y)", "* 3 X-NUM", "* ENABLED X",
		"* NAMESPACE NIL NIL NIL", "* QUOTA \"\" (STORAGE 1 2)", "* THREAD (1)(2)", "* SORT 1 2", "* FLAGS (\\X])", "* OK [ALERT] hear", "* ACL x", "* 5 EXISTS"}
	play := func(line string) *rig {
		return newRig(t, nil, func(c *mailtest.Conn) {
			selected(c, "IMAP4rev1", 2)
			fetchAnswers(c, func(int, string) string { return line + "\r\n" + rowsOf(1) + line + "\r\n" + rowsOf(2) })
		})
	}
	for _, line := range lines {
		r := play(line)
		m := r.mustDial()
		all, err := r.list(m, nil)
		require.NoError(t, err, line)
		require.Len(t, all, 2, line)
		assert.Equal(t, 1, r.srv.Accepted(), "the session lives on: %s", line)
	}
	_, err := bare(t, play("* 1 FETCH (X-GM-MSGID 12345)").srv.Addr).Fetch(imap.SeqSetNum(1, 2), &imap.FetchOptions{UID: true}).Collect()
	assert.Error(t, err, "the control: it ends the bare engine")
}

func hostileValues(t *testing.T) {
	good := `FLAGS () RFC822.SIZE 1 INTERNALDATE "02-Jan-2006 15:04:05 +0100" ENVELOPE (NIL "s" NIL NIL NIL NIL NIL NIL NIL NIL)`
	for what, bad := range map[string]string{
		"date":          strings.Replace(good, "02-Jan-2006", "00-Jan-0000", 1),
		"date nil":      strings.Replace(good, `"02-Jan-2006 15:04:05 +0100"`, "NIL", 1),
		"size":          strings.Replace(good, "SIZE 1", "SIZE -1", 1),
		"huge size":     strings.Replace(good, "SIZE 1", "SIZE 99999999999999999999", 1),
		"envelope nil":  good[:strings.Index(good, "ENVELOPE")] + "ENVELOPE NIL",
		"envelope junk": good[:strings.Index(good, "ENVELOPE")] + "ENVELOPE \"x\"",
	} {
		r := newRig(t, nil, func(c *mailtest.Conn) {
			selected(c, "IMAP4rev1", 3)
			fetchAnswers(c, func(_ int, args string) string {
				if strings.Contains(args, "BODY.PEEK[HEADER]") {
					return "* 2 FETCH (UID 2 BODY[HEADER] {14}\r\nSubject: s\r\n\r\n)\r\n"
				}
				if !strings.HasPrefix(args, "1:3") {
					return "* 2 FETCH (UID 2 " + bad + ")\r\n"
				}
				return rowsOf(1) + "* 2 FETCH (UID 2 " + bad + ")\r\n" + rowsOf(3)
			})
		})
		all, err := r.list(r.mustDial(), nil)
		require.NoError(t, err, what)
		require.Len(t, all, 3, what)
		assert.Empty(t, all[0].Defects, "what is right has none")
		assert.NotEmpty(t, all[1].Defects, what)
		assert.Equal(t, id("2"), all[1].ID, what)
		assert.Equal(t, "s3", all[2].Envelope.Subject, what)
		assert.Equal(t, 1, r.srv.Accepted(), what)
		if strings.HasPrefix(what, "envelope") {
			require.NotNil(t, all[1].Envelope, what)
			assert.Equal(t, "s", all[1].Envelope.Subject, "%s: read from the header", what)
		}
		msgs, err := bare(t, r.srv.Addr).Fetch(imap.SeqSet{{Start: 1, Stop: 3}}, &imap.FetchOptions{UID: true, Envelope: true}).Collect()
		require.Error(t, err, "the control: it ends the bare engine, %s", what)
		assert.Less(t, len(msgs), 3, what)
	}
}

// hostileNest: one message with a structure that is too deep costs that structure.
func hostileNest(t *testing.T) {
	deep := strings.Repeat("(", 1<<20)
	play := func(c *mailtest.Conn) {
		selected(c, "IMAP4rev1", 3)
		fetchAnswers(c, func(_ int, args string) string {
			var b strings.Builder
			for _, n := range []string{"1", "2", "3"} {
				set, _, _ := strings.Cut(args, " ")
				if set != n && set != "1:3" && !strings.Contains(","+strings.ReplaceAll(set, ":", ",")+",", ","+n+",") {
					continue
				}
				b.WriteString("* " + n + " FETCH (UID " + n)
				if strings.Contains(args, "BODYSTRUCTURE") {
					if n == "2" {
						b.WriteString(" BODYSTRUCTURE " + deep)
					} else {
						b.WriteString(` BODYSTRUCTURE ("TEXT" "PLAIN" NIL NIL NIL "7BIT" 1 1)`)
					}
				}
				b.WriteString(")\r\n")
			}
			return b.String()
		})
	}
	r := newRig(t, nil, func(c *mailtest.Conn) {
		c.Answer("UID SEARCH", func(tag, _ string) { c.Send("* SEARCH 1 2 3\r\n" + tag + " OK done\r\n") })
		play(c)
	})
	all, err := r.list(r.mustDial(), &mailbox.ListOptions{Fields: mailbox.FieldStructure})
	require.NoError(t, err)
	require.Len(t, all, 3)
	assert.NotNil(t, all[0].Structure)
	assert.Nil(t, all[1].Structure)
	assert.NotEmpty(t, all[1].Defects)
	assert.NotNil(t, all[2].Structure)

	r.opts.test.noDegrade = true
	all, err = r.list(r.mustDial(), &mailbox.ListOptions{Fields: mailbox.FieldStructure})
	assert.True(t, err != nil || len(all) < 3 || len(all[1].Defects) == 0, "the control: it is degrading that saves the list")
}
