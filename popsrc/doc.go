// Package popsrc reads and empties mailboxes over POP3 (RFC 1939).
//
//	auth := access.Password("ann@example.org", secret, nil)
//	mb, err := popsrc.Dial(ctx, "pop.example.org:995", auth, nil)
//
// It knows implicit TLS and STLS (RFC 2595), CAPA, PIPELINING and response codes
// (RFC 2449, RFC 3206), AUTH (RFC 5034), UIDL, TOP and UTF8 (RFC 6856). Where the
// server can do PIPELINING nothing costs a round trip for each message.
//
// # One session, one lock
//
// A POP3 session has the whole maildrop, and many servers let no other session
// in as long as it lasts (Caps.Exclusive). A Mailbox holds its session from Dial
// to Close, also while nothing is done: close it when the work is done. The
// session sees the maildrop as it was when it began; List begins another when
// that is longer ago than Options.Refresh.
//
// All calls take turns on the one connection. A reader or a loop does not hold it
// while its consumer does something else: what was asked for goes to memory, and
// if another call wants the connection to a temporary file.
//
// # IDs and deleting
//
// An ID is a message's UIDL. Servers without UIDL, and messages that share one
// with others, have IDs that hold for one session only: ErrStale later, and
// Delete refuses them.
//
// POP3 deletes at the end of a session. So Delete sends DELE for each message and
// then QUIT, and nil means that the server has answered that; the next call
// begins another session. A session that ends in any other way deletes nothing.
package popsrc
