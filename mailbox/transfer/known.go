package transfer

import (
	"io"

	"github.com/postroom-go/postroom/internal/spool"
)

// spooledAsIs reads a message whole and changes nothing.
func spooledAsIs(body *source) (*spool.Spool, error) {
	sp := spool.New(nil)
	if _, err := io.Copy(sp, body); err != nil {
		_ = sp.Close()
		return nil, err
	}
	sp.CloseWithError(nil)
	return sp, nil
}

// mayBeKnown reports whether a message that is new by its ID may be stored under
// another ID all the same: its folder has messages of another epoch that the
// source does not show any more.
func (d *delivery) mayBeKnown(m *msg) bool {
	return len(d.orphansIn(m.entry.epoch)) > 0 && !d.r.opts.off.digest
}

// orphansIn gives the messages of the folder, by digest, whose IDs are dead and
// of another epoch than this.
func (d *delivery) orphansIn(epoch uint32) map[sum][]sum {
	if d.orphans != nil && d.orphansOf == epoch {
		return d.orphans
	}
	d.orphans, d.orphansOf = map[sum][]sum{}, epoch
	d.r.ledger.each(d.p.job.tag, func(e *entry) {
		if !e.seen && e.epoch != epoch && (e.state == stored || e.state == pending || e.state == settled) {
			d.orphans[e.digest] = append(d.orphans[e.digest], e.key)
		}
	})
	return d.orphans
}

// known reports whether a message is stored already, by its digest, and if so
// notes that under its present ID. Under the same name it is the same message
// also where the server has only added to its header, as GNU Mailutils does.
func (d *delivery) known(m *msg, body *source) (bool, error) {
	l := d.r.ledger
	digest, essence := body.digest()
	old, found := l.find(m.entry.key)
	if found && (old.digest == digest || old.essence == essence) && old.state != dead {
		return true, d.adopt(m, digest, old, false)
	}
	all := d.orphansIn(m.entry.epoch)[digest]
	if len(all) == 0 {
		return false, nil
	}
	d.orphans[digest] = all[1:] // each is one message
	old, found = l.find(all[0])
	if !found {
		return false, nil
	}
	return true, d.adopt(m, digest, old, true)
}

// adopt notes that a message is the one that is stored as old.
func (d *delivery) adopt(m *msg, digest sum, old entry, renamed bool) error {
	l := d.r.ledger
	e := m.entry
	e.digest, e.essence, e.at, e.state = digest, old.essence, old.at, stored
	if err := l.add(e); err != nil {
		return err
	}
	if renamed {
		if err := l.note(none, old.key); err != nil {
			return err
		}
	}
	if due, _ := d.r.opts.Remove.due(m.item.size, e.time(), d.r.now); due {
		d.p.remove = append(d.p.remove, removal{m.item.id, m.item.key, m.item.size})
	}
	return d.event(Event{Kind: Known, ID: m.item.id, Size: m.item.size, Reason: "the same message is stored already"})
}
