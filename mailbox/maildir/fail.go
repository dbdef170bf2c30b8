package maildir

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/postroom-go/postroom/internal/mailmime"
	"github.com/postroom-go/postroom/mailbox"
)

// failure is the error of a call that is about neither a folder nor a message.
func failure(op string, err error) error { return folderError(op, "", err) }

// folderError is the error of a call about a folder.
func folderError(op, folder string, err error) error {
	return wrap(&mailbox.Error{Op: op, Folder: folder}, err)
}

// idError is the error of a call about a message.
func idError(op string, id mailbox.ID, err error) error {
	return wrap(&mailbox.Error{Op: op, ID: id}, err)
}

// wrap gives e the reason err.
func wrap(e *mailbox.Error, err error) error {
	var source *sourceError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &source):
		e.Err = source.err
	default:
		e.Err = sentinel(err)
	}
	return e
}

// sourceError is an error of the reader of a message to be added, which is none
// of ours.
type sourceError struct{ err error }

func (e *sourceError) Error() string { return e.err.Error() }
func (e *sourceError) Unwrap() error { return e.err }

// sentinel says what an error of the file system means to a mailbox.
func sentinel(err error) error {
	var path *fs.PathError
	var kind error
	switch {
	case full(err):
		kind = mailbox.ErrQuota
	case errors.Is(err, fs.ErrPermission), readOnly(err):
		kind = mailbox.ErrPermission
	case !errors.As(err, &path):
		return err
	}
	err = &cleanError{err}
	if kind != nil {
		err = fmt.Errorf("%w: %w", kind, err)
	}
	return err
}

// cleanError is an error with names of files in its text, without the control
// characters that these may have.
type cleanError struct{ err error }

func (e *cleanError) Error() string { return mailmime.Printable(e.err.Error(), 500) }
func (e *cleanError) Unwrap() error { return e.err }

// notFound makes a missing file a missing folder or message.
func notFound(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return mailbox.ErrNotFound
	}
	return err
}
