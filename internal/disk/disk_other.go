//go:build !unix

package disk

import "os"

const (
	openFlags = 0
	dirFlags  = 0
	// Windows syncs only files that may be written.
	syncFlag = os.O_RDWR
	// Windows has hard links on some file systems only, and os.Root.Rename
	// replaces: Move looks before.
	canLink = false
)

// syncDir does nothing: Windows has no such call, NTFS journals its directories.
func syncDir(*os.File) error { return nil }
