package transfer

import (
	"log/slog"
	"time"

	"github.com/postroom-go/postroom/mailbox"
)

// Order is the order in which new messages are fetched.
type Order int

// The orders. ByFolder, the zero value, is the source's own: the fastest.
const (
	ByFolder Order = iota
	// NewestFirst brings what people look at first.
	NewestFirst
	// LargestLast brings many small messages before the few large ones.
	LargestLast
)

// Options are the options of Run and Events. Nil and zero copy every message of
// every folder that was not copied before, and leave all of it at the source.
type Options struct {
	// Journal is the path of the journal; its directory must exist. Empty is a
	// file in the destination's own directory, named after the source, where
	// the destination has one (a Maildir); else Journal is required. It is for
	// one source and one destination: what it says is stored is not copied to
	// another destination, and may be deleted.
	Journal string
	// Source names the source account in the journal, such as
	// "pop3://alice@pop.example.com". Empty asks the source, which network
	// drivers answer; else Source is required, since IDs of two accounts must
	// not be mixed.
	Source string

	// Folders are the source's folders to copy, mailbox.ErrNotFound if one is not
	// there; nil is all that can be selected, but for those that show the
	// messages of others once more (RFC 6154's \Flagged and RFC 8457's
	// \Important).
	Folders []string
	// Target gives the destination's folder for one of the source, and "" to
	// leave it out. Nil keeps the name, with the destination's delimiter between
	// its levels. Folders that are missing are made.
	Target func(folder *mailbox.Folder) string

	// MinSize and MaxSize bound the size of a message in octets, as the source
	// tells it; 0 is no bound. What is left out by this and the following is
	// looked at again by the next run.
	MinSize, MaxSize int64
	// Since and Before bound a message's date of receipt, or where the source
	// does not tell it the date in its header; zero is no bound, and one that has
	// no date is copied. Over POP3 that costs a TOP command for each message
	// that is not stored yet, in every run.
	Since, Before time.Time
	// Match, if not nil, chooses among the messages that are not stored yet. Its
	// summary has MatchFields as far as the source can tell them: see
	// mailbox.Summary.Fields.
	Match       func(*mailbox.Summary) bool
	MatchFields mailbox.Fields

	// MaxMessages and MaxBytes bound what one run fetches; 0 is no bound. The
	// message that would pass MaxBytes is left for the next run, unless it is
	// the first. The rest is for the next run.
	MaxMessages int
	MaxBytes    int64
	// Order is the order of fetching.
	Order Order
	// Unordered lets a destination across a network get messages over several
	// connections at a time, as many as its Caps allow and three at most: faster
	// where answers take long, and the order in which it numbers them is another
	// than the source's.
	Unordered bool

	// Remove says what is deleted at the source.
	Remove Remove

	// DryRun changes nothing, neither at the source nor at the destination nor
	// in the journal: the events say what would happen, and why.
	DryRun bool
	// RetryDead tries dead letters again, and sends again what may be in the
	// destination and cannot be told for certain, because the server changes
	// the octets of what it stores.
	RetryDead bool
	// Logger gets what is worth knowing and no event; nil is none.
	Logger *slog.Logger

	now      func() time.Time // for tests
	off      off              // for tests
	messages int              // of a group; for tests
}

// Remove says which messages are deleted at the source. Only what is stored in
// the destination, by this run or an earlier one, ever is. The zero value
// deletes nothing.
type Remove struct {
	// Stored deletes messages that are stored.
	Stored bool
	// After spares them until this long after a run has first stored them.
	After time.Duration
	// Above spares those of at most so many octets; 0 spares none.
	Above int64
}

// off switches defences off, to show in tests what they are for.
type off struct {
	intents   bool // store messages that the journal does not know of durably
	lookFirst bool // send again what may be there
	digest    bool // trust IDs alone
}

func (o *Options) clock() time.Time {
	if o.now != nil {
		return o.now()
	}
	return time.Now()
}

// filtered reports whether not every message is wanted.
func (o *Options) filtered() bool {
	return o.MinSize > 0 || o.MaxSize > 0 || !o.Since.IsZero() || !o.Before.IsZero() || o.Match != nil
}

// due reports whether a message of that size, stored at that time, is to be
// deleted now, and why not.
func (r Remove) due(size int64, stored, now time.Time) (bool, string) {
	switch {
	case !r.Stored:
		return false, "everything stays at the source"
	case r.Above > 0 && size <= r.Above:
		return false, "it is not above the size for deletion"
	case r.After > 0 && now.Before(stored.Add(r.After)):
		return false, "it is kept until " + stored.Add(r.After).UTC().Format(time.DateOnly)
	}
	return true, ""
}
