package imapsrc

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/postroom-go/postroom/mailbox"
)

// SetFlags changes flags: see mailbox.SetFlags. A keyword that the folder does
// not keep (PERMANENTFLAGS) is errors.ErrUnsupported, and nothing is changed.
func (m *Mailbox) SetFlags(ctx context.Context, ids []mailbox.ID, change mailbox.FlagChange, _ *mailbox.SetFlagsOptions) error {
	if err := checkChange(change); err != nil {
		return opError("set flags", "", mailbox.ID{}, err)
	}
	if len(ids) == 0 || change.Replace == nil && len(change.Add)+len(change.Remove) == 0 {
		return nil
	}
	return m.change(ctx, "set flags", ids, func(s *session, set []uint32) error {
		for _, step := range []struct {
			op    storeOp
			flags []mailbox.Flag
			skip  bool
		}{
			{storeReplace, change.Replace, change.Replace == nil},
			{storeAdd, change.Add, len(change.Add) == 0},
			{storeRemove, change.Remove, len(change.Remove) == 0},
		} {
			if step.skip {
				continue
			}
			if err := s.engineStore(set, step.op, step.flags); err != nil {
				return err
			}
		}
		return nil
	}, func(sel *selection) error {
		for _, f := range append(append([]mailbox.Flag(nil), change.Add...), change.Replace...) {
			if f[0] != '\\' && !sel.keeps(f) {
				return fmt.Errorf("the folder does not keep the keyword %q: %w", f, errors.ErrUnsupported)
			}
		}
		return nil
	})
}

func checkChange(c mailbox.FlagChange) error {
	if c.Replace != nil && len(c.Add)+len(c.Remove) > 0 {
		return errors.New("a flag change has Replace beside Add or Remove")
	}
	for _, all := range [][]mailbox.Flag{c.Add, c.Remove, c.Replace} {
		if err := checkFlags(all); err != nil {
			return err
		}
	}
	return nil
}

// checkFlags refuses what is no flag, before an octet of it is sent (RFC 9051
// section 9, flag).
func checkFlags(flags []mailbox.Flag) error {
	for _, f := range flags {
		name := strings.TrimPrefix(string(f), `\`)
		bad := name == "" || len(f) > 200 || strings.ContainsFunc(name, func(r rune) bool {
			return r <= ' ' || r > '~' || strings.ContainsRune(`(){%*"\]`, r)
		})
		if bad {
			return fmt.Errorf("%.50q is no flag", string(f))
		}
		if equalFlag(f, `\Recent`) {
			return errors.New(`\Recent is the server's`)
		}
	}
	return nil
}

func equalFlag(a, b mailbox.Flag) bool { return strings.EqualFold(string(a), string(b)) }
