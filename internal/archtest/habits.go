package archtest

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/doc"
	"io/fs"
	"path"
	"regexp"
	"strings"
)

// Size finds files of more lines than the limits for code and for tests.
func Size(m *Module, code, tests int) (faults []string) {
	for _, p := range m.Packages {
		for _, f := range p.Files {
			limit := code
			if f.Test {
				limit = tests
			}
			if f.Lines > limit {
				faults = append(faults, fmt.Sprintf("%s: %d lines, more than %d", f.Path, f.Lines, limit))
			}
		}
	}
	return faults
}

// ExampleOutput finds Examples that go test compiles and does not run: those
// without an Output comment.
func ExampleOutput(m *Module) (faults []string) {
	m.tests(func(_ *Package, f *File) {
		for _, e := range doc.Examples(f.Syntax) {
			if e.Output == "" && !e.EmptyOutput {
				faults = append(faults, f.at(e.Code, "Example%s has no // Output:", e.Name))
			}
		}
	})
	return faults
}

// Sleeps finds time.Sleep in tests: they wait for what happens, or run in
// testing/synctest.
func Sleeps(m *Module) (faults []string) {
	m.tests(func(_ *Package, f *File) {
		f.calls(func(call *ast.CallExpr, x, name string) {
			if x == "time" && name == "Sleep" {
				faults = append(faults, f.at(call, "time.Sleep in a test"))
			}
		})
	})
	return faults
}

// realServer reports whether a package runs tests on a real server, which may not
// be there.
func realServer(dir string) bool { return dir == "internal/dovecot" || dir == "internal/postfix" }

// Skips finds tests that may leave themselves out. Only those on real servers may.
func Skips(m *Module) (faults []string) {
	for _, p := range m.Packages {
		if realServer(p.Dir) {
			continue
		}
		for _, f := range p.Files {
			f.calls(func(call *ast.CallExpr, x, name string) {
				test := x == "t" || x == "b" || x == "f" || x == "tb"
				if test && (name == "Skip" || name == "Skipf" || name == "SkipNow") {
					faults = append(faults, f.at(call, "a test that may leave itself out"))
				}
			})
		}
	}
	return faults
}

// Inits finds init functions in libraries: importing a package does nothing.
func Inits(m *Module) (faults []string) {
	m.code(func(_ *Package, f *File) {
		for _, d := range f.Syntax.Decls {
			if d, ok := d.(*ast.FuncDecl); ok && d.Recv == nil && d.Name.Name == "init" && f.Syntax.Name.Name != "main" {
				faults = append(faults, f.at(d, "an init function"))
			}
		}
	})
	return faults
}

// Environment finds code that reads the environment: what a library does is said
// by its arguments. Programs may, and tests on real servers.
func Environment(m *Module) (faults []string) {
	m.code(func(p *Package, f *File) {
		if within(p.Dir, "examples") || realServer(p.Dir) {
			return
		}
		ast.Inspect(f.Syntax, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			x, ok := sel.X.(*ast.Ident)
			if !ok || x.Name != "os" && x.Name != "syscall" {
				return true
			}
			switch sel.Sel.Name {
			case "Getenv", "LookupEnv", "Environ", "ExpandEnv":
				faults = append(faults, f.at(sel, "reads the environment"))
			}
			return true
		})
	})
	return faults
}

// Corpora finds fuzz targets without committed inputs.
func Corpora(m *Module) (faults []string) {
	m.tests(func(p *Package, f *File) {
		for _, d := range f.Syntax.Decls {
			d, ok := d.(*ast.FuncDecl)
			if !ok || d.Recv != nil || !strings.HasPrefix(d.Name.Name, "Fuzz") {
				continue
			}
			inputs, err := fs.ReadDir(m.files, path.Join(p.Dir, "testdata/fuzz", d.Name.Name))
			if err != nil || len(inputs) == 0 {
				faults = append(faults, f.at(d, "%s has no inputs in testdata/fuzz", d.Name.Name))
			}
		}
	})
	return faults
}

// Unfinished finds comments that say that something is still to be done.
func Unfinished(m *Module) (faults []string) {
	// In pieces, so that a search for such marks does not end here.
	mark := regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X|HA` + `CK)\b`)
	for _, p := range m.Packages {
		for _, f := range p.Files {
			for _, group := range f.Syntax.Comments {
				for _, c := range group.List {
					if mark.MatchString(c.Text) {
						faults = append(faults, f.at(c, "a mark of unfinished work"))
					}
				}
			}
		}
	}
	return faults
}

// MachinePaths finds the paths of one person's machine in any text file.
func MachinePaths(m *Module) (faults []string) {
	home := regexp.MustCompile(`(^|[^A-Za-z0-9_.])/(root|work|home/[a-z]+|Users/[A-Za-z]+)/`)
	_ = walk(m.files, func(name string) error {
		data, err := fs.ReadFile(m.files, name)
		if err != nil || bytes.IndexByte(data, 0) >= 0 {
			return nil // a binary, or gone
		}
		for i, line := range bytes.Split(data, []byte("\n")) {
			if home.Match(line) {
				faults = append(faults, fmt.Sprintf("%s:%d: a path of one machine", name, i+1))
			}
		}
		return nil
	})
	return faults
}
