package sent

import (
	"context"
	"errors"
	"iter"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/folders"
	"github.com/postroom-go/postroom/mailbox/memory"
)

// shelf is a mailbox with folders as a server has listed them.
type shelf struct {
	*memory.Mailbox
	listed  []*mailbox.Folder
	refuses []string // names that cannot be made
	made    []string
	roles   []mailbox.Role
}

func (s *shelf) Folders(context.Context, *mailbox.FoldersOptions) iter.Seq2[*mailbox.Folder, error] {
	return func(yield func(*mailbox.Folder, error) bool) {
		for _, f := range s.listed {
			if !yield(f, nil) {
				return
			}
		}
	}
}

func (s *shelf) CreateFolder(ctx context.Context, name string, opts *folders.CreateOptions) error {
	s.made, s.roles = append(s.made, name), append(s.roles, opts.Role)
	if slices.Contains(s.refuses, name) {
		return &mailbox.Error{Op: "create folder", Folder: name, Err: mailbox.ErrPermission}
	}
	return s.Mailbox.CreateFolder(ctx, name, opts)
}

func folder(name string, role mailbox.Role, source mailbox.RoleSource) *mailbox.Folder {
	return &mailbox.Folder{Name: name, Delimiter: ".", Role: role, RoleSource: source}
}

// TestFolder: where the copy goes.
func TestFolder(t *testing.T) {
	inbox := folder("INBOX", mailbox.RoleInbox, mailbox.RoleByProtocol)
	noSelect := folder("Old", mailbox.RoleSent, mailbox.RoleByAttribute)
	noSelect.NoSelect = true
	for name, c := range map[string]struct {
		listed  []*mailbox.Folder
		refuses []string
		option  string
		want    string
		made    []string
	}{
		"by attribute": {[]*mailbox.Folder{inbox, folder("Sent", "", ""), folder("Verschickt", mailbox.RoleSent, mailbox.RoleByAttribute)}, nil, "", "Verschickt", nil},
		"by name":      {[]*mailbox.Folder{inbox, folder("Gesendet", mailbox.RoleSent, mailbox.RoleByName)}, nil, "", "Gesendet", nil},
		"the surest": {[]*mailbox.Folder{folder("A", mailbox.RoleSent, mailbox.RoleByName), folder("B", mailbox.RoleSent, mailbox.RoleByXList),
			folder("C", mailbox.RoleSent, mailbox.RoleByAttribute), folder("D", mailbox.RoleSent, mailbox.RoleByAttribute)}, nil, "", "C", nil},
		"no reason": {[]*mailbox.Folder{folder("A", mailbox.RoleSent, ""), folder("B", mailbox.RoleSent, mailbox.RoleByName)}, nil, "", "B", nil},
		"somebody else's": {[]*mailbox.Folder{inbox, folder("Other Users.bob.Sent", mailbox.RoleSent, mailbox.RoleByAttribute),
			folder("Sent", mailbox.RoleSent, mailbox.RoleByAttribute), folder("Archive.Sent", mailbox.RoleSent, mailbox.RoleByAttribute)}, nil, "", "Sent", nil},
		"named":              {[]*mailbox.Folder{inbox, folder("Gesendet", mailbox.RoleSent, mailbox.RoleByName)}, nil, "Mine", "Mine", []string{"Mine"}},
		"none":               {[]*mailbox.Folder{inbox}, nil, "", "Sent", []string{"Sent"}},
		"one that is no use": {[]*mailbox.Folder{inbox, noSelect, folder("Lists", "", "")}, nil, "", "Sent", []string{"Sent"}},
		"all below INBOX":    {[]*mailbox.Folder{inbox, folder("INBOX.Trash", mailbox.RoleTrash, mailbox.RoleByName)}, nil, "", "INBOX.Sent", []string{"INBOX.Sent"}},
		"only below INBOX":   {[]*mailbox.Folder{inbox}, []string{"Sent"}, "", "INBOX.Sent", []string{"Sent", "INBOX.Sent"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := &shelf{Mailbox: memory.New(nil), listed: c.listed, refuses: c.refuses}
			for _, f := range c.listed {
				if f.Name != "INBOX" && !f.NoSelect {
					require.NoError(t, s.Store().CreateFolder(f.Name, f.Role))
				}
			}
			got, err := File(t.Context(), s, message(t, eml), &Options{Folder: c.option})
			require.NoError(t, err)
			assert.Equal(t, Filed, got.State)
			assert.Equal(t, c.want, got.Folder)
			assert.Equal(t, c.made, s.made)
			for _, role := range s.roles {
				assert.Equal(t, mailbox.RoleSent, role)
			}
			assert.Len(t, copies(t, s, c.want), 1)
		})
	}
}

// TestFolderMade: the folder is made once, with its role, and found the next time.
func TestFolderMade(t *testing.T) {
	mb := memory.New(nil)
	for _, want := range []State{Filed, Found} {
		c, err := File(t.Context(), mb, message(t, eml), nil)
		require.NoError(t, err)
		assert.Equal(t, want, c.State)
		assert.Equal(t, mailbox.RoleSent, folderNamed(t, mb, "Sent").Role)
	}
}

func TestFolderCannotBeMade(t *testing.T) {
	s := &shelf{Mailbox: memory.New(nil), refuses: []string{"Sent", "INBOX.Sent"},
		listed: []*mailbox.Folder{folder("INBOX", mailbox.RoleInbox, mailbox.RoleByProtocol)}}
	_, err := File(t.Context(), s, message(t, eml), nil)
	require.ErrorIs(t, err, ErrNotFiled)
	require.ErrorIs(t, err, mailbox.ErrPermission)
	assert.Equal(t, []string{"Sent", "INBOX.Sent"}, s.made)

	caps := memory.AllCaps()
	caps.Folders = false
	_, err = File(t.Context(), memory.New(&memory.Options{Caps: &caps}), message(t, eml), nil)
	require.ErrorIs(t, err, ErrNotFiled)
	require.ErrorIs(t, err, errors.ErrUnsupported)
	c, err := File(t.Context(), memory.New(&memory.Options{Caps: &caps}), message(t, eml), &Options{Folder: mailbox.Inbox})
	require.NoError(t, err)
	assert.Equal(t, mailbox.Inbox, c.Folder)
}
