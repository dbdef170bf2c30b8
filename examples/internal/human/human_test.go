package human

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestPrintable(t *testing.T) {
	assert.Equal(t, "Grüße\ufffd[31m red \ufffdgpj.exe", Printable("Grüße\x1b[31m red \u202egpj.exe"))
	assert.Equal(t, "a\ufffdb", Printable("a\nb"))
}

func TestSize(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1536: "1.5 KiB", 25 << 20: "25.0 MiB", 3 << 30: "3.0 GiB"} {
		assert.Equal(t, want, Size(n))
	}
}

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "500": 500, "500B": 500, "64k": 64 << 10, "64 KiB": 64 << 10, "10M": 10 << 20, "10mb": 10 << 20, "1.5GiB": 3 << 29, "2t": 2 << 40,
	} {
		n, err := ParseSize(text)
		assert.NoError(t, err, text)
		assert.Equal(t, want, n, text)
	}
	for _, text := range []string{"", "k", "-1", "ten", "10 kmg", "1kk", "NaN", "Inf", "9000000T", "10%"} {
		_, err := ParseSize(text)
		assert.Error(t, err, text)
	}
}
