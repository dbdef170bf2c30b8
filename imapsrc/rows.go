package imapsrc

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/postroom-go/postroom/internal/imapwire"
	"github.com/postroom-go/postroom/mailbox"
)

// The levels at which a message is asked for: each asks for less of what has
// been known to fail.
const (
	levelAll      = iota // what the caller wants
	levelNoParts         // without BODYSTRUCTURE
	levelHeader          // the header section instead of ENVELOPE
	levelIDOnly          // nothing but the UID
	levels               // how many there are
	maxHeaderRead = 1 << 20
)

// fetchItems are the FETCH items for fields. The UID comes first: what follows
// it may not be readable.
func fetchItems(f mailbox.Fields, level int) string {
	items := []string{"UID"}
	add := func(x mailbox.Fields, item string, worst int) {
		if f.Has(x) && level <= worst {
			items = append(items, item)
		}
	}
	add(mailbox.FieldFlags, "FLAGS", levelHeader)
	add(mailbox.FieldSize, "RFC822.SIZE", levelHeader)
	add(mailbox.FieldReceived, "INTERNALDATE", levelHeader)
	if level == levelHeader {
		add(mailbox.FieldEnvelope, "BODY.PEEK[HEADER]", levelHeader)
	} else {
		add(mailbox.FieldEnvelope, "ENVELOPE", levelNoParts)
	}
	add(mailbox.FieldStructure, "BODYSTRUCTURE", levelAll)
	return "(" + strings.Join(items, " ") + ")"
}

// row is one message of a batch while its answers come in: servers may split
// them, repeat them, and mix in news about flags.
type row struct {
	uid uint32
	sum *mailbox.Summary
	bad bool // an answer could not be parsed
}

// rows are the messages of a batch, in the order of nums.
type rows struct {
	batch
	byUID  bool
	fields mailbox.Fields
	all    []row
}

func newRows(b batch, byUID bool, fields mailbox.Fields) *rows {
	return &rows{batch: b, byUID: byUID, fields: fields, all: make([]row, len(b.nums))}
}

// read takes in the answers to the FETCH of the first of all. A server that
// does several commands at a time (Dovecot) sends answers to the others among
// them: they are kept there. The error is a refusal's or the connection's.
func read(cmd *imapwire.Command, all ...*rows) error {
	for _, rs := range all {
		cmd.Expect(len(rs.nums))
	}
	for {
		r, err := cmd.Next()
		switch {
		case err == io.EOF:
			return nil
		case err != nil && !malformed(err):
			return err
		case r == nil || r.Name != "FETCH":
			continue
		}
		w := row{sum: &mailbox.Summary{}}
		if err := w.read(r, all[0].fields); err != nil {
			return err
		}
		for _, rs := range all {
			if rs.put(r.Num, &w) {
				break // and an answer about another message is dropped
			}
		}
	}
}

// read takes in one FETCH response.
func (w *row) read(r *imapwire.Response, want mailbox.Fields) error {
	for {
		it, err := r.Item()
		switch {
		case err == io.EOF:
			return nil
		case malformed(err):
			w.bad = true
			w.sum.Raw = bytes.Clone(r.Raw())
			return nil
		case err != nil:
			return err
		}
		if err := w.item(it, want); err != nil {
			return err
		}
	}
}

// put adds an answer; false if it is about none of these messages.
func (rs *rows) put(seq uint32, w *row) bool {
	key := w.uid
	if !rs.byUID {
		key = seq
	}
	i, ok := slices.BinarySearch(rs.nums, key)
	if ok {
		rs.all[i].merge(w)
	}
	return ok
}

// merge adds a later answer about the same message.
func (w *row) merge(n *row) {
	if w.sum == nil {
		*w = *n
		return
	}
	if n.uid != 0 && w.uid != 0 && n.uid != w.uid {
		return // about another message under the same number
	}
	if n.uid != 0 {
		w.uid = n.uid
	}
	w.bad = w.bad || n.bad
	s, t := w.sum, n.sum
	if t.Fields.Has(mailbox.FieldFlags) {
		s.Flags = t.Flags
	}
	if t.Fields.Has(mailbox.FieldSize) {
		s.Size = t.Size
	}
	if t.Fields.Has(mailbox.FieldReceived) {
		s.Received = t.Received
	}
	if t.Envelope != nil {
		s.Envelope = t.Envelope
	}
	if t.Structure != nil {
		s.Structure = t.Structure
	}
	if s.Raw == nil {
		s.Raw = t.Raw
	}
	s.Fields |= t.Fields
	s.Defects = append(s.Defects, t.Defects...)
}

// item takes in one item, as far as it was asked for.
func (w *row) item(it *imapwire.Item, want mailbox.Fields) error {
	s := w.sum
	ok, field, defect := true, mailbox.Fields(0), mailbox.Defect("")
	switch it.Name {
	case "UID":
		if uid, ok := it.Value.UID(); ok && w.uid == 0 {
			w.uid = uid
		}
		return nil
	case "FLAGS":
		field, defect = mailbox.FieldFlags, "bad-flags"
		s.Flags, ok = it.Value.Flags()
		s.Flags = slices.DeleteFunc(s.Flags, func(f mailbox.Flag) bool { return f == `\Recent` })
	case "RFC822.SIZE":
		field, defect = mailbox.FieldSize, "bad-size"
		var n uint64
		n, ok = it.Value.Number()
		ok = ok && n <= 1<<62
		if ok {
			s.Size = int64(n)
		}
	case "INTERNALDATE":
		field, defect = mailbox.FieldReceived, "bad-received-date"
		s.Received, ok = it.Value.Time()
	case "ENVELOPE":
		return w.envelope(it)
	case "BODYSTRUCTURE":
		return w.structure(it)
	case "BODY[]":
		return w.header(it)
	default:
		return nil
	}
	switch {
	case !want.Has(field):
	case ok:
		s.Fields |= field
	default:
		s.Defects = append(s.Defects, defect)
	}
	return nil
}

func (w *row) envelope(it *imapwire.Item) error {
	if it.Value.Kind() != imapwire.ListKind {
		w.sum.Defects = append(w.sum.Defects, "envelope: missing")
		w.bad = true
		return nil
	}
	e, defects := imapwire.Envelope(it.Value, newCharsetReader)
	w.sum.Defects = append(w.sum.Defects, defects...)
	if e == nil {
		w.bad = true
		return nil
	}
	w.sum.Envelope = e
	w.sum.Fields |= mailbox.FieldEnvelope
	return nil
}

func (w *row) structure(it *imapwire.Item) error {
	p, defects, err := imapwire.BodyStructure(it.Value, newCharsetReader)
	w.sum.Defects = append(w.sum.Defects, defects...)
	if err != nil || p == nil {
		w.sum.Defects = append(w.sum.Defects, "structure: unparsable")
		return nil
	}
	w.sum.Structure = p
	w.sum.Fields |= mailbox.FieldStructure
	return nil
}

// header reads the envelope out of the header section.
func (w *row) header(it *imapwire.Item) error {
	if it.Body == nil || it.Section != "HEADER" {
		return nil
	}
	header, err := io.ReadAll(io.LimitReader(it.Body, maxHeaderRead))
	if err != nil {
		return err
	}
	e, defects := mailbox.ParseEnvelope(header, newCharsetReader)
	w.sum.Envelope = e
	w.sum.Fields |= mailbox.FieldEnvelope
	w.sum.Defects = append(w.sum.Defects, defects...)
	return nil
}

// refused reports whether err is a NO, or a BAD, without more meaning than that:
// it may be about one message.
func refused(err error) bool {
	var status *StatusError
	return errors.As(err, &status) && status.Kind != "BYE" &&
		(status.sentinel == nil || status.sentinel == mailbox.ErrNotFound || status.Code == "SERVERBUG")
}

// whole reports whether all that was asked for was told, or is known to be
// unreadable.
func (w *row) whole(want mailbox.Fields) bool {
	if w.sum == nil || w.uid == 0 || w.bad {
		return false
	}
	return w.sum.Fields.Has(want) || len(w.sum.Defects) > 0
}

func (rs *rows) whole() bool {
	for i := range rs.all {
		if !rs.all[i].whole(rs.fields) {
			return false
		}
	}
	return true
}

// pick gives the numbers of the messages for which f holds.
func (rs *rows) pick(f func(*row) bool) []uint32 {
	var nums []uint32
	for i := range rs.all {
		if f(&rs.all[i]) {
			nums = append(nums, rs.nums[i])
		}
	}
	return nums
}

// adopt takes over what a second asking told. What could be read now is good,
// even if it is less than what was wanted; that much is noted as a defect.
func (rs *rows) adopt(again *rows) {
	for i := range again.all {
		n := &again.all[i]
		j, ok := slices.BinarySearch(rs.nums, again.nums[i])
		if !ok || n.sum == nil {
			continue
		}
		w := &rs.all[j]
		w.bad = false
		w.merge(n)
		if again.level > levelAll && !w.bad && w.uid != 0 && !w.sum.Fields.Has(rs.fields) {
			w.sum.Defects = appendNew(w.sum.Defects, lessDefects(again.level)...)
		}
	}
}

// doubt marks messages that exist and of which nothing else is known yet.
func (rs *rows) doubt(nums []uint32) {
	for _, n := range nums {
		if i, ok := slices.BinarySearch(rs.nums, n); ok && rs.all[i].sum != nil {
			rs.all[i].bad = true
			rs.all[i].sum.Defects = nil
		}
	}
}

func lessDefects(level int) []mailbox.Defect {
	switch level {
	case levelNoParts:
		return []mailbox.Defect{"structure: unreadable"}
	case levelHeader:
		return []mailbox.Defect{"envelope: unreadable"}
	}
	return []mailbox.Defect{"summary: unreadable"}
}

func appendNew(all []mailbox.Defect, more ...mailbox.Defect) []mailbox.Defect {
	for _, d := range more {
		if !slices.Contains(all, d) {
			all = append(all, d)
		}
	}
	return all
}
