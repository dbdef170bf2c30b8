package imapsrc

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/internal/imapwire"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/mailtest"
)

// TestQuirk holds what real servers do. Each has its control: the same without
// the quirk, or with the remedy switched off.
func TestQuirk(t *testing.T) {
	for name, test := range map[string]func(*testing.T){
		"imap-uidvalidity-flip": quirkFlip, "imap-uidnext-weird": quirkUIDNext, "imap-order-and-gaps": quirkOrder,
		"imap-expunge-storm": quirkStorm, "imap-bye": quirkBye, "imap-throttle": quirkThrottle, "imap-half-auth": quirkHalfAuth,
		"imap-id-gate": quirkIDGate, "imap-sasl-ir-lie": quirkIRLie, "imap-body-lies": quirkBodyLies,
		"imap-literal-lies": quirkLiteralLies, "imap-names": quirkNames, "imap-silence": quirkSilence,
	} {
		t.Run(name, test)
	}
}

// quirkFlip: UIDVALIDITY changes between sessions, in the middle of a list.
func quirkFlip(t *testing.T) {
	play := func(second string) *rig {
		return newRig(t, nil, func(c *mailtest.Conn) {
			mailtest.IMAPLogin(c, "IMAP4rev1")
			answerSelect(c, 60, map[bool]string{true: "7", false: second}[c.Num() == 1])
			c.Answer("UID SEARCH", func(tag, _ string) { c.Send("* SEARCH 51 52\r\n" + tag + " OK done\r\n") })
			c.Answer("UID FETCH", func(tag, _ string) { c.Send(rowsOf(51, 52) + tag + " OK done\r\n") })
			tag, _ := c.Command("FETCH")
			for i := range 50 {
				c.Send(rowsOf(i + 1))
			}
			c.Send(tag + " OK done\r\n")
			c.Command("FETCH")
			c.Close()
		})
	}
	all, err := play("8").listing()
	require.ErrorIs(t, err, mailbox.ErrStale)
	assert.Len(t, all, 50)
	all, err = play("7").listing()
	require.NoError(t, err, "the control: in the same epoch it goes on")
	assert.Len(t, all, 52)
}

// listing dials and lists.
func (r *rig) listing() ([]*mailbox.Summary, error) { return r.list(r.mustDial(), nil) }

// quirkUIDNext: what is not told of a folder is not needed.
func quirkUIDNext(t *testing.T) {
	r := newRig(t, nil, func(c *mailtest.Conn) {
		selected(c, "IMAP4rev1", 2)
		c.Answer("LIST", func(tag, _ string) { c.Send("* LIST () \"/\" INBOX\r\n" + tag + " OK done\r\n") })
		c.Answer("STATUS", func(tag, args string) {
			c.Send("* STATUS INBOX (" + map[bool]string{true: "MESSAGES 2", false: ""}[c.Num() == 2] + ")\r\n" + tag + " OK done\r\n")
		})
		fetchAnswers(c, func(int, string) string { return rowsOf(1, 2) })
	})
	for _, want := range []int64{-1, 2} { // the second connection is the control
		m := r.mustDial()
		all, err := r.list(m, nil)
		require.NoError(t, err)
		assert.Len(t, all, 2)
		for f, err := range m.Folders(t.Context(), &mailbox.FoldersOptions{Status: true}) {
			require.NoError(t, err)
			assert.Equal(t, want, f.Status.Messages)
		}
	}
}

// quirkOrder: answers out of order, split, doubled, some only when asked again.
func quirkOrder(t *testing.T) {
	play := func(c *mailtest.Conn) {
		selected(c, "IMAP4rev1", 4)
		fetchAnswers(c, func(n int, args string) string {
			if n > 1 {
				return rowsOf(2)
			}
			return rowsOf(4, 1, 1) + "* 3 FETCH (UID 3)\r\n" + "* 3 FETCH (FLAGS (\\Seen) RFC822.SIZE 1)\r\n" +
				"* 3 FETCH (INTERNALDATE \"02-Jan-2006 15:04:05 +0100\" ENVELOPE (NIL \"s3\" NIL NIL NIL NIL NIL NIL NIL NIL))\r\n"
		})
	}
	r := newRig(t, nil, play)
	all, err := r.listing()
	require.NoError(t, err)
	var subjects []string
	for _, s := range all {
		subjects = append(subjects, s.Envelope.Subject)
		assert.Empty(t, s.Defects)
	}
	assert.Equal(t, []string{"s1", "s2", "s3", "s4"}, subjects)
	assert.Equal(t, []mailbox.Flag{mailbox.FlagSeen}, all[2].Flags)
	r.opts.test.noRefetch = true
	all, err = r.listing()
	require.NoError(t, err)
	assert.Len(t, all, 3, "the control")
}

// quirkStorm: EXPUNGE and EXISTS in the middle of commands by UID change nothing.
func quirkStorm(t *testing.T) {
	for _, storm := range []string{"", "* 3 EXPUNGE\r\n* 2 EXPUNGE\r\n* 9 EXISTS\r\n", "* 1 EXPUNGE\r\n* 1 EXPUNGE\r\n* 1 EXPUNGE\r\n", "* VANISHED 8:9\r\n"} {
		r := newRig(t, nil, func(c *mailtest.Conn) {
			selected(c, "IMAP4rev1 UIDPLUS", 3)
			c.Answer("UID STORE", func(tag, args string) {
				assert.Equal(t, `5 +FLAGS.SILENT (\Deleted)`, args)
				c.Send(storm + tag + " OK done\r\n")
			})
			c.Answer("UID EXPUNGE", func(tag, args string) {
				assert.Equal(t, "5", args)
				c.Send("* 1 EXPUNGE\r\n" + storm + tag + " OK done\r\n")
			})
			fetchAnswers(c, func(int, string) string {
				return storm + "* 1 FETCH (UID 5 FLAGS ())\r\n" + storm
			})
		})
		m := r.mustDial()
		all, err := r.list(m, &mailbox.ListOptions{Fields: mailbox.FieldFlags, IDs: []mailbox.ID{id("5")}})
		require.NoError(t, err, "%q", storm)
		require.Len(t, all, 1)
		assert.Equal(t, id("5"), all[0].ID)
		require.NoError(t, m.Delete(t.Context(), []mailbox.ID{id("5")}, nil))
	}
}

// quirkBye: a server that hangs up is asked again, once it is clear that nothing
// was changed by it.
func quirkBye(t *testing.T) {
	for name, end := range map[string]func(c *mailtest.Conn, tag string){
		"BYE":        func(c *mailtest.Conn, tag string) { c.Send("* BYE too long idle\r\n") },
		"twice":      func(c *mailtest.Conn, tag string) { c.Send("* BYE one\r\n* BYE two\r\n") },
		"tagged":     func(c *mailtest.Conn, tag string) { c.Send(tag + " BYE now\r\n") },
		"in literal": func(c *mailtest.Conn, tag string) { c.Send("* 1 FETCH (UID 1 BODY[]<0> {10}\r\n012") },
		"silent":     func(c *mailtest.Conn, tag string) {},
	} {
		play := func(ends int) *rig {
			return newRig(t, nil, func(c *mailtest.Conn) {
				selected(c, "IMAP4rev1", 1)
				tag, _ := c.Command("UID FETCH")
				if c.Num() <= ends {
					end(c, tag)
					return
				}
				c.Send("* 1 FETCH (UID 1 RFC822.SIZE 5 BODY[]<0> {5}\r\nhello)\r\n" + tag + " OK done\r\n")
				idle(c)
			})
		}
		r := play(1)
		body, err := r.mustDial().Open(t.Context(), id("1"), nil)
		require.NoError(t, err, name)
		data, err := io.ReadAll(body)
		require.NoError(t, err, name)
		assert.Equal(t, "hello", string(data))
		assert.Equal(t, 2, r.srv.Accepted(), "%s: one reconnect", name)
		r = play(100)
		_, err = r.mustDial().Open(t.Context(), id("1"), nil)
		require.ErrorIs(t, err, mailbox.ErrUnavailable, "%s: the control: one that always does is given up", name)
		assert.LessOrEqual(t, r.srv.Accepted(), 1+retries)
	}
	r := newRig(t, nil, func(c *mailtest.Conn) { c.Send("* BYE [UNAVAILABLE] later\r\n") })
	_, err := r.dial()
	require.ErrorIs(t, err, mailbox.ErrUnavailable)
}

// quirkThrottle: a second connection that is refused is nobody's error.
func quirkThrottle(t *testing.T) {
	first := make(chan struct{})
	r := newRig(t, nil, func(c *mailtest.Conn) {
		if c.Num() > 1 {
			c.Send("* OK [CAPABILITY IMAP4rev1] hi\r\n")
			tag, _ := c.Command("LOGIN")
			c.Send(tag + " NO [ALERT] Too many simultaneous connections. (Failure)\r\n")
			close(first) // a third would close it again
			return
		}
		selected(c, "IMAP4rev1", 2)
		held := false
		fetchAnswers(c, func(_ int, args string) string {
			if strings.Contains(args, "BODY") && !held {
				held = true
				<-first // until the second was refused
			}
			if !strings.Contains(args, "BODY") {
				return rowsOf(1, 2)
			}
			return "* 1 FETCH (UID 1 RFC822.SIZE 1 BODY[]<0> {1}\r\nx)\r\n"
		})
	})
	m := r.mustDial()
	done := make(chan error, 4)
	for range 4 {
		go func() {
			_, err := m.Open(t.Context(), id("1"), nil)
			done <- err
		}()
	}
	for range 4 {
		require.NoError(t, <-done)
	}
	assert.Equal(t, 2, r.srv.Accepted(), "it was tried, and only once")
}

// quirkHalfAuth: Exchange lets us in and has no mailbox for us.
func quirkHalfAuth(t *testing.T) {
	r := newRig(t, nil, func(c *mailtest.Conn) {
		mailtest.IMAPLogin(c, "IMAP4rev1")
		c.Answer("EXAMINE", func(tag, _ string) {
			c.Send(tag + " BAD User is authenticated but not connected.\r\n")
			answerSelect(c, 0, "7")
		})
		idle(c)
	})
	m := r.mustDial()
	_, err := r.list(m, nil)
	require.ErrorIs(t, err, mailbox.ErrUnavailable)
	assert.NotErrorIs(t, err, mailbox.ErrAuth)
	_, err = r.list(m, nil)
	require.NoError(t, err, "the control: later it has")
}

// quirkIDGate: no folder before ID.
func quirkIDGate(t *testing.T) {
	r := newRig(t, nil, func(c *mailtest.Conn) {
		selected(c, "IMAP4rev1 ID", 0)
		known := false
		c.Answer("ID", func(tag, args string) {
			known = strings.Contains(args, `"name"`)
			c.Send("* ID NIL\r\n" + tag + " OK done\r\n")
		})
		c.Answer("EXAMINE", func(tag, _ string) {
			if !known {
				c.Send(tag + " NO EXAMINE Unsafe Login. Please contact\r\n")
				return
			}
			c.Send("* 0 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n" + tag + " OK done\r\n")
		})
		idle(c)
	})
	_, err := r.listing()
	require.NoError(t, err)
	r.opts.ID = map[string]string{}
	_, err = r.listing()
	var status *StatusError
	require.ErrorAs(t, err, &status, "the control: who says nothing stays outside")
	assert.Contains(t, status.Text, "Unsafe Login")
}

// quirkIRLie: SASL-IR is offered and refused.
func quirkIRLie(t *testing.T) {
	for caps, conns := range map[string]int{"IMAP4rev1 SASL-IR AUTH=PLAIN": 2, "IMAP4rev1 AUTH=PLAIN": 1} {
		r := newRig(t, nil, func(c *mailtest.Conn) {
			c.Send("* OK [CAPABILITY " + caps + "] hi\r\n")
			tag, args := c.Command("AUTHENTICATE")
			if strings.Contains(args, " ") {
				c.Send(tag + " BAD too many arguments\r\n")
				c.Answer("LOGOUT", func(tag, _ string) {})
				c.ExpectEOF()
				return
			}
			c.Send("+\r\n")
			_, _, password := c.SASLPlain(c.ReadLine())
			assert.Equal(t, canary, password)
			c.Send(tag + " OK [CAPABILITY IMAP4rev1] in\r\n")
			idle(c)
		})
		m := r.mustDial()
		assert.Equal(t, conns, r.srv.Accepted(), caps)
		_, err := m.connect(t.Context())
		require.NoError(t, err)
		assert.Equal(t, conns+1, r.srv.Accepted(), "it is remembered")
	}
}

// quirkBodyLies: one message whose structure is nonsense, and a server that
// hangs up over another.
func quirkBodyLies(t *testing.T) {
	const good = `("TEXT" "PLAIN" NIL NIL NIL "7BIT" 1 1)`
	for what, bad := range map[string]string{"nil": "NIL", "nil parts": `(NIL "MIXED")`, "string": `"inline"`, "hangs up": ""} {
		r := newRig(t, nil, func(c *mailtest.Conn) {
			selected(c, "IMAP4rev1", 3)
			c.Answer("UID SEARCH", func(tag, _ string) { c.Send("* SEARCH 1 2 3\r\n" + tag + " OK done\r\n") })
			fetchAnswers(c, func(_ int, args string) string {
				set, items, _ := strings.Cut(args, " ")
				var b strings.Builder
				for _, n := range numbersIn(set) {
					fmt.Fprintf(&b, "* %d FETCH (UID %d FLAGS ()", n, n)
					switch {
					case !strings.Contains(items, "BODYSTRUCTURE"):
					case n != 2:
						b.WriteString(" BODYSTRUCTURE " + good)
					case bad == "":
						c.Send(b.String())
						c.Cut()
					default:
						b.WriteString(" BODYSTRUCTURE " + bad)
					}
					b.WriteString(")\r\n")
				}
				return b.String()
			})
		})
		m := r.mustDial()
		all, err := r.list(m, &mailbox.ListOptions{Fields: mailbox.FieldFlags | mailbox.FieldStructure})
		require.NoError(t, err, what)
		require.Len(t, all, 3, what)
		for i, s := range all {
			assert.Equal(t, i == 1, len(s.Defects) > 0, "%s: message %d has %v", what, i+1, s.Defects)
			if i != 1 {
				assert.NotNil(t, s.Structure, "%s: %d", what, i+1)
			}
			assert.True(t, s.Fields.Has(mailbox.FieldFlags), "%s: %d", what, i+1)
		}
		if bad == "" {
			r.opts.test.noDegrade = true
			_, err = r.list(r.mustDial(), &mailbox.ListOptions{Fields: mailbox.FieldFlags | mailbox.FieldStructure})
			require.Error(t, err, "the control: without degrading the list ends there")
		}
	}
}

func numbersIn(set string) (all []int) {
	for r := range strings.SplitSeq(set, ",") {
		from, to, ok := strings.Cut(r, ":")
		if !ok {
			to = from
		}
		a, _ := strconv.Atoi(from)
		b, _ := strconv.Atoi(to)
		for n := a; n <= b; n++ {
			all = append(all, n)
		}
	}
	return all
}

// quirkLiteralLies: pieces that are shorter than asked for, sizes that are wrong
// in both directions, servers that send all of it.
func quirkLiteralLies(t *testing.T) {
	message := strings.Repeat("0123456789abcde\n", 40_000) // 640,000 octets
	for what, q := range map[string]struct {
		size  int
		piece int // the most octets of an answer
		whole bool
	}{
		"right":       {len(message), 1 << 30, false},
		"short piece": {len(message), 100_000, false},
		"size larger": {len(message) + 1000, 1 << 30, false},
		"smaller":     {1000, 1 << 30, false},
		"no size":     {0, 1 << 30, false},
		"both":        {10, 50_000, false},
		"all at once": {len(message), 1 << 30, true},
	} {
		r := newRig(t, nil, func(c *mailtest.Conn) {
			selected(c, "IMAP4rev1", 1)
			fetchAnswers(c, func(_ int, args string) string {
				var off, n int
				_, err := fmt.Sscanf(args[strings.IndexByte(args, '<'):], "<%d.%d>", &off, &n)
				assert.NoError(t, err)
				data := message[min(off, len(message)):min(off+min(n, q.piece), len(message))]
				partial := fmt.Sprintf("<%d>", off)
				if q.whole {
					data, partial = message, ""
				}
				return fmt.Sprintf("* 1 FETCH (UID 1 RFC822.SIZE %d BODY[]%s {%d}\r\n%s)\r\n", q.size, partial, len(data), data)
			})
		})
		body, err := r.mustDial().Open(t.Context(), id("1"), nil)
		require.NoError(t, err, what)
		data, err := io.ReadAll(body)
		require.NoError(t, err, what)
		assert.True(t, message == string(data), "%s: %d octets of %d", what, len(data), len(message))
		require.NoError(t, body.Close())
	}
	// NIL for a body is no body.
	r := newRig(t, nil, func(c *mailtest.Conn) {
		selected(c, "IMAP4rev1", 1)
		fetchAnswers(c, func(int, string) string { return "* 1 FETCH (UID 1 RFC822.SIZE 5 BODY[]<0> NIL)\r\n" })
	})
	_, err := r.mustDial().Open(t.Context(), id("1"), nil)
	require.ErrorIs(t, err, mailbox.ErrNotFound)
}

// quirkNames: XLIST, lower-case attributes, names in German, phantoms.
func quirkNames(t *testing.T) {
	for caps, lines := range map[string]string{
		"IMAP4rev1": "* LIST () \"/\" INBOX\r\n* LIST () \"/\" \"Gesendete Elemente\"\r\n* LIST () \"/\" Entw&APw-rfe\r\n* LIST () \"/\" Papierkorb\r\n" +
			"* LIST (\\NonExistent) \"/\" Sent\r\n* LIST () \"/\" \"Sent to Bob\"\r\n* LIST () \"/\" \"Old/Gesendet\"\r\n",
		"IMAP4rev1 XLIST": "* XLIST (\\Inbox) \"/\" Inbox\r\n* XLIST (\\Sent) \"/\" \"[Gmail]/Gesendet\"\r\n* XLIST (\\Drafts) \"/\" x\r\n* XLIST (\\Trash) \"/\" y\r\n",
		"IMAP4rev1 SPECIAL-USE": "* LIST () \".\" INBOX\r\n* LIST (\\sent) \".\" INBOX.a\r\n* LIST (\\DRAFTS) \".\" INBOX.b\r\n* LIST (\\Trash) \".\" INBOX.c\r\n" +
			"* LIST () \".\" INBOX.Sent\r\n",
	} {
		r := newRig(t, nil, func(c *mailtest.Conn) {
			mailtest.IMAPLogin(c, caps)
			for _, name := range []string{"LIST", "XLIST"} {
				c.Answer(name, func(tag, _ string) {
					if strings.Contains(lines, "* "+name) {
						c.Send(lines)
					}
					c.Send(tag + " OK done\r\n")
				})
			}
			idle(c)
		})
		source := map[string]mailbox.RoleSource{"IMAP4rev1": mailbox.RoleByName, "IMAP4rev1 XLIST": mailbox.RoleByXList, "IMAP4rev1 SPECIAL-USE": mailbox.RoleByAttribute}[caps]
		roles := map[mailbox.Role]int{}
		for f, err := range r.mustDial().Folders(t.Context(), nil) {
			require.NoError(t, err)
			roles[f.Role]++
			if f.Role != "" && f.Role != mailbox.RoleInbox {
				assert.Equal(t, source, f.RoleSource, "%s: %s", caps, f.Name)
				assert.NotEqual(t, "Sent", f.Name, "one that is not there")
			}
		}
		for _, role := range []mailbox.Role{mailbox.RoleInbox, mailbox.RoleSent, mailbox.RoleDrafts, mailbox.RoleTrash} {
			assert.Equal(t, 1, roles[role], "%s: %s", caps, role)
		}
	}
}

// quirkSilence: a connection that died without a word while nobody used it.
func quirkSilence(t *testing.T) {
	for dies, conns := range map[bool]int{true: 2, false: 1} {
		r := newRig(t, nil, func(c *mailtest.Conn) {
			selected(c, "IMAP4rev1", 1)
			if dies && c.Num() == 1 {
				c.Stall()
			}
			fetchAnswers(c, func(int, string) string { return rowsOf(1) })
		})
		r.opts.Net.ProgressTimeout = 50 * time.Millisecond
		all, err := r.listing()
		require.NoError(t, err)
		assert.Len(t, all, 1)
		assert.Equal(t, conns, r.srv.Accepted())
	}
}

// TestMalformedIsOurs: what the guard calls malformed is a protocol error to
// callers.
func TestMalformedIsOurs(t *testing.T) {
	s := &session{}
	err := s.reason(fmt.Errorf("x: %w", imapwire.ErrMalformed), phaseOther)
	assert.ErrorIs(t, err, mailbox.ErrProtocol)
	assert.True(t, errors.Is(err, imapwire.ErrMalformed))
}
