package mailboxtest

import (
	"bytes"
	"io"
	"slices"

	"github.com/postroom-go/postroom/mailbox"
)

func reentrancyCases() []testCase {
	return []testCase{
		{"reentrancy/open-in-list", "Any method may be called inside the loop: Open in List.", nil, openInList},
		{"reentrancy/list-in-list", "List in List, Folders in List.", nil, listInList},
		{"reentrancy/delete-in-list", "Delete in List: what is left is listed to the end.", []string{"delete"}, deleteInList},
		{"reentrancy/flags-in-list", "SetFlags in List.", []string{"flags"}, flagsInList},
		{"reentrancy/append-in-list", "Append in List: the loop ends all the same.", []string{"append"}, appendInList},
		{"reentrancy/calls-in-fetch", "Open, List and OpenPart in Fetch, in the middle of a body.", nil, callsInFetch},
		{"reentrancy/fetch-in-fetch", "Fetch in Fetch.", nil, fetchInFetch},
		{"reentrancy/delete-in-fetch", "Delete in Fetch of the message that was read: a download that removes.", []string{"delete"}, deleteInFetch},
		{"reentrancy/list-in-folders", "List in Folders.", nil, listInFolders},
	}
}

func openInList(t *tester) {
	ids := t.fill(12)
	n := 0
	for s, err := range t.box.List(t.ctx, mailbox.Inbox, nil) {
		t.must("List", err)
		if got := t.number(s.ID); got != n {
			t.Errorf("in place %d is message %d", n, got)
		}
		if s.ID != ids[n] {
			t.Errorf("in place %d is %v, want %v", n, s.ID, ids[n])
		}
		n++
	}
	if n != len(ids) {
		t.Errorf("%d messages are listed, want %d", n, len(ids))
	}
}

func listInList(t *tester) {
	ids := t.fill(5)
	var outer []mailbox.ID
	for s, err := range t.box.List(t.ctx, mailbox.Inbox, nil) {
		t.must("List", err)
		outer = append(outer, s.ID)
		t.wantIDs(mailbox.Inbox, ids...)
		t.folders(nil)
	}
	if !slices.Equal(outer, ids) {
		t.Errorf("the outer loop lists %v, want %v", outer, ids)
	}
}

func deleteInList(t *tester) {
	ids := t.fill(6)
	var seen []mailbox.ID
	for s, err := range t.box.List(t.ctx, mailbox.Inbox, nil) {
		t.must("List", err)
		seen = append(seen, s.ID)
		if len(seen) != 3 {
			t.remove(s.ID)
		}
	}
	if !slices.Equal(seen, ids) {
		t.Errorf("the loop lists %v, want %v: none was removed before its turn", seen, ids)
	}
	t.wantNumbers(mailbox.Inbox, 2)
}

func flagsInList(t *tester) {
	ids := t.fill(5)
	for s, err := range t.box.List(t.ctx, mailbox.Inbox, nil) {
		t.must("List", err)
		t.flag(mailbox.FlagChange{Add: flags(mailbox.FlagFlagged)}, s.ID)
	}
	for _, id := range ids {
		t.wantFlags(id, flags(mailbox.FlagFlagged), nil)
	}
}

func appendInList(t *tester) {
	t.fill(4)
	n := 0
	for _, err := range t.box.List(t.ctx, mailbox.Inbox, nil) {
		t.must("List", err)
		if n++; n > 100 {
			t.Fatalf("the loop goes on and on with the messages that it adds")
		}
		if n <= 4 {
			_, err := mailbox.Append(t.ctx, t.box, mailbox.Inbox, bytes.NewReader(numbered(3+n)), nil)
			t.must("Append", err)
		}
	}
	t.wantNumbers(mailbox.Inbox, 0, 1, 2, 3, 4, 5, 6, 7)
}

func callsInFetch(t *tester) {
	large := t.large
	t.deliver(mailbox.Inbox, large, numbered(1), large)
	ids := t.ids(mailbox.Inbox)
	want := [][]byte{large, numbered(1), large}
	n := 0
	for m, err := range mailbox.Fetch(t.ctx, t.box, ids, nil) {
		t.must("Fetch", err)
		var got bytes.Buffer
		_, err := io.CopyN(&got, m.Body, 20)
		t.must("Read", err)
		t.same("a message opened within the loop", t.read(ids[1]), numbered(1))
		t.wantIDs(mailbox.Inbox, ids...)
		t.wantPart(ids[1], "1", nil, "This is message 1.\r\n")
		_, err = io.Copy(&got, m.Body)
		t.must("reading on after other calls", err)
		if i := slices.Index(ids, m.ID); i >= 0 {
			t.same("a body read in two parts", got.Bytes(), want[i])
		}
		n++
	}
	if n != 3 {
		t.Errorf("%d messages are yielded, want 3", n)
	}
}

func fetchInFetch(t *tester) {
	ids := t.fill(5)
	all := map[mailbox.ID]int{}
	for i, id := range ids {
		all[id] = i
	}
	n := 0
	for m, err := range mailbox.Fetch(t.ctx, t.box, ids, nil) {
		t.must("Fetch", err)
		t.wantFetch(ids, all)
		raw, err := io.ReadAll(m.Body)
		t.must("Read", err)
		t.same("a body read after another Fetch", raw, numbered(all[m.ID]))
		n++
	}
	if n != len(ids) {
		t.Errorf("%d messages are yielded, want %d", n, len(ids))
	}
}

func deleteInFetch(t *tester) {
	ids := t.fill(6)
	n := 0
	for m, err := range mailbox.Fetch(t.ctx, t.box, ids[:5], nil) {
		t.must("Fetch", err)
		raw, err := io.ReadAll(m.Body)
		t.must("Read", err)
		t.same("a body", raw, numbered(slices.Index(ids, m.ID)))
		t.remove(m.ID)
		n++
	}
	if n != 5 {
		t.Errorf("%d messages are yielded, want 5: none was removed before its turn", n)
	}
	t.wantNumbers(mailbox.Inbox, 5)
}

func listInFolders(t *tester) {
	ids := t.fill(2)
	for f, err := range t.box.Folders(t.ctx, nil) {
		t.must("Folders", err)
		if f.NoSelect {
			continue
		}
		got := t.ids(f.Name)
		if f.Role == mailbox.RoleInbox && !slices.Equal(got, ids) {
			t.Errorf("INBOX lists %v, want %v", got, ids)
		}
	}
}
