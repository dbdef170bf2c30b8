package memory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"

	"github.com/postroom-go/postroom/internal/mailmime"
	"github.com/postroom-go/postroom/internal/memstore"
	"github.com/postroom-go/postroom/mailbox"
)

// Open streams the message as it is stored.
func (mb *Mailbox) Open(ctx context.Context, id mailbox.ID, opts *mailbox.OpenOptions) (io.ReadCloser, error) {
	m, err := mb.find(ctx, id)
	if err != nil {
		return nil, &mailbox.Error{Op: "open", ID: id, Err: err}
	}
	raw := m.Raw()
	if opts != nil && opts.HeaderOnly {
		raw = m.Header()
	}
	return mb.body(ctx, id, raw), nil
}

// OpenPart streams one part.
func (mb *Mailbox) OpenPart(ctx context.Context, id mailbox.ID, part string, opts *mailbox.OpenPartOptions) (io.ReadCloser, error) {
	op := "open part " + part
	if !mb.caps.Parts {
		return nil, unsupported(op, "parts")
	}
	if opts == nil {
		opts = &mailbox.OpenPartOptions{}
	}
	m, err := mb.find(ctx, id)
	if err != nil {
		return nil, &mailbox.Error{Op: op, ID: id, Err: err}
	}
	raw, encoding, err := mailmime.OpenLeaf(bytes.NewReader(m.Raw()), part, nil)
	switch {
	case errors.Is(err, mailmime.ErrNoPart):
		return nil, &mailbox.Error{Op: op, ID: id, Err: mailbox.ErrNotFound}
	case err != nil:
		return nil, &mailbox.Error{Op: op, ID: id, Err: err}
	}
	b := mb.body(ctx, id, nil)
	if b.r = raw; !opts.Encoded {
		b.r = mailmime.NewTransferDecoder(encoding, raw)
	}
	return b, nil
}

// body is a message or a part under way.
type body struct {
	mb     *Mailbox
	ctx    context.Context
	id     mailbox.ID
	r      io.Reader
	closed bool
}

func (mb *Mailbox) body(ctx context.Context, id mailbox.ID, raw []byte) *body {
	return &body{mb: mb, ctx: ctx, id: id, r: bytes.NewReader(raw)}
}

// Read fails after the end of the context, of the mailbox and of the body
// itself.
func (b *body) Read(p []byte) (int, error) {
	err := b.mb.check(b.ctx)
	if err == nil && b.closed {
		err = fs.ErrClosed
	}
	if err != nil {
		return 0, &mailbox.Error{Op: "read", ID: b.id, Err: err}
	}
	return b.r.Read(p)
}

// Close never fails.
func (b *body) Close() error {
	b.closed = true
	return nil
}

// Fetch streams whole messages, folder by folder, in their order.
func (mb *Mailbox) Fetch(ctx context.Context, ids []mailbox.ID, opts *mailbox.FetchOptions) iter.Seq2[*mailbox.Message, error] {
	fields := opts.Wanted()
	return func(yield func(*mailbox.Message, error) bool) {
		if err := mb.check(ctx); err != nil {
			yield(nil, &mailbox.Error{Op: "fetch", Err: err})
			return
		}
		shares, err := mb.shares("fetch", ids)
		if err != nil {
			yield(nil, err)
			return
		}
		for _, b := range shares {
			for _, m := range pick(b.snap, b.uids) {
				more, err := mb.fetchOne(ctx, b, m, fields, yield)
				if err != nil {
					yield(nil, &mailbox.Error{Op: "fetch", Folder: b.snap.Name, Err: err})
					return
				}
				if !more {
					return
				}
			}
		}
	}
}

func (mb *Mailbox) fetchOne(ctx context.Context, b *share, m *memstore.Message, fields mailbox.Fields, yield func(*mailbox.Message, error) bool) (more bool, err error) {
	gone, err := mb.gone(ctx, b.folder, b.snap, m)
	if err != nil || gone {
		return true, err
	}
	s := mb.summary(b.snap, m, fields)
	r := mb.body(ctx, s.ID, m.Raw())
	defer r.Close()
	return yield(&mailbox.Message{Summary: s, Body: r}, nil), nil
}

// unsupported is the error for a capability that is switched off.
func unsupported(op, need string) error {
	return &mailbox.Error{Op: op, Err: fmt.Errorf("this mailbox has no %s: %w", need, errors.ErrUnsupported)}
}
