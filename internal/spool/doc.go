// Package spool stands between a goroutine that reads bodies off a connection
// and a consumer that takes them at its own pace and may call anything else
// meanwhile.
//
// The rule that it exists for: what is outstanding on a connection can always be
// drained without the consumer's help. Memory is bounded, and the disk is used
// only when memory is not enough or someone else needs the connection.
//
//   - A [Spool] holds one body of unknown size and keeps it until Close: memory
//     first, then a temporary file.
//   - A [Queue] passes many bodies, in order, through one memory budget, and
//     frees what was read. While the consumer keeps up the disk is never touched.
//     When it does not, the producer waits, until [Queue.Spill] is called or the
//     consumer stood still for a while: then it goes on into a temporary file.
//
// Temporary files have mode 0600 and are unlinked as soon as they are open, where
// the system allows that.
package spool

import "errors"

// What readers fail with, for errors.Is.
var (
	// ErrClosed is what reading gives after Close, or after Cancel without a
	// reason of its own.
	ErrClosed = errors.New("spool: closed")
	// ErrLeft is what the reader of a body gives that was not at its end when
	// the consumer went on to the next body.
	ErrLeft = errors.New("spool: the body was left for the next one")
	// ErrDiskLimit is the end of a body that needed more disk than MaxDisk.
	ErrDiskLimit = errors.New("spool: disk limit reached")
)
