package disktest

import (
	"io/fs"
	"maps"
	"slices"
	"time"
)

// node is a file or a directory, whatever its names are.
type node struct {
	dir   bool
	mode  fs.FileMode
	time  time.Time
	owner *memFile // who has the lock

	// A file's octets as programs see them, and as the disk has them. Slices may
	// be shared with what a crash left: such are copied before they are written
	// to, in place or behind.
	data, durable             []byte
	dataShared, durableShared bool
	durableTime               time.Time
	runs                      []run // since the last Sync, in order

	// A directory's names, likewise.
	names, durableNames map[string]*node
	pending             []*change // since the last SyncDir, in order
}

// run is one change of a file that is not durable yet.
type run struct {
	kind   runKind
	at     int64 // where octets were written, or the new length
	octets []byte
	time   time.Time
	lost   bool // a Sync failed: none that comes later makes it durable
}

type runKind int

const (
	written runKind = iota
	cut             // by Truncate, or lengthened
	timed           // by SetTime
)

// change is one change of a directory that is not durable yet.
type change struct {
	seq  int
	kind changeKind
	name string
	to   string // the new name, of moved
	node *node

	// A move from one directory to another is an addition there and a removal
	// here. after is that addition: the removal does not come before it.
	after   *change
	durable bool // the addition is on disk
	forced  bool // the removal is on disk, so the addition is too
}

type changeKind int

const (
	added changeKind = iota
	removed
	moved // within the directory, at one go
)

func newFile() *node {
	now := time.Now()
	return &node{mode: 0o600, time: now, durableTime: now}
}

func newDir() *node {
	return &node{dir: true, mode: fs.ModeDir | 0o700, time: time.Now(), names: map[string]*node{}, durableNames: map[string]*node{}}
}

// put writes octets into what may be shared, and lengthens it with zeros before.
func put(to []byte, shared *bool, at int64, octets []byte) []byte {
	to = resize(to, shared, max(int64(len(to)), at))
	if at == int64(len(to)) {
		return append(to, octets...)
	}
	if *shared {
		to, *shared = slices.Clone(to), false
	}
	n := copy(to[at:], octets)
	return append(to, octets[n:]...)
}

// resize cuts what may be shared, so that nothing is put behind in place, or
// lengthens it with zeros.
func resize(b []byte, shared *bool, size int64) []byte {
	if size <= int64(len(b)) {
		if *shared {
			return b[:size:size]
		}
		return b[:size]
	}
	return append(b, make([]byte, size-int64(len(b)))...)
}

// apply does r to octets and time.
func (r *run) apply(octets []byte, shared *bool, t *time.Time) []byte {
	switch r.kind {
	case written:
		octets = put(octets, shared, r.at, r.octets)
	case cut:
		octets = resize(octets, shared, r.at)
	case timed:
		*t = r.time
	}
	return octets
}

// do changes a file, not durably.
func (n *node) do(r run) {
	n.time = time.Now()
	n.data = r.apply(n.data, &n.dataShared, &n.time)
	n.runs = append(n.runs, r)
}

// sync makes durable what no failed Sync has lost.
func (n *node) sync() {
	kept := n.runs[:0]
	for _, r := range n.runs {
		if r.lost {
			kept = append(kept, r)
			continue
		}
		n.durable = r.apply(n.durable, &n.durableShared, &n.durableTime)
	}
	clear(n.runs[len(kept):])
	n.runs = kept
}

// lose is what a Sync that fails does.
func (n *node) lose() {
	for i := range n.runs {
		n.runs[i].lost = true
	}
}

// syncDir makes durable what names a directory has.
func (n *node) syncDir() {
	for _, c := range n.pending {
		c.durable = true
		if c.after != nil && !c.after.durable {
			c.after.forced = true
		}
	}
	n.pending = nil
	n.durableNames = maps.Clone(n.names)
}

// apply does c to names, as far as there is what it needs.
func (c *change) apply(names map[string]*node) {
	switch c.kind {
	case added:
		names[c.name] = c.node
	case removed:
		if names[c.name] == c.node {
			delete(names, c.name)
		}
	case moved:
		if names[c.name] == c.node {
			delete(names, c.name)
			names[c.to] = c.node
		}
	}
}
