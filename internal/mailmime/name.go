package mailmime

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxName is the longest file name that SafeName gives, in octets. File systems
// allow 255, and programs like to add to a name.
const maxName = 200

// SafeName makes what a sender calls a file into a name for a file in one
// directory, on any system: what stands before a separator is dropped, other
// characters that some system gives a meaning are "_". It has no control,
// direction or zero-width characters, is no reserved name, begins with neither
// "." nor "-", ends in neither dot nor space, and has at most 200 octets, its
// extension kept. It is never empty: "unnamed".
func SafeName(name string) string {
	name = strings.ToValidUTF8(name, "_")
	name = strings.TrimRight(name, `/\ `)
	if i := strings.LastIndexAny(name, `/\`); i >= 0 {
		name = name[i+1:]
	}
	name = strings.Map(safeRune, name)
	name = cutName(strings.TrimLeft(name, " "))
	name = strings.TrimRight(name, ". ")
	if name == "" {
		return "unnamed"
	}
	if name[0] == '.' || name[0] == '-' {
		name = "_" + name[1:]
	}
	if reserved(name) {
		name = cutName("_" + name)
	}
	return name
}

// safeRune gives what stands for r in a file's name, -1 to drop it.
func safeRune(r rune) rune {
	switch {
	case strings.ContainsRune(`/\:<>"|?*`, r):
		return '_'
	// These look like a separator, and Windows makes them one where it
	// converts a name to an 8-bit charset.
	case strings.ContainsRune("\u2044\u2215\u2216\u29f5\u29f8\u29f9\ufe68\uff0f\uff1a\uff3c", r):
		return '_'
	case unprintable(r), invisible(r):
		return -1
	case unicode.IsSpace(r):
		return ' '
	}
	return r
}

// invisible reports whether r takes no room or turns the direction of text.
func invisible(r rune) bool {
	switch {
	case unicode.Is(unicode.Cf, r), unicode.Is(unicode.Co, r):
		return true
	case r == 0x034F, r == 0x115F, r == 0x1160, r == 0x3164, r == 0xFFA0, r == 0x17B4, r == 0x17B5:
		return true
	case r >= 0xFE00 && r <= 0xFE0F, r >= 0xE0000 && r <= 0xE0FFF, r >= 0x180B && r <= 0x180F:
		return true
	case r >= 0xFFF0 && r <= 0xFFFB, r >= 0x2065 && r <= 0x206F:
		return true
	}
	return r&0xFFFE == 0xFFFE // not characters at all
}

// cutName cuts a name to its limit and keeps a short extension.
func cutName(name string) string {
	if len(name) <= maxName {
		return name
	}
	ext := ""
	if i := strings.LastIndexByte(name, '.'); i > 0 && len(name)-i <= 20 {
		ext = strings.TrimRight(name[i:], ". ")
	}
	return strings.TrimRight(cutRunes(name, maxName-len(ext)), " .") + ext
}

// reserved reports whether Windows takes the name for a device: with any
// extension, too.
func reserved(name string) bool {
	base, _, _ := strings.Cut(name, ".")
	base = strings.ToUpper(strings.TrimRight(base, " "))
	switch base {
	case "CON", "PRN", "AUX", "NUL", "CLOCK$", "CONIN$", "CONOUT$":
		return true
	}
	if rest, ok := strings.CutPrefix(base, "COM"); ok || strings.HasPrefix(base, "LPT") {
		if !ok {
			rest = base[3:]
		}
		return len(rest) > 0 && utf8.RuneCountInString(rest) == 1 && strings.Contains("0123456789¹²³", rest)
	}
	return false
}

// Printable makes s fit to be shown on a terminal or in a log: valid UTF-8, on
// one line, without control characters and without those that turn the
// direction of text; at most max octets if max is positive.
func Printable(s string, max int) string {
	if max > 0 && len(s) > 4*max+64 {
		s = s[:4*max+64] // what follows could not be shown anyhow
	}
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\t', r == '\n', r == '\r', r == 0x85, r == 0x2028, r == 0x2029:
			return ' '
		case unprintable(r), turnsText(r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	if max > 0 {
		s = cutRunes(s, max)
	}
	return s
}

// turnsText reports whether r is one of Unicode's direction controls.
func turnsText(r rune) bool {
	return r == 0x061C || r == 0x200E || r == 0x200F || r >= 0x202A && r <= 0x202E || r >= 0x2066 && r <= 0x2069
}
