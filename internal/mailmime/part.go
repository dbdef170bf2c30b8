package mailmime

import (
	"io"
	"strings"
)

// Defects of a message's structure.
const (
	DefectType       = "content-type: unparsable"
	DefectParams     = "params: malformed or too many"
	DefectNoBoundary = "multipart: no usable boundary"
	DefectNotClosed  = "multipart: final boundary missing"
	DefectNoParts    = "multipart: no parts"
	DefectDepth      = "structure: nested too deeply"
	DefectPartCount  = "structure: too many parts"
	DefectHeaderCut  = "header: ended by a boundary"
)

// Part is one part of a message. Text is decoded to UTF-8 on one line.
type Part struct {
	// ID is the part's number as in IMAP (RFC 9051 section 6.4.5). A multipart
	// that is a whole message has "".
	ID string
	// Type is the media type in lower case.
	Type string
	// Params are its parameters, names in lower case; nil if there are none.
	Params map[string]string
	// Disposition is a word in lower case, "" if there is none.
	Disposition string
	// DispositionParams are its parameters, as Params.
	DispositionParams map[string]string
	// Encoding is the transfer encoding in lower case, "" if none is named.
	Encoding string
	// Size is the size of the body in octets as it is stored; 0 for a
	// multipart. The line break before a boundary is not part of a body.
	Size int64
	// Lines is how many line breaks the body has; told for text and
	// message/rfc822, else 0.
	Lines int64
	// ContentID is without angle brackets.
	ContentID string
	// Description, Language, Location and MD5 are as in the header.
	Description string
	Language    []string
	Location    string
	MD5         string
	// Parts are the children: of a multipart its parts, of message/rfc822 the
	// root of the message inside.
	Parts []*Part
	// Header is that of the message inside message/rfc822.
	Header *Header
}

// ReadStructure reads a message to its end and gives the tree of its parts, and
// the defects of that. It is never nil without an error. The error is r's own;
// the tree then is what came before it. Memory does not depend on the size of
// bodies. cs and lim may be nil.
func ReadStructure(r io.Reader, cs CharsetReader, lim *Limits) (*Part, []string, error) {
	w := newWalker(r, lim)
	w.describe = func(p *Part, e *entity) { w.describePart(p, e, cs) }
	for w.step() {
	}
	return w.root, w.defects, w.err
}

// entity is what a header section says about the body behind it.
type entity struct {
	header   *Header
	kind     kind
	mime     string // the type
	params   [][2]string
	boundary string
	encoding string
}

// kind is what a part can hold.
type kind byte

const (
	leaf kind = iota
	multi
	message
)

// newEntity reads the fields that decide how the body is read. digest says that
// it stands in a multipart/digest.
func newEntity(h *Header, digest bool, maxParams int, d *defects) *entity {
	e := &entity{header: h, mime: "text/plain", encoding: encodingName(h.Get("Content-Transfer-Encoding"))}
	if digest {
		e.mime = "message/rfc822"
	}
	if raw := h.Get("Content-Type"); raw != "" {
		value, params, ok := parseParams(raw, maxParams)
		if !ok {
			d.add(DefectParams)
		}
		e.params = params
		if e.mime = value; !strings.Contains(value, "/") {
			e.mime = "text/plain" // RFC 2045 section 5.2
			d.add(DefectType)
		}
	}
	switch {
	case strings.HasPrefix(e.mime, "multipart/"):
		e.setBoundary(d)
	case e.mime == "message/rfc822", e.mime == "message/global":
		// An encoded message cannot be read as it streams by.
		if e.encoding != "base64" && e.encoding != "quoted-printable" {
			e.kind = message
		}
	}
	return e
}

// maxBoundary is the longest boundary that is looked for. RFC 2046 section 5.1.1
// allows 70 characters.
const maxBoundary = walkBuffer / 2

// setBoundary makes e a multipart, or plain text if its parts cannot be told
// apart.
func (e *entity) setBoundary(d *defects) {
	b := ""
	for _, p := range e.params {
		if p[0] == "boundary" {
			b = p[1]
			break
		}
	}
	if b == "" {
		b = decodeParams(e.params, nil, len(e.params))["boundary"]
	}
	b = strings.TrimRight(strings.NewReplacer("\r", "", "\n", "").Replace(b), " \t")
	if b == "" || len(b) > maxBoundary {
		d.add(DefectNoBoundary)
		e.mime, e.params = "text/plain", nil
		return
	}
	e.kind, e.boundary = multi, b
}

// tooDeep makes a container a leaf.
func (e *entity) tooDeep() {
	if e.kind == multi {
		e.mime, e.params = "application/octet-stream", nil
	}
	e.kind = leaf
}

// describePart fills in what p does not need for being read.
func (w *walker) describePart(p *Part, e *entity, cs CharsetReader) {
	h := e.header
	p.Params = w.keepParams(e.params, cs)
	if raw := h.Get("Content-Disposition"); raw != "" {
		value, params, ok := parseParams(raw, w.lim.Params)
		if !ok {
			w.defects.add(DefectParams)
		}
		p.Disposition, _, _ = strings.Cut(value, "/")
		p.DispositionParams = w.keepParams(params, cs)
	}
	if ids := ParseMsgIDs(h.Get("Content-ID")); len(ids) > 0 {
		p.ContentID = ids[0]
	}
	p.Description = DecodeHeader(h.Get("Content-Description"), cs)
	p.Location = DecodeHeader(h.Get("Content-Location"), cs)
	p.MD5 = encodedToken(h.Get("Content-MD5"))
	p.Language = w.keepLanguages(h.Get("Content-Language"))
}

// maxLanguages is how many language tags are looked at.
const maxLanguages = 100

// languages gives the tags of a Content-Language value (RFC 3282).
func languages(raw string) []string {
	var all []string
	r := paramReader{s: raw}
	for r.space(); r.pos < len(r.s) && len(all) < maxLanguages; r.space() {
		if tag := r.token(); tag != "" {
			all = append(all, tag)
			continue
		}
		r.pos++
	}
	return all
}

// encodedToken gives the base64 word of a Content-MD5 value (RFC 1864).
func encodedToken(raw string) string {
	r := paramReader{s: raw}
	r.space()
	from := r.pos
	for r.pos < len(r.s) && (base64Value[r.s[r.pos]] != noBase64 || r.s[r.pos] == '=') {
		r.pos++
	}
	return r.s[from:r.pos]
}
