package imapsrc

import (
	"crypto/tls"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/mailtest"
)

// plainServer plays a server that would take the password in plaintext.
type plainServer struct {
	greeting string // after "* "
	caps     string // the answer to CAPABILITY; "" refuses it
	starttls string // the answer to STARTTLS, after the tag
	inside   func(c *mailtest.Conn)
}

func (p plainServer) play(c *mailtest.Conn) {
	c.Send("* " + p.greeting + "\r\n")
	for {
		tag, name, _ := c.NextCommand()
		switch {
		case name == "CAPABILITY" && p.caps == "":
			c.Send(tag + " BAD what?\r\n")
		case name == "CAPABILITY":
			c.Send("* CAPABILITY " + p.caps + "\r\n" + tag + " OK done\r\n")
		case name == "STARTTLS":
			c.Send(tag + " " + p.starttls)
			if p.inside != nil {
				c.StartTLS()
				p.inside(c)
				return
			}
		case name == "LOGOUT":
			return
		default:
			c.Send(tag + " OK [CAPABILITY IMAP4rev1] done\r\n")
		}
	}
}

const withTLS = "IMAP4rev1 STARTTLS"

func good(c *mailtest.Conn) {
	mailtest.IMAPAnswers(c, "IMAP4rev1")
	c.Answer("LOGIN", func(tag, _ string) { c.Send(tag + " OK in\r\n") })
	idle(c)
}

// hostileBeforeTLS are the rows of what is said before TLS. The control takes
// the guard away, by TLSNone or by a switch, or robs a naive client, and then the
// same server gets what it wants.
func hostileBeforeTLS(t *testing.T) {
	noTLS := func(o *Options) { o.Net.TLS = access.TLSNone }
	takesAll := func(o *Options) { o.Net.TLS = access.TLSNone; o.test.anyAuth = true }
	for id, cases := range map[string]map[string]struct {
		server  plainServer
		want    error
		control func(*Options)
	}{
		"starttls-strip-cap": {
			"greeting":   {plainServer{greeting: "OK [CAPABILITY IMAP4rev1] hi"}, mailbox.ErrTLSRequired, noTLS},
			"capability": {plainServer{greeting: "OK hi", caps: "IMAP4rev1"}, mailbox.ErrTLSRequired, noTLS},
		},
		"starttls-refused": {
			"NO":       {plainServer{greeting: "OK hi", caps: withTLS, starttls: "NO no\r\n"}, mailbox.ErrTLSRequired, noTLS},
			"BAD":      {plainServer{greeting: "OK hi", caps: withTLS, starttls: "BAD no\r\n"}, mailbox.ErrTLSRequired, noTLS},
			"continue": {plainServer{greeting: "OK hi", caps: withTLS, starttls: "\r\n+ go on\r\n"}, mailbox.ErrProtocol, noTLS},
			"PREAUTH":  {plainServer{greeting: "OK hi", caps: withTLS, starttls: "PREAUTH hi\r\n"}, mailbox.ErrProtocol, noTLS},
		},
		"starttls-caps-hidden": {
			"BAD": {plainServer{greeting: "OK hi"}, mailbox.ErrTLSRequired, nil},
		},
		"preauth-plaintext": {
			"STARTTLS": {plainServer{greeting: "PREAUTH hi", caps: withTLS}, mailbox.ErrTLSRequired, takesAll},
		},
		"starttls-suffix": {
			"untagged": {plainServer{greeting: "OK hi", caps: withTLS, starttls: "OK go\r\n* OK evil\r\n", inside: good},
				mailbox.ErrTLSInjection, func(o *Options) { o.test.noInjectionCheck = true }},
			"tagged": {plainServer{greeting: "OK hi", caps: withTLS, starttls: "OK go\r\nP1 OK evil\r\n", inside: good},
				mailbox.ErrTLSInjection, func(o *Options) { o.test.noInjectionCheck = true }},
		},
	} {
		for name, c := range cases {
			t.Run(id+"/"+name, func(t *testing.T) {
				r := newRig(t, nil, c.server.play)
				r.opts.Net.TLS = access.TLSStart
				_, err := r.dial()
				require.ErrorIs(t, err, c.want)
				assert.False(t, r.told(), "the secret was sent")
				assert.Equal(t, 1, r.srv.Accepted(), "and nothing was tried again")
			})
			t.Run(id+"/"+name+"/control", func(t *testing.T) {
				r := newRig(t, nil, c.server.play)
				if c.control == nil {
					n := newNaive(t, r.srv.Addr)
					n.cmd("CAPABILITY")
					n.login()
					assert.True(t, r.told(), "who does not insist on TLS is robbed")
					return
				}
				r.opts.Net.TLS = access.TLSStart
				c.control(&r.opts)
				_, err := r.dial()
				assert.NoError(t, err, "without the guard the server has its way")
			})
		}
	}
}

// hostileStartTLSCaps: what the server can do before TLS, and what it says in the
// OK to STARTTLS, is forgotten: here it would keep us from logging in at all.
func hostileStartTLSCaps(t *testing.T) {
	for _, server := range []plainServer{
		{greeting: "OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED AUTH=EVIL] hi", starttls: "OK go\r\n", inside: good},
		{greeting: "OK hi", caps: "IMAP4rev1 STARTTLS LOGINDISABLED AUTH=EVIL", starttls: "OK go\r\n", inside: good},
		{greeting: "OK hi", caps: withTLS, starttls: "OK [CAPABILITY IMAP4rev1 LOGINDISABLED AUTH=EVIL] go\r\n", inside: good},
	} {
		r := newRig(t, nil, server.play)
		r.opts.Net.TLS = access.TLSStart
		m := r.mustDial()
		assert.False(t, m.offers["AUTH=EVIL"])
		_, inside, _ := strings.Cut(r.srv.Transcript(), "TLS is on")
		assert.Contains(t, inside, "CAPABILITY\\r", "it is asked inside TLS")
		if strings.HasPrefix(server.starttls, "OK [") {
			continue // nothing keeps this; the control is the bare engine
		}
		r.opts.test.trustPlainCaps = true
		_, err := r.dial()
		require.ErrorIs(t, err, mailbox.ErrAuth, "the control: who trusts it does not log in")
	}
	// The greeting has the capabilities, or else the engine asks for them at a time
	// of its own, maybe within TLS.
	srv := mailtest.Serve(t, nil, plainServer{greeting: "OK [CAPABILITY " + withTLS + "] hi", starttls: "OK [CAPABILITY IMAP4rev1 AUTH=EVIL] go\r\n", inside: good}.play)
	c, err := bareStartTLS(t, srv.Addr, nil)
	require.NoError(t, err)
	assert.True(t, c.Caps().Has("AUTH=EVIL"), "the control: the bare engine keeps it")
}

// hostileEarlyOK: an answer that comes before its command is no answer.
func hostileEarlyOK(t *testing.T) {
	for _, early := range []string{"P1 OK go\r\n", "P2 OK go\r\n", "a1 OK go\r\n"} {
		r := newRig(t, nil, func(c *mailtest.Conn) {
			c.Send("* OK [CAPABILITY IMAP4rev1 STARTTLS] hi\r\n" + early)
			c.Answer("STARTTLS", func(string, string) {})
			idle(c)
		})
		r.opts.Net.TLS = access.TLSStart
		_, err := r.dial()
		require.ErrorIs(t, err, mailbox.ErrProtocol)
		assert.False(t, r.told())
	}
	control := mailtest.Serve(t, nil, func(c *mailtest.Conn) {
		c.Send("* OK hi\r\na1 OK go\r\n")
		c.Stall()
	})
	assert.Equal(t, "a1 OK go", newNaive(t, control.Addr).cmd("STARTTLS"), "a naive client takes it for the answer")
}

// hostileSuffixLate: what comes in plaintext behind the OK, octet by octet, when
// the handshake has begun.
func hostileSuffixLate(t *testing.T) {
	for _, payload := range []string{"* OK evil\r\n", "P2 OK [CAPABILITY IMAP4rev1 LOGINDISABLED] evil\r\n"} {
		r := newRig(t, nil, func(c *mailtest.Conn) {
			c.Send("* OK [CAPABILITY IMAP4rev1 STARTTLS] hi\r\n")
			tag, _ := c.Command("STARTTLS")
			c.Send(tag + " OK go\r\n")
			_ = c.ReadN(1) // the first octet of ClientHello
			c.SendSplit(payload, 1)
			c.Stall()
		})
		r.opts.Net.TLS = access.TLSStart
		_, err := r.dial()
		require.ErrorIs(t, err, mailbox.ErrTLSInjection)
		assert.False(t, mailbox.Retryable(err))
		assert.False(t, r.told())

		_, err = bareStartTLS(t, r.srv.Addr, nil)
		var garbled tls.RecordHeaderError
		require.ErrorAs(t, err, &garbled, "the bare engine takes it for TLS, and cannot say what happened")
	}
}

// hostileEnabledBeforeTLS: how names are written inside TLS is not for others to
// say.
func hostileEnabledBeforeTLS(t *testing.T) {
	selected := make(chan string, 1)
	script := func(c *mailtest.Conn) {
		c.Send("* OK [CAPABILITY IMAP4rev1 STARTTLS] hi\r\n")
		tag, _ := c.Command("STARTTLS")
		c.Send("* ENABLED UTF8=ACCEPT\r\n" + tag + " OK go\r\n")
		c.StartTLS()
		mailtest.IMAPAnswers(c, "IMAP4rev1")
		c.Answer("LOGIN", func(tag, _ string) { c.Send(tag + " OK in\r\n") })
		c.Answer("EXAMINE", func(tag, args string) {
			selected <- args
			c.Send("* 0 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n" + tag + " OK done\r\n")
		})
		idle(c)
	}
	r := newRig(t, nil, script)
	r.opts.Net.TLS = access.TLSStart
	for _, err := range r.mustDial().List(t.Context(), "é", nil) {
		require.NoError(t, err)
	}
	assert.Equal(t, `"&AOk-"`, <-selected)

	c, err := bareStartTLS(t, r.srv.Addr, nil)
	require.NoError(t, err)
	require.NoError(t, c.Login("ann", canary).Wait())
	_, err = c.Select("é", &imap.SelectOptions{ReadOnly: true}).Wait()
	require.NoError(t, err)
	assert.Equal(t, `"é"`, <-selected, "the control: the bare engine obeys")
}

// hostileUntaggedBeforeTLS: nothing said before TLS shows afterwards.
func hostileUntaggedBeforeTLS(t *testing.T) {
	for _, line := range []string{"* 99 EXISTS", "* 1 EXPUNGE", `* LIST () "/" evil`, "* STATUS evil (MESSAGES 1)", "* SEARCH 1 2",
		"* 1 FETCH (FLAGS ())", "* FLAGS (evil)", "* OK [ALERT] call 555", "* ENABLED UTF8=ACCEPT", "* X-EVIL"} {
		play := func(inside bool) func(c *mailtest.Conn) {
			return func(c *mailtest.Conn) {
				c.Send("* OK [CAPABILITY IMAP4rev1 STARTTLS] hi\r\n")
				tag, _ := c.Command("STARTTLS")
				if !inside {
					c.Send(line + "\r\n")
				}
				c.Send(tag + " OK go\r\n")
				c.StartTLS()
				if inside {
					tag, _ := c.Command("CAPABILITY")
					c.Send(line + "\r\n* CAPABILITY IMAP4rev1\r\n" + tag + " OK done\r\n")
				}
				mailtest.IMAPAnswers(c, "IMAP4rev1")
				answerSelect(c, 0, "7")
				c.Answer("LOGIN", func(tag, _ string) { c.Send(tag + " OK in\r\n") })
				c.Answer("LIST", func(tag, _ string) { c.Send(tag + " OK done\r\n") })
				idle(c)
			}
		}
		r := newRig(t, nil, play(false))
		r.opts.Net.TLS = access.TLSStart
		m := r.mustDial()
		all, err := r.list(m, nil)
		require.NoError(t, err)
		assert.Empty(t, all)
		for f, err := range m.Folders(t.Context(), nil) {
			require.NoError(t, err)
			assert.Equal(t, "INBOX", f.Name)
		}
		assert.NotContains(t, r.log.Seen(), "555", "an alert from before TLS is shown")
		if strings.HasSuffix(line, " EXISTS") {
			told := make(chan uint32, 1)
			_, err := bareStartTLS(t, r.srv.Addr, &imapclient.UnilateralDataHandler{
				Mailbox: func(data *imapclient.UnilateralDataMailbox) { told <- *data.NumMessages },
			})
			require.NoError(t, err)
			assert.EqualValues(t, 99, <-told, "the control: the bare engine passes it on")
		}
		if strings.Contains(line, "ALERT") {
			r := newRig(t, nil, play(true))
			r.opts.Net.TLS = access.TLSStart
			r.mustDial()
			assert.Contains(t, r.log.Seen(), "555", "the control: one from inside TLS is")
		}
	}
}

// hostilePreauthInTLS: a server that says who we are.
func hostilePreauthInTLS(t *testing.T) {
	script := func(c *mailtest.Conn) {
		c.Send("* PREAUTH [CAPABILITY IMAP4rev1] hi\r\n")
		idle(c)
	}
	r := newRig(t, &mailtest.ServeOptions{TLS: true}, script)
	_, err := r.dial()
	require.ErrorIs(t, err, mailbox.ErrProtocol)
	r.opts.test.anyAuth = true
	r.mustDial() // the control
	r.opts.test.anyAuth = false
	r.auth = access.Auth{}
	r.mustDial() // a tunnel: nothing else was meant
}
