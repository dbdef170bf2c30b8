package archtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/importer"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"sort"
)

// Listed is what the go command says of one package.
type Listed struct {
	ImportPath string
	// Export is the file of its compiled types.
	Export string
	// Deps are the packages that it depends on, directly or not.
	Deps []string
	// DepOnly is false for the packages that were asked for.
	DepOnly bool
}

// List asks the go command about all packages of the module in dir, and what
// they depend on. It compiles them.
func List(dir string) (map[string]*Listed, error) {
	cmd := exec.Command("go", "list", "-buildvcs=false", "-export", "-deps", "-json=ImportPath,Export,Deps,DepOnly", "./...")
	cmd.Dir = dir
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w: %s", err, complaint.Bytes())
	}
	all := map[string]*Listed{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p Listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		all[p.ImportPath] = &p
	}
}

// Signatures finds types of other modules in what a package exports: in
// functions, methods, fields, variables, and in types of this module that those
// lead to. The types named in allowed, such as "golang.org/x/oauth2.TokenSource",
// are none.
func Signatures(m *Module, listed map[string]*Listed, path string, allowed ...string) ([]string, error) {
	lookup := func(path string) (io.ReadCloser, error) {
		p := listed[path]
		if p == nil || p.Export == "" {
			return nil, fmt.Errorf("no compiled types of %s", path)
		}
		return os.Open(p.Export)
	}
	pkg, err := importer.ForCompiler(token.NewFileSet(), "gc", lookup).Import(path)
	if err != nil {
		return nil, err
	}
	w := &typeWalk{m: m, seen: map[types.Type]bool{}, found: map[string]bool{}}
	for _, a := range allowed {
		w.found[a] = true
	}
	var faults []string
	for _, name := range pkg.Scope().Names() {
		object := pkg.Scope().Lookup(name)
		if !object.Exported() {
			continue
		}
		w.fresh = nil
		w.visit(object.Type())
		for _, t := range w.fresh {
			faults = append(faults, fmt.Sprintf("%s.%s shows %s", path, name, t))
		}
	}
	sort.Strings(faults)
	return faults, nil
}

// typeWalk looks for types of other modules. Each is told once.
type typeWalk struct {
	m     *Module
	seen  map[types.Type]bool
	found map[string]bool
	fresh []string
}

func (w *typeWalk) visit(t types.Type) {
	if t == nil || w.seen[t] {
		return
	}
	w.seen[t] = true
	switch t := t.(type) {
	case *types.Alias:
		if w.ours(t.Obj()) {
			w.visit(t.Rhs())
		}
	case *types.Named:
		w.named(t)
	case *types.Pointer:
		w.visit(t.Elem())
	case *types.Slice:
		w.visit(t.Elem())
	case *types.Array:
		w.visit(t.Elem())
	case *types.Chan:
		w.visit(t.Elem())
	case *types.Map:
		w.visit(t.Key())
		w.visit(t.Elem())
	case *types.Signature:
		w.parameters(t.TypeParams())
		w.tuple(t.Params())
		w.tuple(t.Results())
	case *types.Struct:
		for f := range t.Fields() {
			if f.Exported() || f.Embedded() {
				w.visit(f.Type())
			}
		}
	case *types.Interface:
		for method := range t.ExplicitMethods() {
			w.visit(method.Type())
		}
		for e := range t.EmbeddedTypes() {
			w.visit(e)
		}
	case *types.Union:
		for term := range t.Terms() {
			w.visit(term.Type())
		}
	case *types.TypeParam:
		w.visit(t.Constraint())
	}
}

func (w *typeWalk) named(t *types.Named) {
	for a := range t.TypeArgs().Types() {
		w.visit(a)
	}
	if !w.ours(t.Obj()) {
		return
	}
	w.parameters(t.TypeParams())
	w.visit(t.Underlying())
	for method := range t.Methods() {
		if method.Exported() {
			w.visit(method.Type())
		}
	}
}

func (w *typeWalk) tuple(t *types.Tuple) {
	for v := range t.Variables() {
		w.visit(v.Type())
	}
}

func (w *typeWalk) parameters(list *types.TypeParamList) {
	for p := range list.TypeParams() {
		w.visit(p)
	}
}

// ours reports whether a type is of this module, and notes it if it is of
// another one.
func (w *typeWalk) ours(name *types.TypeName) bool {
	if name.Pkg() == nil {
		return false // error, any
	}
	path := name.Pkg().Path()
	if _, own := w.m.dir(path); own {
		return true
	}
	if full := path + "." + name.Name(); !standard(path) && !w.found[full] {
		w.found[full] = true
		w.fresh = append(w.fresh, full)
	}
	return false
}
