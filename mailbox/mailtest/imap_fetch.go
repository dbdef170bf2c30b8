package mailtest

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"

	"github.com/postroom-go/postroom/internal/mailmime"
	"github.com/postroom-go/postroom/internal/memstore"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/charset"
)

// Fetch implements imapserver.Session. It holds no lock while it writes.
func (s *imapSession) Fetch(w *imapserver.FetchWriter, set imap.NumSet, o *imap.FetchOptions) error {
	v := s.view
	if s.host.opts.IMAP == IMAPBare && len(o.BinarySection)+len(o.BinarySectionSize) > 0 {
		return &imap.Error{Type: imap.StatusResponseTypeBad, Text: "unknown FETCH item"}
	}
	if snap := v.folder.Snapshot(); snap.Deleted || snap.Epoch != v.epoch {
		return s.alive(errEpochOver)
	}
	at := v.indexes(set, s.saved)
	marked := !v.readOnly && marksSeen(o)
	if marked {
		add := func(old []string) []string { return slices.Concat(old, []string{string(mailbox.FlagSeen)}) }
		if _, err := v.folder.SetFlags(v.epoch, v.uids(at), add); err != nil {
			return s.alive(err)
		}
	}
	for _, i := range at {
		rw := w.CreateMessage(uint32(i + 1))
		if flags := v.messages[i].Flags(); o.Flags || marked && !slices.Equal(flags, v.told[i]) {
			v.told[i] = flags
			rw.WriteFlags(imapFlags(flags))
		}
		err := writeMessage(rw, v.messages[i], o)
		// Without a Close imapserver would wait for itself for ever.
		if cerr := s.closeMessage(rw, uint32(i+1), v.messages[i], o); err == nil {
			err = cerr
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// marksSeen reports whether a FETCH sets \Seen: any body without PEEK does.
func marksSeen(o *imap.FetchOptions) bool {
	return slices.ContainsFunc(o.BodySection, func(b *imap.FetchItemBodySection) bool { return !b.Peek }) ||
		slices.ContainsFunc(o.BinarySection, func(b *imap.FetchItemBinarySection) bool { return !b.Peek })
}

// closeMessage ends a FETCH response, with the decoded sections at its end:
// imapserver writes them without the origin that belongs to a piece (RFC 3516
// section 4.3).
func (s *imapSession) closeMessage(rw *imapserver.FetchResponseWriter, num uint32, m *memstore.Message, o *imap.FetchOptions) error {
	if len(o.BinarySection) == 0 {
		return rw.Close()
	}
	var items []byte
	for _, item := range o.BinarySection {
		b := partial(binarySection(m, item.Part), item.Partial)
		items = fmt.Appendf(items, " BINARY[%s]", partID(item.Part))
		if item.Partial != nil {
			items = fmt.Appendf(items, "<%d>", item.Partial.Offset)
		}
		items = append(fmt.Appendf(items, " ~{%d}\r\n", len(b)), b...)
	}
	return s.front.insert(items, fmt.Sprintf("* %d FETCH (", num), rw.Close)
}

// writeMessage writes all but the flags and the decoded sections.
func writeMessage(rw *imapserver.FetchResponseWriter, m *memstore.Message, o *imap.FetchOptions) error {
	if o.UID {
		rw.WriteUID(imap.UID(m.UID))
	}
	if o.InternalDate {
		rw.WriteInternalDate(m.Received)
	}
	if o.RFC822Size {
		rw.WriteRFC822Size(m.Size())
	}
	if o.Envelope {
		rw.WriteEnvelope(imapEnvelope(mailmime.ParseHeader(m.Header(), nil)))
	}
	if o.BodyStructure != nil {
		rw.WriteBodyStructure(imapStructure(m.Structure(charset.NewReader)))
	}
	for _, item := range o.BodySection {
		b := bodySection(m, item)
		if err := writeLiteral(rw.WriteBodySection(item, int64(len(b))), b); err != nil {
			return err
		}
	}
	for _, item := range o.BinarySectionSize {
		rw.WriteBinarySectionSize(item, uint32(len(binarySection(m, item.Part))))
	}
	return nil
}

func writeLiteral(w io.WriteCloser, b []byte) error {
	_, err := w.Write(b)
	if cerr := w.Close(); err == nil {
		err = cerr
	}
	return err
}

// partID writes a part's number with dots.
func partID(part []int) string {
	s := make([]string, len(part))
	for i, n := range part {
		s[i] = strconv.Itoa(n)
	}
	return strings.Join(s, ".")
}

// bodySection gives the octets of BODY[...]; none for a part that is not there.
func bodySection(m *memstore.Message, item *imap.FetchItemBodySection) []byte {
	whole := m.Raw()
	if len(item.Part) > 0 {
		if item.Specifier == imap.PartSpecifierMIME {
			return imapserver.ExtractBodySection(bytes.NewReader(whole), item)
		}
		id := partID(item.Part)
		if item.Specifier != imap.PartSpecifierNone && !holdsMessage(m, id) {
			return nil
		}
		var err error
		if whole, err = m.Part(id, false); err != nil {
			return nil
		}
	}
	n := memstore.HeaderLen(whole)
	switch item.Specifier {
	case imap.PartSpecifierHeader:
		whole = headerFields(whole[:n], item)
	case imap.PartSpecifierText:
		whole = whole[n:]
	case imap.PartSpecifierMIME:
		return nil
	}
	return partial(whole, item.Partial)
}

// holdsMessage reports whether a part is a message, which has a header of its
// own.
func holdsMessage(m *memstore.Message, id string) bool {
	p := findPart(m.Structure(charset.NewReader), id)
	return p != nil && strings.HasPrefix(p.Type, "message/") && len(p.Parts) > 0
}

func findPart(p *mailmime.Part, id string) *mailmime.Part {
	if p == nil || p.ID == id {
		return p
	}
	for _, c := range p.Parts {
		if q := findPart(c, id); q != nil {
			return q
		}
	}
	return nil
}

// headerFields picks the fields that HEADER.FIELDS or HEADER.FIELDS.NOT names.
func headerFields(header []byte, item *imap.FetchItemBodySection) []byte {
	if len(item.HeaderFields)+len(item.HeaderFieldsNot) == 0 {
		return header
	}
	named := func(list []string, line []byte) bool {
		name, _, _ := bytes.Cut(line, []byte(":"))
		name = bytes.TrimSpace(name)
		return slices.ContainsFunc(list, func(want string) bool { return strings.EqualFold(want, string(name)) })
	}
	var picked []byte
	keep := false
	for line := range bytes.Lines(header) {
		switch {
		case len(bytes.TrimRight(line, "\r\n")) == 0:
			continue
		case line[0] != ' ' && line[0] != '\t':
			keep = len(item.HeaderFields) > 0 && named(item.HeaderFields, line) ||
				len(item.HeaderFieldsNot) > 0 && !named(item.HeaderFieldsNot, line)
		}
		if keep {
			picked = append(picked, line...)
		}
	}
	return append(picked, "\r\n"...)
}

// partial cuts out what <offset.size> names.
func partial(b []byte, p *imap.SectionPartial) []byte {
	if p == nil {
		return b
	}
	from := min(max(p.Offset, 0), int64(len(b)))
	return b[from : from+min(max(p.Size, 0), int64(len(b))-from)]
}

// binarySection gives a part decoded; none for one that is not there.
func binarySection(m *memstore.Message, part []int) []byte {
	if len(part) == 0 {
		return m.Raw()
	}
	b, err := m.Part(partID(part), true)
	if err != nil {
		return nil
	}
	return b
}
