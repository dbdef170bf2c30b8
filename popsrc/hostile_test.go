package popsrc

import (
	"maps"
	"testing"
)

// TestHostile plays servers that attack their clients, and people in the middle.
// Each row ends with its control: that the same script does harm to a client
// without the guard.
func TestHostile(t *testing.T) {
	rows := map[string]func(t *testing.T){}
	for _, layer := range []map[string]func(t *testing.T){hostileTLS, hostileAuth, hostilePOP} {
		maps.Copy(rows, layer)
	}
	for id, row := range rows {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			row(t)
		})
	}
}
