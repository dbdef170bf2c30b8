package mailboxtest

import (
	"errors"
	"slices"
	"strings"

	"github.com/postroom-go/postroom/mailbox"
)

func flagCases() []testCase {
	flags, keywords := []string{"flags"}, []string{"flags", "keywords"}
	return []testCase{
		{"flags/add", "Add sets the flags named and no others.", flags, flagsAdd},
		{"flags/remove", "Remove takes away the flags named and no others.", flags, flagsRemove},
		{"flags/replace", "Replace becomes the whole set.", flags, flagsReplace},
		{"flags/clear", "Replace that is empty and not nil takes away all.", flags, flagsClear},
		{"flags/system", "System flags are given as they are spelt in RFC 9051 section 2.3.2.", flags, flagsSystem},
		{"flags/keywords", "A flag of one's own is kept.", keywords, flagsKeywords},
		{"flags/kept", "Flags hold over sessions.", flags, flagsKept},
		{"flags/twice", "Doing it twice is doing it once.", flags, flagsTwice},
		{"flags/gone", "Messages that are gone are left out without an error.", flags, flagsGone},
		{"flags/none", "No IDs is no work, and an empty change changes nothing.", flags, flagsNone},
		{"flags/folders", "IDs may be of several folders.", []string{"flags", "folders", "CreateFolder"}, flagsFolders},
		{"flags/no-keywords", "Where keywords are not kept a keyword is errors.ErrUnsupported, and nothing changes.", []string{"flags", "!keywords"}, flagsNoKeywords},
		{"flags/unsupported", "Without the capability SetFlags is errors.ErrUnsupported.", []string{"!flags"}, flagsUnsupported},
	}
}

// hasFlag reports whether a flag is in a set, in any case.
func hasFlag(set []mailbox.Flag, f mailbox.Flag) bool {
	return slices.ContainsFunc(set, func(g mailbox.Flag) bool { return strings.EqualFold(string(f), string(g)) })
}

// wantFlags checks that a message has some flags and lacks others. A server may
// add flags of its own.
func (t *tester) wantFlags(id mailbox.ID, has, lacks []mailbox.Flag) {
	s, err := mailbox.Get(t.ctx, t.box, id, mailbox.FieldFlags)
	if err != nil {
		t.Errorf("Get of %v: %v", id, err)
		return
	}
	for _, f := range has {
		if !hasFlag(s.Flags, f) {
			t.Errorf("%v has the flags %v, want %v", id, s.Flags, f)
		}
	}
	for _, f := range lacks {
		if hasFlag(s.Flags, f) {
			t.Errorf("%v has the flags %v, and should not have %v", id, s.Flags, f)
		}
	}
}

// flag changes flags; an error ends the case.
func (t *tester) flag(change mailbox.FlagChange, ids ...mailbox.ID) {
	t.must("SetFlags", mailbox.SetFlags(t.ctx, t.box, ids, change, nil))
}

// flags is a short way to write a set of flags.
func flags(f ...mailbox.Flag) []mailbox.Flag { return f }

func flagsAdd(t *tester) {
	ids := t.fill(3)
	t.flag(mailbox.FlagChange{Add: flags(mailbox.FlagFlagged)}, ids[1])
	t.flag(mailbox.FlagChange{Add: flags(mailbox.FlagSeen, mailbox.FlagAnswered)}, ids[1], ids[2])
	t.wantFlags(ids[0], nil, flags(mailbox.FlagFlagged, mailbox.FlagSeen, mailbox.FlagAnswered))
	t.wantFlags(ids[1], flags(mailbox.FlagFlagged, mailbox.FlagSeen, mailbox.FlagAnswered), flags(mailbox.FlagDraft))
	t.wantFlags(ids[2], flags(mailbox.FlagSeen, mailbox.FlagAnswered), flags(mailbox.FlagFlagged))
}

func flagsRemove(t *tester) {
	ids := t.fill(2)
	t.flag(mailbox.FlagChange{Add: flags(mailbox.FlagFlagged, mailbox.FlagSeen)}, ids...)
	t.flag(mailbox.FlagChange{Remove: flags(mailbox.FlagSeen, mailbox.FlagDraft)}, ids[0])
	t.wantFlags(ids[0], flags(mailbox.FlagFlagged), flags(mailbox.FlagSeen, mailbox.FlagDraft))
	t.wantFlags(ids[1], flags(mailbox.FlagFlagged, mailbox.FlagSeen), nil)
	t.flag(mailbox.FlagChange{Add: flags(mailbox.FlagAnswered), Remove: flags(mailbox.FlagFlagged)}, ids[0])
	t.wantFlags(ids[0], flags(mailbox.FlagAnswered), flags(mailbox.FlagFlagged, mailbox.FlagSeen))
}

func flagsReplace(t *tester) {
	ids := t.fill(2)
	t.flag(mailbox.FlagChange{Add: flags(mailbox.FlagFlagged, mailbox.FlagSeen)}, ids...)
	t.flag(mailbox.FlagChange{Replace: flags(mailbox.FlagSeen, mailbox.FlagDraft)}, ids[0])
	t.wantFlags(ids[0], flags(mailbox.FlagSeen, mailbox.FlagDraft), flags(mailbox.FlagFlagged))
	t.wantFlags(ids[1], flags(mailbox.FlagFlagged, mailbox.FlagSeen), flags(mailbox.FlagDraft))
}

func flagsClear(t *tester) {
	id := t.fill(1)[0]
	t.flag(mailbox.FlagChange{Add: flags(mailbox.FlagFlagged, mailbox.FlagSeen)}, id)
	t.flag(mailbox.FlagChange{Replace: []mailbox.Flag{}}, id)
	t.wantFlags(id, nil, flags(mailbox.FlagFlagged, mailbox.FlagSeen))
}

func flagsSystem(t *tester) {
	id := t.fill(1)[0]
	all := flags(mailbox.FlagSeen, mailbox.FlagAnswered, mailbox.FlagFlagged, mailbox.FlagDeleted, mailbox.FlagDraft)
	var lower []mailbox.Flag
	for _, f := range all {
		lower = append(lower, mailbox.Flag(strings.ToLower(string(f))))
	}
	t.flag(mailbox.FlagChange{Add: lower}, id)
	s, err := mailbox.Get(t.ctx, t.box, id, mailbox.FieldFlags)
	t.must("Get", err)
	for _, f := range all {
		if !slices.Contains(s.Flags, f) {
			t.Errorf("after %v were added the flags are %v, want %v among them", lower, s.Flags, f)
		}
	}
}

func flagsKeywords(t *tester) {
	ids := t.fill(2)
	mine := flags("$Forwarded", "postroom-test")
	t.flag(mailbox.FlagChange{Add: mine}, ids[0])
	t.wantFlags(ids[0], mine, nil)
	t.wantFlags(ids[1], nil, mine)
	t.flag(mailbox.FlagChange{Remove: mine[1:]}, ids[0])
	t.wantFlags(ids[0], mine[:1], mine[1:])
	t.reopen()
	t.wantFlags(t.ids(mailbox.Inbox)[0], mine[:1], mine[1:])
}

func flagsKept(t *tester) {
	ids := t.fill(2)
	t.flag(mailbox.FlagChange{Add: flags(mailbox.FlagSeen)}, ids[1])
	t.reopen()
	ids = t.ids(mailbox.Inbox)
	t.wantFlags(ids[0], nil, flags(mailbox.FlagSeen))
	t.wantFlags(ids[1], flags(mailbox.FlagSeen), nil)
}

func flagsTwice(t *tester) {
	ids := t.fill(1)
	for range 2 {
		t.flag(mailbox.FlagChange{Add: flags(mailbox.FlagSeen, mailbox.FlagSeen)}, ids[0], ids[0])
		t.wantFlags(ids[0], flags(mailbox.FlagSeen), nil)
	}
	for range 2 {
		t.flag(mailbox.FlagChange{Remove: flags(mailbox.FlagSeen)}, ids[0])
		t.wantFlags(ids[0], nil, flags(mailbox.FlagSeen))
	}
}

func flagsGone(t *tester) {
	ids := t.fill(2)
	t.flag(mailbox.FlagChange{Add: flags(mailbox.FlagFlagged)}, ids[0], unknownID(ids[0]), ids[1])
	t.flag(mailbox.FlagChange{Add: flags(mailbox.FlagSeen)}, unknownID(ids[0]))
	for _, id := range ids {
		t.wantFlags(id, flags(mailbox.FlagFlagged), flags(mailbox.FlagSeen))
	}
}

func flagsNone(t *tester) {
	ids := t.fill(1)
	t.flag(mailbox.FlagChange{Add: flags(mailbox.FlagFlagged)}, ids[0])
	t.flag(mailbox.FlagChange{Remove: flags(mailbox.FlagFlagged)})
	t.flag(mailbox.FlagChange{}, ids[0])
	t.wantFlags(ids[0], flags(mailbox.FlagFlagged), nil)
}

func flagsFolders(t *tester) {
	t.must("CreateFolder", t.inst.CreateFolder("Other"))
	t.deliver("Other", numbered(10), numbered(11))
	inbox, other := t.fill(2), t.ids("Other")
	t.flag(mailbox.FlagChange{Add: flags(mailbox.FlagFlagged)}, inbox[0], other[1])
	t.wantFlags(inbox[0], flags(mailbox.FlagFlagged), nil)
	t.wantFlags(inbox[1], nil, flags(mailbox.FlagFlagged))
	t.wantFlags(other[0], nil, flags(mailbox.FlagFlagged))
	t.wantFlags(other[1], flags(mailbox.FlagFlagged), nil)
}

func flagsNoKeywords(t *tester) {
	ids := t.fill(1)
	for _, change := range []mailbox.FlagChange{
		{Add: flags("postroom-test")},
		{Add: flags(mailbox.FlagFlagged, "postroom-test")},
		{Replace: flags(mailbox.FlagFlagged, "postroom-test")},
	} {
		err := mailbox.SetFlags(t.ctx, t.box, ids, change, nil)
		t.wantErr("SetFlags", err, errors.ErrUnsupported)
	}
	t.wantFlags(ids[0], nil, flags(mailbox.FlagFlagged, "postroom-test"))
}

func flagsUnsupported(t *tester) {
	ids := t.fill(1)
	err := mailbox.SetFlags(t.ctx, t.box, ids, mailbox.FlagChange{Add: flags(mailbox.FlagFlagged)}, nil)
	t.wantErr("SetFlags", err, errors.ErrUnsupported)
	for _, s := range t.list(mailbox.Inbox, &mailbox.ListOptions{Fields: mailbox.FieldFlags}) {
		if len(s.Flags) > 0 || s.Fields != 0 {
			t.Errorf("an account without flags tells the flags %v", s.Flags)
		}
	}
}
