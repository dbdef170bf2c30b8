// Package postroom reads, keeps and sends mail: one interface over IMAP and
// POP3 accounts and Maildirs.
//
// Start with package mailbox, which holds the interface and the functions over
// it, and one of the drivers:
//
//   - [github.com/postroom-go/postroom/imapsrc] for IMAP,
//   - [github.com/postroom-go/postroom/popsrc] for POP3,
//   - [github.com/postroom-go/postroom/mailbox/maildir] for mail in a directory,
//   - [github.com/postroom-go/postroom/mailbox/memory] for tests and examples.
//
// Package [github.com/postroom-go/postroom/mailbox/transfer] copies mail from one
// mailbox into another, each message exactly once: downloads, backups, moves.
// Package [github.com/postroom-go/postroom/mailbox/mailtest] is an in-process
// mail host for tests of programs that use postroom, and
// [github.com/postroom-go/postroom/mailbox/mailboxtest] the conformance suite
// that proves a driver.
package postroom
