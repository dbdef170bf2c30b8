//go:build unix

package maildir

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
)

// TestHostilePermissions is the row local-perm: mail is its owner's, whatever the
// umask; and the order of the list is not that of a clock that anybody can set.
func TestHostilePermissions(t *testing.T) {
	for _, umask := range []int{0, 0o777} {
		t.Run("local-perm", func(t *testing.T) {
			dir := t.TempDir()
			old := syscall.Umask(umask)
			defer syscall.Umask(old)
			mb, err := Open(filepath.Join(dir, "a", "mail"), nil)
			require.NoError(t, err)
			defer mb.Close()
			create(t, mb, "Lists/Go")
			for i := range 12 {
				id := addTo(t, mb, "Lists/Go", i)
				// As an archive that was unpacked has them.
				setFlags(t, mb, id, mailbox.FlagChange{Add: words("own")})
				at := time.Unix(1e9-int64(i), 0)
				require.NoError(t, os.Chtimes(filepath.Join(mb.Dir(), ".Lists.Go", "cur", id.Key()+":2,a"), at, at))
			}
			got := list(t, mb, "Lists/Go", nil)
			require.Len(t, got, 12)
			for i := range got[1:] {
				assert.True(t, got[i].Received.After(got[i+1].Received), "the control: by the files' times they are in reverse")
			}
			assert.Equal(t, "Message 0", got[0].Envelope.Subject)
			n := 0
			require.NoError(t, filepath.WalkDir(filepath.Join(dir, "a"), func(path string, d fs.DirEntry, err error) error {
				require.NoError(t, err)
				info, err := d.Info()
				require.NoError(t, err)
				want := fs.FileMode(0o600)
				if d.IsDir() {
					want = 0o700
				}
				assert.Equal(t, want, info.Mode().Perm(), path)
				n++
				return nil
			}))
			assert.Greater(t, n, 20)
			// The control.
			plain := filepath.Join(dir, "plain")
			require.NoError(t, os.WriteFile(plain, nil, 0o666))
			info, err := os.Lstat(plain)
			require.NoError(t, err)
			assert.NotEqual(t, fs.FileMode(0o600), info.Mode().Perm())
		})
	}
}
