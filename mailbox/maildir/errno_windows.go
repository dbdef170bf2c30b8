package maildir

import (
	"errors"
	"syscall"
)

// full reports whether there was no room: ERROR_DISK_FULL, ERROR_HANDLE_DISK_FULL,
// ERROR_DISK_QUOTA_EXCEEDED, ERROR_FILE_TOO_LARGE.
func full(err error) bool {
	for _, e := range []syscall.Errno{112, 39, 1295, 223} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// readOnly reports whether the file system takes no changes: ERROR_WRITE_PROTECT.
func readOnly(err error) bool { return errors.Is(err, syscall.Errno(19)) }
