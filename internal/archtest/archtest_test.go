package archtest

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const root = "../.."

// The public packages whose signatures are free of other modules, so that these
// can be replaced; those that are to come are named already.
var replaceable = []string{".", "mailbox", "mailbox/access", "mailbox/batch", "mailbox/charset", "mailbox/folders", "mailbox/memory", "mailbox/mailboxtest", "imapsrc", "popsrc",
	"mailbox/maildir", "mailbox/transfer", "smtpsink", "discover"}

func report(t *testing.T, faults []string) {
	t.Helper()
	for _, f := range faults {
		t.Error(f)
	}
}

func repository(t *testing.T) *Module {
	t.Helper()
	m, err := Parse(os.DirFS(root))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestRepository(t *testing.T) {
	m := repository(t)
	t.Run("imports", func(t *testing.T) { report(t, Imports(m, Table())) })
	t.Run("exports", func(t *testing.T) {
		report(t, Exports(m, "mailbox", 90))
		for _, row := range Table() {
			if row.Driver {
				report(t, Exports(m, row.Dir, 25))
			}
		}
	})
	t.Run("doc comments", func(t *testing.T) { report(t, DocComments(m)) })
	t.Run("size", func(t *testing.T) { report(t, Size(m, 500, 700)) })
	t.Run("examples", func(t *testing.T) { report(t, ExampleOutput(m)) })
	t.Run("sleeps", func(t *testing.T) { report(t, Sleeps(m)) })
	t.Run("skips", func(t *testing.T) { report(t, Skips(m)) })
	t.Run("init", func(t *testing.T) { report(t, Inits(m)) })
	t.Run("environment", func(t *testing.T) { report(t, Environment(m)) })
	t.Run("corpora", func(t *testing.T) { report(t, Corpora(m)) })
	t.Run("unfinished", func(t *testing.T) { report(t, Unfinished(m)) })
	t.Run("machine paths", func(t *testing.T) { report(t, MachinePaths(m)) })
	t.Run("snippets", func(t *testing.T) { report(t, Snippets(m)) })
	t.Run("architecture", func(t *testing.T) {
		text, err := fs.ReadFile(m.files, "ARCHITECTURE.md")
		if err != nil {
			t.Fatal(err)
		}
		report(t, Documented(string(text), Table()))
	})
}

// TestCompiled holds the rules that need the go command and compiled types.
func TestCompiled(t *testing.T) {
	m := repository(t)
	listed, err := List(root)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("packages", func(t *testing.T) {
		for path, p := range listed {
			dir, own := m.dir(path)
			if own && !p.DepOnly && !m.has(dir) {
				t.Errorf("go list knows %s, which the rules do not see", dir)
			}
		}
	})
	t.Run("pure", func(t *testing.T) {
		for _, dir := range []string{"mailbox", "mailbox/mailboxtest"} {
			p := listed[m.Path+"/"+dir]
			if p == nil {
				t.Fatalf("go list does not know %s", dir)
			}
			report(t, Pure(m, dir, p.Deps))
		}
	})
	t.Run("signatures", func(t *testing.T) {
		for _, dir := range replaceable {
			path := strings.TrimSuffix(m.Path+"/"+dir, "/.")
			if listed[path] == nil {
				if m.has(dir) {
					t.Errorf("go list does not know %s", dir)
				}
				continue
			}
			faults, err := Signatures(m, listed, path, "golang.org/x/oauth2.TokenSource")
			if err != nil {
				t.Error(err)
			}
			report(t, faults)
		}
	})
}

func (m *Module) has(dir string) bool {
	for _, p := range m.Packages {
		if p.Dir == dir {
			return true
		}
	}
	return false
}

// TestWorkflow checks what cannot be seen in Go files: that the scripts of CI
// can be run, and that they are syntactically right.
func TestWorkflow(t *testing.T) {
	for _, script := range []string{"run", "dovecot", "postfix"} {
		name := filepath.Join(root, ".ci", script)
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode()&0o111 == 0 {
			t.Errorf("%s is not executable", name)
		}
		if out, err := exec.Command("bash", "-n", name).CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", name, err, out)
		}
	}
}
