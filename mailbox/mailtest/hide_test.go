package mailtest

import (
	"encoding/base64"
	"net/smtp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// canary is the password of these tests; it must not be shown.
const canary = "canary-5ecret-word"

var plain = base64.StdEncoding.EncodeToString([]byte("\x00ann\x00" + canary))

// turn is what one side says in one go.
type turn struct {
	from byte
	text string
}

// play writes a conversation down in pieces of n octets.
func play(turns []turn, n int) *transcript {
	tr := &transcript{}
	for _, t := range turns {
		for p := []byte(t.text); len(p) > 0; p = p[min(n, len(p)):] {
			tr.add(t.from, p[:min(n, len(p))])
		}
	}
	return tr
}

// watch reports whether a canary finds the password in a text.
func watch(t *testing.T, text string) bool {
	r := &recorder{TB: t}
	NewCanary(r, canary).Value(text)
	return r.Failed()
}

func TestHide(t *testing.T) {
	for name, tt := range map[string]struct {
		turns []turn
		want  string // of what is shown, line ends as they are
	}{
		"LOGIN": {
			[]turn{{'C', "a1 LOGIN ann \"" + canary + "\"\r\n"}, {'S', "a1 OK\r\n"}, {'C', "a2 NOOP\r\n"}},
			"a1 LOGIN ***\r\na1 OK\r\na2 NOOP\r\n",
		},
		"login with tabs": {
			[]turn{{'C', "a1\tlogin  ann " + canary + "\n"}},
			"a1\tlogin ***\r\n",
		},
		"LOGIN with literals": {
			[]turn{
				{'C', "a1 LOGIN {3}\r\n"}, {'S', "+ go on\r\n"}, {'C', "ann {20}\r\n"}, {'S', "+ go on\r\n"},
				{'C', canary + "\r\n\r\n"}, {'S', "a1 OK\r\n"}, {'C', "a2 LIST \"\" *\r\n"},
			},
			"a1 LOGIN ***\r\n+ go on\r\n***\r\n+ go on\r\n***\r\na1 OK\r\na2 LIST \"\" *\r\n",
		},
		"LOGIN in one piece": {
			[]turn{{'C', "a1 LOGIN {3+}\r\nann {18+}\r\n" + canary + "\r\na2 SELECT INBOX\r\n"}},
			"a1 LOGIN ***\r\n***\r\n***\r\na2 SELECT INBOX\r\n",
		},
		"a literal that looks like a command": {
			[]turn{{'C', "a1 LOGIN ann {27+}\r\na3 NOOP\r\n" + canary + "\r\na2 SELECT INBOX\r\n"}},
			"a1 LOGIN ***\r\n***\r\na2 SELECT INBOX\r\n",
		},
		"a login that is refused early, with an answer all the same": {
			[]turn{{'C', "a1 LOGIN ann {18+}\r\n"}, {'S', "a1 NO\r\n"}, {'C', canary + "\r\na2 NOOP\r\n"}},
			"a1 LOGIN ***\r\na1 NO\r\n***\r\na2 NOOP\r\n",
		},
		"AUTHENTICATE": {
			[]turn{{'C', "a1 AUTHENTICATE PLAIN\r\n"}, {'S', "+ \r\n"}, {'C', plain + "\r\n"}, {'S', "a1 OK\r\n"}, {'C', "a2 NOOP\r\n"}},
			"a1 AUTHENTICATE ***\r\n+ \r\n***\r\na1 OK\r\na2 NOOP\r\n",
		},
		"AUTHENTICATE with everything": {
			[]turn{{'C', "a1 AUTHENTICATE PLAIN " + plain + "\r\na2 NOOP\r\n"}},
			"a1 AUTHENTICATE ***\r\na2 NOOP\r\n",
		},
		"answers after an empty one and after other lines of the server": {
			[]turn{
				{'C', "a1 AUTHENTICATE LOGIN\r\n"}, {'S', "+ \r\n"}, {'C', "\r\n"}, {'S', "* OK wait\r\n+ \r\n"},
				{'C', plain + "\r\n"}, {'S', "+ \r\n"}, {'C', plain + "\r\na2 NOOP\r\n"},
			},
			"a1 AUTHENTICATE ***\r\n+ \r\n\r\n* OK wait\r\n+ \r\n***\r\n+ \r\n***\r\na2 NOOP\r\n",
		},
		"PASS": {
			[]turn{{'C', "USER ann\r\n"}, {'S', "+OK\r\n"}, {'C', "PASS " + canary + " and more\r\nSTAT\r\n"}},
			"USER ann\r\n+OK\r\nPASS ***\r\nSTAT\r\n",
		},
		"APOP": {
			[]turn{{'C', "apop ann " + canary + "\r\nRETR 1\r\n"}},
			"apop ***\r\nRETR 1\r\n",
		},
		"AUTH": {
			[]turn{{'C', "CAPA\r\nAUTH PLAIN\r\n"}, {'S', "+OK\r\nSASL PLAIN\r\n.\r\n+ \r\n"}, {'C', plain + "\r\n"}, {'S', "+OK\r\n"}, {'C', "STAT\r\nRETR 1\r\n"}},
			"CAPA\r\nAUTH ***\r\n+OK\r\nSASL PLAIN\r\n.\r\n+ \r\n***\r\n+OK\r\nSTAT\r\nRETR 1\r\n",
		},
		"nothing to hide": {
			[]turn{{'C', "a1 APPEND x {9}\r\n"}, {'S', "+ \r\n"}, {'C', "one\r\ntwo \r\n"}, {'C', "AUTH\r\nLOGIN\r\na PASS b\r\n"}},
			"a1 APPEND x {9}\r\n+ \r\none\r\ntwo \r\nAUTH\r\nLOGIN\r\na PASS b\r\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, n := range []int{1, 2, 3, 7, 1000} {
				tr := play(tt.turns, n)
				assert.False(t, watch(t, tr.String()), tr.String())
				assert.Equal(t, tt.want, said(tr.String()), "pieces of %d octets", n)
				assert.Equal(t, strings.Contains(tt.want, hidden), watch(t, tr.Raw()), "the control: the canary sees what is not hidden")
			}
		})
	}
}

// said is a transcript without the names of the speakers.
func said(transcript string) string {
	var b strings.Builder
	for line := range strings.Lines(transcript) {
		b.WriteString(strings.TrimSuffix(line[3:], "\n"))
	}
	return strings.NewReplacer(`\r`, "\r", `\n`, "\n", `\t`, "\t").Replace(b.String())
}

// TestHideRefused: where the server refuses a literal that the client waits
// with, the next line is a command.
func TestHideRefused(t *testing.T) {
	turns := []turn{{'C', "a1 LOGIN ann {18}\r\n"}, {'S', "a1 NO\r\n"}, {'C', "a2 NOOP\r\n"}}
	assert.Equal(t, "a1 LOGIN ***\r\na1 NO\r\na2 NOOP\r\n", said(play(turns, 1000).String()))
	turns[1].text = "* NO\r\n"
	assert.Equal(t, "a1 LOGIN ***\r\n* NO\r\n***", said(play(turns, 1000).String()))
}

// TestServeHides: neither what a script finds wrong nor what it logs holds a
// password; what a test asks for does.
func TestServeHides(t *testing.T) {
	for name, tt := range map[string]struct {
		handler func(c *Conn)
		say     string
	}{
		"command": {func(c *Conn) { c.Command("SELECT") }, "1 LOGIN ann " + canary + "\r\n"},
		"literal": {func(c *Conn) { c.Command("SELECT") }, "1 LOGIN ann {18+}\r\n" + canary + "\r\n"},
		"login":   {func(c *Conn) { POPLogin(c) }, "APOP\tann " + canary + "\r\n"},
		"verb":    {func(c *Conn) { c.Verb("QUIT") }, "PASS " + canary + "\r\n"},
		"line":    {func(c *Conn) { c.Expect("PASS " + canary) }, "PASS " + canary + "x\r\n"},
		"answer":  {func(c *Conn) { c.Expect("AUTH .*"); c.Send("+ \r\n"); c.Expect("no") }, "AUTH PLAIN\r\n" + plain + "\r\n"},
		"SASL":    {func(c *Conn) { c.Expect("AUTH .*"); c.SASLPlain(c.ReadLine() + "!") }, "AUTH PLAIN\r\n" + plain + "\r\n"},
		"more":    {func(c *Conn) { c.ExpectEOF() }, "PASS " + canary + "\r\n"},
		"end":     {func(c *Conn) { c.ReadLine(); c.ReadLine() }, "PASS " + canary + "\r\nPASS " + canary},
	} {
		t.Run(name, func(t *testing.T) {
			r := &recorder{TB: t}
			done := make(chan bool, 1)
			srv := Serve(r, &ServeOptions{Whole: true}, func(c *Conn) {
				defer func() { done <- true }()
				tt.handler(c)
			})
			c := dial(t, srv.Addr)
			c.send(tt.say)
			c.hangUp()
			<-done
			r.end()
			require.Len(t, r.errors, 1)
			require.Len(t, r.logs, 1)
			logged := strings.Join(r.errors, "\n") + strings.Join(r.logs, "\n")
			assert.False(t, watch(t, logged), logged)
			assert.Contains(t, logged, hidden)
			assert.True(t, watch(t, srv.Transcript()), "the control")
		})
	}
}

// TestHostHides: what a host logs holds no password of any protocol.
func TestHostHides(t *testing.T) {
	h := newHost(t, &Options{Plaintext: true})
	h.AddUser("cat", canary)
	for addr, says := range map[string][]string{
		h.IMAP: {"1 LOGIN cat {18+}\r\n" + canary + "\r\n", "2 LOGOUT\r\n"},
		h.POP3: {"USER cat\r\nPASS " + canary + "\r\n", "QUIT\r\n"},
	} {
		c := dial(t, addr)
		for _, s := range says {
			c.send(s)
		}
		c.hangUp()
		for line := ""; !strings.Contains(line, "bye") && !strings.Contains(line, "BYE"); {
			line = c.line()
		}
	}
	sc, err := smtp.Dial(h.SMTP)
	require.NoError(t, err)
	require.NoError(t, sc.Auth(smtp.PlainAuth("", "cat", canary, "127.0.0.1")))
	require.NoError(t, sc.Quit())

	assert.False(t, watch(t, h.Transcript()), h.Transcript())
	for _, s := range []string{"1 LOGIN ***", "2 LOGOUT", "PASS ***", "AUTH ***"} {
		assert.Contains(t, h.Transcript(), s)
	}
	raw := ""
	for _, talk := range h.said {
		raw += talk.said.Raw()
		if talk.said.Raw() != "" {
			assert.True(t, watch(t, talk.said.Raw()), "the control: %s", talk.name)
		}
	}
	assert.Equal(t, 2, strings.Count(raw, canary))
}
