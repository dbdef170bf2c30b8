package transfer

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/postroom-go/postroom/internal/disk"
	"github.com/postroom-go/postroom/internal/journal"
	"github.com/postroom-go/postroom/mailbox"
)

// ledger is what is known about the messages of one source: in memory, compact,
// and in the journal.
type ledger struct {
	j *journal.Journal

	mu sync.Mutex
	index
	intents map[sum]*intent
	letters map[sum]*DeadLetter
	cursors map[string]string // states of folders that need no list
	now     uint32            // for what is settled
	changed bool
}

func newLedger() *ledger {
	return &ledger{intents: map[sum]*intent{}, letters: map[sum]*DeadLetter{}, cursors: map[string]string{}}
}

// entryOctets is about what an entry takes in the journal.
const entryOctets = 72

// kindOf is what the journal of a source is for.
func kindOf(source string) string { return "transfer 1 " + source }

// openLedger opens the journal of that name in dir.
func openLedger(dir disk.Dir, name, source string) (l *ledger, err error) {
	l = newLedger()
	if st, err := dir.Lstat(name); err == nil {
		l.reserve(int(min(st.Size(), 1<<30) / entryOctets))
	}
	l.j, err = journal.Open(dir, name, kindOf(source), l.replay)
	if err != nil {
		return nil, l.reason(err, name, source)
	}
	return l, nil
}

// readLedger reads the journal and changes nothing: what is noted is in memory
// only.
func readLedger(dir disk.Dir, name, source string) (*ledger, error) {
	l := newLedger()
	if err := journal.Read(dir, name, kindOf(source), l.replay); err != nil {
		return nil, l.reason(err, name, source)
	}
	return l, nil
}

func (l *ledger) reason(err error, name, source string) error {
	switch {
	case errors.Is(err, disk.ErrLocked):
		return fmt.Errorf("another transfer of this account is running: %w: %w", mailbox.ErrBusy, err)
	case errors.Is(err, journal.ErrFormat):
		return fmt.Errorf("%s belongs to another account than %s, or is no journal: %w", name, source, err)
	}
	return err
}

// replay takes in a record.
func (l *ledger) replay(record []byte) error {
	u := unpacker{b: record[1:]}
	switch record[0] {
	case recEntry:
		for len(u.b) > 0 && !u.bad {
			if e := u.entry(); !u.bad {
				l.put(e)
			}
		}
	case recIntent:
		e := u.entry()
		in := &intent{id: u.id(), target: u.text(), to: u.id(), after: u.id(), messageID: u.text(), digest: u.sum(), stored: int64(u.uint())}
		if u.bad || e.state == none { // what is forgotten is not on its way
			return errRecord
		}
		l.put(e)
		l.intents[e.key] = in
	case recState:
		s, gone := u.state(), uint32(0)
		if s == settled {
			gone = uint32(u.uint())
		}
		for len(u.b) > 0 && !u.bad {
			l.set(u.sum(), s, gone)
		}
	case recDead:
		e := u.entry()
		letter := &DeadLetter{ID: u.id(), Reason: u.text(), Since: time.Unix(int64(u.uint()), 0)}
		if u.bad || e.state == none {
			return errRecord
		}
		l.put(e)
		l.letters[e.key] = letter
	case recCursor:
		folder := u.text()
		l.cursors[folder] = u.text()
	default:
		return errRecord
	}
	if u.bad {
		return errRecord
	}
	return nil
}

// put adds an entry, or replaces what was known under its key.
func (l *ledger) put(e entry) {
	l.forget(e.key)
	if i := l.index.find(e.key); i >= 0 {
		l.index.replace(i, e)
		return
	}
	l.index.add(e)
}

// forget drops what only the former state of a message needed.
func (l *ledger) forget(k sum) {
	delete(l.intents, k)
	delete(l.letters, k)
}

func (l *ledger) set(k sum, s state, gone uint32) {
	l.forget(k)
	if i := l.index.find(k); i >= 0 {
		e := l.entry(i)
		e.state, e.gone = s, gone
	}
}

// find gives a copy of what is known about a message.
func (l *ledger) find(k sum) (entry, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := l.index.find(k)
	if i < 0 || l.entry(i).state == none {
		return entry{}, false
	}
	return *l.entry(i), true
}

// see is find for a message that the source has listed; twice says that it had
// been listed before.
func (l *ledger) see(k sum) (e entry, known, twice bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := l.index.find(k)
	if i < 0 {
		return entry{}, false, false
	}
	e = *l.entry(i)
	l.entry(i).seen = true
	return e, e.state != none, e.seen
}

// doubt notes that the name of a message may be another one's now.
func (l *ledger) doubt(k sum) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := l.index.find(k); i >= 0 {
		l.entry(i).again = true
	}
}

// beginList forgets what was seen in a folder.
func (l *ledger) beginList(folder uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for e := range l.in(folder) {
		e.seen, e.again = false, false
	}
}

// each calls f with every entry of a folder; f may change it in memory only.
func (l *ledger) each(folder uint32, f func(e *entry)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for e := range l.in(folder) {
		if e.state != none {
			f(e)
		}
	}
}

// intend notes messages that were fetched, and where each goes. It is durable
// after sync.
func (l *ledger) intend(e entry, in *intent) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.state = fetched
	l.put(e)
	l.intents[e.key] = in
	return l.append(intentRecord(&e, in))
}

func intentRecord(e *entry, in *intent) []byte {
	p := packer{[]byte{recIntent}}
	p.entry(e)
	p.id(in.id)
	p.text(in.target)
	p.id(in.to)
	p.id(in.after)
	p.text(in.messageID)
	p.sum(in.digest)
	p.uint(uint64(in.stored))
	return p.b
}

// note gives several messages a new state. It is durable after sync.
func (l *ledger) note(s state, keys ...sum) error {
	const most = 10_000 // of one record
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(keys) > 0 {
		n := min(len(keys), most)
		p, gone := packer{[]byte{recState, byte(s)}}, uint32(0)
		if s == settled {
			gone = l.now
			p.uint(uint64(gone))
		}
		for _, k := range keys[:n] {
			p.sum(k)
			l.set(k, s, gone)
		}
		if err := l.append(p.b); err != nil {
			return err
		}
		keys = keys[n:]
	}
	return nil
}

// add notes an entry as it is.
func (l *ledger) add(e entry) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.put(e)
	p := packer{[]byte{recEntry}}
	p.entry(&e)
	return l.append(p.b)
}

// bury notes a dead letter.
func (l *ledger) bury(e entry, letter *DeadLetter) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.state = dead
	l.put(e)
	l.letters[e.key] = letter
	return l.append(deadRecord(&e, letter))
}

func deadRecord(e *entry, letter *DeadLetter) []byte {
	p := packer{[]byte{recDead}}
	p.entry(e)
	p.id(letter.ID)
	p.text(letter.Reason)
	p.uint(uint64(letter.Since.Unix()))
	return p.b
}

// cursor is the state in which a folder needed nothing more; "" is unknown.
func (l *ledger) cursor(folder string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cursors[folder]
}

func (l *ledger) setCursor(folder, at string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cursors[folder] == at {
		return nil
	}
	l.cursors[folder] = at
	return l.append(cursorRecord(folder, at))
}

func cursorRecord(folder, at string) []byte {
	p := packer{[]byte{recCursor}}
	p.text(folder)
	p.text(at)
	return p.b
}

func (l *ledger) append(record []byte) error {
	if l.j == nil {
		return nil
	}
	l.changed = true
	return l.j.Append(record)
}

func (l *ledger) sync() error {
	if l.j == nil {
		return nil
	}
	return l.j.Sync()
}

// damaged is how many octets of the journal could not be read.
func (l *ledger) damaged() int64 {
	if l.j == nil {
		return 0
	}
	return l.j.Damaged()
}

// open gives the intents that are not settled of one folder.
func (l *ledger) open(folder string) []*intent {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []*intent
	for _, in := range l.intents {
		if in.id.Folder() == folder {
			all = append(all, in)
		}
	}
	return all
}

// remembered is how long what is gone from the source is remembered: servers
// show old mail anew (Gmail's "recent:" shows 30 days).
const remembered = 90 * 24 * time.Hour

// close tidies the journal up where that pays, and closes it.
func (l *ledger) close(now time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.j == nil {
		return nil
	}
	var err error
	if most := int64(l.count+1000) * entryOctets * 3 / 2; l.changed && l.j.Size() > most {
		err = l.j.Rewrite(func(add func([]byte) error) error { return l.compact(now, add) })
	}
	return errors.Join(err, l.j.Close())
}

// compact gives the records that say all that is known.
func (l *ledger) compact(now time.Time, add func([]byte) error) error {
	const most = 32 << 10 // octets of a record of many entries
	plain := packer{[]byte{recEntry}}
	flush := func() error {
		if len(plain.b) == 1 {
			return nil
		}
		err := add(plain.b)
		plain.b = plain.b[:1]
		return err
	}
	for i := range l.count {
		e := l.entry(i)
		var err error
		switch {
		case e.state == none, e.state == settled && now.Sub(time.Unix(int64(max(e.at, e.gone)), 0)) > remembered:
		case l.letters[e.key] != nil:
			err = add(deadRecord(e, l.letters[e.key]))
		case l.intents[e.key] != nil:
			err = add(intentRecord(e, l.intents[e.key]))
		default:
			if plain.entry(e); len(plain.b) > most {
				err = flush()
			}
		}
		if err != nil {
			return err
		}
	}
	if err := flush(); err != nil {
		return err
	}
	for folder, at := range l.cursors {
		if err := add(cursorRecord(folder, at)); err != nil {
			return err
		}
	}
	return nil
}

// dead gives the dead letters, the oldest first.
func (l *ledger) dead() []DeadLetter {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []DeadLetter
	for _, d := range l.letters {
		all = append(all, *d)
	}
	slices.SortFunc(all, func(a, b DeadLetter) int {
		return cmp.Or(a.Since.Compare(b.Since), strings.Compare(a.ID.String(), b.ID.String()))
	})
	return all
}
