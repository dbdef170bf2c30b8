// Package discover finds the servers of a mail address: where its mail is, how it
// is sent, how each server is reached and how to log in there.
//
//	r, err := discover.Lookup(ctx, "ann@example.org", nil)
//	for _, s := range r.Incoming {
//		fmt.Println(s, s.User, s.Auth, s.Confirm)
//	}
//
// It logs in nowhere and takes no password, so that none can leak. The caller
// shows what was found, has the user approve of it where Server.Confirm says why,
// asks for the secret, and then opens the mailbox.
//
// # Where it looks
//
// The sources in the order in which they are believed:
//
//  1. Options.Presets.
//  2. The provider table, a text file in this package: by exact domains, and a
//     few listed suffixes such as *.onmicrosoft.com. Domains that look like a
//     provider's are not taken for his.
//  3. PACC (draft-ietf-mailmaint-pacc): JSON by HTTPS, whose digest must be in
//     DNS. The issuer of OAuth2 tokens that it names is asked for its endpoints
//     (RFC 8414).
//  4. Autoconfiguration (draft-ietf-mailmaint-autoconfig) by HTTPS from the
//     domain itself: autoconfig.DOMAIN, then DOMAIN/.well-known.
//  5. A curated list, Thunderbird's ISPDB or another, which is told the domain
//     and never the address.
//  6. SRV records (RFC 6186, RFC 8314).
//  7. MX records: the provider that takes the domain's mail, in the table, then
//     in the list.
//  8. Microsoft's Autodiscover: if autodiscover.DOMAIN is an alias of a provider
//     in the table, that; else an anonymous question.
//  9. Autoconfiguration from the provider that the MX records name.
//  10. For a domain below a registered one, sources 4 to 6 of those above it.
//  11. A guess: imap., pop., smtp., mail. and the domain itself, probed.
//  12. Autoconfiguration by HTTP, if Options.AllowHTTP.
//
// The first two need no network. If they do not know the domain, 3 to 9 are asked
// at once, and the first in this order that names a server for incoming mail wins:
// when all before it have answered, the rest is cut off. What is published is
// final: if it lists POP3 alone, no IMAP server is guessed. Servers for sending
// are the winner's; if it has none, those of the next source that has.
//
// The guess, and the questions to the domain above, begin when nothing published
// has been heard of for half a second, and count only when all else has failed. A
// candidate needs a certificate for its name, the greeting of its protocol and its
// capabilities, by TLS from the first octet or by STARTTLS. At most four candidates
// of each protocol are probed at once. When servers for receiving and sending are
// found, better candidates have half a second left: ports that swallow packets hold
// nothing up.
//
// # What is safe
//
// Whoever controls what discovery believes gets the password, so:
//
//   - Documents come by HTTPS with a certificate for the name that was asked, at
//     most three redirects to HTTPS alone; a redirect to another registrable
//     domain needs confirmation. They have 256 KiB and five seconds, DOCTYPE is
//     refused, and a server that makes no sense is dropped alone.
//   - A server's question for a login is not answered.
//   - Nothing is asked above the registrable domain, as the public suffix list
//     has it. Programs that asked autodiscover.co.uk for ann@example.co.uk sent
//     strangers passwords.
//   - DNS can be forged. SRV records that lead to another domain need
//     confirmation, unless Options.Authenticated vouches for them; MX records can
//     only select providers that are known, and need it for all but the largest.
//   - Host names are in A-labels, and those with letters beyond ASCII that are
//     not the domain's own need confirmation: they may look like others.
//   - Loopback, private and link-local addresses are refused, when dialling. A
//     Finder is a dialler that does the same for whoever logs in to the servers.
//   - Servers without TLS are left out unless Options.AllowPlaintext.
//   - The address is told to the domain's own HTTPS servers, and to nobody else.
//
// # What is kept
//
// Lookup keeps nothing. A Finder keeps what it found by domain, and lets callers
// who ask at the same time share one search. What a program stores for the next
// start is the Result: it serialises to JSON, and holds no secret.
package discover
