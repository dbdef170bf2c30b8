package maildir

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strconv"
	"time"

	"github.com/postroom-go/postroom/internal/disk"
)

const (
	// maxCollisions is how many names are tried for one message.
	maxCollisions = 10
	// sweepAge is when a file in tmp belongs to nobody any more: the Maildir
	// specification's 36 hours.
	sweepAge = 36 * time.Hour
	// maxAhead is how far names may be ahead of the clock and are still gone on
	// from, so that new messages come last.
	maxAhead = 24 * time.Hour
)

// delivery is a message on its way into a folder: a file in tmp.
type delivery struct {
	unique string // the name in tmp
	base   string // the name to be, without flags
	info   string
	dir    string // new or cur
}

func (d *delivery) tmp() string   { return "tmp/" + d.unique }
func (d *delivery) final() string { return d.dir + "/" + d.base + d.info }

// uniqueName makes a name that no message had before: the time of delivery, the
// process, random octets, and a count. Times in one folder only grow, whatever
// the clock does.
func (f *folder) uniqueName() (string, error) {
	var random [16]byte
	if _, err := io.ReadFull(f.mb.rand, random[:]); err != nil {
		return "", err
	}
	s := f.state
	s.delivery.Lock()
	defer s.delivery.Unlock()
	s.last = max(s.last+1, f.mb.now().UnixMicro())
	b := make([]byte, 0, 128)
	b = strconv.AppendInt(b, s.last/1_000_000, 10)
	b = fmt.Appendf(b, ".M%06dP%dR", s.last%1_000_000, f.mb.pid)
	b = hex.AppendEncode(b, random[:])
	b = fmt.Appendf(b, "Q%d.", f.mb.deliveries.Add(1))
	return string(append(b, f.mb.host...)), nil
}

// ready looks at the folder before its first delivery: its directories must be
// there, for good; what others left in tmp long ago goes; and new messages come
// after those of a clock that was ahead.
func (f *folder) ready(ctx context.Context) error {
	s := f.state
	s.delivery.Lock()
	defer s.delivery.Unlock()
	if s.ready {
		return nil
	}
	for _, dir := range []string{"tmp", "new"} {
		if err := f.files.Mkdir(dir); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	if err := f.mb.syncUp(f.dir); err != nil {
		return err // whoever made it may not have come to that
	}
	f.sweep()
	all, err := f.scan(ctx)
	if err != nil {
		return err
	}
	now := f.mb.now()
	for i := len(all) - 1; i >= 0; i-- {
		if t := all[i].at.micros(); t < now.Add(maxAhead).UnixMicro() {
			s.last = max(s.last, t)
			break
		}
	}
	s.ready = true
	return nil
}

// sweep removes what deliveries left in tmp that died. A file's time of
// modification may be its message's date of receipt; then its name tells how old
// it is.
func (f *folder) sweep() {
	list, err := f.files.ReadDir("tmp")
	if err != nil {
		return
	}
	old := f.mb.now().Add(-sweepAge)
	for _, d := range list {
		if !d.Type().IsRegular() || stampOf(d.Name()).micros() > old.UnixMicro() {
			continue
		}
		info, err := f.files.Lstat("tmp/" + d.Name())
		if err == nil && info.Mode().IsRegular() && info.ModTime().Before(old) {
			if err := f.files.Remove("tmp/" + d.Name()); err != nil {
				f.mb.log.Warn("maildir: an old file stays in tmp", "error", err)
			}
		}
	}
}

// create makes the file of a new message in tmp.
func (f *folder) create() (*delivery, disk.File, error) {
	for try := 1; ; try++ {
		name, err := f.uniqueName()
		if err != nil {
			return nil, nil, err
		}
		d := &delivery{unique: name}
		file, err := f.files.Create(d.tmp())
		switch {
		case err == nil:
			return d, file, nil
		case !errors.Is(err, fs.ErrExist) || try == maxCollisions:
			return nil, nil, err
		}
	}
}

// aim decides where the message will be, once its size as stored is known.
func (f *folder) aim(d *delivery, letters string, size int64) {
	d.base, d.dir = d.unique+",S="+strconv.FormatInt(size, 10), "new"
	if letters != "" {
		d.dir, d.info = "cur", f.mb.sep+letters
	}
}

// move gives a message its name, which it must be the first to have.
func (f *folder) move(d *delivery) error {
	err := f.files.Move(d.tmp(), d.final())
	if err == nil {
		f.state.note(d.base, d.final())
	}
	return err
}

// rename gives a message another unique name in tmp, after a collision.
func (f *folder) rename(d *delivery, letters string, size int64) error {
	name, err := f.uniqueName()
	if err != nil {
		return err
	}
	fresh := &delivery{unique: name}
	if err := f.files.Move(d.tmp(), fresh.tmp()); err != nil {
		return err
	}
	*d = *fresh
	f.aim(d, letters, size)
	return nil
}

// drop removes a message that was not delivered.
func (f *folder) drop(d *delivery) {
	if err := f.files.Remove(d.tmp()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		f.mb.log.Warn("maildir: a file stays in tmp", "error", err)
	}
}

// syncUp makes a directory below the root durable, with the way to it.
func (mb *Mailbox) syncUp(dir string) error {
	for ; ; dir = path.Dir(dir) {
		if err := mb.root.dir.SyncDir(dir); err != nil || dir == "." {
			return err
		}
	}
}

// syncDirs makes durable what was renamed in new, in cur, or from one to the
// other: then the new name must last before the old one goes.
func (f *folder) syncDirs(touched map[string]bool) error {
	for _, dir := range []string{"cur", "new"} {
		if !touched[dir] {
			continue
		}
		if err := f.files.SyncDir(dir); err != nil {
			return err
		}
	}
	return nil
}

// sizeError says that a message has not the size that was told.
func sizeError(want, got int64) error {
	switch {
	case want > 0 && got < want:
		return fmt.Errorf("the message ends after %d of %d octets: %w", got, want, io.ErrUnexpectedEOF)
	case want > 0 && got > want:
		return fmt.Errorf("the message is longer than its size of %d octets", want)
	}
	return nil
}
