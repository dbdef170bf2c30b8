//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd || windows)

package disk

import "errors"

// lock fails: without flock(2) there is no lock that outlives the closing of
// another file of the same name.
func lock(uintptr) error { return errors.ErrUnsupported }
