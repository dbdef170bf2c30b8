package maildir

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/postroom-go/postroom/internal/utf7"
)

// delimiter separates the levels of folder names.
const delimiter = "/"

// maxPath is the most octets of a folder's directory below the root: programs
// that use plain paths must be able to open the files in it.
const maxPath = 2048

// emptyLevel is the directory of a level without a name. No other level is
// encoded so.
const emptyLevel = "%"

// encodeLevel gives one level of a folder's name as (a part of) the name of a
// directory: modified UTF-7, then percent-encoding of what a layout or some file
// system takes amiss. Levels that differ are encoded differently.
func encodeLevel(level string, layout Layout) string {
	if level == "" {
		return emptyLevel
	}
	raw := utf7.Encode(level)
	all := reserved(raw, layout)
	var b strings.Builder
	for i := range len(raw) {
		c := raw[i]
		edge := i == 0 && (c == '.' || c == '~') || i == len(raw)-1 && (c == '.' || c == ' ')
		if edge || all && i == 0 || strings.IndexByte(`/%\:*?"<>|`, c) >= 0 || c == '.' && layout == MaildirPP {
			escapeByte(&b, c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

func escapeByte(b *strings.Builder, c byte) {
	const hex = "0123456789ABCDEF"
	b.WriteByte('%')
	b.WriteByte(hex[c>>4])
	b.WriteByte(hex[c&15])
}

// reserved reports whether a level means something else: a device of Windows,
// whatever its extension, or the directories of a Maildir.
func reserved(level string, layout Layout) bool {
	lower := strings.ToLower(level)
	if layout == Plain && messageDir(lower) {
		return true
	}
	device, _, _ := strings.Cut(lower, ".")
	switch device = strings.TrimRight(device, " "); device {
	case "con", "prn", "aux", "nul", "conin$", "conout$", "clock$":
		return true
	}
	return len(device) == 4 && (device[:3] == "com" || device[:3] == "lpt") && device[3] >= '0' && device[3] <= '9'
}

// messageDir reports whether a directory holds messages.
func messageDir(name string) bool { return name == "cur" || name == "new" || name == "tmp" }

// decodeLevel reads what encodeLevel writes, and the same with more characters
// percent-encoded, or in lower case. Where ok is false the name is raw.
func decodeLevel(raw string) (level string, ok bool) {
	if raw == emptyLevel {
		return "", true
	}
	plain, ok := unescape(raw)
	if !ok || plain == "" {
		return raw, false
	}
	level, ok = utf7.Decode(plain)
	if !ok || strings.Contains(level, delimiter) {
		return raw, false
	}
	return level, true
}

// decodeElement reads the name of a directory as directory writes it: all levels in
// the layout MaildirPP, one in Plain. ok is false if it is no folder's.
func decodeElement(raw string, layout Layout) (name string, ok bool) {
	if layout == Plain {
		if messageDir(raw) || strings.HasPrefix(raw, ".") {
			return "", false
		}
		return decodeLevel(raw)
	}
	raw, ok = strings.CutPrefix(raw, ".")
	levels := strings.Split(raw, ".")
	for i := range levels {
		level, decoded := decodeLevel(levels[i])
		levels[i], ok = level, ok && decoded
	}
	return strings.Join(levels, delimiter), ok
}

func unescape(s string) (string, bool) {
	if strings.IndexByte(s, '%') < 0 {
		return s, true
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b.WriteByte(s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", false
		}
		hi, lo := unhex(s[i+1]), unhex(s[i+2])
		if hi < 0 || lo < 0 {
			return "", false
		}
		b.WriteByte(byte(hi<<4 | lo))
		i += 2
	}
	return b.String(), true
}

func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	case 'a' <= c && c <= 'f': // as Dovecot's listescape plugin writes them
		return int(c-'a') + 10
	}
	return -1
}

// encodings are the directories that stand for the same as raw, in the order in
// which they are tried where one is taken by a folder whose name differs in case:
// raw itself, with its first letter percent-encoded, with all of them. The last
// are different for different names, whatever a file system makes of case.
func encodings(raw string) []string {
	return []string{raw, escapeLetters(raw, 1), escapeLetters(raw, len(raw))}
}

func escapeLetters(s string, most int) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '%' && i+2 < len(s) && unhex(s[i+1]) >= 0 && unhex(s[i+2]) >= 0:
			b.WriteString(s[i : i+3])
			i += 2
		case most > 0 && (c|0x20 >= 'a' && c|0x20 <= 'z'):
			escapeByte(&b, c)
			most--
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// folded gives strings that differ only in case the same form.
func folded(s string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for o := unicode.SimpleFold(r); o != r; o = unicode.SimpleFold(o) {
			least = min(least, o)
		}
		return least
	}, s)
}

// directory is the directory of a folder where nothing stands in the way.
func directory(name string, layout Layout) string {
	var b strings.Builder
	for i, level := range strings.Split(name, delimiter) {
		switch {
		case layout == MaildirPP:
			b.WriteByte('.')
		case i > 0:
			b.WriteByte('/')
		}
		b.WriteString(encodeLevel(level, layout))
	}
	return b.String()
}

// checkFolderName says why there can be no folder of that name.
func checkFolderName(name string, layout Layout) error {
	switch {
	case !utf8.ValidString(name):
		return fmt.Errorf("%.100q cannot be the name of a folder: it is not UTF-8", name)
	case strings.Count(name, delimiter) >= maxDepth:
		return fmt.Errorf("the name %.60q... has more than %d levels", name, maxDepth)
	case len(name) > maxPath: // before time is spent on it
		return fmt.Errorf("the name %.60q... has more than %d octets: shorten it", name, maxPath)
	}
	dir := directory(name, layout)
	for element := range strings.SplitSeq(dir, "/") {
		if len(element) > maxName || len(dir) > maxPath {
			return fmt.Errorf("the name %.60q... needs a directory of %d octets, and at most %d are possible: shorten it",
				name, len(element), maxName)
		}
	}
	return nil
}
