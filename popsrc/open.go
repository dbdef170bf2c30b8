package popsrc

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"slices"

	"github.com/postroom-go/postroom/mailbox"
)

// peekSize is how much of a body is read at a time in search of its header's end.
const peekSize = 8 << 10

// Open streams a message (RETR), or its header (TOP n 0) if opts.HeaderOnly is
// set. The message is read off the connection as fast as the consumer takes it,
// and into a temporary file if another call wants the connection or the consumer
// stands still. A message that is cut ends in io.ErrUnexpectedEOF.
func (m *Mailbox) Open(ctx context.Context, id mailbox.ID, opts *mailbox.OpenOptions) (io.ReadCloser, error) {
	headerOnly := opts != nil && opts.HeaderOnly
	r, err := m.open(ctx, id, headerOnly)
	if err != nil {
		return nil, &mailbox.Error{Op: "open", ID: id, Err: err}
	}
	if headerOnly {
		return &headerReader{r: r}, nil
	}
	return r, nil
}

func (m *Mailbox) open(ctx context.Context, id mailbox.ID, headerOnly bool) (*message, error) {
	if err := m.alive(ctx); err != nil {
		return nil, err
	}
	l, items, err := m.resolve(ctx, []mailbox.ID{id})
	if err != nil {
		return nil, reason(err)
	}
	if len(items) == 0 {
		return nil, mailbox.ErrNotFound
	}
	st := m.stream(ctx, headerOnly && m.caps.Headers, l, items)
	g, body, err := st.next()
	if err == io.EOF {
		err = mailbox.ErrNotFound
	}
	if err == nil {
		err = g.err
	}
	if err != nil {
		st.stop()
		return nil, err
	}
	return &message{r: body, st: st}, nil
}

// reason takes a *mailbox.Error off again.
func reason(err error) error {
	var e *mailbox.Error
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}

// message is one open message.
type message struct {
	r  io.Reader
	st *stream
}

func (b *message) Read(p []byte) (int, error) { return b.r.Read(p) }

// WriteTo saves io.Copy its buffer.
func (b *message) WriteTo(w io.Writer) (int64, error) { return io.Copy(w, b.r) }

func (b *message) Close() error {
	b.st.stop()
	return nil
}

// emptyLine finds the first empty line of a message, which ends its header.
type emptyLine struct {
	text bool // this line has something on it
}

// end gives the place behind the empty line in the next octets p, 0 if it is
// not there.
func (l *emptyLine) end(p []byte) int {
	for i, c := range p {
		switch {
		case c == '\n' && !l.text:
			return i + 1
		case c != '\r':
			l.text = c != '\n'
		}
	}
	return 0
}

// headerReader ends behind the header.
type headerReader struct {
	r    io.ReadCloser
	line emptyLine
	done bool
}

func (h *headerReader) Read(p []byte) (int, error) {
	if h.done {
		return 0, io.EOF
	}
	n, err := h.r.Read(p)
	if end := h.line.end(p[:n]); end > 0 {
		h.done = true
		return end, nil
	}
	return n, err
}

func (h *headerReader) Close() error { return h.r.Close() }

// Fetch streams many messages in the order of their numbers: where the server
// can do PIPELINING they are asked for ahead, Options.Window octets of them. A
// message that is cut or refused fails alone. Each Message's Size is LIST's; an
// envelope, if asked for, is read from the message itself and costs nothing.
func (m *Mailbox) Fetch(ctx context.Context, ids []mailbox.ID, opts *mailbox.FetchOptions) iter.Seq2[*mailbox.Message, error] {
	fields := opts.Wanted()
	return func(yield func(*mailbox.Message, error) bool) {
		if err := m.fetch(ctx, ids, fields, yield); err != nil {
			yield(nil, &mailbox.Error{Op: "fetch", Folder: mailbox.Inbox, Err: err})
		}
	}
}

func (m *Mailbox) fetch(ctx context.Context, ids []mailbox.ID, fields mailbox.Fields, yield func(*mailbox.Message, error) bool) error {
	if err := m.alive(ctx); err != nil || len(ids) == 0 {
		return err
	}
	l, items, err := m.resolve(ctx, ids)
	if err != nil || len(items) == 0 {
		return err
	}
	st := m.stream(ctx, false, l, items)
	defer st.stop()
	for {
		g, body, err := st.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		msg := &mailbox.Message{Summary: l.summary(g.entry, fields), Body: body}
		msg.ID = g.id
		if fields.Has(mailbox.FieldEnvelope) && g.err == nil {
			if err := m.peek(msg); err != nil {
				return err
			}
		}
		if !yield(msg, nil) {
			return nil
		}
	}
}

// peek reads the envelope off the body and puts what it read back in front.
func (m *Mailbox) peek(msg *mailbox.Message) error {
	var header []byte
	var line emptyLine
	var err error
	for err == nil && len(header) < maxHeader {
		header = slices.Grow(header, peekSize)
		var n int
		n, err = msg.Body.Read(header[len(header):cap(header)])
		header = header[:len(header)+n]
		if line.end(header[len(header)-n:]) > 0 {
			break
		}
	}
	if ended(err) {
		return err
	}
	rest := msg.Body
	if err != nil {
		rest = failingReader{err}
	}
	msg.Body = io.MultiReader(bytes.NewReader(header), rest)
	if err == io.EOF {
		err = nil
	}
	m.addEnvelope(msg.Summary, header, err)
	return nil
}

// failingReader is the end of a body.
type failingReader struct{ err error }

func (r failingReader) Read([]byte) (int, error) { return 0, r.err }
