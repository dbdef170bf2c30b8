package popsrc

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"slices"
	"strings"

	"github.com/postroom-go/postroom/mailbox"
)

// maxHeader is how much of a header is looked at for its envelope.
const maxHeader = 1 << 20

// List yields the messages of INBOX in the order of their numbers, which on most
// servers is that of their arrival. IDs and sizes are known since the session
// began and cost nothing; an envelope costs a TOP command, many of which go out
// at once where the server can do PIPELINING. A session older than
// Options.Refresh is ended, and another one begun, unless opts.IDs is set.
//
// Flags, dates of receipt and structures are never told. A message whose header
// the server refuses has the defect "top-refused". Messages without a UIDL of
// their own have the defect "duplicate-uidl" or "no-uidl", and an ID that holds
// for this session.
func (m *Mailbox) List(ctx context.Context, folder string, opts *mailbox.ListOptions) iter.Seq2[*mailbox.Summary, error] {
	if opts == nil {
		opts = &mailbox.ListOptions{}
	}
	return func(yield func(*mailbox.Summary, error) bool) {
		if folder == "" {
			folder = mailbox.Inbox
		}
		if err := m.list(ctx, folder, opts, yield); err != nil {
			yield(nil, &mailbox.Error{Op: "list", Folder: folder, Err: err})
		}
	}
}

func (m *Mailbox) list(ctx context.Context, folder string, opts *mailbox.ListOptions, yield func(*mailbox.Summary, error) bool) error {
	if err := m.alive(ctx); err != nil {
		return err
	}
	if !strings.EqualFold(folder, mailbox.Inbox) {
		return mailbox.ErrNotFound
	}
	l, items, err := m.choose(ctx, opts)
	if err != nil {
		return err
	}
	fields := opts.Fields.Resolve()
	if fields.Has(mailbox.FieldEnvelope) && m.caps.Envelopes {
		return m.listEnvelopes(ctx, l, items, fields, yield)
	}
	for _, e := range items {
		if err := m.alive(ctx); err != nil {
			return err
		}
		if !yield(l.summary(e, fields), nil) {
			return nil
		}
	}
	return nil
}

// choose gives the messages that opts asks for, in its order.
func (m *Mailbox) choose(ctx context.Context, opts *mailbox.ListOptions) (*listing, []entry, error) {
	var l *listing
	var items []entry
	var err error
	if opts.IDs != nil {
		for _, id := range opts.IDs {
			if id.Folder() != mailbox.Inbox {
				return nil, nil, &mailbox.Error{Op: "find", ID: id, Err: mailbox.ErrStale}
			}
		}
		l, items, err = m.resolve(ctx, opts.IDs)
	} else if l, err = m.snapshot(ctx, true); err == nil {
		items = l.entries
	}
	if err != nil {
		return nil, nil, err
	}
	if opts.Newest > 0 && opts.Newest < len(items) {
		items = items[len(items)-opts.Newest:]
	}
	if opts.Reverse {
		items = slices.Clone(items)
		slices.Reverse(items)
	}
	return l, items, nil
}

// summary is what the listing alone tells of a message.
func (l *listing) summary(e entry, fields mailbox.Fields) *mailbox.Summary {
	s := &mailbox.Summary{ID: l.id(e), Defects: l.defects(e)}
	if fields.Has(mailbox.FieldSize) && e.size >= 0 {
		s.Size = e.size
		s.Fields |= mailbox.FieldSize
	}
	return s
}

// listEnvelopes yields summaries with what TOP tells.
func (m *Mailbox) listEnvelopes(ctx context.Context, l *listing, items []entry, fields mailbox.Fields, yield func(*mailbox.Summary, error) bool) error {
	if len(items) == 0 {
		return nil
	}
	st := m.stream(ctx, true, l, items)
	defer st.stop()
	var header bytes.Buffer
	for {
		g, body, err := st.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		s := l.summary(g.entry, fields)
		s.ID = g.id
		if g.err != nil {
			s.Defects = append(s.Defects, "top-refused")
		} else {
			header.Reset()
			_, err := header.ReadFrom(io.LimitReader(body, maxHeader))
			if ended(err) {
				return err
			}
			m.addEnvelope(s, header.Bytes(), err)
		}
		if !yield(s, nil) {
			return nil
		}
	}
}

// addEnvelope reads the envelope out of a header; err says that it was cut.
func (m *Mailbox) addEnvelope(s *mailbox.Summary, header []byte, err error) {
	envelope, defects := mailbox.ParseEnvelope(header, m.CharsetReader)
	s.Envelope = envelope
	s.Fields |= mailbox.FieldEnvelope
	s.Defects = append(s.Defects, defects...)
	if err != nil {
		s.Defects = append(s.Defects, "header-cut")
	}
}

// ended tells the end of a call from a body that was cut.
func ended(err error) bool {
	return errors.Is(err, mailbox.ErrClosed) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
