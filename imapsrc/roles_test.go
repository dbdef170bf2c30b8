package imapsrc

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/postroom-go/postroom/mailbox"
)

func TestRoleOf(t *testing.T) {
	for _, c := range []struct {
		name, attr string
		xlist      bool
		role       mailbox.Role
		source     mailbox.RoleSource
	}{
		{"INBOX", `\Sent`, false, mailbox.RoleInbox, mailbox.RoleByProtocol},
		{"x", `\sent`, false, mailbox.RoleSent, mailbox.RoleByAttribute},
		{"x", `\Sent`, true, mailbox.RoleSent, mailbox.RoleByXList},
		{"x", `\Starred`, true, mailbox.RoleFlagged, mailbox.RoleByXList},
		{"x", `\Starred`, false, "", ""},
		{"x", `\HasChildren`, true, "", ""},
	} {
		role, source := roleOf(&mailbox.Folder{Name: c.name, Attributes: []string{c.attr}}, c.xlist)
		assert.Equal(t, c.role, role, c)
		assert.Equal(t, c.source, source, c)
	}
}
