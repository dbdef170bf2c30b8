package transfer

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox/access"
)

// mounted tries whether a file system may be mounted.
func mounted(dir string, size int) error {
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", size)); err != nil {
		return err
	}
	return syscall.Unmount(dir, syscall.MNT_DETACH)
}

// TestCrashDiskFull fills a real file system, of so many pages that the write
// that fails is another each time, and goes on when there is room. It needs
// root, to mount; TestCrashWriteFails does the same without.
func TestCrashDiskFull(t *testing.T) {
	if err := mounted(t.TempDir(), os.Getpagesize()); errors.Is(err, syscall.EPERM) {
		t.Log("no file system may be mounted here")
		return
	}
	failed := 0
	for pages := 1; pages <= 16; pages++ {
		t.Run(fmt.Sprint(pages), func(t *testing.T) {
			w := newWay(t, "pop3-maildir", crashMail)
			dir := w.e.To.Maildir
			require.NoError(t, os.Mkdir(dir, 0o700))
			require.NoError(t, syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", pages*os.Getpagesize())))
			t.Cleanup(func() { assert.NoError(t, syscall.Unmount(dir, syscall.MNT_DETACH)) })
			_, err := w.e.do(t.Context(), nil, [2]access.Dialer{})
			if err != nil {
				failed++
				full := assert.ErrorIs(t, err, syscall.ENOSPC)
				t.Log(full, err)
			}
			require.NoError(t, syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, "size=8m"))
			w.check(crashMail)
		})
	}
	assert.Greater(t, failed, 3, "it was full for some")
	assert.Less(t, failed, 16, "and large enough for others")
}
