package mailboxtest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/postroom-go/postroom/mailbox"
)

func folderCases() []testCase {
	return []testCase{
		{"folders/inbox", "INBOX is there, once, and has the role inbox (RFC 9051 section 5.1).", nil, foldersInbox},
		{"folders/usable", "The name of each folder is what the other calls take.", nil, foldersUsable},
		{"folders/only-inbox", "Without the capability there is INBOX and nothing else.", []string{"!folders"}, foldersOnlyInbox},
		{"folders/created", "A folder's name is UTF-8, whatever the wire makes of it (RFC 9051 section 5.1).", []string{"folders", "CreateFolder"}, foldersCreated},
		{"folders/apart", "A message is in its folder and in no other.", []string{"folders", "CreateFolder"}, foldersApart},
		{"folders/status", "Status is told if it is asked for and known, and is then right (RFC 5819).", nil, foldersStatus},
		{"folders/state", "State is the same while nothing comes or goes, in every session, and another after a message has come or gone.", nil, foldersState},
		{"folders/again", "The sequence can be left early and ranged over twice.", nil, foldersAgain},
	}
}

// folders lists the folders; an error ends the case.
func (t *tester) folders(opts *mailbox.FoldersOptions) []*mailbox.Folder {
	all, err := collect(t.box.Folders(t.ctx, opts))
	t.must("Folders", err)
	return all
}

// folderNamed is the folder of that name, INBOX in any case, or nil.
func folderNamed(all []*mailbox.Folder, name string) *mailbox.Folder {
	for _, f := range all {
		if f.Name == name || strings.EqualFold(name, mailbox.Inbox) && strings.EqualFold(f.Name, name) {
			return f
		}
	}
	return nil
}

// folderProblems says what is wrong with a list of folders.
func folderProblems(all []*mailbox.Folder) []string {
	var problems []string
	names, roles := map[string]bool{}, map[mailbox.Role]string{}
	for _, f := range all {
		name := f.Name
		if strings.EqualFold(name, mailbox.Inbox) {
			name = mailbox.Inbox
		}
		if name == "" || names[name] {
			problems = append(problems, fmt.Sprintf("the folder %q is there twice, or has no name", f.Name))
		}
		names[name] = true
		if (f.Role == "") != (f.RoleSource == "") {
			problems = append(problems, fmt.Sprintf("the folder %q has the role %q by %q: want both or neither", f.Name, f.Role, f.RoleSource))
		}
		if other := roles[f.Role]; other != "" && f.RoleSource == mailbox.RoleByName {
			problems = append(problems, fmt.Sprintf("%q has the role %s by its name, which %q has as well", f.Name, f.Role, other))
		}
		if f.Role != "" {
			roles[f.Role] = f.Name
		}
	}
	if f := folderNamed(all, mailbox.Inbox); f == nil || f.Role != mailbox.RoleInbox || f.NoSelect {
		problems = append(problems, "there is no INBOX with the role inbox that can be listed")
	}
	return problems
}

func foldersInbox(t *tester) {
	for _, problem := range folderProblems(t.folders(nil)) {
		t.Errorf("%s", problem)
	}
}

func foldersUsable(t *tester) {
	for _, f := range t.folders(nil) {
		err := first(t.box.List(t.ctx, f.Name, &mailbox.ListOptions{Fields: mailbox.FieldsNone}))
		if f.NoSelect {
			t.wantErr("List of a folder that only holds others", err, mailbox.ErrNotFound)
			continue
		}
		t.must(fmt.Sprintf("List %q", f.Name), err)
	}
}

func foldersOnlyInbox(t *tester) {
	if all := t.folders(nil); len(all) != 1 || folderNamed(all, mailbox.Inbox) == nil {
		t.Errorf("there are %d folders, want INBOX alone", len(all))
	}
}

// folderNames are a plain name and one that needs encoding on most wires.
func folderNames() []string { return []string{"Archive 2026", "R&D Entwürfe 台北"} }

func foldersCreated(t *tester) {
	for _, name := range folderNames() {
		t.must("CreateFolder", t.inst.CreateFolder(name))
		if f := folderNamed(t.folders(nil), name); f == nil {
			t.Errorf("the folder %q is not listed", name)
		} else if len(f.Defects) > 0 {
			t.Errorf("the folder %q has the defects %v", name, f.Defects)
		}
		t.deliver(name, numbered(3))
		t.wantNumbers(name, 3)
	}
}

func foldersApart(t *tester) {
	t.must("CreateFolder", t.inst.CreateFolder("Other"))
	t.deliver("Other", numbered(1), numbered(2))
	t.deliver(mailbox.Inbox, numbered(3))
	t.wantNumbers("Other", 1, 2)
	t.wantNumbers(mailbox.Inbox, 3)
}

func foldersStatus(t *tester) {
	t.fill(3)
	for _, f := range t.folders(nil) {
		if f.Status != nil {
			t.Errorf("%q has a status that nobody asked for", f.Name)
		}
	}
	inbox := folderNamed(t.folders(&mailbox.FoldersOptions{Status: true}), mailbox.Inbox)
	if inbox == nil {
		t.Fatalf("with a status INBOX is not listed")
	}
	s := inbox.Status
	if s == nil {
		return // the server did not tell
	}
	if s.Messages != 3 && s.Messages != -1 {
		t.Errorf("INBOX has %d messages by its status, want 3", s.Messages)
	}
	if s.Unseen != 3 && s.Unseen != -1 {
		t.Errorf("INBOX has %d unseen messages by its status, want 3", s.Unseen)
	}
	if id := t.ids(mailbox.Inbox)[0]; s.Epoch != id.Epoch() {
		t.Errorf("the epoch of INBOX is %q by its status, and %q by its messages", s.Epoch, id.Epoch())
	}
}

// stateOf is the state of INBOX as a session tells it.
func (t *tester) stateOf(mb mailbox.Mailbox) string {
	all, err := collect(mb.Folders(t.ctx, &mailbox.FoldersOptions{Status: true}))
	t.must("Folders", err)
	if f := folderNamed(all, mailbox.Inbox); f != nil && f.Status != nil {
		return f.Status.State
	}
	return ""
}

func foldersState(t *tester) {
	ids := t.fill(3)
	seen, last := map[string]string{}, "at first"
	state := t.stateOf(t.box)
	if state == "" {
		t.nothing("the driver tells no state")
		return
	}
	same := func(when string, mb mailbox.Mailbox) {
		if now := t.stateOf(mb); now != state {
			t.Errorf("the state of INBOX is %q %s, and was %q: nothing has changed", now, when, state)
		}
	}
	other := func(when string) {
		if t.caps.Exclusive {
			t.reopen()
		}
		seen[state], last = last, when
		if state = t.stateOf(t.box); state == "" || seen[state] != "" {
			t.Errorf("the state of INBOX is %q %s, as it was %s", state, when, seen[state])
		}
	}
	same("when it is asked for again", t.box)
	t.ids(mailbox.Inbox)
	t.read(ids[0])
	same("after reading", t.box)
	t.elsewhere(func(mb mailbox.Mailbox) { same("in another session", mb) })
	t.deliver(mailbox.Inbox, numbered(3))
	other("after a message has come")
	t.reopen()
	same("in a later session", t.box)
	if !t.caps.Delete {
		return
	}
	t.must("Delete", t.box.Delete(t.ctx, t.ids(mailbox.Inbox)[:1], nil))
	other("after a message has gone")
	t.must("Delete", t.box.Delete(t.ctx, t.ids(mailbox.Inbox)[:1], nil))
	t.deliver(mailbox.Inbox, numbered(4))
	other("after one has gone and another has come")
	t.must("Delete", t.box.Delete(t.ctx, t.ids(mailbox.Inbox), nil))
	other("after all have gone")
	same("while it is empty", t.box)
}

func foldersAgain(t *tester) {
	seq := t.box.Folders(t.ctx, nil)
	for _, err := range seq {
		t.must("Folders", err)
		break
	}
	names := func() []string {
		all, err := collect(seq)
		t.must("Folders", err)
		var names []string
		for _, f := range all {
			names = append(names, f.Name)
		}
		slices.Sort(names)
		return names
	}
	if a, b := names(), names(); !slices.Equal(a, b) {
		t.Errorf("the sequence gives %q, then %q", a, b)
	}
}
