package transfer

import (
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"slices"

	"github.com/postroom-go/postroom/mailbox"
)

// recover finds out what became of the messages of a folder that were on their
// way when an earlier run ended: they are in the destination, and then stored,
// or not, and then as good as never fetched.
func (r *run) recover(j *job) error {
	open := r.ledger.open(j.from.Name)
	if len(open) == 0 || r.opts.DryRun {
		return nil
	}
	byTarget := map[string][]*intent{}
	for _, in := range open {
		byTarget[in.target] = append(byTarget[in.target], in)
	}
	for target, all := range byTarget {
		found := map[*intent]finding{}
		if !r.opts.off.lookFirst {
			if err := r.lookFor(target, all, found); err != nil {
				return err
			}
		}
		var yes, no []sum
		for _, in := range all {
			k := sumOf([]byte(in.id.String()))
			switch found[in] {
			case present:
				yes = append(yes, k)
			case unclear:
				if r.opts.RetryDead {
					no = append(no, k)
				}
			default:
				no = append(no, k)
			}
		}
		if err := errors.Join(r.ledger.note(stored, yes...), r.ledger.note(none, no...)); err != nil {
			return err
		}
		for _, in := range all {
			if found[in] != present {
				continue
			}
			if err := r.tell(Event{Kind: Known, Folder: j.from.Name, Target: target, ID: in.id, To: in.to, Size: in.stored, Reason: "an earlier run had stored it"}); err != nil {
				return err
			}
		}
	}
	return r.ledger.sync()
}

// finding is what became of a message.
type finding int

const (
	absent  finding = iota
	unclear         // one with its Message-ID came, and its octets are others
	present
)

// lookFor finds messages in the destination: by their IDs where those were known
// ahead, else by Message-ID, or size where there is none; and by digest in any
// case.
func (r *run) lookFor(target string, all []*intent, found map[*intent]finding) error {
	var byID, bySearch []*intent
	for _, in := range all {
		if in.to.IsZero() {
			bySearch = append(bySearch, in)
		} else {
			byID = append(byID, in)
		}
	}
	for _, in := range byID {
		// It got this name when it was whole, and nothing else ever gets it.
		body, err := r.dst.Open(r.ctx, in.to, &mailbox.OpenOptions{HeaderOnly: true})
		switch {
		case err == nil:
			found[in] = present
			_ = body.Close()
		case !errors.Is(err, mailbox.ErrNotFound) && !errors.Is(err, mailbox.ErrStale):
			return r.ended(err)
		}
	}
	if len(bySearch) == 0 {
		return nil
	}
	return r.searchFor(target, bySearch, found)
}

// same reports whether the destination's message is the one that was sent there,
// as far as servers keep octets.
func (r *run) same(id mailbox.ID, in *intent) (bool, error) {
	body, err := r.dst.Open(r.ctx, id, nil)
	if errors.Is(err, mailbox.ErrNotFound) || errors.Is(err, mailbox.ErrStale) {
		return false, nil
	}
	if err != nil {
		return false, r.ended(err)
	}
	defer body.Close()
	c := newCanonical()
	if _, err := io.Copy(c, body); err != nil {
		return false, r.ended(err)
	}
	return c.sum() == in.digest, nil
}

// searchFor goes through the destination's folder, newest first, for messages
// that were appended perhaps, back to the one that was the newest then.
func (r *run) searchFor(target string, all []*intent, found map[*intent]finding) error {
	open := slices.Clone(all)
	opts := &mailbox.ListOptions{Reverse: true, Fields: mailbox.FieldEnvelope | mailbox.FieldSize}
	for s, err := range r.dst.List(r.ctx, target, opts) {
		if errors.Is(err, mailbox.ErrNotFound) {
			return nil
		}
		if err != nil {
			return r.ended(err)
		}
		open = slices.DeleteFunc(open, func(in *intent) bool { return in.after == s.ID })
		for i, in := range open {
			if !candidate(s, in) {
				continue
			}
			ok, err := r.same(s.ID, in)
			if err != nil {
				return err
			}
			if ok {
				found[in] = present
				open = slices.Delete(open, i, i+1)
				break // it is one message
			}
			if in.messageID != "" {
				found[in] = unclear
			}
		}
		if len(open) == 0 {
			return nil
		}
	}
	return nil
}

// candidate reports whether a message may be the one. The size is a hint only:
// servers err, and store line ends in their own way.
func candidate(s *mailbox.Summary, in *intent) bool {
	if in.messageID != "" && s.Envelope != nil {
		return s.Envelope.MessageID == in.messageID
	}
	return s.Size == in.stored
}

// canonical is the digest of a message without what servers change when they
// store it: line ends, whether the last line has one, and NUL, which Dovecot
// makes 0x80.
type canonical struct {
	hash  hash.Hash
	lines int // line ends that were not hashed yet
	buf   []byte
}

func newCanonical() *canonical { return &canonical{hash: sha256.New()} }

func (c *canonical) Write(p []byte) (int, error) {
	c.buf = c.buf[:0]
	for _, b := range p {
		switch b {
		case '\r':
			continue
		case '\n':
			c.lines++
			continue
		case 0:
			b = 0x80
		}
		for ; c.lines > 0; c.lines-- {
			c.buf = append(c.buf, '\n')
		}
		c.buf = append(c.buf, b)
	}
	_, _ = c.hash.Write(c.buf) // never fails
	return len(p), nil
}

func (c *canonical) sum() sum { return sum(c.hash.Sum(nil)[:16]) }
