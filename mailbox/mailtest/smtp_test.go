package mailtest

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/smtp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// smtpDial opens a submission session inside TLS, up to the end of EHLO, whose
// lines behind the first it gives.
func smtpDial(t *testing.T, h *Host) (*client, []string) {
	t.Helper()
	c := dial(t, h.SMTPS)
	require.NoError(t, c.nc.SetDeadline(time.Now().Add(time.Minute)))
	c.startTLS()
	c.want("220 localhost ESMTP Service Ready")
	return c, c.ehlo("EHLO")
}

// smtpLogin is smtpDial with a login as bob.
func smtpLogin(t *testing.T, h *Host) *client {
	t.Helper()
	c, _ := smtpDial(t, h)
	c.send("AUTH PLAIN " + b64("\x00"+bob+"\x00"+secret) + "\r\n")
	require.Regexp(t, "^235 ", c.line())
	return c
}

func lmtpDial(t *testing.T, h *Host) *client {
	t.Helper()
	c := dial(t, h.LMTP)
	c.want("220 localhost LMTP Service Ready")
	c.ehlo("LHLO")
	return c
}

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func (c *client) ehlo(verb string) (keywords []string) {
	c.t.Helper()
	c.send(verb + " client.example.org\r\n")
	c.want("250-localhost")
	for {
		line := c.line()
		keywords = append(keywords, line[4:])
		if line[3] == ' ' {
			return keywords
		}
	}
}

// says sends commands in one write and wants replies that begin so.
func (c *client) says(commands string, replies ...string) {
	c.t.Helper()
	c.send(commands)
	for _, want := range replies {
		got := c.line()
		require.Truef(c.t, strings.HasPrefix(got, want), "%q, want %q", got, want)
	}
}

// ends wants the connection to have ended.
func (c *client) ends() {
	c.t.Helper()
	_, err := c.br.ReadByte()
	assert.Error(c.t, err)
}

const (
	envelope = "MAIL FROM:<" + bob + ">\r\nRCPT TO:<" + ann + ">\r\n"
	letter   = "Subject: hello\r\n\r\nHello.\r\n"
)

func stored(t *testing.T, h *Host, user string) int {
	t.Helper()
	all, err := h.Messages(user, "")
	require.NoError(t, err)
	return len(all)
}

func TestSMTPFlavours(t *testing.T) {
	for flavour, want := range map[SMTPFlavour]string{
		SMTPExtended:   "PIPELINING,8BITMIME,ENHANCEDSTATUSCODES,CHUNKING,AUTH PLAIN LOGIN XOAUTH2 OAUTHBEARER,SMTPUTF8,BINARYMIME,DSN,SIZE 1000000,LIMITS RCPTMAX=1000,REQUIRETLS,DELIVERBY,MT-PRIORITY",
		SMTPPipelining: "PIPELINING,8BITMIME,ENHANCEDSTATUSCODES,AUTH PLAIN LOGIN XOAUTH2 OAUTHBEARER,SMTPUTF8,DSN,SIZE 1000000",
		SMTPBare:       "AUTH PLAIN LOGIN,SIZE 1000000",
	} {
		h := newHost(t, &Options{SMTP: flavour, AppendLimit: 1_000_000})
		_, inTLS := smtpDial(t, h)
		assert.Equal(t, want, strings.Join(inTLS, ","))

		c := dial(t, h.SMTP)
		c.line()
		without := c.ehlo("EHLO")
		assert.Contains(t, without, "STARTTLS")
		assert.NotContains(t, strings.Join(without, ","), "AUTH")
		assert.NotContains(t, without, "REQUIRETLS")
		c.says("MAIL FROM:<"+bob+">\r\n", "530 ")
		c.says("STARTTLS\r\n", "220 ")
		c.startTLS()
		c.says("MAIL FROM:<"+bob+">\r\n", "503 ")
		assert.Equal(t, want, strings.Join(c.ehlo("EHLO"), ","), "after STARTTLS")
		c.says("STARTTLS\r\n", "503 ")

		c = dial(t, h.LMTP)
		c.line()
		local := strings.Join(c.ehlo("LHLO"), ",")
		assert.NotContains(t, local, "AUTH")
		assert.NotContains(t, local, "STARTTLS")
		assert.Contains(t, local, "SIZE 1000000")
	}
}

// TestSMTPRefusesWhatItHides: what is not advertised does not work either.
func TestSMTPRefusesWhatItHides(t *testing.T) {
	mail, rcpt := "MAIL FROM:<"+bob+"> ", "RCPT TO:<"+ann+"> "
	extended := []string{"BODY=BINARYMIME", "REQUIRETLS", "BY=120;R", "MT-PRIORITY=3"}
	standard := []string{"BODY=8BITMIME", "SMTPUTF8", "RET=HDRS", "ENVID=x"}
	for flavour, lacks := range map[SMTPFlavour][]string{
		SMTPExtended: {"UNKNOWN=1"}, SMTPPipelining: extended, SMTPBare: append(extended, standard...),
	} {
		c := smtpLogin(t, newHost(t, &Options{SMTP: flavour}))
		for _, param := range lacks {
			c.says(mail+param+"\r\n", "555 ")
		}
		if flavour != SMTPBare {
			for _, param := range append([]string{"SIZE=100"}, standard...) {
				c.says(mail+param+"\r\n", "250 ")
				c.says("RSET\r\n", "250 ")
			}
			continue
		}
		c.says(mail+"SIZE=100\r\n", "250 Roger")
		c.says(rcpt+"NOTIFY=NEVER\r\n", "555 ")
		c.says(rcpt+"\r\n", "250 I'll")
	}
	for _, flavour := range []SMTPFlavour{SMTPPipelining, SMTPBare} {
		c := smtpLogin(t, newHost(t, &Options{SMTP: flavour}))
		c.says("BDAT 6\r\n", "502 ")
		c.says("NOOP\r\n", "250 ")
	}
	c := smtpLogin(t, newHost(t, &Options{SMTP: SMTPBare}))
	c.says("NOOP\r\nNOOP\r\n", "250 I have", "554 ")
	c.ends()
}

// TestSubmissions: the envelope with its parameters, and the message octet for
// octet, whatever way it came.
func TestSubmissions(t *testing.T) {
	h := newHost(t, nil)
	assert.Empty(t, h.Submissions())
	c := smtpLogin(t, h)
	// Its end is CRLF "." CRLF alone: neither LF "." LF nor CR "." CR.
	odd := "Subject: odd\r\n\r\n..\r\n.dot\r\n\n.\n\r.\r\na\r\r\n.\r\n\x00\xff\n.\r\nend\r\r\n"
	stuffed := strings.NewReplacer("\r\n.", "\r\n..").Replace(odd)
	c.says("MAIL FROM:<"+bob+"> SIZE=99 BODY=8bitmime RET=HDRS ENVID=a+2Bb BY=120;R MT-PRIORITY=-4 REQUIRETLS\r\n"+
		"RCPT TO:<"+ann+"> NOTIFY=success,DELAY ORCPT=rfc822;a+2Bnn@example.org\r\nRCPT TO:<"+bob+">\r\nDATA\r\n",
		"250 ", "250 ", "250 ", "354 ")
	c.says(stuffed+".\r\nMAIL FROM:<> SMTPUTF8\r\nRCPT TO:<"+ann+">\r\nBDAT 4\r\n\r\n.\rBDAT 3\r\n\n\r\nBDAT 0 LAST\r\n",
		"250 2.0.0 OK: queued as 1A2B", "250 ", "250 ", "250 ", "250 ", "250 2.0.0 OK: queued as 1A2C")
	c.says("NOOP\r\n", "250 ")
	l := lmtpDial(t, h)
	l.says("MAIL FROM:<x@example.net> BODY=BINARYMIME\r\nRCPT TO:<"+ann+">\r\nBDAT 3 LAST\r\nabc", "250 ", "250 ", "250 2.0.0 <"+ann+"> OK: queued as 1A2D")

	want := []Submission{
		{
			ID: "1A2B", Protocol: "smtp", TLS: true, User: bob, From: bob,
			To:   []Recipient{{ann, "SUCCESS,DELAY", "RFC822;a+nn@example.org"}, {bob, "", ""}},
			Size: 99, Body: "8BITMIME", Ret: "HDRS", EnvID: "a+b", DeliverBy: "120;R", Priority: "-4", RequireTLS: true,
			Raw: []byte(odd),
		},
		{ID: "1A2C", Protocol: "smtp", TLS: true, User: bob, To: []Recipient{{Address: ann}}, UTF8: true, Chunks: 3, Raw: []byte("\r\n.\r\n\r\n")},
		{ID: "1A2D", Protocol: "lmtp", From: "x@example.net", To: []Recipient{{Address: ann}}, Body: "BINARYMIME", Chunks: 1, Raw: []byte("abc")},
	}
	assert.Equal(t, want, h.Submissions())
	assert.Equal(t, 3, stored(t, h, ann))
	all, err := h.Messages(bob, "")
	require.NoError(t, err)
	require.Len(t, all, 1)
	assert.Regexp(t, `^Received: from client.example.org by localhost \(mailtest\) with ESMTPSA;\r\n`, string(all[0].Raw))
	assert.True(t, strings.HasSuffix(string(all[0].Raw), odd))
}

// TestSMTPPlaintext: what only makes sense inside TLS, and TLS after a login.
func TestSMTPPlaintext(t *testing.T) {
	c := dial(t, newHost(t, &Options{Plaintext: true}).SMTP)
	c.line()
	assert.Contains(t, c.ehlo("EHLO"), "AUTH PLAIN LOGIN XOAUTH2 OAUTHBEARER")
	c.says("AUTH PLAIN "+b64("\x00"+bob+"\x00"+secret)+"\r\n", "235 ")
	c.says("MAIL FROM:<> REQUIRETLS\r\nSTARTTLS\r\nMAIL FROM:<>\r\n", "555 ", "503 ", "250 ")
}

// TestContentLongLine: the end of a line may be in two of the reader's buffers.
func TestContentLongLine(t *testing.T) {
	h := newHost(t, nil)
	c := smtpLogin(t, h)
	for n := 16<<10 - 3; n < 16<<10+3; n++ {
		c.says(envelope+"DATA\r\n", "250 ", "250 ", "354 ")
		line := strings.Repeat("x", n) + "\r\n"
		c.says(line+".\r\n", "250 ")
		all := h.Submissions()
		assert.Equal(t, line, string(all[len(all)-1].Raw))
	}
}

// TestSMTPRefusesMessage: what is refused is not stored, and the connection
// goes on.
func TestSMTPRefusesMessage(t *testing.T) {
	h := newHost(t, &Options{AppendLimit: 1000})
	long := strings.Repeat("x", 3000) + "\r\n"
	c := smtpLogin(t, h)
	c.says("MAIL FROM:<"+bob+"> SIZE=1001\r\n", "552 5.3.4 ")
	c.says(envelope+"DATA\r\n", "250 ", "250 ", "354 ")
	c.says(long+long+".\r\n", "552 5.3.4 ")
	c.says(envelope+fmt.Sprintf("BDAT %d LAST\r\n", len(long))+long+"NOOP\r\n", "250 ", "250 ", "552 5.3.4 ", "250 ")
	c.says("RCPT TO:<"+ann+">\r\nDATA\r\nMAIL FROM:<>\r\nDATA\r\nRSET\r\n", "503 5.5.1 ", "503 5.5.1 ", "250 ", "503 5.5.1 ", "250 ")
	// A chunk that nobody wants is no commands.
	c.says("MAIL FROM:<"+bob+">\r\nRCPT TO:<nobody@example.org>\r\n"+fmt.Sprintf("BDAT %d LAST\r\n", len(long))+long+"NOOP\r\n",
		"250 ", "550 5.1.1 ", "503 ", "250 ")
	c.says("RSET\r\nMAIL FROM:<"+bob+">\r\nMAIL FROM:<"+bob+">\r\n", "250 ", "250 ", "503 ")
	c.says("RSET\r\nMAIL FROM:<"+bob+"> BY=soon\r\nMAIL FROM:<"+bob+"> MT-PRIORITY=10\r\n", "250 ", "501 ", "501 ")
	c.says("MAIL FROM:<bj\u00f6rn@example.org>\r\n", "553 5.6.7 ")
	c.says("MAIL FROM:<>\r\nRCPT TO:<bj\u00f6rn@example.org>\r\nRSET\r\n", "250 ", "553 5.6.7 ", "250 ")
	c.says(envelope+"BDAT 0\r\nMAIL FROM:<>\r\nRCPT TO:<"+ann+">\r\nDATA\r\nBDAT\r\nBDAT x\r\nRSET\r\n",
		"250 ", "250 ", "250 ", "503 5.5.1 MAIL after", "503 5.5.1 RCPT after", "503 5.5.1 DATA after", "501 ", "501 ", "250 ")
	c.says("NOOP "+long, "500 5.5.2 ")
	// Exactly as large as is taken.
	c.says(envelope+"DATA\r\n", "250 ", "250 ", "354 ")
	c.says(strings.Repeat("x", 998)+"\r\n.\r\n", "250 ")
	assert.Len(t, h.Submissions(), 1)
	assert.Equal(t, 1, stored(t, h, ann))
}

// TestLMTP: a message has an answer for each recipient.
func TestLMTP(t *testing.T) {
	h := newHost(t, nil)
	three := "MAIL FROM:<x@example.net>\r\nRCPT TO:<" + ann + ">\r\nRCPT TO:<nobody@example.org>\r\nRCPT TO:<" + bob + ">\r\nDATA\r\n"
	c := lmtpDial(t, h)
	c.says(three, "250 ", "250 ", "550 5.1.1 ", "250 ", "354 ")
	c.says(letter+".\r\n", "250 2.0.0 <"+ann+"> OK: queued as 1A2B", "250 2.0.0 <"+bob+"> OK: queued as 1A2B")

	h.Inject(Fault{Kind: FaultReply, Protocol: "lmtp", Command: "DATA", Skip: 1, Times: 1, Text: "452 4.2.2 full"})
	c.says(three, "250 ", "250 ", "550 5.1.1 ", "250 ", "354 ")
	c.says(letter+".\r\n", "250 2.0.0 <"+ann+"> ", "452 4.2.2 <"+bob+"> full")
	h.Inject(Fault{Kind: FaultReply, Protocol: "lmtp", Command: "DATA", Times: 2, Text: "554 no"})
	c.says(three, "250 ", "250 ", "550 5.1.1 ", "250 ", "354 ")
	c.says(letter+".\r\n", "554 ", "554 ")
	assert.Equal(t, 2, stored(t, h, ann))
	assert.Equal(t, 1, stored(t, h, bob))
	subs := h.Submissions()
	require.Len(t, subs, 2)
	assert.Equal(t, []Recipient{{Address: ann}}, subs[1].To)

	h.Inject(Fault{Kind: FaultBye, Protocol: "lmtp", Command: "DATA", Skip: 1, Times: 1, Text: "bye"})
	c.says(three, "250 ", "250 ", "550 5.1.1 ", "250 ", "354 ")
	c.says(letter+".\r\n", "421 4.3.2 bye")
	c.ends()
	h.Inject(Fault{Kind: FaultCut, Protocol: "lmtp", Command: "DATA", Skip: 1, Times: 1})
	c = lmtpDial(t, h)
	c.says(three, "250 ", "250 ", "550 5.1.1 ", "250 ", "354 ")
	c.send(letter + ".\r\n")
	c.ends()
	assert.Len(t, h.Submissions(), 3, "stored, the answer lost")
	c = dial(t, h.LMTP)
	c.line()
	c.says("EHLO x\r\nAUTH PLAIN\r\nSTARTTLS\r\n", "500 ", "502 ", "502 ")
}

func TestSMTPAuth(t *testing.T) {
	h := newHost(t, nil)
	for _, password := range []string{secret, "wrong"} {
		bearer := "auth=Bearer " + password + "\x01\x01"
		for mech, messages := range map[string][]string{
			"PLAIN": {"\x00" + bob + "\x00" + password}, "LOGIN": {bob, password},
			"XOAUTH2": {"user=" + bob + "\x01" + bearer}, "OAUTHBEARER": {"n,a=" + bob + ",\x01host=localhost\x01port=465\x01" + bearer},
		} {
			for _, initial := range []bool{true, false} {
				c, _ := smtpDial(t, h)
				say, rest := "AUTH "+mech, messages
				if initial {
					say, rest = say+" "+b64(messages[0]), messages[1:]
				}
				c.send(say + "\r\n")
				for _, m := range rest {
					require.Regexp(t, "^334 ", c.line())
					c.send(b64(m) + "\r\n")
				}
				if password == secret {
					require.Regexp(t, "^235 ", c.line(), mech)
					c.says(envelope+"AUTH PLAIN\r\n", "250 ", "250 ", "503 ")
					continue
				}
				if strings.HasPrefix(mech, "X") || strings.HasPrefix(mech, "O") {
					require.Regexp(t, "^334 ey", c.line(), mech)
					c.send("\r\n")
				}
				require.Regexp(t, "^535 5.7.8 ", c.line(), mech)
				c.says(envelope, "530 ")
			}
		}
	}
	c, _ := smtpDial(t, h)
	c.says("AUTH CRAM-MD5\r\n", "504 ")
	c.says("AUTH PLAIN "+b64("ann\x00"+bob+"\x00"+secret)+"\r\n", "535 ")
	c = dial(t, h.SMTP)
	c.line()
	c.ehlo("EHLO")
	c.says("AUTH PLAIN "+b64("\x00"+bob+"\x00"+secret)+"\r\n", "538 5.7.11 ")
	assert.NotContains(t, h.Transcript(), b64("\x00"+bob+"\x00"+secret))
}

// TestSMTPInjection: what was sent behind STARTTLS is no command inside TLS
// (CVE-2011-0411).
func TestSMTPInjection(t *testing.T) {
	h := newHost(t, nil)
	c := dial(t, h.SMTP)
	c.line()
	c.ehlo("EHLO")
	c.says("STARTTLS\r\nNOOP\r\n", "220 ")
	_, _ = io.ReadAll(c.br)
	assert.Contains(t, h.Transcript(), "TLS handshake: ")
	assert.NotContains(t, h.Transcript(), "TLS is on")
}

// TestSMTPLostClient: a message that does not come whole is not stored.
func TestSMTPLostClient(t *testing.T) {
	for name, say := range map[string]string{
		"DATA": letter, "in the end": letter + ".\r", "BDAT": "BDAT 5\r\nab", "between chunks": "BDAT 2\r\nabBDAT 3 ",
	} {
		h := newHost(t, nil)
		c := smtpLogin(t, h)
		c.says(envelope, "250 ", "250 ")
		if !strings.HasPrefix(say, "BDAT") {
			c.says("DATA\r\n", "354 ")
		}
		h.mu.Lock()
		fronts := make([]*front, 0, 1)
		for f := range h.fronts {
			fronts = append(fronts, f)
		}
		h.mu.Unlock()
		require.Len(t, fronts, 1)
		c.send(say)
		_ = c.nc.Close()
		<-fronts[0].gone
		assert.Empty(t, h.Submissions(), name)
		assert.Zero(t, stored(t, h, ann), name)
	}
}

func ExampleHost_Submissions() {
	host, err := Start(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer host.Close()
	host.AddUser("ann@example.org", "secret")
	c, err := smtp.Dial(host.LMTP)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, line := range []string{"LHLO localhost", "MAIL FROM:<bob@example.org> RET=HDRS", "RCPT TO:<ann@example.org>", "BDAT 4 LAST\r\n\r\n"} {
		if _, err := c.Text.Cmd("%s", line); err != nil {
			fmt.Println(err)
		}
		if _, _, err := c.Text.ReadResponse(250); err != nil {
			fmt.Println(err)
		}
	}
	for _, s := range host.Submissions() {
		fmt.Printf("%s %s %s %q\n", s.From, s.To[0].Address, s.Ret, s.Raw)
	}
	// Output: bob@example.org ann@example.org HDRS "\r\n\r\n"
}
