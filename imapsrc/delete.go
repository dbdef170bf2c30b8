package imapsrc

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/postroom-go/postroom/mailbox"
)

// Delete removes messages for good: see mailbox.Mailbox. It marks them \Deleted
// and expunges them by UID (RFC 4315), so that what other clients have marked
// stays. Without UIDPLUS that cannot be done, and Delete is
// errors.ErrUnsupported: SetFlags with FlagDeleted marks them for whoever
// expunges the folder next. A folder is never expunged as a whole.
func (m *Mailbox) Delete(ctx context.Context, ids []mailbox.ID, _ *mailbox.DeleteOptions) error {
	if len(ids) == 0 {
		return nil
	}
	if !m.caps.Delete {
		return opError("delete", "", ids[0], fmt.Errorf("this server cannot expunge single messages (no UIDPLUS): "+
			`mark them with SetFlags and \Deleted instead: %w`, errors.ErrUnsupported))
	}
	return m.change(ctx, "delete", ids, func(s *session, set []uint32) error {
		if err := s.engineStore(set, storeAdd, []mailbox.Flag{mailbox.FlagDeleted}); err != nil {
			return err
		}
		return s.engineExpunge(set)
	}, func(sel *selection) error {
		if !sel.keeps(mailbox.FlagDeleted) {
			return fmt.Errorf(`%w: the folder keeps no \Deleted`, mailbox.ErrPermission)
		}
		return nil
	})
}

// change does something to messages, folder by folder and chunk by chunk. All
// IDs, and by allowed all folders, are checked before anything is changed. What
// was lost on the way is done again, since doing it twice is doing it once; if
// that fails the outcome is unknown.
func (m *Mailbox) change(ctx context.Context, op string, ids []mailbox.ID, do func(*session, []uint32) error, allowed func(*selection) error) error {
	own, end := m.begin(ctx)
	defer end(nil)
	groups := group(ids)
	for _, g := range groups {
		if len(groups) == 1 {
			break // it is checked below
		}
		err := m.do(own, want{folder: g.folder, write: true}, true, func(s *session) error { return g.mayChange(s, allowed) })
		if err != nil {
			return opError(op, g.folder, mailbox.ID{}, ended(ctx, err))
		}
	}
	for _, g := range groups {
		sent := false
		rest := g.uids
		err := m.do(own, want{folder: g.folder, write: true}, true, func(s *session) error {
			if err := g.mayChange(s, allowed); err != nil {
				return err
			}
			for len(rest) > 0 {
				chunk, tail, _ := chunk(rest, batchSize)
				sent = true
				if err := do(s, chunk); err != nil {
					return err
				}
				sent = false
				rest = tail
			}
			return nil
		})
		if err != nil {
			err = ended(ctx, err)
			var status *StatusError
			if sent && (!errors.As(err, &status) || status.Kind == "BYE") {
				err = unknownOutcome(err)
			}
			return opError(op, g.folder, mailbox.ID{}, err)
		}
	}
	return nil
}

func (g *folderIDs) mayChange(s *session, allowed func(*selection) error) error {
	if err := g.check(s); err != nil {
		return err
	}
	return allowed(&s.sel)
}

// keeps reports whether the folder keeps a flag from one session to the next.
func (sel *selection) keeps(f mailbox.Flag) bool {
	if sel.perm == nil {
		return true // not told: all are kept (RFC 9051 section 6.3.2)
	}
	return slices.ContainsFunc(sel.perm, func(p mailbox.Flag) bool { return equalFlag(p, f) }) ||
		sel.anyFlag && f[0] != '\\'
}
