package outbox

import (
	"io/fs"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/internal/disk/disktest"
)

// TestLooksFail has each operation fail that only looks at the disk, in the life of
// an outbox; then it is opened again.
func TestLooksFail(t *testing.T) {
	t.Parallel()
	for _, fault := range []error{syscall.EIO, fs.ErrPermission, syscall.EMFILE} {
		failed, k := 0, 0
		for more := true; more; k += 11 {
			files, l := disktest.NewMem(512), newLife()
			var looked atomic.Bool // by several at a time
			err := l.live(t.Context(), disktest.Hook(files, func(op disktest.Op) error {
				if op.Changes || op.After || op.N < k {
					return nil
				}
				looked.Store(true)
				if op.N > k {
					return nil
				}
				return fault
			}), off{})
			more = looked.Load()
			if err != nil {
				failed++
			}
			require.NoError(t, l.fault(t, files.Restart(), off{}), "look %d: %v", k, err)
		}
		t.Logf("%v: %d of %d lives ended early", fault, failed, k/11)
		assert.Greater(t, failed, 5)
	}
}
