package transfer

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"math"
	"time"

	"github.com/postroom-go/postroom/mailbox"
)

// sum is a SHA-256 cut to 128 bits: what names messages in memory and in the
// journal. Nobody finds two inputs with the same one that both make sense.
type sum [16]byte

func sumOf(b []byte) sum {
	full := sha256.Sum256(b)
	return sum(full[:16])
}

// state is where a message is on its way.
type state byte

const (
	fetched state = iota + 1
	stored
	pending // to be deleted at the source
	settled // not at the source any more
	dead
	none // as if it had never been seen
)

// entry is what is known about one message of the source.
type entry struct {
	key    sum // of its ID
	digest sum // of its octets; zero for a dead letter that was not read
	// essence is of its Message-ID and body; 0 if it has no Message-ID.
	essence uint64
	// name is of its Message-ID; 0 if it has none.
	name   uint64
	size   int64 // as the source announced it
	folder uint32
	epoch  uint32
	at     uint32 // when it was first fetched, in Unix seconds
	gone   uint32 // since when the source does not show it; 0 if it does
	state  state

	// In memory only.
	seen  bool  // in this run's list
	again bool  // its name may be another message's in this run
	next  int32 // the place of another entry of the folder plus 1
}

func (e *entry) time() time.Time { return time.Unix(int64(e.at), 0) }

// seconds is a time as entries hold it.
func seconds(t time.Time) uint32 { return uint32(min(max(0, t.Unix()), math.MaxUint32)) }

// tag is a short name for a folder or an epoch. Where two folders of an account
// have the same one, each list of one has messages of the other read and compared
// once more, and that is all.
func tag(s string) uint32 {
	h := sha256.Sum256([]byte(s))
	return binary.BigEndian.Uint32(h[:])
}

// intent is where a message that was fetched is to go, until it is known to be
// there.
type intent struct {
	id        mailbox.ID // at the source
	target    string     // the destination's folder
	to        mailbox.ID // in the destination if it is known ahead
	after     mailbox.ID // the newest message there before; looked for behind it
	messageID string
	digest    sum   // as canonical makes it; zero if to is known
	stored    int64 // octets as they are sent, which line ends may change
}

// The kinds of records in the journal.
const (
	recEntry  = 'e' // entries as they are
	recIntent = 'i' // an entry in the state fetched, and its intent
	recState  = 's' // a new state for several keys, and for settled since when
	recDead   = 'd' // a dead letter
	recCursor = 'c' // the state of a folder that needs no list
)

var errRecord = errors.New("a record of this journal makes no sense")

// packer writes a record.
type packer struct{ b []byte }

func (p *packer) uint(n uint64)   { p.b = binary.AppendUvarint(p.b, n) }
func (p *packer) sum(s sum)       { p.b = append(p.b, s[:]...) }
func (p *packer) text(s string)   { p.uint(uint64(len(s))); p.b = append(p.b, s...) }
func (p *packer) id(m mailbox.ID) { p.text(m.String()) }

func (p *packer) entry(e *entry) {
	p.sum(e.key)
	p.sum(e.digest)
	p.b = binary.BigEndian.AppendUint64(p.b, e.essence)
	p.b = binary.BigEndian.AppendUint64(p.b, e.name)
	p.uint(uint64(e.folder))
	p.uint(uint64(e.epoch))
	p.uint(uint64(max(0, e.size)))
	p.uint(uint64(e.at))
	p.uint(uint64(e.gone))
	p.b = append(p.b, byte(e.state))
}

// unpacker reads one; bad is set when it does not hold what is asked for.
type unpacker struct {
	b   []byte
	bad bool
}

func (u *unpacker) uint() uint64 {
	n, k := binary.Uvarint(u.b)
	if k <= 0 {
		u.bad, u.b = true, nil
		return 0
	}
	u.b = u.b[k:]
	return n
}

func (u *unpacker) take(n uint64) []byte {
	if n > uint64(len(u.b)) {
		u.bad, u.b = true, nil
		return nil
	}
	var v []byte
	v, u.b = u.b[:n], u.b[n:]
	return v
}

func (u *unpacker) sum() (s sum) {
	copy(s[:], u.take(uint64(len(s))))
	return s
}

func (u *unpacker) text() string { return string(u.take(u.uint())) }

func (u *unpacker) id() mailbox.ID {
	id, err := mailbox.ParseID(u.text())
	u.bad = u.bad || err != nil
	return id
}

func (u *unpacker) state() state {
	b := u.take(1)
	if u.bad || b[0] == 0 || state(b[0]) > none {
		u.bad = true
		return none
	}
	return state(b[0])
}

func (u *unpacker) entry() (e entry) {
	e.key, e.digest = u.sum(), u.sum()
	if b := u.take(16); !u.bad {
		e.essence, e.name = binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])
	}
	e.folder, e.epoch = uint32(u.uint()), uint32(u.uint())
	e.size, e.at, e.gone = int64(u.uint()), uint32(u.uint()), uint32(u.uint())
	e.state = u.state()
	return e
}
