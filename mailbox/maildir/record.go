package maildir

import (
	"encoding/binary"
	"errors"
	"maps"
	"net/mail"
	"slices"

	"time"

	"github.com/postroom-go/postroom/mailbox"
)

// A record of the index says what a file held that had this name, size and time
// of modification. All numbers are varints, all texts have their length before
// them.

const (
	// maxRecord is the most octets of a record. A structure that does not fit
	// is not kept.
	maxRecord = 1 << 20
	// maxNesting is how deep the parts of a record may be nested; package
	// mailmime stops at 100.
	maxNesting = 256
)

// What a record holds.
const (
	hasEnvelope = 1 << iota
	hasStructure
)

// fingerprint is what must agree with the file.
type fingerprint struct {
	size  int64
	mtime int64 // in nanoseconds
}

// appendRecord writes a record behind b; nothing if it would be too long.
func appendRecord(b []byte, base string, fp fingerprint, d *description) []byte {
	r, ok := recordOf(b, base, fp, d)
	if !ok && d.structure != nil {
		r, ok = recordOf(b, base, fp, &description{envelope: d.envelope, envDefects: d.envDefects})
	}
	if !ok {
		return b
	}
	return r
}

func recordOf(b []byte, base string, fp fingerprint, d *description) ([]byte, bool) {
	w := recordWriter{b: b}
	w.text(base)
	w.int(fp.size)
	w.int(fp.mtime)
	var has int64
	if d.envelope != nil {
		has |= hasEnvelope
	}
	if d.structure != nil {
		has |= hasStructure
	}
	w.int(has)
	if d.envelope != nil {
		w.envelope(d.envelope)
		w.defects(d.envDefects)
	}
	if d.structure != nil {
		w.part(d.structure, 0)
		w.defects(d.strDefects)
	}
	return w.b, !w.deep && len(w.b)-len(b) <= maxRecord
}

// recordWriter writes the fields of a record.
type recordWriter struct {
	b    []byte
	deep bool
}

func (w *recordWriter) int(n int64)   { w.b = binary.AppendVarint(w.b, n) }
func (w *recordWriter) text(s string) { w.int(int64(len(s))); w.b = append(w.b, s...) }

func (w *recordWriter) flag(on bool) {
	var b byte
	if on {
		b = 1
	}
	w.b = append(w.b, b)
}

func (w *recordWriter) texts(all []string) {
	w.int(int64(len(all)))
	for _, s := range all {
		w.text(s)
	}
}

func (w *recordWriter) defects(all []mailbox.Defect) {
	w.int(int64(len(all)))
	for _, d := range all {
		w.text(string(d))
	}
}

func (w *recordWriter) date(t time.Time) {
	w.flag(!t.IsZero())
	if t.IsZero() {
		return
	}
	w.int(t.Unix())
	w.int(int64(t.Nanosecond()))
	w.flag(t.Location() == time.UTC)
	_, offset := t.Zone()
	w.int(int64(offset))
}

func (w *recordWriter) addresses(all []mail.Address) {
	w.int(int64(len(all)))
	for _, a := range all {
		w.text(a.Name)
		w.text(a.Address)
	}
}

func (w *recordWriter) envelope(e *mailbox.Envelope) {
	w.date(e.Date)
	w.text(e.Subject)
	w.addresses(e.From)
	for _, other := range [][]mail.Address{e.Sender, e.ReplyTo} {
		same := slices.Equal(other, e.From) // as in nearly all messages
		if w.flag(same); !same {
			w.addresses(other)
		}
	}
	w.addresses(e.To)
	w.addresses(e.Cc)
	w.addresses(e.Bcc)
	w.text(e.MessageID)
	w.texts(e.InReplyTo)
}

func (w *recordWriter) params(m map[string]string) {
	w.int(int64(len(m)))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		w.text(k)
		w.text(m[k])
	}
}

func (w *recordWriter) part(p *mailbox.Part, depth int) {
	if w.deep = w.deep || depth > maxNesting; w.deep || len(w.b) > 2*maxRecord {
		return
	}
	for _, s := range []string{p.ID, p.Type, p.Disposition, p.Encoding, p.ContentID, p.Description, p.Location, p.MD5} {
		w.text(s)
	}
	w.int(p.Size)
	w.int(p.Lines)
	w.params(p.Params)
	w.params(p.DispositionParams)
	w.texts(p.Language)
	if w.flag(p.Envelope != nil); p.Envelope != nil {
		w.envelope(p.Envelope)
	}
	w.int(int64(len(p.Parts)))
	for _, c := range p.Parts {
		w.part(c, depth+1)
	}
}

var errRecord = errors.New("a damaged record")

// recordBase reads the beginning of a record.
func recordBase(record []byte) (string, error) {
	n, k := binary.Varint(record)
	if k <= 0 || n < 0 || n > maxName || n > int64(len(record)-k) {
		return "", errRecord
	}
	return string(record[k : k+int(n)]), nil
}

// parseRecord reads a record. Its strings share one copy of it.
func parseRecord(record []byte) (base string, fp fingerprint, d *description, err error) {
	r := recordReader{s: string(record)}
	base = r.text()
	fp.size, fp.mtime = r.int(), r.int()
	has := r.int()
	d = &description{}
	if has&hasEnvelope != 0 {
		d.envelope = r.envelope()
		d.envDefects = r.defects()
	}
	if has&hasStructure != 0 {
		d.structure = r.part(0)
		d.strDefects = r.defects()
	}
	if r.bad || r.s != "" {
		return "", fp, nil, errRecord
	}
	return base, fp, d, nil
}

// recordReader reads the fields of a record. After the first fault all it gives
// is zero.
type recordReader struct {
	s   string
	bad bool
}

func (r *recordReader) fail() {
	r.s, r.bad = "", true
}

func (r *recordReader) int() int64 {
	var b [binary.MaxVarintLen64]byte
	n, k := binary.Varint(b[:copy(b[:], r.s)])
	if k <= 0 {
		r.fail()
		return 0
	}
	r.s = r.s[k:]
	return n
}

// length reads how many there are of something that has at least one octet.
func (r *recordReader) length() int {
	n := r.int()
	if n < 0 || n > int64(len(r.s)) {
		r.fail()
		return 0
	}
	return int(n)
}

func (r *recordReader) text() string {
	n := r.length()
	s := r.s[:n]
	r.s = r.s[n:]
	return s
}

func (r *recordReader) flag() bool {
	if r.s == "" || r.s[0] > 1 {
		r.fail()
		return false
	}
	on := r.s[0] == 1
	r.s = r.s[1:]
	return on
}

func (r *recordReader) texts() []string {
	var all []string
	for n := r.length(); n > 0 && !r.bad; n-- {
		all = append(all, r.text())
	}
	return all
}

func (r *recordReader) defects() []mailbox.Defect {
	var all []mailbox.Defect
	for n := r.length(); n > 0 && !r.bad; n-- {
		all = append(all, mailbox.Defect(r.text()))
	}
	return all
}

func (r *recordReader) date() time.Time {
	if !r.flag() {
		return time.Time{}
	}
	sec, nsec := r.int(), r.int()
	utc, offset := r.flag(), r.int()
	if nsec < 0 || nsec >= 1e9 || offset < -90_000 || offset > 90_000 {
		r.fail()
	}
	switch {
	case r.bad:
		return time.Time{}
	case utc:
		return time.Unix(sec, nsec).UTC()
	}
	return time.Unix(sec, nsec).In(time.FixedZone("", int(offset)))
}

func (r *recordReader) addresses() []mail.Address {
	n := r.length()
	if n == 0 {
		return nil
	}
	all := make([]mail.Address, 0, min(n, 8))
	for ; n > 0 && !r.bad; n-- {
		all = append(all, mail.Address{Name: r.text(), Address: r.text()})
	}
	return all
}

func (r *recordReader) envelope() *mailbox.Envelope {
	e := &mailbox.Envelope{Date: r.date(), Subject: r.text(), From: r.addresses()}
	for _, other := range []*[]mail.Address{&e.Sender, &e.ReplyTo} {
		if r.flag() {
			*other = slices.Clone(e.From)
		} else {
			*other = r.addresses()
		}
	}
	e.To, e.Cc, e.Bcc = r.addresses(), r.addresses(), r.addresses()
	e.MessageID, e.InReplyTo = r.text(), r.texts()
	return e
}

func (r *recordReader) params() map[string]string {
	n := r.length()
	if n == 0 {
		return nil
	}
	m := map[string]string{}
	for ; n > 0 && !r.bad; n-- {
		k := r.text()
		m[k] = r.text()
	}
	return m
}

func (r *recordReader) part(depth int) *mailbox.Part {
	if depth > maxNesting {
		r.fail()
	}
	p := &mailbox.Part{}
	for _, s := range []*string{&p.ID, &p.Type, &p.Disposition, &p.Encoding, &p.ContentID, &p.Description, &p.Location, &p.MD5} {
		*s = r.text()
	}
	p.Size, p.Lines = r.int(), r.int()
	p.Params, p.DispositionParams = r.params(), r.params()
	p.Language = r.texts()
	if r.flag() {
		p.Envelope = r.envelope()
	}
	for n := r.length(); n > 0 && !r.bad; n-- {
		p.Parts = append(p.Parts, r.part(depth+1))
	}
	return p
}
