package mailbox

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// plain is a mailbox with the six methods and nothing else: each package
// function has to take its fallback.
type plain struct {
	caps     Caps
	messages map[ID]string
	order    []ID
	body     func(string) io.Reader
	closed   int // bodies closed
}

func newPlain(raw ...string) *plain {
	m := &plain{messages: map[ID]string{}, body: func(s string) io.Reader { return strings.NewReader(s) }}
	for i, s := range raw {
		id := NewID(Inbox, "1", string(rune('a'+i)))
		m.messages[id] = s
		m.order = append(m.order, id)
	}
	return m
}

func (m *plain) Caps() Caps { return m.caps }
func (m *plain) Folders(context.Context, *FoldersOptions) iter.Seq2[*Folder, error] {
	return func(yield func(*Folder, error) bool) { yield(&Folder{Name: Inbox}, nil) }
}

func (m *plain) List(_ context.Context, folder string, o *ListOptions) iter.Seq2[*Summary, error] {
	return func(yield func(*Summary, error) bool) {
		for _, id := range m.order {
			wanted := o.IDs == nil
			for _, w := range o.IDs {
				if w.Epoch() != "1" {
					yield(nil, &Error{Op: "list", ID: w, Err: ErrStale})
					return
				}
				wanted = wanted || w == id
			}
			if wanted && id.Folder() == folder && !yield(&Summary{ID: id, Fields: o.Fields.Resolve(), Size: int64(len(m.messages[id]))}, nil) {
				return
			}
		}
	}
}

func (m *plain) Open(_ context.Context, id ID, _ *OpenOptions) (io.ReadCloser, error) {
	s, ok := m.messages[id]
	if !ok || s == "vanishes" {
		return nil, &Error{Op: "open", ID: id, Err: ErrNotFound}
	}
	return &counted{m.body(s), m}, nil
}

type counted struct {
	io.Reader
	m *plain
}

func (c *counted) Close() error { c.m.closed++; return nil }

func (m *plain) Delete(context.Context, []ID, *DeleteOptions) error { return nil }
func (m *plain) Close() error                                       { return nil }

const twoParts = "Content-Type: multipart/mixed; boundary=b\r\n\r\n" +
	"--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n" +
	"--b\r\nContent-Type: application/pdf; name=x.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\naGVs\r\nbG8h\r\n--b--\r\n"

func TestFetchFallsBack(t *testing.T) {
	m := newPlain("one", "vanishes", "three")
	ids := []ID{m.order[2], m.order[0], m.order[1], m.order[0], NewID(Inbox, "1", "gone")}
	got := map[ID]string{}
	for msg, err := range Fetch(t.Context(), m, ids, nil) {
		require.NoError(t, err)
		assert.Equal(t, (*FetchOptions)(nil).Wanted(), msg.Fields)
		b, err := io.ReadAll(msg.Body)
		require.NoError(t, err)
		_, again := got[msg.ID]
		assert.False(t, again, "each once")
		got[msg.ID] = string(b)
	}
	assert.Equal(t, map[ID]string{m.order[0]: "one", m.order[2]: "three"}, got)
	assert.Equal(t, 2, m.closed)

	for range Fetch(t.Context(), m, ids, nil) {
		break
	}
	assert.Equal(t, 3, m.closed, "leaving the loop closes the body")

	for msg, err := range Fetch(t.Context(), m, []ID{m.order[0], NewID(Inbox, "0", "a")}, nil) {
		assert.Nil(t, msg)
		assert.ErrorIs(t, err, ErrStale)
	}
	assert.Equal(t, 3, m.closed, "nothing moved")

	for msg, err := range Fetch(t.Context(), m, []ID{m.order[0], NewID("Other", "0", "a")}, nil) {
		assert.Nil(t, msg)
		assert.ErrorIs(t, err, ErrStale, "also if it is of another folder")
	}
	assert.Equal(t, 3, m.closed)
}

func TestOpenPartFallsBack(t *testing.T) {
	m := newPlain(twoParts)
	read := func(part string, o *OpenPartOptions) (string, error) {
		r, err := OpenPart(t.Context(), m, m.order[0], part, o)
		if err != nil {
			return "", err
		}
		defer r.Close()
		b, err := io.ReadAll(r)
		return string(b), err
	}
	got, err := read("1", nil)
	require.NoError(t, err)
	assert.Equal(t, "hello", got)
	got, err = read("2", nil)
	require.NoError(t, err)
	assert.Equal(t, "hello!", got)
	got, err = read("2", &OpenPartOptions{Encoded: true})
	require.NoError(t, err)
	assert.Equal(t, "aGVs\r\nbG8h", got)
	_, err = read("3", nil)
	assert.ErrorIs(t, err, ErrNotFound)
	_, err = read("", nil)
	assert.ErrorIs(t, err, ErrNotFound)
	assert.Equal(t, 5, m.closed, "also when it failed")

	m.body = func(s string) io.Reader {
		return io.MultiReader(strings.NewReader(s[:len(s)-14]), iotest.ErrReader(io.ErrUnexpectedEOF))
	}
	_, err = read("2", nil)
	assert.ErrorIs(t, err, io.ErrUnexpectedEOF, "a cut message never ends cleanly")
}

func TestStructureFallsBack(t *testing.T) {
	m := newPlain(twoParts)
	m.caps.Structure = true // claimed, but the server's account of it cannot be used
	p, err := Structure(t.Context(), m, m.order[0])
	require.NoError(t, err)
	assert.Equal(t, "application/pdf", p.Find("2").Type)

	all, err := Attachments(t.Context(), m, m.order[0])
	require.NoError(t, err)
	require.Len(t, all, 1)
	assert.Equal(t, "x.pdf", all[0].Filename())

	_, err = Structure(t.Context(), m, NewID(Inbox, "1", "gone"))
	assert.ErrorIs(t, err, ErrNotFound)
	m.caps.Structure = false
	_, err = Structure(t.Context(), m, NewID(Inbox, "1", "gone"))
	assert.ErrorIs(t, err, ErrNotFound)
}

func TestUnsupported(t *testing.T) {
	m := newPlain("x")
	m.caps.Flags, m.caps.Append = true, true // claimed without the method
	assert.ErrorIs(t, SetFlags(t.Context(), m, m.order, FlagChange{Add: []Flag{FlagSeen}}, nil), errors.ErrUnsupported)
	_, err := Append(t.Context(), m, Inbox, strings.NewReader("x"), nil)
	assert.ErrorIs(t, err, errors.ErrUnsupported)
}

func TestParseEnvelope(t *testing.T) {
	e, defects := ParseEnvelope([]byte("From: =?utf-8?q?J=C3=BCrgen?= <j@example.com>\r\nTo: a@x, B <b@y>\r\nSubject: =?iso-8859-1?q?caf=e9?=\r\n"+
		"Date: Mon, 2 Jan 2006 15:04:05 -0700\r\nMessage-ID: <1@x>\r\nIn-Reply-To: <0@x> <00@x>\r\n\r\n"), nil)
	assert.Empty(t, defects)
	assert.Equal(t, "caf\u00e9", e.Subject)
	assert.Equal(t, "J\u00fcrgen", e.From[0].Name)
	assert.Equal(t, e.From, e.Sender)
	assert.Equal(t, e.From, e.ReplyTo)
	assert.Len(t, e.To, 2)
	assert.Equal(t, "1@x", e.MessageID)
	assert.Equal(t, []string{"0@x", "00@x"}, e.InReplyTo)
	assert.Equal(t, int64(1136239445), e.Date.Unix())

	e, defects = ParseEnvelope([]byte("Date: never\r\nSubject: x\r\n\r\n"), nil)
	assert.Contains(t, defects, Defect("bad-date"))
	assert.True(t, e.Date.IsZero())
	assert.Equal(t, "x", e.Subject)
}

func TestReadStructureNamesInnerDefects(t *testing.T) {
	_, defects, err := ReadStructure(strings.NewReader("Content-Type: message/rfc822\r\n\r\n"+
		"Date: never\r\nMessage-ID: <>\r\n\r\nx\r\n"), nil)
	require.NoError(t, err)
	assert.Contains(t, defects, Defect("message inside: bad-date"))
	assert.Contains(t, defects, Defect("message inside: bad-message-id"))
}

func TestOpenPartEndsWithContextAndClose(t *testing.T) {
	m := newPlain(twoParts)
	ctx, cancel := context.WithCancel(t.Context())
	r, err := OpenPart(ctx, m, m.order[0], "1", nil)
	require.NoError(t, err)
	_, err = r.Read(make([]byte, 1))
	require.NoError(t, err)
	cancel()
	_, err = r.Read(make([]byte, 1))
	assert.ErrorIs(t, err, context.Canceled)

	r, err = OpenPart(t.Context(), m, m.order[0], "1", nil)
	require.NoError(t, err)
	require.NoError(t, r.Close())
	_, err = r.Read(make([]byte, 1))
	assert.ErrorIs(t, err, fs.ErrClosed)
}

func TestFetchClosesBodyOnPanic(t *testing.T) {
	m := newPlain("one")
	assert.Panics(t, func() {
		for range Fetch(t.Context(), m, m.order, nil) {
			panic("in the loop")
		}
	})
	assert.Equal(t, 1, m.closed)
}
