package mailtest

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
)

// popDial logs in over implicit TLS.
func popDial(t *testing.T, h *Host) *client {
	t.Helper()
	c := popConnect(t, h)
	c.send("USER " + ann + "\r\n")
	c.want("+OK go on")
	c.send("PASS " + secret + "\r\n")
	assert.Contains(t, c.line(), "+OK ")
	return c
}

func popConnect(t *testing.T, h *Host) *client {
	t.Helper()
	nc, err := tls.Dial("tcp", h.POP3S, h.ClientTLS())
	require.NoError(t, err)
	t.Cleanup(func() { _ = nc.Close() })
	c := newClient(t, nc)
	c.want("+OK mailtest ready")
	return c
}

// lines gives the lines up to the dot, stuffing left in place.
func (c *client) lines() []string {
	c.t.Helper()
	assert.Contains(c.t, c.line(), "+OK")
	var all []string
	for {
		line := c.line()
		if line == "." {
			return all
		}
		all = append(all, line)
	}
}

func TestPOPSession(t *testing.T) {
	h := newHost(t, nil)
	require.NoError(t, h.Deliver(ann, "", []byte("Subject: dots\r\n\r\n.\r\n..\r\nx\r\n.y"), nil))
	deliver(t, h, 2)
	c := popDial(t, h)
	c.send("STAT\r\n")
	c.want(fmt.Sprintf("+OK 3 %d", 29+2*len("From: Bob <bob@example.org>\r\nTo: ann@example.org\r\nSubject: number 0\r\nDate: Mon, 02 Jan 2006 15:04:05 +0000\r\n\r\nbody 0\r\n")))
	c.send("RETR 1\r\n")
	assert.Equal(t, []string{"Subject: dots", "", "..", "...", "x", "..y"}, c.lines())
	c.send("TOP 1 2\r\n")
	assert.Equal(t, []string{"Subject: dots", "", "..", "..."}, c.lines())
	c.send("TOP 1 0\r\n")
	assert.Equal(t, []string{"Subject: dots", ""}, c.lines())
	c.send("UIDL\r\n")
	assert.Equal(t, []string{"1 0000000100000001", "2 0000000100000002", "3 0000000100000003"}, c.lines())
	c.send("LIST 1\r\nUIDL 2\r\nDELE 2\r\nUIDL 2\r\nLIST 0\r\nRETR x\r\nTOP 1\r\nXYZ\r\nUSER a\r\nNOOP\r\n")
	for _, want := range []string{"+OK 1 29", "+OK 2 0000000100000002", "+OK marked", "-ERR no such message", "-ERR no such message",
		"-ERR no such message", "-ERR how many lines?", "-ERR unknown command", "-ERR not in this state", "+OK nothing done"} {
		c.want(want)
	}
	c.send("RSET\r\nDELE 3\r\nSTAT\r\nQUIT\r\n")
	c.want("+OK nothing is marked")
	c.want("+OK marked")
	assert.Contains(t, c.line(), "+OK 2 ")
	c.want("+OK bye")
	_, err := c.br.ReadByte()
	require.ErrorIs(t, err, io.EOF)
	stored, err := h.Messages(ann, "")
	require.NoError(t, err)
	require.Len(t, stored, 2, "QUIT removes what was marked")
	assert.Equal(t, uint32(2), stored[1].UID)
}

func TestPOPLock(t *testing.T) {
	h := newHost(t, nil)
	deliver(t, h, 1)
	first := popDial(t, h)
	second := popConnect(t, h)
	second.send("USER " + ann + "\r\nPASS " + secret + "\r\n")
	second.want("+OK go on")
	second.want("-ERR [IN-USE] the maildrop is locked by another session")
	first.send("DELE 1\r\n")
	first.want("+OK marked")
	require.NoError(t, first.nc.Close())
	third := popDial(t, h)
	third.send("STAT\r\n")
	assert.Contains(t, third.line(), "+OK 1 ", "without QUIT nothing is removed")
	h.Interrupt()
	popDial(t, h)
}

func TestPOPLogin(t *testing.T) {
	h := newHost(t, nil)
	plain := func(user, password string) string {
		return base64.StdEncoding.EncodeToString([]byte("\x00" + user + "\x00" + password))
	}
	c := dial(t, h.POP3)
	c.want("+OK mailtest ready")
	c.send("CAPA\r\n")
	assert.Equal(t, []string{"RESP-CODES", "AUTH-RESP-CODE", "EXPIRE NEVER", "IMPLEMENTATION mailtest", "STLS", "UIDL", "TOP", "PIPELINING"}, c.lines())
	c.send("USER " + ann + "\r\n")
	c.want("-ERR TLS is required")
	c.send("AUTH PLAIN " + plain(ann, secret) + "\r\n")
	c.want("-ERR TLS is required")
	c.send("STAT\r\n")
	c.want("-ERR not in this state")
	c.send("STLS\r\n")
	c.want("+OK begin TLS now")
	c.startTLS()
	c.send("CAPA\r\n")
	assert.Contains(t, c.lines(), "SASL PLAIN")
	c.send("STLS\r\nPASS x\r\nAUTH PLAIN " + plain(ann, "wrong") + "\r\nAUTH XYZ\r\nAUTH PLAIN !\r\nAUTH PLAIN\r\n")
	c.want("-ERR TLS is on")
	c.want("-ERR USER first")
	c.want("-ERR [AUTH] wrong user or password")
	c.want("-ERR unknown mechanism")
	c.want("-ERR [AUTH] malformed")
	c.want("+ ")
	c.send(plain(ann, secret) + "\r\n")
	c.want("+OK 0 messages")
}

func TestPOPFlavours(t *testing.T) {
	h := newHost(t, &Options{Plaintext: true, POP3: POP3Flavour{NoUIDL: true, NoTOP: true, NoPipelining: true, LoginDelay: 60e9}})
	c := dial(t, h.POP3)
	c.want("+OK mailtest ready")
	c.send("CAPA\r\n")
	assert.Equal(t, []string{"RESP-CODES", "AUTH-RESP-CODE", "EXPIRE NEVER", "IMPLEMENTATION mailtest", "USER", "SASL PLAIN", "STLS", "LOGIN-DELAY 60"}, c.lines())
	c.send("USER " + ann + "\r\n")
	c.want("+OK go on")
	c.send("PASS " + secret + "\r\n")
	c.want("+OK 0 messages")
	for _, cmd := range []string{"UIDL", "TOP 1 0"} {
		c.send(cmd + "\r\n")
		c.want("-ERR unknown command")
	}
	c.send("NOOP\r\nNOOP\r\n")
	rest, err := io.ReadAll(c.br)
	require.NoError(t, err)
	assert.Contains(t, string(rest), "-ERR this server knows no pipelining")

	h = newHost(t, &Options{POP3: POP3Flavour{NoCAPA: true}})
	c = popConnect(t, h)
	c.send("CAPA\r\nAUTH PLAIN\r\n")
	c.want("-ERR unknown command")
	c.want("-ERR unknown command")
}

func TestPOPFaults(t *testing.T) {
	h := newHost(t, nil)
	deliver(t, h, 2)
	h.Inject(Fault{Kind: FaultReply, Protocol: "pop3", Command: "PASS", Times: 1, Text: "-ERR [LOGIN-DELAY] wait"})
	c := popConnect(t, h)
	c.send("USER " + ann + "\r\nPASS " + secret + "\r\nPASS " + secret + "\r\n")
	c.want("+OK go on")
	c.want("-ERR [LOGIN-DELAY] wait")
	c.want("+OK 2 messages")
	h.Inject(Fault{Kind: FaultGarbage, Command: "STAT", Text: "junk", Times: 1})
	c.send("STAT\r\n")
	c.want("junk")
	assert.Contains(t, c.line(), "+OK")
	h.Inject(Fault{Kind: FaultEpoch, Command: "NOOP", Folder: "INBOX", Times: 1})
	c.send("NOOP\r\nDELE 1\r\nQUIT\r\n")
	c.want("+OK nothing done")
	c.want("+OK marked")
	c.want("-ERR [SYS/TEMP] messages not removed")
	stored, err := h.Messages(ann, "")
	require.NoError(t, err)
	assert.Len(t, stored, 2)

	h.Inject(Fault{Kind: FaultCut, Command: "RETR", N: 30})
	c = popDial(t, h)
	c.send("RETR 1\r\n")
	rest, err := io.ReadAll(c.br)
	require.NoError(t, err)
	assert.Len(t, rest, 30)
	h.Inject(Fault{Kind: FaultBye, Command: "DELE", Text: "[SYS/TEMP] closing"})
	c = popDial(t, h)
	c.send("DELE 1\r\n")
	c.want("-ERR [SYS/TEMP] closing")
	_, err = c.br.ReadByte()
	require.ErrorIs(t, err, io.EOF)
}

func TestPOPBareLF(t *testing.T) {
	h := newHost(t, nil)
	require.NoError(t, h.Deliver(ann, "", []byte("A: b\n\n.x\r\ny\n"), nil))
	c := popDial(t, h)
	c.send("RETR 1\r\n")
	assert.Equal(t, []string{"A: b", "", "..x", "y"}, c.lines())
}

// TestPOPManyMessages: ten thousand messages are no matter.
func TestPOPManyMessages(t *testing.T) {
	h := newHost(t, nil)
	const n = 10_000
	deliver(t, h, n)
	c := popDial(t, h)
	go func() {
		_, _ = io.Copy(c.nc, strings.NewReader("UIDL\r\n"+strings.Repeat("TOP 1 0\r\n", n)+"QUIT\r\n"))
	}()
	all, err := io.ReadAll(c.br)
	require.NoError(t, err)
	assert.Equal(t, n+1, bytes.Count(all, []byte("\r\n.\r\n")))
	assert.Equal(t, n+2, bytes.Count(all, []byte("+OK ")))
	assert.True(t, bytes.HasSuffix(all, []byte("+OK bye\r\n")))
}

func BenchmarkPOPRetr(b *testing.B) {
	h := newHost(b, &Options{Plaintext: true})
	require.NoError(b, h.Deliver(ann, "", BigMessage(1<<20), &mailbox.AppendOptions{}))
	s := &popSession{front: newFront(h, "pop3", discardConn{}), deleted: map[int]bool{}}
	u, err := h.store.User(ann)
	require.NoError(b, err)
	s.folder, err = u.Folder("")
	require.NoError(b, err)
	s.snap = s.folder.Snapshot()
	b.SetBytes(1 << 20)
	b.ReportAllocs()
	for b.Loop() {
		s.command("RETR 1")
	}
}

func TestCRLF(t *testing.T) {
	for in, want := range map[string]string{"": "", "a\r\nb": "a\r\nb", "a\nb\r\n\n": "a\r\nb\r\n\r\n", "\r": "\r"} {
		assert.Equal(t, want, string(crlf([]byte(in))))
	}
	raw := bytes.Repeat([]byte("x\r\n"), 10)
	assert.Same(t, &raw[0], &crlf(raw)[0], "what is right is not copied")
}
