package smtpsink

import (
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// unxtext is RFC 3461 section 4, read backwards.
func unxtext(s string) string {
	return regexp.MustCompile(`\+[0-9A-F]{2}`).ReplaceAllStringFunc(s, func(h string) string {
		n, _ := strconv.ParseUint(h[1:], 16, 8)
		return string([]byte{byte(n)})
	})
}

func TestXtext(t *testing.T) {
	assert.Equal(t, "a+2Bb+3Dc+20d", xtext("a+b=c d"))
	valid := regexp.MustCompile(`^([!-*,-<>-~]|\+[0-9A-F]{2})*$`)
	rnd := rand.New(rand.NewPCG(1, 1))
	for range 10_000 {
		b := make([]byte, rnd.IntN(20))
		for i := range b {
			b[i] = byte(rnd.IntN(256))
		}
		x := xtext(string(b))
		require.Regexp(t, valid, x)
		require.Equal(t, string(b), unxtext(x))
	}
}

// TestMailLine: the parameters, all of them.
func TestMailLine(t *testing.T) {
	o, err := newOrder(&Envelope{From: "ann@example.org", To: []string{"bob@example.net", "carl@example.net"}}, &SendOptions{
		RequireTLS: true, DeliverBy: time.Hour, DeliverByNotify: true, Priority: 3, HoldFor: 1,
		DSN: &DSN{Notify: []string{"SUCCESS", "DELAY"}, Return: "HDRS", EnvelopeID: "x y", Original: map[string]string{"carl@example.net": "c=d@example.net"}},
	})
	require.NoError(t, err)
	ext := extensions{"SIZE": ""}
	assert.Equal(t, "MAIL FROM:<ann@example.org> BODY=8BITMIME SIZE=123 SMTPUTF8 REQUIRETLS RET=HDRS ENVID=x+20y BY=3600;N MT-PRIORITY=3 HOLDFOR=1\r\n",
		string(o.appendMail(nil, &Caps{}, ext, 123, "8BITMIME", true)))
	assert.Equal(t, "RCPT TO:<bob@example.net> NOTIFY=SUCCESS,DELAY\r\n", string(o.appendRcpt(nil, 0)))
	assert.Equal(t, "RCPT TO:<carl@example.net> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;c+3Dd@example.net\r\n", string(o.appendRcpt(nil, 1)))
	o, err = newOrder(&Envelope{To: []string{"Postmaster"}}, &SendOptions{HoldUntil: time.Date(2030, 1, 2, 3, 4, 5, 6, time.FixedZone("", 3600))})
	require.NoError(t, err)
	assert.Equal(t, "MAIL FROM:<> HOLDUNTIL=2030-01-02T02:04:05Z\r\n", string(o.appendMail(nil, &Caps{}, nil, 123, "", false)))
	assert.Equal(t, "RCPT TO:<Postmaster>\r\n", string(o.appendRcpt(nil, 0)))
}

// TestOrderRefused: what is wrong without a look at the server.
func TestOrderRefused(t *testing.T) {
	for name, o := range map[string]*SendOptions{
		"Size":       {Size: -1},
		"Priority":   {Priority: 10},
		"priority":   {Priority: -10},
		"HoldFor":    {HoldFor: -1},
		"DeliverBy":  {DeliverBy: -1},
		"both":       {HoldFor: 1, HoldUntil: time.Unix(1, 0)},
		"NEVER":      {DSN: &DSN{Notify: []string{"NEVER", "DELAY"}}},
		"never":      {DSN: &DSN{Notify: []string{"never"}}},
		"RET":        {DSN: &DSN{Return: "full"}},
		"ENVID":      {DSN: &DSN{EnvelopeID: strings.Repeat("x", 101)}},
		"ENVID, é":   {DSN: &DSN{EnvelopeID: "é"}},
		"ORCPT":      {DSN: &DSN{Original: map[string]string{"x": "no address"}}},
		"ORCPT, é":   {DSN: &DSN{Original: map[string]string{"x": "é@example.net"}}},
		"ORCPT, CR":  {DSN: &DSN{Original: map[string]string{"x": "e@example.net\r"}}},
		"ORCPT, end": {DSN: &DSN{Original: map[string]string{"x": "e@example.net> x"}}},
	} {
		_, err := newOrder(envelope("bob@example.net"), o)
		assert.Error(t, err, name)
	}
	_, err := newOrder(envelope("bob@example.net"), &SendOptions{Size: 1, Priority: -9, HoldFor: time.Second, DeliverBy: 1, DSN: &DSN{EnvelopeID: strings.Repeat("~", 100)}})
	assert.NoError(t, err, "the control")
}
