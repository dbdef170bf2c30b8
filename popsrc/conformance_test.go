package popsrc_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/internal/dovecot"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/mailboxtest"
	"github.com/postroom-go/postroom/mailbox/mailtest"
	"github.com/postroom-go/postroom/popsrc"
)

const (
	user   = "ann@example.org"
	secret = "canary-5ecret"
)

// full is what POP3 can do at best.
var full = mailbox.Caps{
	StableIDs: true, Envelopes: true, Headers: true, Delete: true, Exclusive: true, Connections: 1,
}

// without are the parts of the suite that POP3 has no way to be asked for.
func without() map[string]string {
	return map[string]string{"NewEpoch": "a maildrop has no epochs: UIDLs hold for ever"}
}

// TestConformance runs the suite for every kind of server, and for each way to
// be protected or not.
func TestConformance(t *testing.T) {
	noUIDL, noTOP, bare := full, full, full
	noUIDL.StableIDs, noUIDL.Delete = false, false
	noTOP.Envelopes, noTOP.Headers = false, false
	bare.StableIDs, bare.Delete, bare.Envelopes, bare.Headers = false, false, false, false
	for _, tt := range []struct {
		name    string
		flavour mailtest.POP3Flavour
		caps    mailbox.Caps
		mode    access.TLSMode
	}{
		{"full", mailtest.POP3Flavour{}, full, access.TLSImplicit},
		{"no-uidl", mailtest.POP3Flavour{NoUIDL: true}, noUIDL, access.TLSNone},
		{"no-top", mailtest.POP3Flavour{NoTOP: true}, noTOP, access.TLSNone},
		{"no-pipelining", mailtest.POP3Flavour{NoPipelining: true}, full, access.TLSNone},
		{"no-capa", mailtest.POP3Flavour{NoCAPA: true}, full, access.TLSNone},
		{"bare", mailtest.POP3Flavour{NoUIDL: true, NoTOP: true, NoPipelining: true}, bare, access.TLSStart},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			mailboxtest.Run(t, mailboxtest.Config{
				Caps:    tt.caps,
				Without: without(),
				New:     func(t testing.TB) *mailboxtest.Instance { return hosted(t, tt.flavour, tt.mode) },
			})
		})
	}
}

// hosted is an account on a host of its own.
func hosted(t testing.TB, flavour mailtest.POP3Flavour, mode access.TLSMode) *mailboxtest.Instance {
	host := mailtest.New(t, &mailtest.Options{POP3: flavour, Plaintext: mode == access.TLSNone})
	host.AddUser(user, secret)
	addr := host.POP3S
	if mode != access.TLSImplicit {
		addr = host.POP3
	}
	canary := mailtest.NewCanary(t, secret)
	dial := func() (mailbox.Mailbox, error) {
		mb, err := popsrc.Dial(t.Context(), addr, access.Password(user, secret, nil), &popsrc.Options{
			Net: access.Options{
				TLS: mode, TLSConfig: host.ClientTLS(), Trace: canary.Trace, Logger: canary.Logger(),
			},
		})
		canary.Error(err)
		if err != nil {
			return nil, err
		}
		return mb, nil
	}
	mb, err := dial()
	require.NoError(t, err)
	return &mailboxtest.Instance{
		Box:       mb,
		Reopen:    dial,
		Deliver:   func(folder string, raw []byte) error { return host.Deliver(user, folder, raw, nil) },
		Interrupt: host.Interrupt,
		Secrets:   []string{secret},
	}
}

// TestDovecot runs the suite on a real server.
func TestDovecot(t *testing.T) {
	srv := dovecot.Get(t)
	mailboxtest.Run(t, mailboxtest.Config{
		Caps: full,
		Without: map[string]string{
			"NewEpoch":  without()["NewEpoch"],
			"Interrupt": "nothing here can cut Dovecot's connections",
		},
		New: func(t testing.TB) *mailboxtest.Instance {
			name := srv.NewUser(t)
			dial := func() (mailbox.Mailbox, error) {
				mb, err := popsrc.Dial(t.Context(), srv.POP3S, access.Password(name, srv.Password, nil),
					&popsrc.Options{Net: access.Options{TLSConfig: srv.TLSConfig()}})
				if err != nil {
					return nil, err
				}
				return mb, nil
			}
			mb, err := dial()
			require.NoError(t, err)
			return &mailboxtest.Instance{
				Box:    mb,
				Reopen: dial,
				Deliver: func(folder string, raw []byte) error {
					srv.Append(t, name, folder, raw)
					return nil
				},
				Secrets: []string{srv.Password},
			}
		},
	})
}
