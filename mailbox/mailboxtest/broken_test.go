package mailboxtest

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/postroom-go/postroom/mailbox"
)

// broken is a driver that breaks one rule, and the cases that must find it out:
// these and no others.
type broken struct {
	name  string
	caps  mailbox.Caps // zero is wiredCaps
	alter func(d *driver)
	fails []string
}

// TestBroken shows that the suite finds what it is meant to find.
func TestBroken(t *testing.T) {
	all := slices.Concat(brokenLists(), brokenBodies(), brokenParts(), brokenIDs(), brokenChanges(), brokenAppends(), brokenCreates(), brokenBatches(), brokenRules())
	assert.GreaterOrEqual(t, len(all), 20)
	for _, b := range all {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			caps := b.caps
			if caps == (mailbox.Caps{}) {
				caps = wiredCaps()
			}
			failed := failedCases(t, config(caps, b.alter))
			slices.Sort(b.fails)
			if !assert.Equal(t, b.fails, names(failed)) {
				for name, why := range failed {
					t.Logf("%s: %.300q", name, why)
				}
			}
		})
	}
}

// without is wiredCaps with some capabilities switched off.
func without(names ...string) mailbox.Caps {
	caps := wiredCaps()
	for _, name := range names {
		clearCap(&caps, name)
	}
	return caps
}
