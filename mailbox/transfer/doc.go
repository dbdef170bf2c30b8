// Package transfer copies mail from one mailbox into another, each message
// exactly once, over any number of runs and crashes: POP3 into a Maildir as a
// mail program does it, IMAP into a Maildir as a backup, a Maildir into IMAP to
// restore it, IMAP into IMAP to move house.
//
//	report, err := transfer.Run(ctx, src, dst, &transfer.Options{Remove: transfer.Remove{Stored: true}})
//
// # Exactly once
//
// A journal beside the destination remembers every message by its ID at the
// source, and in which of these states it is:
//
//   - fetched: it was read whole, and is on its way into the destination
//   - stored: the destination has confirmed it
//   - delete pending: it is about to be deleted at the source
//   - settled: the source does not have it any more
//   - dead letter: the destination refused it, and why; it stays at the source
//
// The order is always: durable in the destination, durable in the journal,
// deleted at the source, settled by the source's answer or its next list. So at
// every instant each message is at the source or durable in the destination. A
// message that was fetched when the program died is looked for in the
// destination, by its ID there or by its Message-ID and digest, before it is
// moved again.
//
// What the source says about identity is not trusted beyond its word: a message
// whose folder began a new epoch, whose UIDL is shared by others, that came back,
// or whose size is another than it was, is read and compared by digest (SHA-256 of
// the header, the first 64 KiB of the body, and the size) with what is known, and
// neither stored twice nor deleted because of its name. Before a message that an
// earlier run has stored is deleted under its UIDL, its Message-ID is asked for. A
// UIDL that comes again with another message of the very same size is noticed only
// then: until there is something to delete, that message stays at the source.
//
// # What goes wrong
//
// A message that cannot be read, or that the destination refuses, is told and does
// not stop the others; a folder that cannot be listed, made or written does not
// stop the other folders, and is the run's error in the end. What says that the
// next message or folder would fare no better ends the run: an account that is
// full, closed, refused or away, a disk that fails.
//
// A journal that lost records, to a failing disk and not to a crash, has what they
// told of copied once more, and deletes nothing that it does not know to be stored.
//
// # Several programs
//
// One run at a time has a journal; a second one is locked out with
// mailbox.ErrBusy. The journal holds the messages of one account, whose name comes
// from the source or from Options.Source, and what one destination has of them.
// Several accounts may be copied into one Maildir at a time.
package transfer
