package imapsrc

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/mailtest"
)

// TestHostile holds what a server, or somebody between, can do to the driver.
// Each row has its control, in which the same server has its way: with the
// driver when the guard is switched off, with go-imap's bare client, or with a
// client as they are often written.
func TestHostile(t *testing.T) {
	hostileBeforeTLS(t)
	for id, row := range map[string]func(*testing.T){
		"starttls-suffix-late": hostileSuffixLate, "starttls-early-ok": hostileEarlyOK,
		"starttls-ok-with-caps": hostileStartTLSCaps, "untagged-before-tls": hostileUntaggedBeforeTLS,
		"enabled-before-tls": hostileEnabledBeforeTLS, "preauth-in-tls": hostilePreauthInTLS, "referral": hostileReferral,
		"bad-greeting": hostileGreeting, "handshake-stall": hostileStall, "cert-invalid": hostileCertificates,
		"tls-old": hostileOldTLS, "tls-truncation": hostileTruncation, "conn-reuse-tls": hostileReuse, "ui-spoof": hostileSpoof,

		"auth-plaintext": hostilePlaintext, "sasl-downgrade": hostileDowngrade, "sasl-endless": hostileEndless,
		"scram-cost": hostileSCRAM, "auth-retry-lockout": hostileLockout, "secrets-in-logs": hostileLogs,

		"fetch-body-before-uid": hostileBodyBeforeUID, "fetch-short-literal": hostileShortLiteral,
		"fetch-missing": hostileMissing, "fetch-alien": hostileAlien, "uidvalidity-change": hostileUIDValidity,
		"uid-regress": hostileRegress, "seq-desync": hostileDesync, "uidset-expansion": hostileExpansion,
		"untagged-unknown": hostileUnknown, "value-bogus": hostileValues, "bodystructure-nest": hostileNest,

		"expunge-unscoped": hostileUnscoped, "append-early-ok": hostileEarlyAppend, "appenduid-forged": hostileAppendUID,
		"append-refused": hostileAppendRefused, "imap-cmd-inject": hostileInject,

		"mailbox-bad-utf7": hostileBadUTF7, "mailbox-hostile-name": hostileNames, "list-flood": hostileListFlood,
		"tag-unknown": hostileTag, "lit-huge-buffered": hostileHugeLiteral, "no-reply": hostileNoReply,
		"slow-drip": hostileDrip, "throttle": hostileThrottle,
	} {
		t.Run(id, row)
	}
}

// naive is a client as they are often written: it trusts what it reads. It is
// the control of rows that the bare engine withstands.
type naive struct {
	*textproto.Reader
	t  *testing.T
	nc net.Conn
}

// newNaive connects, and takes whatever line comes first for the greeting.
func newNaive(t *testing.T, addr string) *naive {
	nc, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = nc.Close() })
	n := &naive{textproto.NewReader(bufio.NewReader(nc)), t, nc}
	_, _ = n.ReadLine()
	return n
}

// cmd sends a command and takes the first tagged line, or the first that asks
// to go on, for its answer.
func (n *naive) cmd(line string) string {
	_, err := io.WriteString(n.nc, "a1 "+line+"\r\n")
	require.NoError(n.t, err)
	for {
		reply, err := n.ReadLine()
		if err != nil || !strings.HasPrefix(reply, "* ") {
			return reply
		}
	}
}

// all sends a command and gives every line up to its tagged answer.
func (n *naive) all(line string) string {
	_, err := io.WriteString(n.nc, "a1 "+line+"\r\n")
	require.NoError(n.t, err)
	var b strings.Builder
	for {
		reply, err := n.ReadLine()
		if err != nil || strings.HasPrefix(reply, "a1 ") {
			return b.String()
		}
		b.WriteString(reply + "\n")
	}
}

func (n *naive) login() string { return n.cmd("LOGIN ann " + canary) }

// pipes dials a script through net.Pipe, which testing/synctest can wait for.
type pipes struct {
	t      *testing.T
	script func(c *mailtest.Conn)
}

func (p pipes) DialContext(context.Context, string, string) (net.Conn, error) {
	return mailtest.Pipe(p.t, p.script), nil
}

// bubble plays a script where the clock stands still unless everybody waits.
func bubble(t *testing.T, mode access.TLSMode, script func(c *mailtest.Conn), f func(t *testing.T, dial func(ctx context.Context) (*Mailbox, error))) {
	cfg := mailtest.ClientTLS()
	synctest.Test(t, func(t *testing.T) {
		opts := &Options{Net: access.Options{TLS: mode, TLSConfig: cfg, Dialer: pipes{t, script}}}
		f(t, func(ctx context.Context) (*Mailbox, error) {
			m, err := Dial(ctx, "localhost:143", access.Password("ann", canary, nil), opts)
			if err == nil {
				t.Cleanup(func() { _ = m.Close() })
			}
			return m, err
		})
	})
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

// bareStartTLS is the engine without the guard, which does STARTTLS itself.
func bareStartTLS(t *testing.T, addr string, h *imapclient.UnilateralDataHandler) (*imapclient.Client, error) {
	nc, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = nc.Close() })
	cfg := mailtest.ClientTLS()
	cfg.ServerName = "localhost"
	return imapclient.NewStartTLS(nc, &imapclient.Options{TLSConfig: cfg, UnilateralDataHandler: h})
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

const rowLine = "* %d FETCH (UID %d FLAGS () RFC822.SIZE 1 INTERNALDATE \"02-Jan-2006 15:04:05 +0100\" ENVELOPE (NIL \"s%d\" NIL NIL NIL NIL NIL NIL NIL NIL))\r\n"

func rowsOf(nums ...int) string {
	var b strings.Builder
	for _, n := range nums {
		fmt.Fprintf(&b, rowLine, n, n, n)
	}
	return b.String()
}
