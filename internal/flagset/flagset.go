// Package flagset checks flags, for the drivers that keep them themselves.
package flagset

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/postroom-go/postroom/mailbox"
)

// System reports whether f is a system flag.
func System(f mailbox.Flag) bool { return strings.HasPrefix(string(f), `\`) }

// Valid reports whether f is a flag as RFC 9051 section 9 has it: an atom,
// perhaps with a backslash before it.
func Valid(f mailbox.Flag) bool {
	atom := strings.TrimPrefix(string(f), `\`)
	if atom == "" {
		return false
	}
	for _, c := range []byte(atom) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`(){%*"\]`, c) >= 0 {
			return false
		}
	}
	return true
}

// Check gives an error if one of flags is no flag.
func Check(flags []mailbox.Flag) error {
	for _, f := range flags {
		if !Valid(f) {
			return fmt.Errorf("%.100q is not a flag", f)
		}
	}
	return nil
}

// CheckChange gives an error if a change means nothing, and an
// errors.ErrUnsupported if it needs keywords and there are none.
func CheckChange(c mailbox.FlagChange, keywords bool) error {
	if c.Replace != nil && len(c.Add)+len(c.Remove) > 0 {
		return errors.New("a replacement goes with neither additions nor removals")
	}
	all := slices.Concat(c.Add, c.Remove, c.Replace)
	if err := Check(all); err != nil {
		return err
	}
	for _, f := range all {
		if !System(f) && !keywords {
			return fmt.Errorf("this mailbox has no keywords: %w", errors.ErrUnsupported)
		}
	}
	return nil
}

// Has reports whether f is among flags, in any case.
func Has(flags []mailbox.Flag, f mailbox.Flag) bool {
	return slices.ContainsFunc(flags, func(g mailbox.Flag) bool { return strings.EqualFold(string(f), string(g)) })
}
