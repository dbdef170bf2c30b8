// Package access is how a mail account is reached: who logs in and with what
// secret ([Auth]), and over what network ([Options]). IMAP, POP3 and SMTP share
// it, so that one set of values opens all of an account's servers.
//
// A secret shows nowhere: an [Auth] prints, logs and encodes as the user's name
// alone. The zero Options are safe: TLS from the first octet, verified.
package access
