package journal

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/postroom-go/postroom/internal/disk"
)

// least leaves of a crash what is durable only.
func least(int) int { return 0 }

// model does what a script says to a journal, and knows what must be there after
// a crash.
type model struct {
	synced []string // is durable
	later  []string // was appended after that
	next   []string // what Rewrite is about to put in their place
	number int
	steps  int // that were done

	err error // what broke a promise
}

// The steps of a script.
const (
	stepAppend  = 'a'
	stepLong    = 'l' // appends a record of several blocks
	stepSync    = 's'
	stepRewrite = 'w' // keeps every second record and adds one
	stepReopen  = 'o' // closes and opens
)

// run does a script until there is an error, and closes the journal.
func (m *model) run(dir disk.Dir, script string) error {
	j, err := m.open(dir)
	if err != nil {
		return err
	}
	for _, step := range script {
		if step == stepReopen {
			if err := m.close(j); err != nil {
				return err
			}
			j, err = m.open(dir)
		} else {
			err = m.step(j, step)
		}
		if j == nil {
			return err
		}
		if err != nil {
			m.broken(j, err)
			return errors.Join(err, j.Close())
		}
		m.steps++
	}
	return m.close(j)
}

func (m *model) step(j *Journal, step rune) error {
	switch step {
	case stepAppend, stepLong:
		record := m.record(step)
		err := j.Append([]byte(record))
		if err == nil {
			m.later = append(m.later, record)
		}
		return err
	case stepSync:
		err := j.Sync()
		if err == nil {
			m.durable()
		}
		return err
	case stepRewrite:
		m.next = []string{}
		for i, record := range slices.Concat(m.synced, m.later) {
			if i%2 == 0 {
				m.next = append(m.next, record)
			}
		}
		m.next = append(m.next, m.record(stepAppend))
		err := j.Rewrite(func(add func([]byte) error) error {
			for _, record := range m.next {
				if err := add([]byte(record)); err != nil {
					return err
				}
			}
			return nil
		})
		if err == nil {
			m.synced, m.later, m.next = m.next, nil, nil
			if j.Records() != len(m.synced) {
				m.fail("%d records after Rewrite of %d", j.Records(), len(m.synced))
			}
		}
		return err
	}
	panic("no such step")
}

func (m *model) record(step rune) string {
	m.number++
	record := "r" + strconv.Itoa(m.number)
	if step == stepLong {
		record += "-which-is-of-some-blocks"
	}
	return record
}

func (m *model) durable() { m.synced, m.later = append(m.synced, m.later...), nil }

func (m *model) open(dir disk.Dir) (*Journal, error) {
	var records []string
	j, err := Open(dir, name, kind, into(&records))
	if err != nil {
		return nil, err
	}
	if !m.allows(records) {
		m.fail("opened with %q", records)
	}
	m.synced, m.later, m.next = records, nil, nil
	return j, nil
}

func (m *model) close(j *Journal) error {
	err := j.Close()
	if err == nil {
		m.durable()
	}
	return err
}

// broken checks that a journal that has failed says so ever after.
func (m *model) broken(j *Journal, err error) {
	if !errors.Is(err, ErrBroken) || !errors.Is(j.Append([]byte("x")), ErrBroken) || !errors.Is(j.Sync(), ErrBroken) {
		m.fail("%v does not last", err)
	}
}

func (m *model) fail(format string, args ...any) {
	m.err = errors.Join(m.err, fmt.Errorf(format, args...))
}

// allows says that records may be there: the old ones, which are all that were
// synced and then some of the later ones, or the new ones; in their order.
func (m *model) allows(records []string) bool {
	if m.next != nil && slices.Equal(records, m.next) {
		return true
	}
	n := len(m.synced)
	if len(records) < n || !slices.Equal(records[:n], m.synced) {
		return false
	}
	later := m.later
	for _, record := range records[n:] {
		i := slices.Index(later, record)
		if i < 0 {
			return false
		}
		later = later[i+1:]
	}
	return true
}
