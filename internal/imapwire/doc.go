// Package imapwire is the guard between an IMAP server and go-imap's client. It
// owns all reading of the connection, bounds whatever the server sends, runs
// commands that the client does not know, and decodes what servers say about
// messages.
//
// [New] wraps a connection. Its owner reads the real greeting with
// [Conn.Greeting], and may then run commands of its own with [Conn.Start], or
// hand [Conn.Engine] to imapclient.New. The engine sees a synthetic greeting,
// and of what the server sends only an allow-list, each response written anew
// in its canonical form: answers to its own commands, continuation requests,
// CAPABILITY, ENABLED when it asked, and during SELECT the flags, EXISTS and
// the codes that it knows. FETCH, LIST, STATUS, ID and SEARCH never reach it.
//
// # Reading
//
// Nothing reads ahead. Whoever waits for an answer reads the connection: a
// goroutine in [Command.Next] or [Command.Wait], or the engine's, which is
// parked while no command of the engine is outstanding. A response that belongs
// to another waiter is left for it. So an idle connection costs nothing, and
// commands of both kinds can be outstanding at the same time. They must be read
// in the order in which they were written: reading a later command of ours skips
// what is left of those before it, and one of the engine's is not answered
// before they were read.
//
// # Faults
//
// What breaks the framing, a limit, or the rules of tags breaks the connection
// for good: it is closed, and every call gives the first reason, which wraps
// [mailbox.ErrProtocol], [mailbox.ErrTooLarge] or [io.ErrUnexpectedEOF]. A
// response that is framed right but cannot be parsed fails alone with
// [ErrMalformed], its octets are kept in [Response.Raw], and the command goes
// on.
//
// Deadlines and contexts are the connection's (internal/mailconn): closing it
// ends every call.
package imapwire
