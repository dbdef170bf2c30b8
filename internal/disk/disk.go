// Package disk is what durable storage needs of a file system, and no more: a
// directory that nothing leads out of, files that are whole or not there, and
// the waits that make them outlast a loss of power.
//
// [Open] gives the operating system's. Package disktest has one in memory that
// forgets what was not synced, and wrappers that fail or kill the process at a
// chosen operation; so every order of operations can be proved.
//
// Which wait makes what durable is POSIX's least, not what some file system
// does besides:
//
//   - File.Sync, and Dir.SyncFiles for many: the octets of files.
//   - Dir.SyncDir: which names a directory has, and what they name. A file that
//     was synced is lost all the same if its name was not.
//
// After a failed Sync nothing is known about the octets, and another Sync that
// succeeds proves nothing (the kernel drops pages that it could not write):
// write them again, to another file.
package disk

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"time"
)

// ErrLocked: another process, or another File of this one, holds the lock.
var ErrLocked = errors.New("locked by another process")

// Dir is a directory. Names are relative to it, with slashes, and never lead
// out of it, by .. or by a link; the errors are those of package os, for
// errors.Is with fs.ErrNotExist, fs.ErrExist and the like. What is refused, such a
// name, a link, what is no regular file, is fs.ErrInvalid. All methods are safe
// for concurrent use.
type Dir interface {
	// Open opens a regular file for reading. A symbolic link in its place is
	// refused, so is what is no regular file.
	Open(name string) (File, error)
	// Create makes a file for writing, mode 0600 whatever the umask. It fails
	// with fs.ErrExist if there is anything of that name, a dangling link
	// included.
	Create(name string) (File, error)
	// OpenRW opens a regular file for reading and writing and makes it, mode
	// 0600, if it is not there. A symbolic link is refused.
	OpenRW(name string) (File, error)

	// Move renames a file, and fails with fs.ErrExist if there is anything of
	// the new name: it never replaces.
	Move(from, to string) error
	// Replace renames a file over what may be there, at one go.
	Replace(from, to string) error
	// Remove removes a file or an empty directory.
	Remove(name string) error
	// Mkdir makes a directory, mode 0700 whatever the umask.
	Mkdir(name string) error
	// SetTime sets a file's time of modification.
	SetTime(name string, t time.Time) error

	// Lstat describes what is there, not what a link leads to.
	Lstat(name string) (fs.FileInfo, error)
	// ReadDir lists a directory in no order. "." is the directory itself.
	ReadDir(name string) ([]fs.DirEntry, error)

	// SyncFiles makes the octets of files durable that were written since the
	// Dir was opened, and closed; all of them have been when it returns nil.
	// Many cost about as much as one where the system can wait for all at
	// once; a name that is not there may be no error then. Their names may be
	// not durable yet.
	SyncFiles(names []string) error
	// SyncDir makes durable what was made, renamed and removed in a directory.
	// It may fail if somebody else has put another directory in its place.
	SyncDir(name string) error

	// Sub opens a directory below as a Dir of its own. A symbolic link to a
	// directory is refused.
	Sub(name string) (Dir, error)
	// Close frees the directory. Files that are open stay so.
	Close() error
}

// File is an open file. One goroutine at a time writes.
type File interface {
	io.Reader
	io.ReaderAt
	io.Writer
	io.WriterAt
	io.Closer
	// Sync makes the octets durable.
	Sync() error
	// Truncate cuts the file, or lengthens it with zeros.
	Truncate(size int64) error
	// Stat describes the file.
	Stat() (fs.FileInfo, error)
	// Lock takes the file's exclusive lock without waiting, ErrLocked if
	// somebody else has it. Close gives it back, and so does the death of the
	// process. It binds those who ask for it only.
	Lock() error
}

// SameFile reports whether two descriptions, of a Dir and of a File of it, are of
// the same file.
func SameFile(a, b fs.FileInfo) bool {
	if one, ok := a.(interface{ Same(fs.FileInfo) bool }); ok {
		return one.Same(b)
	}
	return os.SameFile(a, b)
}
