//go:build unix

package maildir

import (
	"errors"
	"syscall"
)

// full reports whether there was no room: on the disk, in a quota, in a file.
func full(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}

// readOnly reports whether the file system takes no changes.
func readOnly(err error) bool { return errors.Is(err, syscall.EROFS) }
