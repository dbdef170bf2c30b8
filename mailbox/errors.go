package mailbox

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// The sentinels, for errors.Is. What a mailbox cannot do at all is
// [errors.ErrUnsupported]; a cancelled call gives its context's error.
var (
	// ErrNotFound: there is no such message, part or folder (any more).
	ErrNotFound = errors.New("not found")
	// ErrExists: there is one already.
	ErrExists = errors.New("exists already")
	// ErrAuth: the server refused the user name, the secret or the token. It
	// is permanent: trying again by itself locks accounts.
	ErrAuth = errors.New("authentication failed")
	// ErrPermission: this account may not do that.
	ErrPermission = errors.New("permission denied")
	// ErrQuota: the account is full.
	ErrQuota = errors.New("over quota")
	// ErrTooLarge: the message is larger than the server takes, or the
	// server's answer larger than we take.
	ErrTooLarge = errors.New("too large")
	// ErrStale: the ID is of an epoch that has ended. List the folder again.
	ErrStale = errors.New("stale message ID")
	// ErrClosed: the mailbox was closed.
	ErrClosed = errors.New("mailbox is closed")
	// ErrBusy: another session has the mailbox locked (POP3's IN-USE).
	ErrBusy = errors.New("mailbox is in use by another session")
	// ErrThrottled: the server asks to slow down. errors.As with
	// *ThrottledError tells for how long.
	ErrThrottled = errors.New("throttled by the server")
	// ErrUnavailable: the server cannot do it just now (SYS/TEMP,
	// UNAVAILABLE), or it cannot be reached.
	ErrUnavailable = errors.New("temporarily unavailable")
	// ErrProtocol: the server broke its protocol or a limit of ours.
	ErrProtocol = errors.New("protocol error")
	// ErrUnknownOutcome: the command was sent and its answer lost: it may or
	// may not have been done. Look before doing it again.
	ErrUnknownOutcome = errors.New("unknown outcome")
	// ErrTLSRequired: the server offers no TLS, or wants a secret without it.
	// No secret was sent.
	ErrTLSRequired = errors.New("TLS is required")
	// ErrCertificate: the server's certificate does not prove its name. No
	// secret was sent.
	ErrCertificate = errors.New("server certificate not trusted")
	// ErrTLSInjection: there was plaintext behind the answer to STARTTLS:
	// somebody is tampering with the connection (CVE-2011-0411).
	ErrTLSInjection = errors.New("plaintext after STARTTLS")
)

// Error is what the calls of this module fail with.
type Error struct {
	// Op is what was being done: "dial", "login", "list", "open", "delete"...
	Op string
	// Folder and ID are what it was done to, as far as that is known.
	Folder string
	ID     ID
	// Err is why.
	Err error
}

// Error names the operation, the message or folder, and the reason.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	switch {
	case !e.ID.IsZero():
		b.WriteString(" " + e.ID.String())
	case e.Folder != "":
		fmt.Fprintf(&b, " %q", e.Folder)
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	return b.String()
}

// Unwrap gives the reason.
func (e *Error) Unwrap() error { return e.Err }

// ThrottledError is the server's wish to be left alone for a while: IMAP's
// LIMIT and its relatives, POP3's LOGIN-DELAY. It is ErrThrottled to errors.Is,
// or ErrBusy where Err is.
type ThrottledError struct {
	// RetryAfter is how long to wait; 0 if the server did not say.
	RetryAfter time.Duration
	// Err is what the server said; it is not nil.
	Err error
}

// Error says how long to wait.
func (e *ThrottledError) Error() string {
	if e.RetryAfter == 0 {
		return "throttled by the server: " + e.Err.Error()
	}
	return fmt.Sprintf("throttled by the server, try again after %v: %v", e.RetryAfter, e.Err)
}

// Unwrap gives ErrThrottled and the server's own error.
func (e *ThrottledError) Unwrap() []error { return []error{ErrThrottled, e.Err} }

// Retryable reports whether the same call may succeed later without anybody
// changing anything, and is known not to have been done yet: the server was
// busy, throttled, unavailable or broke the protocol. It is false for a
// context's own error, for ErrUnknownOutcome, and for whatever another sentinel
// makes permanent, such as ErrAuth.
func Retryable(err error) bool {
	for _, no := range []error{ErrUnknownOutcome, ErrAuth, ErrClosed, ErrTLSRequired, ErrCertificate, ErrTLSInjection,
		ErrNotFound, ErrExists, ErrPermission, ErrQuota, ErrTooLarge, ErrStale, context.Canceled, errors.ErrUnsupported} {
		if errors.Is(err, no) {
			return false
		}
	}
	for _, yes := range []error{ErrBusy, ErrThrottled, ErrUnavailable, ErrProtocol} {
		if errors.Is(err, yes) {
			return true
		}
	}
	return false
}
