package imapwire

import (
	"fmt"

	"github.com/postroom-go/postroom/mailbox"
)

// Limits bound what a server can make us hold or do. Zero fields are the
// defaults. A limit of the connection, when it is passed, breaks it with
// mailbox.ErrTooLarge; Depth and Values make one response ErrMalformed.
type Limits struct {
	// Line is the most octets of one line; 0 is 16 MiB: one line lists all
	// the UIDs that a search has found.
	Line int
	// Literal is the most octets of a literal that is not a message's body; 0
	// is 1 MiB. It is checked before the literal is read. Bodies stream, and
	// may be of any size.
	Literal int
	// Response is the most octets of one response, its bodies not counted; 0
	// is 16 MiB.
	Response int
	// Depth is how deep lists may nest; 0 is 100.
	Depth int
	// Values is the most values in one response; 0 is 200,000.
	Values int
	// Untagged is how many responses a server may send during a command
	// beyond those that the command expects; 0 is 100,000.
	Untagged int
	// Rounds is the most challenges in one AUTHENTICATE; 0 is 10.
	Rounds int
}

func (l Limits) withDefaults() Limits {
	for _, f := range []struct {
		v    *int
		zero int
	}{
		{&l.Line, 16 << 20}, {&l.Literal, 1 << 20}, {&l.Response, 16 << 20}, {&l.Depth, 100},
		{&l.Values, 200_000}, {&l.Untagged, 100_000}, {&l.Rounds, 10},
	} {
		if *f.v == 0 {
			*f.v = f.zero
		}
	}
	return l
}

func tooLarge(format string, args ...any) error {
	return fmt.Errorf("%w: %s", mailbox.ErrTooLarge, fmt.Sprintf(format, args...))
}

func violation(format string, args ...any) error {
	return fmt.Errorf("%w: %s", mailbox.ErrProtocol, fmt.Sprintf(format, args...))
}
