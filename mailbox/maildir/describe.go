package maildir

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"

	"github.com/postroom-go/postroom/internal/disk"
	"github.com/postroom-go/postroom/mailbox"
)

// description is what a message's octets say: what the index keeps.
type description struct {
	envelope   *mailbox.Envelope // nil if it was not read
	envDefects []mailbox.Defect
	structure  *mailbox.Part // nil if it was not read
	strDefects []mailbox.Defect
}

// has reports whether d tells all of fields that it could.
func (d *description) has(fields mailbox.Fields) bool {
	return (d.envelope != nil || !fields.Has(mailbox.FieldEnvelope)) &&
		(d.structure != nil || !fields.Has(mailbox.FieldStructure))
}

// tell fills in those of s.Fields that d has.
func (d *description) tell(s *mailbox.Summary) {
	if s.Fields.Has(mailbox.FieldEnvelope) {
		s.Envelope, s.Defects = d.envelope, slices.Clone(d.envDefects)
	}
	if s.Fields.Has(mailbox.FieldStructure) {
		s.Structure = d.structure
		for _, x := range d.strDefects { // both read the same header
			if !slices.Contains(s.Defects, x) {
				s.Defects = append(s.Defects, x)
			}
		}
	}
}

const (
	// firstRead is how much of a file is read for its header, at first.
	firstRead = 8 << 10
	// maxHeader is how much of a header is read, as in package mailmime.
	maxHeader = 1<<20 + 1
)

// describe reads what is asked for of a message, and keeps what is known
// already, which may be nil.
func (l *lister) describe(ctx context.Context, path string, known *description) (*description, error) {
	file, size, err := openFile(l.f.files, path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	d := &description{}
	if known != nil {
		*d = *known
	}
	mb := l.f.mb
	if l.fields.Has(mailbox.FieldEnvelope) && d.envelope == nil {
		header, err := l.readHeader(file)
		if err != nil {
			return nil, err
		}
		d.envelope, d.envDefects = mailbox.ParseEnvelope(header, mb.CharsetReader)
	}
	if l.fields.Has(mailbox.FieldStructure) && d.structure == nil {
		r := &guarded{io.NewSectionReader(file, 0, size), func() error { return mb.check(ctx) }}
		if d.structure, d.strDefects, err = mailbox.ReadStructure(r, mb.CharsetReader); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// guarded is a reader that ends when something says so.
type guarded struct {
	r     io.Reader
	ended func() error
}

func (g *guarded) Read(p []byte) (int, error) {
	if err := g.ended(); err != nil {
		return 0, err
	}
	return g.r.Read(p)
}

// readHeader reads a message up to its empty line, as far as it is looked at. It
// is good until the next call.
func (l *lister) readHeader(file disk.File) ([]byte, error) {
	if l.buf == nil {
		l.buf = make([]byte, firstRead)
	}
	for n := 0; ; l.buf = append(l.buf, make([]byte, len(l.buf))...) {
		k, err := file.ReadAt(l.buf[n:], int64(n))
		n += k
		if end := headerEnd(l.buf[:n]); end > 0 {
			return l.buf[:end], nil
		}
		switch {
		case errors.Is(err, io.EOF), err == nil && n >= maxHeader:
			return l.buf[:n], nil
		case err != nil:
			return nil, err
		}
	}
}

// headerEnd is where the empty line ends; 0 if there is none.
func headerEnd(raw []byte) int {
	for at := 0; at < len(raw); {
		n := bytes.IndexByte(raw[at:], '\n')
		if n < 0 {
			return 0
		}
		line := raw[at : at+n]
		at += n + 1
		if len(bytes.TrimRight(line, "\r")) == 0 {
			return at
		}
	}
	return 0
}
