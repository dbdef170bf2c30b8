package imapwire

import (
	"strings"
)

const (
	maxCaps  = 1000 // capabilities that the engine gets to see
	maxFlags = 1000 // flags of a folder
	maxWord  = 200  // octets of one of them
)

// canonicalCaps gives the atoms of a list of capabilities, each with a space in
// front. IMAP4rev2 is left out where IMAP4rev1 is offered: go-imap would write
// the names of folders in UTF-8 without having enabled it (its issue 610).
func canonicalCaps(list string) string {
	words := strings.Fields(list)
	rev1 := false
	for _, w := range words {
		rev1 = rev1 || strings.EqualFold(w, "IMAP4rev1")
	}
	var b strings.Builder
	for i, w := range words {
		if i < maxCaps && len(w) <= maxWord && isAtom(w) && !(rev1 && strings.EqualFold(w, "IMAP4rev2")) {
			b.WriteString(" " + w)
		}
	}
	return b.String()
}

// canonicalFlags gives a list of flags without those that are none.
func canonicalFlags(list []byte, lim *Limits) (string, bool) {
	p := parser{lim: lim}
	p.reset(list, 0)
	v, err := p.value()
	if err != nil || v.Kind() != ListKind {
		return "", false
	}
	var flags []string
	for f := range v.All() {
		if s := f.String(); len(flags) < maxFlags && len(s) <= maxWord && (s == `\*` || isAtom(strings.TrimPrefix(s, `\`))) {
			flags = append(flags, s)
		}
	}
	return "(" + strings.Join(flags, " ") + ")", true
}

// isAtom reports whether s is an atom (RFC 9051 section 9).
func isAtom(s string) bool {
	for i := range len(s) {
		if !isAtomChar(s[i]) {
			return false
		}
	}
	return s != ""
}

func isAtomChar(c byte) bool {
	switch c {
	case '(', ')', '{', ' ', '%', '*', '"', '\\', ']':
		return false
	}
	return ' ' < c && c < 0x7f
}

// literalMode is what literals the server takes without being asked.
type literalMode int

const (
	literalAsked literalMode = iota
	literalMinus             // up to 4,096 octets (RFC 7888)
	literalPlus              // any
)

// learn notes from a list of capabilities what literals the server takes.
func (c *Conn) learn(s *Status) {
	if s.Code != "CAPABILITY" || s.Args == "" {
		return
	}
	mode := literalAsked
	for _, w := range strings.Fields(s.Args) {
		switch {
		case strings.EqualFold(w, "LITERAL+"):
			mode = literalPlus
		case strings.EqualFold(w, "LITERAL-"):
			mode = max(mode, literalMinus)
		}
	}
	c.mu.Lock()
	c.literal = mode
	c.mu.Unlock()
}
