package imapsrc

import (
	"context"
	"encoding/base64"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-sasl"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/mailtest"
)

// hostilePlaintext: LOGINDISABLED is obeyed.
func hostilePlaintext(t *testing.T) {
	r := newRig(t, nil, func(c *mailtest.Conn) { mailtest.IMAPLogin(c, "IMAP4rev1 LOGINDISABLED"); idle(c) })
	_, err := r.dial()
	require.ErrorIs(t, err, mailbox.ErrTLSRequired)
	assert.False(t, r.told())
	r.opts.test.anyAuth = true
	r.mustDial()
	assert.True(t, r.told(), "the control")
}

// hostileDowngrade: a token is never sent as a password.
func hostileDowngrade(t *testing.T) {
	token := func(context.Context) (string, error) { return canary, nil }
	for _, caps := range []string{"", "AUTH=PLAIN AUTH=LOGIN", "AUTH=ANONYMOUS AUTH=EXTERNAL AUTH=CRAM-MD5 AUTH=X-EVIL"} {
		r := newRig(t, nil, func(c *mailtest.Conn) { mailtest.IMAPLogin(c, "IMAP4rev1 SASL-IR "+caps); idle(c) })
		r.auth = access.OAuth2("ann", token, nil)
		_, err := r.dial()
		require.ErrorIs(t, err, mailbox.ErrAuth)
		assert.NotContains(t, r.srv.Transcript(), "AUTHENTICATE")
		assert.False(t, r.told())
	}
	r := newRig(t, nil, func(c *mailtest.Conn) { mailtest.IMAPLogin(c, "IMAP4rev1 SASL-IR AUTH=XOAUTH2"); idle(c) })
	r.auth = access.OAuth2("ann", token, nil)
	r.mustDial()
	assert.Contains(t, r.srv.Transcript(), "AUTHENTICATE XOAUTH2", "where it can be told as a token it is")

	r = newRig(t, nil, func(c *mailtest.Conn) { mailtest.IMAPLogin(c, "IMAP4rev1 SASL-IR AUTH=PLAIN"); idle(c) })
	r.auth = access.Password("ann", canary, nil)
	r.mustDial()
	assert.Contains(t, r.srv.Transcript(), "AUTHENTICATE PLAIN", "the control: what is a password goes there")
}

// hostileSCRAM: a server chooses how much we compute, and how little a thief
// needs to; and it must prove that it knows the password, too.
func hostileSCRAM(t *testing.T) {
	play := func(nonce, iterations string) *rig {
		return newRig(t, nil, func(c *mailtest.Conn) {
			c.Send("* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=SCRAM-SHA-256] hi\r\n")
			tag, args := c.Command("AUTHENTICATE")
			first, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(args, "SCRAM-SHA-256 "))
			_, ours, _ := strings.Cut(string(first), ",r=")
			c.Sendf("+ %s\r\n", base64.StdEncoding.EncodeToString([]byte("r="+ours+nonce+",s=c2FsdHNhbHQ=,i="+iterations)))
			if strings.HasPrefix(c.ReadLine(), "Yz1") { // a proof
				c.Send(tag + " OK [CAPABILITY IMAP4rev1] in\r\n")
			}
			c.Stall()
		})
	}
	for _, i := range []string{"2147483647", "1000001", "1", "4095", "-1", "x"} {
		_, err := play("x", i).dial()
		require.ErrorIs(t, err, mailbox.ErrProtocol, i)
		assert.Contains(t, err.Error(), "iteration", i)
	}
	_, err := play("", "4096").dial()
	require.ErrorIs(t, err, mailbox.ErrProtocol)
	assert.Contains(t, err.Error(), "nonce", "ours, reflected")

	r := play("x", "4096")
	_, err = r.dial()
	require.ErrorIs(t, err, mailbox.ErrProtocol)
	assert.Contains(t, err.Error(), "signature", "a good count gets the proof, and then the server has to prove itself")
	nc, err := net.Dial("tcp", r.srv.Addr)
	require.NoError(t, err)
	defer nc.Close()
	require.NoError(t, imapclient.New(nc, nil).Authenticate(&gullible{}), "the control: who does not look is in")
}

// gullible answers as SCRAM does, and does not look at what the server proves.
type gullible struct{}

func (gullible) Start() (string, []byte, error) {
	return "SCRAM-SHA-256", []byte("n,,n=ann,r=abc"), nil
}
func (gullible) Next([]byte) ([]byte, error) { return []byte("c=biws,r=abcx,p=eHh4"), nil }

// endless is a mechanism that answers whatever is asked.
type endless struct{ n int }

func (e *endless) Start() (string, []byte, error) { return "PLAIN", []byte("x"), nil }
func (e *endless) Next([]byte) ([]byte, error)    { e.n++; return []byte("x"), nil }

var _ sasl.Client = (*endless)(nil)

// hostileEndless: the questions of a server end.
func hostileEndless(t *testing.T) {
	const rounds = 200
	asked := make(chan int, 10)
	script := func(c *mailtest.Conn) {
		c.Send("* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] hi\r\n")
		tag, _ := c.Command("AUTHENTICATE")
		n := 0
		defer func() { asked <- n }()
		for ; n < rounds; n++ {
			c.Send("+ AAAA\r\n")
			c.ReadLine()
		}
		c.Send(tag + " NO enough\r\n")
	}
	r := newRig(t, nil, script)
	_, err := r.dial()
	require.Error(t, err)
	assert.LessOrEqual(t, <-asked, 10)

	nc, err := net.Dial("tcp", r.srv.Addr)
	require.NoError(t, err)
	bare := imapclient.New(nc, nil)
	defer bare.Close()
	mech := &endless{}
	require.Error(t, bare.Authenticate(mech))
	assert.Equal(t, rounds, mech.n, "the control: the bare engine goes on")
}

// hostileLockout: a refused secret is not tried again, and what is temporary is
// told apart.
func hostileLockout(t *testing.T) {
	for answer, want := range map[string]error{
		"NO [AUTHENTICATIONFAILED] no":                      mailbox.ErrAuth,
		"NO no such user":                                   mailbox.ErrAuth,
		"NO [UNAVAILABLE] later":                            mailbox.ErrUnavailable,
		"NO [LIMIT] later":                                  mailbox.ErrThrottled,
		"NO [ALERT] Too many simultaneous connections. (X)": mailbox.ErrThrottled,
		"NO [INUSE] locked":                                 mailbox.ErrBusy,
		"BAD User is authenticated but not connected.":      mailbox.ErrUnavailable,
		"NO [CONTACTADMIN] x":                               mailbox.ErrUnavailable,
		"NO [PRIVACYREQUIRED] x":                            mailbox.ErrTLSRequired,
		"NO Request is throttled. Suggested Backoff Time: 299961 milliseconds": mailbox.ErrThrottled,
	} {
		r := newRig(t, nil, func(c *mailtest.Conn) {
			c.Send("* OK [CAPABILITY IMAP4rev1] hi\r\n")
			tag, _ := c.Command("LOGIN")
			c.Send(tag + " " + answer + "\r\n")
			idle(c)
		})
		_, err := r.dial()
		require.ErrorIs(t, err, want, answer)
		assert.Equal(t, want == mailbox.ErrAuth, errors.Is(err, mailbox.ErrAuth), answer)
		assert.Equal(t, 1, r.srv.Accepted())
		assert.Equal(t, 1, strings.Count(r.srv.Transcript(), "LOGIN"), answer)
		var throttled *mailbox.ThrottledError
		if strings.Contains(answer, "299961") {
			require.ErrorAs(t, err, &throttled)
			assert.Equal(t, 299961*time.Millisecond, throttled.RetryAfter)
		}
	}
	// The control: a token is tried once more, if there is another.
	for fresh, want := range map[bool]int{true: 2, false: 1} {
		r := newRig(t, nil, func(c *mailtest.Conn) {
			c.Send("* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2] hi\r\n")
			for {
				tag, _ := c.Command("AUTHENTICATE")
				c.Send("+ eyJzdGF0dXMiOiI0MDEifQ==\r\n")
				c.ReadLine()
				c.Send(tag + " NO [AUTHENTICATIONFAILED] no\r\n")
			}
		})
		n := 0
		r.auth = access.OAuth2("ann", func(context.Context) (string, error) {
			if n++; fresh {
				return canary + string(rune('a'+n)), nil
			}
			return canary, nil
		}, nil)
		_, err := r.dial()
		require.ErrorIs(t, err, mailbox.ErrAuth)
		assert.Equal(t, want, strings.Count(r.srv.Transcript(), "AUTHENTICATE"))
		assert.Equal(t, 2, n)
	}
}

// hostileLogs: the rig looks at every trace, log and error of every test here;
// this makes sure that it would see something.
func hostileLogs(t *testing.T) {
	r := newRig(t, nil, func(c *mailtest.Conn) {
		c.Send("* OK [CAPABILITY IMAP4rev1] hi\r\n")
		tag, args := c.Command("LOGIN")
		c.Send("* OK [ALERT] you said " + args + "\r\n")
		c.Send(tag + " NO [AUTHENTICATIONFAILED] not " + canary + " or " + base64.StdEncoding.EncodeToString([]byte("\x00ann\x00"+canary)) + "\r\n")
		assert.Contains(t, args, canary)
	})
	_, err := r.dial()
	require.ErrorIs(t, err, mailbox.ErrAuth)
	assert.Contains(t, err.Error(), "not ***", "what the server repeats is told without it")
	assert.Contains(t, r.canary.Seen(), "***", "the login was traced, without the secret")
	assert.NotContains(t, r.canary.Seen(), canary)

	nc, err := net.Dial("tcp", r.srv.Addr)
	require.NoError(t, err)
	defer nc.Close()
	var log lockedLog
	require.Error(t, imapclient.New(nc, &imapclient.Options{DebugWriter: &log}).Login("ann", canary).Wait())
	assert.Contains(t, log.String(), canary, "the control: the bare engine writes it down")
}

// lockedLog is a log that several goroutines write.
type lockedLog struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lockedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
