package maildir

import (
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestEncodeLevel(t *testing.T) {
	for level, want := range map[string][2]string{
		"Sent":          {"Sent", "Sent"},
		"Sent Items":    {"Sent Items", "Sent Items"},
		"Entwürfe":      {"Entw&APw-rfe", "Entw&APw-rfe"},
		"R&D":           {"R&-D", "R&-D"},
		"a.b":           {"a%2Eb", "a.b"},
		".hidden":       {"%2Ehidden", "%2Ehidden"},
		"..":            {"%2E%2E", "%2E%2E"},
		"...":           {"%2E%2E%2E", "%2E.%2E"},
		"end.":          {"end%2E", "end%2E"},
		"end ":          {"end%20", "end%20"},
		"~root":         {"%7Eroot", "%7Eroot"},
		"100%":          {"100%25", "100%25"},
		`a\b:c*d?e"f`:   {"a%5Cb%3Ac%2Ad%3Fe%22f", "a%5Cb%3Ac%2Ad%3Fe%22f"},
		"<g>|h":         {"%3Cg%3E%7Ch", "%3Cg%3E%7Ch"},
		"":              {"%", "%"},
		"\x00\n\x1b":    {"&AAAACgAb-", "&AAAACgAb-"},
		"con":           {"%63on", "%63on"},
		"NUL":           {"%4EUL", "%4EUL"},
		"com1":          {"%63om1", "%63om1"},
		"com":           {"com", "com"},
		"aux.txt":       {"%61ux%2Etxt", "%61ux.txt"},
		"cur":           {"cur", "%63ur"},
		"New":           {"New", "%4Eew"},
		"tmp":           {"tmp", "%74mp"},
		"INBOX":         {"INBOX", "INBOX"},
		"%53ent":        {"%2553ent", "%2553ent"},
		"a\u0308/b"[:3]: {"a&Awg-", "a&Awg-"},
	} {
		assert.Equal(t, want[0], encodeLevel(level, MaildirPP), "%q", level)
		assert.Equal(t, want[1], encodeLevel(level, Plain), "%q", level)
	}
}

func TestDecodeLevelStrict(t *testing.T) {
	for what, raw := range map[string]string{
		"a percent sign alone": "a%", "one digit": "%4", "no digits": "%zz",
		"8-bit": "Entw\xc3\xbcrfe", "no UTF-7": "A&B", "a slash": "A%2FB", "a control character": "a\nb",
		"8-bit, encoded": "%C3%BC", "empty": "",
	} {
		got, ok := decodeLevel(raw)
		assert.False(t, ok, what)
		assert.Equal(t, raw, got, what)
	}
}

// TestDecodeLevel: other programs may encode more, and write hex in lower case.
func TestDecodeLevel(t *testing.T) {
	for raw, want := range map[string]string{"v1%2e0": "v1.0", "%7ehome": "~home", "%53ent": "Sent", "100%25": "100%"} {
		got, ok := decodeLevel(raw)
		assert.True(t, ok, raw)
		assert.Equal(t, want, got)
	}
}

// checkLevel checks what must be true of a level's directory.
func checkLevel(t *testing.T, level string) {
	t.Helper()
	for _, layout := range []Layout{MaildirPP, Plain} {
		raw := encodeLevel(level, layout)
		for i, dir := range encodings(raw) {
			back, ok := decodeLevel(dir)
			require.True(t, ok, "%q", dir)
			require.Equal(t, level, back)
			require.NotContains(t, []string{"", ".", "..", "cur", "new", "tmp"}[:3+3*int(layout)], dir)
			require.False(t, strings.HasPrefix(dir, ".") || strings.HasPrefix(dir, "~"))
			require.False(t, strings.HasSuffix(dir, ".") || strings.HasSuffix(dir, " "))
			require.NotContains(t, dir, "/")
			for _, c := range []byte(dir) {
				require.True(t, c >= ' ' && c < 0x7f, "%q", dir)
			}
			if i == 2 { // no case to fold: only hex digits of one case
				require.Equal(t, strings.ToUpper(dir), dir)
			}
			if layout == MaildirPP {
				require.NotContains(t, dir, ".")
			}
		}
	}
}

// fold is the worst of file systems: names are equal whatever their case.
type foldingDir map[string]string

// makeFolders makes a directory for each name as makeNew does, and gives them.
func (d foldingDir) makeFolders(t *testing.T, layout Layout, names []string) {
	for _, name := range names {
		made := false
		for _, dir := range encodings(encodeLevel(name, layout)) {
			if _, taken := d[folded(dir)]; !taken {
				d[folded(dir)] = dir
				back, ok := decodeLevel(dir)
				require.True(t, ok)
				require.Equal(t, name, back)
				made = true
				break
			}
		}
		require.True(t, made, "there is no directory for %q", name)
	}
	require.Len(t, d, len(names))
}

// TestNamesStayApart: any names have directories of their own, even where case
// is nothing. They are ASCII, so what a file system makes of ü is nothing to
// them.
func TestNamesStayApart(t *testing.T) {
	pieces := []string{"a", "A", "s", "S", "ſ", "K", "K", "ß", "SS", "ü", "u\u0308", "Ü", "U\u0308", "%", "61", "41", ".", " ", "&", "-", "~",
		"con", "CON", "nul", "\x00", "\n", "台", "😀", "é", "e\u0301", "/"[:0], ",", "cur", "Cur", "INBOX", "inbox", "İ", "i", "I", "ı"}
	r := rand.New(rand.NewPCG(1, 2))
	for _, layout := range []Layout{MaildirPP, Plain} {
		seen := map[string]bool{}
		var names []string
		for len(names) < 5000 {
			var b strings.Builder
			for range 1 + r.IntN(4) {
				b.WriteString(pieces[r.IntN(len(pieces))])
			}
			if name := b.String(); !seen[name] {
				seen[name] = true
				names = append(names, name)
				checkLevel(t, name)
			}
		}
		foldingDir{}.makeFolders(t, layout, names)
	}
}

// TestNamesCollide is the negative control: without other encodings, names that
// differ in case meet.
func TestNamesCollide(t *testing.T) {
	assert.Equal(t, folded(encodeLevel("Sent", MaildirPP)), folded(encodeLevel("sent", MaildirPP)))
	assert.Equal(t, folded(encodeLevel("ä", MaildirPP)), folded(encodeLevel("檄", MaildirPP)), "base64 has case, too")
}

func FuzzName(f *testing.F) {
	f.Fuzz(func(t *testing.T, a, b string) {
		for _, raw := range []string{a, b} {
			// Whatever is in the directory, one name leads back to it.
			if level, ok := decodeLevel(raw); ok {
				require.True(t, utf8.ValidString(level))
				checkLevel(t, level)
			}
		}
		if !utf8.ValidString(a) || !utf8.ValidString(b) || strings.Contains(a+b, delimiter) {
			return
		}
		checkLevel(t, a)
		checkLevel(t, b)
		if a != b {
			foldingDir{}.makeFolders(t, MaildirPP, []string{a, b})
			foldingDir{}.makeFolders(t, Plain, []string{a, b})
		}
	})
}
