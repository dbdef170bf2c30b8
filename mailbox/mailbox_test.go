package mailbox

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestCaps(t *testing.T) {
	c := Caps{Protocol: "POP3", StableIDs: true, Delete: true, LoginDelay: time.Minute, Connections: 1}
	assert.Equal(t, "POP3: stable_ids delete connections=1 login_delay=1m0s", c.String())
	n := 0
	for name, v := range c.All() {
		assert.NotEmpty(t, name)
		assert.NotNil(t, v)
		n++
	}
	assert.Equal(t, 17, n)
}

func TestErrors(t *testing.T) {
	id := NewID("INBOX", "1", "2")
	err := error(&Error{Op: "open", ID: id, Err: ErrNotFound})
	assert.ErrorIs(t, err, ErrNotFound)
	assert.EqualError(t, err, "open INBOX:1:2: not found")
	assert.EqualError(t, &Error{Op: "list", Folder: "a\nb", Err: ErrNotFound}, `list "a\nb": not found`)

	assert.EqualError(t, &Error{Op: "list"}, "list")

	slow := &ThrottledError{RetryAfter: time.Second, Err: ErrBusy}
	assert.ErrorIs(t, slow, ErrThrottled)
	assert.ErrorIs(t, slow, ErrBusy)
	assert.EqualError(t, slow, "throttled by the server, try again after 1s: mailbox is in use by another session")
}

func TestRetryable(t *testing.T) {
	for err, want := range map[error]bool{
		nil:                      false,
		ErrBusy:                  true,
		ErrUnavailable:           true,
		ErrProtocol:              true,
		ErrAuth:                  false,
		ErrNotFound:              false,
		context.Canceled:         false,
		context.DeadlineExceeded: false,
		fmt.Errorf("%w: %w", ErrUnknownOutcome, ErrUnavailable):                                       false,
		fmt.Errorf("%w: %w", ErrTooLarge, ErrProtocol):                                                false,
		fmt.Errorf("%w: %w", ErrUnavailable, &net.OpError{Op: "dial", Err: context.DeadlineExceeded}): true, // the dialer's own
		&ThrottledError{Err: errors.New("slow down")}:                                                 true,
		&Error{Op: "x", Err: fmt.Errorf("y: %w", ErrThrottled)}:                                       true,
		&Error{Op: "x", Err: errors.Join(ErrAuth, ErrUnavailable)}:                                    false,
		&Error{Op: "x", Err: fmt.Errorf("%w", ErrTLSRequired)}:                                        false,
		&Error{Op: "x", Err: fmt.Errorf("%w", ErrCertificate)}:                                        false,
		&Error{Op: "x", Err: fmt.Errorf("%w", errors.ErrUnsupported)}:                                 false,
	} {
		assert.Equal(t, want, Retryable(err), "%v", err)
	}
}

func TestFields(t *testing.T) {
	assert.Equal(t, DefaultFields, Fields(0).Resolve())
	assert.Equal(t, Fields(0), FieldsNone.Resolve())
	assert.Equal(t, FieldSize, (FieldsNone | FieldSize).Resolve())
	assert.True(t, AllFields.Has(FieldStructure|FieldFlags))
	assert.False(t, DefaultFields.Has(FieldStructure))
}
