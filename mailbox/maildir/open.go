package maildir

import (
	"context"
	"errors"
	"io"
	"io/fs"

	"github.com/postroom-go/postroom/internal/disk"
	"github.com/postroom-go/postroom/internal/mailmime"
	"github.com/postroom-go/postroom/mailbox"
)

// Open streams the message as it is stored: see mailbox.Mailbox. The reader
// holds a file open until it is closed.
func (mb *Mailbox) Open(ctx context.Context, id mailbox.ID, opts *mailbox.OpenOptions) (io.ReadCloser, error) {
	b, err := mb.body(ctx, id)
	if err != nil {
		return nil, idError("open", id, err)
	}
	if opts != nil && opts.HeaderOnly {
		b.r = &headerReader{r: b.r}
	}
	return b, nil
}

// OpenPart streams one part: see mailbox.OpenPart.
func (mb *Mailbox) OpenPart(ctx context.Context, id mailbox.ID, part string, opts *mailbox.OpenPartOptions) (io.ReadCloser, error) {
	op := "open part " + mailmime.Printable(part, 100)
	b, err := mb.body(ctx, id)
	if err != nil {
		return nil, idError(op, id, err)
	}
	r, encoding, err := mailmime.OpenLeaf(b, part, nil)
	if err != nil {
		_ = b.Close()
		if errors.Is(err, mailmime.ErrNoPart) {
			err = mailbox.ErrNotFound
		}
		return nil, idError(op, id, err)
	}
	if opts == nil || !opts.Encoded {
		r = mailmime.NewTransferDecoder(encoding, r)
	}
	return &partBody{body: b, part: r}, nil
}

// body opens the file of a message.
func (mb *Mailbox) body(ctx context.Context, id mailbox.ID) (*body, error) {
	if err := mb.check(ctx); err != nil {
		return nil, err
	}
	switch {
	case id.Epoch() != "":
		return nil, mailbox.ErrStale
	case !validBase(id.Key(), mb.sep):
		return nil, mailbox.ErrNotFound
	}
	f, err := mb.folder(ctx, id.Folder())
	if err != nil {
		return nil, err
	}
	defer f.close()
	b := &body{mb: mb, ctx: ctx, id: id}
	err = f.with(ctx, id.Key(), func(path string) (err error) {
		b.file, b.left, err = openFile(f.files, path)
		return err
	})
	if err != nil {
		return nil, err
	}
	b.r = stored{b}
	return b, nil
}

// openFile opens a message's file and tells its size.
func openFile(files disk.Dir, path string) (disk.File, int64, error) {
	file, err := files.Open(path)
	if err != nil {
		return nil, 0, err
	}
	info, err := file.Stat()
	if err != nil {
		_ = file.Close()
		return nil, 0, err
	}
	return file, info.Size(), nil
}

// body is a message under way.
type body struct {
	mb     *Mailbox
	ctx    context.Context
	id     mailbox.ID
	file   disk.File
	left   int64 // octets of it that are to come
	r      io.Reader
	closed bool
}

// alive fails after the end of the context, of the mailbox and of the body
// itself.
func (b *body) alive() error {
	err := b.mb.check(b.ctx)
	if err == nil && b.closed {
		err = fs.ErrClosed
	}
	return err
}

func (b *body) Read(p []byte) (int, error) {
	if err := b.alive(); err != nil {
		return 0, idError("read", b.id, err)
	}
	n, err := b.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = idError("read", b.id, err)
	}
	return n, err
}

// Close frees the file. Only the first call can fail.
func (b *body) Close() error {
	if b.closed {
		return nil
	}
	b.closed = true
	if err := b.file.Close(); err != nil {
		return idError("close", b.id, err)
	}
	return nil
}

// stored reads the octets that the file had when it was opened: all of them, or
// the end is io.ErrUnexpectedEOF.
type stored struct{ b *body }

func (s stored) Read(p []byte) (int, error) {
	if s.b.left <= 0 {
		return 0, io.EOF
	}
	if len(p) == 0 {
		return 0, nil
	}
	n, err := s.b.file.Read(p[:min(int64(len(p)), s.b.left)])
	s.b.left -= int64(n)
	if errors.Is(err, io.EOF) && s.b.left > 0 {
		return n, io.ErrUnexpectedEOF
	}
	return n, err
}

// partBody is a part of a message under way. What is buffered on the way does
// not outlive ctx or Close.
type partBody struct {
	*body
	part io.Reader
}

func (p *partBody) Read(b []byte) (int, error) {
	if err := p.alive(); err != nil {
		return 0, idError("read", p.id, err)
	}
	return p.part.Read(b)
}

// headerReader ends after the first empty line, which may have more CRs than
// one, as package mailmime has it.
type headerReader struct {
	r    io.Reader
	text bool // the line at hand is not empty
	done bool
}

func (h *headerReader) Read(p []byte) (int, error) {
	if h.done {
		return 0, io.EOF
	}
	n, err := h.r.Read(p)
	for i, c := range p[:n] {
		switch {
		case c == '\n' && !h.text:
			h.done = true
			return i + 1, nil
		case c == '\n':
			h.text = false
		case c != '\r':
			h.text = true
		}
	}
	return n, err
}
