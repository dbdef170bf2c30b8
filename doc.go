// Package postroom reads, keeps and sends mail: one interface over IMAP and
// POP3 accounts and Maildirs, a sender, and the servers found from an address.
//
// This package is the front door. An address and a secret open an account:
//
//	account, err := postroom.Open(ctx, "alice@example.com", access.Password("", password, nil), nil)
//
// Its Mailbox is an IMAP account or, where there is no IMAP, a POP3 account; its
// Sink sends. If it cannot be opened, the error is fit to be shown: what was tried,
// why it failed, and what to do; for programs there is a *LoginError or a
// *discover.Error in it. Account.Config is what to store, to open it straight away
// the next time. Verify tries one server, for programs that let their users type
// names.
//
// Whoever knows which server and protocol he wants needs none of it, and
// begins with package mailbox, which holds the interface and the functions over
// it, and with a driver:
//
//   - [github.com/postroom-go/postroom/imapsrc] for IMAP,
//   - [github.com/postroom-go/postroom/popsrc] for POP3,
//   - [github.com/postroom-go/postroom/mailbox/maildir] for mail in a directory,
//   - [github.com/postroom-go/postroom/mailbox/memory] for tests and examples.
//
// Package [github.com/postroom-go/postroom/smtpsink] sends mail over SMTP, and
// below it are packages that compose messages, file copies and keep an outbox.
// Package [github.com/postroom-go/postroom/discover] finds servers.
// Package [github.com/postroom-go/postroom/mailbox/transfer] copies mail from one
// mailbox into another, each message exactly once: downloads, backups, moves.
// Package [github.com/postroom-go/postroom/mailbox/mailtest] is an in-process
// mail host for tests of programs that use postroom, and
// [github.com/postroom-go/postroom/mailbox/mailboxtest] and
// [github.com/postroom-go/postroom/smtpsink/sinktest] are the conformance suites
// that prove a driver and a sender.
package postroom
