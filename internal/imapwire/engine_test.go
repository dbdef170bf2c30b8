package imapwire

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
)

// steps is a mechanism that gives its responses one by one.
type steps struct {
	initial    []byte
	responses  []string
	challenges []string
}

func (s *steps) Start() (string, []byte, error) { return "STEPS", s.initial, nil }

func (s *steps) Next(challenge []byte) ([]byte, error) {
	s.challenges = append(s.challenges, string(challenge))
	r := s.responses[0]
	s.responses = s.responses[1:]
	return []byte(r), nil
}

func TestSASL(t *testing.T) {
	for _, tt := range []struct {
		name   string
		caps   string
		mech   steps
		script func(s *server)
		want   []string // challenges
	}{
		{"no initial response", "IMAP4rev1", steps{responses: []string{"one", ""}}, func(s *server) {
			s.expect("T1 AUTHENTICATE STEPS")
			s.send("+ Zm9v\r\n")
			s.expect("b25l")
			s.send("+ YmFy\r\n")
			s.expect("") // not "=", which go-imap writes
		}, []string{"foo", "bar"}},
		{"initial response, empty challenge", "IMAP4rev1 SASL-IR", steps{initial: []byte("hi"), responses: []string{"one"}}, func(s *server) {
			s.expect("T1 AUTHENTICATE STEPS aGk=")
			s.send("+\r\n")
			s.expect("b25l")
		}, []string{""}},
		{"empty initial response", "IMAP4rev1 SASL-IR", steps{initial: []byte{}, responses: []string{"one"}}, func(s *server) {
			s.expect("T1 AUTHENTICATE STEPS =")
			s.send("+ Zm9v\r\n")
			s.expect("b25l")
		}, []string{"foo"}},
		{"initial response on request", "IMAP4rev1", steps{initial: []byte("hi"), responses: []string{"one"}}, func(s *server) {
			s.expect("T1 AUTHENTICATE STEPS")
			s.send("+ \r\n")
			s.expect("aGk=")
			s.send("+ \r\n")
			s.expect("b25l")
		}, []string{""}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := New(serve(t, func(s *server) {
				tt.script(s)
				s.send("T1 OK [CAPABILITY IMAP4rev1] in\r\n")
				s.expect("T2 NOOP")
				s.send("T2 OK done\r\n")
			}), nil)
			e := imapclient.New(c.Engine(strings.Fields(tt.caps)), nil)
			defer e.Close()
			require.NoError(t, e.Authenticate(&tt.mech))
			assert.Equal(t, tt.want, tt.mech.challenges)
			require.NoError(t, e.Noop().Wait())
		})
	}

	c, e := withEngine(t, nil, func(s *server) {
		s.expect("T1 AUTHENTICATE STEPS")
		s.send("+ go ahead!\r\n")
		s.hold()
	})
	require.Error(t, e.Authenticate(&steps{responses: []string{"one"}}))
	require.ErrorIs(t, c.Err(), mailbox.ErrProtocol, "a challenge is in base64")
}

// TestRawAfterSASL: the first command behind an AUTHENTICATE is one of ours.
func TestRawAfterSASL(t *testing.T) {
	for _, answer := range []string{"OK in", "NO [AUTHENTICATIONFAILED] no"} {
		c, e := withEngine(t, nil, func(s *server) {
			s.expect("T1 AUTHENTICATE STEPS")
			s.send("+ \r\n")
			s.expect("aGk=")
			s.send("T1 %s\r\n", answer)
			s.expect("P1 NOOP")
			s.send("P1 OK done\r\n")
		})
		err := e.Authenticate(&steps{initial: []byte("hi")})
		assert.Equal(t, answer == "OK in", err == nil)
		cmd, err := c.Start("NOOP")
		require.NoError(t, err)
		_, err = cmd.Wait()
		require.NoError(t, err)
	}
}

// TestParked: while no command is outstanding nobody reads the connection.
func TestParked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reads := &countReads{Conn: serve(t, func(s *server) {
			s.expect("T1 NOOP")
			s.send("T1 OK done\r\n")
			s.send("* 5 EXISTS\r\n")
			s.expect("T2 NOOP")
			s.send("T2 OK done\r\n")
			s.hold()
		})}
		c := New(reads, nil)
		e := imapclient.New(c.Engine([]string{"IMAP4rev1"}), nil)
		defer e.Close()
		require.NoError(t, e.Noop().Wait())
		synctest.Wait()
		n := reads.n
		assert.Equal(t, 1, n, "the engine is parked")
		require.NoError(t, e.Noop().Wait())
		synctest.Wait()
		assert.Greater(t, reads.n, n)
	})
}

type countReads struct {
	net.Conn
	n int
}

func (c *countReads) Read(p []byte) (int, error) {
	c.n++
	return c.Conn.Read(p)
}

// TestClose: closing ends every call, whoever reads.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, e := withEngine(t, nil, func(s *server) { s.hold() })
		get, err := c.Start("UID FETCH", Raw("1:*"), Raw("(UID)"))
		require.NoError(t, err)
		find, err := c.Start("UID SEARCH", Raw("ALL"))
		require.NoError(t, err)
		require.NoError(t, c.Flush())
		errs := make(chan error, 3)
		go func() { _, err := get.Next(); errs <- err }()
		go func() { _, err := find.Wait(); errs <- err }()
		noop := e.Noop()
		go func() { errs <- noop.Wait() }()
		synctest.Wait()
		require.NoError(t, c.Close())
		closed := 0
		for range 3 {
			if err := <-errs; errors.Is(err, mailbox.ErrClosed) {
				closed++
			} else {
				require.ErrorIs(t, err, io.ErrUnexpectedEOF, "the engine sees an end")
			}
		}
		assert.Equal(t, 2, closed)
		require.ErrorIs(t, c.Err(), mailbox.ErrClosed)
		_, err = c.Start("NOOP")
		require.ErrorIs(t, err, mailbox.ErrClosed)
		require.NoError(t, c.Close())
		_ = e.Close()
	})
}

// TestBye: what the server says before it hangs up is in the error.
func TestBye(t *testing.T) {
	for _, script := range []string{
		"* BYE [UNAVAILABLE] shutting down\r\n", "%s BYE [UNAVAILABLE] shutting down\r\n",
		"* BYE one\r\n* BYE [UNAVAILABLE] shutting down\r\n", "* 1 FETCH (UID 1 BODY[] {10}\r\nabc",
	} {
		c := New(serve(t, func(s *server) {
			s.expect("P1 UID FETCH 1:* (UID)")
			s.send("%s", strings.ReplaceAll(script, "%s", "P1"))
		}), nil)
		cmd, err := c.Start("UID FETCH", Raw("1:*"), Raw("(UID)"))
		require.NoError(t, err)
		_, err = cmd.Wait()
		require.ErrorIs(t, err, mailbox.ErrUnavailable)
		var bye *Status
		if strings.Contains(script, "BYE") {
			require.ErrorAs(t, err, &bye)
			assert.Equal(t, "UNAVAILABLE", bye.Code)
		} else {
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		}
	}
}

// TestSyncLiteral: an argument that the server must ask for.
func TestSyncLiteral(t *testing.T) {
	c := New(serve(t, func(s *server) {
		s.expect("P1 EXAMINE {5}")
		s.send("* 1 RECENT\r\n+ go on\r\n")
		s.expect("caf\xc3\xa9")
		s.send("* 3 EXISTS\r\n* OK [UIDVALIDITY 5] x\r\nP1 OK [READ-ONLY] done\r\n")
		s.expect("P2 EXAMINE {1}")
		s.send("P2 NO no such folder\r\n")
		s.expect(`P3 STATUS "a\"\\b" (UNSEEN)`)
		s.send("P3 OK done\r\n")
	}), nil)
	cmd, err := c.Start("EXAMINE", String("café"))
	require.NoError(t, err)
	require.NoError(t, c.Flush())
	var names []string
	for {
		r, err := cmd.Next()
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		names = append(names, r.Name)
		if r.Name == "OK" {
			assert.Equal(t, &Status{Kind: "OK", Code: "UIDVALIDITY", Args: "5", Text: "x"}, r.Status)
		}
	}
	assert.Equal(t, []string{"EXISTS", "OK"}, names)
	s, err := cmd.Wait()
	require.NoError(t, err)
	assert.Equal(t, "READ-ONLY", s.Code)

	cmd, err = c.Start("EXAMINE", String("\xff"))
	require.NoError(t, err)
	s, err = cmd.Wait()
	require.ErrorIs(t, err, s)
	assert.Equal(t, "NO", s.Kind)

	cmd, err = c.Start("STATUS", String(`a"\b`), Raw("(UNSEEN)"))
	require.NoError(t, err)
	_, err = cmd.Wait()
	require.NoError(t, err)

	// Not while an answer is awaited: it would be lost. Behind a command that
	// nobody waits for, it may.
	c = New(serve(t, func(s *server) {
		s.expect("P1 NOOP")
		s.send("P1 OK done\r\n")
		s.expect("P3 ID NIL")
		s.expect("P2 EXAMINE {1}")
		s.send("* ID NIL\r\nP3 OK done\r\n+ go on\r\n")
		s.expect("\xff")
		s.send("P2 OK done\r\n")
	}), nil)
	noop, err := c.Start("NOOP")
	require.NoError(t, err)
	require.NoError(t, c.Flush())
	cmd, err = c.Start("EXAMINE", String("\xff"))
	require.NoError(t, err)
	require.ErrorIs(t, c.Flush(), errMidst)
	_, err = noop.Wait()
	require.NoError(t, err)
	c.mu.Lock()
	c.queue = nil
	c.mu.Unlock()
	require.NoError(t, c.Ahead("ID", Raw("NIL")))
	c.mu.Lock()
	c.queue = append(c.queue, cmd)
	c.mu.Unlock()
	_, err = cmd.Wait()
	require.NoError(t, err)
}

// TestLiteralModes: what servers take without being asked.
func TestLiteralModes(t *testing.T) {
	for caps, want := range map[string]int{"IMAP4rev1": 2, "IMAP4rev1 LITERAL-": 1, "imap4rev1 literal+": 1} {
		c := New(&canned{Reader: strings.NewReader("")}, nil)
		c.Engine(strings.Fields(caps))
		cmd, err := c.Start("STATUS", String("é"))
		require.NoError(t, err)
		assert.Len(t, cmd.parts, want, caps)
		cmd, err = c.Start("STATUS", String(strings.Repeat("a", 5000)))
		require.NoError(t, err)
		assert.Equal(t, strings.HasSuffix(caps, "+"), len(cmd.parts) == 1, caps)
	}
}

// TestMidst: nothing is written between the halves of a command.
func TestMidst(t *testing.T) {
	c, e := withEngine(t, nil, func(s *server) {
		s.expect("T1 APPEND INBOX {2}")
		s.send("+ go on\r\n")
		s.expect("hi")
		s.send("T1 OK done\r\n")
		s.expect("P1 NOOP")
		s.send("P1 OK done\r\n")
	})
	a := e.Append("INBOX", 2, nil)
	cmd, err := c.Start("NOOP")
	require.NoError(t, err)
	require.Error(t, c.Flush())
	_, err = io.WriteString(a, "hi")
	require.NoError(t, err)
	require.NoError(t, a.Close())
	_, err = a.Wait()
	require.NoError(t, err)
	_, err = cmd.Wait()
	require.NoError(t, err, "what was queued is written later")
}

// TestSkipping: reading a later command skips what is left of an earlier one.
func TestSkipping(t *testing.T) {
	script := func(s *server) {
		s.expect("P1 UID FETCH 1:* (UID)")
		s.expect("P2 UID SEARCH ALL")
		s.send("* 1 FETCH (UID 1)\r\n* 2 FETCH (UID 2 BODY[] {3}\r\nabc)\r\nP1 OK done\r\n* SEARCH 1 2\r\nP2 OK done\r\n")
	}
	start := func() (get, find *Command) {
		c := New(serve(t, script), nil)
		get, err := c.Start("UID FETCH", Raw("1:*"), Raw("(UID)"))
		require.NoError(t, err)
		find, err = c.Start("UID SEARCH", Raw("ALL"))
		require.NoError(t, err)
		return get, find
	}
	get, find := start()
	_, err := get.Next()
	require.NoError(t, err)
	r, err := find.Next()
	require.NoError(t, err)
	assert.Equal(t, "* SEARCH 1 2\r\n", string(r.Raw()))
	_, err = get.Next()
	require.Equal(t, io.EOF, err)
	_, err = find.Next()
	require.Equal(t, io.EOF, err)

	// The other way round the server answers out of order.
	c := New(serve(t, func(s *server) {
		s.expect("P1 UID FETCH 1:* (UID)")
		s.expect("P2 UID SEARCH ALL")
		s.send("* SEARCH 1 2\r\nP2 OK done\r\nP1 OK done\r\n")
	}), nil)
	get, err = c.Start("UID FETCH", Raw("1:*"), Raw("(UID)"))
	require.NoError(t, err)
	_, err = c.Start("UID SEARCH", Raw("ALL"))
	require.NoError(t, err)
	_, err = get.Next()
	require.ErrorIs(t, err, mailbox.ErrProtocol)
}

// TestCanonical: what the engine sees of odd capabilities and codes.
func TestCanonical(t *testing.T) {
	assert.Equal(t, " IMAP4rev1 AUTH=PLAIN", canonicalCaps("IMAP4rev1  AUTH=PLAIN a(b \x01 IMAP4rev2 "+strings.Repeat("x", 300)))
	assert.Equal(t, " IMAP4rev2", canonicalCaps("IMAP4rev2"))
	for text, want := range map[string]string{"": "-", "[x] y": "x] y", "ok\x1b": "ok", "[": "-"} {
		assert.Equal(t, want, engineText(text))
	}
	for args, want := range map[string]string{"1 2": "[APPENDUID 1 2] ", "0 2": "", "1": "", "1 2:3": "", "+1 2": "", "1 4294967296": ""} {
		assert.Equal(t, want, appendUID(args))
	}
	c, e := withEngine(t, nil, func(s *server) {
		s.expect("T1 SELECT INBOX")
		s.send("* OK [UIDVALIDITY 0] x\r\n* OK [UIDNEXT 99999999999] x\r\n* OK [HIGHESTMODSEQ 0] x\r\n* OK [PERMANENTFLAGS x] x\r\n")
		s.send("* FLAGS x\r\n* 99999999999 EXISTS\r\n* NO [ALERT] x\r\nT1 OK [x(y z] [done\r\n")
	})
	data, err := e.Select("INBOX", nil).Wait()
	require.NoError(t, err)
	assert.Equal(t, &imap.SelectData{}, data)
	require.NoError(t, c.Err())
}
