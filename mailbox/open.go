package mailbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync/atomic"
)

// PartOpener is implemented by drivers that can move one part alone. Users call
// OpenPart; it asks the driver if Caps.Parts is set.
type PartOpener interface {
	OpenPart(ctx context.Context, id ID, part string, opts *OpenPartOptions) (io.ReadCloser, error)
}

// OpenPartOptions are the options of OpenPart. Nil and zero decode the part.
type OpenPartOptions struct {
	// Encoded leaves the transfer encoding in place: base64 stays base64.
	Encoded bool
	// Encoding is the part's transfer encoding if the caller knows it, as from
	// Part.Encoding; it can save a round trip. It must be right.
	Encoding string
}

// OpenPart streams the body of one part, its transfer encoding removed (base64
// and quoted-printable that are damaged are decoded as far as they go). The
// charset of text is left as it is: package mailbox/charset converts it. part
// is a Part.ID; that of a leaf or of a message/rfc822 part, whose body is the
// whole message inside. A part that is not there, or has no body because it is a
// multipart, is ErrNotFound.
//
// Where Caps.Parts is set only that part moves; else the whole message does.
// opts may be nil.
func OpenPart(ctx context.Context, mb Mailbox, id ID, part string, opts *OpenPartOptions) (io.ReadCloser, error) {
	if opts == nil {
		opts = &OpenPartOptions{}
	}
	if p, ok := mb.(PartOpener); ok && mb.Caps().Parts {
		return p.OpenPart(ctx, id, part, opts)
	}
	raw, err := mb.Open(ctx, id, nil)
	if err != nil {
		return nil, err
	}
	body, err := partReader(raw, part, opts)
	if err != nil {
		_ = raw.Close()
		return nil, &Error{Op: fmt.Sprintf("open part %q", part), ID: id, Err: err}
	}
	return &partBody{ctx: ctx, part: body, whole: raw}, nil
}

// partBody is a part read out of the stream of its whole message. What is
// buffered on the way must not outlive ctx or Close.
type partBody struct {
	ctx    context.Context
	part   io.Reader
	whole  io.Closer
	closed atomic.Bool
}

func (p *partBody) Read(b []byte) (int, error) {
	switch {
	case p.closed.Load():
		return 0, fs.ErrClosed
	case p.ctx.Err() != nil:
		return 0, p.ctx.Err()
	}
	return p.part.Read(b)
}

func (p *partBody) Close() error {
	p.closed.Store(true)
	return p.whole.Close()
}

// Get gives the summary of one message, ErrNotFound if it is gone. Zero fields
// are DefaultFields.
func Get(ctx context.Context, mb Mailbox, id ID, fields Fields) (*Summary, error) {
	for s, err := range mb.List(ctx, id.Folder(), &ListOptions{Fields: fields, IDs: []ID{id}}) {
		return s, err
	}
	return nil, &Error{Op: "get", ID: id, Err: ErrNotFound}
}

// Structure gives the tree of the message's parts: from a summary where
// Caps.Structure is set and the server's account of it can be used, else by
// reading the whole message.
func Structure(ctx context.Context, mb Mailbox, id ID) (*Part, error) {
	if mb.Caps().Structure {
		s, err := Get(ctx, mb, id, FieldStructure)
		if err != nil {
			return nil, err
		}
		if s.Structure != nil {
			return s.Structure, nil
		}
	}
	raw, err := mb.Open(ctx, id, nil)
	if err != nil {
		return nil, err
	}
	defer raw.Close()
	p, _, err := ReadStructure(raw, charsetsOf(mb))
	if err != nil {
		return nil, &Error{Op: "structure", ID: id, Err: err}
	}
	return p, nil
}

// Attachments lists the attachments of one message: Structure, then
// Part.Attachments.
func Attachments(ctx context.Context, mb Mailbox, id ID) ([]*Part, error) {
	p, err := Structure(ctx, mb, id)
	if err != nil {
		return nil, err
	}
	return p.Attachments(), nil
}

// unsupported is the error for what a mailbox cannot do.
func unsupported(op string, mb Mailbox, need string) error {
	return &Error{Op: op, Err: fmt.Errorf("this %s account has no %s: %w", mb.Caps().Protocol, need, errors.ErrUnsupported)}
}
