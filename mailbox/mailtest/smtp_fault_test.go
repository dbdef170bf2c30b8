package mailtest

import (
	"errors"
	"io"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// silent wants that nothing comes, and that the connection has not ended.
func (c *client) silent() {
	c.t.Helper()
	require.NoError(c.t, c.nc.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
	b, err := c.br.ReadByte()
	assert.Truef(c.t, errors.Is(err, os.ErrDeadlineExceeded), "%q, %v", b, err)
}

func TestSMTPFaults(t *testing.T) {
	const all = envelope + "DATA\r\n"
	asked := []string{"250 ", "250 ", "354 "}
	for name, tt := range map[string]struct {
		fault  Fault
		talk   func(t *testing.T, c *client)
		stored int
	}{
		"cut in the message": {Fault{Kind: FaultCut, Command: "DATA", N: 10}, func(_ *testing.T, c *client) {
			c.says(all, asked...)
			c.send(letter + ".\r\n")
			c.ends()
		}, 0},
		"cut in a chunk": {Fault{Kind: FaultCut, Command: "DATA", N: 10}, func(_ *testing.T, c *client) {
			c.says(envelope, "250 ", "250 ")
			c.send("BDAT 30 LAST\r\n" + letter)
			c.ends()
		}, 0},
		"cut behind the message": {Fault{Kind: FaultCut, Command: "DATA", N: 1 << 20}, func(_ *testing.T, c *client) {
			c.says(all, asked...)
			c.send(letter + ".\r\n")
			c.ends()
		}, 1},
		"cut behind the last chunk": {Fault{Kind: FaultCut, Command: "DATA", N: 1 << 20}, func(_ *testing.T, c *client) {
			c.says(envelope+"BDAT 8\r\nSubject:BDAT 4 LAST\r\n\r\n\r\n", "250 ", "250 ", "250 2.0.0 8 octets")
			c.ends()
		}, 1},
		"stall in the message": {Fault{Kind: FaultStall, Command: "DATA", N: 10}, func(_ *testing.T, c *client) {
			c.says(all, asked...)
			c.send(letter + ".\r\n")
			c.silent()
		}, 0},
		"stall behind the message": {Fault{Kind: FaultStall, Command: "DATA", N: 1 << 20}, func(_ *testing.T, c *client) {
			c.says(all, asked...)
			c.send(letter + ".\r\n")
			c.silent()
		}, 1},
		"stall in a reply": {Fault{Kind: FaultStall, Command: "RCPT", N: 6}, func(t *testing.T, c *client) {
			c.says("MAIL FROM:<>\r\n", "250 ")
			c.send("RCPT TO:<" + ann + ">\r\n")
			b := make([]byte, 6)
			_, err := io.ReadFull(c.br, b)
			require.NoError(t, err)
			assert.Equal(t, "250 2.", string(b))
			c.silent()
		}, 0},
		"delay": {Fault{Kind: FaultDelay, Command: "DATA", Delay: time.Hour}, func(_ *testing.T, c *client) {
			c.says(all, asked...)
			c.send(letter + ".\r\n")
			c.silent()
		}, 1},
		"short delay": {Fault{Kind: FaultDelay, Command: "MAIL", Delay: time.Millisecond}, func(_ *testing.T, c *client) {
			c.says("MAIL FROM:<>\r\n", "250 ")
		}, 0},
		"garbage": {Fault{Kind: FaultGarbage, Command: "DATA", Text: "what now"}, func(_ *testing.T, c *client) {
			c.says(all, asked...)
			c.says(letter+".\r\n", "what now", "250 2.0.0 OK: queued as 1A2B")
		}, 1},
		"garbage ahead of 354": {Fault{Kind: FaultGarbage, Command: "354", Text: "what now"}, func(_ *testing.T, c *client) {
			c.says(all, "250 ", "250 ", "what now", "354 ")
			c.says(letter+".\r\n", "250 ")
		}, 1},
		"354 refused": {Fault{Kind: FaultReply, Command: "354", Text: "451 4.7.1 greylisted", Times: 1}, func(_ *testing.T, c *client) {
			c.says(all, "250 ", "250 ", "451 4.7.1 greylisted")
			c.says("DATA\r\n", "354 ")
			c.says(letter+".\r\n", "250 ")
		}, 1},
		"message refused": {Fault{Kind: FaultReply, Command: "DATA", Text: "554 5.7.1 spam"}, func(_ *testing.T, c *client) {
			c.says(all, asked...)
			c.says(letter+".\r\n", "554 5.7.1 spam")
			c.says(envelope+"BDAT 2\r\n\r\nBDAT 0 LAST\r\n", "250 ", "250 ", "250 ", "554 5.7.1 spam")
		}, 0},
		"chunk refused": {Fault{Kind: FaultReply, Command: "BDAT", Skip: 1, Times: 1, Text: "451 4.3.0 disk"}, func(_ *testing.T, c *client) {
			c.says(envelope+"BDAT 2\r\nSuBDAT 6\r\nQUIT\r\nBDAT 2 LAST\r\n\r\nNOOP\r\n", "250 ", "250 ", "250 ", "451 4.3.0 disk", "503 ", "250 ")
			c.says(envelope+"BDAT 2 LAST\r\n\r\n", "250 ", "250 ", "250 ")
		}, 1},
		"one recipient refused": {Fault{Kind: FaultReply, Command: "RCPT", Skip: 1, Times: 1, Text: "450 4.2.1 busy"}, func(_ *testing.T, c *client) {
			c.says(envelope+"RCPT TO:<"+bob+">\r\nRCPT TO:<"+ann+">\r\nDATA\r\n", "250 ", "250 ", "450 4.2.1 busy", "250 ", "354 ")
			c.says(letter+".\r\n", "250 ")
		}, 2},
		"421 between messages": {Fault{Kind: FaultBye, Command: "MAIL", Skip: 1, Text: "enough"}, func(_ *testing.T, c *client) {
			c.says(all, asked...)
			c.says(letter+".\r\n", "250 ")
			c.says(all, "421 4.3.2 enough")
			c.ends()
		}, 1},
		"421 for a message": {Fault{Kind: FaultBye, Command: "DATA", Text: "enough"}, func(_ *testing.T, c *client) {
			c.says(all, asked...)
			c.says(letter+".\r\n", "421 4.3.2 enough")
			c.ends()
		}, 0},
		"cut in EHLO": {Fault{Kind: FaultCut, Command: "EHLO", N: 10}, func(t *testing.T, c *client) {
			c.send("EHLO x\r\n")
			rest, _ := io.ReadAll(c.br)
			assert.Equal(t, "250-localh", string(rest))
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t, nil)
			c := smtpLogin(t, h)
			tt.fault.Protocol = "smtp"
			h.Inject(tt.fault)
			tt.talk(t, c)
			assert.Equal(t, tt.stored, stored(t, h, ann))
			assert.Len(t, h.Submissions(), min(tt.stored, 1))
		})
	}
}

// TestSMTPInterrupt: it ends SMTP's connections as well.
func TestSMTPInterrupt(t *testing.T) {
	h := newHost(t, nil)
	c, l := smtpLogin(t, h), lmtpDial(t, h)
	h.Interrupt()
	c.ends()
	l.ends()
	smtpLogin(t, h)
}

func TestServeSMTP(t *testing.T) {
	for mech, answers := range map[string][]string{
		"PLAIN":                     {"334 "},
		"PLAIN AGFubgBzZWNyZXQ=":    nil,
		"login":                     {"334 ", "334 UGFzc3dvcmQ6"},
		"LOGIN Ym9i":                {"334 UGFzc3dvcmQ6"},
		"XOAUTH2 dXNlcj1ib2IBAQ==":  nil,
		"SCRAM-SHA-256 biwsbj1ib2I": nil,
	} {
		srv := Serve(t, &ServeOptions{Whole: true}, func(c *Conn) {
			SMTPLogin(c, "PIPELINING", "SIZE 1000")
			assert.Equal(t, "FROM:<"+bob+">", c.Verb("MAIL"))
			c.Send("250 ok\r\n")
			assert.Empty(t, c.Verb("RSET"), "one that is asked for is not answered on the way")
			c.Send("250 reset\r\n")
			c.Verb("DATA")
		})
		c := dial(t, srv.Addr)
		c.want("220 localhost ESMTP ready")
		c.send("EHLO x\r\n")
		for _, line := range []string{"250-localhost", "250-PIPELINING", "250 SIZE 1000"} {
			c.want(line)
		}
		c.send("AUTH " + mech + "\r\n")
		for _, line := range answers {
			c.want(line)
			c.send("Ym9i\r\n")
		}
		c.want("235 2.7.0 logged in")
		c.send("NOOP\r\nMAIL FROM:<" + bob + ">\r\nHELO x\r\nRSET\r\nQUIT\r\n")
		for _, line := range []string{"250 2.0.0 done", "250 ok", "250 localhost", "250 reset", "221 2.0.0 bye"} {
			c.want(line)
		}
		c.ends()
	}
}

// TestServeSMTPFails: a script without AUTH's login is no login.
func TestServeSMTPFails(t *testing.T) {
	r := &recorder{TB: t}
	done := make(chan bool, 1)
	srv := Serve(r, nil, func(c *Conn) {
		defer func() { done <- true }()
		SMTPLogin(c)
		t.Error("the handler went on")
	})
	c := dial(t, srv.Addr)
	c.says("EHLO x\r\nMAIL FROM:<>\r\n", "220 ", "250 localhost")
	<-done
	r.end()
	require.Len(t, r.errors, 1)
	assert.Contains(t, r.errors[0], "before its login")
}
