package transfer

import (
	"encoding/binary"
	"iter"
)

// index finds entries by their keys. It is a hash table whose keys are hashes
// already: it takes half of what a map does, and a fraction of its time.
type index struct {
	blocks [][]entry        // of blockSize entries each, so that none is ever moved
	count  int              // of entries
	slots  []int32          // places of entries plus 1, 0 is free; a power of two of them
	heads  map[uint32]int32 // by folder: the place of its latest entry plus 1
}

const blockSize = 1 << 10

// entry gives the entry at a place.
func (x *index) entry(i int) *entry { return &x.blocks[i/blockSize][i%blockSize] }

// reserve makes room to find about n more entries.
func (x *index) reserve(n int) {
	for 3*len(x.slots) < 4*(x.count+n) {
		x.grow()
	}
}

// find gives the place of a key, -1 if it is not there.
func (x *index) find(k sum) int {
	if len(x.slots) == 0 {
		return -1
	}
	mask := uint32(len(x.slots) - 1)
	for at := slotOf(k) & mask; ; at = (at + 1) & mask {
		i := int(x.slots[at]) - 1
		if i < 0 || x.entry(i).key == k {
			return i
		}
	}
}

// add adds an entry whose key is not there.
func (x *index) add(e entry) {
	if 4*(x.count+1) > 3*len(x.slots) {
		x.grow()
	}
	if x.heads == nil {
		x.heads = map[uint32]int32{}
	}
	e.next = x.heads[e.folder]
	if x.count%blockSize == 0 {
		x.blocks = append(x.blocks, make([]entry, 0, blockSize))
	}
	last := &x.blocks[len(x.blocks)-1]
	*last = append(*last, e)
	x.count++
	x.heads[e.folder] = int32(x.count)
	x.place(e.key, int32(x.count))
}

// replace puts an entry in the place of one with the same key.
func (x *index) replace(i int, e entry) {
	old := x.entry(i)
	e.folder, e.next, e.seen = old.folder, old.next, old.seen
	*old = e
}

// in gives the entries of a folder, and their places.
func (x *index) in(folder uint32) iter.Seq2[*entry, int32] {
	return func(yield func(*entry, int32) bool) {
		for n := x.heads[folder]; n > 0; {
			e := x.entry(int(n - 1))
			if !yield(e, n-1) {
				return
			}
			n = e.next
		}
	}
}

func (x *index) place(k sum, n int32) {
	mask := uint32(len(x.slots) - 1)
	at := slotOf(k) & mask
	for x.slots[at] != 0 {
		at = (at + 1) & mask
	}
	x.slots[at] = n
}

func (x *index) grow() {
	x.slots = make([]int32, max(1024, 2*len(x.slots)))
	for i := range x.count {
		x.place(x.entry(i).key, int32(i+1))
	}
}

func slotOf(k sum) uint32 { return binary.LittleEndian.Uint32(k[:]) }
