package postfix

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/internal/dovecot"
)

func TestMain(m *testing.M) { Main(m) }

func TestFromEnv(t *testing.T) {
	there := Get(t)
	assert.Regexp(t, `^user-[0-9a-f]{16}@postroom\.test$`, there.NewUser(t))
	full := map[string]string{"SIZE": "17"}
	for _, name := range []string{"SUBMISSION", "SUBMISSIONS", "POOR", "DOMAIN", "VOID"} {
		full[name] = "value of " + name
	}
	read := func(change map[string]string) (*Server, error) {
		return fromEnv(func(name string) string {
			name = strings.TrimPrefix(name, "POSTROOM_POSTFIX_")
			if v, ok := change[name]; ok {
				return v
			}
			return full[name]
		})
	}
	s, err := read(nil)
	require.NoError(t, err)
	assert.Equal(t, there.Dovecot.IMAPS, s.Dovecot.IMAPS)
	s.Dovecot = nil
	assert.Equal(t, &Server{
		Submission: "value of SUBMISSION", Submissions: "value of SUBMISSIONS", Poor: "value of POOR",
		Domain: "value of DOMAIN", Void: "value of VOID", Size: 17,
	}, s)

	_, err = fromEnv(func(string) string { return "" })
	assert.ErrorIs(t, err, ErrAbsent)
	for name := range full {
		_, err = read(map[string]string{name: ""})
		assert.ErrorContains(t, err, "POSTROOM_POSTFIX_"+name+" is not set")
		assert.NotErrorIs(t, err, ErrAbsent)
	}
	_, err = read(map[string]string{"SIZE": "large"})
	assert.ErrorContains(t, err, "POSTROOM_POSTFIX_SIZE")
	assert.NotErrorIs(t, err, dovecot.ErrAbsent)
}
