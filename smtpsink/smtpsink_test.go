package smtpsink

import (
	"context"
	"fmt"
	"io"
	"iter"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/mailtest"
)

const plain = "From: ann@example.org\r\nTo: bob@example.org\r\nSubject: hello\r\n\r\nHello.\r\n.\r\n..x\r\n"

func envelope(to ...string) *Envelope { return &Envelope{From: "ann@example.org", To: to} }

var auth = access.Password("ann@example.org", "secret-secret", nil)

func newHost(t *testing.T, o *mailtest.Options) *mailtest.Host {
	host := mailtest.New(t, o)
	host.AddUser("ann@example.org", "secret-secret")
	host.AddUser("bob@example.org", "secret-secret")
	return host
}

func dial(t *testing.T, host *mailtest.Host, o *Options) *Sink {
	var opts Options
	if o != nil {
		opts = *o
	}
	opts.Net.TLSConfig = host.ClientTLS()
	addr := host.SMTPS
	if opts.Net.TLS == access.TLSStart {
		addr = host.SMTP
	}
	sink, err := Dial(t.Context(), addr, auth, &opts)
	require.NoError(t, err)
	t.Cleanup(func() { _ = sink.Close() })
	return sink
}

func TestSend(t *testing.T) {
	for name, flavour := range map[string]mailtest.SMTPFlavour{"extended": mailtest.SMTPExtended, "pipelining": mailtest.SMTPPipelining, "bare": mailtest.SMTPBare} {
		t.Run(name, func(t *testing.T) {
			host := newHost(t, &mailtest.Options{SMTP: flavour})
			for _, mode := range []access.TLSMode{access.TLSImplicit, access.TLSStart} {
				sink := dial(t, host, &Options{Net: access.Options{TLS: mode}})
				for range 2 {
					receipt, err := sink.Send(t.Context(), envelope("bob@example.org"), strings.NewReader(plain), nil)
					require.NoError(t, err)
					assert.Equal(t, Accepted, receipt.Outcome)
					assert.Equal(t, int64(len(plain)), receipt.Octets)
				}
			}
			got, err := host.Messages("bob@example.org", mailbox.Inbox)
			require.NoError(t, err)
			require.Len(t, got, 4)
			for _, m := range got {
				assert.True(t, strings.HasSuffix(string(m.Raw), plain), "%q", m.Raw)
			}
		})
	}
}

func messages(n int, to ...string) iter.Seq[*Message] {
	return func(yield func(*Message) bool) {
		for i := range n {
			m := &Message{Envelope: envelope(to...), Body: strings.NewReader(fmt.Sprintf("Subject: %d\r\n\r\nx\r\n", i)), Tag: i}
			if !yield(m) {
				return
			}
		}
	}
}

func TestSendAll(t *testing.T) {
	for name, flavour := range map[string]mailtest.SMTPFlavour{"extended": mailtest.SMTPExtended, "pipelining": mailtest.SMTPPipelining, "bare": mailtest.SMTPBare} {
		t.Run(name, func(t *testing.T) {
			host := newHost(t, &mailtest.Options{SMTP: flavour})
			sink := dial(t, host, nil)
			i := 0
			for r, err := range sink.SendAll(t.Context(), messages(200, "bob@example.org")) {
				require.NoError(t, err)
				require.NoError(t, r.Err)
				assert.Equal(t, i, r.Message.Tag)
				i++
			}
			assert.Equal(t, 200, i)
			got, err := host.Messages("bob@example.org", mailbox.Inbox)
			require.NoError(t, err)
			require.Len(t, got, 200)
			for i, m := range got {
				assert.Contains(t, string(m.Raw), fmt.Sprintf("Subject: %d\r\n", i))
			}
		})
	}
}

var _ = context.Background
var _ = io.EOF

// TestWrongPort: the port is one at which TLS comes first, and the client waits for a
// greeting.
func TestWrongPort(t *testing.T) {
	hint := "does this port want TLS from the first octet"
	hangsUp := mailtest.Serve(t, nil, func(*mailtest.Conn) {})
	for mode, want := range map[access.TLSMode]bool{access.TLSStart: true, access.TLSNone: true, access.TLSImplicit: false} {
		_, err := newClient(t, mode).dial(hangsUp.Addr)
		require.Error(t, err)
		assert.Equal(t, want, strings.Contains(err.Error(), hint), "%v: %v", mode, err)
	}
	// A server that has greeted, or refused to, does not need the hint.
	for _, said := range []string{"220 ready\r\n", "421 busy\r\n", "garbage\r\n"} {
		speaks := mailtest.Serve(t, nil, func(c *mailtest.Conn) { c.Send(said) })
		_, err := newClient(t, access.TLSStart).dial(speaks.Addr)
		require.Error(t, err)
		assert.NotContains(t, err.Error(), hint)
	}
}
