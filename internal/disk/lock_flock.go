//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package disk

import "golang.org/x/sys/unix"

// lock takes flock(2)'s lock, which belongs to the open file and not to the
// process, as fcntl's does: closing another File of the same name keeps it.
func lock(fd uintptr) error {
	for {
		switch err := unix.Flock(int(fd), unix.LOCK_EX|unix.LOCK_NB); err {
		case unix.EINTR:
		case unix.EWOULDBLOCK:
			return ErrLocked
		default:
			return err
		}
	}
}
