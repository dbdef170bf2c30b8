package mailbox

import (
	"errors"
	"io"
	"net/mail"
	"slices"
	"strings"

	"github.com/postroom-go/postroom/internal/mailmime"
)

// CharsetReader converts text in a named charset to UTF-8; charset.NewReader of
// package mailbox/charset is one. Nil knows UTF-8, US-ASCII, ISO-8859-1 and
// windows-1252.
type CharsetReader = func(label string, r io.Reader) (io.Reader, error)

// CharsetDecoder is implemented by drivers that know more charsets than the
// standard library; the functions of this package that must parse a message
// themselves ask it.
type CharsetDecoder interface {
	CharsetReader(label string, r io.Reader) (io.Reader, error)
}

func charsetsOf(mb Mailbox) CharsetReader {
	if d, ok := mb.(CharsetDecoder); ok {
		return d.CharsetReader
	}
	return nil
}

// ParseEnvelope reads the envelope out of a message's header section, decoding
// with cs, which may be nil. What cannot be read stays zero and is named in the
// defects. Drivers use it where the server does not tell envelopes.
func ParseEnvelope(header []byte, cs CharsetReader) (*Envelope, []Defect) {
	h := mailmime.ParseHeader(header, nil)
	e, defects := envelopeOf(h, cs)
	return e, append(defectsOf(h.Defects), defects...)
}

// maxAddresses is how many addresses of one kind an envelope holds.
const maxAddresses = 10_000

func envelopeOf(h *mailmime.Header, cs CharsetReader) (*Envelope, []Defect) {
	var defects []Defect
	list := func(name string) []mail.Address {
		var all []mail.Address
		good := true
		for _, v := range h.Values(name) {
			a, ok := mailmime.ParseAddressList(v, cs, nil)
			room := min(len(a), maxAddresses-len(all))
			good = good && ok && room == len(a)
			all = append(all, a[:room]...)
		}
		if !good {
			defects = append(defects, Defect("bad-address: "+strings.ToLower(name)))
		}
		return all
	}
	e := &Envelope{
		Subject:   mailmime.DecodeHeader(h.Get("Subject"), cs),
		From:      list("From"),
		Sender:    list("Sender"),
		ReplyTo:   list("Reply-To"),
		To:        list("To"),
		Cc:        list("Cc"),
		Bcc:       list("Bcc"),
		InReplyTo: mailmime.ParseMsgIDs(h.Get("In-Reply-To")),
	}
	if len(e.Sender) == 0 {
		e.Sender = slices.Clone(e.From)
	}
	if len(e.ReplyTo) == 0 {
		e.ReplyTo = slices.Clone(e.From)
	}
	if raw := h.Get("Message-ID"); raw != "" {
		if ids := mailmime.ParseMsgIDs(raw); len(ids) > 0 {
			e.MessageID = ids[0]
		} else {
			defects = append(defects, "bad-message-id")
		}
	}
	if raw := h.Get("Date"); raw != "" {
		date, ok := mailmime.ParseDate(raw)
		if !ok {
			defects = append(defects, "bad-date")
		}
		e.Date = date
	}
	return e, defects
}

// ReadStructure reads a whole message from r and gives the tree of its parts,
// decoding with cs, which may be nil. Memory does not grow with the size of
// bodies. What is broken is read as far as it goes and named in the defects;
// the error is r's own.
func ReadStructure(r io.Reader, cs CharsetReader) (*Part, []Defect, error) {
	p, defects, err := mailmime.ReadStructure(r, cs, nil)
	if err != nil {
		return nil, nil, err
	}
	all := defectsOf(defects)
	root := partOf(p, cs, &all)
	return root, all, nil
}

// partOf adds the defects of the envelopes inside to defects, each once.
func partOf(p *mailmime.Part, cs CharsetReader, defects *[]Defect) *Part {
	q := &Part{
		ID: p.ID, Type: p.Type, Params: p.Params,
		Disposition: p.Disposition, DispositionParams: p.DispositionParams,
		Encoding: p.Encoding, Size: p.Size, Lines: p.Lines,
		ContentID: p.ContentID, Description: p.Description,
		Language: p.Language, Location: p.Location, MD5: p.MD5,
	}
	if p.Header != nil {
		e, bad := envelopeOf(p.Header, cs)
		q.Envelope = e
		for _, d := range bad {
			if d = "message inside: " + d; !slices.Contains(*defects, d) {
				*defects = append(*defects, d)
			}
		}
	}
	for _, c := range p.Parts {
		q.Parts = append(q.Parts, partOf(c, cs, defects))
	}
	return q
}

// partReader reads one part's body out of a whole message.
func partReader(raw io.Reader, part string, opts *OpenPartOptions) (io.Reader, error) {
	body, encoding, err := mailmime.OpenLeaf(raw, part, nil)
	switch {
	case errors.Is(err, mailmime.ErrNoPart):
		return nil, ErrNotFound
	case err != nil:
		return nil, err
	case opts.Encoded:
		return body, nil
	}
	return mailmime.NewTransferDecoder(encoding, body), nil
}

func defectsOf(all []string) []Defect {
	var d []Defect
	for _, s := range all {
		d = append(d, Defect(s))
	}
	return d
}
