package memstore

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const nested = "Subject: outer\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" +
	"--b\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\naGVsbG8=\r\n--b--\r\n"

func TestContent(t *testing.T) {
	c := NewContent([]byte(nested))
	assert.True(t, strings.HasSuffix(string(c.Header()), "boundary=b\r\n\r\n"))
	assert.Equal(t, int64(len(nested)), c.Size())
	p := c.Structure(nil)
	require.NotNil(t, p)
	assert.Same(t, p, c.Structure(nil))
	require.Len(t, p.Parts, 1)
	for range 2 {
		raw, err := c.Part("1", false)
		require.NoError(t, err)
		assert.Equal(t, "aGVsbG8=", string(raw))
		plain, err := c.Part("1", true)
		require.NoError(t, err)
		assert.Equal(t, "hello", string(plain))
		_, err = c.Part("2", false)
		require.Error(t, err)
	}
}
