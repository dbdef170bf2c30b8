package archtest

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"sort"
	"strconv"
	"strings"
)

// Module is the source of one Go module.
type Module struct {
	// Path is the module's path, from go.mod.
	Path string
	// Packages are in the order of their directories.
	Packages []*Package

	fset  *token.FileSet
	files fs.FS
}

// Package is what one directory holds, tests included, for all platforms.
type Package struct {
	// Dir is relative to the module's root, with slashes; "." is the root.
	Dir   string
	Files []*File
}

// File is one Go file.
type File struct {
	Path   string
	Test   bool
	Lines  int
	Syntax *ast.File

	fset *token.FileSet
}

// Parse reads all Go files of a module, but for testdata and for directories
// that the go command leaves out.
func Parse(fsys fs.FS) (*Module, error) {
	mod, err := fs.ReadFile(fsys, "go.mod")
	if err != nil {
		return nil, err
	}
	m := &Module{fset: token.NewFileSet(), files: fsys}
	if _, err := fmt.Sscanf(string(mod), "module %s", &m.Path); err != nil {
		return nil, fmt.Errorf("go.mod: %w", err)
	}
	packages := map[string]*Package{}
	err = walk(fsys, func(name string) error {
		if path.Ext(name) != ".go" || strings.Contains(name, "testdata/") {
			return nil
		}
		f, err := m.parse(name)
		if err != nil {
			return err
		}
		dir := path.Dir(name)
		if packages[dir] == nil {
			packages[dir] = &Package{Dir: dir}
			m.Packages = append(m.Packages, packages[dir])
		}
		packages[dir].Files = append(packages[dir].Files, f)
		return nil
	})
	sort.Slice(m.Packages, func(i, j int) bool { return m.Packages[i].Dir < m.Packages[j].Dir })
	return m, err
}

// walk calls do with every file, but for those in directories that begin with a
// dot or an underscore; .ci it does look into.
func walk(fsys fs.FS, do func(name string) error) error {
	return fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case !d.IsDir():
			return do(name)
		case name != "." && name != ".ci" && strings.ContainsAny(d.Name()[:1], "._"):
			return fs.SkipDir
		}
		return nil
	})
}

func (m *Module) parse(name string) (*File, error) {
	src, err := fs.ReadFile(m.files, name)
	if err != nil {
		return nil, err
	}
	syntax, err := parser.ParseFile(m.fset, name, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	return &File{
		Path:   name,
		Test:   strings.HasSuffix(name, "_test.go"),
		Lines:  bytes.Count(src, []byte("\n")),
		Syntax: syntax,
		fset:   m.fset,
	}, nil
}

// code yields the files that are no tests, with their packages.
func (m *Module) code(do func(*Package, *File)) {
	for _, p := range m.Packages {
		for _, f := range p.Files {
			if !f.Test {
				do(p, f)
			}
		}
	}
}

// tests yields the test files.
func (m *Module) tests(do func(*Package, *File)) {
	for _, p := range m.Packages {
		for _, f := range p.Files {
			if f.Test {
				do(p, f)
			}
		}
	}
}

// at says where a node is, with what is wrong there.
func (f *File) at(n ast.Node, format string, args ...any) string {
	return fmt.Sprintf("%s:%d: ", f.Path, f.fset.Position(n.Pos()).Line) + fmt.Sprintf(format, args...)
}

// imports yields each import's path.
func (f *File) imports(do func(spec *ast.ImportSpec, path string)) {
	for _, spec := range f.Syntax.Imports {
		p, _ := strconv.Unquote(spec.Path.Value) // the parser has checked it
		do(spec, p)
	}
}

// calls yields every call of the form x.name(…) where x is one identifier.
func (f *File) calls(do func(call *ast.CallExpr, x, name string)) {
	ast.Inspect(f.Syntax, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			if sel, ok := call.Fun.(*ast.SelectorExpr); ok {
				if x, ok := sel.X.(*ast.Ident); ok {
					do(call, x.Name, sel.Sel.Name)
				}
			}
		}
		return true
	})
}

// within reports whether dir is root or below it.
func within(dir, root string) bool {
	return dir == root || strings.HasPrefix(dir, root+"/")
}
