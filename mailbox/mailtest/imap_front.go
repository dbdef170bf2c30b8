package mailtest

import (
	"bytes"
	"fmt"
	"net"
	"slices"
	"strings"
)

// IMAPFlavour is a kind of IMAP server.
type IMAPFlavour int

const (
	// IMAPExtended is IMAP4rev1 with extensions: LITERAL+, SASL-IR, ID, ENABLE,
	// IDLE, UNSELECT, NAMESPACE, UIDPLUS, MOVE, ESEARCH, SEARCHRES,
	// LIST-EXTENDED, LIST-STATUS, CHILDREN, SPECIAL-USE, CREATE-SPECIAL-USE,
	// STATUS=SIZE, BINARY, UTF8=ACCEPT, and APPENDLIMIT if there is one.
	IMAPExtended IMAPFlavour = iota
	// IMAPBare is IMAP4rev1 (RFC 3501) and nothing else; its only login is
	// LOGIN.
	IMAPBare
	// IMAPRev2 offers IMAP4rev2 (RFC 9051) beside IMAPExtended.
	IMAPRev2
)

// imapCaps are the extensions that are told after the login only.
var imapCaps = []string{
	"ENABLE", "IDLE", "UNSELECT", "NAMESPACE", "UIDPLUS", "MOVE", "ESEARCH", "SEARCHRES",
	"LIST-EXTENDED", "LIST-STATUS", "CHILDREN", "SPECIAL-USE", "CREATE-SPECIAL-USE",
	"STATUS=SIZE", "BINARY", "UTF8=ACCEPT",
}

// notBare are commands that a bare server does not know.
var notBare = []string{"ID", "ENABLE", "IDLE", "UNSELECT", "NAMESPACE", "UID EXPUNGE", "MOVE", "UID MOVE"}

// imapFront stands between the client and imapserver. It hands over a command
// only when the one before is done, so that it knows which reply belongs to
// what. It does itself what imapserver cannot: TLS below a wrapper, ID, faults,
// and capabilities that are not there.
type imapFront struct {
	*front
	flip func(folder string)

	// For the reader alone.
	pending []byte // of a line, not handed over yet
	literal int    // octets of a literal still to be handed over
	begun   bool   // the next line goes on with a command
	wanted  int    // size of the literal that the client asks leave for, or -1

	// Shared with the writer, guarded by front.mu: a reply is written while the
	// reader waits for it, but IDLE has both at work.
	command string // the one under way, "" at the greeting
	tag     string
	asked   bool // imapserver has asked for more with "+"
	login   bool // logged in
	keeps   bool // what imapserver writes is kept for insert
	kept    []byte
}

// Read hands over at most one line.
func (f *imapFront) Read(p []byte) (int, error) {
	for len(f.pending) == 0 {
		f.grant()
		if f.literal > 0 {
			n, err := f.readRaw(p[:min(len(p), f.literal)])
			f.literal -= n
			return n, err
		}
		line, err := f.readLine()
		if err != nil {
			return 0, err
		}
		if !f.goesOn() {
			if line, err = f.take(line); err != nil {
				return 0, err
			}
		}
		f.announce(line)
		f.pending = line
	}
	n := copy(p, f.pending)
	f.pending = f.pending[n:]
	return n, nil
}

// goesOn reports whether the line belongs to the command under way: it follows
// a literal, or imapserver has asked for it.
func (f *imapFront) goesOn() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	on := f.begun || f.asked
	f.begun, f.asked = false, false
	return on
}

// announce notes a literal at the end of a line. One that the client asks leave
// for comes only if imapserver grants it.
func (f *imapFront) announce(line []byte) {
	n, sync, ok := literalAtEnd(strings.TrimRight(string(line), "\r\n"))
	if !ok {
		return
	}
	if !sync {
		f.literal, f.begun = n, true
		return
	}
	f.wanted = n
}

// grant lets the literal come that imapserver has asked for. If it has not, it
// has refused the command.
func (f *imapFront) grant() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.wanted >= 0 && f.asked {
		f.literal, f.begun, f.asked = f.wanted, true, false
	}
	f.wanted = -1
}

// take looks at a command line. It gives what imapserver shall see; nothing if
// the command is done already.
func (f *imapFront) take(line []byte) ([]byte, error) {
	tag, rest, _ := strings.Cut(strings.TrimRight(string(line), "\r\n"), " ")
	name, args, _ := strings.Cut(rest, " ")
	name = strings.ToUpper(name)
	if name == "UID" {
		sub, more, _ := strings.Cut(args, " ")
		name, args = "UID "+strings.ToUpper(sub), more
	}
	v := f.begin(name, f.flip)
	f.mu.Lock()
	f.command, f.tag = name, tag
	f.mu.Unlock()
	switch {
	case v.ended:
		f.writeString("* BYE " + v.bye + "\r\n")
		_ = f.Close()
		return nil, net.ErrClosed
	case v.reply != "":
		f.writeString(tag + " " + v.reply + "\r\n")
		return nil, f.skipLiterals(line)
	}
	return f.own(line, tag, name, args)
}

// skipLiterals takes the rest of a command that was answered at its first line.
// A literal that waits for leave does not come.
func (f *imapFront) skipLiterals(line []byte) error {
	for {
		n, sync, ok := literalAtEnd(strings.TrimRight(string(line), "\r\n"))
		if !ok || sync {
			return nil
		}
		buf := make([]byte, 4<<10)
		for n > 0 {
			m, err := f.readRaw(buf[:min(n, len(buf))])
			if err != nil {
				return err
			}
			n -= m
		}
		var err error
		if line, err = f.readLine(); err != nil {
			return err
		}
	}
}

// own does what imapserver should not see, and gives the line else.
func (f *imapFront) own(line []byte, tag, name, args string) ([]byte, error) {
	bare := f.host.opts.IMAP == IMAPBare
	switch {
	case name == "STARTTLS":
		if f.encrypted() {
			f.writeString(tag + " BAD TLS is on\r\n")
			return nil, nil
		}
		f.writeString(tag + " OK begin TLS now\r\n")
		return nil, f.secure()
	case bare && (slices.Contains(notBare, name) || name == "LIST" && strings.Contains(args, "RETURN (")):
		f.writeString(tag + " BAD unknown command\r\n")
		return nil, f.skipLiterals(line)
	case name != "APPEND" && endsInLarge(line):
		// imapserver refuses it too, but waits for more before it says so.
		f.writeString(tag + " NO [TOOBIG] literals are limited to 4096 octets here\r\n")
		return nil, f.skipLiterals(line)
	case name == "ID":
		f.writeString("* ID (\"name\" \"mailtest\")\r\n" + tag + " OK ID completed\r\n")
		return nil, f.skipLiterals(line)
	case (name == "LOGIN" || name == "AUTHENTICATE") && !f.mayLogin():
		f.writeString(tag + " NO [PRIVACYREQUIRED] TLS is required\r\n")
		return nil, f.skipLiterals(line)
	}
	return line, nil
}

// endsInLarge reports whether a line announces a literal that imapserver takes
// in no command but APPEND.
func endsInLarge(line []byte) bool {
	n, _, ok := literalAtEnd(strings.TrimRight(string(line), "\r\n"))
	return ok && n > 4096
}

// underWay is the name of the command that is being done.
func (f *imapFront) underWay() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.command
}

func (f *imapFront) mayLogin() bool { return f.host.opts.Plaintext || f.encrypted() }

// Write corrects what imapserver says of its capabilities.
func (f *imapFront) Write(p []byte) (int, error) {
	f.mu.Lock()
	if f.keeps {
		f.kept = append(f.kept, p...)
		f.mu.Unlock()
		return len(p), nil
	}
	switch f.command {
	case "", "CAPABILITY", "LOGIN", "AUTHENTICATE":
		if f.command != "CAPABILITY" && bytes.HasPrefix(p, []byte(f.tag+" OK ")) && f.command != "" {
			f.login = true
		}
		q := f.correct(p)
		f.note(p)
		f.mu.Unlock()
		_, err := f.front.Write(q)
		return len(p), err
	}
	f.note(p)
	f.mu.Unlock()
	return f.front.Write(p)
}

// insert puts items, each with a space before it, at the end of the list that
// end closes with ")". An empty list is begun alone.
func (f *imapFront) insert(items []byte, begun string, end func() error) error {
	f.mu.Lock()
	f.keeps = true
	f.mu.Unlock()
	err := end()
	f.mu.Lock()
	list := bytes.TrimSuffix(f.kept, []byte(")\r\n"))
	f.keeps, f.kept = false, nil
	f.mu.Unlock()
	if err != nil {
		return err
	}
	if string(list) == begun {
		items = items[1:]
	}
	_, err = f.front.Write(slices.Concat(list, items, []byte(")\r\n")))
	return err
}

// note needs f.mu. It sees whether imapserver asks for more.
func (f *imapFront) note(p []byte) {
	if bytes.HasPrefix(p, []byte("+ ")) {
		f.asked = true
	}
}

// correct needs f.mu. It puts our list of capabilities where imapserver has put
// its own, in a CAPABILITY response or a response code, and puts an empty SASL
// challenge right.
func (f *imapFront) correct(p []byte) []byte {
	if string(p) == "+ =\r\n" {
		return []byte("+ \r\n") // imapserver writes an empty challenge so
	}
	for word, last := range map[string]string{"* CAPABILITY ": "\r", " [CAPABILITY ": "]"} {
		i := bytes.Index(p, []byte(word))
		if i < 0 {
			continue
		}
		if end := bytes.Index(p[i:], []byte(last)); end >= 0 {
			return slices.Concat(p[:i+len(word)], []byte(f.caps()), p[i+end:])
		}
	}
	return p
}

// caps needs f.mu.
func (f *imapFront) caps() string {
	o := &f.host.opts
	caps := []string{"IMAP4rev1"}
	if o.IMAP == IMAPRev2 {
		caps = append(caps, "IMAP4rev2")
	}
	if o.IMAP != IMAPBare {
		caps = append(caps, "SASL-IR", "LITERAL+", "ID")
	}
	tls := f.nc != f.raw
	switch {
	case f.login:
		if o.IMAP == IMAPBare {
			break
		}
		caps = append(caps, imapCaps...)
		if o.AppendLimit > 0 {
			caps = append(caps, fmt.Sprintf("APPENDLIMIT=%d", o.AppendLimit))
		}
	case !tls && !o.Plaintext:
		caps = append(caps, "STARTTLS", "LOGINDISABLED")
	default:
		if !tls {
			caps = append(caps, "STARTTLS")
		}
		if o.IMAP != IMAPBare {
			caps = append(caps, "AUTH=PLAIN")
		}
	}
	return strings.Join(caps, " ")
}
