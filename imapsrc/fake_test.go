package imapsrc

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/mailtest"
)

const canary = "canary-5ecret-password"

// rig is a scripted server and a client with its log, trace and errors watched
// for the secret.
type rig struct {
	t      *testing.T
	srv    *mailtest.Server
	opts   Options
	auth   access.Auth
	canary *mailtest.Canary
	log    *mailtest.Canary
}

func newRig(t *testing.T, o *mailtest.ServeOptions, script func(c *mailtest.Conn)) *rig {
	r := &rig{t: t, srv: mailtest.Serve(t, o, script), canary: mailtest.NewCanary(t, canary), log: mailtest.NewCanary(t, canary)}
	r.auth = access.Password("ann", canary, nil)
	r.opts.Net.TLS = access.TLSNone
	if o != nil && o.TLS {
		r.opts.Net.TLS = access.TLSImplicit
	}
	r.opts.Net.TLSConfig = r.srv.ClientTLS()
	r.opts.Net.Trace = r.canary.Trace
	r.opts.Net.Logger = slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	r.opts.Net.ProgressTimeout = 5 * time.Second
	return r
}

func (r *rig) dial() (*Mailbox, error) {
	m, err := Dial(r.t.Context(), r.srv.Addr, r.auth, &r.opts)
	r.canary.Error(err)
	if err == nil {
		r.t.Cleanup(func() { _ = m.Close() })
	}
	return m, err
}

func (r *rig) mustDial() *Mailbox {
	m, err := r.dial()
	require.NoError(r.t, err)
	return m
}

// told reports whether the server has seen the secret.
func (r *rig) told() bool { return strings.Contains(r.srv.Transcript(), canary) }

func (r *rig) list(m *Mailbox, opts *mailbox.ListOptions) ([]*mailbox.Summary, error) {
	var all []*mailbox.Summary
	for s, err := range m.List(r.t.Context(), "INBOX", opts) {
		if err != nil {
			r.canary.Error(err)
			return all, err
		}
		all = append(all, s)
	}
	return all, nil
}

// selected plays a login and the selection of a folder of n messages.
func selected(c *mailtest.Conn, caps string, n int) {
	mailtest.IMAPLogin(c, caps)
	answerSelect(c, n, "7")
}

func answerSelect(c *mailtest.Conn, n int, validity string) {
	for _, name := range []string{"EXAMINE", "SELECT"} {
		c.Answer(name, func(tag, _ string) {
			c.Sendf("* %d EXISTS\r\n* OK [UIDVALIDITY %s] x\r\n%s OK done\r\n", n, validity, tag)
		})
	}
}

// idle answers until the client leaves.
func idle(c *mailtest.Conn) {
	c.Answer("LOGOUT", func(tag, _ string) { c.Send("* BYE bye\r\n" + tag + " OK done\r\n") })
	c.Command("NOTHING MORE")
}

func id(uid string) mailbox.ID { return mailbox.NewID("INBOX", "7", uid) }

func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
