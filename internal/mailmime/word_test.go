package mailmime

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"unicode"
	"unicode/utf8"
)

func TestDecodeHeader(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"plain", "Hello", "Hello"},
		{"space around", "  Hello \r\n", "Hello"},
		{"folded", "one\r\n two\r\n\tthree\n four", "one two three four"},
		{"q", "=?iso-8859-1?Q?J=F6rg_M?=", "Jörg M"},
		{"b", "=?UTF-8?B?SsO2cmc=?=", "Jörg"},
		{"adjacent", "=?utf-8?q?a?=  \r\n =?utf-8?q?b?=", "ab"},
		{"adjacent, other charset", "=?utf-8?q?a?= =?iso-8859-1?q?=F6?=", "aö"},
		{"text between", "=?utf-8?q?a?= x =?utf-8?q?b?=", "a x b"},
		{"no space around", "x=?utf-8?q?=C3=B6?=y", "xöy"},
		{"cut in a character", "=?utf-8?q?=C3?= =?utf-8?q?=B6?=", "ö"},
		{"cut in a character, b", "=?utf-8?B?w6TD?= =?UTF-8?B?tg==?=", "äö"},
		{"cut in a quantum", "=?utf-8?B?SsO2c?= =?UTF-8?B?mcu?=", "Jörg."},
		{"no padding", "=?utf-8?B?SsO2cmcu?= =?utf-8?B?SsO2cmc?=", "Jörg.Jörg"},
		{"no padding twice", "=?utf-8?B?YQ?= =?utf-8?B?YWI?=", "aab"},
		{"padding in the middle", "=?utf-8?B?YQ==YQ==?=", "aa"},
		{"spaces in q", "=?utf-8?q?a b c?=", "a b c"},
		{"q begins with hex", "=?utf-8?q?=C3=A4=?=", "ä="},
		{"lower hex", "=?utf-8?q?=c3=b6?=", "ö"},
		{"stray = in q", "=?utf-8?q?a=zz=4?=", "a=zz=4"},
		{"? in q", "=?utf-8?q?what??=", "what?"},
		{"language", "=?utf-8*en?q?=C3=B6?=", "ö"},
		{"unknown charset", "a =?x-klingon?q?b?= c", "a =?x-klingon?q?b?= c"},
		{"unknown charset keeps space", "=?utf-8?q?a?= =?x-k?q?b?= =?utf-8?q?c?=", "a =?x-k?q?b?= c"},
		{"unknown encoding", "=?utf-8?x?abc?=", "=?utf-8?x?abc?="},
		{"never ended", "=?utf-8?q?abc", "=?utf-8?q?abc"},
		{"first never ended", "=?utf-8?q?abc =?utf-8?q?d?=", "=?utf-8?q?abc d"},
		{"only openers", "=?=?=?", "=?=?=?"},
		{"empty word", "a =?utf-8?q??= b", "a  b"},
		{"raw utf-8", "Jörg", "Jörg"},
		{"raw latin", "J\xf6rg \x80", "Jörg €"},
		{"raw and word", "J\xf6rg =?utf-8?q?=C3=B6?=", "Jörg ö"},
		{"mislabelled ascii", "=?us-ascii?q?=C3=B6?=", "ö"},
		{"mislabelled utf-8", "=?utf-8?q?J=F6rg?=", "Jörg"},
		{"half a character", "=?utf-8?q?=C3=B6=C3?=", "ö\uFFFD"},
		{"windows in latin1", "=?iso-8859-1?q?=80?=", "€"},
		{"hidden line break", "=?utf-8?q?a=0D=0ABcc:_x?=", "a Bcc: x"},
		{"hidden nul and escape", "=?utf-8?q?a=00=1B[31mb=7F?=", "a[31mb"},
		{"c1", "a\u009bb\u0085c\u2028d", "ab c d"},
		{"tab", "a\tb", "a b"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := DecodeHeader(c.in, nil); got != c.want {
				t.Errorf("DecodeHeader(%q)\n got %q\nwant %q", c.in, got, c.want)
			}
		})
	}
}

// TestDecodeHeaderCharset hands in a reader that knows one charset, and one that
// fails in the middle.
func TestDecodeHeaderCharset(t *testing.T) {
	cs := func(label string, r io.Reader) (io.Reader, error) {
		b, err := io.ReadAll(r)
		if err != nil {
			return nil, err
		}
		switch label {
		case "x-upper":
			return strings.NewReader(strings.ToUpper(string(b)) + "\xff"), nil
		case "x-cut":
			return iotest.ErrReader(io.ErrUnexpectedEOF), nil
		}
		return nil, errors.New("unknown")
	}
	for in, want := range map[string]string{
		"=?x-upper?q?ab?= =?x-upper?b?Y2Q=?=": "ABCD\uFFFD",
		"=?x-cut?q?ab?=":                      "=?x-cut?q?ab?=",
		"=?x-other?q?ab?= =?x-upper?q?c?=":    "=?x-other?q?ab?= C\uFFFD",
	} {
		if got := DecodeHeader(in, cs); got != want {
			t.Errorf("DecodeHeader(%q) = %q, want %q", in, got, want)
		}
	}
	if got := DecodeParams([][2]string{{"name*", "x-upper''a%62"}}, cs)["name"]; got != "AB\uFFFD" {
		t.Errorf("the parameter is %q", got)
	}
}

// checkLine fails if s is not what DecodeHeader promises.
func checkLine(t *testing.T, s string) {
	t.Helper()
	if !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) || s != strings.TrimSpace(s) {
		t.Errorf("not one clean line: %q", s)
	}
}

func FuzzDecodeHeader(f *testing.F) {
	for _, s := range []string{
		"=?utf-8?B?SsO2c?= =?UTF-8?B?mcu?=", "=?iso-8859-1*de?Q?J=F6rg_M?=", "x=?utf-8?q?=C3?= =?utf-8?q?=B6?=",
		"a\r\n\tb\xff\x80", "=?=?utf-8?q?=?=?=", "=?utf-8?q?=0D=0A?=", " =?x?b?====?=",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := DecodeHeader(s, nil)
		checkLine(t, got)
		if len(got) > 3*len(s) {
			t.Errorf("%d octets became %d", len(s), len(got))
		}
	})
}
