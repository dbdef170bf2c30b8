package imapsrc

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/mailtest"
)

// hostileIMAP are the rows of what comes after the login.
func hostileIMAP(t *testing.T) {
	for name, test := range map[string]func(*testing.T){
		"fetch-body-before-uid": hostileBodyBeforeUID, "fetch-short-literal": hostileShortLiteral,
		"fetch-missing": hostileMissing, "fetch-alien": hostileAlien, "uidvalidity-change": hostileUIDValidity,
		"expunge-unscoped": hostileUnscoped, "append-early-ok": hostileEarlyAppend, "appenduid-forged": hostileAppendUID,
		"append-refused": hostileAppendRefused, "untagged-unknown": hostileUnknown, "value-bogus": hostileValues,
		"bodystructure-nest": hostileNest, "mailbox-bad-utf7": hostileBadUTF7, "list-flood": hostileListFlood,
		"tag-unknown": hostileTag, "no-reply": hostileNoReply, "imap-cmd-inject": hostileInject,
		"uidset-expansion": hostileExpansion, "seq-desync": hostileDesync, "lit-huge-buffered": hostileHugeLiteral,
	} {
		t.Run(name, test)
	}
}

// bare is the engine without the guard, logged in to the same server.
func bare(t *testing.T, addr string) *imapclient.Client {
	nc, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	c := imapclient.New(nc, nil)
	t.Cleanup(func() { _ = nc.Close() })
	require.NoError(t, c.Login("ann", canary).Wait())
	_, err = c.Select("INBOX", &imap.SelectOptions{ReadOnly: true}).Wait()
	require.NoError(t, err)
	return c
}

// fetchAnswers answers every FETCH and UID FETCH by f, which gives the lines
// before the tagged OK.
func fetchAnswers(c *mailtest.Conn, f func(n int, args string) string) {
	n := 0
	for _, name := range []string{"FETCH", "UID FETCH"} {
		c.Answer(name, func(tag, args string) {
			n++
			c.Send(f(n, args) + tag + " OK done\r\n")
		})
	}
	idle(c)
}

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
	require.NoError(t, err, "the control: the rest can be had")
	assert.Equal(t, "0123456789", data)
}

const rowLine = "* %d FETCH (UID %d FLAGS () RFC822.SIZE 1 INTERNALDATE \"02-Jan-2006 15:04:05 +0100\" ENVELOPE (NIL \"s%d\" NIL NIL NIL NIL NIL NIL NIL NIL))\r\n"

func rowsOf(nums ...int) string {
	var b strings.Builder
	for _, n := range nums {
		fmt.Fprintf(&b, rowLine, n, n, n)
	}
	return b.String()
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
	assert.Equal(t, []mailbox.Flag{mailbox.FlagSeen}, all[1].Flags, "news about a message is not lost")
	r = play(3)
	all, err = r.list(r.mustDial(), nil)
	require.NoError(t, err)
	assert.Len(t, all, 3, "the control: one that was asked for counts")
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

func hostileUnscoped(t *testing.T) {
	for caps, deletes := range map[string]bool{"IMAP4rev1": false, "IMAP4rev1 UIDPLUS": true} {
		r := newRig(t, nil, func(c *mailtest.Conn) {
			selected(c, caps, 3)
			for _, name := range []string{"UID STORE", "UID EXPUNGE"} {
				c.Answer(name, func(tag, _ string) { c.Send(tag + " OK done\r\n") })
			}
			idle(c)
		})
		m := r.mustDial()
		err := m.Delete(t.Context(), []mailbox.ID{id("2")}, nil)
		require.NoError(t, m.Close())
		said := r.srv.Transcript()
		if deletes {
			require.NoError(t, err)
			assert.Contains(t, said, "UID EXPUNGE 2", "the control")
		} else {
			require.ErrorIs(t, err, errors.ErrUnsupported)
			assert.NotContains(t, said, "STORE")
		}
		assert.NotContains(t, strings.ReplaceAll(said, "UID EXPUNGE", ""), "EXPUNGE")
		assert.NotContains(t, said, "CLOSE")
	}
}

func hostileEarlyAppend(t *testing.T) {
	r := newRig(t, nil, func(c *mailtest.Conn) {
		selected(c, "IMAP4rev1 UIDPLUS", 0)
		line := c.ReadLine()
		tag, _, _ := strings.Cut(line, " ")
		c.Send(tag + " OK [APPENDUID 7 1] done\r\n")
		c.Stall()
	})
	big := strings.NewReader(strings.Repeat("x", 10_000))
	_, err := r.mustDial().Append(t.Context(), "INBOX", big, &mailbox.AppendOptions{Size: 10_000})
	require.ErrorIs(t, err, mailbox.ErrProtocol)

	control := newRig(t, nil, func(c *mailtest.Conn) {
		selected(c, "IMAP4rev1 UIDPLUS", 0)
		line := c.ReadLine()
		for !strings.Contains(line, "APPEND") {
			tag, _, _ := strings.Cut(line, " ")
			c.Send("* 0 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n" + tag + " OK done\r\n")
			line = c.ReadLine()
		}
		tag, _, _ := strings.Cut(line, " ")
		c.Send(tag + " OK [APPENDUID 7 1] done\r\n")
		c.Stall()
	})
	cmd := bare(t, control.srv.Addr).Append("INBOX", 10_000, nil)
	_, err = cmd.Wait()
	assert.NoError(t, err, "the control: the bare engine believes it")
}

func hostileAppendUID(t *testing.T) {
	for code, want := range map[string]mailbox.ID{
		"": {}, "[APPENDUID 0 5] ": {}, "[APPENDUID 7 0] ": {}, "[APPENDUID x y] ": {}, "[APPENDUID 7 1:4] ": {}, "[APPENDUID 4294967296 1] ": {},
		"[COPYUID 7 1 1] ": {}, "[APPENDUID 7 5] ": id("5"),
	} {
		r := newRig(t, nil, func(c *mailtest.Conn) {
			selected(c, "IMAP4rev1 UIDPLUS", 0)
			tag, _ := c.Command("APPEND")
			c.Send(tag + " OK " + code + "done\r\n")
			idle(c)
		})
		got, err := r.mustDial().Append(t.Context(), "INBOX", strings.NewReader("x"), nil)
		require.NoError(t, err, code)
		assert.Equal(t, want, got, code)
	}
}

func hostileAppendRefused(t *testing.T) {
	for answer, want := range map[string]error{
		"NO [OVERQUOTA] full": mailbox.ErrQuota, "NO [TOOBIG] big": mailbox.ErrTooLarge, "NO [TRYCREATE] none": mailbox.ErrNotFound,
		"NO [LIMIT] x": mailbox.ErrThrottled, "NO [NOPERM] x": mailbox.ErrPermission, "BAD x": mailbox.ErrProtocol,
	} {
		r := newRig(t, nil, func(c *mailtest.Conn) {
			selected(c, "IMAP4rev1", 0)
			tag, _, _ := strings.Cut(c.ReadLine(), " ")
			c.Send(tag + " " + answer + "\r\n")
			c.Stall()
		})
		_, err := r.mustDial().Append(t.Context(), "Sent", strings.NewReader(strings.Repeat("x", 10_000)), nil)
		require.ErrorIs(t, err, want, answer)
		assert.NotErrorIs(t, err, mailbox.ErrUnknownOutcome, answer)
		assert.NotContains(t, r.srv.Transcript(), "xxxx", "none of the message was sent")
	}
	for name, whole := range map[string]bool{"half": false, "whole": true} {
		r := newRig(t, nil, func(c *mailtest.Conn) {
			selected(c, "IMAP4rev1", 0)
			c.ReadLine()
			c.Send("+ go on\r\n")
			if whole {
				c.ReadN(10_000)
			}
			c.Send("* BYE no more\r\n")
			if !whole {
				c.Cut()
			}
		})
		_, err := r.mustDial().Append(t.Context(), "Sent", strings.NewReader(strings.Repeat("x", 10_000)), nil)
		require.Error(t, err, name)
		if whole {
			assert.ErrorIs(t, err, mailbox.ErrUnknownOutcome, "the control: now nobody knows")
			assert.Equal(t, 1, r.srv.Accepted(), "and it is not tried again")
		}
	}
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
		assert.Empty(t, all[0].Defects, "the control: what is right has none")
		assert.NotEmpty(t, all[1].Defects, what)
		assert.Equal(t, id("2"), all[1].ID, what)
		assert.Equal(t, "s3", all[2].Envelope.Subject, what)
		assert.Equal(t, 1, r.srv.Accepted(), what)
		if strings.HasPrefix(what, "envelope") {
			require.NotNil(t, all[1].Envelope, what)
			assert.Equal(t, "s", all[1].Envelope.Subject, "%s: read from the header", what)
		}
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

func hostileBadUTF7(t *testing.T) {
	r := newRig(t, nil, func(c *mailtest.Conn) {
		mailtest.IMAPLogin(c, "IMAP4rev1")
		c.Answer("LIST", func(tag, _ string) {
			c.Send("* LIST () \"/\" \"A&B\"\r\n* LIST () \"/\" \"Caf\xe9\"\r\n* LIST () NIL inbox\r\n* LIST () \"/\" Gr&APw-n\r\n* LIST () \"/\" un quoted\r\n* LIST () \"/\" NIL\r\n* LIST () \"/\" \"no end\r\n" + tag + " OK done\r\n")
		})
		for range 2 {
			tag, args := c.Command("EXAMINE")
			assert.Contains(t, []string{`"A&B"`, "{4}\r\nCaf\xe9"}, args)
			c.Send("* 0 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n" + tag + " OK done\r\n")
		}
		idle(c)
	})
	m := r.mustDial()
	got := map[string]int{}
	for f, err := range m.Folders(t.Context(), nil) {
		require.NoError(t, err)
		got[f.Name] = len(f.Defects)
	}
	assert.Equal(t, map[string]int{"A&B": 1, "Caf\xe9": 1, "INBOX": 0, "Grün": 0, "un quoted": 1, "NIL": 0, "no end": 1}, got)
	for _, name := range []string{"A&B", "Caf\xe9"} {
		for _, err := range m.List(t.Context(), name, nil) {
			require.NoError(t, err)
		}
	}
	control := mailtest.Serve(t, nil, func(c *mailtest.Conn) {
		selected(c, "IMAP4rev1", 0)
		tag, _ := c.Command("LIST")
		c.Send("* LIST () \"/\" \"A&B\"\r\n" + tag + " OK done\r\n")
		c.Stall()
	})
	_, err := bare(t, control.Addr).List("", "*", nil).Collect()
	assert.Error(t, err, "the control: one name costs the bare engine its connection")
}

func hostileListFlood(t *testing.T) {
	r := newRig(t, nil, func(c *mailtest.Conn) {
		mailtest.IMAPLogin(c, "IMAP4rev1")
		tag, _ := c.Command("LIST")
		chunk := strings.Builder{}
		for i := range 2000 {
			fmt.Fprintf(&chunk, "* LIST () \"/\" f%d\r\n", i)
			if i%1000 == 999 {
				c.Send(chunk.String())
				chunk.Reset()
			}
		}
		c.Send(tag + " OK done\r\n")
		idle(c)
	})
	folders := func() (n int, err error) {
		for _, err := range r.mustDial().Folders(t.Context(), nil) {
			if err != nil {
				return n, err
			}
			n++
		}
		return n, nil
	}
	n, err := folders()
	require.NoError(t, err, "the control: below the limit it is a list")
	assert.Equal(t, 2001, n)
	r.opts.limits.Untagged = 1000
	_, err = folders()
	require.ErrorIs(t, err, mailbox.ErrTooLarge)
}

func hostileTag(t *testing.T) {
	for answer, want := range map[string]error{"Z9 OK done\r\n": mailbox.ErrProtocol, "+ go on\r\n": mailbox.ErrProtocol, "": nil} {
		r := newRig(t, nil, func(c *mailtest.Conn) {
			mailtest.IMAPLogin(c, "IMAP4rev1")
			tag, _ := c.Command("EXAMINE")
			c.Send("* 0 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n" + answer + tag + " OK done\r\n")
			idle(c)
		})
		_, err := r.list(r.mustDial(), nil)
		if want == nil {
			require.NoError(t, err, "the control")
		} else {
			require.ErrorIs(t, err, want, answer)
		}
	}
}

func hostileNoReply(t *testing.T) {
	r := newRig(t, nil, func(c *mailtest.Conn) {
		mailtest.IMAPLogin(c, "IMAP4rev1")
		tag, _ := c.Command("EXAMINE")
		if c.Num() > 5 {
			c.Send("* 0 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n" + tag + " OK done\r\n")
			idle(c)
		}
		c.Stall()
	})
	r.opts.Net.ProgressTimeout = 30 * time.Millisecond
	m := r.mustDial()
	_, err := r.list(m, nil)
	require.ErrorIs(t, err, mailbox.ErrUnavailable)
	_, err = r.list(m, nil)
	for err != nil {
		require.ErrorIs(t, err, mailbox.ErrUnavailable)
		_, err = r.list(m, nil)
	}
	assert.Greater(t, r.srv.Accepted(), 5, "the control: a server that answers again is used again")
}

func hostileInject(t *testing.T) {
	r := newRig(t, nil, func(c *mailtest.Conn) {
		selected(c, "IMAP4rev1 UIDPLUS", 1)
		c.Answer("UID STORE", func(tag, _ string) { c.Send(tag + " OK done\r\n") })
		fetchAnswers(c, func(int, string) string { return rowsOf(1) })
	})
	m := r.mustDial()
	_, err := r.list(m, nil)
	require.NoError(t, err)
	before := len(r.srv.Transcript())
	for _, evil := range []string{"x\r\nP9 LOGOUT", "x\nP9 LOGOUT", "x\x00", "x y", "x)", "x\"", "", "x\xff", "a{3}"} {
		err := m.SetFlags(t.Context(), []mailbox.ID{id("1")}, mailbox.FlagChange{Add: []mailbox.Flag{mailbox.Flag(evil)}}, nil)
		require.Error(t, err, "flag %q", evil)
		_, err = m.Append(t.Context(), "INBOX", strings.NewReader("x"), &mailbox.AppendOptions{Flags: []mailbox.Flag{mailbox.Flag(evil)}})
		require.Error(t, err, "flag %q", evil)
		_, err = m.OpenPart(t.Context(), id("1"), "1"+evil+"]", nil)
		require.ErrorIs(t, err, mailbox.ErrNotFound, "part %q", evil)
		_, err = m.Open(t.Context(), id("1"+evil+" "), nil)
		require.ErrorIs(t, err, mailbox.ErrNotFound, "UID %q", evil)
	}
	for _, evil := range []string{"x\r\nP9 LOGOUT", "x\x00"} {
		for _, err := range m.List(t.Context(), evil, nil) {
			require.Error(t, err, "folder %q", evil)
		}
		_, err = Dial(t.Context(), r.srv.Addr, r.auth, &Options{Net: r.opts.Net, ID: map[string]string{"name": evil}})
		require.Error(t, err, "ID %q", evil)
	}
	said := r.srv.Transcript()[before:]
	assert.NotContains(t, said, "LOGOUT")
	require.NoError(t, m.SetFlags(t.Context(), []mailbox.ID{id("1")}, mailbox.FlagChange{Add: []mailbox.Flag{"ok"}}, nil))
	assert.Contains(t, r.srv.Transcript(), "FLAGS.SILENT (ok)", "the control: the session is usable, and a good flag is sent")
}

// hostileExpansion: a SEARCH that finds four thousand million messages.
func hostileExpansion(t *testing.T) {
	for found, want := range map[string]error{"SEARCH 1 2 3": nil, "ESEARCH (TAG \"P1\") UID ALL 1:4294967295": mailbox.ErrProtocol} {
		r := newRig(t, nil, func(c *mailtest.Conn) {
			selected(c, "IMAP4rev1", 3)
			c.Answer("UID SEARCH", func(tag, _ string) { c.Send("* " + found + "\r\n" + tag + " OK done\r\n") })
			idle(c)
		})
		m := r.mustDial()
		var uids []uint32
		err := m.do(t.Context(), want0(), false, func(s *session) (err error) {
			uids, err = s.searchUIDs(1, ^uint32(0))
			return err
		})
		if want == nil {
			require.NoError(t, err, "the control")
			assert.Equal(t, []uint32{1, 2, 3}, uids)
		} else {
			require.ErrorIs(t, err, want)
			assert.Less(t, len(uids), 10)
		}
	}
}

func want0() want { return want{folder: "INBOX"} }

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
}

// hostileHugeLiteral: what is announced is not believed.
func hostileHugeLiteral(t *testing.T) {
	for size, want := range map[string]error{"{9000000000000}": mailbox.ErrTooLarge, "{5}": nil} {
		r := newRig(t, nil, func(c *mailtest.Conn) {
			mailtest.IMAPLogin(c, "IMAP4rev1")
			tag, _ := c.Command("LIST")
			c.Send("* LIST () \"/\" " + size + "\r\nhello\r\n" + tag + " OK done\r\n")
			idle(c)
		})
		var err error
		for _, e := range r.mustDial().Folders(t.Context(), nil) {
			err = e
		}
		if want == nil {
			require.NoError(t, err, "the control")
		} else {
			require.ErrorIs(t, err, want)
		}
	}
}
