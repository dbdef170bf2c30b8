// Package mailbox is one interface over every kind of mail account, and
// everything that is true of all mail: identifiers, summaries, parts, errors.
//
// Mail is reached in two ways. IMAP leaves it on the server: it is read there,
// every device sees the same, and a body or an attachment moves only when it is
// opened. POP3 knows one folder and whole messages: a program downloads the new
// ones and then removes them from the server. A program written against this
// package works with both, and asks [Mailbox.Caps] where they differ.
//
// # The shape
//
// The model is io/fs. [Mailbox] is a small core that every driver fully means.
// What only some can do is an optional interface ([PartOpener], [Fetcher],
// [FlagSetter], [Appender]), and users never assert them: they call the package
// function of the same purpose ([OpenPart], [Fetch], [SetFlags], [Append]),
// which takes the driver's fast path where Caps says it is there, else a
// fallback with the same result, else fails with an error that wraps
// [errors.ErrUnsupported] and has no side effect.
//
// # Identity
//
// An [ID] names one message for as long as it exists: over sessions and
// processes, as a comparable value and as text. It carries its folder and its
// epoch (IMAP's UIDVALIDITY). When the server starts a new epoch, calls with an
// old ID give [ErrStale]; they never reach another message.
//
// # Rules every driver keeps
//
// Package mailboxtest checks them.
//
//   - Iterators yield a nil pointer with an error, at most one error, as the
//     last thing. Any method may be called inside the loop, and leaving the
//     loop needs no clean-up. One damaged message is data ([Summary.Defects]),
//     not the end of a scan.
//   - Readers hold no lock and no connection between two Reads. A body is whole
//     or an error: what was cut ends in [io.ErrUnexpectedEOF], never in io.EOF.
//     Memory is bounded whatever the size of the message. Reading marks nothing
//     as seen.
//   - Delete removes exactly the messages named, and nil means that the server
//     has confirmed it.
//   - Every call obeys its context, and returns its error promptly. Close
//     unblocks every call with [ErrClosed].
//   - All methods are safe for concurrent use. One reader and one iteration
//     belong to one goroutine.
//   - Reads and repeatable changes are tried again on a fresh connection;
//     Append is not, and ends in [ErrUnknownOutcome] when its answer is lost.
//   - Errors are [*Error] values around the sentinels of this package. No
//     secret is ever in one; a server's text in one is clean and short.
package mailbox
