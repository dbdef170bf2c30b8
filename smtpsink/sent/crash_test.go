package sent

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/mailtest"
	"github.com/postroom-go/postroom/mailbox/memory"
)

// The names of these tests are the points at which a program may end, or a server
// fail, between "the message is sent" and "its copy is filed". After each, one more
// File leaves one copy. The controls do the same with a message that cannot be
// recognised, or without the look, and have two.

// TestCrashBeforeAppend (S8): the message is taken, and nothing was done about the
// copy.
func TestCrashBeforeAppend(t *testing.T) {
	for name, s := range stores(t) {
		t.Run(name, func(t *testing.T) {
			p := taker()
			_, err := Send(t.Context(), p, nil, message(t, eml), &Options{Policy: Never}) // and the program ends
			require.NoError(t, err)
			require.Empty(t, copies(t, s.open(), s.folder))

			c, err := File(t.Context(), s.open(), message(t, eml), nil)
			require.NoError(t, err)
			assert.Equal(t, Filed, c.State)
			assert.Equal(t, []string{eml}, copies(t, s.open(), s.folder))
			assert.Len(t, p.sent, 1, "it is not sent again")
		})
	}
}

// TestCrashAfterAppend (S11): the copy is filed, and the program ends before it has
// noted that.
func TestCrashAfterAppend(t *testing.T) {
	for name, s := range stores(t) {
		t.Run(name, func(t *testing.T) {
			first, err := File(t.Context(), s.open(), message(t, eml), nil)
			require.NoError(t, err)
			assert.Equal(t, Filed, first.State)
			for range 3 {
				c, err := File(t.Context(), s.open(), message(t, eml), nil)
				require.NoError(t, err)
				assert.Equal(t, Found, c.State)
				assert.Equal(t, first.ID, c.ID)
			}
			assert.Equal(t, []string{eml}, copies(t, s.open(), s.folder))
		})
		t.Run(name+"/control", func(t *testing.T) {
			for range 2 {
				c, err := File(t.Context(), s.open(), nameless(t), nil)
				require.NoError(t, err)
				assert.Equal(t, Filed, c.State)
			}
			assert.Len(t, copies(t, s.open(), s.folder), 3, "the one before, and two")
		})
	}
}

// TestCrashInLiteral (S9): the connection is cut inside the message. The server
// has nothing, and the copy is filed over another connection.
func TestCrashInLiteral(t *testing.T) {
	large := eml + strings.Repeat("0123456789abcdef\r\n", 60_000)
	host := newHost(t)
	c := &cutter{left: 300_000}
	mb := dial(t, host, c)
	filed, err := File(t.Context(), mb, message(t, large), &Options{Looks: 1})
	require.NoError(t, err)
	assert.Equal(t, Filed, filed.State)
	assert.Greater(t, c.dials, 1, "the connection was cut")
	assert.Equal(t, []string{large}, copies(t, mb, "Sent"))

	t.Run("control", func(t *testing.T) {
		host := newHost(t)
		mb := dial(t, host, &cutter{left: 300_000})
		_, err := mailbox.Append(t.Context(), mb, "Sent", strings.NewReader(large), nil)
		require.Error(t, err, "the cut is in the message")
		require.NotErrorIs(t, err, mailbox.ErrUnknownOutcome)
		assert.Empty(t, copies(t, mb, "Sent"))
	})
}

// TestCrashLostAnswer (S10): the server has the copy, and its answer is lost.
func TestCrashLostAnswer(t *testing.T) {
	lost := mailtest.Fault{Kind: mailtest.FaultCut, Protocol: "imap", Command: "APPEND", N: 0, Times: 1}
	host := newHost(t)
	mb := dial(t, host, nil)
	host.Inject(lost)
	c, err := File(t.Context(), mb, message(t, eml), &Options{Looks: 1})
	require.NoError(t, err)
	assert.Equal(t, Filed, c.State)
	assert.False(t, c.ID.IsZero())
	assert.Equal(t, []string{eml}, copies(t, mb, "Sent"))

	t.Run("control", func(t *testing.T) {
		host := newHost(t)
		mb := dial(t, host, nil)
		host.Inject(lost)
		for range 2 { // what adds again without a look
			_, err := mailbox.Append(t.Context(), mb, "Sent", strings.NewReader(eml), nil)
			if err == nil {
				break
			}
			require.ErrorIs(t, err, mailbox.ErrUnknownOutcome)
		}
		assert.Len(t, copies(t, mb, "Sent"), 2)
	})
	t.Run("nameless", func(t *testing.T) {
		host := newHost(t)
		mb := dial(t, host, nil)
		host.Inject(lost)
		c, err := File(t.Context(), mb, nameless(t), &Options{Looks: 1})
		require.ErrorIs(t, err, ErrNotFiled)
		require.ErrorIs(t, err, mailbox.ErrUnknownOutcome, "what cannot be looked for is not added again")
		assert.Equal(t, NotFiled, c.State)
		assert.Len(t, copies(t, mb, "Sent"), 1)
	})
}

// TestLostAnswerLate: a server that has lost the connection may still be storing
// the copy. It is looked for several times before it is added again.
func TestLostAnswerLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(t, "")
		b.before = func(n int) error {
			if n > 1 {
				return nil
			}
			go func() {
				<-time.After(1500 * time.Millisecond)
				assert.NoError(t, b.Store().Deliver("Gesendet", []byte(eml), nil))
			}()
			return mailbox.ErrUnknownOutcome
		}
		c, err := File(t.Context(), b, message(t, eml), nil)
		require.NoError(t, err)
		assert.Equal(t, Filed, c.State)
		assert.Equal(t, 1, b.appends)
		assert.Len(t, copies(t, b, "Gesendet"), 1)
	})
	t.Run("control", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBox(t, "")
			b.before = func(n int) error {
				if n > 1 {
					return nil
				}
				go func() {
					<-time.After(1500 * time.Millisecond)
					assert.NoError(t, b.Store().Deliver("Gesendet", []byte(eml), nil))
				}()
				return mailbox.ErrUnknownOutcome
			}
			_, err := File(t.Context(), b, message(t, eml), &Options{Looks: 1})
			require.NoError(t, err)
			<-time.After(2 * time.Second)
			assert.Len(t, copies(t, b, "Gesendet"), 2)
		})
	})
}

// TestLostAnswerTwice: it is added again once.
func TestLostAnswerTwice(t *testing.T) {
	b := newBox(t, "")
	b.before = func(int) error { return mailbox.ErrUnknownOutcome }
	_, err := File(t.Context(), b, message(t, eml), &Options{Looks: 1})
	require.ErrorIs(t, err, ErrNotFiled)
	require.ErrorIs(t, err, mailbox.ErrUnknownOutcome)
	assert.Equal(t, 2, b.appends)
}

// TestRefused (S12): the server takes no copy. The message is sent all the same,
// and the reason is told.
func TestRefused(t *testing.T) {
	for code, want := range map[string]error{
		"NO [OVERQUOTA] full": mailbox.ErrQuota, "NO [TOOBIG] too big": mailbox.ErrTooLarge, "NO [NOPERM] no": mailbox.ErrPermission,
	} {
		t.Run(code, func(t *testing.T) {
			host := newHost(t)
			mb := dial(t, host, nil)
			host.Inject(mailtest.Fault{Kind: mailtest.FaultReply, Protocol: "imap", Command: "APPEND", Text: code})
			p := taker()
			r, err := Send(t.Context(), p, mb, message(t, eml), nil)
			require.ErrorIs(t, err, ErrNotFiled)
			require.NotErrorIs(t, err, want)
			require.ErrorIs(t, r.Copy.Err, want)
			assert.Equal(t, "Sent", r.Copy.Folder)
			assert.Len(t, p.sent, 1)
			assert.Empty(t, copies(t, mb, "Sent"))

			host.ClearFaults() // the account has room again
			c, err := File(t.Context(), mb, message(t, eml), &Options{Receipt: r.Receipt})
			require.NoError(t, err)
			assert.Equal(t, Filed, c.State)
			assert.Len(t, copies(t, mb, "Sent"), 1)
		})
	}
}

// TestTryCreate (S12): a folder that is listed and is not there any more is made.
func TestTryCreate(t *testing.T) {
	host := newHost(t)
	mb := dial(t, host, nil)
	host.Inject(mailtest.Fault{Kind: mailtest.FaultReply, Protocol: "imap", Command: "APPEND", Times: 1, Text: "NO [TRYCREATE] no such folder"})
	c, err := File(t.Context(), mb, message(t, eml), nil)
	require.NoError(t, err)
	assert.Equal(t, Filed, c.State)
	assert.Len(t, copies(t, mb, "Sent"), 1)

	c, err = File(t.Context(), mb, message(t, eml), &Options{Folder: "Sent/2026"})
	require.NoError(t, err)
	assert.Equal(t, Filed, c.State)
	f := folderNamed(t, mb, "Sent/2026")
	require.NotNil(t, f)

	t.Run("control", func(t *testing.T) {
		_, err := mailbox.Append(t.Context(), mb, "Sent/2027", strings.NewReader(eml), nil)
		require.ErrorIs(t, err, mailbox.ErrNotFound, "no server makes it by itself")
	})
	t.Run("forbidden", func(t *testing.T) {
		host.Inject(mailtest.Fault{Kind: mailtest.FaultReply, Protocol: "imap", Command: "CREATE", Text: "NO [NOPERM] no"})
		_, err := File(t.Context(), mb, message(t, eml), &Options{Folder: "Sent/2028"})
		require.ErrorIs(t, err, ErrNotFiled)
		require.ErrorIs(t, err, mailbox.ErrPermission)
	})
	t.Run("again and again", func(t *testing.T) {
		host.Inject(mailtest.Fault{Kind: mailtest.FaultReply, Protocol: "imap", Command: "APPEND", Text: "NO [TRYCREATE] no such folder"})
		_, err := File(t.Context(), mb, message(t, strings.Replace(eml, "one@", "two@", 1)), nil)
		require.ErrorIs(t, err, mailbox.ErrNotFound)
	})
}

// TestNewest: the look goes back so far and no further.
func TestNewest(t *testing.T) {
	b := newBox(t, "")
	require.NoError(t, b.Store().Deliver("Gesendet", []byte(eml), nil))
	for range 4 {
		require.NoError(t, b.Store().Deliver("Gesendet", []byte("Subject: other\r\n\r\n"), nil))
	}
	c, err := File(t.Context(), b, message(t, eml), &Options{Newest: 5})
	require.NoError(t, err)
	assert.Equal(t, Found, c.State)
	c, err = File(t.Context(), b, message(t, eml), &Options{Newest: 4})
	require.NoError(t, err)
	assert.Equal(t, Filed, c.State)
}

// TestNoLook: where the mailbox does not tell envelopes nothing is looked for, and
// a folder that cannot be listed has nothing added.
func TestNoLook(t *testing.T) {
	caps := memory.AllCaps()
	caps.Envelopes = false
	mb := memory.New(&memory.Options{Caps: &caps})
	require.NoError(t, mb.Store().CreateFolder("Sent", mailbox.RoleSent))
	for range 2 {
		c, err := File(t.Context(), mb, message(t, eml), nil)
		require.NoError(t, err)
		assert.Equal(t, Filed, c.State)
	}

	host := newHost(t)
	imap := dial(t, host, nil)
	host.Inject(mailtest.Fault{Kind: mailtest.FaultReply, Protocol: "imap", Command: "SELECT", Text: "NO [UNAVAILABLE] later"})
	host.Inject(mailtest.Fault{Kind: mailtest.FaultReply, Protocol: "imap", Command: "EXAMINE", Text: "NO [UNAVAILABLE] later"})
	_, err := File(t.Context(), imap, message(t, eml), nil)
	require.ErrorIs(t, err, ErrNotFiled)
	require.ErrorIs(t, err, mailbox.ErrUnavailable)
	host.ClearFaults()
	assert.Empty(t, copies(t, imap, "Sent"))
}

// TestReaderFails: a message that cannot be read is not filed, and the reader's own
// error is told.
func TestReaderFails(t *testing.T) {
	why := errors.New("the disk is on fire")
	for name, s := range stores(t) {
		t.Run(name, func(t *testing.T) {
			_, err := File(t.Context(), s.open(), &burning{message(t, eml), why}, nil)
			require.ErrorIs(t, err, ErrNotFiled)
			require.ErrorIs(t, err, why)
			assert.Empty(t, copies(t, s.open(), s.folder))
		})
	}
}
