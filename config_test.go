package postroom_test

import (
	"encoding/json"
	"errors"
	"net"
	"net/mail"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom"
	"github.com/postroom-go/postroom/discover"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/smtpsink"
	"github.com/postroom-go/postroom/smtpsink/compose"
)

// TestConfigByHand opens accounts with files that somebody has edited, or another
// version has written: what cannot be is named, and nothing is sent.
func TestConfigByHand(t *testing.T) {
	const good = `{"address":"ann@example.org","incoming":[{"protocol":"imap","host":"imap.example.org","port":993,"tls":"implicit","user":"ann@example.org"}]}`
	for name, c := range map[string]struct {
		old, new string
		read     string // in the error of reading it; empty if it can be read
		open     string // in the error of Open; empty if it can be opened
	}{
		"good":              {},
		"port as text":      {old: `993`, new: `"993"`, read: "port"},
		"port too high":     {old: `993`, new: `99300`, open: "imap.example.org: cannot have port 99300"},
		"port below zero":   {old: `993`, new: `-1`, open: "imap.example.org: cannot have port -1"},
		"no port":           {old: `"port":993,`},
		"no host":           {old: `"host":"imap.example.org",`, open: "a server has no Host"},
		"host is a URL":     {old: `imap.example.org`, new: `https://imap.example.org/`, open: `"https://imap.example.org/": is not a host's name`},
		"host with port":    {old: `imap.example.org`, new: `imap.example.org:993`, open: `"imap.example.org:993": is not a host's name`},
		"host with space":   {old: `imap.example.org`, new: ` IMAP.example.org. `},
		"host of two lines": {old: `imap.example.org`, new: `imap.example.org\r\nx`, open: "is not a host's name"},
		"no TLS word":       {old: `"tls":"implicit",`},
		"TLS unknown":       {old: `"implicit"`, new: `"ssl"`, read: `"tls": "ssl" is none of "implicit", "starttls" and "none"`},
		"plaintext":         {old: `993,"tls":"implicit"`, new: `143,"tls":"none"`, open: "imap imap.example.org:143 plaintext"},
		"protocol unknown":  {old: `"imap",`, new: `"jmap",`, open: `imap.example.org: cannot speak "jmap" here`},
		"protocol in caps":  {old: `"imap",`, new: `"IMAP",`},
		"sends, not holds":  {old: `"imap",`, new: `"smtp",`, open: `imap.example.org: cannot speak "smtp" here`},
		"no protocol":       {old: `"protocol":"imap",`},
		"unknown fields":    {old: `"user"`, new: `"colour":["red"],"version":7,"user"`},
		"unknown login":     {old: `"user"`, new: `"auth":["passkey","password"],"user"`},
		"no user":           {old: `,"user":"ann@example.org"`},
		"user with a line":  {old: `"user":"ann@example.org"`, new: `"user":"ann\r\na1 LOGOUT"`, open: "imap.example.org: cannot have a user name with a control character in it"},
		"no address":        {old: `"address":"ann@example.org",`, open: "not a mail address"},
		"no incoming":       {old: `"incoming"`, new: `"received"`, open: "no mail servers found"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProvider(t)
			p.web.DNS.SetMX("example.org", "10 mx.example.org.")
			var config postroom.Config
			err := json.Unmarshal([]byte(strings.Replace(good, c.old, c.new, 1)), &config)
			if c.read != "" {
				assert.ErrorContains(t, err, c.read)
				return
			}
			require.NoError(t, err)
			o := p.options()
			o.Discover.NoGuess = true
			o.Incoming, o.Outgoing = config.Incoming, config.Outgoing
			a, err := postroom.Open(t.Context(), config.Address, password, o)
			p.canary.Error(err)
			if c.open != "" {
				assert.ErrorContains(t, err, c.open)
				assert.Zero(t, logins(p.host.Transcript()))
				return
			}
			require.NoError(t, err)
			require.NoError(t, a.Close())
		})
	}
	var wrong *net.AddrError
	_, err := postroom.Open(t.Context(), ann, password, &postroom.Options{Incoming: []discover.Server{{Host: "x y"}}})
	assert.True(t, errors.As(err, &wrong))
}

// TestOwn: what an account tells is the caller's, and what he has given stays his.
func TestOwn(t *testing.T) {
	p := newProvider(t)
	o := p.options()
	o.Incoming = []discover.Server{{Host: "imap.example.org", Auth: []string{"password"}, Notes: []string{"a"}, OAuth2: &discover.OAuth2{Scopes: []string{"mail"}}}}
	o.Outgoing = []discover.Server{{Host: "smtp.example.org", Auth: []string{"password"}, Confirm: []string{"b"}}}
	a, err := p.open(o)
	require.NoError(t, err)
	spoil := func(s *discover.Server) {
		for _, texts := range [][]string{s.Auth, s.Notes, s.Confirm} {
			for i := range texts {
				texts[i] = "spoilt"
			}
		}
		if s.OAuth2 != nil {
			s.OAuth2.Issuer, s.OAuth2.Scopes[0] = "spoilt", "spoilt"
		}
	}
	for range 2 {
		spoil(&o.Incoming[0])
		spoil(&o.Outgoing[0])
		c, r := a.Config(), a.Report()
		spoil(&c.Incoming[0])
		spoil(&c.Outgoing[0])
		spoil(&r.Incoming)
		spoil(&r.Tried[0].Server)
		again, err := json.Marshal([]any{a.Config(), a.Report()})
		require.NoError(t, err)
		assert.NotContains(t, string(again), "spoilt")
		assert.Nil(t, r.Notes)
	}
}

// TestCloseInUse closes an account that many use: each call succeeds or is told that
// it is closed, and none hangs.
func TestCloseInUse(t *testing.T) {
	for _, kind := range []discover.Protocol{discover.IMAP, discover.POP3} {
		t.Run(string(kind), func(t *testing.T) {
			p := newProvider(t)
			require.NoError(t, p.host.Deliver(ann, "", []byte("Subject: there\r\n\r\nx\r\n"), nil))
			o := p.options()
			o.Dir = t.TempDir()
			o.Incoming = []discover.Server{{Protocol: kind, Host: map[discover.Protocol]string{discover.IMAP: "imap.example.org", discover.POP3: "pop.example.org"}[kind]}}
			o.Outgoing = []discover.Server{{Host: "smtp.example.org"}}
			a, err := p.open(o)
			require.NoError(t, err)
			told := func(err error) {
				if err != nil {
					assert.ErrorIs(t, err, mailbox.ErrClosed)
				}
			}
			begun := make(chan bool, 64)
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					begun <- true
					envelope := &smtpsink.Envelope{From: ann, To: []string{"bob@example.org"}}
					_, err := a.Sink.Send(t.Context(), envelope, strings.NewReader("Subject: x\r\n\r\nx\r\n"), nil)
					told(err)
				})
				wg.Go(func() {
					begun <- true
					m := &compose.Message{To: []mail.Address{{Address: "bob@example.org"}}, Text: "x",
						Attachments: []compose.Attachment{{Name: "a", Data: make([]byte, 100<<10)}}}
					_, err := a.Send(t.Context(), m, nil)
					told(err)
				})
				wg.Go(func() {
					begun <- true
					for _, err := range a.Mailbox.List(t.Context(), mailbox.Inbox, nil) {
						told(err)
					}
				})
				wg.Go(func() {
					begun <- true
					if _, err := a.Download(t.Context(), nil); !errors.Is(err, mailbox.ErrBusy) { // of the others
						told(err)
					}
				})
				wg.Go(func() {
					begun <- true
					_, err := a.Sender(t.Context())
					told(err)
					_, _ = json.Marshal([]any{a.Report(), a.Config()})
					_ = a.Report().String()
				})
			}
			for range 20 {
				<-begun
			}
			for range 3 {
				wg.Go(func() { told(a.Close()) })
			}
			wg.Wait()
			_, err = a.Send(t.Context(), message("late"), nil)
			assert.ErrorIs(t, err, mailbox.ErrClosed)
			_, err = a.Sender(t.Context())
			assert.ErrorIs(t, err, mailbox.ErrClosed)
			_, err = a.Download(t.Context(), nil)
			assert.ErrorIs(t, err, mailbox.ErrClosed)
		})
	}
}
