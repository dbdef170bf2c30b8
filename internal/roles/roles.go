// Package roles tells what folders are for by their names, where nobody says it
// better: the names that mail programs give, in many languages.
package roles

import (
	"strings"

	"github.com/postroom-go/postroom/mailbox"
)

// ByName gives each role that no folder has yet to one folder with a well-known
// name, with mailbox.RoleByName for the reason: the best name first, of equals
// the least deep, of those the first. A folder that has a role, and one that
// cannot be opened, is left alone.
func ByName(all []*mailbox.Folder) {
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
