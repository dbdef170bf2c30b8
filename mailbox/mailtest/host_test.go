package mailtest

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/smtp"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
)

// discardConn is a connection that takes everything.
type discardConn struct{ net.Conn }

func (discardConn) Write(p []byte) (int, error) { return len(p), nil }
func (discardConn) Read([]byte) (int, error)    { select {} }

// submit sends a message by net/smtp.
func submit(h *Host, to ...string) error {
	c, err := smtp.Dial(h.SMTP)
	if err != nil {
		return err
	}
	defer c.Close()
	cfg := h.ClientTLS()
	cfg.ServerName = "localhost"
	if err := c.StartTLS(cfg); err != nil {
		return err
	}
	if err := c.Auth(smtp.PlainAuth("", bob, secret, "127.0.0.1")); err != nil {
		return err
	}
	if err := c.Mail(bob); err != nil {
		return err
	}
	for _, rcpt := range to {
		if err := c.Rcpt(rcpt); err != nil {
			return err
		}
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write([]byte("From: " + bob + "\r\nSubject: sent\r\n\r\n.hello\r\n")); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return c.Quit()
}

// TestHostSMTP: what is sent is there over IMAP and over POP3.
func TestHostSMTP(t *testing.T) {
	h := newHost(t, nil)
	require.NoError(t, submit(h, ann, bob))
	c := imapDial(t, h)
	_, err := c.Select("INBOX", nil).Wait()
	require.NoError(t, err)
	all, err := c.Fetch(imap.SeqSetNum(1), &imap.FetchOptions{BodySection: []*imap.FetchItemBodySection{{}}}).Collect()
	require.NoError(t, err)
	raw := string(all[0].BodySection[0].Bytes)
	assert.Regexp(t, `^Received: from localhost by localhost \(mailtest\) with ESMTPSA;\r\n\t[^\n]*\r\nFrom: bob@example.org\r\nSubject: sent\r\n\r\n\.hello\r\n$`, raw)
	p := popDial(t, h)
	p.send("RETR 1\r\n")
	assert.Equal(t, strings.Split(strings.TrimSuffix(strings.Replace(raw, "\n.", "\n..", 1), "\r\n"), "\r\n"), p.lines())
	stored, err := h.Messages(bob, "")
	require.NoError(t, err)
	assert.Len(t, stored, 1)
	assert.Contains(t, h.Transcript(), "MAIL FROM")
}

func TestHostSMTPRefuses(t *testing.T) {
	h := newHost(t, nil)
	require.ErrorContains(t, submit(h, "nobody@example.org"), "no such user")
	c, err := smtp.Dial(h.SMTP)
	require.NoError(t, err)
	defer c.Close()
	require.ErrorContains(t, c.Mail(bob), "authenticate")
	for text, f := range map[string]Fault{
		"451 4.7.1 slow down": {Kind: FaultReply, Command: "MAIL", Text: "451 4.7.1 slow down"},
		"452 4.2.2 full":      {Kind: FaultReply, Command: "RCPT", Text: "452 4.2.2 full"},
		"454 not now":         {Kind: FaultReply, Command: "AUTH", Text: "454 not now"},
		"554 no":              {Kind: FaultReply, Command: "DATA", Text: "554 no"},
		"421 bye":             {Kind: FaultBye, Command: "MAIL", Text: "bye"},
		"EOF":                 {Kind: FaultCut, Command: "DATA", N: 5},
	} {
		f.Protocol, f.Times = "smtp", 1
		h.Inject(f)
		err := submit(h, ann)
		require.Error(t, err, text)
		assert.Contains(t, err.Error(), text[:3], "%s: %v", text, err)
	}
	stored, err := h.Messages(ann, "")
	require.NoError(t, err)
	assert.Empty(t, stored)
	require.NoError(t, submit(h, ann), "each fault struck once")
}

func TestHostStore(t *testing.T) {
	h := newHost(t, nil)
	require.ErrorIs(t, h.Deliver("nobody", "", nil, nil), mailbox.ErrNotFound)
	require.ErrorIs(t, h.Deliver(ann, "nowhere", nil, nil), mailbox.ErrNotFound)
	require.NoError(t, h.CreateFolder(ann, "A", ""))
	require.ErrorIs(t, h.CreateFolder(ann, "A", ""), mailbox.ErrExists)
	require.NoError(t, h.Deliver(ann, "A", []byte("\r\nx"), &mailbox.AppendOptions{Flags: []mailbox.Flag{mailbox.FlagDraft}}))
	require.NoError(t, h.NewEpoch(ann, "A"))
	stored, err := h.Messages(ann, "A")
	require.NoError(t, err)
	assert.Equal(t, []mailbox.Flag{mailbox.FlagDraft}, stored[0].Flags)
	require.NoError(t, h.DeleteFolder(ann, "A"))
	_, err = h.Messages(ann, "A")
	require.ErrorIs(t, err, mailbox.ErrNotFound)
	require.ErrorIs(t, h.DeleteFolder(ann, "A"), mailbox.ErrNotFound)
	require.ErrorIs(t, h.NewEpoch("nobody", ""), mailbox.ErrNotFound)
}

func TestHostCAFile(t *testing.T) {
	h := New(t, nil)
	name, err := h.CAFile(t.TempDir())
	require.NoError(t, err)
	pem, err := os.ReadFile(name)
	require.NoError(t, err)
	assert.True(t, x509.NewCertPool().AppendCertsFromPEM(pem))
}

func TestHostClose(t *testing.T) {
	h, err := Start(nil)
	require.NoError(t, err)
	h.AddUser(ann, secret)
	popDial(t, h)
	imapDial(t, h)
	require.NoError(t, h.Close())
	require.NoError(t, h.Close())
	for _, addr := range []string{h.IMAP, h.IMAPS, h.POP3, h.POP3S, h.SMTP, h.SMTPS, h.LMTP} {
		_, err := net.Dial("tcp", addr)
		require.Error(t, err)
	}
}

func TestBigMessage(t *testing.T) {
	for _, size := range []int{0, 100_000, 1 << 20} {
		raw := BigMessage(size)
		assert.InDelta(t, max(size, 15_000), len(raw), 1000)
		assert.True(t, bytes.Equal(raw, BigMessage(size)))
		p, defects, err := mailbox.ReadStructure(bytes.NewReader(raw), nil)
		require.NoError(t, err)
		assert.Empty(t, defects)
		require.Len(t, p.Parts, 3)
		assert.Equal(t, "huge.bin", p.Parts[1].Filename())
		assert.Equal(t, "small.bin", p.Parts[2].Filename())
		assert.Len(t, p.Attachments(), 2)
	}
}

func BenchmarkBigMessage(b *testing.B) {
	b.SetBytes(25 << 20)
	b.ReportAllocs()
	for b.Loop() {
		BigMessage(25 << 20)
	}
}

func BenchmarkIMAPEnvelopes(b *testing.B) {
	h := newHost(b, nil)
	deliver(b, h, 10_000)
	c := imapDial(b, h)
	_, err := c.Select("INBOX", nil).Wait()
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		cmd := c.Fetch(imap.SeqSet{{Start: 1, Stop: 10_000}}, &imap.FetchOptions{UID: true, Flags: true, InternalDate: true, RFC822Size: true, Envelope: true})
		n := 0
		for m := cmd.Next(); m != nil; m = cmd.Next() {
			n++
		}
		require.NoError(b, cmd.Close())
		require.Equal(b, 10_000, n)
	}
	b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms/10k")
}

func ExampleStart() {
	host, err := Start(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer host.Close()
	host.AddUser("ann@example.org", "secret")
	if err := host.Deliver("ann@example.org", "INBOX", []byte("Subject: Hi\r\n\r\nHello\r\n"), nil); err != nil {
		fmt.Println(err)
		return
	}
	all, err := host.Messages("ann@example.org", "INBOX")
	fmt.Println(len(all), err)
	// Output: 1 <nil>
}

// TestHostConcurrent is for the race detector: clients of every kind at work
// while the host changes, misbehaves and cuts them off. Afterwards it serves as
// before.
func TestHostConcurrent(t *testing.T) {
	h := newHost(t, &Options{Plaintext: true})
	deliver(t, h, 20)
	work := func(say string, addr string) {
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			t.Error(err)
			return
		}
		defer nc.Close()
		go func() { _, _ = io.WriteString(nc, say) }()
		_, _ = io.Copy(io.Discard, nc)
	}
	imapSays := fmt.Sprintf("1 LOGIN %s %q\r\n2 SELECT INBOX\r\n3 FETCH 1:* (FLAGS ENVELOPE BODYSTRUCTURE BODY[])\r\n"+
		"4 STORE 1:3 +FLAGS (\\Deleted)\r\n5 EXPUNGE\r\n6 APPEND INBOX {5+}\r\n\r\nabc\r\n7 SEARCH TEXT body\r\n8 NOOP\r\n9 LOGOUT\r\n", ann, secret)
	popSays := fmt.Sprintf("USER %s\r\nPASS %s\r\nUIDL\r\nRETR 1\r\nTOP 2 0\r\nDELE 1\r\nQUIT\r\n", ann, secret)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for range 5 {
				work(imapSays, h.IMAP)
				work(popSays, h.POP3)
				switch i {
				case 0:
					h.Interrupt()
				case 1:
					assert.NoError(t, h.NewEpoch(ann, ""))
				case 2:
					h.Inject(Fault{Kind: FaultCut, Command: "FETCH", N: 100, Times: 1})
				case 3:
					_ = submit(h, ann) // may be interrupted
				}
			}
		})
	}
	wg.Wait()
	h.ClearFaults()
	deliver(t, h, 1)
	c := imapDial(t, h)
	sel, err := c.Select("INBOX", nil).Wait()
	require.NoError(t, err)
	assert.Positive(t, sel.NumMessages)
	popDial(t, h)
	require.NoError(t, submit(h, ann))
}
