package mailboxtest

import (
	"errors"
	"strings"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/folders"
)

func createCases() []testCase {
	needs := []string{"folders"}
	return []testCase{
		{"create/folder", "A folder that was made is listed, in other sessions, too, and is empty.", needs, createFolder},
		{"create/used", "A folder that was made takes messages, and they stay.", []string{"folders", "append"}, createUsed},
		{"create/exists", "Making a folder that is there is ErrExists, INBOX in any case, and changes nothing (RFC 9051 section 6.3.4).", needs, createExists},
		{"create/parents", "The folders above it that are missing are made, and those that are there stay.", needs, createParents},
		{"create/role", "A role is a wish: the folder is made, and has that role or none that the mailbox was told (RFC 6154 section 3).", needs, createRole},
		{"create/unsupported", "Without the capability CreateFolder is errors.ErrUnsupported, and makes nothing.", []string{"!folders"}, createUnsupported},
	}
}

// creates reports whether the driver makes folders. If not, making one must be
// unsupported, and the case has nothing else to prove.
func (t *tester) creates() bool {
	if _, ok := t.box.(folders.Creator); ok {
		return true
	}
	createUnsupported(t)
	t.nothing("the driver is no FolderCreator")
	return false
}

// create makes a folder; an error ends the case.
func (t *tester) create(name string, opts *folders.CreateOptions) {
	t.must("CreateFolder "+name, folders.Create(t.ctx, t.box, name, opts))
}

// wantFolder checks that a folder is listed, with nothing odd about it.
func (t *tester) wantFolder(name string) *mailbox.Folder {
	f := folderNamed(t.folders(nil), name)
	switch {
	case f == nil:
		t.Fatalf("the folder %q was made and is not listed", name)
	case len(f.Defects) > 0:
		t.Errorf("the folder %q has the defects %v", name, f.Defects)
	}
	return f
}

func createFolder(t *tester) {
	if !t.creates() {
		return
	}
	for _, name := range folderNames() {
		t.create(name, nil)
		if f := t.wantFolder(name); f.NoSelect {
			t.Errorf("the folder %q was made and holds no messages", name)
		}
		t.wantIDs(name)
	}
	t.elsewhere(func(mb mailbox.Mailbox) {
		all, err := collect(mb.Folders(t.ctx, nil))
		t.must("Folders", err)
		for _, name := range folderNames() {
			if folderNamed(all, name) == nil {
				t.Errorf("another session does not list the folder %q", name)
			}
		}
	})
}

func createUsed(t *tester) {
	if !t.creates() {
		return
	}
	for i, name := range folderNames() {
		t.create(name, nil)
		t.addTo(name, i)
		t.wantNumbers(name, i)
	}
	t.reopen()
	for i, name := range folderNames() {
		t.wantNumbers(name, i)
	}
	t.wantIDs(mailbox.Inbox)
}

func createExists(t *tester) {
	if !t.creates() {
		return
	}
	t.fill(2)
	t.create("Twice", nil)
	if t.caps.Append {
		t.addTo("Twice", 5)
	}
	before := len(t.folders(nil))
	for _, name := range []string{"Twice", "INBOX", "inbox", ""} {
		t.wantErr("CreateFolder "+name, folders.Create(t.ctx, t.box, name, nil), mailbox.ErrExists)
	}
	if after := len(t.folders(nil)); after != before {
		t.Errorf("there are %d folders, want %d as before", after, before)
	}
	t.wantNumbers(mailbox.Inbox, 0, 1)
	if t.caps.Append {
		t.wantNumbers("Twice", 5)
	}
}

func createParents(t *tester) {
	if !t.creates() {
		return
	}
	t.create("Above", nil)
	delim := t.wantFolder("Above").Delimiter
	if delim == "" {
		t.nothing("folder names have no levels")
		return
	}
	path := []string{"Above", "in between", "Unter ü", "below"}
	t.create(strings.Join(path, delim), nil)
	for i := range path {
		t.wantFolder(strings.Join(path[:i+1], delim))
	}
	t.wantIDs(strings.Join(path, delim))
	t.wantIDs("Above")
	t.create("New"+delim+"one", nil)
	t.wantFolder("New")
	t.wantErr("CreateFolder", folders.Create(t.ctx, t.box, strings.Join(path, delim), nil), mailbox.ErrExists)
}

func createRole(t *tester) {
	if !t.creates() {
		return
	}
	for i, role := range []mailbox.Role{mailbox.RoleJunk, mailbox.RoleAll, "fish", mailbox.RoleInbox} {
		name := "Purpose " + string(rune('A'+i)) // no well-known name
		t.create(name, &folders.CreateOptions{Role: role})
		f := t.wantFolder(name)
		if f.Role != "" && f.Role != role {
			t.Errorf("the folder has the role %q, want %q or none", f.Role, role)
		}
	}
	for _, problem := range folderProblems(t.folders(nil)) {
		t.Errorf("%s", problem)
	}
}

func createUnsupported(t *tester) {
	before := len(t.folders(nil))
	t.wantErr("CreateFolder", folders.Create(t.ctx, t.box, "Nowhere", nil), errors.ErrUnsupported)
	if f, ok := t.box.(folders.Creator); ok {
		t.wantErr("the driver's CreateFolder", f.CreateFolder(t.ctx, "Nowhere", &folders.CreateOptions{}), errors.ErrUnsupported)
	}
	if after := len(t.folders(nil)); after != before {
		t.Errorf("there are %d folders, want %d as before", after, before)
	}
}
