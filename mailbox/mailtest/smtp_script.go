package mailtest

import (
	"encoding/base64"
	"strings"
)

// SMTPLogin plays an SMTP session up to the end of a login that succeeds,
// whatever the password: greeting, EHLO, and AUTH with a mechanism of one or
// two messages. caps are the lines of the answer to EHLO behind its first, such
// as "PIPELINING" and "AUTH PLAIN LOGIN". From then on EHLO, HELO, NOOP, RSET
// and QUIT are answered on the way; see Conn.Answer. A handler that wants to see
// one of them asks Conn.Verb for it.
func SMTPLogin(c *Conn, caps ...string) {
	c.Send("220 localhost ESMTP ready\r\n")
	SMTPAnswers(c, caps...)
	for {
		line := c.ReadLine()
		verb, args, _ := strings.Cut(line, " ")
		verb = strings.ToUpper(verb)
		switch {
		case verb == "AUTH":
			mech, _, initial := strings.Cut(args, " ")
			var challenges []string
			if !initial {
				challenges = append(challenges, "")
			}
			if strings.EqualFold(mech, "LOGIN") {
				challenges = append(challenges, "Password:")
			}
			for _, challenge := range challenges {
				c.Send("334 " + base64.StdEncoding.EncodeToString([]byte(challenge)) + "\r\n")
				c.ReadLine()
			}
			c.Send("235 2.7.0 logged in\r\n")
			return
		case c.answers[verb] != nil:
			c.answers[verb]("", args)
		default:
			c.fail("the client sent %q before its login", c.shown)
		}
	}
}

// SMTPAnswers has the commands that clients send of their own accord answered
// on the way: EHLO with the lines of caps, HELO, NOOP, RSET and QUIT.
func SMTPAnswers(c *Conn, caps ...string) {
	c.Answer("EHLO", func(_, _ string) {
		lines := append([]string{"localhost"}, caps...)
		last := len(lines) - 1
		var b strings.Builder
		for _, line := range lines[:last] {
			b.WriteString("250-" + line + "\r\n")
		}
		c.Send(b.String() + "250 " + lines[last] + "\r\n")
	})
	c.Answer("HELO", func(_, _ string) { c.Send("250 localhost\r\n") })
	c.Answer("NOOP", func(_, _ string) { c.Send("250 2.0.0 done\r\n") })
	c.Answer("RSET", func(_, _ string) { c.Send("250 2.0.0 done\r\n") })
	c.Answer("QUIT", func(_, _ string) {
		c.Send("221 2.0.0 bye\r\n")
		c.Close()
		c.exit()
	})
}
