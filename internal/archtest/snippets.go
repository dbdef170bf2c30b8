package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"strings"
)

// Snippets finds Go code in the Markdown files of the root that cannot be right:
// code that does not parse, and names and fields of this module that are not
// there. A snippet is a whole file, or statements.
func Snippets(m *Module) (faults []string) {
	names, err := fs.Glob(m.files, "*.md")
	if err != nil {
		return []string{err.Error()}
	}
	known := m.exported()
	for _, name := range names {
		text, err := fs.ReadFile(m.files, name)
		if err != nil {
			faults = append(faults, err.Error())
		}
		for _, code := range goBlocks(string(text)) {
			for _, fault := range known.check(code) {
				faults = append(faults, name+": "+fault)
			}
		}
	}
	return faults
}

func goBlocks(markdown string) (blocks []string) {
	for {
		_, rest, ok := strings.Cut(markdown, "```go\n")
		if !ok {
			return blocks
		}
		var code string
		code, markdown, _ = strings.Cut(rest, "```")
		blocks = append(blocks, code)
	}
}

// exports are the exported names of the public packages by the package's name,
// and of the structs among them the fields.
type exports map[string]map[string]map[string]bool

func (m *Module) exported() exports {
	all := exports{}
	m.code(func(p *Package, f *File) {
		if within(p.Dir, "internal") || within(p.Dir, "examples") {
			return
		}
		pkg := f.Syntax.Name.Name
		if all[pkg] == nil {
			all[pkg] = map[string]map[string]bool{}
		}
		for _, d := range f.Syntax.Decls {
			for _, name := range exportedNames(d) {
				all[pkg][name] = nil
			}
			if d, ok := d.(*ast.GenDecl); ok {
				for _, spec := range d.Specs {
					if t, ok := spec.(*ast.TypeSpec); ok {
						all[pkg][t.Name.Name] = fieldsOf(t.Type)
					}
				}
			}
		}
	})
	return all
}

// fieldsOf gives the fields of a struct; nil for another type.
func fieldsOf(x ast.Expr) map[string]bool {
	s, ok := x.(*ast.StructType)
	if !ok {
		return nil
	}
	fields := map[string]bool{}
	for _, f := range s.Fields.List {
		for _, name := range f.Names {
			fields[name.Name] = true
		}
	}
	return fields
}

func (e exports) check(code string) (faults []string) {
	if !strings.HasPrefix(code, "package ") {
		code = "package snippet\n\nfunc snippet() {\n" + code + "\n}\n"
	}
	syntax, err := parser.ParseFile(token.NewFileSet(), "snippet", code, parser.SkipObjectResolution)
	if err != nil {
		return []string{err.Error()}
	}
	ast.Inspect(syntax, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			if name, _, ok := e.find(n); !ok {
				faults = append(faults, "there is no "+name)
			}
		case *ast.CompositeLit:
			name, fields, _ := e.find(n.Type)
			for _, element := range n.Elts {
				if kv, ok := element.(*ast.KeyValueExpr); ok && fields != nil {
					if key := fmt.Sprint(kv.Key); !fields[key] {
						faults = append(faults, name+" has no field "+key)
					}
				}
			}
		}
		return true
	})
	return faults
}

// find looks up x if it has the form package.Name with a package of this module;
// of others it says that they are there.
func (e exports) find(x ast.Expr) (name string, fields map[string]bool, ok bool) {
	sel, ok := x.(*ast.SelectorExpr)
	if !ok {
		return "", nil, true
	}
	pkg, ok := sel.X.(*ast.Ident)
	if !ok || e[pkg.Name] == nil {
		return "", nil, true
	}
	fields, ok = e[pkg.Name][sel.Sel.Name]
	return pkg.Name + "." + sel.Sel.Name, fields, ok
}
