package mailtest

import (
	"encoding/base64"
	"runtime"
	"strconv"
	"strings"
)

// exit ends the handler in peace.
func (c *Conn) exit() { runtime.Goexit() }

// Command reads the next IMAP command and fails the test unless it is the one
// named, such as "SELECT" or "UID FETCH", in any case. It gives the tag and
// what follows the name. Literals are read along, asked for with "+" where
// they wait for it, and stand in args as they were sent: "{3}\r\nabc". Commands
// that have an Answer are answered on the way, unless it is the one named.
func (c *Conn) Command(name string) (tag, args string) {
	for {
		tag, got, args := c.NextCommand()
		if strings.EqualFold(got, name) {
			return tag, args
		}
		answer, ok := c.answers[got]
		if !ok {
			c.fail("the client sent the command %q, want %q", c.shown, name)
		}
		answer(tag, args)
	}
}

// NextCommand reads the next IMAP command, whatever it is. Its name is in upper
// case.
func (c *Conn) NextCommand() (tag, name, args string) {
	line := c.readCommand()
	tag, rest, _ := strings.Cut(line, " ")
	name, args, _ = strings.Cut(rest, " ")
	name = strings.ToUpper(name)
	if name == "UID" {
		sub, more, _ := strings.Cut(args, " ")
		name, args = "UID "+strings.ToUpper(sub), more
	}
	if tag == "" || name == "" {
		c.fail("the client sent %q, want an IMAP command", c.shown)
	}
	return tag, name, args
}

// readCommand reads a line with its literals.
func (c *Conn) readCommand() string {
	line := c.ReadLine()
	shown := c.shown
	for all := line; ; {
		n, sync, ok := literalAtEnd(line)
		if !ok {
			c.shown = shown
			return all
		}
		if n > maxScriptLiteral {
			c.fail("the client announced a literal of %d octets", n)
		}
		if sync {
			c.Send("+ go on\r\n")
		}
		all += "\r\n" + c.ReadN(n)
		shown += c.shown
		line = c.ReadLine()
		shown += c.shown
		all += line
	}
}

// literalAtEnd tells whether a line ends in {n}, {n+} or ~{n}.
func literalAtEnd(line string) (n int, sync, ok bool) {
	if !strings.HasSuffix(line, "}") {
		return 0, false, false
	}
	i := strings.LastIndexByte(line, '{')
	if i < 0 {
		return 0, false, false
	}
	num, plus := strings.CutSuffix(line[i+1:len(line)-1], "+")
	n, err := strconv.Atoi(num)
	return n, !plus, err == nil && n >= 0
}

// Answer has Command answer the IMAP command or, for Verb, the POP3 command of
// that name (in upper case) on the way. A nil answer takes that back.
func (c *Conn) Answer(name string, answer func(tag, args string)) {
	if answer == nil {
		delete(c.answers, name)
		return
	}
	c.answers[name] = answer
}

// Verb reads the next line of a protocol without tags (POP3, SMTP) and fails
// the test unless its first word is verb, in any case. It gives what follows.
// Verbs that have an Answer are answered on the way, unless it is the one
// named.
func (c *Conn) Verb(verb string) (args string) {
	for {
		line := c.ReadLine()
		got, args, _ := strings.Cut(line, " ")
		got = strings.ToUpper(got)
		if strings.EqualFold(got, verb) {
			return args
		}
		answer, ok := c.answers[got]
		if !ok {
			c.fail("the client sent %q, want %q", c.shown, verb)
		}
		answer("", args)
	}
}

// IMAPLogin plays an IMAP session up to the end of a login that succeeds,
// whatever the password: greeting, CAPABILITY, and LOGIN or AUTHENTICATE with
// a mechanism of one or two messages. caps is what the server can do, without
// the word CAPABILITY. From then on CAPABILITY, ID, NOOP, NAMESPACE, ENABLE
// and LOGOUT are answered on the way; see Answer.
func IMAPLogin(c *Conn, caps string) {
	c.Sendf("* OK [CAPABILITY %s] ready\r\n", caps)
	IMAPAnswers(c, caps)
	for {
		tag, name, args := c.NextCommand()
		switch {
		case name == "LOGIN":
			c.Sendf("%s OK [CAPABILITY %s] logged in\r\n", tag, caps)
			return
		case name == "AUTHENTICATE":
			if !strings.Contains(args, " ") {
				c.Send("+ \r\n")
				c.ReadLine()
			}
			c.Sendf("%s OK [CAPABILITY %s] logged in\r\n", tag, caps)
			return
		case c.answers[name] != nil:
			c.answers[name](tag, args)
		default:
			c.fail("the client sent the command %q before its login", c.shown)
		}
	}
}

// IMAPAnswers has the commands that clients send of their own accord answered
// on the way: CAPABILITY, ID, NOOP, NAMESPACE, ENABLE and LOGOUT.
func IMAPAnswers(c *Conn, caps string) {
	untagged := func(line string) func(tag, _ string) {
		return func(tag, _ string) { c.Sendf("%s%s OK done\r\n", line, tag) }
	}
	c.Answer("CAPABILITY", untagged("* CAPABILITY "+caps+"\r\n"))
	c.Answer("ID", untagged("* ID (\"name\" \"mailtest\")\r\n"))
	c.Answer("NOOP", untagged(""))
	c.Answer("NAMESPACE", untagged("* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n"))
	c.Answer("ENABLE", untagged("* ENABLED\r\n"))
	c.Answer("LOGOUT", func(tag, _ string) {
		c.Sendf("* BYE bye\r\n%s OK done\r\n", tag)
		c.Close()
		c.exit()
	})
}

// POPLogin plays a POP3 session up to the end of a login that succeeds,
// whatever the password: greeting, CAPA, and USER with PASS or AUTH with a
// mechanism of one or two messages. caps are the lines of the answer to CAPA;
// none means that CAPA is refused. From then on CAPA, NOOP and QUIT are
// answered on the way; see Answer.
func POPLogin(c *Conn, caps ...string) {
	c.Send("+OK ready\r\n")
	POPAnswers(c, caps...)
	for {
		line := c.ReadLine()
		verb, args, _ := strings.Cut(line, " ")
		verb = strings.ToUpper(verb)
		switch {
		case verb == "USER":
			c.Send("+OK\r\n")
			c.Verb("PASS")
			c.Send("+OK logged in\r\n")
			return
		case verb == "AUTH":
			if !strings.Contains(args, " ") {
				c.Send("+ \r\n")
				c.ReadLine()
			}
			c.Send("+OK logged in\r\n")
			return
		case verb == "APOP":
			c.Send("+OK logged in\r\n")
			return
		case c.answers[verb] != nil:
			c.answers[verb]("", args)
		default:
			c.fail("the client sent %q before its login", c.shown)
		}
	}
}

// POPAnswers has the commands that clients send of their own accord answered
// on the way: CAPA, NOOP and QUIT.
func POPAnswers(c *Conn, caps ...string) {
	c.Answer("CAPA", func(_, _ string) {
		if len(caps) == 0 {
			c.Send("-ERR what?\r\n")
			return
		}
		c.Send("+OK\r\n" + strings.Join(caps, "\r\n") + "\r\n.\r\n")
	})
	c.Answer("NOOP", func(_, _ string) { c.Send("+OK\r\n") })
	c.Answer("QUIT", func(_, _ string) {
		c.Send("+OK bye\r\n")
		c.Close()
		c.exit()
	})
}

// SASLPlain takes apart the base64 of a SASL PLAIN message (RFC 4616), and
// fails the test if it is none.
func (c *Conn) SASLPlain(b64 string) (identity, user, password string) {
	raw, err := base64.StdEncoding.DecodeString(b64)
	f := strings.Split(string(raw), "\x00")
	if err != nil || len(f) != 3 {
		c.fail("what the client sent is no SASL PLAIN message")
	}
	return f[0], f[1], f[2]
}
