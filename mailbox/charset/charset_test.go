package charset

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestNewReader(t *testing.T) {
	for _, c := range []struct{ label, in, want string }{
		{"utf-8", "Jörg", "Jörg"},
		{" \"UTF8\"", "\xef\xbb\xbfJörg", "Jörg"},
		{"utf_8", "a\xff\xc3", "a\uFFFD\uFFFD"},
		{"unicode-1-1-utf-8", "ö", "ö"},
		{"us-ascii", "J\xf6rg J\xc3\xb6rg \x80", "Jörg Jörg €"},
		{"", "\xf6", "ö"},
		{"unknown-8bit", "\xf6", "ö"},
		{"x-unknown", "\xf6", "ö"},
		{"default", "\xc3\xb6\xc3", "öÃ"},
		{"x-user-defined", "\xf6", "ö"},
		{"iso-8859-1", "\xf6\x80", "ö€"},
		{"ISO8859-1", "\xf6", "ö"},
		{"iso_8859-1", "\xf6", "ö"},
		{"iso88591", "\xf6", "ö"},
		{"ansi_x3.110-1983", "\xf6", "ö"},
		{"windows-1252", "\x80", "€"},
		{"cp1251", "\xcf\xf0", "Пр"},
		{"windows1251", "\xcf\xf0", "Пр"},
		{"win-1251", "\xcf\xf0", "Пр"},
		{"iso-8859-2", "\xb1", "ą"},
		{"iso-8859-15", "\xa4", "€"},
		{"iso-8859-8-i", "\xe0", "א"},
		{"iso-8859-16", "\xa4", "€"},
		{"cp-850", "\x94", "ö"},
		{"ibm850", "\x94", "ö"},
		{"cp437", "\x94", "ö"},
		{"ibm866", "\x8f", "П"},
		{"x-mac-roman", "\x9a", "ö"},
		{"macintosh", "\x9a", "ö"},
		{"x-mac-cyrillic", "\x8f", "П"},
		{"koi8-r", "\xf0", "П"},
		{"koi8u", "\xf0", "П"},
		{"gb2312", "\xb2\xe2\xca\xd4", "测试"},
		{"GBK", "\x81\x40", "丂"},
		{"gb18030", "\x81\x30\x81\x30", "\u0080"},
		{"hz-gb-2312", "~{2bJT~}", "测试"},
		{"big5", "\xa4\xa4", "中"},
		{"ks_c_5601-1987", "\xc7\xd1", "한"},
		{"euc-kr", "\xc7\xd1", "한"},
		{"shift_jis", "\x93\xfa", "日"},
		{"cp932", "\x93\xfa", "日"},
		{"euc-jp", "\xc6\xfc", "日"},
		{"iso-2022-jp", "\x1b$BF|\x1b(B.", "日."},
		{"iso-2022-jp-ms", "\x1b$BF|\x1b(B.", "日."},
		{"tis-620", "\xa1", "ก"},
		{"utf-16", "\xfe\xff\x00a\x00\xf6", "aö"},
		{"utf-16le", "a\x00\xf6\x00", "aö"},
		{"utf-32", "\x00\x00\x00a", "a"},
		{"utf-7", "J+APY-rg", "Jörg"},
		{"UNICODE-1-1-UTF-7", "Hi Mom +Jjo-!", "Hi Mom ☺!"},
	} {
		t.Run(c.label, func(t *testing.T) {
			r, err := NewReader(c.label, strings.NewReader(c.in))
			require.NoError(t, err)
			got, err := io.ReadAll(r)
			require.NoError(t, err)
			require.Equal(t, c.want, string(got))

			r, err = NewReader(c.label, iotest.OneByteReader(strings.NewReader(c.in)))
			require.NoError(t, err)
			got, err = io.ReadAll(iotest.OneByteReader(r))
			require.NoError(t, err)
			require.Equal(t, c.want, string(got), "bytewise")
		})
	}
}

func TestUTF7(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"plain", "plain"},
		{"1 +- 2", "1 + 2"},
		{"+AGE-", "a"},
		{"+AGE.", "a."},
		{"+AGE", "a"},
		{"+", ""},
		{"+!", "+!"},
		{"+2D3cAA-", "\U0001F400"},
		{"+2D0-", "\uFFFD"},
		{"+2D0", "\uFFFD"},
		{"+2D0AYQ-", "\uFFFDa"},
		{"+3AA-", "\uFFFD"},
		{"\xf6", "ö"},
		{"+AGE-+AGI-", "ab"},
	} {
		t.Run(c.in, func(t *testing.T) {
			r, err := NewReader("utf-7", strings.NewReader(c.in))
			require.NoError(t, err)
			got, err := io.ReadAll(r)
			require.NoError(t, err)
			require.Equal(t, c.want, string(got))
		})
	}
}

func TestUnknown(t *testing.T) {
	for _, label := range []string{"x-klingon", "iso-2022-kr", "iso-2022-cn", "replacement", "?", strings.Repeat("x", 1000), "a\x1b[2Jb\r\n"} {
		in := strings.NewReader("abc")
		r, err := NewReader(label, in)
		require.ErrorIs(t, err, ErrUnknown, label)
		require.Nil(t, r)
		require.Equal(t, 3, in.Len(), "it was read")
		require.NotContains(t, err.Error(), "\x1b")
		require.Less(t, len(err.Error()), 200)
	}
}

func TestCut(t *testing.T) {
	for _, label := range []string{"utf-8", "us-ascii", "utf-7", "gb2312", "iso-8859-1"} {
		r, err := NewReader(label, io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(io.ErrUnexpectedEOF)))
		require.NoError(t, err)
		got, err := io.ReadAll(r)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF, label)
		require.Equal(t, "abc", string(got), label)
	}
}

// FuzzNewReader checks that whatever comes in, what comes out is UTF-8, and the
// same however it is cut.
func FuzzNewReader(f *testing.F) {
	f.Add("utf-7", []byte("+2D0AYQ-+!+-\xff"))
	f.Add("us-ascii", []byte("\xc3\xb6\xf6\xe2\x82"))
	f.Add("gb2312", []byte("\xb2\xe2\x81\x30\x81"))
	f.Add("iso-2022-jp", []byte("\x1b$BF|\x1b(B\x1b"))
	f.Add("utf-16", []byte("\xfe\xff\xd8\x00a"))
	f.Fuzz(func(t *testing.T, label string, in []byte) {
		read := func(r io.Reader) []byte {
			r, err := NewReader(label, r)
			if errors.Is(err, ErrUnknown) {
				return nil
			}
			require.NoError(t, err)
			out, err := io.ReadAll(r)
			require.NoError(t, err)
			return out
		}
		whole := read(bytes.NewReader(in))
		require.True(t, utf8.Valid(whole))
		require.LessOrEqual(t, len(whole), 8*len(in)+8)
		require.Equal(t, whole, read(iotest.OneByteReader(bytes.NewReader(in))))
	})
}

func BenchmarkNewReader(b *testing.B) {
	in := bytes.Repeat([]byte("The quick brown fox: J\xf6rg\r\n"), 10_000)
	for _, label := range []string{"us-ascii", "iso-8859-1", "utf-7"} {
		b.Run(label, func(b *testing.B) {
			b.SetBytes(int64(len(in)))
			b.ReportAllocs()
			for b.Loop() {
				r, err := NewReader(label, bytes.NewReader(in))
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
