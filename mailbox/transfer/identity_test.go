package transfer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/memory"
)

// maildrop is a POP3 account whose server gives out what UIDLs it likes. As
// popsrc does it, messages that share one have IDs for this session only.
type maildrop struct {
	session int
	mail    []dropped
	deleted []string
}

type dropped struct {
	uidl string
	raw  []byte
}

func (m *maildrop) Caps() mailbox.Caps {
	return mailbox.Caps{Protocol: "POP3", StableIDs: true, Envelopes: true, Delete: true, Exclusive: true, Connections: 1}
}

func (m *maildrop) Folders(context.Context, *mailbox.FoldersOptions) iter.Seq2[*mailbox.Folder, error] {
	return func(yield func(*mailbox.Folder, error) bool) { yield(&mailbox.Folder{Name: mailbox.Inbox}, nil) }
}

func (m *maildrop) id(i int) mailbox.ID {
	for k, other := range m.mail {
		if k != i && other.uidl == m.mail[i].uidl {
			return mailbox.NewID(mailbox.Inbox, fmt.Sprint("session", m.session), fmt.Sprint(i+1))
		}
	}
	return mailbox.NewID(mailbox.Inbox, "", m.mail[i].uidl)
}

func (m *maildrop) List(_ context.Context, _ string, opts *mailbox.ListOptions) iter.Seq2[*mailbox.Summary, error] {
	return func(yield func(*mailbox.Summary, error) bool) {
		for i, d := range m.mail {
			s := &mailbox.Summary{ID: m.id(i), Fields: mailbox.FieldSize, Size: int64(len(d.raw))}
			if opts.IDs != nil && !has(opts.IDs, s.ID) {
				continue
			}
			if opts.Fields.Has(mailbox.FieldEnvelope) {
				s.Envelope, _ = mailbox.ParseEnvelope(d.raw, nil)
			}
			if !yield(s, nil) {
				return
			}
		}
	}
}

func has(ids []mailbox.ID, id mailbox.ID) bool {
	for _, x := range ids {
		if x == id {
			return true
		}
	}
	return false
}

func (m *maildrop) Open(_ context.Context, id mailbox.ID, _ *mailbox.OpenOptions) (io.ReadCloser, error) {
	for i, d := range m.mail {
		if m.id(i) == id {
			return io.NopCloser(bytes.NewReader(d.raw)), nil
		}
	}
	return nil, mailbox.ErrNotFound
}

func (m *maildrop) Delete(_ context.Context, ids []mailbox.ID, _ *mailbox.DeleteOptions) error {
	for _, id := range ids {
		if id.Epoch() != "" {
			return &mailbox.Error{Op: "delete", ID: id, Err: errors.ErrUnsupported}
		}
	}
	for _, id := range ids {
		for i := range m.mail {
			if m.id(i) == id {
				m.deleted = append(m.deleted, m.mail[i].uidl)
				m.mail = append(m.mail[:i:i], m.mail[i+1:]...)
				break
			}
		}
	}
	return nil
}

func (m *maildrop) Close() error { return nil }

// next begins another session.
func (m *maildrop) next(t *testing.T, dst mailbox.Mailbox, o *Options) *Report {
	t.Helper()
	m.session++
	report, err := Run(t.Context(), m, dst, o)
	require.NoError(t, err)
	return report
}

// A UIDL that comes again with another message is no proof that it is stored,
// and none that it may be deleted.
func TestReusedUIDL(t *testing.T) {
	drop := &maildrop{mail: []dropped{{"a", note(1)}, {"b", note(2)}}}
	dst, o := open(t, memory.NewStore()), options(t)
	drop.next(t, dst, o)
	drop.mail = []dropped{{"a", note(3)}, {"b", note(2)}}
	o.Remove = Remove{Stored: true}
	report := drop.next(t, dst, o)
	assert.Equal(t, 1, report.Stored, "%+v", report)
	assert.Equal(t, notes(1, 2, 3), contents(t, dst, mailbox.Inbox))
	assert.Empty(t, drop.mail, "all of it is stored, and then deleted")

	t.Run("control", func(t *testing.T) {
		drop := &maildrop{mail: []dropped{{"a", note(1)}}}
		dst, o := open(t, memory.NewStore()), options(t)
		drop.next(t, dst, o)
		drop.mail = []dropped{{"a", note(3)}}
		o.Remove, o.off.digest = Remove{Stored: true}, true
		drop.next(t, dst, o)
		assert.Empty(t, drop.mail)
		assert.Equal(t, notes(1), contents(t, dst, mailbox.Inbox), "who trusts the name alone loses it")
	})
}

// Nor is one with a message of the very same size.
func TestReusedUIDLSameSize(t *testing.T) {
	require.Len(t, note(8), len(note(1)))
	nameless := []byte("Subject: none\r\n\r\nno name\r\n")
	drop := &maildrop{mail: []dropped{{"a", note(1)}, {"b", note(2)}, {"c", nameless}}}
	dst, o := open(t, memory.NewStore()), options(t)
	drop.next(t, dst, o)
	drop.mail[0].raw = note(8)
	o.Remove = Remove{Stored: true}
	report := drop.next(t, dst, o)
	assert.Equal(t, 1, report.Stored, "%+v", report)
	assert.Equal(t, 1, report.Known, "what has no Message-ID is read once more")
	want := notes(1, 2, 8)
	want[sumOf256(nameless)]++
	assert.Equal(t, want, contents(t, dst, mailbox.Inbox))
	assert.Empty(t, drop.mail, "all of it is stored, and then deleted")

	t.Run("control", func(t *testing.T) {
		drop := &maildrop{mail: []dropped{{"a", note(1)}}}
		dst, o := open(t, memory.NewStore()), options(t)
		drop.next(t, dst, o)
		drop.mail[0].raw = note(8)
		o.Remove, o.off.digest = Remove{Stored: true}, true
		drop.next(t, dst, o)
		assert.Empty(t, drop.mail)
		assert.Equal(t, notes(1), contents(t, dst, mailbox.Inbox), "who trusts the name alone loses it")
	})
}

// A server that adds fields of its own to the header, as GNU Mailutils does, has
// changed the size and not the message.
func TestGrownHeader(t *testing.T) {
	drop := &maildrop{mail: []dropped{{"a", note(1)}, {"b", note(2)}}}
	dst, o := open(t, memory.NewStore()), options(t)
	drop.next(t, dst, o)
	for i := range 2 {
		drop.mail[0].raw = append([]byte("X-UID: 1\r\nStatus: O\r\n"), drop.mail[0].raw...)
		report := drop.next(t, dst, o)
		assert.Equal(t, 1, report.Known, "session %d", i)
	}
	report := drop.next(t, dst, o)
	assert.Zero(t, report.Known, "and is not read again while it stays so")
	assert.Equal(t, notes(1, 2), contents(t, dst, mailbox.Inbox))
}

// What was gone and is shown again is not stored again.
func TestShownAgain(t *testing.T) {
	drop := &maildrop{mail: []dropped{{"a", note(1)}, {"b", note(2)}}}
	dst, o := open(t, memory.NewStore()), options(t)
	drop.next(t, dst, o)
	hidden := drop.mail
	drop.mail = nil
	drop.next(t, dst, o)
	drop.mail = append(hidden, dropped{"c", note(3)})
	report := drop.next(t, dst, o)
	assert.Equal(t, 2, report.Known)
	assert.Equal(t, notes(1, 2, 3), contents(t, dst, mailbox.Inbox))
}

// Messages that share a UIDL are known by their digests: stored once, and never
// deleted, since nobody can say which one that would be.
func TestSharedUIDL(t *testing.T) {
	drop := &maildrop{mail: []dropped{{"a", note(1)}, {"b", note(2)}, {"a", note(3)}, {"a", note(3)}}}
	dst, o := open(t, memory.NewStore()), options(t)
	o.Remove = Remove{Stored: true}
	want := notes(1, 2, 3, 3)
	for i := range 3 {
		report := drop.next(t, dst, o)
		assert.Equal(t, want, contents(t, dst, mailbox.Inbox), "session %d: %+v", i, report)
		assert.Equal(t, 3, report.Kept)
	}
	assert.Equal(t, []string{"b"}, drop.deleted)
	// Once one of them is alone its name is as good as any.
	drop.mail = []dropped{{"a", note(3)}}
	drop.next(t, dst, o)
	assert.Equal(t, want, contents(t, dst, mailbox.Inbox))
	assert.Empty(t, drop.mail)
}

// Without any lasting names every run reads everything, and says so.
func TestNoLastingNames(t *testing.T) {
	store := filled(t, 10)
	caps := memory.AllCaps()
	caps.StableIDs, caps.Delete = false, false
	dst, o := open(t, memory.NewStore()), options(t)
	o.Remove = Remove{Stored: true}
	for i, want := range []int{10, 0, 0} {
		src := memory.New(&memory.Options{Store: store, Caps: &caps})
		report, err := Run(t.Context(), src, dst, o)
		require.NoError(t, err)
		assert.Equal(t, want, report.Stored, "run %d", i)
		assert.Equal(t, 10-want, report.Known, "run %d", i)
		assert.Equal(t, 10, report.Kept)
		assert.NotEmpty(t, report.Warnings)
	}
	assert.Equal(t, notes(upTo(10)...), contents(t, dst, mailbox.Inbox))
}
