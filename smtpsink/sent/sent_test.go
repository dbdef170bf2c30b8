package sent

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/memory"
	"github.com/postroom-go/postroom/smtpsink"
)

func TestSend(t *testing.T) {
	p, b := taker(), newBox(t, "")
	r, err := Send(t.Context(), p, b, message(t, strings.ReplaceAll(eml, "\r\n", "\n")), nil)
	require.NoError(t, err)
	assert.Len(t, p.sent, 1)
	assert.Equal(t, smtpsink.Accepted, r.Receipt.Outcome)
	assert.Equal(t, Filed, r.Copy.State)
	assert.Equal(t, "Gesendet", r.Copy.Folder)
	assert.Equal(t, "one@example.org", r.Copy.MessageID)
	assert.False(t, r.Copy.Local)
	assert.NoError(t, r.Copy.Err)
	assert.Equal(t, []string{eml}, copies(t, b, "Gesendet"), "Bcc is kept, and lines end in CRLF")

	s, err := mailbox.Get(t.Context(), b, r.Copy.ID, 0)
	require.NoError(t, err)
	assert.Equal(t, []mailbox.Flag{mailbox.FlagSeen}, s.Flags)
	assert.Less(t, time.Since(s.Received).Abs(), time.Hour)
}

func TestSendOptions(t *testing.T) {
	p, b := taker(), newBox(t, "")
	when := time.Date(2026, 3, 2, 8, 30, 0, 0, time.UTC)
	require.NoError(t, b.Store().CreateFolder("Elsewhere", ""))
	r, err := Send(t.Context(), p, b, message(t, eml), &Options{
		DropBcc: true, Folder: "Elsewhere", Received: when, Send: &smtpsink.SendOptions{Partial: true},
	})
	require.NoError(t, err)
	assert.True(t, p.opts[0].Partial)
	assert.Equal(t, []string{emlWithoutBcc}, copies(t, b, "Elsewhere"))
	assert.Empty(t, copies(t, b, "Gesendet"))
	s, err := mailbox.Get(t.Context(), b, r.Copy.ID, mailbox.FieldReceived)
	require.NoError(t, err)
	assert.True(t, when.Equal(s.Received))

	binary := strings.Replace(eml, "At noon?", "a\nb\rc", 1)
	_, err = Send(t.Context(), p, b, message(t, strings.Replace(binary, "one@", "two@", 1)), &Options{Send: &smtpsink.SendOptions{Binary: true}})
	require.NoError(t, err)
	assert.Equal(t, []string{strings.Replace(binary, "one@", "two@", 1)}, copies(t, b, "Gesendet"))
}

// sized is a message that knows its size.
type sized struct {
	Message
	size int64
}

func (s *sized) Size() int64 { return s.size }

func TestSendTellsSize(t *testing.T) {
	for _, c := range []struct {
		size int64
		opts *smtpsink.SendOptions
		want int64
	}{{1000, nil, 1000}, {-1, nil, 0}, {1000, &smtpsink.SendOptions{Size: 7}, 7}, {1000, &smtpsink.SendOptions{Partial: true}, 1000}} {
		p := taker()
		_, err := Send(t.Context(), p, newBox(t, ""), &sized{message(t, eml), c.size}, &Options{Send: c.opts})
		require.NoError(t, err)
		assert.Equal(t, c.want, p.opts[0].Size)
		assert.Equal(t, c.opts != nil && c.opts.Partial, p.opts[0].Partial)
	}
}

// TestSendNotSent: what is not sent has no copy.
func TestSendNotSent(t *testing.T) {
	for _, outcome := range []smtpsink.Outcome{smtpsink.NotSent, smtpsink.Rejected, smtpsink.Unknown} {
		why := errors.New("refused")
		p, b := &post{outcome: outcome, err: why}, newBox(t, "")
		r, err := Send(t.Context(), p, b, message(t, eml), nil)
		require.ErrorIs(t, err, why)
		require.NotErrorIs(t, err, ErrNotFiled)
		assert.Equal(t, outcome, r.Receipt.Outcome)
		assert.Equal(t, Copy{MessageID: "one@example.org"}, r.Copy)
		assert.Empty(t, copies(t, b, "Gesendet"))
	}
	broken := &raw{id: "x", env: &smtpsink.Envelope{To: []string{"bob@example.com"}}, open: func(context.Context) (io.ReadCloser, error) { return nil, io.ErrNoProgress }}
	r, err := Send(t.Context(), taker(), newBox(t, ""), broken, nil)
	require.ErrorIs(t, err, io.ErrNoProgress)
	assert.Equal(t, smtpsink.NotSent, r.Receipt.Outcome)
	assert.Equal(t, "bob@example.com", r.Receipt.Recipients[0].Address)
}

// TestSendPartly: the error of those who were refused stays, and the copy is filed
// for those who were not.
func TestSendPartly(t *testing.T) {
	refused := &smtpsink.Reply{Command: "message", Code: 550}
	p, b := &post{outcome: smtpsink.Accepted, err: refused}, newBox(t, "")
	r, err := Send(t.Context(), p, b, message(t, eml), nil)
	require.ErrorIs(t, err, refused)
	require.NotErrorIs(t, err, ErrNotFiled)
	assert.Equal(t, Filed, r.Copy.State)

	b.before = func(int) error { return mailbox.ErrQuota }
	_, err = Send(t.Context(), p, b, message(t, strings.Replace(eml, "one@", "two@", 1)), nil)
	require.ErrorIs(t, err, refused)
	require.ErrorIs(t, err, ErrNotFiled)
}

// nobody is a sender that gives no receipt.
type nobody struct {
	post
	err error
}

func (n *nobody) Send(context.Context, *smtpsink.Envelope, io.Reader, *smtpsink.SendOptions) (*smtpsink.Receipt, error) {
	return nil, n.err
}

func TestSendWithoutReceipt(t *testing.T) {
	for want, err := range map[smtpsink.Outcome]error{
		smtpsink.Accepted: nil, smtpsink.Unknown: mailbox.ErrUnknownOutcome, smtpsink.NotSent: mailbox.ErrUnavailable,
	} {
		r, got := Send(t.Context(), &nobody{err: err}, newBox(t, ""), message(t, eml), nil)
		require.ErrorIs(t, got, err)
		require.NotNil(t, r.Receipt)
		assert.Equal(t, want, r.Receipt.Outcome)
		assert.Len(t, r.Receipt.Recipients, 2)
	}
}

// TestHostileResend: a program that sends again what failed for now must not send
// twice because of the copy. The control goes by the copy's own error.
func TestHostileResend(t *testing.T) {
	for name, why := range map[string]error{
		"unavailable": mailbox.ErrUnavailable, "throttled": mailbox.ErrThrottled, "lost": mailbox.ErrUnknownOutcome,
		"full": mailbox.ErrQuota, "too large": mailbox.ErrTooLarge,
	} {
		b := newBox(t, "")
		b.before = func(int) error { return why }
		again := func(judge func(r *Result, err error) error) int {
			p := taker()
			for range 3 {
				r, err := Send(t.Context(), p, b, message(t, eml), &Options{Looks: 1})
				if judge(r, err); !mailbox.Retryable(judge(r, err)) && !errors.Is(judge(r, err), mailbox.ErrUnknownOutcome) {
					break
				}
			}
			return len(p.sent)
		}
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, 1, again(func(_ *Result, err error) error {
				require.ErrorIs(t, err, ErrNotFiled)
				require.NotErrorIs(t, err, why)
				assert.Contains(t, err.Error(), why.Error(), "it is told all the same")
				return err
			}))
		})
		if mailbox.Retryable(why) || errors.Is(why, mailbox.ErrUnknownOutcome) {
			t.Run(name+"/control", func(t *testing.T) {
				assert.Equal(t, 3, again(func(r *Result, _ error) error {
					require.ErrorIs(t, r.Copy.Err, why)
					require.ErrorIs(t, r.Copy.Err, ErrNotFiled)
					return r.Copy.Err
				}))
			})
		}
	}
}

// TestSendContext: a context that ends when the message is taken leaves it sent.
func TestSendContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p, b := taker(), newBox(t, "")
	p.then = cancel
	r, err := Send(ctx, p, b, message(t, eml), nil)
	require.ErrorIs(t, err, ErrNotFiled)
	require.NotErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, r.Copy.Err, context.Canceled)
	assert.Equal(t, smtpsink.Accepted, r.Receipt.Outcome)
	assert.Empty(t, copies(t, b, "Gesendet"))

	c, err := File(t.Context(), b, message(t, eml), nil)
	require.NoError(t, err)
	assert.Equal(t, Filed, c.State)
	assert.Len(t, p.sent, 1)
}

func TestNever(t *testing.T) {
	b := newBox(t, "")
	r, err := Send(t.Context(), taker(), b, message(t, eml), &Options{Policy: Never})
	require.NoError(t, err)
	assert.Equal(t, Copy{MessageID: "one@example.org"}, r.Copy)
	r, err = Send(t.Context(), taker(), nil, message(t, eml), &Options{Policy: Never})
	require.NoError(t, err)
	assert.Equal(t, NotFiled, r.Copy.State)
	assert.Empty(t, copies(t, b, "Gesendet"))
}

// TestLocal: where the account has no way to keep the copy it goes to a mailbox
// that the caller gives.
func TestLocal(t *testing.T) {
	caps := memory.AllCaps()
	caps.Append = false
	pop := memory.New(&memory.Options{Caps: &caps})
	for name, mb := range map[string]mailbox.Mailbox{"POP3": pop, "none": nil} {
		t.Run(name, func(t *testing.T) {
			r, err := Send(t.Context(), taker(), mb, message(t, eml), nil)
			require.ErrorIs(t, err, ErrNotFiled)
			require.ErrorIs(t, r.Copy.Err, errors.ErrUnsupported)

			local := newBox(t, "maildir:///mail")
			r, err = Send(t.Context(), taker(), mb, message(t, eml), &Options{Local: local})
			require.NoError(t, err)
			assert.True(t, r.Copy.Local)
			assert.NoError(t, r.Copy.Err)
			assert.Equal(t, []string{eml}, copies(t, local, "Gesendet"))
		})
	}
	t.Run("full", func(t *testing.T) {
		b, local := newBox(t, ""), newBox(t, "maildir:///mail")
		b.before = func(int) error { return mailbox.ErrQuota }
		r, err := Send(t.Context(), taker(), b, message(t, eml), &Options{Local: local})
		require.NoError(t, err, "it is kept")
		assert.Equal(t, Filed, r.Copy.State)
		assert.True(t, r.Copy.Local)
		require.ErrorIs(t, r.Copy.Err, mailbox.ErrQuota)
		assert.Equal(t, []string{eml}, copies(t, local, "Gesendet"))

		local.before = func(int) error { return mailbox.ErrPermission }
		r, err = Send(t.Context(), taker(), b, message(t, strings.Replace(eml, "one@", "two@", 1)), &Options{Local: local})
		require.ErrorIs(t, err, ErrNotFiled)
		require.ErrorIs(t, r.Copy.Err, mailbox.ErrQuota)
		require.ErrorIs(t, r.Copy.Err, mailbox.ErrPermission)
		assert.Equal(t, NotFiled, r.Copy.State)
		assert.Equal(t, "Gesendet", r.Copy.Folder)

		// A mailbox that has no folder for it has no folder to be named.
		caps := memory.AllCaps()
		caps.Folders = false
		r, err = Send(t.Context(), taker(), b, message(t, eml), &Options{Local: memory.New(&memory.Options{Caps: &caps})})
		require.ErrorIs(t, err, ErrNotFiled)
		assert.True(t, r.Copy.Local)
		assert.Empty(t, r.Copy.Folder)
	})
}

func TestStates(t *testing.T) {
	for want, s := range map[string]State{"not filed": NotFiled, "filed": Filed, "found": Found, "expected": Expected, "State(9)": 9} {
		assert.Equal(t, want, s.String())
	}
}
