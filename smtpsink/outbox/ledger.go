package outbox

import (
	"fmt"
	"sync"

	"github.com/postroom-go/postroom/internal/disk"
	"github.com/postroom-go/postroom/internal/journal"
	"github.com/postroom-go/postroom/mailbox"
)

const (
	journalName = "journal"
	journalKind = "outbox 1"
	// spare is how many records the journal may have above twice what is needed.
	spare = 1000
	// spareSize is the same in octets: records of many recipients are long.
	spareSize = 16 << 20
)

// ledger is the journal. All who wait for the disk at a time share one wait.
type ledger struct {
	j    *journal.Journal
	turn chan struct{} // whoever fills it writes

	mu             sync.Mutex
	records        [][]byte // that are not written yet
	noted, synced  uint64   // how many there were so far
	count, most    int      // records in the journal, and before it is written anew
	size, mostSize int64    // octets, about, and the same
}

// openLedger opens the journal in dir and replays it.
func openLedger(dir disk.Dir, replay func(*status)) (*ledger, error) {
	l := &ledger{turn: make(chan struct{}, 1)}
	var err error
	n := 0
	l.j, err = journal.Open(dir, journalName, journalKind, func(record []byte) error {
		s, err := parseStatus(record)
		if err == nil {
			n++
			s.nth = n
			replay(s)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	l.count, l.size, l.mostSize = l.j.Records(), l.j.Size(), spareSize
	return l, nil
}

// lost reports whether records that somebody relied on may be missing, and the
// newest that is not newer than all of these.
func (l *ledger) lost() (nth int, lost bool) { return l.j.Lost() }

// note takes a status down. It is durable after sync.
func (l *ledger) note(s *status) error {
	record, err := s.record()
	if err != nil {
		return err
	}
	if len(record) > journal.MaxRecord {
		return fmt.Errorf("%w: what has become of message %s", mailbox.ErrTooLarge, s.ID)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.records = append(l.records, record)
	l.noted++
	l.count++
	l.size += int64(len(record))
	return nil
}

// sync makes durable what was noted.
func (l *ledger) sync() error {
	l.mu.Lock()
	want := l.noted
	l.mu.Unlock()
	l.turn <- struct{}{}
	defer func() { <-l.turn }()
	l.mu.Lock()
	if l.synced >= want {
		l.mu.Unlock()
		return nil // with somebody else's
	}
	records, upTo := l.records, l.noted
	l.records = nil
	l.mu.Unlock()
	for _, record := range records {
		if err := l.j.Append(record); err != nil {
			return err
		}
	}
	if err := l.j.Sync(); err != nil {
		return err
	}
	l.mu.Lock()
	l.synced = upTo
	l.mu.Unlock()
	return nil
}

// full reports whether most of the journal is past.
func (l *ledger) full() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.count >= l.most || l.size >= l.mostSize
}

// rewrite writes the journal anew with what fill adds: all that is known, what
// is not written yet included. Nothing is noted meanwhile.
func (l *ledger) rewrite(fill func(add func([]byte) error) error) error {
	if err := l.j.Rewrite(fill); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.records, l.synced = nil, l.noted
	l.count, l.size = l.j.Records(), l.j.Size()
	l.most, l.mostSize = 2*l.count+spare, 2*l.size+spareSize
	return nil
}

// close frees the journal. What was not synced is lost.
func (l *ledger) close() error {
	l.turn <- struct{}{}
	defer func() { <-l.turn }()
	return l.j.Close()
}
