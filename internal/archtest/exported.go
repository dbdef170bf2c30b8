package archtest

import (
	"fmt"
	"go/ast"
	"go/token"
)

// Exports counts the exported package-level names of a package and finds more
// than limit a fault.
func Exports(m *Module, dir string, limit int) (faults []string) {
	count := 0
	m.code(func(p *Package, f *File) {
		if p.Dir != dir {
			return
		}
		for _, d := range f.Syntax.Decls {
			count += len(exportedNames(d))
		}
	})
	if count == 0 {
		return []string{dir + ": exports nothing, or is not there"}
	}
	if count > limit {
		return []string{fmt.Sprintf("%s: exports %d names, more than %d", dir, count, limit)}
	}
	return nil
}

func exportedNames(d ast.Decl) (names []string) {
	add := func(id *ast.Ident) {
		if id.IsExported() {
			names = append(names, id.Name)
		}
	}
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Recv == nil {
			add(d.Name)
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				add(spec.Name)
			case *ast.ValueSpec:
				for _, id := range spec.Names {
					add(id)
				}
			}
		}
	}
	return names
}

// DocComments finds exported symbols and packages that have no doc comment. The
// comment of a group of constants or variables serves all of the group.
func DocComments(m *Module) (faults []string) {
	documented := map[string]bool{}
	m.code(func(p *Package, f *File) {
		documented[p.Dir] = documented[p.Dir] || f.Syntax.Doc != nil
		if f.Syntax.Name.Name == "main" {
			return
		}
		for _, d := range f.Syntax.Decls {
			for _, n := range undocumented(d) {
				faults = append(faults, f.at(n, "%s has no doc comment", n.Name))
			}
		}
	})
	for dir, ok := range documented {
		if !ok {
			faults = append(faults, dir+": the package has no doc comment")
		}
	}
	return faults
}

func undocumented(d ast.Decl) (names []*ast.Ident) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Doc == nil && d.Name.IsExported() && (d.Recv == nil || receiver(d).IsExported()) {
			names = append(names, d.Name)
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				if spec.Name.IsExported() && spec.Doc == nil && (d.Doc == nil || d.Lparen != token.NoPos) {
					names = append(names, spec.Name)
				}
			case *ast.ValueSpec:
				for _, id := range spec.Names {
					if id.IsExported() && spec.Doc == nil && spec.Comment == nil && d.Doc == nil {
						names = append(names, id)
					}
				}
			}
		}
	}
	return names
}

// receiver is the name of a method's type.
func receiver(d *ast.FuncDecl) *ast.Ident {
	x := d.Recv.List[0].Type
	for {
		switch y := x.(type) {
		case *ast.StarExpr:
			x = y.X
		case *ast.IndexExpr:
			x = y.X
		case *ast.IndexListExpr:
			x = y.X
		case *ast.Ident:
			return y
		default:
			return ast.NewIdent("_")
		}
	}
}
