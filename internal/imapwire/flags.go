package imapwire

import (
	"bytes"
	"strings"

	"github.com/postroom-go/postroom/mailbox"
)

// Flags are the flags in a list, system flags and the registered keywords as
// package mailbox spells them. What cannot be a flag is left out. ok is false if
// v is no list.
func (v Value) Flags() (flags []mailbox.Flag, ok bool) {
	if v.Kind() != ListKind {
		return nil, v.IsNil()
	}
	n := v.Len()
	if n == 0 {
		return nil, true
	}
	flags = make([]mailbox.Flag, 0, n)
	for e, ok := v.first(); ok; e, ok = v.after(e) {
		if f := flagOf(e.Bytes()); f != "" {
			flags = append(flags, f)
		}
	}
	return flags, true
}

func flagOf(b []byte) mailbox.Flag {
	switch string(b) { // as most servers spell them: no allocation
	case `\Seen`:
		return mailbox.FlagSeen
	case `\Answered`:
		return mailbox.FlagAnswered
	case `\Flagged`:
		return mailbox.FlagFlagged
	case `\Deleted`:
		return mailbox.FlagDeleted
	case `\Draft`:
		return mailbox.FlagDraft
	case `\Recent`:
		return `\Recent`
	}
	if len(b) == 0 || len(b) > maxWord || bytes.ContainsFunc(b, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return ""
	}
	s := string(b)
	for _, f := range []mailbox.Flag{mailbox.FlagSeen, mailbox.FlagAnswered, mailbox.FlagFlagged, mailbox.FlagDeleted,
		mailbox.FlagDraft, mailbox.FlagForwarded, mailbox.FlagJunk, mailbox.FlagNotJunk} {
		if strings.EqualFold(s, string(f)) {
			return f
		}
	}
	return mailbox.Flag(s)
}
