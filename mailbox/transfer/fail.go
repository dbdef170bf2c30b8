package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"syscall"

	"github.com/postroom-go/postroom/mailbox"
)

// folderError is an error of one folder: the run goes on with the others.
type folderError struct{ err error }

func (e *folderError) Error() string { return e.err.Error() }
func (e *folderError) Unwrap() error { return e.err }

// mostFolders in a row that cannot be reached are the account's fault.
const mostFolders = 3

// left notes that a folder was left before its end.
func (r *run) left(j *job, of *folderError) error {
	if r.failed == nil {
		r.failed = of.err
	}
	r.failing++
	if !unreachable(of.err) {
		r.failing = 0
	}
	if r.failing == mostFolders {
		return of.err
	}
	return r.tell(Event{Kind: Warning, Folder: j.from.Name, Target: j.target, Err: of.err,
		Reason: fmt.Sprintf("%q was not looked at to its end: %s", j.from.Name, shortened(of.err.Error()))})
}

// ofFolder makes an error of the source, or of making a folder, one of its folder,
// unless it is known to be of the whole account.
func (r *run) ofFolder(err error) error {
	if err = r.ended(err); err == nil || r.ctx.Err() != nil || everywhere(err) && !unreachable(err) {
		return err
	}
	return &folderError{err}
}

// inTarget is ofFolder for errors of the destination: those of the folder that
// messages go to.
func (r *run) inTarget(err error) error {
	if err = r.ended(err); err == nil || r.ctx.Err() != nil || everywhere(err) || broken(err) || !ofTarget(err) {
		return err
	}
	return &folderError{err}
}

// stops reports whether the destination's error is one that the next message
// would meet as well.
func stops(err error) bool { return everywhere(err) || ofTarget(err) || broken(err) }

// everywhere reports whether an error ends the run: the next folder would meet it
// as well.
func everywhere(err error) bool {
	return isAny(err, mailbox.ErrAuth, mailbox.ErrQuota, mailbox.ErrClosed, mailbox.ErrThrottled, mailbox.ErrTLSRequired,
		mailbox.ErrCertificate, mailbox.ErrTLSInjection) || unreachable(err)
}

// unreachable reports whether a mailbox could not be reached, or said of a folder
// that it cannot be used just now: servers say the same of both.
func unreachable(err error) bool {
	return isAny(err, mailbox.ErrUnavailable, mailbox.ErrBusy)
}

// ofTarget reports whether an error is of the folder that messages go to: the
// next message would meet it as well.
func ofTarget(err error) bool {
	return isAny(err, mailbox.ErrPermission, mailbox.ErrNotFound, errors.ErrUnsupported)
}

// broken reports whether an error is of the disk or the journal, which says
// nothing about the message.
func broken(err error) bool {
	var path *fs.PathError
	var errno syscall.Errno
	return errors.As(err, &path) || errors.As(err, &errno) || isAny(err, fs.ErrClosed, io.ErrShortWrite)
}

func isAny(err error, all ...error) bool {
	for _, e := range all {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// ended gives the context's error in place of what its end led to.
func (r *run) ended(err error) error {
	if err == nil || r.ctx.Err() == nil || errors.Is(err, errLeft) {
		return err
	}
	why := r.ctx.Err()
	if cause := context.Cause(r.ctx); !errors.Is(cause, why) {
		why = fmt.Errorf("%w: %w", why, cause)
	}
	return &mailbox.Error{Op: "transfer", Err: why}
}
