package transfer

import (
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"slices"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/batch"
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
// ahead, else by Message-ID or size; and by digest in any case.
func (r *run) lookFor(target string, all []*intent, found map[*intent]finding) error {
	var bySearch []*intent
	named := false
	for _, in := range all {
		if in.to.IsZero() {
			bySearch = append(bySearch, in)
			continue
		}
		// It got this name when it was whole, and nothing else ever gets it.
		body, err := r.dst.Open(r.ctx, in.to, &mailbox.OpenOptions{HeaderOnly: true})
		switch {
		case err == nil:
			found[in], named = present, true
			_ = body.Close()
		case !errors.Is(err, mailbox.ErrNotFound) && !errors.Is(err, mailbox.ErrStale):
			return r.ended(err)
		}
	}
	if named {
		if err := r.confirm(target); err != nil {
			return r.ended(err)
		}
	}
	if len(bySearch) == 0 {
		return nil
	}
	return r.searchFor(target, bySearch, found)
}

// confirm has the destination wait for what it shows. The run that stored it may
// have died before its own wait had ended, or the wait has failed: a name can be
// seen that a loss of power takes away again.
func (r *run) confirm(target string) error {
	b, err := batch.New(r.ctx, r.dst, target)
	if err != nil {
		return err
	}
	return errors.Join(b.Commit(r.ctx), b.Close())
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
		if len(open) == 0 {
			return nil
		}
		if !slices.ContainsFunc(open, func(in *intent) bool { return candidate(s, in) }) {
			continue
		}
		is, err := r.sameAs(s.ID)
		if err != nil {
			return err
		}
		if i := slices.IndexFunc(open, is); i >= 0 {
			found[open[i]] = present
			open = slices.Delete(open, i, i+1) // it is one message
			continue
		}
		for _, in := range open {
			if in.messageID != "" && s.Envelope != nil && s.Envelope.MessageID == in.messageID {
				found[in] = unclear
			}
		}
	}
	return nil
}

// candidate reports whether a message may be the one. The size is a hint only:
// servers err, and store line ends in their own way.
func candidate(s *mailbox.Summary, in *intent) bool {
	return s.Size == in.stored || s.Envelope != nil && s.Envelope.MessageID == in.messageID
}

// sameAs reads a message of the destination. What it gives tells whether that is
// the one that was sent there: octet by octet, or as far as servers keep octets.
func (r *run) sameAs(id mailbox.ID) (func(*intent) bool, error) {
	body, err := r.dst.Open(r.ctx, id, nil)
	if errors.Is(err, mailbox.ErrNotFound) || errors.Is(err, mailbox.ErrStale) {
		return func(*intent) bool { return false }, nil
	}
	if err != nil {
		return nil, r.ended(err)
	}
	defer body.Close()
	raw, c := newSource(body), newCanonical()
	if _, err := io.Copy(c, raw); err != nil {
		return nil, r.ended(err)
	}
	digest, _ := raw.digest()
	sent := c.sum()
	return func(in *intent) bool {
		if in.digest == sent {
			return true
		}
		e, ok := r.ledger.find(sumOf([]byte(in.id.String())))
		return ok && e.digest == digest
	}, nil
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
			c.put('\n')
		}
		c.put(b)
	}
	c.flush()
	return len(p), nil
}

// hashBunch is how many octets are hashed at a time.
const hashBunch = 16 << 10

// put hashes an octet, in bunches: many empty lines are held back as a number,
// and must not come out as one piece.
func (c *canonical) put(b byte) {
	if len(c.buf) == hashBunch {
		c.flush()
	}
	c.buf = append(c.buf, b)
}

func (c *canonical) flush() {
	_, _ = c.hash.Write(c.buf) // never fails
	c.buf = c.buf[:0]
}

func (c *canonical) sum() sum { return sum(c.hash.Sum(nil)[:16]) }
