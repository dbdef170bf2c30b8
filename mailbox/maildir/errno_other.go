//go:build !unix && !windows

package maildir

// full reports whether there was no room.
func full(error) bool { return false }

// readOnly reports whether the file system takes no changes.
func readOnly(error) bool { return false }
