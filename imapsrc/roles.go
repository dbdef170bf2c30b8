package imapsrc

import (
	"strings"

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

// rolesByName gives each role that no folder has by the server's word to one
// folder with a well-known name: the best name first, of equals the least deep,
// of those the first.
func rolesByName(all []*mailbox.Folder) {
	taken := map[mailbox.Role]bool{}
	for _, f := range all {
		taken[f.Role] = true
	}
	type candidate struct {
		f     *mailbox.Folder
		rank  int
		depth int
	}
	best := map[mailbox.Role]candidate{}
	for _, f := range all {
		if f.Role != "" || f.NoSelect {
			continue
		}
		leaf, depth := leafOf(f)
		known, ok := nameRoles[strings.ToLower(leaf)]
		if !ok || taken[known.role] {
			continue
		}
		c := candidate{f, known.rank, depth}
		if b, ok := best[known.role]; !ok || c.rank < b.rank || c.rank == b.rank && c.depth < b.depth {
			best[known.role] = c
		}
	}
	for role, c := range best {
		c.f.Role, c.f.RoleSource = role, mailbox.RoleByName
	}
}

// leafOf is the last level of f's name, and how many levels are above it. What
// is below INBOX, or below Gmail's own folder, counts as the top: whole
// accounts live there.
func leafOf(f *mailbox.Folder) (leaf string, depth int) {
	if f.Delimiter == "" {
		return f.Name, 0
	}
	levels := strings.Split(f.Name, f.Delimiter)
	leaf, levels = levels[len(levels)-1], levels[:len(levels)-1]
	if len(levels) > 0 {
		switch strings.ToLower(levels[0]) {
		case "inbox", "[gmail]", "[google mail]":
			levels = levels[1:]
		}
	}
	return leaf, len(levels)
}

type nameRole struct {
	role mailbox.Role
	rank int
}

// nameRoles maps well-known names, in lower case, to roles.
var nameRoles = func() map[string]nameRole {
	m := map[string]nameRole{}
	for role, names := range wellKnown {
		for rank, name := range strings.Split(names, "|") {
			m[name] = nameRole{role, rank}
		}
	}
	return m
}()
