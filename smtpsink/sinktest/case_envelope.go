package sinktest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/postroom-go/postroom/smtpsink"
)

func envelopeCases() []testCase {
	return []testCase{
		{"envelope/exact", "Sender and recipients are those of the envelope, whatever the header says (RFC 5321 section 2.3.1).", "", envelopeExact},
		{"envelope/many", "A message may have 100 recipients (RFC 5321 section 4.5.3.1.8).", "", envelopeMany},
		{"envelope/empty-from", "An empty sender is sent as such (RFC 5321 section 4.5.5).", "", envelopeEmptyFrom},
		{"envelope/no-recipient", "Without a recipient nothing is sent.", "", envelopeNoRecipient},
		{"envelope/bad-address", "An address that could be taken for more than one, or for a command, is an error before anything is sent (CVE-2025-7962).", "", envelopeBadAddress},
		{"envelope/utf8", "An address that is not ASCII is sent as it is, or is an error with nothing sent (RFC 6531).", "", envelopeUTF8},
		{"envelope/unchanged", "Envelope and options stay as they were.", "", envelopeUnchanged},
	}
}

func envelopeExact(t *tester) {
	t.ok("a message whose header names nobody", t.envelope(3), []byte("Subject: nobody\r\n\r\ntext\r\n"), nil)
	env := t.envelope(1)
	raw := "From: eve@example.net\r\nTo: " + strings.Join(t.h.Recipients[1:3], ", ") + "\r\nCc: " + t.h.Recipients[3] + "\r\n\r\ntext\r\n"
	t.ok("a message whose header names others", env, []byte(raw), nil)
	back := &smtpsink.Envelope{From: t.h.From, To: []string{t.h.Recipients[5], t.h.Recipients[2], t.h.Recipients[9]}}
	t.ok("a message for others", back, numbered(1), nil)
}

func envelopeMany(t *tester) {
	env := t.envelope(100)
	receipt := t.ok("a message for 100", env, numbered(1), nil)
	if n := len(receipt.Recipients); n != 100 {
		t.Errorf("the receipt has %d recipients", n)
	}
}

func envelopeEmptyFrom(t *tester) {
	env := t.envelope(1)
	env.From = ""
	t.ok("a message from nobody", env, numbered(1), nil)
}

func envelopeNoRecipient(t *tester) {
	for what, env := range map[string]*smtpsink.Envelope{
		"no envelope": nil, "no recipients": {From: t.h.From}, "none of no recipients": {From: t.h.From, To: []string{}},
	} {
		t.notSent(what, t.send(t.ctx, env, bytes.NewReader(numbered(1)), nil))
	}
}

// badAddresses are none that may be put between < and >.
func badAddresses(good string) []string {
	local, domain, _ := strings.Cut(good, "@")
	all := []string{
		good + "\r\nRCPT TO:<eve@example.net>", good + "\r\n", good + "\n", good + "\r", "\r\n" + good,
		good + "> AUTH=<eve@example.net", "<" + good + ">", good + ">", "<" + good,
		good + " ", " " + good, good + " NOTIFY=NEVER", "Ann <" + good + ">", good + "," + good,
		good + "\x00", local + "\x00@" + domain, good + "\t", local + "\x1b[31m@" + domain, local + "\x7f@" + domain,
		"@" + domain, local + "@",
	}
	for _, c := range "\r\n\x00<>" {
		all = append(all, fmt.Sprintf("%s%c@%s", local, c, domain), fmt.Sprintf("%s@%c%s", local, c, domain), fmt.Sprintf("\"%s%c\"@%s", local, c, domain))
	}
	return all
}

func envelopeBadAddress(t *tester) {
	for _, bad := range badAddresses(t.h.Recipients[0]) {
		env := &smtpsink.Envelope{From: t.h.From, To: []string{t.h.Recipients[1], bad}}
		for _, opts := range []*smtpsink.SendOptions{nil, {Partial: true}} {
			t.notSent(fmt.Sprintf("the recipient %q", bad), t.send(t.ctx, env, bytes.NewReader(numbered(1)), opts))
		}
	}
	for _, bad := range badAddresses(t.h.From) {
		env := &smtpsink.Envelope{From: bad, To: t.h.Recipients[:1]}
		t.notSent(fmt.Sprintf("the sender %q", bad), t.send(t.ctx, env, bytes.NewReader(numbered(1)), nil))
	}
	empty := &smtpsink.Envelope{From: t.h.From, To: []string{t.h.Recipients[1], ""}}
	t.notSent("an empty recipient", t.send(t.ctx, empty, bytes.NewReader(numbered(1)), nil))
	t.ok("the next message", t.envelope(1), numbered(1), nil)
}

func envelopeUTF8(t *tester) {
	_, domain, _ := strings.Cut(t.h.Recipients[0], "@")
	for _, to := range []string{"jürgen@" + domain, "bob@bücher.example"} {
		env := &smtpsink.Envelope{From: t.h.From, To: []string{to}}
		s := t.send(t.ctx, env, bytes.NewReader(numbered(1)), nil)
		switch {
		case s.err == nil:
			t.expect("a message to "+to, env.From, env.To, numbered(1))
		case s.receipt.Outcome == smtpsink.Unknown || s.receipt.Outcome == smtpsink.Accepted:
			t.Errorf("the recipient %s: the outcome is %q", to, s.receipt.Outcome)
		case s.receipt.Outcome == smtpsink.NotSent && !errors.Is(s.err, errors.ErrUnsupported):
			t.Errorf("the recipient %s is not sent to, and the error is %q, want errors.ErrUnsupported or the server's refusal", to, s.err)
		}
	}
}

func envelopeUnchanged(t *tester) {
	env := t.envelope(3)
	opts := &smtpsink.SendOptions{Partial: true, Size: int64(len(numbered(1)))}
	from, to, was := env.From, slices.Clone(env.To), *opts
	if _, err := t.sender.Send(t.ctx, env, bytes.NewReader(numbered(1)), opts); err != nil {
		t.Fatalf("a message: %v", err)
	}
	t.expect("a message", from, to, numbered(1))
	bad := &smtpsink.Envelope{From: from, To: []string{to[0], "bad\r\n"}}
	if _, err := t.sender.Send(t.ctx, bad, bytes.NewReader(numbered(1)), opts); err == nil {
		t.lenient = true // it is another case's
	}
	if env.From != from || !slices.Equal(env.To, to) || *opts != was {
		t.Errorf("the envelope is %q and the options %+v after Send", *env, *opts)
	}
	if !slices.Equal(bad.To, []string{to[0], "bad\r\n"}) {
		t.Errorf("a bad envelope is %q after Send", *bad)
	}
}
