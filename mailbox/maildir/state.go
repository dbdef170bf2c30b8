package maildir

import (
	"slices"
	"sync"
)

const (
	// maxRemembered is how many messages are remembered of all scans, so that
	// Open of one need not look for it.
	maxRemembered = 200_000
	// maxMoved is how many are remembered that were renamed since.
	maxMoved = 1 << 13
)

// state is what a Mailbox remembers of one folder. All of it is a hint: the disk
// is asked.
type state struct {
	mu      sync.Mutex
	scanned bool
	entries []entry           // of the last scan, in order; never changed
	moved   map[string]string // base to path, since then; "" is gone

	delivery sync.Mutex // of what follows
	ready    bool       // the folder was looked at for its first delivery
	last     int64      // the latest time in a name of ours, in microseconds
}

// state gives what is remembered of the folder in dir.
func (mb *Mailbox) state(dir string) *state {
	mb.mu.Lock()
	defer mb.mu.Unlock()
	s := mb.states[dir]
	if s == nil {
		s = &state{}
		mb.states[dir] = s
	}
	return s
}

// forget begins a scan: what is noted from now on is newer than it.
func (s *state) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.moved = nil
}

// remember takes a scan's result. The oldest of the other scans make room.
func (mb *Mailbox) remember(s *state, entries []entry) {
	s.mu.Lock()
	s.entries, s.scanned = entries, true
	s.mu.Unlock()

	mb.mu.Lock()
	defer mb.mu.Unlock()
	mb.scanned = slices.DeleteFunc(mb.scanned, func(o *state) bool { return o == s })
	mb.scanned = append(mb.scanned, s)
	room := maxRemembered
	for i := len(mb.scanned) - 1; i >= 0; i-- {
		o := mb.scanned[i]
		o.mu.Lock()
		if room -= len(o.entries); room < 0 && o != s {
			o.entries, o.scanned = nil, false
			mb.scanned = slices.Delete(mb.scanned, i, i+1)
		}
		o.mu.Unlock()
	}
}

// note remembers where a message is now; "" is nowhere.
func (s *state) note(base, path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.moved == nil || len(s.moved) >= maxMoved {
		s.moved = map[string]string{}
	}
	s.moved[base] = path
}

// where is a message as far as is known.
func (s *state) where(base string) (path string, twin, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if path, noted := s.moved[base]; noted {
		return path, false, path != ""
	}
	at := stampOf(base)
	i, found := slices.BinarySearchFunc(s.entries, base, func(e entry, base string) int { return e.compareKey(at, base) })
	if !found {
		return "", false, false
	}
	return s.entries[i].path(), s.entries[i].twin, true
}

// now is where an entry of a scan is now, "" if it was removed by us.
func (s *state) now(e *entry) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if path, noted := s.moved[e.key()]; noted {
		return path
	}
	return e.path()
}

func (s *state) known() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.scanned
}
