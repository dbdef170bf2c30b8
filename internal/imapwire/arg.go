package imapwire

import (
	"fmt"
	"strconv"
	"strings"
)

// Arg is one argument of a command, made by Raw, Atom, String, Mailbox or UIDs.
type Arg struct {
	kind byte
	text string
	err  error
}

// Raw is written as it is: constants such as "(UID FLAGS)". Control characters
// and those beyond ASCII are refused.
func Raw(s string) Arg { return Arg{kind: 'r', text: s} }

// Atom is an atom, and refused if it is none.
func Atom(s string) Arg { return Arg{kind: 'a', text: s} }

// String is written as a quoted string, or as a literal if it is beyond ASCII
// or long. CR, LF and NUL are refused.
func String(s string) Arg { return Arg{kind: 's', text: s} }

// Mailbox is the name of a folder in UTF-8, written in modified UTF-7.
func Mailbox(name string) Arg {
	raw, err := EncodeMailbox(name)
	return Arg{kind: 's', text: raw, err: err}
}

// UIDs is a set of UIDs; an empty one is refused.
func UIDs(s Set) Arg { return Arg{kind: 'a', text: s.String()} }

// maxQuoted is how long a quoted string may be.
const maxQuoted = 4096

// encode builds the command's octets.
func (cmd *Command) encode(args []Arg, mode literalMode) error {
	if !isAtom(strings.TrimPrefix(cmd.name, "UID ")) {
		return fmt.Errorf("imapwire: %.40q is no command", cmd.name)
	}
	b := []byte(cmd.tag + " " + cmd.name)
	shown := string(b)
	for _, a := range args {
		if err := a.check(); err != nil {
			return fmt.Errorf("imapwire: %s: %w", cmd.name, err)
		}
		b, shown = append(b, ' '), shown+" "
		switch {
		case a.kind != 's':
			b, shown = append(b, a.text...), shown+a.text
		case quotable(a.text):
			q := quote(a.text)
			b, shown = append(b, q...), shown+q
		default:
			n := strconv.Itoa(len(a.text))
			shown += "[" + n + " octets]"
			if mode == literalPlus || mode == literalMinus && len(a.text) <= 4096 {
				b = append(b, "{"+n+"+}\r\n"+a.text...)
				continue
			}
			cmd.parts = append(cmd.parts, append(b, "{"+n+"}\r\n"...))
			cmd.shown = append(cmd.shown, shown)
			b, shown = []byte(a.text), ""
		}
	}
	cmd.parts = append(cmd.parts, append(b, "\r\n"...))
	cmd.shown = append(cmd.shown, shown)
	cmd.shown[0] = redact(cmd.shown[0])
	return nil
}

// check refuses what would be read as something else: above all, as another
// command.
func (a Arg) check() error {
	switch {
	case a.err != nil:
		return a.err
	case a.kind == 'a' && !isSet(a.text) && !isAtom(a.text):
		return fmt.Errorf("%.40q is no atom", a.text)
	case a.kind == 'r' && (a.text == "" || !printable(a.text)):
		return fmt.Errorf("%.40q is no argument", a.text)
	case a.kind == 's' && strings.ContainsAny(a.text, "\r\n\x00"):
		return fmt.Errorf("%.40q holds a control character", a.text)
	case a.kind == 0:
		return fmt.Errorf("an empty argument")
	}
	return nil
}

func isSet(s string) bool {
	return s != "" && strings.Trim(s, "0123456789:,") == ""
}

func printable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

func quotable(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return len(s) <= maxQuoted
}

func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
