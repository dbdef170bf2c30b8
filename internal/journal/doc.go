// Package journal is an append-only file of records that outlasts crashes: what
// a program must not forget while it moves mail.
//
// What was synced is there after any crash, and so is whatever [Open] has
// replayed once it has returned. What was not synced may be missing from the end
// or cut there, and is dropped when the journal is opened. One process at a time
// has a journal open; its death frees it.
//
// A journal that was not closed in good order is written anew before it is used:
// after a failed fsync the kernel's memory may hold octets that the disk does
// not, and only writing them again, to another file, puts them there.
//
// # Format
//
// The file begins with a magic line, four random octets (the salt) and a frame
// that says what the journal is for. Each record is in a frame: length and
// checksum of what follows, and a checksum of these two that begins with the
// salt, four octets each, big-endian; then an octet that says what the frame is,
// and the record. Checksums are CRC-32C (the Castagnoli polynomial, RFC 3720).
//
// So a frame's head is known for one at any place of the file: what follows
// damage is found again, in time linear in the size of the file. Records hold
// what strangers have sent, and who does not know the salt cannot put what would
// pass for a frame into one.
//
// Octets that were waited for are told from those that may not have been: a frame
// says so before more is written. A crash leaves of the latter what is cut, or
// sectors of zeros; all other damage is a disk's, and then records may be missing
// that somebody relies on. [Journal.Lost] says which these cannot be.
package journal

import "errors"

// MaxRecord is the most octets of one record.
const MaxRecord = 1 << 20

// ErrFormat: the file is not a journal, or one of another version or kind. It is
// left as it is.
var ErrFormat = errors.New("not a journal of this kind")

// ErrBroken: writing failed before, and what was written since the last Sync may
// not be there. Open the journal again.
var ErrBroken = errors.New("the journal could not be written")
