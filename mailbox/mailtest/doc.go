// Package mailtest is what net/http/httptest is for HTTP: mail servers inside
// the test process, for programs that use postroom and for postroom itself.
//
// There are two kinds.
//
// A [Host] is a whole mail host: IMAP, POP3, SMTP and LMTP over one store, on
// the loopback interface, with TLS by a certificate authority of its own. What
// is sent by SMTP is there over IMAP and POP3, and [Host.Submissions] lists it
// with its envelope. A [Fault] makes it misbehave in named ways, at run time.
//
//	host := mailtest.New(t, nil)
//	host.AddUser("ann@example.org", "secret")
//	host.Deliver("ann@example.org", "INBOX", raw, nil)
//	mb, err := imapsrc.Dial(ctx, host.IMAPS, auth, &imapsrc.Options{
//		Net: access.Options{TLSConfig: host.ClientTLS()},
//	})
//
// A script ([Serve], or [Pipe] inside testing/synctest) plays one conversation
// octet by octet, for what no decent server says:
//
//	srv := mailtest.Serve(t, nil, func(c *mailtest.Conn) {
//		mailtest.IMAPLogin(c, "IMAP4rev1 UIDPLUS")
//		tag, _ := c.Command("SELECT")
//		c.Sendf("* 1 EXISTS\r\n%s NO not today\r\n", tag)
//	})
//
// A [Web] is an internet of a few names inside the process, with DNS, web servers
// and whatever mail servers are put there, for programs that find servers.
//
// Each writes down what was said, and a test that fails shows it. Beside them
// are [CountingDialer], which counts octets and round trips, [Certificate],
// which makes good and bad certificates, [Canary], which fails a test that
// lets a secret out, and a [Corpus] of messages.
//
// Nothing here is meant to face a network: passwords are kept in the clear.
package mailtest
