package mailboxtest

import (
	"bytes"
	"errors"
	"fmt"
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

// failure is a call that failed, as it should.
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
	add := func(name string, err error, id mailbox.ID, folder string) {
		if err == nil {
			t.Errorf("%s: no error", name)
			return
		}
		all = append(all, failure{name, err, id, folder})
	}
	for what, id := range map[string]mailbox.ID{"an unknown": unknownID(good), "a stale": staleID(good)} {
		for _, c := range t.reads(t.ctx, id) {
			add(c.name+" of "+what+" message", c.err(), id, id.Folder())
		}
	}
	_, err := readPart(t.ctx, t.box, good, "7", nil)
	add("OpenPart of an unknown part", err, good, good.Folder())
	for _, name := range []string{"No such folder", "no\r\nsuch\x1b[31m folder"} {
		add("List of a missing folder", first(t.box.List(t.ctx, name, nil)), mailbox.ID{}, name)
		_, err = mailbox.Append(t.ctx, t.box, name, bytes.NewReader(numbered(0)), nil)
		if t.caps.Append {
			add("Append to a missing folder", err, mailbox.ID{}, name)
		}
	}
	stale := []mailbox.ID{staleID(good)}
	add("Delete of a stale message", t.box.Delete(t.ctx, stale, nil), mailbox.ID{}, "")
	add("SetFlags of a stale message", mailbox.SetFlags(t.ctx, t.box, stale, mailbox.FlagChange{Add: flags(mailbox.FlagSeen)}, nil), mailbox.ID{}, "")
	return all
}

func errorsTyped(t *tester) {
	for _, f := range t.provoke() {
		var e *mailbox.Error
		if !errors.As(f.err, &e) {
			t.Errorf("%s: the error is the %T %q, want an *Error", f.name, f.err, f.err)
		} else if e.Op == "" || e.Err == nil {
			t.Errorf("%s: the error is %#v, want an Op and an Err", f.name, e)
		}
	}
}

func errorsNamed(t *tester) {
	for _, f := range t.provoke() {
		var e *mailbox.Error
		if !errors.As(f.err, &e) {
			t.Errorf("%s: the error is the %T %q, want an *Error", f.name, f.err, f.err)
			continue
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
	for _, f := range t.provoke() {
		if strings.ContainsFunc(f.err.Error(), unicode.IsControl) {
			t.Errorf("%s: the error's text has control characters: %q", f.name, f.err)
		}
	}
}

func errorsPermanent(t *tester) {
	for _, f := range t.provoke() {
		if mailbox.Retryable(f.err) {
			t.Errorf("%s: %q is said to be worth another try", f.name, f.err)
		}
	}
}

func errorsNoSecret(t *tester) {
	for _, f := range t.provoke() {
		for _, secret := range t.inst.Secrets {
			for _, verb := range []string{"%v", "%+v", "%#v"} {
				if secret != "" && strings.Contains(fmt.Sprintf(verb, f.err), secret) {
					t.Errorf("%s: the error printed with %s holds a secret", f.name, verb)
				}
			}
		}
	}
}
