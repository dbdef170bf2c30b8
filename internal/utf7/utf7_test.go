package utf7

import (
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
)

// TestCodec has the examples of RFC 3501 section 5.1.3, and what is outside of
// the basic plane.
func TestCodec(t *testing.T) {
	for s, raw := range map[string]string{
		"":            "",
		"INBOX":       "INBOX",
		"R&D":         "R&-D",
		"&":           "&-",
		"~peter/台北":   "~peter/&U,BTFw-",
		"Entwürfe":    "Entw&APw-rfe",
		"\x00\n":      "&AAAACg-",
		"😀 and 😀":     "&2D3eAA- and &2D3eAA-",
		"台北日本語":       "&U,BTF2XlZyyKng-",
		"ü&ü":         "&APw-&-&APw-",
		"a+b,c/d%e~f": "a+b,c/d%e~f",
	} {
		assert.Equal(t, raw, Encode(s))
		back, ok := Decode(raw)
		assert.True(t, ok, raw)
		assert.Equal(t, s, back)
	}
}

func TestDecodeStrict(t *testing.T) {
	for what, raw := range map[string]string{
		"no end": "a&b", "no base64": "&!-", "a lone octet": "&AA-", "ASCII in base64": "&AEE-",
		"two runs in a row": "&APw-&APw-", "bits left over": "&APx-", "half a pair": "&2D0-",
		"octets beyond ASCII": "\xc3\xbc", "a control character": "a\nb", "padding": "&APw=-", "a slash for a comma": "&U/BTFw-",
	} {
		got, ok := Decode(raw)
		assert.False(t, ok, "%s: %q reads as %q", what, raw, got)
	}
}

func FuzzDecode(f *testing.F) {
	f.Fuzz(func(t *testing.T, s string) {
		if got, ok := Decode(s); ok {
			assert.Equal(t, s, Encode(got))
		}
		if utf8.ValidString(s) {
			got, ok := Decode(Encode(s))
			assert.True(t, ok)
			assert.Equal(t, s, got)
		}
	})
}
