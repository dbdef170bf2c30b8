package journal

// A file is damaged by crashes and by disks. A crash takes what was not waited for:
// the journal's caller has never been told that it is there. What a disk damages
// the caller may have relied on. damage tells one from the other.
//
// What was not waited for is at the end, behind the last frame that says that all
// before it was. There a loss of power leaves the file cut, or sectors without
// their octets, which then are zeros. Everything else is a disk's.
const (
	sector     = 512 // octets, of which a disk writes all or none
	leastZeros = 8   // of a sector that was not written; a frame's head has fewer
	leastEnd   = 2   // of the file's last sector, where no head is
	leastFrame = frameHead + 2
	none       = -1
)

// damage is what is known about the octets that were skipped so far.
type damage struct {
	at      int64 // the offset of the next octet
	octets  int64 // that were skipped
	records int   // in the frames that were read

	// The place that is being skipped.
	length int64
	zeros  int  // of its present sector, none if there is something else
	whole  bool // from the beginning of the sector on
	torn   bool // there is a sector that was not written
	cut    bool // it begins with a frame that is longer than the file

	// How many records are before the last place from which one may be missing:
	// one that was waited for, or perhaps was.
	lost, suspect int
}

// skip takes in octets that make no sense.
func (d *damage) skip(octets []byte) {
	for _, b := range octets {
		if d.length == 0 || d.at%sector == 0 {
			d.zeros, d.whole = 0, d.at%sector == 0
		}
		switch {
		case b != 0:
			d.zeros = none
		case d.zeros != none:
			d.zeros++
		}
		d.length++
		d.at++
		d.torn = d.torn || d.at%sector == 0 && d.zeros >= leastZeros
	}
	d.octets += int64(len(octets))
}

// cutHere says that what is skipped next is the head of a frame that the file is
// too short for. It explains nothing before it.
func (d *damage) cutHere() {
	d.heal(false)
	d.cut = true
}

// good takes in a frame that was read.
func (d *damage) good(size int, frame []byte) {
	d.heal(false)
	d.at += int64(size)
	switch frame[0] {
	case frameSynced, frameClosed:
		if d.suspect != none {
			d.lost = d.suspect
		}
	case frameLost:
		d.lost = d.records
	}
	if record(frame) != nil {
		d.records++
	}
}

// end ends the file.
func (d *damage) end() { d.heal(true) }

// heal ends a place that was skipped, before a frame or at the end of the file.
func (d *damage) heal(end bool) {
	torn := d.torn || end && (d.cut || d.zeros >= leastZeros || d.whole && d.zeros >= leastEnd)
	if d.length >= leastFrame { // else no record was there
		d.suspect = d.records
		if !torn {
			d.lost = d.records
		}
	}
	d.length, d.zeros, d.torn, d.cut = 0, none, false, false
}
