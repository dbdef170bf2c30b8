package sinktest

import (
	"bytes"
	"errors"
	"time"

	"github.com/postroom-go/postroom/smtpsink"
)

func optionCases() []testCase {
	return []testCase{
		{"options/zero", "Options that are nil and zero mean the same.", "", optionsZero},
		{"options/unsupported", "What is asked for is done, or is errors.ErrUnsupported and nothing is sent.", "", optionsUnsupported},
		{"options/binary", "With Binary the octets arrive as they are, or it is errors.ErrUnsupported and nothing is sent (RFC 3030 section 3).", "", optionsBinary},
		{"options/invalid", "Options that contradict themselves or do not fit into a command are an error, and nothing is sent (CVE-2025-7962).", "", optionsInvalid},
	}
}

func optionsZero(t *tester) {
	a := t.ok("nil options", t.envelope(2), numbered(1), nil)
	b := t.ok("zero options", t.envelope(2), numbered(1), &smtpsink.SendOptions{DSN: &smtpsink.DSN{}})
	if a.Outcome != b.Outcome || len(a.Recipients) != len(b.Recipients) {
		t.Errorf("with nil options the receipt is %+v, with zero ones %+v", *a, *b)
	}
}

func optionsUnsupported(t *tester) {
	env := t.envelope(2)
	for what, opts := range map[string]*smtpsink.SendOptions{
		"DSN.Notify":                    {DSN: &smtpsink.DSN{Notify: []string{"SUCCESS", "FAILURE"}}},
		"DSN.Notify NEVER":              {DSN: &smtpsink.DSN{Notify: []string{"NEVER"}}},
		"DSN.Return":                    {DSN: &smtpsink.DSN{Return: "HDRS"}},
		"DSN.EnvelopeID":                {DSN: &smtpsink.DSN{EnvelopeID: "a+b=c d"}},
		"DSN.Original":                  {DSN: &smtpsink.DSN{Original: map[string]string{env.To[1]: "old@example.net"}}},
		"RequireTLS":                    {RequireTLS: true},
		"DeliverBy":                     {DeliverBy: time.Hour},
		"DeliverBy, with notifications": {DeliverBy: time.Hour, DeliverByNotify: true},
		"Priority":                      {Priority: -3},
		"Binary":                        {Binary: true},
	} {
		t.wholeOrUnsupported(what, env, numbered(1), opts)
	}
	for what, opts := range map[string]*smtpsink.SendOptions{
		"HoldFor": {HoldFor: time.Second}, "HoldUntil": {HoldUntil: time.Now().Add(time.Minute)},
	} {
		s := t.send(t.ctx, env, bytes.NewReader(numbered(2)), opts)
		if s.err == nil {
			t.allow(what, env.From, env.To, numbered(2)) // it is held back, perhaps
			continue
		}
		t.notSent(what, s, errors.ErrUnsupported)
	}
	t.ok("the next message", env, numbered(3), nil)
}

func optionsBinary(t *tester) {
	opts := &smtpsink.SendOptions{Binary: true}
	for _, body := range []string{
		"a\x00b\nc\rd\r\n.\r\n..\r\n\xff\xfe", "\x00", "\r", "no end", "\r\n.\r\nQUIT\r\n",
	} {
		t.wholeOrUnsupported("binary octets", t.envelope(1), withBody(body), opts)
	}
	large := append(flowed(200_000), bytes.Repeat([]byte{0, '\r', '\n', '\n', 255}, 20_000)...)
	t.wholeOrUnsupported("many binary octets", t.envelope(1), large, opts)
	t.ok("the next message", t.envelope(1), numbered(1), nil)
}

func optionsInvalid(t *tester) {
	env := t.envelope(2)
	notify := func(words ...string) *smtpsink.SendOptions {
		return &smtpsink.SendOptions{DSN: &smtpsink.DSN{Notify: words}}
	}
	long := string(bytes.Repeat([]byte{'x'}, 200))
	for what, opts := range map[string]*smtpsink.SendOptions{
		"Notify with NEVER and more":   notify("NEVER", "FAILURE"),
		"Notify with an unknown word":  notify("SOMETIMES"),
		"Notify with a line end":       notify("FAILURE\r\nRCPT TO:<eve@example.net>"),
		"Return with an unknown word":  {DSN: &smtpsink.DSN{Return: "ALL"}},
		"Return with a parameter":      {DSN: &smtpsink.DSN{Return: "FULL SIZE=1"}},
		"EnvelopeID with a line end":   {DSN: &smtpsink.DSN{EnvelopeID: "id\r\nRCPT TO:<eve@example.net>"}},
		"EnvelopeID with NUL":          {DSN: &smtpsink.DSN{EnvelopeID: "id\x00"}},
		"EnvelopeID that is not ASCII": {DSN: &smtpsink.DSN{EnvelopeID: "idé"}},
		"EnvelopeID that is too long":  {DSN: &smtpsink.DSN{EnvelopeID: long}},
		"Original with a line end":     {DSN: &smtpsink.DSN{Original: map[string]string{env.To[0]: "old@example.net\r\nDATA"}}},
		"Original with a bracket":      {DSN: &smtpsink.DSN{Original: map[string]string{env.To[0]: "old@example.net> NOTIFY=NEVER"}}},
		"Priority above 9":             {Priority: 10},
		"Priority below -9":            {Priority: -10},
		"HoldFor and HoldUntil":        {HoldFor: time.Hour, HoldUntil: time.Now().Add(time.Hour)},
		"HoldFor below 0":              {HoldFor: -time.Hour},
		"DeliverBy below 0":            {DeliverBy: -time.Hour},
	} {
		t.notSent(what, t.send(t.ctx, env, bytes.NewReader(numbered(1)), opts))
	}
	t.ok("the next message", env, numbered(3), nil)
}
