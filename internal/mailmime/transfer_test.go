package mailmime

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"mime/quotedprintable"
	"strings"
	"testing"
	"testing/iotest"
)

func TestTransferDecoder(t *testing.T) {
	long := strings.Repeat("x", 100_000)
	for _, c := range []struct{ name, encoding, in, want string }{
		{"7bit", "7bit", "a=20b\r\n", "a=20b\r\n"},
		{"unknown", "x-foo", "YQ==", "YQ=="},
		{"none", "", "YQ==", "YQ=="},
		{"base64", "base64", "SGVsbG8=\r\n", "Hello"},
		{"name", " (x) BASE64 (y) ; z", "SGVsbG8=", "Hello"},
		{"quoted name", `"base64"`, "SGVsbG8=", "Hello"},
		{"lines", "base64", "SG\r\nVs\n bG\t8=\r\n\r\n", "Hello"},
		{"junk", "base64", "S*G!V_s-bG\x00\xff8=", "Hello"},
		{"no padding", "base64", "SGVsbG8", "Hello"},
		{"no padding 2", "base64", "SGVsbA", "Hell"},
		{"one character left", "base64", "SGVsS", "Hel"},
		{"joined", "base64", "YQ==YWI=YWJjYQ", "aababca"},
		{"only padding", "base64", "=====", ""},
		{"joined lines", "base64", "YQ==\r\nYWI=\r\n  YWJj\r\nYQ \r\n=\r\n\r\nYWI", "aababcaab"},
		{"joined long", "base64", "YQ==" + strings.Repeat("YWJj", 1000) + "=", "a" + strings.Repeat("abc", 1000)},
		{"footer", "base64", "SGVsbG8=\r\n-- \r\nMailing list footer", "Hello"},
		{"footer of a mailing list", "base64", "SGVsbG8=\r\n_______________\r\nxyz mailing list\r\nabcd", "Hello"},
		{"footer of words", "base64", "SGVsbG8=\r\n\r\nMailing list\r\nhttps://example.org/\r\n", "Hello"},
		{"footer with a colon", "base64", "SGVsbG8=\r\nUnsubscribe: here", "Hello"},
		{"footer of joined", "base64", "YQ==YWI=\r\nYWJj\r\n-- \r\nYWJj", "aababc"},
		{"footer on the line", "base64", "SGVsbG8= (end)\r\nYWJj", "Hello"},
		{"footer behind a long line", "base64", "YQ==" + strings.Repeat("YWJj", 1000) + "YQ-YQ", "a" + strings.Repeat("abc", 1000) + "a"},
		{"qp", "quoted-printable", "J=C3=B6rg=\r\n!\r\n", "Jörg!\r\n"},
		{"lower", "Quoted-Printable", "=c3=b6", "ö"},
		{"stray", "quoted-printable", "a=b=zz=4=4x==3D=", "a=b=zz=4=4x=="},
		{"end in digit", "quoted-printable", "a=4", "a=4"},
		{"space at the end", "quoted-printable", "a \t\r\nb  \nc  ", "a\r\nb\nc"},
		{"space inside", "quoted-printable", "a  \tb", "a  \tb"},
		{"encoded space at the end", "quoted-printable", "a =20\r\nb", "a  \r\nb"},
		{"soft break with space", "quoted-printable", "a= \t\r\nb", "ab"},
		{"soft break with lf", "quoted-printable", "a=\nb=\rc", "abc"},
		{"equals and space", "quoted-printable", "a= b", "a= b"},
		{"8bit", "quoted-printable", "\xf6\x00", "\xf6\x00"},
		{"long line", "quoted-printable", long, long},
		{"long space", "quoted-printable", strings.Repeat(" ", 5000) + "x", strings.Repeat(" ", 5000) + "x"},
		{"long escaped space", "quoted-printable", "=" + strings.Repeat(" ", 5000) + "x", "=" + strings.Repeat(" ", 5000) + "x"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for how, r := range map[string]io.Reader{
				"whole":    strings.NewReader(c.in),
				"bytewise": iotest.OneByteReader(strings.NewReader(c.in)),
				"data+EOF": iotest.DataErrReader(strings.NewReader(c.in)),
			} {
				got, err := io.ReadAll(NewTransferDecoder(c.encoding, r))
				if string(got) != c.want || err != nil {
					t.Errorf("%s: got %.80q, %v, want %.80q", how, got, err, c.want)
				}
			}
		})
	}
}

func TestTransferDecoderCut(t *testing.T) {
	for _, encoding := range []string{"base64", "quoted-printable", "8bit"} {
		r := io.MultiReader(strings.NewReader("YWJj"), iotest.ErrReader(io.ErrUnexpectedEOF))
		got, err := io.ReadAll(NewTransferDecoder(encoding, r))
		if !errors.Is(err, io.ErrUnexpectedEOF) || len(got) == 0 {
			t.Errorf("%s: got %q, %v", encoding, got, err)
		}
	}
}

// noReader never gives anything.
type noReader struct{}

func (noReader) Read([]byte) (int, error) { return 0, nil }

func TestTransferDecoderNoProgress(t *testing.T) {
	if _, err := io.ReadAll(NewTransferDecoder("base64", noReader{})); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("got %v", err)
	}
}

// FuzzTransferDecoder checks that what the standard library encodes comes back,
// and that anything can be decoded, however it is cut.
func FuzzTransferDecoder(f *testing.F) {
	for _, s := range []string{"Hello", "a =\r\nb=4", "SGVs\r\nbG8=", "=C3=\n=b6 \t\r\n", "YQ==YQ", "\x00\xff=="} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var enc bytes.Buffer
		w := base64.NewEncoder(base64.StdEncoding, &enc)
		_, _ = w.Write(b)
		_ = w.Close()
		if got := decodeAll(t, "base64", bytes.NewReader(enc.Bytes())); !bytes.Equal(got, b) {
			t.Errorf("base64 of %q gives %q", b, got)
		}
		enc.Reset()
		q := quotedprintable.NewWriter(&enc)
		q.Binary = true
		_, _ = q.Write(b)
		_ = q.Close()
		if got := decodeAll(t, "quoted-printable", bytes.NewReader(enc.Bytes())); !bytes.Equal(got, b) {
			t.Errorf("quoted-printable of %q gives %q", b, got)
		}
		for _, e := range []string{"base64", "quoted-printable"} {
			whole := decodeAll(t, e, bytes.NewReader(b))
			cut := decodeAll(t, e, iotest.OneByteReader(bytes.NewReader(b)))
			if !bytes.Equal(whole, cut) || len(whole) > len(b) {
				t.Errorf("%s: %q gives %q, and cut %q", e, b, whole, cut)
			}
		}
	})
}

func decodeAll(t *testing.T, encoding string, r io.Reader) []byte {
	t.Helper()
	b, err := io.ReadAll(NewTransferDecoder(encoding, r))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func BenchmarkTransferDecoder(b *testing.B) {
	raw := bytes.Repeat([]byte("The quick brown fox jumps over the lazy dog. \xc3\xb6\r\n"), 20_000)
	var b64, qp bytes.Buffer
	for enc := base64.StdEncoding.EncodeToString(raw); len(enc) > 0; enc = enc[min(76, len(enc)):] {
		b64.WriteString(enc[:min(76, len(enc))] + "\r\n")
	}
	w := quotedprintable.NewWriter(&qp)
	_, _ = w.Write(raw)
	_ = w.Close()
	for name, in := range map[string][]byte{"base64": b64.Bytes(), "quoted-printable": qp.Bytes()} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(in)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := io.Copy(io.Discard, NewTransferDecoder(name, bytes.NewReader(in))); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
