package imapsrc

import (
	"context"
	"errors"
	"net"
	"strings"
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

// hostileAuth are the rows of logging in.
func hostileAuth(t *testing.T) {
	t.Run("auth-plaintext", hostilePlaintext)
	t.Run("sasl-downgrade", hostileDowngrade)
	t.Run("sasl-endless", hostileEndless)
	t.Run("auth-retry-lockout", hostileLockout)
	t.Run("secrets-in-logs", hostileLogs)
}

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
	assert.Contains(t, r.srv.Transcript(), "AUTHENTICATE XOAUTH2", "the control")
}

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
		c.Send(tag + " NO [AUTHENTICATIONFAILED] no\r\n")
		assert.Contains(t, args, canary)
	})
	_, err := r.dial()
	require.ErrorIs(t, err, mailbox.ErrAuth)
	assert.Contains(t, r.canary.Seen(), "***", "the login was traced, without the secret")
	assert.NotContains(t, r.canary.Seen(), canary)
	assert.True(t, r.told(), "the control: it was there to be seen")
}
