package imapsrc

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/postroom-go/postroom/internal/imapwire"
	"github.com/postroom-go/postroom/internal/spool"
	"github.com/postroom-go/postroom/mailbox"
)

// query asks for one piece of one message.
type query struct {
	section string // as in BODY[section]
	binary  bool   // BINARY instead of BODY
	off, n  int64
	also    string // further items, with a space in front
}

func (q query) items() string {
	name := "BODY.PEEK"
	if q.binary {
		name = "BINARY.PEEK"
	}
	return fmt.Sprintf("(UID%s %s[%s]<%d.%d>)", q.also, name, q.section, q.off, q.n)
}

// piece is what a server tells of a query.
type piece struct {
	found   bool  // the message is there
	there   bool  // and so is the section: it was not NIL
	ignored bool  // the server sent all, whatever was asked for
	astray  bool  // BINARY: it sent something else than was asked for
	size    int64 // RFC822.SIZE; -1 if not told
	len     int64
	data    []byte       // the octets, or
	spool   *spool.Spool // if there are far more than were asked for

	sections map[string][]byte // what was asked for besides
	parts    *mailbox.Part
}

// maxExtra is the most octets of a section that is asked for besides.
const maxExtra = 1 << 20

// ask fetches a piece of the message uid of the selected folder. buf is used if
// it is large enough.
func (s *session) ask(uid uint32, q query, buf []byte) (*piece, error) {
	cmd, err := s.fetch(fmt.Sprint(uid), true, q.items())
	if err != nil {
		return nil, err
	}
	all := &piece{size: -1, sections: map[string][]byte{}}
	for r, err := range each(cmd) {
		if err != nil {
			return nil, s.reason(err, phaseOther)
		}
		if r.Name != "FETCH" {
			continue
		}
		p := &piece{size: -1, sections: map[string][]byte{}}
		got, err := p.read(r, q, buf)
		if err != nil {
			return nil, err
		}
		if got == uid {
			all.merge(p)
			if p.there {
				buf = nil // it is in use
			}
		} else if p.spool != nil {
			_ = p.spool.Close()
		}
	}
	return all, nil
}

// read takes in one FETCH response and gives its UID, which may stand behind
// the body.
func (p *piece) read(r *imapwire.Response, q query, buf []byte) (uid uint32, err error) {
	for {
		it, err := r.Item()
		if err == io.EOF || malformed(err) {
			return uid, nil
		}
		if err != nil {
			return uid, err
		}
		switch it.Name {
		case "UID":
			uid, _ = it.Value.UID()
		case "RFC822.SIZE":
			if n, ok := it.Value.Number(); ok && n <= 1<<62 {
				p.size = int64(n)
			}
		case "BODYSTRUCTURE":
			p.parts, _, _ = imapwire.BodyStructure(it.Value, newCharsetReader)
		case "BODY[]", "BINARY[]":
			if err := p.body(it, q, buf); err != nil {
				return uid, err
			}
		}
	}
}

func (p *piece) body(it *imapwire.Item, q query, buf []byte) error {
	if it.Section != strings.ToUpper(q.section) || q.binary != (it.Name == "BINARY[]") {
		if it.Body == nil || it.Name != "BODY[]" {
			return nil
		}
		section, _, _ := strings.Cut(it.Section, " ") // the fields may be spelt otherwise
		data, err := io.ReadAll(io.LimitReader(it.Body, maxExtra))
		p.sections[section] = data
		return err
	}
	if q.binary && (it.Partial != q.off || it.Body != nil && it.Body.Size() > q.n) {
		p.astray = p.astray || it.Body != nil
		return nil
	}
	if it.Partial != q.off && (it.Partial >= 0 || q.off > 0) {
		return &protocolError{"the server sent another piece of the message than was asked for"}
	}
	if it.Body == nil || p.there {
		return nil
	}
	p.there = true
	p.ignored = it.Partial < 0
	p.len = it.Body.Size()
	if p.len > 2*q.n {
		p.spool = spool.New(nil)
		_, err := it.Body.WriteTo(p.spool)
		p.spool.CloseWithError(err)
		return err
	}
	out := bytes.NewBuffer(buf[:0])
	_, err := it.Body.WriteTo(out)
	p.data = out.Bytes()
	return err
}

// merge adds what another response said of the same message.
func (p *piece) merge(q *piece) {
	p.found = true
	p.astray = p.astray || q.astray
	if q.size >= 0 {
		p.size = q.size
	}
	if q.parts != nil {
		p.parts = q.parts
	}
	for k, v := range q.sections {
		p.sections[k] = v
	}
	if q.there && !p.there {
		p.there, p.ignored, p.len, p.data, p.spool = true, q.ignored, q.len, q.data, q.spool
	} else if q.spool != nil {
		_ = q.spool.Close()
	}
}
