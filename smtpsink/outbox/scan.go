package outbox

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"time"
)

// scan takes in the files that are not known yet.
func (o *Outbox) scan() error {
	files, err := o.spool.dir.ReadDir(queueDir)
	if err != nil {
		return err
	}
	var fresh []ID
	o.mu.Lock()
	for _, f := range files {
		if id := ID(f.Name()); id.valid() && o.items[id] == nil {
			fresh = append(fresh, id)
		}
	}
	o.mu.Unlock()
	for _, id := range fresh {
		it, err := o.read(id)
		switch {
		case errors.Is(err, fs.ErrNotExist): // it is gone meanwhile, or its Enqueue failed
		case err != nil:
			return err
		default:
			o.mu.Lock()
			o.admit(it)
			o.mu.Unlock()
		}
	}
	return nil
}

// read reads what is to be done with a message.
func (o *Outbox) read(id ID) (*item, error) {
	f, err := openStored(o.spool.dir, id.file())
	if unreadable(err) {
		return &item{id: id, st: status{ID: id, Keyed: true}, broken: err}, nil // it may have had a key
	}
	if err != nil {
		return nil, err
	}
	_ = f.f.Close() // it was only read
	return newItem(id, &f.meta, f.size), nil
}

// unreadable reports whether an error is of one file, and lasts until somebody
// does something about it: it is damaged, somebody else's, a link, or the disk
// cannot give it.
func unreadable(err error) bool {
	return isAny(err, errDamaged, fs.ErrPermission, fs.ErrInvalid, syscall.EIO)
}

// notRead reports whether the disk did not give what a file holds.
func notRead(err error) bool {
	var failed *fs.PathError
	return errors.As(err, &failed) && failed.Op == "read"
}

// reread tries whether a file can be read now. The outbox is locked.
func (o *Outbox) reread(it *item) error {
	again, err := o.read(it.id)
	if err == nil {
		err = again.broken
	}
	if err != nil {
		return err
	}
	o.lose(it) // what is known of it is found again
	o.admit(again)
	return again.broken
}

// admit takes a message in. The outbox is locked.
func (o *Outbox) admit(it *item) {
	if o.items[it.id] != nil {
		return
	}
	if s, ok := o.gone[it.id]; ok {
		same := !s.keyed || it.broken != nil || it.meta.Enqueued.Equal(s.was)
		if same || it.meta.Enqueued.Sub(s.at) < o.opts.Remember && !o.opts.off.keys {
			// It could not be removed, or its key has come again.
			o.unwanted = append(o.unwanted, it)
			return
		}
		delete(o.gone, it.id)
	}
	if s := o.orphans[it.id]; s != nil && it.broken == nil {
		if s.Rcpts != nil && len(s.Rcpts) != len(it.meta.To) {
			it.broken = fmt.Errorf("%w: the journal is of another message", errDamaged)
		} else {
			delete(o.orphans, it.id)
			it.st = *s
			o.recover(it)
		}
	} else if s == nil && o.mayBeForgotten(it) {
		o.hold(it)
	}
	o.items[it.id] = it
	o.plan(it)
}

// recover is what the end of the last process made of a message: what was being
// handed over may have been taken, or not.
func (o *Outbox) recover(it *item) {
	s, now := &it.st, time.Now()
	// A time that far ahead was noted before the clock was set back.
	if most := now.Add(max(24*time.Hour, 2*o.opts.RetryMax)); s.Next.After(most) || s.CopyNext.After(most) {
		s.Next, s.CopyNext = now, now
	}
	switch {
	case s.Mark == markDoubt:
		s.doubt(len(it.meta.To), now)
		s.Next = now.Add(o.opts.RetryMin)
		return
	case s.Mark != markSending:
		return
	case o.opts.off.recovery:
		s.Mark = markNone
		return
	}
	s.unsure(len(it.meta.To))
	s.At, s.Next = now, now.Add(o.opts.RetryMin)
	s.Err = "the program ended while the message was being handed over"
}

// sweep removes what nobody needs: files that were never finished, and those of
// messages that are gone. What cannot be removed is tried again later.
func (o *Outbox) sweep() error {
	files, err := o.spool.dir.ReadDir(queueDir)
	if err != nil {
		return err
	}
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), temporary) {
			continue
		}
		info, err := f.Info()
		if err == nil && time.Since(info.ModTime()) > stale {
			_ = o.spool.dir.Remove(queueDir + "/" + f.Name())
		}
	}
	return nil
}
