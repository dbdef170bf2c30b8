package transfer

import (
	"bytes"
	"cmp"
	"io"
	"slices"

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

// orphan is a message that is stored and may be at the source under another name
// than it was: its epoch has ended, or its name is another message's now.
type orphan struct {
	digest sum
	epoch  uint32
	place  int32 // among the entries; -1 once it was found
}

// orphans are those of one folder.
type orphans struct {
	epochs map[uint32]bool // of messages that are not in the list
	again  bool            // there are names that may be other messages'
	all    []orphan        // by digest; nil until it is needed
}

// look finds out what orphans there may be.
func (d *delivery) look() {
	o := &d.orphans
	o.epochs = map[uint32]bool{}
	d.r.ledger.each(d.p.job.tag, func(e *entry) {
		if e.again {
			o.again = true
		} else if !e.seen {
			o.epochs[e.epoch] = true
		}
	})
	if o.again {
		o.all = d.r.ledger.orphans(d.p.job.tag) // before other messages take their names
	}
}

// orphans gives those of a folder, by digest.
func (l *ledger) orphans(folder uint32) []orphan {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := []orphan{}
	for e, place := range l.in(folder) {
		if (e.again || !e.seen) && (e.state == stored || e.state == pending || e.state == settled) {
			all = append(all, orphan{e.digest, e.epoch, place})
		}
	}
	// A message with a lasting name can be an orphan of another epoch only, and so
	// leaves those with lasting names to the others.
	lasting := tag("")
	rank := func(x orphan) int32 {
		if x.epoch == lasting {
			return -1
		}
		return x.place
	}
	slices.SortFunc(all, func(a, b orphan) int {
		return cmp.Or(bytes.Compare(a.digest[:], b.digest[:]), cmp.Compare(rank(a), rank(b)))
	})
	return all
}

// at gives the entry in a place.
func (l *ledger) at(place int32) entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return *l.entry(int(place))
}

// mayBeKnown reports whether a message of that epoch that is new by its ID may be
// stored under another ID all the same.
func (d *delivery) mayBeKnown(epoch uint32) bool {
	o := &d.orphans
	if d.r.opts.off.digest {
		return false
	}
	return o.again || len(o.epochs) > 1 || len(o.epochs) == 1 && !o.epochs[epoch]
}

// with gives the orphans that have a digest.
func (o *orphans) with(digest sum) []orphan {
	from, _ := slices.BinarySearchFunc(o.all, digest, func(x orphan, d sum) int { return bytes.Compare(x.digest[:], d[:]) })
	to := from
	for to < len(o.all) && o.all[to].digest == digest {
		to++
	}
	return o.all[from:to]
}

// orphanOf takes an orphan with that digest that a message of that epoch may be,
// each once. Names of one epoch are different messages, unless the source has
// shown that it confuses them.
func (d *delivery) orphanOf(digest sum, epoch uint32) (old entry, found bool) {
	o := &d.orphans
	if o.all == nil {
		o.all = d.r.ledger.orphans(d.p.job.tag)
	}
	all := o.with(digest)
	i := slices.IndexFunc(all, func(x orphan) bool { return x.place >= 0 && (o.again || x.epoch != epoch) })
	if i < 0 {
		return entry{}, false
	}
	old = d.r.ledger.at(all[i].place)
	all[i].place = -1
	return old, true
}

// known reports whether a message is stored already, by its digest, and if so
// notes that under its present ID. Under the same name it is the same message
// also where the server has only added to its header, as GNU Mailutils does.
func (d *delivery) known(m *msg, body *source) (bool, error) {
	l := d.r.ledger
	digest, essence := body.digest()
	m.entry.name = body.name()
	old, found := l.find(m.entry.key)
	if found && (old.digest == digest || essence != 0 && old.essence == essence) && old.state != dead {
		d.claim(old)
		return true, d.adopt(m, digest, old, false)
	}
	old, found = d.orphanOf(digest, m.entry.epoch)
	if !found {
		return false, nil
	}
	if old.digest != digest { // another message has taken its name by now
		return true, d.adopt(m, digest, entry{essence: essence, at: m.entry.at}, false)
	}
	return true, d.adopt(m, digest, old, true)
}

// claim takes the orphan that is a message under its own name out of those that
// others may be.
func (d *delivery) claim(own entry) {
	all := d.orphans.with(own.digest)
	for i := range all {
		if all[i].place >= 0 && d.r.ledger.at(all[i].place).key == own.key {
			all[i].place = -1
		}
	}
}

// adopt notes that a message is the one that is stored as old.
func (d *delivery) adopt(m *msg, digest sum, old entry, renamed bool) error {
	e := m.entry
	e.digest, e.essence, e.at, e.state = digest, old.essence, old.at, stored
	err := d.r.ledger.add(e)
	if err == nil && renamed {
		err = d.r.ledger.note(none, old.key)
	}
	if err != nil {
		return err
	}
	if due, _ := d.r.opts.Remove.due(m.item.size, e.time(), d.r.now); due {
		d.p.remove.add(m.item.id, m.item.size)
	}
	return d.event(Event{Kind: Known, ID: m.item.id, Size: m.item.size, Reason: "the same message is stored already"})
}
