package imapwire

import (
	"bytes"
	"net/mail"
	"strings"

	"github.com/postroom-go/postroom/internal/mailmime"
	"github.com/postroom-go/postroom/mailbox"
)

// Envelope decodes an ENVELOPE (RFC 9051 section 7.5.2) to UTF-8; cs may be
// nil. Fields that are NIL, missing or odd stay zero, and the odd ones are named
// in the defects. It gives nil if v is no envelope at all.
func Envelope(v Value, cs mailbox.CharsetReader) (*mailbox.Envelope, []mailbox.Defect) {
	if v.Kind() != ListKind {
		return nil, []mailbox.Defect{"envelope: unparsable"}
	}
	r := &v.t.envelope
	r.reset()
	f := r.fields(v)
	r.add(f.date.Bytes(), asIs, nil)
	r.add(f.subject.Bytes(), asText, cs)
	for i, list := range f.people {
		r.people(i, list, cs)
	}
	r.add(f.inReplyTo.Bytes(), asIs, nil)
	r.add(f.messageID.Bytes(), asIs, nil)
	return r.envelope(), r.defects()
}

// peopleFields are the fields that hold addresses, in their order.
var peopleFields = [...]string{"from", "sender", "reply-to", "to", "cc", "bcc"}

// envelopeReader collects the text of a whole envelope, so that it costs one
// allocation and not one for each string. It is used again and again.
type envelopeReader struct {
	text   []byte
	spans  []span
	counts [len(peopleFields)]int // of addresses
	// What was wrong.
	oddFields, badDate bool
	badPeople          [len(peopleFields)]bool
}

func (r *envelopeReader) reset() {
	text, spans := r.text[:0], r.spans[:0]
	if cap(text) > bufferSize {
		text, spans = nil, nil
	}
	*r = envelopeReader{text: text, spans: spans}
}

func (r *envelopeReader) defects() []mailbox.Defect {
	var all []mailbox.Defect
	if r.oddFields {
		all = append(all, "envelope: wrong number of fields")
	}
	for i, bad := range r.badPeople {
		if bad {
			all = append(all, mailbox.Defect("bad-address: "+peopleFields[i]))
		}
	}
	if r.badDate {
		all = append(all, "bad-date")
	}
	return all
}

// span is one string in envelopeReader.text.
type span struct{ from, to int }

type envelopeFields struct {
	date, subject, inReplyTo, messageID Value
	people                              [len(peopleFields)]Value
}

// fields sorts the fields of an envelope. If there are fewer than ten, as some
// servers send, the lists of addresses are those between the first two and the
// last two.
func (r *envelopeReader) fields(v Value) envelopeFields {
	var all [10]Value
	n := 0
	for e, ok := v.first(); ok; e, ok = v.after(e) {
		if n < len(all) {
			all[n] = e
		}
		n++
	}
	r.oddFields = n != len(all)
	f := envelopeFields{date: all[0], subject: all[1]}
	last := min(n, len(all))
	if last < len(all) && last >= 4 {
		f.inReplyTo, f.messageID = all[last-2], all[last-1]
		copy(f.people[:], all[2:last-2])
		return f
	}
	copy(f.people[:], all[2:8])
	f.inReplyTo, f.messageID = all[8], all[9]
	return f
}

// How add writes a string.
const (
	asIs      = iota
	asText    // decoded
	asAddress // not decoded: an encoded word must not become another address
)

// add appends a string.
func (r *envelopeReader) add(b []byte, how int, cs mailbox.CharsetReader) {
	from := len(r.text)
	r.write(b, how, cs)
	r.spans = append(r.spans, span{from, len(r.text)})
}

func (r *envelopeReader) write(b []byte, how int, cs mailbox.CharsetReader) {
	switch {
	case how == asIs || isPlain(b) && how == asAddress:
		r.text = append(r.text, b...)
	case isPlain(b):
		r.text = append(r.text, bytes.Trim(b, " ")...)
	case how == asText:
		r.text = append(r.text, mailmime.DecodeHeader(string(b), cs)...)
	default:
		r.text = append(r.text, mailmime.Printable(string(b), maxText)...)
	}
}

// isPlain reports whether b is printable ASCII without encoded words.
func isPlain(b []byte) bool {
	for i, c := range b {
		if c < ' ' || c >= 0x7f || c == '?' && i > 0 && b[i-1] == '=' {
			return false
		}
	}
	return true
}

// people adds the addresses of one field. The markers of groups are left out: a
// start has no domain, an end nothing at all.
func (r *envelopeReader) people(field int, list Value, cs mailbox.CharsetReader) {
	var group Value // a start that nothing has followed
	bad := list.Kind() != ListKind && !list.IsNil()
	for e, ok := list.first(); ok; e, ok = list.after(e) {
		name, mbox, host := address(e)
		switch {
		case e.Kind() != ListKind:
			bad = bad || !e.IsNil()
		case host.IsNil() && mbox.IsNil():
			group = Value{}
		case host.IsNil() && name.IsNil():
			group = mbox
		default:
			bad = !r.person(field, name, mbox, host, cs) || bad
			group = Value{}
		}
	}
	if !group.IsNil() { // it was no group, but an address without a domain
		r.person(field, group, Value{}, Value{}, cs)
		bad = true
	}
	r.badPeople[field] = bad
}

func address(e Value) (name, mbox, host Value) {
	i := 0
	for f, ok := e.first(); ok; f, ok = e.after(f) {
		switch i {
		case 0:
			name = f
		case 2:
			mbox = f
		case 3:
			host = f
		}
		i++
	}
	return name, mbox, host
}

// person adds one address. Without mailbox or domain it is not one, and its
// text goes into the name.
func (r *envelopeReader) person(field int, name, mbox, host Value, cs mailbox.CharsetReader) (ok bool) {
	r.counts[field]++
	ok = !isMissing(mbox) && !isMissing(host)
	if !ok && name.IsNil() {
		name = mbox
	}
	r.add(name.Bytes(), asText, cs)
	from := len(r.text)
	if ok {
		r.write(mbox.Bytes(), asAddress, nil)
		r.text = append(r.text, '@')
		r.write(host.Bytes(), asAddress, nil)
	}
	r.spans = append(r.spans, span{from, len(r.text)})
	return ok
}

// isMissing reports whether a server has put v where there was nothing:
// Dovecot's MISSING_DOMAIN, UW's .MISSING-HOST-NAME. and the like.
func isMissing(v Value) bool {
	b := v.Bytes()
	return len(b) == 0 || bytes.HasPrefix(b, []byte("MISSING_")) || bytes.HasPrefix(b, []byte(".MISSING-")) ||
		bytes.HasPrefix(b, []byte(".SYNTAX-ERROR"))
}

// envelope makes the envelope of what was collected.
func (r *envelopeReader) envelope() *mailbox.Envelope {
	text, spans := string(r.text), r.spans
	next := func() string {
		s := spans[0]
		spans = spans[1:]
		return text[s.from:s.to]
	}
	date := next()
	e := &mailbox.Envelope{Subject: next()}
	all := make([]mail.Address, 0, (len(r.spans)-4)/2)
	var lists [len(peopleFields)][]mail.Address
	for i, n := range r.counts {
		from := len(all)
		for range n {
			all = append(all, mail.Address{Name: next(), Address: next()})
		}
		if n > 0 {
			lists[i] = all[from:len(all):len(all)]
		}
	}
	e.From, e.Sender, e.ReplyTo, e.To, e.Cc, e.Bcc = lists[0], lists[1], lists[2], lists[3], lists[4], lists[5]
	if e.Sender == nil {
		e.Sender = e.From
	}
	if e.ReplyTo == nil {
		e.ReplyTo = e.From
	}
	if reply := next(); reply != "" {
		e.InReplyTo = mailmime.ParseMsgIDs(reply)
	}
	e.MessageID = messageID(next())
	if strings.TrimSpace(date) != "" {
		var ok bool
		e.Date, ok = parseDate(date)
		r.badDate = !ok
	}
	return e
}

// messageID gives a message's ID without its angle brackets.
func messageID(s string) string {
	if n := len(s); n > 2 && s[0] == '<' && s[n-1] == '>' && isPlain([]byte(s)) && !strings.ContainsAny(s[1:n-1], "<> \"\\(") {
		return s[1 : n-1]
	}
	if ids := mailmime.ParseMsgIDs(s); len(ids) > 0 {
		return ids[0]
	}
	return ""
}
