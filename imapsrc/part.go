package imapsrc

import (
	"context"
	"errors"
	"io"
	"strings"

	"github.com/postroom-go/postroom/internal/mailmime"
	"github.com/postroom-go/postroom/mailbox"
)

// OpenPart streams one part: see mailbox.OpenPart. Only that part moves, in
// windows as in Open. Where the caller tells the encoding and the server offers
// BINARY (RFC 3516) the server decodes; else we do, and for the rest of a part,
// too, where the server does not send the pieces that it is asked for. If the
// encoding is not told the message's structure is asked for in the same command.
func (m *Mailbox) OpenPart(ctx context.Context, id mailbox.ID, part string, opts *mailbox.OpenPartOptions) (io.ReadCloser, error) {
	if opts == nil {
		opts = &mailbox.OpenPartOptions{}
	}
	op := "open part " + part
	if !validPart(part) {
		return nil, opError("open part", "", id, mailbox.ErrNotFound)
	}
	encoding := strings.ToLower(opts.Encoding)
	if !opts.Encoded && m.offers.binary() && !m.learnt.noBinary.Load() && (encoding == "base64" || encoding == "quoted-printable") {
		r, err := m.openBinary(ctx, op, id, part, opts)
		if r != nil || err != nil {
			return r, err
		}
	}
	return m.openDecoded(ctx, op, id, part, opts)
}

// openDecoded opens a part that is decoded here, unless it shall not be.
func (m *Mailbox) openDecoded(ctx context.Context, op string, id mailbox.ID, part string, opts *mailbox.OpenPartOptions) (io.ReadCloser, error) {
	b, encoding, err := m.openSection(ctx, op, id, part, opts)
	if err != nil {
		return nil, err
	}
	if opts.Encoded {
		return b, nil
	}
	return &decoded{mailmime.NewTransferDecoder(encoding, b), b}, nil
}

// decoded is a part whose encoding is removed on the way.
type decoded struct {
	io.Reader
	body io.Closer
}

func (d *decoded) Close() error { return d.body.Close() }

// openSection opens a part as it is stored, and tells its encoding.
func (m *Mailbox) openSection(ctx context.Context, op string, id mailbox.ID, part string, opts *mailbox.OpenPartOptions) (*body, string, error) {
	q := query{n: firstWindow, section: part}
	if opts.Encoding != "" {
		b, err := m.openBody(ctx, op, id, q)
		if err != nil || b.first.len > 0 {
			return b, opts.Encoding, err
		}
		_ = b.Close() // empty, or not there
	}
	q.also = " BODYSTRUCTURE"
	b, err := m.openBody(ctx, op, id, q)
	if err == nil && b.first.parts == nil || errors.Is(err, mailbox.ErrProtocol) {
		if err == nil {
			_ = b.Close()
		}
		return m.openByMIME(ctx, op, id, part)
	}
	if err != nil {
		return nil, "", err
	}
	p := b.first.parts.Find(part)
	if p == nil || p.Multipart() {
		_ = b.Close()
		return nil, "", opError(op, "", id, mailbox.ErrNotFound)
	}
	b.expect(p.Size)
	return b, p.Encoding, nil
}

// openByMIME opens a part of a message whose structure the server cannot tell.
func (m *Mailbox) openByMIME(ctx context.Context, op string, id mailbox.ID, part string) (*body, string, error) {
	q := query{n: firstWindow, section: part, also: " BODY.PEEK[" + part + ".MIME]"}
	if part == "1" {
		q.also += " BODY.PEEK[HEADER]" // of a message that is no multipart, this is the part's
	}
	b, err := m.openBody(ctx, op, id, q)
	if err != nil {
		return nil, "", err
	}
	mime, whole := b.first.sections[part+".MIME"], b.first.sections["HEADER"]
	if b.first.len == 0 && len(strings.TrimSpace(string(mime))) == 0 {
		_ = b.Close()
		return nil, "", opError(op, "", id, mailbox.ErrNotFound)
	}
	h := mailmime.ParseHeader(mime, nil)
	if part == "1" {
		top := mailmime.ParseHeader(whole, nil)
		media, _, _ := mailmime.ParseMediaType(top.Get("Content-Type"), newCharsetReader)
		if !strings.HasPrefix(media, "multipart/") {
			h = top
		}
	}
	return b, strings.ToLower(strings.TrimSpace(h.Get("Content-Transfer-Encoding"))), nil
}

// expect says how long the body should be: a hint about where it ends.
func (b *body) expect(size int64) {
	b.size = size
	if !b.ends && b.q.off == size && b.first.len < firstWindow {
		b.ends = true
	}
}

// validPart reports whether part is a part's number: "1", "2.1".
func validPart(part string) bool {
	if len(part) > 500 {
		return false
	}
	for n := range strings.SplitSeq(part, ".") {
		if len(n) == 0 || len(n) > 9 || n[0] == '0' || strings.Trim(n, "0123456789") != "" {
			return false
		}
	}
	return true
}
