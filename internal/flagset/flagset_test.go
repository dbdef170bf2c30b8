package flagset

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/postroom-go/postroom/mailbox"
)

func TestValid(t *testing.T) {
	for _, f := range []mailbox.Flag{`\Seen`, "$Junk", "a", "postroom-test", `\X-Own`, "R&D"} {
		assert.True(t, Valid(f), f)
	}
	for _, f := range []mailbox.Flag{"", `\`, `\\Seen`, "a b", "a\r\n", "a\x00", "grün", "a]", `a"`, "*", "%", "(", `a\b`, "{1}"} {
		assert.False(t, Valid(f), f)
	}
}

func TestCheckChange(t *testing.T) {
	seen, own := []mailbox.Flag{mailbox.FlagSeen}, []mailbox.Flag{"own"}
	for _, c := range []mailbox.FlagChange{{}, {Add: seen}, {Remove: seen, Add: own}, {Replace: own}, {Replace: []mailbox.Flag{}}} {
		assert.NoError(t, CheckChange(c, true))
	}
	for _, c := range []mailbox.FlagChange{{Add: seen, Replace: own}, {Remove: seen, Replace: []mailbox.Flag{}}, {Add: []mailbox.Flag{"a b"}}} {
		assert.Error(t, CheckChange(c, true))
	}
	for _, c := range []mailbox.FlagChange{{Add: own}, {Remove: own}, {Replace: own}} {
		assert.ErrorIs(t, CheckChange(c, false), errors.ErrUnsupported)
	}
	assert.NoError(t, CheckChange(mailbox.FlagChange{Replace: seen}, false))
}

func TestHas(t *testing.T) {
	assert.True(t, Has([]mailbox.Flag{"a", `\seen`}, mailbox.FlagSeen))
	assert.False(t, Has(nil, "a"))
}
