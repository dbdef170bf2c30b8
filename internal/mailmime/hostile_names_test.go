package mailmime

import (
	"strings"
	"testing"
)

// hostileNames gives names that must not be used as they are; each of them is
// its own control, for unsafe must see what is wrong with it.
func hostileNames(t *testing.T) {
	for _, raw := range []string{
		"../../x", "../x", "..", ".", "/etc/passwd", "/", "//", "a/b", "a/../b", "./x", "x/", "x/..", "x/.",
		`..\..\x`, `\x`, `\\host\share\x`, `C:\x`, "C:x", "C:", `\\?\C:\x`, `\\.\PhysicalDrive0`, `a\b/c`, `a/b\c`,
		"a\x00.txt", "a.exe\x00.txt", "a\nb", "a\r\nb", "a\x1b[2Jb", "a\x7fb", "a\u0085b", "\x00", "\u2028",
		"a\u202etxt.exe", "a\u2066b\u2069", "\u200ea", "a\u200b.exe", "\ufeffa", "a\u00adb", "a\U000e0041b", "a\ufffeb",
		"CON", "con.txt", "PRN", "AUX.c", "NUL", "nul.tar.gz", "COM1", "COM9.txt", "LPT1", "LPT3.x", "COM²", "CONIN$", "CLOCK$",
		".htaccess", ".ssh", "...", "-rf", "--help", "x.", "x ", "x. . ", " x", " ", "", "x.txt::$DATA", "x:y", "a|b", "a*b", "a?b", "<a>",
		"a\"b", "a\xffb", "\xff", strings.Repeat("x", 10_000), strings.Repeat("ö", 101) + ".pdf", strings.Repeat("../", 5000) + "x",
		"a." + strings.Repeat("x", 300), "CON" + strings.Repeat(" ", 300) + ".txt",
	} {
		if why := unsafe(raw); why == "" {
			t.Errorf("the control sees nothing wrong with %q", raw)
		}
		if got := SafeName(raw); unsafe(got) != "" {
			t.Errorf("SafeName(%.40q) = %q: %s", raw, got, unsafe(got))
		}
	}
	// Names that hide what they are until they are decoded.
	for _, in := range []string{
		"attachment; filename=\"=?utf-8?q?..=2F..=2Fx?=\"", "attachment; filename*=utf-8''..%2F..%2Fx",
		"attachment; filename*0*=utf-8''..%2F; filename*1*=..%2Fx", "attachment; filename=\"=?utf-8?b?Li4vLi4veA==?=\"",
	} {
		_, params, _ := ParseMediaType(in, nil)
		if got := SafeName(params["filename"]); params["filename"] != "../../x" || got != "x" {
			t.Errorf("%s gives %q, and that %q", in, params["filename"], got)
		}
	}
}
