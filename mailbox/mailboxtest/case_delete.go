package mailboxtest

import (
	"errors"

	"github.com/postroom-go/postroom/mailbox"
)

func deleteCases() []testCase {
	return []testCase{
		{"delete/exact", "Delete removes exactly the messages named.", []string{"delete"}, deleteExact},
		{"delete/confirmed", "Nil means that the server has confirmed it: no other session sees the message (RFC 1939 section 6).", []string{"delete"}, deleteConfirmed},
		{"delete/spares-others", "A message that somebody else marked \\Deleted stays: no folder-wide EXPUNGE (RFC 4315 section 2.1).", []string{"delete", "flags"}, deleteSpares},
		{"delete/twice", "A message that is gone already counts as removed.", []string{"delete"}, deleteTwice},
		{"delete/gone-elsewhere", "So does one that another session removed.", []string{"delete"}, deleteElsewhere},
		{"delete/repeats", "An ID may be named twice.", []string{"delete"}, deleteRepeats},
		{"delete/none", "No IDs is no work.", []string{"delete"}, deleteNone},
		{"delete/many", "A long list of IDs is removed, and nothing else.", []string{"delete"}, deleteMany},
		{"delete/folders", "IDs may be of several folders.", []string{"delete", "folders", "CreateFolder"}, deleteFolders},
		{"delete/arrivals", "Mail that came meanwhile is not removed.", []string{"delete"}, deleteArrivals},
		{"delete/unsupported", "Without the capability Delete is errors.ErrUnsupported and removes nothing.", []string{"!delete"}, deleteUnsupported},
	}
}

// pick gives the IDs at some places.
func pick(ids []mailbox.ID, at ...int) []mailbox.ID {
	var all []mailbox.ID
	for _, i := range at {
		all = append(all, ids[i])
	}
	return all
}

// remove deletes; an error ends the case.
func (t *tester) remove(ids ...mailbox.ID) {
	t.must("Delete", t.box.Delete(t.ctx, ids, nil))
}

func deleteExact(t *tester) {
	ids := t.fill(8)
	t.remove(ids[3])
	t.wantNumbers(mailbox.Inbox, 0, 1, 2, 4, 5, 6, 7)
	t.remove(pick(ids, 7, 0, 5)...)
	t.wantNumbers(mailbox.Inbox, 1, 2, 4, 6)
	t.wantIDs(mailbox.Inbox, pick(ids, 1, 2, 4, 6)...)
}

func deleteConfirmed(t *tester) {
	ids := t.fill(3)
	t.remove(ids[1])
	t.elsewhere(func(mb mailbox.Mailbox) {
		all, err := collect(mb.List(t.ctx, mailbox.Inbox, nil))
		t.must("List", err)
		if len(all) != 2 {
			t.Errorf("another session sees %d messages, want 2", len(all))
		}
	})
	_, err := readAll(t.ctx, t.box, ids[1], nil)
	t.wantErr("Open of the removed message", err, mailbox.ErrNotFound)
	t.wantNumbers(mailbox.Inbox, 0, 2)
}

func deleteSpares(t *tester) {
	ids := t.fill(4)
	t.elsewhere(func(mb mailbox.Mailbox) {
		mark := mailbox.FlagChange{Add: []mailbox.Flag{mailbox.FlagDeleted}}
		t.must("SetFlags", mailbox.SetFlags(t.ctx, mb, pick(ids, 0, 2), mark, nil))
	})
	t.remove(ids[1])
	t.wantIDs(mailbox.Inbox, pick(ids, 0, 2, 3)...)
	t.reopen()
	t.wantNumbers(mailbox.Inbox, 0, 2, 3)
}

func deleteTwice(t *tester) {
	ids := t.fill(3)
	for range 2 {
		t.remove(ids[0])
	}
	t.remove(ids[0], ids[1])
	t.wantNumbers(mailbox.Inbox, 2)
}

func deleteElsewhere(t *tester) {
	ids := t.fill(3)
	t.elsewhere(func(mb mailbox.Mailbox) {
		t.must("Delete", mb.Delete(t.ctx, ids[:1], nil))
	})
	t.remove(ids[0], ids[2])
	t.wantNumbers(mailbox.Inbox, 1)
}

func deleteRepeats(t *tester) {
	ids := t.fill(3)
	t.remove(ids[1], ids[1], ids[1])
	t.wantNumbers(mailbox.Inbox, 0, 2)
}

func deleteNone(t *tester) {
	ids := t.fill(2)
	t.remove()
	t.must("Delete of an empty list", t.box.Delete(t.ctx, []mailbox.ID{}, &mailbox.DeleteOptions{}))
	t.wantIDs(mailbox.Inbox, ids...)
}

func deleteMany(t *tester) {
	ids := t.fill(t.many() / 2)
	var odd, even []mailbox.ID
	for i, id := range ids {
		if i%2 == 0 {
			even = append(even, id)
		} else {
			odd = append(odd, id)
		}
	}
	t.remove(reversed(odd)...)
	t.wantIDs(mailbox.Inbox, even...)
	t.remove(even...)
	t.wantIDs(mailbox.Inbox)
}

func deleteFolders(t *tester) {
	t.must("CreateFolder", t.inst.CreateFolder("Other"))
	t.deliver("Other", numbered(10), numbered(11))
	inbox, other := t.fill(2), t.ids("Other")
	t.remove(inbox[0], other[1])
	t.wantNumbers(mailbox.Inbox, 1)
	t.wantNumbers("Other", 10)
}

func deleteArrivals(t *tester) {
	ids := t.fill(2)
	t.deliver(mailbox.Inbox, numbered(2), numbered(3))
	t.remove(ids...)
	t.wantNumbers(mailbox.Inbox, 2, 3)
}

func deleteUnsupported(t *tester) {
	ids := t.fill(3)
	t.wantErr("Delete", t.box.Delete(t.ctx, ids[:2], nil), errors.ErrUnsupported)
	t.wantIDs(mailbox.Inbox, ids...)
	t.reopen()
	t.wantNumbers(mailbox.Inbox, 0, 1, 2)
}
