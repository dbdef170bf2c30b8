// Package charset converts mail's charsets to UTF-8. The tables are those of
// golang.org/x/text, found through go-message's collection; what mail programs
// call them, and what they get wrong, is known here.
//
// [NewReader] is a mailbox.CharsetReader. The drivers use it for headers; a
// program that shows the text of a part gives it the part's charset parameter.
//
// Importing this package links the tables, about 1 MiB, and go-message's own
// charset package, which sets the variable message.CharsetReader of go-message.
package charset

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/emersion/go-message/charset"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/encoding/unicode/utf32"
	"golang.org/x/text/transform"
)

// ErrUnknown says that there is no table for a charset.
var ErrUnknown = errors.New("unknown charset")

// NewReader converts what r gives from the charset of that name to UTF-8, as it
// streams by. What it gives is always valid UTF-8: octets that the charset does
// not have are U+FFFD. Its errors are r's own.
//
// Case, and space or quotes around the name, do not matter. The names for "not
// known" that are seen in mail, such as unknown-8bit, and those for plain ASCII
// are read as UTF-8 where it is valid and as windows-1252 where not. Any other
// name that is not known is ErrUnknown, and r was not read.
func NewReader(label string, r io.Reader) (io.Reader, error) {
	name := clean(label)
	if lenientName(name) {
		return transform.NewReader(r, new(lenient)), nil
	}
	switch name {
	case "utf-7", "unicode-1-1-utf-7", "x-unicode-2-0-utf-7", "csunicode11utf7", "csutf7":
		return transform.NewReader(r, new(utf7)), nil
	}
	if enc := known(name); enc != nil {
		return enc.NewDecoder().Reader(r), nil
	}
	// The web's index maps what it thinks unsafe to a table that gives one
	// U+FFFD for a whole text.
	if strings.HasPrefix(name, "iso-2022-cn") || strings.HasPrefix(name, "iso-2022-kr") || name == "replacement" {
		return nil, unknown(label)
	}
	if out, err := charset.Reader(name, r); err == nil {
		return out, nil
	}
	return nil, unknown(label)
}

func unknown(label string) error {
	return fmt.Errorf("%.40q: %w", label, ErrUnknown)
}

// clean gives a name as the tables have it: in lower case, and without the
// spellings that differ in nothing but their hyphens.
func clean(label string) string {
	s := strings.ToLower(strings.Trim(label, " \t\r\n\"';"))
	if len(s) > 64 {
		return "?"
	}
	s = strings.ReplaceAll(s, "_", "-")
	for _, p := range []struct{ from, to string }{
		{"utf8", "utf-8"}, {"utf7", "utf-7"}, {"utf16", "utf-16"}, {"utf32", "utf-32"},
		{"iso8859-", "iso-8859-"}, {"iso8859", "iso-8859-"}, {"8859-", "iso-8859-"},
		{"cp-125", "windows-125"}, {"cp125", "windows-125"}, {"x-cp125", "windows-125"}, {"ms125", "windows-125"},
		{"win-125", "windows-125"}, {"win125", "windows-125"}, {"windows125", "windows-125"},
		{"cp-", "cp"}, {"ibm-", "ibm"}, {"x-utf-", "utf-"},
	} {
		if rest, ok := strings.CutPrefix(s, p.from); ok {
			return p.to + rest
		}
	}
	return s
}

// lenientName reports whether a name says nothing, or ASCII.
func lenientName(name string) bool {
	switch name {
	case "", "unknown-8bit", "x-unknown", "unknown", "default", "default-charset", "x-default", "none", "8bit", "7bit",
		"binary", "x-user-defined", "-autodetect", "-autodetect-all", "us-ascii", "ascii", "usascii", "ascii-us",
		"ansi-x3.4-1968", "ansi-x3.4-1986", "iso-ir-6", "iso646-us", "iso-646", "cp367", "ibm367", "us", "646":
		return true
	}
	return false
}

// known gives the table for names that the indexes do not have, or have a
// smaller table for than senders use; nil for all others.
func known(name string) encoding.Encoding {
	switch name {
	case "utf-8", "utf-8n", "utf-8mb4", "unicode-1-1-utf-8", "unicode-2-0-utf-8", "utf-8j", "x-utf-8j":
		return unicode.UTF8BOM
	case "iso-8859-1", "iso-8859-1-windows-3.1-latin-1", "latin1", "latin-1", "l1", "iso-ir-100", "ansi-x3.110-1983",
		"ansi", "windows-1252", "x-ansi", "western":
		return charmap.Windows1252
	case "iso-8859-9", "latin5", "latin-5", "l5":
		return charmap.Windows1254
	case "iso-8859-11", "tis-620", "tis620", "cp874", "windows-874", "x-windows-874":
		return charmap.Windows874
	case "latin2", "latin-2":
		return charmap.ISO8859_2
	case "latin9", "latin-9", "latin0", "iso-8859-15":
		return charmap.ISO8859_15
	case "iso-8859-6-i", "iso-8859-6-e":
		return charmap.ISO8859_6
	case "iso-8859-8-i", "iso-8859-8-e", "logical", "visual":
		return charmap.ISO8859_8
	case "cp437", "ibm437", "437":
		return charmap.CodePage437
	case "cp850", "ibm850", "850":
		return charmap.CodePage850
	case "cp858", "ibm858", "cp00858", "ibm00858":
		return charmap.CodePage858
	case "koi8", "koi8r", "koi", "cskoi8r":
		return charmap.KOI8R
	case "koi8u", "koi8-ru":
		return charmap.KOI8U
	case "mac", "macintosh", "macroman", "mac-roman", "x-mac-roman", "x-macroman", "x-macintosh":
		return charmap.Macintosh
	case "x-mac-cyrillic", "x-mac-ukrainian", "mac-cyrillic":
		return charmap.MacintoshCyrillic
	case "gb2312", "gb-2312", "gb-2312-80", "gb2312-80", "gb2312.1980-0", "euc-cn", "x-euc-cn", "cn-gb", "chinese",
		"csgb2312", "csiso58gb231280", "gbk", "x-gbk", "cp936", "ms936", "windows-936", "gb18030", "gb-18030", "gb18030-0":
		return simplifiedchinese.GB18030
	case "hz", "hz-gb-2312", "hz-gb2312":
		return simplifiedchinese.HZGB2312
	case "big5", "big-5", "big5-hkscs", "big5hkscs", "cn-big5", "x-x-big5", "cp950", "ms950", "windows-950":
		return traditionalchinese.Big5
	case "ks-c-5601-1987", "ks-c-5601-1989", "ks-c-5601", "ksc5601", "ksc-5601", "ks-x-1001", "euc-kr", "euckr", "cp949",
		"ms949", "uhc", "windows-949", "x-windows-949", "korean":
		return korean.EUCKR
	case "shift-jis", "shiftjis", "shift-jisx0213", "sjis", "x-sjis", "ms-kanji", "ms932", "cp932", "windows-31j",
		"windows-932", "x-ms-cp932":
		return japanese.ShiftJIS
	case "euc-jp", "eucjp", "x-euc-jp", "ujis", "cp51932", "eucjp-ms":
		return japanese.EUCJP
	case "iso-2022-jp", "iso-2022-jp-1", "iso-2022-jp-2", "iso-2022-jp-ms", "iso2022jp", "iso-2022-jp2", "cp50220",
		"cp50221", "cp50222", "csiso2022jp", "jis":
		return japanese.ISO2022JP
	case "utf-16", "unicode", "ucs-2", "iso-10646-ucs-2", "utf-16be":
		return unicode.UTF16(unicode.BigEndian, unicode.UseBOM)
	case "utf-16le":
		return unicode.UTF16(unicode.LittleEndian, unicode.UseBOM)
	case "utf-32", "ucs-4", "iso-10646-ucs-4", "utf-32be":
		return utf32.UTF32(utf32.BigEndian, utf32.UseBOM)
	case "utf-32le":
		return utf32.UTF32(utf32.LittleEndian, utf32.UseBOM)
	}
	return nil
}
