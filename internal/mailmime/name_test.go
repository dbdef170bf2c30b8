package mailmime

import (
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestSafeName(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"report.pdf", "report.pdf"},
		{"Jörg (1) & co.pdf", "Jörg (1) & co.pdf"},
		{"", "unnamed"},
		{".", "unnamed"},
		{"..", "unnamed"},
		{"...", "unnamed"},
		{"/", "unnamed"},
		{"dir/", "dir"},
		{"../../etc/passwd", "passwd"},
		{`C:\Users\x\a.txt`, "a.txt"},
		{"C:a.txt", "C_a.txt"},
		{"a.txt:stream", "a.txt_stream"},
		{".profile", "_profile"},
		{"-rf", "_rf"},
		{"a.txt. . ", "a.txt"},
		{"  a  ", "a"},
		{"con", "_con"},
		{"CON.txt", "_CON.txt"},
		{"com1.tar.gz", "_com1.tar.gz"},
		{"COM¹", "_COM¹"},
		{"com10", "com10"},
		{"console", "console"},
		{"nul .txt", "_nul .txt"},
		{"a\x00b\x1b[2J\r\nc", "ab[2Jc"},
		{"photo\u202Egnp.exe", "photognp.exe"},
		{"a\u200Bb\uFEFFc", "abc"},
		{"a\xffb", "a_b"},
		{"a／b＼c∕d", "a_b_c_d"},
		{`a<b>c"d|e?f*g`, "a_b_c_d_e_f_g"},
		{"a\u00a0b\tc", "a bc"},
	} {
		if got := SafeName(c.in); got != c.want {
			t.Errorf("SafeName(%q) = %q, want %q", c.in, got, c.want)
		}
	}
}

func TestSafeNameLong(t *testing.T) {
	for _, c := range []struct{ in, suffix string }{
		{strings.Repeat("x", 10_000) + ".pdf", "x.pdf"},
		{strings.Repeat("ö", 10_000) + ".pdf", "ö.pdf"},
		{"x" + strings.Repeat("ö", 10_000), "ö"},
		{"x." + strings.Repeat("y", 10_000), "y"},
		{"CON." + strings.Repeat("y", 196), "y"},
		{"CON" + strings.Repeat(" ", 300) + "x", "CON"},
	} {
		got := SafeName(c.in)
		if len(got) > 200 || len(got) < 4 || !strings.HasSuffix(got, c.suffix) || !utf8.ValidString(got) {
			t.Errorf("%.10q... became %q", c.in, got)
		}
	}
}

// unsafe says why a name must not be used for a file in one directory, "" if it
// may.
func unsafe(name string) string {
	switch {
	case name == "" || len(name) > 200 || !utf8.ValidString(name):
		return "empty, long or not UTF-8"
	case filepath.Base(name) != name || !filepath.IsLocal(name) || strings.ContainsAny(name, `/\:<>"|?*`):
		return "not a plain name"
	case strings.ContainsAny(name[:1], ".- ") || strings.TrimRight(name, ". ") != name:
		return "bad ends"
	case reserved(name):
		return "reserved"
	case strings.ContainsFunc(name, func(r rune) bool { return unprintable(r) || invisible(r) }):
		return "cannot be seen"
	}
	return ""
}

func FuzzSafeName(f *testing.F) {
	for _, s := range []string{"../x", "CON .txt", "a\u202e\x00", "-.. ", strings.Repeat("ö", 150) + ".x", `\\?\C:\x`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := SafeName(s)
		if why := unsafe(got); why != "" {
			t.Errorf("SafeName(%q) = %q: %s", s, got, why)
		}
		if again := SafeName(got); again != got {
			t.Errorf("SafeName(%q) = %q, and of that %q", s, got, again)
		}
		if p := Printable(s, 50); len(p) > 50 || !utf8.ValidString(p) || strings.ContainsFunc(p, unprintable) {
			t.Errorf("Printable(%q) = %q", s, p)
		}
	})
}

func TestPrintable(t *testing.T) {
	for _, c := range []struct {
		in   string
		max  int
		want string
	}{
		{"Jörg", 0, "Jörg"},
		{"a\x1b[31mb\x07\u009bc\u202ed\u2066e", 0, "a[31mbcde"},
		{"a\r\nb\tc", 0, "a  b c"},
		{"a\xffb", 0, "a\uFFFDb"},
		{"Jörg", 2, "J"},
		{"Jörg", 3, "Jö"},
		{strings.Repeat("x", 1000), 10, "xxxxxxxxxx"},
		{"👩\u200d👧", 0, "👩\u200d👧"},
	} {
		if got := Printable(c.in, c.max); got != c.want {
			t.Errorf("Printable(%q, %d) = %q, want %q", c.in, c.max, got, c.want)
		}
	}
}
