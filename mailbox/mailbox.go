package mailbox

import (
	"context"
	"io"
	"iter"
)

// Inbox is the name of the folder that every mailbox has. Drivers take it in
// any case, as IMAP does (RFC 9051 section 5.1), and an empty folder name
// means it.
const Inbox = "INBOX"

// Mailbox is the stored mail of one account, whatever holds it. All methods are
// safe for concurrent use. The core does not grow: a later operation is an
// optional interface and a package function.
type Mailbox interface {
	// Caps says what this mailbox can do. It is a snapshot taken when the
	// mailbox was opened, and does no I/O.
	Caps() Caps

	// Folders yields the folders, INBOX among them, in no particular order.
	// opts may be nil.
	Folders(ctx context.Context, opts *FoldersOptions) iter.Seq2[*Folder, error]

	// List yields a summary of each message in folder, oldest first, in the
	// order in which the server numbers them. Each call of the sequence lists
	// afresh. A message that vanishes meanwhile is left out; one that cannot
	// be parsed is yielded with Defects. A folder that is not there is
	// ErrNotFound. opts may be nil.
	List(ctx context.Context, folder string, opts *ListOptions) iter.Seq2[*Summary, error]

	// Open streams the message as it is stored, octet by octet. ErrNotFound
	// and ErrStale are reported here, not by the first Read. ctx covers the
	// reader's life as well. opts may be nil.
	Open(ctx context.Context, id ID, opts *OpenOptions) (io.ReadCloser, error)

	// Delete removes exactly the given messages for good. Nil means that the
	// server has confirmed it; a message that is gone already counts as
	// removed. All IDs are checked before anything is changed: a stale one is
	// ErrStale. A lost answer is ErrUnknownOutcome: list again to see. No IDs
	// is no work. opts may be nil.
	Delete(ctx context.Context, ids []ID, opts *DeleteOptions) error

	// Close ends the sessions within a bounded time. It is idempotent, deletes
	// nothing, and every call under way or made later returns ErrClosed.
	Close() error
}

// FoldersOptions are the options of [Mailbox.Folders]. Nil and zero are safe.
type FoldersOptions struct {
	// Status fills Folder.Status. Without IMAP's LIST-STATUS (RFC 5819) it
	// costs a command for each folder.
	Status bool
}

// ListOptions are the options of [Mailbox.List]. Nil and zero list every
// message with DefaultFields.
type ListOptions struct {
	// Fields says what each summary should hold; zero is DefaultFields. What
	// is not asked for is not paid for. What a mailbox cannot tell without
	// moving bodies stays empty: see Summary.Fields.
	Fields Fields

	// Newest, if above 0, lists only the newest n messages, still oldest
	// first (or newest first, see Reverse).
	Newest int

	// Reverse yields the newest message first.
	Reverse bool

	// IDs, if not nil, lists only these messages, in the folder's order.
	// Those that are gone are left out; a stale ID, or one of another folder,
	// is ErrStale.
	IDs []ID
}

// OpenOptions are the options of [Mailbox.Open]. Nil and zero read the whole
// message.
type OpenOptions struct {
	// HeaderOnly reads the header section and the empty line after it. POP3
	// needs TOP for it to be cheap; without it the whole message moves.
	HeaderOnly bool
}

// DeleteOptions are the options of [Mailbox.Delete]. It has none yet.
type DeleteOptions struct{}
