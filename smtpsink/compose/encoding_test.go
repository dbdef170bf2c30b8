package compose

import (
	"bytes"
	"encoding/base64"
	"io"
	"mime"
	"mime/quotedprintable"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestEncodingOf(t *testing.T) {
	for _, c := range []struct {
		text    string
		careful bool
		want    string
	}{
		{"", false, sevenBit},
		{"plain\r\n", false, sevenBit},
		{"tab\there \r\nFrom x\r\n", false, sevenBit},
		{"trailing \r\n", true, quotedPrintable},
		{"From x\r\n", true, quotedPrintable},
		{"x From x\r\nFrom\r\n", true, sevenBit},
		{"last ", true, quotedPrintable},
		{strings.Repeat("x", 998) + "\r\n", false, sevenBit},
		{strings.Repeat("x", 999) + "\r\n", false, quotedPrintable},
		{strings.Repeat("a word ", 20) + "für", false, quotedPrintable},
		{"日本語の名前がとても長い人の名前です", false, base64Encoding},
		{strings.Repeat("a word ", 20) + "\x1b", false, quotedPrintable},
		{strings.Repeat("a word ", 20) + "\x00", false, quotedPrintable},
		{"bare\nLF, many words so that it matters ................", false, base64Encoding},
		{"bare\rCR, many words so that it matters ................", false, base64Encoding},
		{"CR at the end, many words so that it matters .........\r", false, base64Encoding},
		{"\r\r\n", false, base64Encoding},
	} {
		assert.Equal(t, c.want, encodingOf([]byte(c.text), c.careful), "%.40q %v", c.text, c.careful)
	}
}

// TestSmallest compares the choice with both encodings.
func TestSmallest(t *testing.T) {
	for special := 0; special <= 100; special += 4 {
		text := []byte(strings.Repeat(strings.Repeat("ü", special)+strings.Repeat("x", 2*(100-special))+"\r\n", 50))
		got := encodingOf(text, false)
		qp, b64 := len(encodeText(text, quotedPrintable, false)), len(encodeText(text, base64Encoding, false))
		best := min(qp, b64)
		if got == sevenBit {
			assert.Zero(t, special)
			continue
		}
		assert.LessOrEqual(t, float64(len(encodeText(text, got, false))), float64(best)*1.03, "%d in 100: qp %d base64 %d", special, qp, b64)
	}
}

func TestEncodeText(t *testing.T) {
	for _, text := range []string{"", "a", "Grüße \r\nFrom x\r\n\r\n" + strings.Repeat("From ", 100) + "\r\n", strings.Repeat("ü", 1000), "\x00\x1b=\t\r\n", "last "} {
		for _, careful := range []bool{false, true} {
			qp := encodeText([]byte(text), quotedPrintable, careful)
			back, err := io.ReadAll(quotedprintable.NewReader(bytes.NewReader(qp)))
			require.NoError(t, err)
			assert.Equal(t, text, string(back))
			for line := range strings.SplitSeq(string(qp), crlf) {
				assert.LessOrEqual(t, len(line), 76)
				assert.False(t, careful && strings.HasPrefix(line, "From "), line)
			}
		}
	}
}

func TestBase64Reader(t *testing.T) {
	for _, n := range []int{0, 1, 2, 3, 56, 57, 58, 114, 115, base64Block - 1, base64Block, base64Block + 1, 3*base64Block + 5} {
		want := noiseBytes(n)
		for name, src := range map[string]io.Reader{"whole": bytes.NewReader(want), "halves": iotest.HalfReader(bytes.NewReader(want)), "data with EOF": iotest.DataErrReader(bytes.NewReader(want))} {
			got, err := io.ReadAll(iotest.OneByteReader(newBase64Reader(src)))
			require.NoError(t, err)
			assert.Equal(t, base64Size(int64(n)), int64(len(got)), "%s %d", name, n)
			for line := range strings.SplitSeq(string(got), crlf) {
				assert.LessOrEqual(t, len(line), 76)
			}
			back, err := base64.StdEncoding.DecodeString(string(got))
			require.NoError(t, err)
			assert.True(t, bytes.Equal(want, back), "%s %d", name, n)
		}
	}
	_, err := io.ReadAll(newBase64Reader(io.MultiReader(strings.NewReader("abc"), failing{io.ErrClosedPipe})))
	assert.ErrorIs(t, err, io.ErrClosedPipe)
}

func TestCRLFReader(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "a": "a", "a\nb": "a\r\nb", "a\r\nb\r\n": "a\r\nb\r\n", "\n\n": "\r\n\r\n", "\r\r\n": "\r\r\n", "a\r": "a\r", "\n\r\n": "\r\n\r\n",
		strings.Repeat("x\n", 5000): strings.Repeat("x\r\n", 5000),
	} {
		for _, src := range []io.Reader{strings.NewReader(in), iotest.OneByteReader(strings.NewReader(in))} {
			got, err := io.ReadAll(newCRLFReader(src))
			require.NoError(t, err)
			assert.Equal(t, want, string(got))
		}
		got, err := io.ReadAll(iotest.OneByteReader(newCRLFReader(strings.NewReader(in))))
		require.NoError(t, err)
		assert.Equal(t, want, string(got))
	}
}

// TestAttachedMessage checks how messages go that are attached: as they are, or as a
// file if they cannot.
func TestAttachedMessage(t *testing.T) {
	part := func(mediaType, raw string, protect bool) (*Prepared, string) {
		m := simple()
		m.Attachments = []Attachment{{Name: "m.eml", Type: mediaType, Data: []byte(raw)}}
		if protect {
			m.Protect = func(w io.Writer, r io.Reader) error { _, err := io.Copy(w, r); return err }
		}
		p := prepare(t, m)
		s := sent(t, p)
		require.Len(t, asLibrary(t, s).Parts, 2)
		return p, s
	}
	p, s := part("", "Subject: x\n\nhello\n", false)
	assert.Contains(t, s, "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 7bit\r\n")
	assert.False(t, p.Needs8Bit())
	p, s = part("", "Subject: x\r\n\r\nGrüße\r\n", false)
	assert.True(t, p.Needs8Bit())
	assert.Contains(t, s, "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n")
	assert.Regexp(t, `Content-Type: multipart/mixed; boundary="[^"]*"\r\nContent-Transfer-Encoding: 8bit\r\n`, s)
	for _, raw := range []string{"Subject: x\r\n\r\na\rb", "Subject: x\r\n\r\n\x00", "Subject: x\r\n\r\n" + strings.Repeat("x", 999), "X: y\r"} {
		p, s = part("", raw, false)
		assert.False(t, p.Needs8Bit())
		assert.Contains(t, s, "Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n")
		assert.Contains(t, asLibrary(t, s).Parts[1], showPart("application/octet-stream", "attachment", "m.eml", "", []byte(raw)))
	}
	_, s = part("message/delivery-status", "Reporting-MTA: dns; größe\r\n", false)
	assert.Contains(t, s, octetStream)
	for _, raw := range []string{"Subject: x\r\n\r\nFrom x\r\n", "Subject: x\r\n\r\nends in a space ", "Subject: x\r\n\r\ntab\t\r\n"} {
		_, s = part("", raw, true)
		assert.Contains(t, s, octetStream, "%q", raw)
	}
}

// TestParams checks that what is written as a parameter is read back, by readers
// that know RFC 2231.
func TestParams(t *testing.T) {
	for _, name := range []string{"a.txt", "a b.txt", `a"b\c.txt`, "a;b=c.txt", "ä.txt", "日本語の名前がとても長い人の名前です、本当に長い名前なのです。はい.txt", "=?utf-8?q?..=2Fx?=",
		strings.Repeat("x", 200) + ".txt", "100%.txt", "it's*.txt", strings.Repeat("ü", 100), "😀😀😀😀😀😀😀.png", " "} {
		var f fields
		f.media("Content-Disposition", "attachment", []param{{name: "filename", value: name, quoted: true}})
		value := strings.TrimPrefix(f.String(), "Content-Disposition:")
		_, params, err := mime.ParseMediaType(strings.ReplaceAll(value, crlf, ""))
		require.NoError(t, err, value)
		assert.Equal(t, name, params["filename"])
		for line := range strings.SplitSeq(value, crlf) {
			assert.LessOrEqual(t, len(line), 90)
			assert.True(t, isASCII(line))
		}
	}
}

func TestTypes(t *testing.T) {
	for name, want := range map[string]string{
		"a.TXT": "text/plain", "a.pdf": "application/pdf", "a.docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
		"a": octetStream, "a.exe": octetStream, ".png": "image/png", "a.tar.gz": "application/gzip", "a.eml": "message/rfc822", "": octetStream,
	} {
		got, _, err := mediaType("", "", name)
		require.NoError(t, err)
		assert.Equal(t, want, got, name)
	}
	got, params, err := mediaType("", `Text/X-Foo; b="x y"; a=1`, "")
	require.NoError(t, err)
	assert.Equal(t, "text/x-foo", got)
	assert.Equal(t, []param{{name: "a", value: "1"}, {name: "b", value: "x y"}}, params)
	for _, bad := range []string{"text", "text/", "/x", "text/ü", "te xt/plain", "text/plain; a=\"\x1b\"", "text/plain; a=\"\r\nX: y\"", "multipart/mixed", "text/plain; a=" + strings.Repeat("x", 2000), "text/plain; " + strings.Repeat("a", 61) + "=x"} {
		_, _, err := mediaType("", bad, "")
		assert.Error(t, err, bad)
	}
}

// TestTextFile checks that a text in memory arrives as it was: what programs on the
// way do to lines that begin with "From " or end in a space does nothing to it.
func TestTextFile(t *testing.T) {
	for _, data := range []string{"From 1234 Mon Sep 17 00:00:00 2001\nFrom: ann\n--- \n", "a \t\r\nFrom b", "x ", "plain\r\n"} {
		m := simple()
		m.Attachments = []Attachment{{Name: "0001.patch", Data: []byte(data)}}
		raw := strings.ReplaceAll(sent(t, prepare(t, m)), "\r\nFrom ", "\r\n>From ")
		for trimmed := strings.ReplaceAll(raw, " \r\n", "\r\n"); trimmed != raw; trimmed = strings.ReplaceAll(raw, " \r\n", "\r\n") {
			raw = trimmed
		}
		assert.Equal(t, showPart("text/x-patch", "attachment", "0001.patch", "", []byte(data)), asLibrary(t, raw).Parts[1])
	}
}
