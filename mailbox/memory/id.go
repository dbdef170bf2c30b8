package memory

import (
	"context"
	"strconv"

	"github.com/postroom-go/postroom/internal/memstore"
	"github.com/postroom-go/postroom/mailbox"
)

// epoch is the text of a folder's epoch in the IDs of this mailbox.
func (mb *Mailbox) epoch(e uint32) string { return mb.session + strconv.FormatUint(uint64(e), 10) }

func (mb *Mailbox) id(folder string, epoch, uid uint32) mailbox.ID {
	return mailbox.NewID(folder, mb.epoch(epoch), strconv.FormatUint(uint64(uid), 10))
}

// uidOf reads a key; 0 is one that we did not write.
func uidOf(key string) uint32 {
	n, err := strconv.ParseUint(key, 10, 32)
	if err != nil || strconv.FormatUint(n, 10) != key {
		return 0
	}
	return uint32(n)
}

// find finds one message.
func (mb *Mailbox) find(ctx context.Context, id mailbox.ID) (*memstore.Message, error) {
	if err := mb.check(ctx); err != nil {
		return nil, err
	}
	f, err := mb.folder(id.Folder())
	if err != nil {
		return nil, err
	}
	snap := f.Snapshot()
	if id.Epoch() != mb.epoch(snap.Epoch) {
		return nil, mailbox.ErrStale
	}
	m, _ := snap.Find(uidOf(id.Key()))
	if m == nil {
		return nil, mailbox.ErrNotFound
	}
	return m, nil
}

// share is what is asked for of one folder.
type share struct {
	folder *memstore.Folder
	snap   memstore.Snapshot
	uids   []uint32
}

// shares groups ids by folder, and refuses stale ones before anything is done.
// IDs whose folder is gone are left out: their messages are gone.
func (mb *Mailbox) shares(op string, ids []mailbox.ID) ([]*share, error) {
	var all []*share
	at := map[string]*share{}
	for _, id := range ids {
		b, known := at[id.Folder()]
		if !known {
			if f, err := mb.folder(id.Folder()); err == nil {
				b = &share{folder: f, snap: f.Snapshot()}
				all = append(all, b)
			}
			at[id.Folder()] = b
		}
		switch {
		case b == nil:
		case id.Epoch() != mb.epoch(b.snap.Epoch):
			return nil, &mailbox.Error{Op: op, ID: id, Err: mailbox.ErrStale}
		default:
			b.uids = append(b.uids, uidOf(id.Key()))
		}
	}
	return all, nil
}
