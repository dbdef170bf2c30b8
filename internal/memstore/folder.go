package memstore

import (
	"slices"
	"sort"
	"sync"
	"time"
)

// Folder holds messages in the order of their UIDs.
type Folder struct {
	mu         sync.RWMutex
	name, role string
	subscribed bool
	epoch      uint32
	uidNext    uint32
	version    uint64
	dead       bool
	// messages is never changed below its length: appending may write behind
	// it, and everything else makes a new slice. So a snapshot is the slice.
	messages []*Message
	watchers map[chan struct{}]bool
}

// Snapshot is a folder at one moment.
type Snapshot struct {
	// Name and Role are the folder's.
	Name, Role string
	// Epoch is its UIDVALIDITY, UIDNext the UID that the next message gets.
	Epoch, UIDNext uint32
	// Version grows with each change of the folder, flags included.
	Version uint64
	// Messages are in the order of their UIDs. They are the messages
	// themselves: their flags are not frozen.
	Messages []*Message
	// Deleted: the folder is no more.
	Deleted bool
}

// Name is the folder's name.
func (f *Folder) Name() string {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.name
}

// Role is what the folder is for, or "".
func (f *Folder) Role() string { return f.role }

// Subscribed reports whether the user has subscribed to it; new folders are.
func (f *Folder) Subscribed() bool {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.subscribed
}

// Subscribe changes that.
func (f *Folder) Subscribe(on bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.subscribed = on
}

// Snapshot is the folder as it is now. It costs the same for any size.
func (f *Folder) Snapshot() Snapshot {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return Snapshot{
		Name: f.name, Role: f.role, Epoch: f.epoch, UIDNext: f.uidNext, Version: f.version,
		Messages: f.messages[:len(f.messages):len(f.messages)], Deleted: f.dead,
	}
}

// Find gives the message with that UID and its index, or nil and where it would
// be.
func (s Snapshot) Find(uid uint32) (*Message, int) {
	i := sort.Search(len(s.Messages), func(i int) bool { return s.Messages[i].UID >= uid })
	if i < len(s.Messages) && s.Messages[i].UID == uid {
		return s.Messages[i], i
	}
	return nil, i
}

// Append adds a message. Content is shared, not copied. The zero time is now.
// ErrEpoch means that the folder was deleted meanwhile.
func (f *Folder) Append(content *Content, flags []string, received time.Time) (*Message, uint32, error) {
	if received.IsZero() {
		received = time.Now()
	}
	// An internal date has seconds and a zone of whole minutes, and no more
	// (RFC 9051 section 9, date-time).
	received = received.Truncate(time.Second)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dead {
		return nil, 0, ErrEpoch
	}
	m := newMessage(f.uidNext, content, NormalFlags(flags), received)
	f.uidNext++
	f.messages = append(f.messages, m)
	f.changed()
	return m, f.epoch, nil
}

// SetFlags gives each of the messages that are there the flags that change
// makes of its old ones, which it must not write into. It tells which messages
// have other flags now.
func (f *Folder) SetFlags(epoch uint32, uids []uint32, change func(old []string) []string) ([]*Message, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dead || f.epoch != epoch {
		return nil, ErrEpoch
	}
	var changed []*Message
	snap := Snapshot{Messages: f.messages}
	for _, uid := range uids {
		m, _ := snap.Find(uid)
		if m == nil {
			continue
		}
		old := m.Flags()
		now := NormalFlags(change(old))
		if !slices.Equal(old, now) {
			m.flags.Store(&now)
			changed = append(changed, m)
		}
	}
	if len(changed) > 0 {
		f.changed()
	}
	return changed, nil
}

// Remove removes those of the messages that are there.
func (f *Folder) Remove(epoch uint32, uids []uint32) error {
	doomed := make(map[uint32]bool, len(uids))
	for _, uid := range uids {
		doomed[uid] = true
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dead || f.epoch != epoch {
		return ErrEpoch
	}
	keep := make([]*Message, 0, len(f.messages))
	for _, m := range f.messages {
		if !doomed[m.UID] {
			keep = append(keep, m)
		}
	}
	if len(keep) < len(f.messages) {
		f.messages = keep
		f.changed()
	}
	return nil
}

// Watch gives a channel that gets a token after changes; several changes may
// share one. stop ends that.
func (f *Folder) Watch() (changes <-chan struct{}, stop func()) {
	ch := make(chan struct{}, 1)
	f.mu.Lock()
	f.watchers[ch] = true
	f.mu.Unlock()
	return ch, func() {
		f.mu.Lock()
		delete(f.watchers, ch)
		f.mu.Unlock()
	}
}

// changed needs f.mu.
func (f *Folder) changed() {
	f.version++
	for ch := range f.watchers {
		select {
		case ch <- struct{}{}:
		default:
		}
	}
}

// newEpoch gives every message a new UID, the old ones gone for ever.
func (f *Folder) newEpoch(epoch uint32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.epoch = epoch
	f.uidNext = 1
	renewed := make([]*Message, 0, len(f.messages))
	for _, m := range f.messages {
		renewed = append(renewed, newMessage(f.uidNext, m.Content, m.Flags(), m.Received))
		f.uidNext++
	}
	f.messages = renewed
	f.changed()
}

// end marks a folder that was deleted.
func (f *Folder) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dead = true
	f.messages = nil
	f.changed()
}
