package compose

import (
	"context"
	"io"
	"slices"
	"sync"

	"github.com/postroom-go/postroom/internal/spool"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/smtpsink"
)

// Prepared is a message that is ready to be sent, as often as need be: every Open
// gives the same octets. It is safe for concurrent use.
type Prepared struct {
	id       string
	envelope smtpsink.Envelope
	utf8     bool
	eight    bool
	// sent and kept are the header, as sent and with Bcc, before what both have.
	sent, kept []byte
	body       []segment

	mu     sync.Mutex
	closed bool
	spools []*spool.Spool
}

// Envelope gives who the message is from and to: Sender or else the first of
// From, and To, Cc and Bcc, each once. They are written as in the header. It is
// the caller's to change, such as to have failures reported elsewhere.
func (p *Prepared) Envelope() *smtpsink.Envelope {
	return &smtpsink.Envelope{From: p.envelope.From, To: slices.Clone(p.envelope.To)}
}

// MessageID is the Message-ID without angle brackets.
func (p *Prepared) MessageID() string { return p.id }

// NeedsUTF8 reports whether an address has a local part that is not ASCII, in the
// header or the envelope: the message can only be sent by a server with SMTPUTF8
// (RFC 6531). There is nothing else that this could be avoided for: domains and
// names are ASCII already.
func (p *Prepared) NeedsUTF8() bool { return p.utf8 }

// Needs8Bit reports whether the body has octets above 127, which a server
// without 8BITMIME (RFC 6152) need not take: an attached message has them, and
// must not be encoded (RFC 2046 section 5.2.1), or Protect wrote them. As an
// attachment of the Type application/octet-stream a message needs nothing.
func (p *Prepared) Needs8Bit() bool { return p.eight }

// Size is how many octets Open gives, as smtpsink.SendOptions.Size takes it; 0 if
// that is not known, since an attachment has Open and no Size.
func (p *Prepared) Size() int64 { return p.size(p.sent) }

// CopySize is how many octets OpenCopy gives, as mailbox.AppendOptions.Size takes
// it; 0 if that is not known.
func (p *Prepared) CopySize() int64 { return p.size(p.kept) }

func (p *Prepared) size(header []byte) int64 {
	n := length(p.body)
	if n < 0 {
		return 0
	}
	return int64(len(header)) + n
}

// Open gives the message as it is sent, without Bcc. What it reads from
// attachments it reads as it goes; ctx covers the reader's life. An attachment
// that cannot be read, or is seen to be another than before, is an error in the
// place of the rest, never io.EOF. After Close it is mailbox.ErrClosed.
func (p *Prepared) Open(ctx context.Context) (io.ReadCloser, error) { return p.open(ctx, p.sent) }

// OpenCopy is Open with Bcc, for the sender's own folder.
func (p *Prepared) OpenCopy(ctx context.Context) (io.ReadCloser, error) { return p.open(ctx, p.kept) }

func (p *Prepared) open(ctx context.Context, header []byte) (io.ReadCloser, error) {
	p.mu.Lock()
	closed := p.closed
	p.mu.Unlock()
	if closed {
		return nil, failed("open", mailbox.ErrClosed)
	}
	return p.read(ctx, header, false), nil
}

func (p *Prepared) read(ctx context.Context, header []byte, learn bool) *reader {
	return &reader{ctx: ctx, text: header, segments: p.body, learn: learn}
}

// Close frees what Prepare kept in memory and in temporary files. Readers that
// are still open may fail. It never fails and can be called again.
func (p *Prepared) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, s := range p.spools {
		s.Close()
	}
	return nil
}
