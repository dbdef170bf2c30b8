// Package imapsrc is the IMAP driver: mail that stays on the server and moves
// only when it is opened.
//
//	m, err := imapsrc.Dial(ctx, "imap.example.org:993", access.Password(user, password, nil), nil)
//
// It speaks IMAP4rev1 (RFC 3501) and IMAP4rev2 (RFC 9051), over TLS unless
// [access.Options] says otherwise, and uses of the extensions what the
// server offers: SASL-IR, ID, UIDPLUS, SPECIAL-USE, CREATE-SPECIAL-USE, XLIST,
// LIST-STATUS, CONDSTORE (for FolderStatus.State), BINARY, LITERAL- and APPENDLIMIT. A small pool of connections serves all calls; see
// [Options].
//
// # Servers that err
//
// Nothing that a server says is trusted for size, depth, count or time. A
// message or a folder that the server describes wrongly is degraded alone: its
// summary has Defects. A connection that is lost is replaced, and reads and
// repeatable changes go on; Append does not, and ends in
// mailbox.ErrUnknownOutcome if its answer was lost. A server that answers
// nothing for access.Options.ProgressTimeout counts as lost.
package imapsrc
