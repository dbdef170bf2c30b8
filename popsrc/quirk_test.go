package popsrc

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/mailtest"
)

// TestQuirk plays what servers that are in use get wrong.
func TestQuirk(t *testing.T) {
	for name, row := range map[string]func(t *testing.T){
		"pop-uidl-lies":           quirkUIDLLies,
		"pop-uidl-dup-or-mangled": quirkUIDLMangled,
		"pop-top-bad":             quirkTOP,
		"pop-dot-and-length":      quirkDots,
		"pop-in-use-login-delay":  quirkCodes,
		"pop-cut-matrix":          quirkCut,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			row(t)
		})
	}
}

// quirkUIDLLies: CAPA says UIDL and the command is refused, or the other way
// round. What works counts.
func quirkUIDLLies(t *testing.T) {
	mails := []string{mail("one"), mail("two")}
	lies := secureServer(t, func(c *mailtest.Conn) {
		serve(c, caps, mails, func(c *mailtest.Conn) {
			c.Answer("UIDL", func(_, _ string) { c.Send("-ERR unknown command\r\n") })
			c.Verb("BYE")
		})
	})
	mb := newClient(t, access.TLSImplicit).open(lies.Addr)
	assert.False(t, mb.Caps().StableIDs)
	assert.False(t, mb.Caps().Delete)
	ids := idsOf(t, mb)
	require.Len(t, ids, 2)
	got, err := read(t, mb, ids[1])
	require.NoError(t, err)
	assert.Equal(t, mails[1], got)
	require.ErrorIs(t, mb.Delete(t.Context(), ids, nil), errors.ErrUnsupported)
	require.NoError(t, mb.Close())

	again := newClient(t, access.TLSImplicit).open(lies.Addr)
	_, err = read(t, again, ids[1])
	require.ErrorIs(t, err, mailbox.ErrStale, "a number of another session names nothing")

	// The control: UIDL that works though CAPA does not have it.
	silent := secureServer(t, func(c *mailtest.Conn) { serve(c, []string{"USER", "TOP"}, mails, nil) })
	mb = newClient(t, access.TLSImplicit).open(silent.Addr)
	assert.True(t, mb.Caps().StableIDs)
	assert.Equal(t, mailbox.NewID(mailbox.Inbox, "", "uid2"), idsOf(t, mb)[1])

	// Trouble is no answer: the next time there may be UIDL again.
	busy := answers(t, mails, map[string]string{"UIDL": "-ERR [SYS/TEMP] later\r\n"})
	_, err = newClient(t, access.TLSImplicit).dial(busy.Addr)
	require.ErrorIs(t, err, mailbox.ErrUnavailable)
}

// quirkUIDLMangled: odd forms are read; for UIDLs given twice see TestHostile's
// pop-uidl-hostile, which is also this row's control.
func quirkUIDLMangled(t *testing.T) {
	mails := []string{mail("one"), mail("two"), mail("three"), mail("four")}
	long := strings.Repeat("x", 300)
	srv := answers(t, mails, map[string]string{
		"UIDL": "+OK\r\n1   spaces\r\n+OK 2 prefixed\r\n3 " + long + "\r\n4 with a space\r\n.\r\n",
	})
	mb := newClient(t, access.TLSImplicit).open(srv.Addr)
	var keys []string
	for i, id := range idsOf(t, mb) {
		keys = append(keys, id.Key())
		got, err := read(t, mb, id)
		require.NoError(t, err)
		assert.Equal(t, mails[i], got)
	}
	assert.Equal(t, []string{"spaces", "prefixed", long, "with a space"}, keys)
}

// quirkTOP: TOP that is not there, that fails for one message, that says +OK
// twice, that gives too much.
func quirkTOP(t *testing.T) {
	mails := []string{mail("one"), mail("two"), mail("three"), mail("four")}
	srv := maildrop(t, mails, func(c *mailtest.Conn) {
		c.Answer("TOP", func(_, args string) {
			switch args {
			case "1 0":
				c.Send("-ERR cannot\r\n")
			case "2 0":
				c.Send("+OK\r\n+OK header follows\r\n" + stuff(mails[1]) + ".\r\n")
			case "3 0":
				c.Send("+OK\r\n" + stuff(mails[2]) + ".\r\n") // with its body
			default:
				c.Send("+OK\r\nFrom: ann@example.org\r\nSubj\r\n.\r\n")
			}
		})
	})
	mb := newClient(t, access.TLSImplicit).open(srv.Addr)
	all := summaries(t, mb, nil)
	require.Len(t, all, 4)
	assert.Nil(t, all[0].Envelope)
	assert.Equal(t, []mailbox.Defect{"top-refused"}, all[0].Defects)
	assert.False(t, all[0].Fields.Has(mailbox.FieldEnvelope))
	assert.Equal(t, "two", all[1].Envelope.Subject)
	assert.Empty(t, all[1].Defects)
	assert.Equal(t, "three", all[2].Envelope.Subject)
	assert.Equal(t, "ann@example.org", all[3].Envelope.From[0].Address)

	r, err := mb.Open(t.Context(), all[2].ID, &mailbox.OpenOptions{HeaderOnly: true})
	require.NoError(t, err)
	header, err := io.ReadAll(r)
	require.NoError(t, err)
	want, _, _ := strings.Cut(mails[2], "hello")
	assert.Equal(t, want, string(header), "no body, whatever TOP gave")
	_ = r.Close()
	got, err := read(t, mb, all[0].ID)
	require.NoError(t, err)
	assert.Equal(t, mails[0], got, "RETR works without TOP")

	// Without TOP there are no envelopes, and the header costs the message.
	without := secureServer(t, func(c *mailtest.Conn) {
		serve(c, []string{"USER", "UIDL"}, mails, func(c *mailtest.Conn) {
			c.Answer("TOP", nil) // it would fail the test
			c.Verb("BYE")
		})
	})
	mb = newClient(t, access.TLSImplicit).open(without.Addr)
	assert.False(t, mb.Caps().Envelopes)
	s := summaries(t, mb, nil)[1]
	assert.Nil(t, s.Envelope)
	r, err = mb.Open(t.Context(), s.ID, &mailbox.OpenOptions{HeaderOnly: true})
	require.NoError(t, err)
	header, err = io.ReadAll(r)
	require.NoError(t, err)
	assert.True(t, strings.HasSuffix(string(header), "Subject: two\r\n\r\n"))
	_ = r.Close()

	// Without CAPA it is found out.
	for _, has := range []bool{true, false} {
		old := secureServer(t, func(c *mailtest.Conn) {
			serve(c, nil, mails, func(c *mailtest.Conn) {
				if !has {
					c.Answer("TOP", func(_, _ string) { c.Send("-ERR\r\n") })
				}
				c.Verb("BYE")
			})
		})
		assert.Equal(t, has, newClient(t, access.TLSImplicit).open(old.Addr).Caps().Envelopes)
	}
}

// quirkDots: what is no end of a message does not end it, and a connection that
// ends then is an error and not a hang.
func quirkDots(t *testing.T) {
	for name, answer := range map[string]string{
		"end with a bare LF":   "+OK\r\nhello\r\n.\n",
		"no CRLF ahead of dot": "+OK\r\nhello.\r\n",
		"LF ahead of dot":      "+OK\r\nhello\n.\r\n",
	} {
		srv := maildrop(t, []string{"hello\r\n"}, func(c *mailtest.Conn) {
			c.Answer("RETR", func(_, _ string) {
				c.Send(answer)
				c.Close()
			})
		})
		mb := newClient(t, access.TLSImplicit).open(srv.Addr)
		_, err := read(t, mb, idsOf(t, mb)[0])
		require.ErrorIs(t, err, io.ErrUnexpectedEOF, name)
	}
	// The control: with its end the message is whole, though its dots were not
	// stuffed.
	srv := answers(t, []string{"x"}, map[string]string{"RETR": "+OK\r\na\r\n.b\r\n..c\r\n.\r\n"})
	mb := newClient(t, access.TLSImplicit).open(srv.Addr)
	got, err := read(t, mb, idsOf(t, mb)[0])
	require.NoError(t, err)
	assert.Equal(t, "a\r\nb\r\n.c\r\n", got)
}

// quirkCodes: refused logins.
func quirkCodes(t *testing.T) {
	for _, tt := range []struct {
		reply string
		want  error
		code  string
		wait  time.Duration
		retry bool
	}{
		{"-ERR [IN-USE] Do you have another POP session running?", mailbox.ErrBusy, "IN-USE", 0, true},
		{"-ERR [in-use] locked", mailbox.ErrBusy, "IN-USE", 0, true},
		{"-ERR [LOGIN-DELAY 900] wait", mailbox.ErrThrottled, "LOGIN-DELAY", 15 * time.Minute, true},
		{"-ERR [LOGIN-DELAY] minimum time between mail checks", mailbox.ErrThrottled, "LOGIN-DELAY", time.Minute, true},
		{"-ERR [SYS/TEMP] later", mailbox.ErrUnavailable, "SYS/TEMP", 0, true},
		{"-ERR [SYS] later", mailbox.ErrUnavailable, "SYS", 0, true},
		{"-ERR [SYS/PERM] broken", mailbox.ErrPermission, "SYS/PERM", 0, false},
		{"-ERR [AUTH] no", mailbox.ErrAuth, "AUTH", 0, false},
		{"-ERR [X-NEW] no", mailbox.ErrAuth, "X-NEW", 0, false},
		{"-ERR no", mailbox.ErrAuth, "", 0, false},
		{"-ERR", mailbox.ErrAuth, "", 0, false},
		{"-ERR [not a code] no", mailbox.ErrAuth, "NOT", 0, false},
		{"+ERR [AUTH] no", mailbox.ErrProtocol, "", 0, true},
		{"ERR", mailbox.ErrProtocol, "", 0, true},
	} {
		for _, pipelining := range []string{"PIPELINING", "X-NONE"} {
			srv := secureServer(t, func(c *mailtest.Conn) {
				c.Send("+OK\r\n")
				mailtest.POPAnswers(c, "USER", "LOGIN-DELAY 60 USER", "RESP-CODES", pipelining)
				c.Verb("USER")
				c.Send("+OK\r\n")
				c.Verb("PASS")
				c.Send(tt.reply + "\r\n")
				c.Stall()
			})
			_, err := newClient(t, access.TLSImplicit).dial(srv.Addr)
			require.Error(t, err)
			require.ErrorIs(t, err, tt.want, tt.reply)
			assert.Equal(t, tt.retry, mailbox.Retryable(err), tt.reply)
			var reply *ReplyError
			if strings.HasPrefix(tt.reply, "-ERR") {
				require.ErrorAs(t, err, &reply)
				assert.Equal(t, tt.code, reply.Code)
				assert.Equal(t, "PASS", reply.Command)
			}
			var throttled *mailbox.ThrottledError
			if errors.As(err, &throttled) {
				assert.Equal(t, tt.wait, throttled.RetryAfter)
			}
			assert.Equal(t, 1, srv.Accepted(), "Dial does not try again by itself")
		}
	}
	// USER and PASS in one flight: the code tells which refusal to believe.
	for user, want := range map[string]error{"-ERR [IN-USE] locked": mailbox.ErrBusy, "-ERR who?": mailbox.ErrAuth} {
		srv := secureServer(t, func(c *mailtest.Conn) {
			c.Send("+OK\r\n")
			mailtest.POPAnswers(c, "USER", "PIPELINING")
			c.Verb("USER")
			c.Send(user + "\r\n")
			c.Verb("PASS")
			c.Send("-ERR USER first\r\n")
			c.Stall()
		})
		_, err := newClient(t, access.TLSImplicit).dial(srv.Addr)
		require.ErrorIs(t, err, want)
	}
}

// quirkCut cuts a session after each command that a download has. Every message
// is read once and whole, and nothing is deleted that was not asked for. Where a
// Delete is cut see TestHostile's pop-dele-lost.
func quirkCut(t *testing.T) {
	var mails []string
	for i := range 6 {
		mails = append(mails, mail(fmt.Sprint("message ", i)))
	}
	for cut := range 8 {
		for _, inside := range []bool{false, true} {
			srv := secureServer(t, func(c *mailtest.Conn) {
				serve(c, caps, mails, func(c *mailtest.Conn) {
					n := 0
					c.Answer("RETR", func(_, args string) {
						i := int(args[0] - '1')
						if c.Num() == 1 && n == cut {
							if inside {
								c.Send("+OK\r\n" + mails[i][:30])
							}
							c.CloseRaw()
						}
						n++
						c.Send("+OK\r\n" + stuff(mails[i]) + ".\r\n")
					})
					c.Verb("BYE")
				})
			})
			mb := newClient(t, access.TLSImplicit).open(srv.Addr)
			whole, damaged := 0, 0
			for msg, err := range mb.Fetch(t.Context(), idsOf(t, mb), nil) {
				require.NoError(t, err)
				b, err := io.ReadAll(msg.Body)
				if err != nil {
					require.ErrorIs(t, err, io.ErrUnexpectedEOF)
					damaged++
					continue
				}
				assert.Contains(t, mails, string(b))
				whole++
			}
			want := 0
			if inside && cut < len(mails) {
				want = 1
			}
			assert.Equal(t, want, damaged, "cut at %d", cut)
			assert.Equal(t, len(mails)-want, whole, "cut at %d", cut)
			sessions := 1
			if cut < len(mails)-want {
				sessions = 2 // the control: it was cut
			}
			assert.Equal(t, sessions, srv.Accepted())
			assert.NotContains(t, srv.Transcript(), "DELE")
			_ = mb.Close()
		}
	}
}
