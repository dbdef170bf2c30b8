package mailboxtest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/postroom-go/postroom/mailbox"
)

func errorCases() []testCase {
	return []testCase{
		{"errors/typed", "Every error is an *Error with what was done and why.", nil, errorsTyped},
		{"errors/named", "An *Error names the message or the folder that it is about.", nil, errorsNamed},
		{"errors/clean", "An error's text has no control characters, whatever the names are.", nil, errorsClean},
		{"errors/permanent", "What is not there, stale or unsupported is not worth another try.", nil, errorsPermanent},
		{"errors/no-secret", "No secret is ever in an error.", nil, errorsNoSecret},
	}
}

// failure is a call that should have failed.
type failure struct {
	name   string
	err    error
	id     mailbox.ID
	folder string
}

// provoke makes calls that must fail, and gives their errors.
func (t *tester) provoke() []failure {
	good := t.fill(2)[0]
	var all []failure
	for what, id := range map[string]mailbox.ID{"an unknown": unknownID(good), "a stale": staleID(good)} {
		for _, c := range t.reads(t.ctx, id) {
			all = append(all, failure{c.name + " of " + what + " message", c.err(), id, id.Folder()})
		}
	}
	_, err := readPart(t.ctx, t.box, good, "7", nil)
	all = append(all, failure{"OpenPart of an unknown part", err, good, good.Folder()})
	for _, name := range []string{"No such folder", "no\r\nsuch\x1b[31m folder"} {
		all = append(all, failure{"List of a missing folder", first(t.box.List(t.ctx, name, nil)), mailbox.ID{}, name})
		if _, err = mailbox.Append(t.ctx, t.box, name, bytes.NewReader(numbered(0)), nil); t.caps.Append {
			all = append(all, failure{"Append to a missing folder", err, mailbox.ID{}, name})
		}
	}
	stale := []mailbox.ID{staleID(good)}
	err = mailbox.SetFlags(t.ctx, t.box, stale, mailbox.FlagChange{Add: flags(mailbox.FlagSeen)}, nil)
	return append(all,
		failure{name: "Delete of a stale message", err: t.box.Delete(t.ctx, stale, nil)},
		failure{name: "SetFlags of a stale message", err: err})
}

// errorsOf are the errors that provoke gets.
func (t *tester) errorsOf() []failure {
	return slices.DeleteFunc(t.provoke(), func(f failure) bool { return f.err == nil })
}

func errorsTyped(t *tester) {
	for _, f := range t.provoke() {
		var e *mailbox.Error
		if f.err == nil {
			t.Errorf("%s: no error", f.name)
		} else if !errors.As(f.err, &e) {
			t.Errorf("%s: the error is the %T %q, want an *Error", f.name, f.err, f.err)
		} else if e.Op == "" || e.Err == nil {
			t.Errorf("%s: the error is %#v, want an Op and an Err", f.name, e)
		}
	}
}

func errorsNamed(t *tester) {
	for _, f := range t.errorsOf() {
		var e *mailbox.Error
		if !errors.As(f.err, &e) {
			e = &mailbox.Error{}
		}
		if !f.id.IsZero() && e.ID != f.id && e.Folder != f.folder {
			t.Errorf("%s: the error names the message %v and the folder %q, want %v or its folder", f.name, e.ID, e.Folder, f.id)
		}
		if f.id.IsZero() && f.folder != "" && e.Folder != f.folder {
			t.Errorf("%s: the error names the folder %q, want %q", f.name, e.Folder, f.folder)
		}
	}
}

func errorsClean(t *tester) {
	for _, f := range t.errorsOf() {
		if strings.ContainsFunc(f.err.Error(), unicode.IsControl) {
			t.Errorf("%s: the error's text has control characters: %q", f.name, f.err)
		}
	}
}

func errorsPermanent(t *tester) {
	for _, f := range t.errorsOf() {
		if mailbox.Retryable(f.err) {
			t.Errorf("%s: %q is said to be worth another try", f.name, f.err)
		}
	}
}

func errorsNoSecret(t *tester) {
	for _, f := range t.errorsOf() {
		for _, secret := range t.inst.Secrets {
			for _, verb := range []string{"%v", "%+v", "%#v"} {
				if secret != "" && strings.Contains(fmt.Sprintf(verb, f.err), secret) {
					t.Errorf("%s: the error printed with %s holds a secret", f.name, verb)
				}
			}
		}
	}
}
