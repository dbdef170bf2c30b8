package mailboxtest

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/postroom-go/postroom/mailbox"
)

func listCases() []testCase {
	return []testCase{
		{"list/empty", "An empty folder yields nothing, and no error.", nil, listEmpty},
		{"list/oldest-first", "Messages come in the order in which the server numbers them.", nil, listOldestFirst},
		{"list/many", "A long list is complete, in order, and without repeats.", nil, listMany},
		{"list/inbox-any-case", "INBOX is INBOX in any case (RFC 9051 section 5.1), and its IDs are the same.", nil, listInboxAnyCase},
		{"list/inbox-by-default", "An empty folder name means INBOX.", nil, listInboxByDefault},
		{"list/missing-folder", "A folder that is not there is ErrNotFound.", nil, listMissingFolder},
		{"list/odd-folder-names", "A folder's name is data, whatever it means on the wire.", nil, listOddFolderNames},
		{"list/new-mail", "Each call lists afresh: mail that came meanwhile is there.", nil, listNewMail},
		{"list/again", "A sequence can be ranged over twice, and lists afresh each time.", nil, listAgain},
		{"list/break", "Leaving the loop needs no clean-up: everything works after it.", nil, listBreak},
		{"list/one-error", "A sequence yields at most one error, as the last thing, with a nil pointer.", nil, listOneError},
		{"list/damaged", "A damaged message is data: the list goes on past it.", nil, listDamaged},
		{"list/gone-meanwhile", "A message that is gone is left out.", []string{"delete"}, listGone},
	}
}

func listEmpty(t *tester) {
	for _, opts := range []*mailbox.ListOptions{nil, {}, {Newest: 5}, {Reverse: true}, {Fields: mailbox.AllFields}} {
		if all := t.list(mailbox.Inbox, opts); len(all) > 0 {
			t.Errorf("the empty INBOX lists %d messages", len(all))
		}
	}
}

func listOldestFirst(t *tester) {
	for i, id := range t.fill(6) {
		if n := t.number(id); n != i {
			t.Errorf("in place %d is message %d", i, n)
		}
	}
}

func listMany(t *tester) {
	ids := t.fill(t.many())
	n := len(ids)
	seen := map[mailbox.ID]bool{}
	for _, id := range ids {
		seen[id] = true
	}
	if len(seen) != n {
		t.Errorf("%d messages have %d IDs", n, len(seen))
	}
	for _, i := range []int{0, 1, n/2 - 1, n / 2, n - 2, n - 1} {
		if got := t.number(ids[i]); got != i {
			t.Errorf("in place %d is message %d", i, got)
		}
	}
	if !t.caps.Envelopes {
		return
	}
	for i, s := range t.list(mailbox.Inbox, nil) {
		if s.ID != ids[i] || s.Envelope == nil || s.Envelope.Subject != fmt.Sprintf("Message %d", i) {
			t.Fatalf("with envelopes, in place %d is %v (%+v)", i, s.ID, s.Envelope)
		}
	}
}

func listInboxAnyCase(t *tester) {
	ids := t.fill(2)
	for _, name := range []string{"inbox", "Inbox", "iNBOX"} {
		if got := t.ids(name); !slices.Equal(got, ids) {
			t.Errorf("%q lists %v, INBOX %v", name, got, ids)
		}
	}
}

func listInboxByDefault(t *tester) {
	t.wantIDs("", t.fill(2)...)
}

func listMissingFolder(t *tester) {
	t.fill(1)
	for _, name := range []string{"No such folder", "INBOX2", "inbo", "Entwürfe"} {
		t.wantErr(fmt.Sprintf("List %q", name), first(t.box.List(t.ctx, name, nil)), mailbox.ErrNotFound)
	}
}

func listOddFolderNames(t *tester) {
	ids := t.fill(2)
	for _, name := range []string{"*", "%", "no\r\nA1 LOGOUT", "no\nsuch", "\x00", "\xff\xfe", `"`, `\`, "..", "../INBOX", "&AAA-", strings.Repeat("x", 5000)} {
		if err := first(t.box.List(t.ctx, name, nil)); err == nil {
			t.Errorf("List %.30q: no error", name)
		}
	}
	t.wantIDs(mailbox.Inbox, ids...)
}

func listNewMail(t *tester) {
	ids := t.fill(2)
	t.deliver(mailbox.Inbox, numbered(2))
	now := t.ids(mailbox.Inbox)
	if len(now) != 3 || t.caps.StableIDs && !slices.Equal(now[:2], ids) {
		t.Fatalf("after a delivery INBOX lists %v; before it was %v", now, ids)
	}
	if n := t.number(now[2]); n != 2 {
		t.Errorf("the last one is message %d, want 2", n)
	}
}

func listAgain(t *tester) {
	ids := t.fill(2)
	seq := t.box.List(t.ctx, mailbox.Inbox, nil)
	want := len(ids)
	for range 2 {
		all, err := collect(seq)
		t.must("List", err)
		if len(all) != want || !slices.Equal(idsOf(all[:2]), ids) {
			t.Errorf("the sequence gives %v, want %d messages that begin with %v", idsOf(all), want, ids)
		}
		if !t.caps.Exclusive {
			t.deliver(mailbox.Inbox, numbered(2))
			want = 3
		}
	}
}

func listBreak(t *tester) {
	ids := t.fill(40)
	for stop := range 4 {
		n := 0
		for s, err := range t.box.List(t.ctx, mailbox.Inbox, nil) {
			t.must("List", err)
			if s.ID != ids[n] {
				t.Fatalf("in place %d is %v, want %v", n, s.ID, ids[n])
			}
			if n++; n > stop {
				break
			}
		}
	}
	next, stop := iter.Pull2(t.box.List(t.ctx, mailbox.Inbox, nil))
	_, err, ok := next()
	stop()
	if !ok || err != nil {
		t.Errorf("by iter.Pull2 the first message is %v, %v", ok, err)
	}
	t.wantIDs(mailbox.Inbox, ids...)
	if n := t.number(ids[39]); n != 39 {
		t.Errorf("after breaks the last message is %d", n)
	}
}

// oneError says how a sequence breaks the rules of its end, which must be an
// error.
func oneError[V any](seq iter.Seq2[*V, error]) (problem string) {
	errs := 0
	for v, err := range seq {
		switch {
		case err != nil && v != nil:
			return fmt.Sprintf("it yields a value along with the error %q", err)
		case errs > 0:
			return "it goes on after its error"
		case err != nil:
			errs++
		case v == nil:
			return "it yields a nil pointer without an error"
		}
	}
	if errs == 0 {
		return "it ends without an error"
	}
	return ""
}

func listOneError(t *tester) {
	ids := t.fill(3)
	done, cancel := context.WithCancel(t.ctx)
	cancel()
	for what, problem := range map[string]string{
		"List of a missing folder":  oneError(t.box.List(t.ctx, "No such folder", nil)),
		"List with a stale ID":      oneError(t.box.List(t.ctx, mailbox.Inbox, &mailbox.ListOptions{IDs: []mailbox.ID{ids[0], staleID(ids[1]), staleID(ids[2])}})),
		"List with a dead context":  oneError(t.box.List(done, mailbox.Inbox, nil)),
		"Fetch with a stale ID":     oneError(mailbox.Fetch(t.ctx, t.box, []mailbox.ID{staleID(ids[0]), staleID(ids[1]), ids[2]}, nil)),
		"Fetch with a dead context": oneError(mailbox.Fetch(done, t.box, ids, nil)),
		"Folders, dead context":     oneError(t.box.Folders(done, nil)),
	} {
		if problem != "" {
			t.Errorf("%s: %s", what, problem)
		}
	}
}

func listDamaged(t *tester) {
	t.deliver(mailbox.Inbox, numbered(0), damagedSeed(), numbered(2))
	for _, fields := range []mailbox.Fields{mailbox.FieldsNone, 0, mailbox.AllFields} {
		all := t.list(mailbox.Inbox, &mailbox.ListOptions{Fields: fields})
		if len(all) != 3 {
			t.Fatalf("%d messages are listed, want 3, one of them damaged", len(all))
		}
		if t.caps.Envelopes && fields != mailbox.FieldsNone && (all[2].Envelope == nil || all[2].Envelope.Subject != "Message 2") {
			t.Errorf("the message after the damaged one has the envelope %+v", all[2].Envelope)
		}
	}
	ids := t.ids(mailbox.Inbox)
	t.same("the damaged message", t.read(ids[1]), damagedSeed())
}

func listGone(t *tester) {
	ids := t.fill(4)
	t.must("Delete", t.box.Delete(t.ctx, []mailbox.ID{ids[1], ids[3]}, nil))
	t.wantIDs(mailbox.Inbox, ids[0], ids[2])
}
