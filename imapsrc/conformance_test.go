package imapsrc_test

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/imapsrc"
	"github.com/postroom-go/postroom/internal/dovecot"
	"github.com/postroom-go/postroom/internal/imapwire"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/mailboxtest"
	"github.com/postroom-go/postroom/mailbox/mailtest"
)

const (
	user   = "ann@example.org"
	secret = "canary-5ecret-password"
)

func imapCaps(protocol string) mailbox.Caps {
	return mailbox.Caps{
		Protocol: protocol,
		Folders:  true, StableIDs: true, Envelopes: true, Structure: true, Parts: true, Headers: true,
		Received: true, Flags: true, Keywords: true, Delete: true, Append: true, AppendID: true, Connections: 2,
	}
}

func TestConformance(t *testing.T) {
	bare := imapCaps("IMAP4rev1")
	bare.Delete, bare.AppendID = false, false
	single := imapCaps("IMAP4rev1")
	single.Connections = 1
	for name, c := range map[string]struct {
		flavour mailtest.IMAPFlavour
		caps    mailbox.Caps
		conns   int
	}{
		"bare":           {mailtest.IMAPBare, bare, 0},
		"extended":       {mailtest.IMAPExtended, imapCaps("IMAP4rev1"), 0},
		"one connection": {mailtest.IMAPExtended, single, 1},
		"rev2":           {mailtest.IMAPRev2, imapCaps("IMAP4rev1"), 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mailboxtest.Run(t, mailboxtest.Config{Caps: c.caps, New: func(t testing.TB) *mailboxtest.Instance {
				return hostInstance(t, c.flavour, c.conns)
			}})
		})
	}
}

func hostInstance(t testing.TB, flavour mailtest.IMAPFlavour, conns int) *mailboxtest.Instance {
	h := mailtest.New(t, &mailtest.Options{IMAP: flavour})
	h.AddUser(user, secret)
	open := func() (mailbox.Mailbox, error) {
		return imapsrc.Dial(t.Context(), h.IMAPS, access.Password(user, secret, nil), &imapsrc.Options{
			Net: access.Options{TLSConfig: h.ClientTLS()}, Connections: conns,
		})
	}
	box, err := open()
	require.NoError(t, err)
	return &mailboxtest.Instance{
		Box:          box,
		Reopen:       open,
		Deliver:      func(folder string, raw []byte) error { return h.Deliver(user, folder, raw, nil) },
		NewEpoch:     func(folder string) error { return h.NewEpoch(user, folder) },
		Interrupt:    h.Interrupt,
		CreateFolder: func(name string) error { return h.CreateFolder(user, name, "") },
		Secrets:      []string{secret},
	}
}

// TestConformanceDovecot runs the suite on a real server.
func TestConformanceDovecot(t *testing.T) {
	d := dovecot.Get(t)
	mailboxtest.Run(t, mailboxtest.Config{
		Caps: imapCaps("IMAP4rev1"),
		Without: map[string]string{
			"NewEpoch":  "Dovecot changes UIDVALIDITY only with its files",
			"Interrupt": "it serves other tests, too",
		},
		New: func(t testing.TB) *mailboxtest.Instance {
			name := d.NewUser(t)
			open := func() (mailbox.Mailbox, error) {
				return imapsrc.Dial(t.Context(), d.IMAPS, access.Password(name, d.Password, nil), &imapsrc.Options{
					Net: access.Options{TLSConfig: d.TLSConfig(), Dialer: &net.Dialer{}},
				})
			}
			box, err := open()
			require.NoError(t, err)
			return &mailboxtest.Instance{
				Box:    box,
				Reopen: open,
				Deliver: func(folder string, raw []byte) error {
					wire, err := imapwire.EncodeMailbox(folder)
					d.Append(t, name, wire, raw)
					return err
				},
				CreateFolder: func(folder string) error {
					wire, err := imapwire.EncodeMailbox(folder)
					d.Create(t, name, wire)
					return err
				},
				Secrets: []string{d.Password},
			}
		},
	})
}
