// Package sent keeps the copy of what was sent where the account keeps such
// copies: its Sent folder.
//
//	result, err := sent.Send(ctx, sink, box, message, nil)
//	switch {
//	case errors.Is(err, sent.ErrNotFiled):
//		// It is sent. result.Copy says why there is no copy; File tries again.
//	case err != nil:
//		// It is not sent, or nobody knows: result.Receipt tells.
//	}
//
// [Send] sends and then files the copy. What happens to the copy changes nothing
// about the message: its Receipt is in the Result, and the error of a copy that
// failed is [ErrNotFiled] and nothing else, so that no loop that looks for
// temporary errors sends again.
//
// [File] files alone, and may be called as often as one likes, one call after the
// other: after a crash, for what an outbox has sent, after ErrNotFiled. It looks for
// the Message-ID among the newest messages of the folder before it adds one. A
// message without a Message-ID is added without a look.
//
// # Who files
//
// IMAP and SMTP know nothing of one another, so the client adds the copy by IMAP.
// A few providers do it by themselves, for what goes through their own SMTP
// servers, and a second copy would stand beside theirs. There this package adds
// nothing but looks a few times whether the copy is there. Of others it is said
// that they do: there it looks a few times, and then adds the copy. The table is
// in provider.go, each row with its source; [Policy] overrules it.
//
// # Bcc
//
// The copy keeps its Bcc field, as the copies of most mail programs do: it is the
// only place that says who got the message (RFC 5322 section 3.6.3), and only the
// sender's own mailbox holds it. Options.DropBcc leaves it out. A copy that the
// provider files has none, since it was made from what was sent.
package sent
