package outbox

import "time"

// compact writes the journal anew where most of it is past.
func (o *Outbox) compact() error {
	if !o.ledger.full() {
		return nil
	}
	return o.rewrite()
}

func (o *Outbox) rewrite() error {
	o.ledger.turn <- struct{}{}
	defer func() { <-o.ledger.turn }()
	o.mu.Lock()
	defer o.mu.Unlock()
	err := o.forget()
	if err == nil {
		err = o.ledger.rewrite(o.fill)
	}
	if err != nil {
		return fault("write", err)
	}
	return nil
}

// fill gives the records that say all that is known.
func (o *Outbox) fill(add func([]byte) error) error {
	add1 := func(s *status) error {
		record, err := s.record()
		if err != nil {
			return err
		}
		return add(record)
	}
	for _, it := range o.items {
		if it.st.At.IsZero() {
			continue // nothing has happened to it
		}
		if err := add1(&it.st); err != nil {
			return err
		}
	}
	for id, t := range o.gone {
		if err := add1(t.status(id)); err != nil {
			return err
		}
	}
	for _, s := range o.orphans {
		if err := add1(s); err != nil {
			return err
		}
	}
	if !o.doubtful() {
		return nil
	}
	return add1(o.doubt.status())
}

// forget forgets what is gone, once its file is so for good and its key is not
// to be remembered any more.
func (o *Outbox) forget() error {
	files, err := o.spool.dir.ReadDir(queueDir)
	if err != nil {
		return err
	}
	// What was not there before this is not there after a crash.
	if err := o.spool.dir.SyncDir(queueDir); err != nil {
		return err
	}
	there := map[ID]bool{}
	for _, f := range files {
		there[ID(f.Name())] = true
	}
	for id := range o.gone {
		if !there[id] && !o.remembers(id) {
			delete(o.gone, id)
		}
	}
	for id, s := range o.orphans {
		if !there[id] && (!s.Keyed || time.Since(s.At) > o.opts.Remember) {
			delete(o.orphans, id)
		}
	}
	return o.sweep()
}
