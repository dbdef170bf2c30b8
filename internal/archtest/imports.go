package archtest

import (
	"fmt"
	"go/ast"
	"strings"
)

// Row is one row of the table of imports: what the code of a package, tests
// aside, may import besides the standard library.
type Row struct {
	// Dir is the package's directory, and all below it if it ends in "/...".
	Dir string
	// Own are packages of this module, again perhaps with "/...".
	Own []string
	// Modules are other modules.
	Modules []string
	// Driver marks the packages that export little.
	Driver bool
}

// Table is the table of ARCHITECTURE.md as data.
func Table() []Row {
	const (
		imap    = "github.com/emersion/go-imap/v2"
		message = "github.com/emersion/go-message"
		sasl    = "github.com/emersion/go-sasl"
		smtp    = "github.com/emersion/go-smtp"
	)
	driver := []string{"mailbox", "mailbox/access", "mailbox/batch", "mailbox/charset", "mailbox/folders", "internal/..."}
	return []Row{
		{Dir: ".", Own: []string{"mailbox/...", "imapsrc", "popsrc", "smtpsink/...", "discover"}, Modules: []string{"golang.org/x/oauth2"}},
		{Dir: "mailbox", Own: []string{"internal/mailmime"}},
		{Dir: "mailbox/access", Own: []string{"internal/mailmime"}},
		{Dir: "mailbox/batch", Own: []string{"mailbox"}},
		{Dir: "mailbox/folders", Own: []string{"mailbox"}},
		{Dir: "mailbox/charset", Modules: []string{message, "golang.org/x/text"}},
		{Dir: "mailbox/memory", Own: driver, Driver: true},
		{Dir: "mailbox/maildir", Own: driver, Driver: true},
		{Dir: "mailbox/mailtest", Own: driver, Modules: []string{imap, message, sasl, smtp}},
		{Dir: "mailbox/mailboxtest", Own: []string{"mailbox", "mailbox/batch", "mailbox/folders"}},
		{Dir: "mailbox/transfer", Own: []string{"mailbox", "mailbox/batch", "mailbox/folders", "internal/disk", "internal/journal", "internal/spool"}, Driver: true},
		{Dir: "imapsrc", Own: driver, Modules: []string{imap}, Driver: true},
		{Dir: "popsrc", Own: driver, Driver: true},
		{Dir: "smtpsink", Own: []string{"mailbox", "mailbox/access", "internal/..."}, Modules: []string{"golang.org/x/net"}, Driver: true},
		{Dir: "smtpsink/compose", Own: []string{"mailbox", "mailbox/charset", "smtpsink", "internal/..."},
			Modules: []string{message, "github.com/emersion/go-msgauth", "golang.org/x/net", "golang.org/x/text"}, Driver: true},
		{Dir: "smtpsink/sent", Own: []string{"mailbox", "mailbox/folders", "smtpsink", "internal/..."}, Driver: true},
		{Dir: "smtpsink/outbox", Own: []string{"mailbox", "smtpsink", "internal/..."}, Driver: true},
		{Dir: "smtpsink/sinktest", Own: []string{"mailbox", "smtpsink"}, Driver: true},
		{Dir: "discover", Own: []string{"mailbox", "mailbox/access", "internal/mailconn"}, Modules: []string{"golang.org/x/net"}, Driver: true},
		{Dir: "internal/mailmime"},
		{Dir: "internal/mailconn", Own: []string{"mailbox", "mailbox/access"}},
		{Dir: "internal/sasl", Own: []string{"mailbox", "mailbox/access", "internal/mailconn"}, Modules: []string{"golang.org/x/text"}},
		{Dir: "internal/imapwire", Own: []string{"mailbox", "internal/mailmime", "internal/utf7"}},
		{Dir: "internal/spool"},
		{Dir: "internal/journal", Own: []string{"internal/disk"}},
		{Dir: "internal/disk", Modules: []string{"golang.org/x/sys"}},
		{Dir: "internal/disk/disktest", Own: []string{"internal/disk"}},
		{Dir: "internal/roles", Own: []string{"mailbox"}},
		{Dir: "internal/flagset", Own: []string{"mailbox"}},
		{Dir: "internal/utf7"},
		{Dir: "internal/memstore", Own: []string{"internal/mailmime"}},
		{Dir: "internal/dovecot"},
		{Dir: "internal/postfix", Own: []string{"internal/dovecot"}},
		{Dir: "internal/archtest"},
		{Dir: "examples/...", Own: []string{".", "mailbox/...", "imapsrc", "popsrc", "smtpsink/...", "discover", "examples/internal/..."},
			Modules: []string{"github.com/spf13/cobra", "github.com/schollz/progressbar/v3", "golang.org/x/term", "golang.org/x/oauth2"}},
	}
}

// Imports checks the code of every package against its row. A package without a
// row is a fault, too.
func Imports(m *Module, table []Row) (faults []string) {
	missing := map[string]bool{}
	m.code(func(p *Package, f *File) {
		row, ok := rowOf(table, p.Dir)
		if !ok {
			if !missing[p.Dir] {
				faults = append(faults, p.Dir+": has no row in the table of imports")
			}
			missing[p.Dir] = true
			return
		}
		f.imports(func(spec *ast.ImportSpec, path string) {
			if !row.allows(m, path) {
				faults = append(faults, f.at(spec, "%s must not import %s", p.Dir, path))
			}
		})
	})
	return faults
}

func rowOf(table []Row, dir string) (Row, bool) {
	for _, row := range table {
		if match(row.Dir, dir) {
			return row, true
		}
	}
	return Row{}, false
}

func (r Row) allows(m *Module, path string) bool {
	if standard(path) {
		return true
	}
	if dir, ok := m.dir(path); ok {
		for _, own := range r.Own {
			if match(own, dir) {
				return true
			}
		}
		return false
	}
	for _, module := range r.Modules {
		if within(path, module) {
			return true
		}
	}
	return false
}

// match matches a directory with a pattern that may end in "/...".
func match(pattern, dir string) bool {
	if root, ok := strings.CutSuffix(pattern, "/..."); ok {
		return within(dir, root)
	}
	return dir == pattern
}

// dir is the directory of a package of this module.
func (m *Module) dir(path string) (string, bool) {
	if path == m.Path {
		return ".", true
	}
	return strings.CutPrefix(path, m.Path+"/")
}

// standard reports whether path is of the standard library: no dot in its first
// element.
func standard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}

// Pure checks that no other module is among all that a package depends on,
// directly or not.
func Pure(m *Module, dir string, dependencies []string) (faults []string) {
	for _, d := range dependencies {
		if _, own := m.dir(d); !own && !standard(d) {
			faults = append(faults, fmt.Sprintf("%s depends on %s", dir, d))
		}
	}
	return faults
}

// Documented compares the directories in the first column of the Markdown table
// with those of ours, but for the root and what only serves tests of this
// repository.
func Documented(markdown string, table []Row) (faults []string) {
	told := map[string]bool{}
	for line := range strings.Lines(markdown) {
		cell, ok := strings.CutPrefix(line, "| `")
		if !ok {
			continue
		}
		cell, _, _ = strings.Cut(cell, "|")
		for _, dir := range strings.Split(strings.ReplaceAll(cell, "`", ""), ",") {
			told[strings.TrimSpace(dir)] = true
		}
	}
	for _, row := range table {
		dir := strings.TrimSuffix(row.Dir, "/...")
		if !told[dir] && dir != "." && !realServer(dir) && dir != "internal/archtest" {
			faults = append(faults, dir+": is in the table of imports and not in ARCHITECTURE.md's")
		}
		delete(told, dir)
	}
	for dir := range told {
		faults = append(faults, dir+": is in ARCHITECTURE.md's table and not in the table of imports")
	}
	return faults
}
