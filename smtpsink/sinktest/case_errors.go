package sinktest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/smtpsink"
)

func errorCases() []testCase {
	return []testCase{
		{"errors/typed", "Every error is a *mailbox.Error with what was done and why.", "", errorsTyped},
		{"errors/clean", "An error's text has no control characters, whatever the addresses are.", "", errorsClean},
		{"errors/permanent", "What is wrong with a message is not worth another try.", "", errorsPermanent},
		{"errors/no-secret", "No secret is ever in an error or a receipt.", "", errorsNoSecret},
	}
}

// failure is a call that should have failed.
type failure struct {
	name string
	sent
	ours bool // the message or the call is to blame
}

// provoke makes calls that must fail.
func (t *tester) provoke() []failure {
	t.lenient = true // other cases look at what arrives
	over, cancel := context.WithCancel(t.ctx)
	cancel()
	good, raw := t.envelope(2), numbered(1)
	var all []failure
	try := func(name string, ours bool, ctx context.Context, env *smtpsink.Envelope, opts *smtpsink.SendOptions) {
		all = append(all, failure{name, t.send(ctx, env, bytes.NewReader(raw), opts), ours})
	}
	try("no envelope", true, t.ctx, nil, nil)
	try("no recipients", true, t.ctx, &smtpsink.Envelope{From: t.h.From}, nil)
	for _, bad := range badAddresses(t.h.From) {
		try("a bad recipient", true, t.ctx, &smtpsink.Envelope{From: t.h.From, To: []string{bad}}, nil)
		try("a bad sender", true, t.ctx, &smtpsink.Envelope{From: bad, To: good.To}, nil)
	}
	try("a bad option", true, t.ctx, good, &smtpsink.SendOptions{Priority: 99})
	try("a context that has ended", true, over, good, nil)
	all = append(all,
		failure{"a reader that fails", t.send(t.ctx, good, failing{}, nil), true},
		failure{"a message with NUL", t.send(t.ctx, good, strings.NewReader(header+"\r\n\x00\r\n"), nil), true},
		failure{"no message", t.send(t.ctx, good, nil, nil), true})
	if t.h.RefuseRecipient != nil {
		t.h.RefuseRecipient(0, false)
		try("a recipient that is refused", true, t.ctx, good, nil)
	}
	if t.h.RefuseMessage != nil {
		t.h.RefuseMessage(false)
		try("a message that is refused", true, t.ctx, good, nil)
	}
	if t.h.LoseAnswer != nil {
		t.h.LoseAnswer()
		try("an answer that is lost", false, t.ctx, good, nil)
	}
	_ = t.sender.Close()
	try("a sender that is closed", true, t.ctx, good, nil)
	return all
}

func errorsTyped(t *tester) {
	for _, f := range t.provoke() {
		var e *mailbox.Error
		if f.err == nil {
			continue // other cases say that there must be one
		}
		if !errors.As(f.err, &e) {
			t.Errorf("%s: the error is the %T %q, want a *mailbox.Error", f.name, f.err, f.err)
		} else if e.Op == "" || e.Err == nil {
			t.Errorf("%s: the error is %#v, want an Op and an Err", f.name, e)
		}
	}
}

func errorsClean(t *tester) {
	for _, f := range t.provoke() {
		if f.err != nil && strings.ContainsFunc(f.err.Error(), unicode.IsControl) {
			t.Errorf("%s: the error's text has control characters: %q", f.name, f.err)
		}
	}
}

func errorsPermanent(t *tester) {
	for _, f := range t.provoke() {
		if f.ours && mailbox.Retryable(f.err) {
			t.Errorf("%s: %q is said to be worth another try", f.name, f.err)
		}
	}
}

func errorsNoSecret(t *tester) {
	for _, f := range t.provoke() {
		for _, secret := range t.h.Secrets {
			for _, verb := range []string{"%v", "%+v", "%#v"} {
				if secret != "" && strings.Contains(fmt.Sprintf(verb+verb+verb, f.err, f.receipt, f.receipt.Reply), secret) {
					t.Errorf("%s: the error or the receipt printed with %s holds a secret", f.name, verb)
				}
			}
		}
	}
}
