package mailtest

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDNSRecords(t *testing.T) {
	d := &DNS{}
	d.SetHost("A.example.", "192.0.2.1", "2001:db8::1")
	d.SetCNAME("b.example", "c.example.")
	d.SetCNAME("c.example", "a.example")
	d.SetMX("a.example", "10 mx.a.example.")
	d.SetSRV("_imaps._tcp.a.example", "1 2 993 imap.a.example.")
	d.SetTXT("a.example", "one", "two")
	ctx := t.Context()

	for _, name := range []string{"a.example", "A.EXAMPLE.", "b.example"} {
		addrs, err := d.LookupNetIP(ctx, "ip", name)
		require.NoError(t, err)
		assert.Equal(t, []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}, addrs)
	}
	cname, err := d.LookupCNAME(ctx, "b.example")
	require.NoError(t, err)
	assert.Equal(t, "a.example.", cname)
	cname, err = d.LookupCNAME(ctx, "a.example")
	require.NoError(t, err)
	assert.Equal(t, "a.example.", cname, "as net.Resolver answers for a name that is no alias")
	mx, err := d.LookupMX(ctx, "a.example")
	require.NoError(t, err)
	assert.Equal(t, []*net.MX{{Host: "mx.a.example.", Pref: 10}}, mx)
	_, srv, err := d.LookupSRV(ctx, "imaps", "tcp", "a.example")
	require.NoError(t, err)
	assert.Equal(t, []*net.SRV{{Target: "imap.a.example.", Port: 993, Priority: 1, Weight: 2}}, srv)
	txt, err := d.LookupTXT(ctx, "a.example")
	require.NoError(t, err)
	assert.Equal(t, []string{"one", "two"}, txt)
	assert.Equal(t, []string{"A a.example", "A a.example", "A b.example", "CNAME b.example", "CNAME a.example", "MX a.example", "SRV _imaps._tcp.a.example", "TXT a.example"}, d.Queries())

	for _, lookup := range []func() error{
		func() error { _, err := d.LookupNetIP(ctx, "ip", "x.example"); return err },
		func() error { _, err := d.LookupCNAME(ctx, "x.example"); return err },
		func() error { _, err := d.LookupMX(ctx, "x.example"); return err },
		func() error { _, _, err := d.LookupSRV(ctx, "imap", "tcp", "x.example"); return err },
		func() error { _, err := d.LookupTXT(ctx, "x.example"); return err },
	} {
		var e *net.DNSError
		require.ErrorAs(t, lookup(), &e)
		assert.True(t, e.IsNotFound)
	}
	assert.Panics(t, func() { d.SetMX("a.example", "mx.a.example.") })
}

func TestDNSFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &DNS{Latency: 30 * time.Millisecond}
		d.SetMX("a.example", "10 mx.a.example.")
		d.SetWildcard("w.example", "192.0.2.9")
		d.SetRebinding("r.example", "192.0.2.1", "127.0.0.1")
		began := time.Now()
		_, err := d.LookupMX(t.Context(), "a.example")
		require.NoError(t, err)
		assert.Equal(t, 30*time.Millisecond, time.Since(began))

		for range 2 {
			a, err := d.LookupNetIP(t.Context(), "ip", "any.thing.w.example")
			require.NoError(t, err)
			assert.Equal(t, "192.0.2.9", a[0].String())
		}
		for _, want := range []string{"192.0.2.1", "127.0.0.1", "127.0.0.1"} {
			a, err := d.LookupNetIP(t.Context(), "ip", "r.example")
			require.NoError(t, err)
			assert.Equal(t, want, a[0].String())
		}

		var e *net.DNSError
		d.SetFault("a.example", DNSServFail)
		_, err = d.LookupMX(t.Context(), "a.example")
		require.ErrorAs(t, err, &e)
		assert.True(t, e.IsTemporary && !e.IsNotFound && !e.IsTimeout)
		d.SetFault("a.example", DNSMalformed)
		mx, err := d.LookupMX(t.Context(), "a.example")
		assert.Error(t, err)
		assert.Len(t, mx, 1, "and the records")
		d.SetFault("*", DNSSilent)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = d.LookupTXT(ctx, "b.example")
		require.ErrorAs(t, err, &e)
		assert.True(t, e.IsTimeout)
		ctx, cancel = context.WithCancel(t.Context())
		cancel()
		_, err = d.LookupTXT(ctx, "b.example")
		assert.True(t, errors.Is(err, context.Canceled))
	})
}
