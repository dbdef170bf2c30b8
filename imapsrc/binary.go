package imapsrc

import (
	"context"
	"errors"
	"hash/maphash"
	"io"

	"github.com/postroom-go/postroom/mailbox"
)

// errOtherPiece is BINARY that is not to be used in pieces. RFC 3516 section 4.3
// has a server name the origin of a piece; go-imap's imapserver leaves it out
// (2.0.0-beta.8), so that nothing tells a piece from the whole.
var errOtherPiece = &protocolError{"the server sent another piece of the part than was asked for"}

// otherThan reports whether a server that decodes has sent something else than
// the piece that q asks for: another origin or none, or more octets. NIL behind
// the first piece is no end: it is what is told of a message that goes away.
func (p *piece) otherThan(q query) bool {
	return q.binary && p.found && !p.there && (p.astray || q.off > 0)
}

// openBinary opens a part that the server decodes; nil if that has to be done
// here.
func (m *Mailbox) openBinary(ctx context.Context, op string, id mailbox.ID, part string, opts *mailbox.OpenPartOptions) (io.ReadCloser, error) {
	b, err := m.openBody(ctx, op, id, query{n: firstWindow, section: part, binary: true})
	if err == nil && b.first.there && b.first.len > 0 {
		return &binaryPart{body: b, from: b, again: func() (io.ReadCloser, error) {
			return m.openDecoded(ctx, op, id, part, opts)
		}}, nil
	}
	if b != nil {
		_ = b.Close()
	}
	if !m.binaryRefused(err) {
		return nil, err
	}
	return nil, nil
}

// binaryRefused reports whether a failed BINARY can be made up for without it. A
// server that does not know the part's encoding says UNKNOWN-CTE; one that does
// not do what it offers says anything.
func (m *Mailbox) binaryRefused(err error) bool {
	var status *StatusError
	switch {
	case err == nil, errors.Is(err, mailbox.ErrNotFound):
		return true // an empty part, or none
	case errors.Is(err, errOtherPiece):
		m.learnt.noBinary.Store(true)
		return true
	case !errors.As(err, &status) || status.Kind == "BYE":
		return false
	case status.Code != "UNKNOWN-CTE":
		m.learnt.noBinary.Store(true)
	}
	return true
}

// refusedMidway reports whether BINARY failed behind its first piece for what it
// is. A server that has no time now, or no message any more, says nothing of it.
func refusedMidway(err error) bool {
	var status *StatusError
	switch {
	case errors.Is(err, errOtherPiece):
		return true
	case !errors.As(err, &status), errors.Is(err, mailbox.ErrThrottled):
		return false
	}
	return status.sentinel == nil || status.Kind == "BAD"
}

// binaryPart is a part that the server decodes. Where it stops doing so midway,
// the part is asked for once more as it is stored, and read on behind what was
// given. That is counted in decoded octets, so all before it comes again; it is
// compared, so that no file is made of two halves that do not fit.
type binaryPart struct {
	body  *body
	from  io.ReadCloser // body, or what was opened again
	again func() (io.ReadCloser, error)
	given int64
	sum   maphash.Hash // of what was given
	err   error
}

func (r *binaryPart) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.from.Read(p)
	if r.from != io.ReadCloser(r.body) {
		return n, err
	}
	r.given += int64(n)
	_, _ = r.sum.Write(p[:n])
	if n > 0 || !refusedMidway(err) || !r.body.m.binaryRefused(err) {
		return n, err
	}
	if err := r.readOn(); err != nil {
		r.err = r.body.fail(err)
		return 0, r.err
	}
	return r.from.Read(p)
}

// readOn opens the part again and passes over what was given.
func (r *binaryPart) readOn() error {
	_ = r.body.Close()
	from, err := r.again()
	if err != nil {
		return err
	}
	r.from = from
	var sum maphash.Hash
	sum.SetSeed(r.sum.Seed())
	_, err = io.CopyN(&sum, from, r.given)
	if err == io.EOF || err == nil && sum.Sum64() != r.sum.Sum64() {
		err = &protocolError{"the server decodes the part to something else than it is: open it once more"}
	}
	if err != nil {
		_ = from.Close()
	}
	return err
}

// Close frees what is held. It never fails.
func (r *binaryPart) Close() error {
	_ = r.body.Close()
	return r.from.Close()
}
