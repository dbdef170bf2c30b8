package smtpsink_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/mailtest"
	"github.com/postroom-go/postroom/smtpsink"
	"github.com/postroom-go/postroom/smtpsink/sinktest"
)

// TestConformance runs the suite for senders on each kind of server.
func TestConformance(t *testing.T) {
	const whole = 0 // the size of the large message that the suite wants
	for _, flavour := range []struct {
		name  string
		smtp  mailtest.SMTPFlavour
		lmtp  bool
		conns int
		large int64
	}{
		{"extended", mailtest.SMTPExtended, false, 0, whole},
		{"pipelining", mailtest.SMTPPipelining, false, 0, 4 << 20},
		{"bare", mailtest.SMTPBare, false, 0, 4 << 20},
		{"one connection", mailtest.SMTPExtended, false, 1, 4 << 20},
		{"LMTP", mailtest.SMTPExtended, true, 0, 4 << 20},
	} {
		t.Run(flavour.name, func(t *testing.T) {
			t.Parallel()
			sinktest.Run(t, sinktest.Config{
				New: func(t testing.TB) *sinktest.Harness {
					host := mailtest.New(t, &mailtest.Options{SMTP: flavour.smtp})
					opts := &smtpsink.Options{Connections: flavour.conns, LMTP: flavour.lmtp}
					return harness(t, host, opts)
				},
				LargeSize: flavour.large,
			})
		})
	}
}

// harness dials a host and hands its levers to the suite.
func harness(t testing.TB, host *mailtest.Host, opts *smtpsink.Options) *sinktest.Harness {
	const from, secret = "ann@example.org", "canary-5ecret"
	addr, auth, protocol := host.SMTPS, access.Password(from, secret, nil), "smtp"
	opts.Net.TLSConfig = host.ClientTLS()
	if opts.LMTP {
		addr, auth, protocol = host.LMTP, access.Auth{}, "lmtp"
		opts.Net.TLS = access.TLSNone
	}
	host.AddUser(from, secret)
	h := &sinktest.Harness{From: from, Secrets: []string{secret}}
	for n := range 100 {
		to := fmt.Sprintf("r%02d@example.net", n)
		host.AddUser(to, "")
		h.Recipients = append(h.Recipients, to)
	}
	sink, err := smtpsink.Dial(t.Context(), addr, auth, opts)
	require.NoError(t, err)
	h.Sender = sink

	const more = 1 << 40 // octets than any message has
	refusal := func(temporary bool) string {
		if temporary {
			return "450 4.2.1 not now"
		}
		return "550 5.7.1 not here"
	}
	inject := func(f mailtest.Fault) {
		f.Protocol, f.Times = protocol, max(f.Times, 1)
		host.Inject(f)
	}
	h.Settle = func() { _ = host.Close() }
	h.Delivered = func() (all []sinktest.Delivery) {
		for _, s := range host.Submissions() {
			d := sinktest.Delivery{From: s.From, Body: s.Raw}
			for _, to := range s.To {
				d.To = append(d.To, to.Address)
			}
			all = append(all, d)
		}
		return all
	}
	h.RefuseRecipient = func(nth int, temporary bool) {
		inject(mailtest.Fault{Kind: mailtest.FaultReply, Command: "RCPT", Skip: nth, Text: refusal(temporary)})
	}
	h.RefuseMessage = func(temporary bool) {
		f := mailtest.Fault{Kind: mailtest.FaultReply, Command: "DATA", Text: refusal(temporary)}
		if opts.LMTP {
			f.Times = 2 // an answer for each recipient
		}
		inject(f)
	}
	h.LoseAnswer = func() { inject(mailtest.Fault{Kind: mailtest.FaultCut, Command: "DATA", N: more}) }
	h.CutMessage = func(octets int64) { inject(mailtest.Fault{Kind: mailtest.FaultCut, Command: "DATA", N: octets}) }
	h.StallMessage = func() { inject(mailtest.Fault{Kind: mailtest.FaultStall, Command: "DATA", N: 1}) }
	h.StallAnswer = func() <-chan struct{} {
		inject(mailtest.Fault{Kind: mailtest.FaultStall, Command: "DATA", N: more})
		return taken(t.Context(), host, len(host.Submissions())+1)
	}
	return h
}

// taken is closed when the host has so many messages.
func taken(ctx context.Context, host *mailtest.Host, n int) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for len(host.Submissions()) < n {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
		close(done)
	}()
	return done
}
