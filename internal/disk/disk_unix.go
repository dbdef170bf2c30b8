//go:build unix

package disk

import (
	"errors"
	"os"
	"syscall"
)

const (
	// What opens regular files does not wait for the other end of a FIFO.
	openFlags = syscall.O_NONBLOCK
	dirFlags  = syscall.O_DIRECTORY
	syncFlag  = os.O_RDONLY
	canLink   = true
)

// syncDir syncs an open directory. Darwin's os.File.Sync is F_FULLFSYNC, which
// waits for the disk too.
func syncDir(f *os.File) error {
	err := f.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		// A file system that has no such thing: its directories are written
		// at once, or there is nothing that can be done.
		return nil
	}
	return err
}
