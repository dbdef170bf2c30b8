package imapsrc

import (
	"strings"

	"github.com/postroom-go/postroom/internal/roles"
	"github.com/postroom-go/postroom/mailbox"
)

// attributeRoles are the special uses of RFC 6154 and RFC 8457, and the older
// attributes of XLIST, in lower case: Cyrus sends them so.
var attributeRoles = map[string]mailbox.Role{
	`\all`:       mailbox.RoleAll,
	`\archive`:   mailbox.RoleArchive,
	`\drafts`:    mailbox.RoleDrafts,
	`\flagged`:   mailbox.RoleFlagged,
	`\important`: mailbox.RoleImportant,
	`\junk`:      mailbox.RoleJunk,
	`\sent`:      mailbox.RoleSent,
	`\trash`:     mailbox.RoleTrash,
}

var xlistRoles = map[string]mailbox.Role{
	`\allmail`: mailbox.RoleAll,
	`\starred`: mailbox.RoleFlagged,
	`\spam`:    mailbox.RoleJunk,
}

// roleOf is the role that the server's own words give a folder.
func roleOf(f *mailbox.Folder, xlist bool) (mailbox.Role, mailbox.RoleSource) {
	if f.Name == mailbox.Inbox {
		return mailbox.RoleInbox, mailbox.RoleByProtocol
	}
	source := mailbox.RoleByAttribute
	if xlist {
		source = mailbox.RoleByXList
	}
	for _, a := range f.Attributes {
		a = strings.ToLower(a)
		if r, ok := attributeRoles[a]; ok {
			return r, source
		}
		if r, ok := xlistRoles[a]; ok && xlist {
			return r, source
		}
	}
	return "", ""
}

// rolesByName gives the roles that no folder has by the server's word.
func rolesByName(all []*mailbox.Folder) { roles.ByName(all) }
