package popsrc

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/mailtest"
)

// maildrop is a server inside TLS with mails. change, if not nil, puts other
// answers in place.
func maildrop(t *testing.T, mails []string, change func(c *mailtest.Conn)) *mailtest.Server {
	return secureServer(t, func(c *mailtest.Conn) {
		serve(c, caps, mails, func(c *mailtest.Conn) {
			if change != nil {
				change(c)
			}
			c.Verb("BYE")
		})
	})
}

// answers puts a fixed answer in place of a command's, from the login on.
func answers(t *testing.T, mails []string, fixed map[string]string) *mailtest.Server {
	return maildrop(t, mails, func(c *mailtest.Conn) {
		for verb, text := range fixed {
			c.Answer(verb, func(_, _ string) { c.Send(text) })
		}
	})
}

var hostilePOP = map[string]func(t *testing.T){
	"pop-cmd-inject":     popInject,
	"pop-uidl-flood":     popFlood,
	"pop-uidl-hostile":   popUIDL,
	"pop-count-mismatch": popCounts,
	"pop-no-terminator":  popNoTerminator,
	"pop-dotstuff":       popDots,
	"pop-size-lie":       popSize,
	"pop-dele-lost":      popDeleLost,
	"pop-number-shift":   popNumberShift,
}

// popInject tries each octet in the user name and the password: what would break
// out of a command is refused before the server hears of it.
func popInject(t *testing.T) {
	srv := secureServer(t, func(c *mailtest.Conn) { serve(c, []string{"USER", "UIDL", "PIPELINING"}, nil, nil) })
	for _, b := range []byte("\x00\x01\n\r \tx.\x7f\xff") {
		for _, where := range []string{"user", "password"} {
			s := "a" + string([]byte{b}) + "DELE 1"
			cl := newClient(t, access.TLSImplicit)
			cl.auth = access.Password(s, canary, nil)
			if where == "password" {
				cl.auth = access.Password(testUser, s, nil)
			}
			_, err := cl.dial(srv.Addr)
			bad := strings.ContainsRune("\x00\x01\r\n", rune(b)) || where == "user"
			if bad {
				require.ErrorIs(t, err, mailbox.ErrAuth, "%s %q", where, s)
			} else {
				require.NoError(t, err, "%s %q", where, s)
			}
		}
	}
	for line := range strings.Lines(srv.Transcript()) {
		assert.NotRegexp(t, `C: DELE`, line)
	}
	// Control: bare, the line break is a command.
	control := mailtest.Serve(t, nil, func(c *mailtest.Conn) {
		c.Send("+OK\r\n")
		c.Verb("USER")
		c.Send("+OK\r\n")
		c.Expect("DELE 1")
	})
	newNaive(t, control.Addr).cmd("USER a\r\nDELE 1")
}

// popFlood: endless listings and lines. The control is the same flood with the
// limits raised: it is all taken.
func popFlood(t *testing.T) {
	lines := strings.Repeat("7 abcdefgh\r\n", 3000)
	for _, tt := range []struct {
		command, answer string
		low, high       limits
	}{
		{"UIDL", "+OK\r\n" + lines + ".\r\n", limits{listLines: 2999}, limits{listLines: 3000}},
		{"UIDL", "+OK\r\n" + lines + ".\r\n", limits{listBytes: 29999}, limits{listBytes: 30000}},
		{"LIST", "+OK\r\n" + lines + ".\r\n", limits{listLines: 2999}, limits{listLines: 3000}},
		{"CAPA", "+OK\r\n" + strings.Repeat("X\r\n", 1001) + "UIDL\r\n.\r\n", limits{}, limits{capaLines: 1002}},
		{"UIDL", "+OK\r\n1 " + strings.Repeat("u", 8<<10) + "\r\n.\r\n", limits{}, limits{line: 9 << 10}},
		{"UIDL", "+OK " + strings.Repeat("u", 8<<10) + "\r\n.\r\n", limits{}, limits{line: 9 << 10}},
	} {
		srv := secureServer(t, func(c *mailtest.Conn) {
			mailtest.POPLogin(c, caps...)
			answerMaildrop(c, nil)
			c.Answer(tt.command, func(_, _ string) { c.Send(tt.answer) })
			c.Verb("BYE")
		})
		low := newClient(t, access.TLSImplicit)
		low.opts.limits = withDefaults(tt.low)
		_, err := low.dial(srv.Addr)
		require.ErrorIs(t, err, mailbox.ErrProtocol, tt.command)

		high := newClient(t, access.TLSImplicit)
		high.opts.limits = withDefaults(tt.high)
		high.open(srv.Addr)
	}
}

// withDefaults fills in what is zero.
func withDefaults(l limits) limits {
	d := defaultLimits
	if l.line != 0 {
		d.line = l.line
	}
	if l.listLines != 0 {
		d.listLines = l.listLines
	}
	if l.listBytes != 0 {
		d.listBytes = l.listBytes
	}
	if l.capaLines != 0 {
		d.capaLines = l.capaLines
	}
	if l.sizeFloor != 0 {
		d.sizeFloor = l.sizeFloor
	}
	return d
}

// popUIDL: what is no good UIDL makes no stable ID, never names another message,
// and cannot be deleted.
func popUIDL(t *testing.T) {
	mails := []string{mail("one"), mail("two"), mail("three"), mail("four"), mail("five"), mail("six")}
	long := strings.Repeat("u", maxUIDL)
	srv := answers(t, mails, map[string]string{
		"UIDL": "+OK\r\n1 same\r\n2 same\r\n3 \r\n4 " + long + "u\r\n5 ../../etc/passwd\x00\x1b\r\n6 " + long + "\r\n.\r\n",
	})
	mb := newClient(t, access.TLSImplicit).open(srv.Addr)
	all := summaries(t, mb, &mailbox.ListOptions{})
	require.Len(t, all, 6)
	seen := map[mailbox.ID]bool{}
	for i, want := range []mailbox.Defect{"duplicate-uidl", "duplicate-uidl", "no-uidl", "no-uidl", "", ""} {
		s := all[i]
		assert.False(t, seen[s.ID], "each has an ID of its own")
		seen[s.ID] = true
		got, err := read(t, mb, s.ID)
		require.NoError(t, err)
		assert.Equal(t, mails[i], got)
		if want == "" {
			assert.Empty(t, s.Defects)
			continue
		}
		assert.Equal(t, []mailbox.Defect{want}, s.Defects)
		err = mb.Delete(t.Context(), []mailbox.ID{all[5].ID, s.ID}, nil)
		require.ErrorIs(t, err, errors.ErrUnsupported)
	}
	assert.Equal(t, "../../etc/passwd\x00\x1b", all[4].ID.Key(), "octet by octet")
	back, err := mailbox.ParseID(all[4].ID.String())
	require.NoError(t, err)
	assert.Equal(t, all[4].ID, back)
	assert.NotContains(t, all[4].ID.String(), "\x1b")
	_, err = read(t, mb, mailbox.NewID(mailbox.Inbox, "", "same"))
	require.ErrorIs(t, err, mailbox.ErrStale, "it names two messages")
	assert.NotContains(t, srv.Transcript(), "DELE")

	// The control: a good UIDL can be deleted.
	require.NoError(t, mb.Delete(t.Context(), []mailbox.ID{all[5].ID}, nil))
	assert.Contains(t, srv.Transcript(), "C: DELE 6")
}

// popCounts: the numbers of UIDL and LIST need not agree.
func popCounts(t *testing.T) {
	mails := []string{mail("one"), mail("two"), mail("three"), mail("four")}
	srv := answers(t, mails, map[string]string{
		"UIDL": "+OK 99 messages\r\n3 c\r\n1 a\r\n0 zero\r\n-1 x\r\n99999999999999999999 y\r\n1 again\r\nabc\r\n\r\n.\r\n",
		"LIST": "+OK\r\n1 4294967296\r\n2 notanumber\r\n3 -5\r\n3 7\r\n.\r\n",
	})
	mb := newClient(t, access.TLSImplicit).open(srv.Addr)
	all := summaries(t, mb, &mailbox.ListOptions{Fields: mailbox.FieldSize})
	require.Len(t, all, 3)
	assert.Equal(t, mailbox.NewID(mailbox.Inbox, "", "a"), all[0].ID)
	assert.Equal(t, int64(1<<32), all[0].Size)
	assert.Equal(t, []mailbox.Defect{"no-uidl"}, all[1].Defects)
	assert.Equal(t, mailbox.Fields(0), all[1].Fields, "its size is not known")
	assert.Equal(t, mailbox.NewID(mailbox.Inbox, "", "c"), all[2].ID)
	for i, want := range mails[:3] {
		got, err := read(t, mb, all[i].ID)
		require.NoError(t, err)
		assert.Equal(t, want, got, "the control: what is told of it wrongly can still be read")
	}
}

// popNoTerminator cuts the connection after each octet of a message.
func popNoTerminator(t *testing.T) {
	body := ".one\r\n..\r\ntwo\r\n"
	whole := "+OK\r\n" + stuff(body) + ".\r\n"
	for n := range len(whole) + 1 {
		srv := maildrop(t, []string{body}, func(c *mailtest.Conn) {
			c.Answer("RETR", func(_, _ string) {
				c.Send(whole[:n])
				if n < len(whole) {
					c.Close()
				}
			})
		})
		mb := newClient(t, access.TLSImplicit).open(srv.Addr)
		got, err := read(t, mb, idsOf(t, mb)[0])
		assert.True(t, strings.HasPrefix(body, got), "%q", got)
		if n < len(whole) {
			require.ErrorIs(t, err, io.ErrUnexpectedEOF, "cut after %d octets", n)
		} else {
			require.NoError(t, err, "the control: nothing is cut")
			assert.Equal(t, body, got)
		}
		assert.NotContains(t, srv.Transcript(), "DELE")
	}
}

// dotBodies are hard to unstuff.
func dotBodies() map[string]string {
	return map[string]string{
		"empty":          "",
		"one line":       "x\r\n",
		"dots":           ".\r\n..\r\n...\r\n.x\r\n..x\r\n",
		"dot, LF":        "a\r\n.\nb\r\n",
		"LF, dot, LF":    "a\n.\nb\r\n",
		"LF, dot, CRLF":  "a\n.\r\nb\r\n",
		"CR, dot, CRLF":  "a\r.\r\nb\r\n",
		"lone CR":        "a\rb\r\r\nc\r\r.\r\n",
		"CRLF at start":  "\r\n\r\n.\r\n",
		"NUL and 8-bit":  "\x00\xff\xfe\r\n.\x00\r\n",
		"long line":      strings.Repeat("0123456789", 100_000) + "\r\n",
		"many dots":      strings.Repeat(".", 70_000) + "\r\n",
		"lines of 4096":  strings.Repeat(strings.Repeat("x", 4094)+"\r\n", 20),
		"dotted lines":   strings.Repeat(".\r\n", 30_000),
		"buffer's edges": strings.Repeat("x", bufferSize-9) + "\r\n.\r\n" + strings.Repeat("y", bufferSize-3) + "\r\n..\r\n",
	}
}

func popDots(t *testing.T) {
	for name, body := range dotBodies() {
		for _, split := range []int{0, 1, 3, 4096} {
			if split != 0 && len(body)/split > 2_000 {
				continue
			}
			srv := maildrop(t, []string{body, mail("after")}, func(c *mailtest.Conn) {
				c.Answer("RETR", func(_, args string) {
					text := "+OK\r\n" + stuff(body) + ".\r\n"
					switch {
					case args == "2":
						c.Send("+OK\r\n" + mail("after") + ".\r\n")
					case split == 0:
						c.Send(text)
					default:
						c.SendSplit(text, split)
					}
				})
			})
			mb := newClient(t, access.TLSImplicit).open(srv.Addr)
			var got []string
			for msg, err := range mb.Fetch(t.Context(), idsOf(t, mb), nil) {
				require.NoError(t, err)
				b, err := io.ReadAll(msg.Body)
				require.NoError(t, err, name)
				got = append(got, string(b))
			}
			require.Len(t, got, 2)
			assert.True(t, body == got[0], "%s, split by %d", name, split)
			assert.Equal(t, mail("after"), got[1], "the next message is in step")
			_ = mb.Close()
		}
	}
	// Control: the standard library's reader makes something else of it.
	control := mailtest.Serve(t, nil, func(c *mailtest.Conn) { c.Send("+OK\r\na\n.\nb\r\n.\r\n") })
	b, _ := io.ReadAll(newNaive(t, control.Addr).DotReader())
	assert.NotEqual(t, "a\n.\nb\r\n", string(b))
}

// popSize: LIST is a hint.
func popSize(t *testing.T) {
	body := mail("size") + strings.Repeat("x", 3<<20) + "\r\n"
	for size, ok := range map[int]bool{1: false, len(body): true, len(body) + 1000: true, len(body) - 1000: true} {
		srv := answers(t, []string{body}, map[string]string{"LIST": fmt.Sprintf("+OK\r\n1 %d\r\n.\r\n", size)})
		low := newClient(t, access.TLSImplicit)
		low.opts.limits = withDefaults(limits{sizeFloor: 1})
		mb := low.open(srv.Addr)
		got, err := read(t, mb, idsOf(t, mb)[0])
		if ok {
			require.NoError(t, err)
			assert.True(t, got == body)
			continue
		}
		require.ErrorIs(t, err, mailbox.ErrTooLarge)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)

		// The control: with the limit raised all of it is taken.
		mb = newClient(t, access.TLSImplicit).open(srv.Addr)
		got, err = read(t, mb, idsOf(t, mb)[0])
		require.NoError(t, err)
		assert.True(t, got == body)
	}
}

// popDeleLost cuts a Delete at each of its points.
func popDeleLost(t *testing.T) {
	mails := []string{mail("one"), mail("two"), mail("three")}
	for _, tt := range []struct {
		name string
		at   func(c *mailtest.Conn)
		want error // nil: done
		once bool  // the next session is a good one
	}{
		{"control", func(c *mailtest.Conn) {}, nil, false},
		{"cut at DELE", func(c *mailtest.Conn) { c.Answer("DELE", func(_, _ string) { c.Cut() }) }, mailbox.ErrUnavailable, false},
		{"cut at DELE, then well", func(c *mailtest.Conn) { c.Answer("DELE", func(_, _ string) { c.Cut() }) }, nil, true},
		{"-ERR to DELE", func(c *mailtest.Conn) { c.Answer("DELE", func(_, _ string) { c.Send("-ERR locked\r\n") }) }, &ReplyError{}, false},
		{"cut at QUIT", func(c *mailtest.Conn) { c.Answer("QUIT", func(_, _ string) { c.Cut() }) }, mailbox.ErrUnknownOutcome, false},
		{"-ERR to QUIT", func(c *mailtest.Conn) {
			c.Answer("QUIT", func(_, _ string) { c.Send("-ERR some were not removed\r\n") })
		}, mailbox.ErrUnknownOutcome, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv := secureServer(t, func(c *mailtest.Conn) {
				serve(c, caps, mails, func(c *mailtest.Conn) {
					if c.Num() == 1 || !tt.once {
						tt.at(c)
					}
					c.Verb("BYE")
				})
			})
			mb := newClient(t, access.TLSImplicit).open(srv.Addr)
			ids := idsOf(t, mb)
			err := mb.Delete(t.Context(), ids[:2], nil)
			var reply *ReplyError
			switch {
			case tt.want == nil:
				require.NoError(t, err)
			case errors.As(tt.want, &reply):
				require.ErrorAs(t, err, &reply)
				assert.NotErrorIs(t, err, mailbox.ErrUnknownOutcome)
				assert.Contains(t, srv.Transcript(), "C: RSET")
			default:
				require.ErrorIs(t, err, tt.want)
			}
			quits := strings.Count(srv.Transcript(), "C: QUIT")
			if tt.want == nil || errors.Is(tt.want, mailbox.ErrUnknownOutcome) {
				assert.Equal(t, 1, quits, "QUIT is sent once")
			} else {
				assert.Zero(t, quits, "without QUIT nothing is deleted")
			}
		})
	}
}

// popNumberShift: after a reconnect the numbers are others, and the UIDLs count.
func popNumberShift(t *testing.T) {
	for range 5 {
		n := 3 + rand.N(10)
		srv := secureServer(t, func(c *mailtest.Conn) {
			mailtest.POPLogin(c, caps...)
			// In each later session one message more was put in front.
			shift := c.Num() - 1
			var uidl, list strings.Builder
			for i := range n {
				fmt.Fprintf(&uidl, "%d uid%d\r\n", i+1+shift, i)
				fmt.Fprintf(&list, "%d 100\r\n", i+1+shift)
			}
			c.Answer("UIDL", func(_, _ string) { c.Sendf("+OK\r\n%s.\r\n", uidl.String()) })
			c.Answer("LIST", func(_, _ string) { c.Sendf("+OK\r\n%s.\r\n", list.String()) })
			c.Answer("DELE", func(_, args string) {
				if c.Num() == 1 {
					c.Cut()
				}
				c.Sendf("+OK %s\r\n", args)
			})
			c.Verb("BYE")
		})
		mb := newClient(t, access.TLSImplicit).open(srv.Addr)
		ids := idsOf(t, mb)
		victim := rand.N(n)
		require.NoError(t, mb.Delete(t.Context(), ids[victim:victim+1], nil))
		said := srv.Transcript()
		assert.Contains(t, said, fmt.Sprintf("C: DELE %d\\r", victim+1), "the control: the number was that one at first")
		assert.Contains(t, said, fmt.Sprintf("S: +OK %d\\r", victim+2), "and what is deleted has moved")
		assert.NotContains(t, said, fmt.Sprintf("S: +OK %d\\r", victim+1))
	}
}
