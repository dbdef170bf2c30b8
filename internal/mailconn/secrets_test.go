package mailconn

import (
	"encoding/base64"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestSecrets(t *testing.T) {
	const secret = "canary-5ecret"
	var s Secrets
	assert.Equal(t, "no "+secret, s.Redact("no "+secret), "the control")
	s.Hide(secret)
	s.Hide(secret)
	s.Hide("abc")
	assert.Equal(t, "no *** and abc", s.Redact("no "+secret+" and abc"), "three letters are in every text")
	for _, before := range []string{"", "a", "ab", "\x00ann\x00", "user=ann\x01auth=Bearer "} {
		text := base64.StdEncoding.EncodeToString([]byte(before + secret + "\x01\x01"))
		got := s.Redact("refused: " + text)
		assert.Contains(t, got, "***")
		assert.NotContains(t, got, text[len(text)/2:len(text)/2+8], before)
	}
	s.HideLine("AGFubgBzZWNyZXQ=")
	assert.Equal(t, "what is ***", s.Redact("what is AGFubgBzZWNyZXQ="))
}
