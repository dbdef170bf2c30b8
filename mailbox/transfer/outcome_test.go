package transfer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/memory"
)

// odd is a destination that does something else when it is to add a message.
type odd struct {
	*plain
	add   func(raw []byte, add func([]byte) error) error
	calls int
}

func (o *odd) Append(ctx context.Context, folder string, message io.Reader, opts *mailbox.AppendOptions) (mailbox.ID, error) {
	raw, err := io.ReadAll(message)
	if err != nil {
		return mailbox.ID{}, err
	}
	o.calls++
	var id mailbox.ID
	return id, o.add(raw, func(raw []byte) (err error) {
		id, err = o.Appender.Append(ctx, folder, bytes.NewReader(raw), nil)
		return err
	})
}

// oddly opens store as a destination that is odd.
func oddly(t testing.TB, store *memory.Store, add func([]byte, func([]byte) error) error) *odd {
	return &odd{plain: plainly(t, store), add: add}
}

// TestUnknownOutcome loses the answers to APPEND: to every second one after it
// was done, to the others before.
func TestUnknownOutcome(t *testing.T) {
	from, to := filled(t, 10), memory.NewStore()
	src, o := open(t, from), options(t)
	o.Remove = Remove{Stored: true}
	n := 0
	dst := oddly(t, to, func(raw []byte, add func([]byte) error) error {
		if n++; n%2 == 0 {
			if err := add(raw); err != nil {
				return err
			}
		}
		return fmt.Errorf("the answer was lost: %w", mailbox.ErrUnknownOutcome)
	})
	report, err := Run(t.Context(), src, dst, o)
	require.NoError(t, err)
	assert.Equal(t, 10, report.Unknown)
	assert.Zero(t, report.Deleted, "nothing is deleted that may not be stored")

	good := plainly(t, to)
	report, err = Run(t.Context(), src, good, o)
	require.NoError(t, err)
	assert.Equal(t, 5, report.Known)
	assert.Equal(t, 5, report.Stored)
	assert.Equal(t, 10, report.Deleted)
	assert.Equal(t, notes(upTo(10)...), contents(t, good, mailbox.Inbox))
	assert.Empty(t, contents(t, src, mailbox.Inbox))

	t.Run("control", func(t *testing.T) {
		from, to := filled(t, 4), memory.NewStore()
		src, o := open(t, from), options(t)
		dst := oddly(t, to, func(raw []byte, add func([]byte) error) error {
			return errors.Join(mailbox.ErrUnknownOutcome, add(raw))
		})
		_, err := Run(t.Context(), src, dst, o)
		require.NoError(t, err)
		o.off.lookFirst = true
		_, err = Run(t.Context(), src, plainly(t, to), o)
		require.NoError(t, err)
		assert.Equal(t, 2, contents(t, open(t, to), mailbox.Inbox)[sumOf256(note(0))], "who does not look sends again")
	})
}

// A server that changes what it stores gives no proof: the message is neither
// sent again nor deleted, until somebody says so.
func TestUnclear(t *testing.T) {
	from, to := filled(t, 3), memory.NewStore()
	src, o := open(t, from), options(t)
	o.Remove = Remove{Stored: true}
	altered := func(raw []byte) []byte { return append([]byte("X-Store: 7\r\n"), raw...) }
	dst := oddly(t, to, func(raw []byte, add func([]byte) error) error {
		return errors.Join(mailbox.ErrUnknownOutcome, add(altered(raw)))
	})
	_, err := Run(t.Context(), src, dst, o)
	require.NoError(t, err)
	good := plainly(t, to)
	for range 2 {
		report, err := Run(t.Context(), src, good, o)
		require.NoError(t, err)
		assert.Equal(t, 3, report.Unknown)
		assert.Zero(t, report.Stored+report.Deleted)
	}
	o.RetryDead = true
	report, err := Run(t.Context(), src, good, o)
	require.NoError(t, err)
	assert.Equal(t, 3, report.Stored)
	assert.Equal(t, 3, report.Deleted)
}

// One message that the destination refuses stays at the source, with the reason,
// and the rest goes on.
func TestDeadLetter(t *testing.T) {
	from, to := filled(t, 10), memory.NewStore()
	src, o := open(t, from), options(t)
	o.Remove = Remove{Stored: true}
	bad := note(4)
	dst := oddly(t, to, func(raw []byte, add func([]byte) error) error {
		if bytes.Equal(raw, bad) {
			return errors.New("554 I do not like it")
		}
		return add(raw)
	})
	report, err := Run(t.Context(), src, dst, o)
	require.NoError(t, err)
	assert.Equal(t, 9, report.Stored)
	assert.Equal(t, 9, report.Deleted)
	require.Len(t, report.Dead, 1)
	assert.Contains(t, report.Dead[0].Reason, "554 I do not like it")
	assert.Equal(t, notes(4), contents(t, src, mailbox.Inbox))

	calls := dst.calls
	report, err = Run(t.Context(), src, dst, o)
	require.NoError(t, err)
	require.Len(t, report.Dead, 1, "it is still told")
	assert.Equal(t, calls, dst.calls, "and not tried again")

	o.RetryDead = true
	report, err = Run(t.Context(), src, plainly(t, to), o)
	require.NoError(t, err)
	assert.Equal(t, 1, report.Stored)
	assert.Empty(t, report.Dead)
	assert.Equal(t, notes(upTo(10)...), contents(t, dst, mailbox.Inbox))
	assert.Empty(t, contents(t, src, mailbox.Inbox))
}

// A destination that is full ends the run; nothing is blamed on the messages.
func TestFull(t *testing.T) {
	for _, full := range []error{mailbox.ErrQuota, mailbox.ErrUnavailable, mailbox.ErrAuth, &mailbox.Error{Err: mailbox.ErrPermission}} {
		from, to := filled(t, 10), memory.NewStore()
		src, o := open(t, from), options(t)
		n := 0
		dst := oddly(t, to, func(raw []byte, add func([]byte) error) error {
			if n++; n > 3 {
				return full
			}
			return add(raw)
		})
		report, err := Run(t.Context(), src, dst, o)
		require.ErrorIs(t, err, full)
		assert.Empty(t, report.Dead)
		assert.Equal(t, 3, report.Stored)
		report, err = Run(t.Context(), src, plainly(t, to), o)
		require.NoError(t, err)
		assert.Equal(t, 7, report.Stored)
		assert.Equal(t, notes(upTo(10)...), contents(t, dst, mailbox.Inbox))
	}
}

// A destination that refuses everything is not believed.
func TestRefusesEverything(t *testing.T) {
	src, o := open(t, filled(t, 100)), options(t)
	dst := oddly(t, memory.NewStore(), func([]byte, func([]byte) error) error { return errors.New("no") })
	report, err := Run(t.Context(), src, dst, o)
	require.ErrorContains(t, err, "refuses everything")
	assert.Less(t, len(report.Dead), mostRefusals)
}

// The network wants CRLF; what Unix programs store has LF.
func TestLineEnds(t *testing.T) {
	from, to := memory.NewStore(), memory.NewStore()
	require.NoError(t, from.Deliver(mailbox.Inbox, []byte("Subject: unix\n\none\ntwo\n"), nil))
	mixed := []byte("Subject: net\r\n\r\none\ntwo\r\n")
	require.NoError(t, from.Deliver(mailbox.Inbox, mixed, nil))
	dst := plainly(t, to)
	_, err := Run(t.Context(), open(t, from), dst, options(t))
	require.NoError(t, err)
	assert.Equal(t, map[[32]byte]int{
		sumOf256([]byte("Subject: unix\r\n\r\none\r\ntwo\r\n")): 1,
		sumOf256(mixed): 1,
	}, contents(t, dst, mailbox.Inbox))
}

// Two accounts must not share a journal, nor two runs.
func TestJournalBelongs(t *testing.T) {
	src, dst, o := open(t, filled(t, 1)), open(t, memory.NewStore()), options(t)
	_, err := Run(t.Context(), src, dst, o)
	require.NoError(t, err)
	other := *o
	other.Source = "another"
	_, err = Run(t.Context(), src, dst, &other)
	require.ErrorContains(t, err, "belongs to another account")
	for _, err := range Events(t.Context(), src, dst, o) {
		require.NoError(t, err)
		_, err = Run(t.Context(), src, dst, o)
		require.ErrorIs(t, err, mailbox.ErrBusy)
		break
	}
}

// Over several connections the order is another, and all else is the same.
func TestUnordered(t *testing.T) {
	from, to := filled(t, 100), memory.NewStore()
	src, o := open(t, from), options(t)
	o.Unordered, o.Remove = true, Remove{Stored: true}
	several := func(add func(raw []byte, add func([]byte) error) error) mailbox.Mailbox {
		d := oddly(t, to, add)
		d.Mailbox = &warped{Mailbox: d.Mailbox, caps: func(c *mailbox.Caps) { c.Connections = 3 }}
		return &together{d}
	}
	bad, lost := note(3), note(40)
	report, err := Run(t.Context(), src, several(func(raw []byte, add func([]byte) error) error {
		switch {
		case bytes.Equal(raw, bad):
			return errors.New("no")
		case bytes.Equal(raw, lost):
			return errors.Join(mailbox.ErrUnknownOutcome, add(raw))
		case bytes.Equal(raw, note(70)):
			return mailbox.ErrQuota
		}
		return add(raw)
	}), o)
	require.ErrorIs(t, err, mailbox.ErrQuota)
	assert.Len(t, report.Dead, 1)
	assert.Equal(t, 1, report.Unknown)
	o.RetryDead = true
	_, err = Run(t.Context(), src, several(func(raw []byte, add func([]byte) error) error { return add(raw) }), o)
	require.NoError(t, err)
	assert.Equal(t, notes(upTo(100)...), contents(t, open(t, to), mailbox.Inbox))
	assert.Empty(t, contents(t, src, mailbox.Inbox))
}

// together is an odd destination that takes several messages at a time.
type together struct{ *odd }

func (m *together) Append(ctx context.Context, folder string, message io.Reader, opts *mailbox.AppendOptions) (mailbox.ID, error) {
	o := *m.odd // it counts calls
	return o.Append(ctx, folder, message, opts)
}
