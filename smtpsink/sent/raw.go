package sent

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/smtpsink"
)

// maxHeader is how much of a message's header is looked at for the Message-ID.
const maxHeader = 1 << 20

// Raw makes a Message of one that is there whole, such as an .eml file: open gives
// it from its beginning each time. Raw reads its header once, for the Message-ID;
// the error is open's or the reader's. Lines may end in LF.
func Raw(ctx context.Context, env *smtpsink.Envelope, open func(context.Context) (io.ReadCloser, error)) (Message, error) {
	src, err := open(ctx)
	if err != nil {
		return nil, &mailbox.Error{Op: "read message", Err: err}
	}
	defer func() { _ = src.Close() }()
	header, err := readHeader(newLines(src))
	if err != nil {
		return nil, &mailbox.Error{Op: "read message", Err: fmt.Errorf("reading the header: %w", err)}
	}
	e, _ := mailbox.ParseEnvelope(header, nil)
	return &raw{id: e.MessageID, env: env, open: open}, nil
}

// readHeader reads up to the empty line, or to maxHeader.
func readHeader(r io.Reader) ([]byte, error) {
	var header []byte
	block := make([]byte, 4<<10)
	for len(header) < maxHeader {
		n, err := r.Read(block)
		from := max(len(header)-3, 0)
		header = append(header, block[:n]...)
		if bytes.HasPrefix(header, []byte("\r\n")) {
			return nil, nil
		}
		if i := bytes.Index(header[from:], []byte("\r\n\r\n")); i >= 0 {
			return header[:from+i+4], nil
		}
		if err == io.EOF {
			return header, nil
		}
		if err != nil {
			return nil, err
		}
	}
	return header, nil
}

// raw is a message that is there whole.
type raw struct {
	id   string
	env  *smtpsink.Envelope
	open func(context.Context) (io.ReadCloser, error)
}

func (r *raw) MessageID() string            { return r.id }
func (r *raw) Envelope() *smtpsink.Envelope { return r.env }

func (r *raw) Open(ctx context.Context) (io.ReadCloser, error)     { return r.open(ctx) }
func (r *raw) OpenCopy(ctx context.Context) (io.ReadCloser, error) { return r.open(ctx) }
