package mailconn

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"

	"github.com/postroom-go/postroom/mailbox"
)

// ContextError is the error of a context that has ended: context.Canceled or
// context.DeadlineExceeded, with its cause if that says more. A cause that is
// mailbox.ErrClosed or ErrUnavailable stands alone: it is a driver's own.
func ContextError(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	switch {
	case cause == nil || errors.Is(cause, err):
		return err
	case errors.Is(cause, mailbox.ErrClosed), errors.Is(cause, mailbox.ErrUnavailable):
		return cause
	}
	return fmt.Errorf("%w: %w", err, cause)
}

// Fail breaks the connection because of err, which Read or Write returned or
// which the driver found in what it read. It returns the first reason for which
// the connection broke: the end of a bound context, or err. An error of the
// network becomes mailbox.ErrUnavailable, a lost connection
// io.ErrUnexpectedEOF as well; an error that is one of mailbox's sentinels
// already stays as it is.
func (c *Conn) Fail(err error) error {
	c.Break(c.sentinel(err))
	return c.Err()
}

func (c *Conn) sentinel(err error) error {
	var network net.Error
	switch {
	case hasSentinel(err):
		return err
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return &lostError{io.ErrUnexpectedEOF}
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.ErrClosedPipe):
		return &lostError{err}
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return fmt.Errorf("%w: no progress for %v", mailbox.ErrUnavailable, c.opts.ProgressTimeout)
	}
	return fmt.Errorf("%w: %w", mailbox.ErrUnavailable, err)
}

func hasSentinel(err error) bool {
	for _, s := range []error{
		mailbox.ErrUnavailable, mailbox.ErrProtocol, mailbox.ErrClosed, mailbox.ErrTooLarge,
		mailbox.ErrCertificate, mailbox.ErrTLSRequired, mailbox.ErrTLSInjection,
		mailbox.ErrAuth, mailbox.ErrBusy, mailbox.ErrThrottled, mailbox.ErrUnknownOutcome,
		context.Canceled, context.DeadlineExceeded,
	} {
		if errors.Is(err, s) {
			return true
		}
	}
	return false
}

// lostError is a connection that the other side ended.
type lostError struct{ err error }

func (e *lostError) Error() string { return "connection lost: " + e.err.Error() }

func (e *lostError) Unwrap() []error {
	return []error{io.ErrUnexpectedEOF, mailbox.ErrUnavailable, e.err}
}
