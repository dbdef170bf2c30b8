package memstore

import (
	"bufio"
	"bytes"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/internal/mailmime"
)

// FuzzHeaderLen: the header ends where the MIME reader sees its end.
func FuzzHeaderLen(f *testing.F) {
	for _, raw := range []string{"", "A: b\r\n\r\nbody", "A: b\n\nbody", "\r\nbody", "A: b", "From x\r\nA: b\r\n c\r\n\r\n\r\n", "\r\r\n\r\n"} {
		f.Add([]byte(raw))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		n := HeaderLen(raw)
		require.LessOrEqual(t, n, len(raw))
		assert.Equal(t, n, HeaderLen(raw[:n]))
		if n > 1<<16 {
			return // limits of the MIME reader
		}
		br := bufio.NewReader(bytes.NewReader(raw))
		_, err := mailmime.ReadHeader(br, nil)
		require.NoError(t, err)
		rest, err := io.ReadAll(br)
		require.NoError(t, err)
		assert.Equal(t, string(raw[n:]), string(rest))
	})
}
