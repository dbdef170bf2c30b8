package mailboxtest

import (
	"fmt"
	"reflect"

	"github.com/postroom-go/postroom/mailbox"
)

func capsCases() []testCase {
	return []testCase{
		{"caps/as-configured", "Caps says what this account can do, no more and no less.", nil, capsAsConfigured},
		{"caps/consistent", "Capabilities agree with one another and with the driver's methods.", nil, capsConsistent},
		{"caps/snapshot", "Caps is the same for as long as the mailbox is open.", nil, capsSnapshot},
		{"caps/same-in-every-session", "Caps is about the account, not about one session.", nil, capsReopened},
	}
}

func capsAsConfigured(t *tester) {
	for _, diff := range capsDiff(t.box.Caps(), t.caps) {
		t.Errorf("%s", diff)
	}
}

// capsDiff says where got is not what was configured.
func capsDiff(got, want mailbox.Caps) []string {
	mayBeZero := map[string]bool{"protocol": true, "append_limit": true, "connections": true, "login_delay": true}
	values := map[string]any{}
	for name, v := range got.All() {
		values[name] = v
	}
	var diffs []string
	for name, w := range want.All() {
		if mayBeZero[name] && reflect.ValueOf(w).IsZero() {
			continue
		}
		if values[name] != w {
			diffs = append(diffs, fmt.Sprintf("Caps has %s = %v, and Config.Caps wants %v", name, values[name], w))
		}
	}
	return diffs
}

func capsConsistent(t *tester) {
	for _, problem := range capsProblems(t.box) {
		t.Errorf("%s", problem)
	}
}

// capsProblems says where capabilities contradict one another or the methods
// that the driver has.
func capsProblems(mb mailbox.Mailbox) []string {
	c := mb.Caps()
	_, opens := mb.(mailbox.PartOpener)
	_, sets := mb.(mailbox.FlagSetter)
	_, appends := mb.(mailbox.Appender)
	var all []string
	for _, rule := range []struct {
		broken bool
		text   string
	}{
		{c.Protocol == "", "protocol is empty"},
		{c.Keywords && !c.Flags, "keywords without flags"},
		{c.AppendID && !c.Append, "append_id without append"},
		{c.AppendLimit != 0 && !c.Append, "append_limit without append"},
		{c.AppendLimit < 0 || c.Connections < 0 || c.LoginDelay < 0, "a number is negative"},
		{c.Delete && !c.StableIDs, "delete without stable_ids"},
		{c.Parts && !opens, "parts without a method OpenPart"},
		{c.Flags && !sets, "flags without a method SetFlags"},
		{c.Append && !appends, "append without a method Append"},
	} {
		if rule.broken {
			all = append(all, fmt.Sprintf("%v: %s", c, rule.text))
		}
	}
	return all
}

func capsSnapshot(t *tester) {
	before := t.box.Caps()
	t.ids(mailbox.Inbox)
	if after := t.box.Caps(); after != before {
		t.Errorf("Caps was %v and is %v after a List", before, after)
	}
	t.must("Close", t.box.Close())
	if after := t.box.Caps(); after != before {
		t.Errorf("Caps was %v and is %v after Close", before, after)
	}
}

func capsReopened(t *tester) {
	before := t.box.Caps()
	t.reopen()
	if after := t.box.Caps(); after != before {
		t.Errorf("Caps is %v in one session and %v in the next", before, after)
	}
}
