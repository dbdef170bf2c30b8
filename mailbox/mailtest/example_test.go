package mailtest_test

import (
	"bufio"
	"fmt"
	"net"
	"net/smtp"
	"testing"

	"github.com/postroom-go/postroom/mailbox/mailtest"
)

// t stands for the one that a test function gets.
var t testing.TB = new(testing.T)

// A host for a test: what a program sends by SMTP can be looked at, or read
// over IMAP and POP3.
func ExampleNew() {
	host := mailtest.New(t, nil)
	host.AddUser("ann@example.org", "secret")

	c, err := smtp.Dial(host.SMTP)
	if err != nil {
		fmt.Println(err)
		return
	}
	cfg := host.ClientTLS()
	cfg.ServerName = "localhost"
	if err := c.StartTLS(cfg); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(c.Auth(smtp.PlainAuth("", "ann@example.org", "secret", "127.0.0.1")))
	fmt.Println(c.Mail("ann@example.org"), c.Rcpt("ann@example.org"))
	w, err := c.Data()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Fprint(w, "Subject: note to self\r\n\r\nBuy milk.\r\n")
	fmt.Println(w.Close(), c.Quit())

	messages, err := host.Messages("ann@example.org", "INBOX")
	fmt.Println(len(messages), err)
	// Output:
	// <nil>
	// <nil> <nil>
	// <nil> <nil>
	// 1 <nil>
}

// A script: an IMAP server that refuses every folder.
func ExampleServe() {
	srv := mailtest.Serve(t, nil, func(c *mailtest.Conn) {
		mailtest.IMAPLogin(c, "IMAP4rev1")
		tag, name := c.Command("SELECT")
		c.Sendf("%s NO [NONEXISTENT] there is no %s\r\n", tag, name)
	})

	nc, err := net.Dial("tcp", srv.Addr)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer nc.Close()
	fmt.Fprintf(nc, "1 LOGIN ann secret\r\n2 NOOP\r\n3 SELECT Work\r\n")
	for lines := bufio.NewScanner(nc); lines.Scan(); {
		fmt.Println(lines.Text())
	}
	// Output:
	// * OK [CAPABILITY IMAP4rev1] ready
	// 1 OK [CAPABILITY IMAP4rev1] logged in
	// 2 OK done
	// 3 NO [NONEXISTENT] there is no Work
}

// A fault strikes at a command, so often as is said.
func ExampleHost_Inject() {
	host := mailtest.New(t, &mailtest.Options{Plaintext: true})
	host.Inject(mailtest.Fault{
		Kind: mailtest.FaultReply, Protocol: "pop3", Command: "USER", Times: 1, Text: "-ERR [SYS/TEMP] come back later",
	})

	nc, err := net.Dial("tcp", host.POP3)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer nc.Close()
	fmt.Fprintf(nc, "USER ann\r\nUSER ann\r\nQUIT\r\n")
	for lines := bufio.NewScanner(nc); lines.Scan(); {
		fmt.Println(lines.Text())
	}
	// Output:
	// +OK mailtest ready
	// -ERR [SYS/TEMP] come back later
	// +OK go on
	// +OK bye
}
