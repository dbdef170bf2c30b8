package outbox

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/postroom-go/postroom/internal/journal"
	"github.com/postroom-go/postroom/smtpsink"
)

// mark is what a status says besides what became of each recipient.
type mark string

const (
	markNone    mark = ""
	markSending mark = "sending" // the last octets are being handed over
	markDead    mark = "dead"
	markGone    mark = "gone" // its file may be removed
	// markDoubt is of a message that may have been sent since, which the journal
	// has forgotten; and of doubtID.
	markDoubt mark = "doubt"
)

// copyState is how far the copy of a message that was sent is.
type copyState string

const (
	copyNone   copyState = ""
	copyDue    copyState = "due"
	copyDone   copyState = "done"
	copyFailed copyState = "failed" // given up
)

// rcpt is what became of a message for one recipient.
type rcpt struct {
	Outcome smtpsink.Outcome `json:"o,omitempty"`
	Reply   *smtpsink.Reply  `json:"r,omitempty"`
	// Final is of a refusal that will last.
	Final bool `json:"f,omitempty"`
}

// pending reports whether the message is still to be sent to this recipient.
func (r *rcpt) pending() bool {
	return r.Outcome == smtpsink.NotSent || r.Outcome == smtpsink.Rejected && !r.Final
}

// status is what has happened to a message since it was enqueued. The journal's
// records are these, each all that is known of one message: the last one counts.
type status struct {
	ID    ID        `json:"id"`
	Mark  mark      `json:"mark,omitempty"`
	Keyed bool      `json:"keyed,omitempty"`
	At    time.Time `json:"at,omitzero"` // of the last change
	// Was is when what is gone was enqueued: so its file is known for one, whatever
	// the clock says.
	Was    time.Time `json:"was,omitzero"`
	Tries  int       `json:"tries,omitempty"`
	Resent int       `json:"resent,omitempty"` // after an unknown outcome
	// Next is when to try again, or to look what became of it.
	Next time.Time `json:"next,omitzero"`
	// Since is when somebody asked to try again: lifetime counts from there.
	Since time.Time       `json:"since,omitzero"`
	Err   string          `json:"err,omitempty"`
	Queue string          `json:"queue,omitempty"`
	Reply *smtpsink.Reply `json:"reply,omitempty"`
	// Rcpts are in the envelope's order, or nil while nothing is known.
	Rcpts []rcpt `json:"rcpts,omitempty"`

	Copy      copyState `json:"copy,omitempty"`
	CopyTries int       `json:"copies,omitempty"`
	CopyNext  time.Time `json:"copynext,omitzero"`

	nth int // its place in the journal, when that is opened
}

var errRecord = errors.New("a record of the outbox's journal makes no sense, or is of a newer version")

// record is the journal's record of a status. What servers said is left out where
// it is too much.
func (s *status) record() ([]byte, error) {
	b, err := json.Marshal(s)
	if err != nil || len(b) <= journal.MaxRecord {
		return b, err
	}
	short := *s
	short.Reply = bare("message", s.Reply)
	if len(s.Queue) > 1<<10 {
		short.Queue = ""
	}
	short.Rcpts = append([]rcpt{}, s.Rcpts...)
	for i := range short.Rcpts {
		short.Rcpts[i].Reply = bare("RCPT", s.Rcpts[i].Reply)
	}
	return json.Marshal(&short)
}

// bare is what is kept of an answer that is too long.
func bare(command string, r *smtpsink.Reply) *smtpsink.Reply {
	if r == nil {
		return nil
	}
	return &smtpsink.Reply{Command: command, Code: r.Code}
}

func parseStatus(record []byte) (*status, error) {
	s := &status{}
	if err := unmarshal(record, s); err != nil {
		return nil, errors.Join(errRecord, err)
	}
	if !s.ID.valid() && s.ID != doubtID || len(s.Rcpts) > mostRecipients {
		return nil, errRecord
	}
	switch s.Mark {
	case markNone, markSending, markDead, markGone, markDoubt:
	default:
		return nil, errRecord
	}
	switch s.Copy {
	case copyNone, copyDue, copyDone, copyFailed:
	default:
		return nil, errRecord
	}
	for _, r := range s.Rcpts {
		if r.Outcome < smtpsink.NotSent || r.Outcome > smtpsink.Unknown {
			return nil, errRecord
		}
	}
	return s, nil
}

// fit makes room for each of n recipients.
func (s *status) fit(n int) {
	if s.Rcpts == nil {
		s.Rcpts = make([]rcpt, n)
	}
}

// pending are the recipients that the message is still to be sent to.
func (s *status) pending(n int) (which []int) {
	for i := range n {
		if s.Rcpts == nil || s.Rcpts[i].pending() {
			which = append(which, i)
		}
	}
	return which
}

func (s *status) any(o smtpsink.Outcome) bool {
	for i := range s.Rcpts {
		if s.Rcpts[i].Outcome == o {
			return true
		}
	}
	return false
}

func (s *status) unknown() bool { return s.any(smtpsink.Unknown) }

// turn gives recipients another outcome.
func (s *status) turn(from, to smtpsink.Outcome) {
	for i := range s.Rcpts {
		if r := &s.Rcpts[i]; r.Outcome == from {
			*r = rcpt{Outcome: to}
		}
	}
	if to == smtpsink.Accepted && s.Copy == copyNone {
		s.Copy = copyDue
	}
}

// unsure is for a message that was being handed over when the program ended.
func (s *status) unsure(n int) {
	s.Mark = markNone
	s.fit(n)
	for _, i := range s.pending(n) {
		s.Rcpts[i] = rcpt{Outcome: smtpsink.Unknown}
	}
}
