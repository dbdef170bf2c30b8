package mailboxtest

import (
	"errors"
	"slices"
	"strings"

	"github.com/postroom-go/postroom/mailbox"
)

func staleCases() []testCase {
	return []testCase{
		{"stale/reads", "An ID of another epoch is ErrStale to every call that reads (RFC 9051 section 2.3.1.1).", nil, staleReads},
		{"stale/list", "A stale ID in ListOptions.IDs is ErrStale, before any message.", nil, staleList},
		{"stale/fetch", "A stale ID among good ones is ErrStale before anything moves.", nil, staleFetch},
		{"stale/delete", "A stale ID among good ones is ErrStale, and nothing is removed.", []string{"delete"}, staleDelete},
		{"stale/flags", "A stale ID among good ones is ErrStale, and no flag changes.", []string{"flags"}, staleFlags},
		{"stale/fetch-folders", "All IDs are checked before anything moves, whatever their folders.", []string{"folders", "CreateFolder"}, staleFetchFolders},
		{"stale/delete-folders", "So they are before anything is removed.", []string{"delete", "folders", "CreateFolder"}, staleDeleteFolders},
		{"stale/flags-folders", "So they are before any flag changes.", []string{"flags", "folders", "CreateFolder"}, staleFlagsFolders},
		{"stale/new-epoch", "When the folder's epoch ends its IDs never reach a message again.", []string{"stable_ids", "NewEpoch"}, staleNewEpoch},
		{"stale/new-epoch-changes", "No change reaches a message by an ID of the epoch before.", []string{"stable_ids", "NewEpoch"}, staleNewEpochChanges},
	}
}

// staleID is like id, of an epoch that the folder does not have.
func staleID(id mailbox.ID) mailbox.ID {
	epoch := id.Epoch()
	switch last := strings.TrimLeft(epoch, "0123456789"); {
	case epoch == "":
		epoch = "1"
	case last == "":
		c := epoch[len(epoch)-1]
		epoch = epoch[:len(epoch)-1] + string('0'+(c-'0'+1)%10)
	default:
		epoch += "x"
	}
	return mailbox.NewID(id.Folder(), epoch, id.Key())
}

func staleReads(t *tester) {
	id := staleID(t.fill(2)[0])
	for _, c := range t.reads(t.ctx, id) {
		t.wantErr(c.name, c.err(), mailbox.ErrStale)
	}
}

func staleList(t *tester) {
	ids := t.fill(3)
	mixed := []mailbox.ID{ids[0], staleID(ids[1]), ids[2]}
	all, err := collect(t.box.List(t.ctx, mailbox.Inbox, &mailbox.ListOptions{IDs: mixed}))
	t.wantErr("List", err, mailbox.ErrStale)
	if len(all) > 0 {
		t.Errorf("%d messages come before the error", len(all))
	}
}

func staleFetch(t *tester) {
	ids := t.fill(3)
	mixed := []mailbox.ID{ids[0], ids[1], staleID(ids[2])}
	all, err := collect(mailbox.Fetch(t.ctx, t.box, mixed, nil))
	t.wantErr("Fetch", err, mailbox.ErrStale)
	if len(all) > 0 {
		t.Errorf("%d messages come before the error", len(all))
	}
}

func staleDelete(t *tester) {
	ids := t.fill(3)
	for _, mixed := range [][]mailbox.ID{
		{staleID(ids[1])},
		{ids[0], staleID(ids[1])},
		{staleID(ids[1]), ids[0]},
	} {
		t.wantErr("Delete", t.box.Delete(t.ctx, mixed, nil), mailbox.ErrStale)
	}
	t.wantIDs(mailbox.Inbox, ids...)
	t.reopen()
	t.wantIDs(mailbox.Inbox, ids...)
}

func staleFlags(t *tester) {
	ids := t.fill(3)
	add := mailbox.FlagChange{Add: []mailbox.Flag{mailbox.FlagFlagged}}
	mixed := []mailbox.ID{ids[0], staleID(ids[1]), ids[2]}
	t.wantErr("SetFlags", mailbox.SetFlags(t.ctx, t.box, mixed, add, nil), mailbox.ErrStale)
	for _, id := range ids {
		t.wantFlags(id, nil, []mailbox.Flag{mailbox.FlagFlagged})
	}
}

// mixedFolders puts a message into INBOX and one into another folder, and gives
// their IDs, and lists of which one is stale.
func mixedFolders(t *tester) (inbox, other mailbox.ID, mixed [][]mailbox.ID) {
	t.must("CreateFolder", t.inst.CreateFolder("Other"))
	t.deliver("Other", numbered(10))
	inbox, other = t.fill(1)[0], t.ids("Other")[0]
	return inbox, other, [][]mailbox.ID{{inbox, staleID(other)}, {staleID(inbox), other}, {other, staleID(inbox)}}
}

func staleFetchFolders(t *tester) {
	_, _, lists := mixedFolders(t)
	for _, mixed := range lists {
		all, err := collect(mailbox.Fetch(t.ctx, t.box, mixed, nil))
		t.wantErr("Fetch", err, mailbox.ErrStale)
		if len(all) > 0 {
			t.Errorf("Fetch yields %d messages before the error", len(all))
		}
	}
}

func staleDeleteFolders(t *tester) {
	_, _, lists := mixedFolders(t)
	for _, mixed := range lists {
		t.wantErr("Delete", t.box.Delete(t.ctx, mixed, nil), mailbox.ErrStale)
	}
	t.wantNumbers(mailbox.Inbox, 0)
	t.wantNumbers("Other", 10)
}

func staleFlagsFolders(t *tester) {
	inbox, other, lists := mixedFolders(t)
	add := mailbox.FlagChange{Add: flags(mailbox.FlagFlagged)}
	for _, mixed := range lists {
		t.wantErr("SetFlags", mailbox.SetFlags(t.ctx, t.box, mixed, add, nil), mailbox.ErrStale)
	}
	t.wantFlags(inbox, nil, add.Add)
	t.wantFlags(other, nil, add.Add)
}

// endEpoch fills INBOX, ends its epoch, and goes on in a new session.
func endEpoch(t *tester, n int) []mailbox.ID {
	old := t.fill(n)
	t.must("NewEpoch", t.inst.NewEpoch(mailbox.Inbox))
	t.reopen()
	return old
}

func staleNewEpoch(t *tester) {
	old := endEpoch(t, 3)
	for _, id := range old {
		for _, c := range t.reads(t.ctx, id) {
			t.wantErr(c.name, c.err(), mailbox.ErrStale)
		}
	}
	all, err := collect(mailbox.Fetch(t.ctx, t.box, old, nil))
	t.wantErr("Fetch", err, mailbox.ErrStale)
	if len(all) > 0 {
		t.Errorf("Fetch yields %d messages for IDs of the last epoch", len(all))
	}
	fresh := t.ids(mailbox.Inbox)
	if len(fresh) != 3 || slices.ContainsFunc(fresh, func(id mailbox.ID) bool { return slices.Contains(old, id) }) {
		t.Errorf("in the new epoch INBOX lists %v; in the old one it was %v", fresh, old)
	}
	t.wantNumbers(mailbox.Inbox, 0, 1, 2)
}

func staleNewEpochChanges(t *tester) {
	old := endEpoch(t, 3)
	fresh := t.ids(mailbox.Inbox)
	if t.caps.Delete {
		t.wantErr("Delete", t.box.Delete(t.ctx, old, nil), mailbox.ErrStale)
		t.wantErr("Delete of old and new", t.box.Delete(t.ctx, append(fresh[:1:1], old[1]), nil), mailbox.ErrStale)
	}
	if t.caps.Flags {
		add := mailbox.FlagChange{Add: []mailbox.Flag{mailbox.FlagFlagged}}
		t.wantErr("SetFlags", mailbox.SetFlags(t.ctx, t.box, old, add, nil), mailbox.ErrStale)
		for _, id := range fresh {
			t.wantFlags(id, nil, []mailbox.Flag{mailbox.FlagFlagged})
		}
	}
	if !t.caps.Delete {
		t.wantErr("Delete", t.box.Delete(t.ctx, old, nil), errors.ErrUnsupported, mailbox.ErrStale)
	}
	t.wantNumbers(mailbox.Inbox, 0, 1, 2)
}
