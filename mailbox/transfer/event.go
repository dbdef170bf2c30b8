package transfer

import (
	"time"

	"github.com/postroom-go/postroom/mailbox"
)

// Kind is what an Event tells.
type Kind string

// The kinds. With Options.DryRun they tell what would happen.
const (
	// Began: a folder is looked at.
	Began Kind = "began"
	// Unchanged: nothing came or went in a folder since the last run.
	Unchanged Kind = "unchanged"
	// Read: a message was read whole from the source, and waits to be stored
	// with others.
	Read Kind = "read"
	// Stored: the destination has confirmed a message.
	Stored Kind = "stored"
	// Known: a message turned out to be stored already: by its digest, or
	// because it was found where an earlier run was about to put it.
	Known Kind = "known"
	// Skipped: a new message is not wanted, or not in this run; Reason says why.
	Skipped Kind = "skipped"
	// Deleted: a message is deleted at the source.
	Deleted Kind = "deleted"
	// Kept: a message was to be deleted and could not be; Reason says why.
	Kept Kind = "kept"
	// Failed: a message could not be read, or the destination has failed over
	// it; the next run tries again.
	Failed Kind = "failed"
	// Dead: the destination refused a message, which stays at the source and is
	// not tried again unless Options.RetryDead is set.
	Dead Kind = "dead letter"
	// Unknown: the answer was lost; the next run finds out before it does
	// anything else. If it says so again, the destination has a message with the
	// same Message-ID and other octets: see Options.RetryDead.
	Unknown Kind = "unknown"
	// Warning: something that people should know.
	Warning Kind = "warning"
	// Ended: the run came to its end. Event.Report sums it up.
	Ended Kind = "ended"
)

// Event is something that happened.
type Event struct {
	// Kind is what.
	Kind Kind
	// Folder is the source's folder, Target the destination's.
	Folder, Target string
	// ID is the message at the source, and To the one in the destination if
	// that is known.
	ID, To mailbox.ID
	// Size is the message's size in octets: as read in Read and Stored, else as
	// the source tells it.
	Size int64
	// Reason says why, for people. Err is the error behind it, if there is one.
	Reason string
	Err    error
	// Report is set in the last event, Ended.
	Report *Report
	// Done and DoneBytes are how much this run has read so far, Total and
	// TotalBytes how much it will as far as is known by now: they grow as folders
	// are listed.
	Done, Total           int
	DoneBytes, TotalBytes int64
}

// Report sums a run up.
type Report struct {
	// Folders is how many were looked at, Unchanged how many of them needed no
	// list.
	Folders, Unchanged int
	// Listed is how many messages the source showed, Present how many of them
	// were stored by an earlier run.
	Listed, Present int
	// Stored is how many messages this run stored, Bytes their octets as read
	// from the source.
	Stored int
	Bytes  int64
	// Known is how many were found to be stored already.
	Known int
	// Skipped is how many new messages were not wanted or left for later.
	Skipped int
	// Deleted is how many were deleted at the source, Kept how many should have
	// been and could not.
	Deleted, Kept int
	// Failed is how many the next run will try again, Unknown how many it will
	// look for first.
	Failed, Unknown int
	// Dead are the dead letters of this run and earlier ones, the oldest first.
	Dead []DeadLetter
	// Warnings are for people.
	Warnings []string
	// Took is how long it took.
	Took time.Duration
}

// DeadLetter is a message that the destination refused.
type DeadLetter struct {
	// ID is the message at the source, where it still is.
	ID mailbox.ID
	// Reason is what the destination said.
	Reason string
	// Since is when it was refused.
	Since time.Time
}

// count takes an event in.
func (r *Report) count(e *Event) {
	switch e.Kind {
	case Began:
		r.Folders++
	case Unchanged:
		r.Folders++
		r.Unchanged++
	case Stored:
		r.Stored++
		r.Bytes += e.Size
	case Known:
		r.Known++
	case Skipped:
		r.Skipped++
	case Deleted:
		r.Deleted++
	case Kept:
		r.Kept++
	case Failed:
		r.Failed++
	case Unknown:
		r.Unknown++
	case Warning:
		r.Warnings = append(r.Warnings, e.Reason)
	}
}
