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
