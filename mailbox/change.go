package mailbox

import (
	"context"
	"io"
	"time"
)

// FlagSetter is implemented by drivers that can change flags. Users call
// SetFlags.
type FlagSetter interface {
	SetFlags(ctx context.Context, ids []ID, change FlagChange, opts *SetFlagsOptions) error
}

// FlagChange says how flags change: Add and Remove touch only those named; if
// Replace is not nil it becomes the whole set, and Add and Remove must be
// empty.
type FlagChange struct {
	Add, Remove, Replace []Flag
}

// SetFlagsOptions are the options of SetFlags. It has none yet.
type SetFlagsOptions struct{}

// SetFlags changes the flags of the given messages. Messages that are gone are
// left out without an error; a stale ID is ErrStale before anything changes.
// Doing it twice is doing it once. Where Caps.Flags is clear, or Caps.Keywords
// for a keyword, it is errors.ErrUnsupported. opts may be nil.
func SetFlags(ctx context.Context, mb Mailbox, ids []ID, change FlagChange, opts *SetFlagsOptions) error {
	f, ok := mb.(FlagSetter)
	if !ok || !mb.Caps().Flags {
		return unsupported("set flags", mb, "flags")
	}
	if opts == nil {
		opts = &SetFlagsOptions{}
	}
	return f.SetFlags(ctx, ids, change, opts)
}

// Appender is implemented by drivers that can add messages. Users call Append.
type Appender interface {
	Append(ctx context.Context, folder string, message io.Reader, opts *AppendOptions) (ID, error)
}

// AppendOptions are the options of Append. Nil and zero are safe.
type AppendOptions struct {
	// Flags are set on the new message.
	Flags []Flag
	// Received is its date of receipt; zero is now.
	Received time.Time
	// Size is the exact number of octets of the message if above 0: it then
	// streams straight to the server, and a message that is longer or shorter
	// is an error with nothing added. If 0 the message is spooled first, in
	// memory or in a temporary file.
	Size int64
}

// Append adds a message, whole or not at all, to a folder and returns its ID;
// the zero ID if Caps.AppendID is clear. The message is sent as it is: line
// ends should be CRLF. One larger than Caps.AppendLimit is ErrTooLarge before
// an octet is sent; a missing folder is ErrNotFound, a full account ErrQuota.
// It is not tried again by itself: if the server's answer is lost the error is
// ErrUnknownOutcome. Where Caps.Append is clear it is errors.ErrUnsupported.
// opts may be nil.
func Append(ctx context.Context, mb Mailbox, folder string, message io.Reader, opts *AppendOptions) (ID, error) {
	a, ok := mb.(Appender)
	if !ok || !mb.Caps().Append {
		return ID{}, unsupported("append", mb, "way to add messages")
	}
	if opts == nil {
		opts = &AppendOptions{}
	}
	return a.Append(ctx, folder, message, opts)
}
