package archtest

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// source is a module "example.com/m" made of the given files.
func source(t *testing.T, files map[string]string) *Module {
	t.Helper()
	all := fstest.MapFS{"go.mod": {Data: []byte("module example.com/m\n\ngo 1.26\n")}}
	for name, text := range files {
		all[name] = &fstest.MapFile{Data: []byte(text)}
	}
	m, err := Parse(all)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func same(t *testing.T, got, want []string) {
	t.Helper()
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("faults:\n  %s\nwant:\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// TestControl gives each rule sources that break it, and others that come near
// and do not.
func TestControl(t *testing.T) {
	// In pieces, so that this file does not break the rules itself, and a search
	// for what breaks them does not end here.
	machine, mark, sleep, skip := "/ro"+"ot/", "TO"+"DO", "time.Sl"+"eep", "t.Sk"+"ip"
	for _, c := range []struct {
		name  string
		rule  func(*Module) []string
		files map[string]string
		want  []string
	}{
		{
			"imports",
			func(m *Module) []string {
				return Imports(m, []Row{
					{Dir: "a", Own: []string{"b"}},
					{Dir: "b", Own: []string{"internal/..."}, Modules: []string{"example.org/allowed"}},
					{Dir: "internal/x"},
				})
			},
			map[string]string{
				"a/a.go":          "package a\n\nimport _ \"example.com/m/b\"\nimport _ \"example.com/m/internal/x\"\nimport _ \"io\"\n",
				"a/a_windows.go":  "package a\n\nimport _ \"example.org/other\"\n",
				"a/a_test.go":     "package a\n\nimport _ \"example.org/tests\"\n",
				"b/b.go":          "package b\n\nimport _ \"example.com/m/internal/x\"\nimport _ \"example.org/allowed/sub\"\nimport _ \"example.org/allowedly\"\n",
				"internal/x/x.go": "package x\n\nimport _ \"example.com/m\"\n",
				"new/new.go":      "package new\n\nimport _ \"io\"\n",
				"new/more.go":     "package new\n",
				"testdata/bad.go": "package bad\n\nimport _ \"example.org/other\"\n",
			},
			[]string{
				"a/a.go:4: a must not import example.com/m/internal/x",
				"a/a_windows.go:3: a must not import example.org/other",
				"b/b.go:5: b must not import example.org/allowedly",
				"internal/x/x.go:3: internal/x must not import example.com/m",
				"new: has no row in the table of imports",
			},
		},
		{
			"exports",
			func(m *Module) []string {
				return slices.Concat(Exports(m, "a", 5), Exports(m, "a", 4), Exports(m, "missing", 4))
			},
			map[string]string{
				"a/a.go":      "package a\n\nconst A, b = 1, 2\n\nvar C int\n\ntype D struct{ X int }\n\nfunc (D) M() {}\n\nfunc F() {}\n",
				"a/b.go":      "package a\n\ntype (\n\tG int\n\th int\n)\n",
				"a/a_test.go": "package a\n\nfunc Z() {}\n",
			},
			[]string{"a: exports 5 names, more than 4", "missing: exports nothing, or is not there"},
		},
		{
			"doc comments", DocComments,
			map[string]string{
				"a/a.go": "// Package a is.\npackage a\n\n// The group.\nconst (\n\tA = 1\n\tB = 2\n)\n\nconst C = 3\n\nvar (\n\tD int // is told\n\tE int\n)\n\n" +
					"type F int\n\nfunc (F) G() {}\n\nfunc (*f[T]) G() {}\n\ntype f[T any] int\n\nfunc H() {}\n\n// I is told.\ntype I int\n\n// Group.\ntype (\n\tJ int\n)\n",
				"b/b.go":      "package b\n",
				"b/b_test.go": "package b\n\nfunc A() {}\n",
				"c/main.go":   "// Command c is.\npackage main\n\nfunc A() {}\n",
			},
			[]string{
				"a/a.go:10: C has no doc comment", "a/a.go:14: E has no doc comment", "a/a.go:17: F has no doc comment",
				"a/a.go:19: G has no doc comment", "a/a.go:25: H has no doc comment", "a/a.go:32: J has no doc comment",
				"b: the package has no doc comment",
			},
		},
		{
			"size", func(m *Module) []string { return Size(m, 3, 5) },
			map[string]string{
				"a/a.go": "package a\n\n\n", "a/b.go": "package a\n\n\n\n",
				"a/a_test.go": "package a\n\n\n\n\n", "a/b_test.go": "package a\n\n\n\n\n\n",
			},
			[]string{"a/b.go: 4 lines, more than 3", "a/b_test.go: 6 lines, more than 5"},
		},
		{
			"examples", ExampleOutput,
			map[string]string{"a/a_test.go": "package a\n\nfunc ExampleA() {\n\tf()\n\t// Output: x\n}\n\nfunc ExampleB() {\n\tf()\n}\n\n" +
				"func ExampleC() {\n\tf()\n\t// Output:\n}\n\nfunc ExampleD() {\n\tf()\n\t// Unordered output: x\n}\n"},
			[]string{"a/a_test.go:8: ExampleB has no // Output:"},
		},
		{
			"sleeps", Sleeps,
			map[string]string{
				"a/a_test.go": "package a\n\nfunc f() {\n\tx(" + sleep + "(1))\n\tother.Sleep(1)\n}\n",
				"a/a.go":      "package a\n\nfunc f() {\n\t" + sleep + "(1)\n}\n",
			},
			[]string{"a/a_test.go:4: time.Sleep in a test"},
		},
		{
			"skips", Skips,
			map[string]string{
				"a/a_test.go":           "package a\n\nfunc f() {\n\t" + skip + "()\n\tb.Skipf(\"\")\n\tlexer.Skip(1)\n}\n",
				"a/a.go":                "package a\n\nfunc f() {\n\ttb.SkipNow()\n}\n",
				"internal/dovecot/a.go": "package a\n\nfunc f() {\n\t" + skip + "Now()\n}\n",
			},
			[]string{
				"a/a.go:4: a test that may leave itself out",
				"a/a_test.go:4: a test that may leave itself out", "a/a_test.go:5: a test that may leave itself out",
			},
		},
		{
			"init", Inits,
			map[string]string{
				"a/a.go": "package a\n\nfunc init() {}\n\nfunc (T) init() {}\n", "a/a_test.go": "package a\n\nfunc init() {}\n",
				"c/c.go": "package main\n\nfunc init() {}\n",
			},
			[]string{"a/a.go:3: an init function"},
		},
		{
			"environment", Environment,
			map[string]string{
				"a/a.go":                "package a\n\nvar x = os.Getenv(\"X\")\nvar f = os.LookupEnv\nvar y = os.Args\n",
				"a/a_test.go":           "package a\n\nvar x = os.Getenv(\"X\")\n",
				"examples/e/main.go":    "package main\n\nvar x = os.Getenv(\"X\")\n",
				"internal/dovecot/a.go": "package a\n\nvar x = os.Getenv(\"X\")\n",
			},
			[]string{"a/a.go:3: reads the environment", "a/a.go:4: reads the environment"},
		},
		{
			"corpora", Corpora,
			map[string]string{
				"a/a_test.go": "package a\n\nfunc FuzzA(f *testing.F) {}\n\nfunc FuzzB(f *testing.F) {}\n", "a/testdata/fuzz/FuzzA/one": "x",
			},
			[]string{"a/a_test.go:5: FuzzB has no inputs in testdata/fuzz"},
		},
		{
			"unfinished", Unfinished,
			map[string]string{"a/a.go": "package a\n\n// " + mark + ": more\nvar s = \"" + mark + "\" // " + mark + "S\n"},
			[]string{"a/a.go:3: a mark of unfinished work"},
		},
		{
			"machine paths", MachinePaths,
			map[string]string{
				"a/a.go": "package a\n\nvar s = \"" + machine + "x\"\nvar u = \"http://example.com" + machine + "x\"\n", ".ci/run": "cd " + machine,
				".git/x": machine, "a/binary": "\x00 " + machine,
			},
			[]string{".ci/run:1: a path of one machine", "a/a.go:3: a path of one machine"},
		},
		{
			"snippets", Snippets,
			map[string]string{
				"a/a.go": "package a\n\ntype S struct{ F, G int }\n\ntype L []int\n\nfunc Do(S) {}\n",
				"A.md":   "```go\na.Do(a.S{F: 1, Gone: x.F})\na.Done()\n_ = a.L{0: 1}\nb.Any(b.S{X: 1})\n```\ntext\n```sh\na.Sh()\n```\n",
				"B.md":   "```go\npackage x\n\nvar v = &a.S{G: 1}\nvar w a.Missing\n```\n```go\nfunc (\n```\n",
			},
			[]string{
				"A.md: a.S has no field Gone", "A.md: there is no a.Done", "B.md: there is no a.Missing",
				"B.md: snippet:6:1: expected ')', found '}'",
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) { same(t, c.rule(source(t, c.files)), c.want) })
	}
}

func TestDocumentedControl(t *testing.T) {
	table := []Row{{Dir: "."}, {Dir: "a"}, {Dir: "b/..."}, {Dir: "c"}, {Dir: "internal/dovecot"}}
	text := "| where | what |\n|---|---|\n| `a`, `d` | `x` |\n| `b` | the `c` package |\n"
	same(t, Documented(text, table), []string{
		"c: is in the table of imports and not in ARCHITECTURE.md's",
		"d: is in ARCHITECTURE.md's table and not in the table of imports",
	})
}

func TestParseControl(t *testing.T) {
	for name, files := range map[string]fstest.MapFS{
		"no go.mod":    {},
		"bad go.mod":   {"go.mod": {Data: []byte("go 1.26")}},
		"bad Go":       {"go.mod": {Data: []byte("module m")}, "a.go": {Data: []byte("package")}},
		"vanished dir": {"go.mod": {Data: []byte("module m")}, "d": {Mode: fs.ModeDir}, "d/a.go": {Data: []byte("x")}},
	} {
		if _, err := Parse(files); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestSignaturesControl compiles a module with another one beside it.
func TestSignaturesControl(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("go.mod", "module example.com/m\n\ngo 1.26\n\nrequire example.org/other v0.0.0\n\nreplace example.org/other => ./other\n")
	write("other/go.mod", "module example.org/other\n\ngo 1.26\n")
	write("other/other.go", "package other\n\nimport \"context\"\n\ntype A int\ntype B int\ntype C int\ntype D int\ntype E int\ntype F int\ntype G int\n"+
		"type H = context.Context\ntype Allowed int\ntype Hidden int\n")
	write("internal/x/x.go", "package x\n\nimport \"example.org/other\"\n\ntype X struct{ hidden other.Hidden }\n\nfunc (X) Method() []other.C { return nil }\n"+
		"func (X) method() (h other.Hidden) { return h }\n")
	write("bad/bad.go", `package bad

import (
	"example.com/m/internal/x"
	"example.org/other"
)

func Func(map[string]*other.A) {}

var Var = func(other.B) {}

type Alias = x.X

type Struct struct {
	Field  chan other.D
	hidden other.Hidden
}

type Interface interface{ M(...other.E) }

type Generic[T interface{ ~string | other.F }] struct{}

const Const = other.G(1)

type Other = other.H

func Allowed() (a other.Allowed) { return a }

func unexported(other.Hidden) {}
`)
	write("good/good.go", "package good\n\nimport (\n\t\"context\"\n\n\t\"example.org/other\"\n)\n\nvar hidden other.A\n\nfunc F(context.Context) error { return nil }\n")
	// The fixture needs nothing that is not there.
	t.Setenv("GOFLAGS", "-mod=mod")
	t.Setenv("GOPROXY", "off")
	listed, err := List(dir)
	if err != nil {
		t.Fatal(err)
	}
	m, err := Parse(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}

	bad, err := Signatures(m, listed, "example.com/m/bad", "example.org/other.Allowed")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for name, shown := range map[string]string{"Func": "A", "Var": "B", "Alias": "C", "Struct": "D", "Interface": "E", "Generic": "F", "Const": "G", "Other": "H"} {
		want = append(want, "example.com/m/bad."+name+" shows example.org/other."+shown)
	}
	same(t, bad, want)
	good, err := Signatures(m, listed, "example.com/m/good")
	if err != nil {
		t.Fatal(err)
	}
	same(t, good, nil)
	if _, err := Signatures(m, listed, "example.com/m/missing"); err == nil {
		t.Error("a package that is not there: no error")
	}

	same(t, Pure(m, "good", listed["example.com/m/good"].Deps), []string{"good depends on example.org/other"})
	write("broken/broken.go", "package broken\n\nvar x int = \"\"\n")
	if _, err := List(dir); err == nil {
		t.Error("a module that does not compile: no error")
	}
}
