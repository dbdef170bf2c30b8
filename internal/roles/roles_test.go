package roles

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/postroom-go/postroom/mailbox"
)

// TestWellKnownNames: every name is in lower case and means one role.
func TestWellKnownNames(t *testing.T) {
	seen := map[string]mailbox.Role{}
	for role, names := range wellKnown {
		for name := range strings.SplitSeq(names, "|") {
			assert.Equal(t, strings.ToLower(name), name)
			assert.Equal(t, strings.TrimSpace(name), name)
			assert.NotEmpty(t, name, role)
			if other, ok := seen[name]; ok {
				assert.Equal(t, role, other, "%q means two roles", name)
			}
			seen[name] = role
		}
	}
	assert.Greater(t, len(seen), 400)
}

func TestByName(t *testing.T) {
	folder := func(name string, role mailbox.Role) *mailbox.Folder {
		return &mailbox.Folder{Name: name, Delimiter: "/", Role: role}
	}
	for what, c := range map[string]struct {
		folders []*mailbox.Folder
		want    map[string]mailbox.Role
	}{
		"the commonest name":        {[]*mailbox.Folder{folder("Sent Items", ""), folder("Sent", "")}, map[string]mailbox.Role{"Sent": mailbox.RoleSent}},
		"the least deep":            {[]*mailbox.Folder{folder("Old/Sent", ""), folder("Sent", "")}, map[string]mailbox.Role{"Sent": mailbox.RoleSent}},
		"below INBOX is no depth":   {[]*mailbox.Folder{folder("Old/Trash", ""), folder("INBOX/Trash", "")}, map[string]mailbox.Role{"INBOX/Trash": mailbox.RoleTrash}},
		"not where the server says": {[]*mailbox.Folder{folder("Sent", ""), folder("x", mailbox.RoleSent)}, map[string]mailbox.Role{"x": mailbox.RoleSent}},
		"whole names only":          {[]*mailbox.Folder{folder("Sent to Bob", ""), folder("Unsent", "")}, map[string]mailbox.Role{}},
		"case is nothing":           {[]*mailbox.Folder{folder("ENTWÜRFE", ""), folder("КОРЗИНА", "")}, map[string]mailbox.Role{"ENTWÜRFE": mailbox.RoleDrafts, "КОРЗИНА": mailbox.RoleTrash}},
		"one that cannot be opened": {[]*mailbox.Folder{{Name: "Sent", NoSelect: true}}, map[string]mailbox.Role{}},
	} {
		ByName(c.folders)
		got := map[string]mailbox.Role{}
		for _, f := range c.folders {
			if f.Role != "" {
				got[f.Name] = f.Role
			}
		}
		assert.Equal(t, c.want, got, what)
	}
}
