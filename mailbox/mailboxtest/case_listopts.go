package mailboxtest

import (
	"slices"

	"github.com/postroom-go/postroom/mailbox"
)

func listOptionCases() []testCase {
	return []testCase{
		{"list/newest", "Newest lists the newest n, still oldest first.", nil, listNewest},
		{"list/reverse", "Reverse yields the newest first.", nil, listReverse},
		{"list/newest-reverse", "Newest and Reverse go together.", nil, listNewestReverse},
		{"list/ids", "IDs lists only these, in the folder's order, each once.", nil, listIDs},
		{"list/no-ids", "IDs that is empty and not nil lists nothing.", nil, listNoIDs},
		{"list/ids-gone", "Of IDs, those that are gone are left out.", nil, listIDsGone},
		{"list/ids-reverse", "IDs goes with Reverse.", nil, listIDsReverse},
		{"list/ids-of-another-folder", "An ID of another folder is ErrStale.", nil, listIDsOtherFolder},
	}
}

// wantList checks what INBOX lists with options.
func (t *tester) wantList(opts *mailbox.ListOptions, want ...mailbox.ID) {
	for _, fields := range []mailbox.Fields{mailbox.FieldsNone, 0} {
		o := *opts
		o.Fields = fields
		if got := idsOf(t.list(mailbox.Inbox, &o)); !slices.Equal(got, want) {
			t.Errorf("%+v lists %v, want %v", o, got, want)
		}
	}
}

// reversed is a reversed copy.
func reversed(ids []mailbox.ID) []mailbox.ID {
	ids = slices.Clone(ids)
	slices.Reverse(ids)
	return ids
}

func listNewest(t *tester) {
	ids := t.fill(5)
	t.wantList(&mailbox.ListOptions{Newest: 1}, ids[4])
	t.wantList(&mailbox.ListOptions{Newest: 2}, ids[3:]...)
	t.wantList(&mailbox.ListOptions{Newest: 5}, ids...)
	t.wantList(&mailbox.ListOptions{Newest: 1000}, ids...)
}

func listReverse(t *tester) {
	ids := t.fill(t.many() / 2)
	t.wantList(&mailbox.ListOptions{Reverse: true}, reversed(ids)...)
}

func listNewestReverse(t *tester) {
	ids := t.fill(5)
	t.wantList(&mailbox.ListOptions{Newest: 2, Reverse: true}, ids[4], ids[3])
	t.wantList(&mailbox.ListOptions{Newest: 9, Reverse: true}, reversed(ids)...)
}

func listIDs(t *tester) {
	ids := t.fill(5)
	t.wantList(&mailbox.ListOptions{IDs: ids[2:3]}, ids[2])
	t.wantList(&mailbox.ListOptions{IDs: []mailbox.ID{ids[4], ids[0], ids[2]}}, ids[0], ids[2], ids[4])
	t.wantList(&mailbox.ListOptions{IDs: []mailbox.ID{ids[3], ids[1], ids[3], ids[1]}}, ids[1], ids[3])
}

func listNoIDs(t *tester) {
	t.fill(3)
	t.wantList(&mailbox.ListOptions{IDs: []mailbox.ID{}})
}

func listIDsGone(t *tester) {
	ids := t.fill(3)
	unknown := unknownID(ids[0])
	t.wantList(&mailbox.ListOptions{IDs: []mailbox.ID{unknown}})
	t.wantList(&mailbox.ListOptions{IDs: []mailbox.ID{ids[2], unknown, ids[0]}}, ids[0], ids[2])
}

func listIDsReverse(t *tester) {
	ids := t.fill(4)
	t.wantList(&mailbox.ListOptions{IDs: []mailbox.ID{ids[0], ids[3], ids[1]}, Reverse: true}, ids[3], ids[1], ids[0])
}

func listIDsOtherFolder(t *tester) {
	ids := t.fill(2)
	other := mailbox.NewID("Other", ids[1].Epoch(), ids[1].Key())
	err := first(t.box.List(t.ctx, mailbox.Inbox, &mailbox.ListOptions{IDs: []mailbox.ID{ids[0], other}}))
	t.wantErr("List", err, mailbox.ErrStale)
}
