package mailtest

import (
	"errors"
	"slices"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"

	"github.com/postroom-go/postroom/internal/memstore"
)

// errEpochOver ends a session whose folder has begun a new epoch.
var errEpochOver = errors.New("mailtest: the selected folder has begun a new epoch")

// imapView is a selected folder as one session knows it: sequence numbers
// change only when the client is told.
type imapView struct {
	folder   *memstore.Folder
	epoch    uint32
	version  uint64
	readOnly bool
	messages []*memstore.Message // never changed in place
	told     [][]string          // the flags that the client knows
}

func newView(f *memstore.Folder, readOnly bool) (*imapView, memstore.Snapshot) {
	snap := f.Snapshot()
	v := &imapView{folder: f, epoch: snap.Epoch, version: snap.Version, readOnly: readOnly, messages: snap.Messages}
	v.told = make([][]string, len(v.messages))
	for i, m := range v.messages {
		v.told[i] = m.Flags()
	}
	return v, snap
}

// viewWriter is how a client is told of changes; *imapserver.UpdateWriter is
// one.
type viewWriter interface {
	WriteExpunge(seq uint32) error
	WriteNumMessages(n uint32) error
	WriteMessageFlags(seq uint32, uid imap.UID, flags []imap.Flag) error
}

// sync tells the client what changed; what was removed only if expunge is set.
func (v *imapView) sync(w viewWriter, expunge bool) error {
	snap := v.folder.Snapshot()
	switch {
	case snap.Deleted || snap.Epoch != v.epoch:
		return errEpochOver
	case snap.Version == v.version:
		return nil
	}
	left, err := v.drop(snap, w.WriteExpunge, expunge)
	if err != nil {
		return err
	}
	if err := v.add(snap, w); err != nil {
		return err
	}
	for i, m := range v.messages {
		if flags := m.Flags(); !slices.Equal(flags, v.told[i]) {
			v.told[i] = flags
			if err := w.WriteMessageFlags(uint32(i+1), imap.UID(m.UID), imapFlags(flags)); err != nil {
				return err
			}
		}
	}
	if !left {
		v.version = snap.Version
	}
	return nil
}

// drop forgets what is no more, if expunge is set, and tells it, the last
// message first. left means that there is something to be forgotten later.
func (v *imapView) drop(snap memstore.Snapshot, tell func(seq uint32) error, expunge bool) (left bool, err error) {
	gone := make([]bool, len(v.messages))
	n := 0
	for i, m := range v.messages {
		if now, _ := snap.Find(m.UID); now == nil {
			gone[i] = true
			n++
		}
	}
	if n == 0 || !expunge {
		return n > 0, nil
	}
	for i := len(gone) - 1; i >= 0; i-- {
		if gone[i] {
			if err := tell(uint32(i + 1)); err != nil {
				return false, err
			}
		}
	}
	messages := make([]*memstore.Message, 0, len(v.messages)-n)
	told := make([][]string, 0, len(v.messages)-n)
	for i, m := range v.messages {
		if !gone[i] {
			messages = append(messages, m)
			told = append(told, v.told[i])
		}
	}
	v.messages, v.told = messages, told
	return false, nil
}

// add learns of new messages.
func (v *imapView) add(snap memstore.Snapshot, w viewWriter) error {
	last := uint32(0)
	if n := len(v.messages); n > 0 {
		last = v.messages[n-1].UID
	}
	_, i := snap.Find(last + 1)
	if i == len(snap.Messages) {
		return nil
	}
	v.messages = slices.Concat(v.messages, snap.Messages[i:])
	for _, m := range snap.Messages[i:] {
		v.told = append(v.told, m.Flags())
	}
	return w.WriteNumMessages(uint32(len(v.messages)))
}

// indexes are the places of the messages that a set names, ascending.
func (v *imapView) indexes(set imap.NumSet, saved imap.UIDSet) []int {
	switch set := set.(type) {
	case imap.SeqSet:
		var all []int
		for _, r := range set {
			from, to := bounds(r.Start, r.Stop, uint32(len(v.messages)))
			for seq := max(from, 1); seq <= to && seq <= uint32(len(v.messages)); seq++ {
				all = append(all, int(seq-1))
			}
		}
		return ascending(all)
	case imap.UIDSet:
		if imap.IsSearchRes(set) {
			set = saved
		}
		return v.uidIndexes(set)
	}
	return nil
}

func (v *imapView) uidIndexes(set imap.UIDSet) []int {
	snap := memstore.Snapshot{Messages: v.messages}
	last := uint32(0)
	if n := len(v.messages); n > 0 {
		last = v.messages[n-1].UID
	}
	var all []int
	for _, r := range set {
		from, to := bounds(uint32(r.Start), uint32(r.Stop), last)
		_, i := snap.Find(from)
		for ; i < len(v.messages) && v.messages[i].UID <= to; i++ {
			all = append(all, i)
		}
	}
	return ascending(all)
}

// bounds makes numbers of a range in which 0 is "*", the last one.
func bounds(from, to, last uint32) (uint32, uint32) {
	if from == 0 {
		from = last
	}
	if to == 0 {
		to = last
	}
	return min(from, to), max(from, to)
}

func ascending(all []int) []int {
	if !slices.IsSorted(all) {
		slices.Sort(all)
	}
	return slices.Compact(all)
}

// uids are the UIDs of the messages at those places.
func (v *imapView) uids(at []int) []uint32 {
	all := make([]uint32, len(at))
	for i, j := range at {
		all[i] = v.messages[j].UID
	}
	return all
}

// Poll implements imapserver.Session.
func (s *imapSession) Poll(w *imapserver.UpdateWriter, expunge bool) error {
	if s.view == nil {
		return nil
	}
	return s.alive(s.view.sync(w, expunge))
}

// alive ends the connection with a BYE if the epoch is over.
func (s *imapSession) alive(err error) error {
	if errors.Is(err, errEpochOver) || errors.Is(err, memstore.ErrEpoch) {
		_ = s.conn.Bye("UIDVALIDITY has changed")
	}
	return err
}

// Idle implements imapserver.Session.
func (s *imapSession) Idle(w *imapserver.UpdateWriter, stop <-chan struct{}) error {
	if s.view == nil {
		<-stop
		return nil
	}
	changes, end := s.view.folder.Watch()
	defer end()
	for {
		if err := s.alive(s.view.sync(w, true)); err != nil {
			return err
		}
		select {
		case <-changes:
		case <-stop:
			return nil
		case <-s.host.done:
			return nil
		}
	}
}
