package mailboxtest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/postroom-go/postroom/mailbox"
)

func idCases() []testCase {
	return []testCase{
		{"ids/unique", "Each message has an ID of its own, which names its folder.", nil, idsUnique},
		{"ids/comparable", "The same message has an equal ID whenever it is listed.", nil, idsComparable},
		{"ids/text", "An ID survives its text form.", nil, idsText},
		{"ids/reopen", "IDs hold over sessions (RFC 9051 section 2.3.1.1, RFC 1939 section 7).", []string{"stable_ids"}, idsReopen},
		{"ids/unstable", "An ID that does not hold over sessions is refused in the next, and never reaches another message.", []string{"!stable_ids"}, idsUnstable},
		{"ids/unknown", "An ID whose message is not there is ErrNotFound, reported by the call and not by the first Read.", nil, idsUnknown},
		{"ids/missing-folder", "An ID of a folder that is not there is ErrNotFound.", nil, idsMissingFolder},
		{"ids/zero", "The zero ID names nothing.", nil, idsZero},
		{"ids/odd-keys", "A key that the server never gave reaches no message, whatever it means on the wire.", nil, idsOddKeys},
		{"ids/not-used-again", "The ID of a removed message never names a later one (RFC 9051 section 2.3.1.1).", []string{"delete"}, idsNotUsedAgain},
		{"ids/two-folders", "Messages of two folders have different IDs, even if the server's keys are the same.", []string{"folders", "CreateFolder"}, idsTwoFolders},
	}
}

func idsUnique(t *tester) {
	seen := map[mailbox.ID]bool{}
	for _, id := range t.fill(5) {
		if seen[id] {
			t.Errorf("%v names two messages", id)
		}
		seen[id] = true
		if id.Folder() != mailbox.Inbox {
			t.Errorf("%v: the folder is %q, want %q", id, id.Folder(), mailbox.Inbox)
		}
	}
}

func idsComparable(t *tester) {
	ids := t.fill(4)
	if again := t.ids(mailbox.Inbox); !slices.Equal(again, ids) {
		t.Errorf("the second List gives %v, the first %v", again, ids)
	}
	for i, id := range ids {
		s, err := mailbox.Get(t.ctx, t.box, id, 0)
		t.must("Get", err)
		if s.ID != id {
			t.Errorf("Get of %v gives %v", id, s.ID)
		}
		if n := t.number(id); n != i {
			t.Errorf("%v opens message %d, want %d", id, n, i)
		}
	}
}

func idsText(t *tester) {
	for i, id := range t.fill(3) {
		back, err := mailbox.ParseID(id.String())
		if err != nil || back != id {
			t.Errorf("%v reads back as %v, %v", id, back, err)
			continue
		}
		data, err := json.Marshal(id)
		t.must("Marshal", err)
		var parsed mailbox.ID
		t.must("Unmarshal", json.Unmarshal(data, &parsed))
		if n := t.number(parsed); n != i {
			t.Errorf("%v, read from JSON, opens message %d, want %d", parsed, n, i)
		}
	}
}

func idsReopen(t *tester) {
	ids := t.fill(4)
	t.reopen()
	t.wantIDs(mailbox.Inbox, ids...)
	for i, id := range ids {
		if n := t.number(id); n != i {
			t.Errorf("in the next session %v opens message %d, want %d", id, n, i)
		}
	}
}

func idsUnstable(t *tester) {
	ids := t.fill(3)
	t.reopen()
	for _, id := range ids {
		for _, c := range t.reads(t.ctx, id) {
			t.wantErr(c.name+" with an ID of the last session", c.err(), mailbox.ErrStale, mailbox.ErrNotFound)
		}
	}
}

// unknownID is like id, with a key that no message has.
func unknownID(id mailbox.ID) mailbox.ID {
	key := id.Key() + "x"
	if n, err := strconv.ParseUint(id.Key(), 10, 31); err == nil {
		key = strconv.FormatUint(n+1_000_000, 10)
	}
	return mailbox.NewID(id.Folder(), id.Epoch(), key)
}

func idsUnknown(t *tester) {
	id := unknownID(t.fill(2)[0])
	for _, c := range t.reads(t.ctx, id) {
		t.wantErr(c.name, c.err(), mailbox.ErrNotFound)
	}
	r, err := t.box.Open(t.ctx, id, nil)
	if err == nil {
		t.Errorf("Open of a message that is not there succeeds")
		_ = r.Close()
	}
}

func idsMissingFolder(t *tester) {
	have := t.fill(1)[0]
	id := mailbox.NewID("No such folder", have.Epoch(), have.Key())
	for _, c := range t.reads(t.ctx, id) {
		t.wantErr(c.name, c.err(), mailbox.ErrNotFound)
	}
}

func idsZero(t *tester) {
	ids := t.fill(2)
	for _, c := range t.reads(t.ctx, mailbox.ID{}) {
		t.wantErr(c.name+" with the zero ID", c.err(), mailbox.ErrNotFound, mailbox.ErrStale)
	}
	if t.caps.Delete {
		_ = t.box.Delete(t.ctx, []mailbox.ID{{}}, nil)
	}
	t.wantIDs(mailbox.Inbox, ids...)
}

// oddKeys mean something to a server, or to a careless parser.
func oddKeys() []string {
	return []string{"", "0", "*", "1:*", "1:2", "1,2", "-1", "+1", "01", " 1", "1 ", "\x00", "$",
		"1\r\nA1 LOGOUT", "1\r\nQUIT", "18446744073709551617", strings.Repeat("9", 100), strings.Repeat("x", 5000)}
}

func idsOddKeys(t *tester) {
	ids := t.fill(3)
	for _, key := range oddKeys() {
		id := mailbox.NewID(ids[0].Folder(), ids[0].Epoch(), key)
		if slices.Contains(ids, id) {
			continue
		}
		for _, c := range t.reads(t.ctx, id) {
			t.wantErr(fmt.Sprintf("%s with the key %.30q", c.name, key), c.err(), mailbox.ErrNotFound, mailbox.ErrStale)
		}
		if t.caps.Delete {
			_ = t.box.Delete(t.ctx, []mailbox.ID{id}, nil)
		}
	}
	t.wantNumbers(mailbox.Inbox, 0, 1, 2)
}

func idsNotUsedAgain(t *tester) {
	ids := t.fill(2)
	t.must("Delete", t.box.Delete(t.ctx, ids[1:], nil))
	t.deliver(mailbox.Inbox, numbered(2))
	for _, c := range t.reads(t.ctx, ids[1]) {
		t.wantErr(c.name+" with the ID of the removed message", c.err(), mailbox.ErrNotFound)
	}
	t.wantNumbers(mailbox.Inbox, 0, 2)
}

func idsTwoFolders(t *tester) {
	t.must("CreateFolder", t.inst.CreateFolder("Other"))
	t.deliver("Other", numbered(7))
	inbox, other := t.fill(1)[0], t.ids("Other")
	if len(other) != 1 || other[0] == inbox || other[0].Folder() != "Other" {
		t.Fatalf("the folder Other lists %v; INBOX has %v", other, inbox)
	}
	if a, b := t.number(inbox), t.number(other[0]); a != 0 || b != 7 {
		t.Errorf("the IDs open the messages %d and %d, want 0 and 7", a, b)
	}
}
