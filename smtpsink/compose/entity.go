package compose

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// entity is a MIME entity (RFC 2045 section 2.4): its Content fields, and its
// body in pieces.
type entity struct {
	header string
	body   []segment
	closed bool // the body is known to end in CRLF
	eight  bool // it has octets above 127
}

// content makes the entity that holds everything: mixed with the attachments,
// alternative with text, HTML and invitation, related with the pictures.
func (b *builder) content() (entity, error) {
	m := b.m
	var versions []entity
	if m.Text != "" || m.HTML == "" && m.Calendar == nil && len(m.Attachments) == 0 {
		text, err := b.text()
		if err != nil {
			return entity{}, err
		}
		versions = append(versions, text)
	}
	switch {
	case m.HTML != "":
		html, err := b.html()
		if err != nil {
			return entity{}, err
		}
		versions = append(versions, html)
	case len(m.Inline) > 0:
		return entity{}, invalid("Inline", "needs HTML that shows it: use Attachments")
	}
	if m.Calendar != nil {
		calendar, err := b.calendar()
		if err != nil {
			return entity{}, err
		}
		versions = append(versions, calendar)
	}
	var parts []entity
	switch len(versions) {
	case 0:
	case 1:
		parts = versions
	default:
		parts = []entity{b.multipart("alternative", nil, versions)}
	}
	for i := range m.Attachments {
		part, err := b.attachment(&m.Attachments[i], fmt.Sprintf("Attachments[%d]", i), "attachment")
		if err != nil {
			return entity{}, err
		}
		parts = append(parts, part)
	}
	if len(m.Attachments) == 0 {
		return parts[0], nil
	}
	return b.multipart("mixed", nil, parts), nil
}

func (b *builder) text() (entity, error) {
	if !utf8.ValidString(b.m.Text) {
		return entity{}, invalid("Text", "is not UTF-8")
	}
	text := canonical(b.m.Text)
	var params []param
	if b.m.Flowed {
		text = flow(text)
		params = []param{{name: "format", value: "flowed"}}
	}
	return b.leaf("text/plain", params, []byte(text)), nil
}

func (b *builder) html() (entity, error) {
	m := b.m
	if !utf8.ValidString(m.HTML) {
		return entity{}, invalid("HTML", "is not UTF-8")
	}
	html := b.leaf("text/html", nil, []byte(canonical(m.HTML)))
	if len(m.Inline) == 0 {
		return html, nil
	}
	parts := []entity{html}
	seen := map[string]bool{}
	for i := range m.Inline {
		a := &m.Inline[i]
		field := fmt.Sprintf("Inline[%d]", i)
		switch {
		case a.ContentID == "":
			return entity{}, invalid(field+".ContentID", "is empty: HTML shows the part by it, as src=\"cid:...\"")
		case seen[a.ContentID]:
			return entity{}, invalid(field+".ContentID", "is that of another part, too")
		}
		seen[a.ContentID] = true
		part, err := b.attachment(a, field, "inline")
		if err != nil {
			return entity{}, err
		}
		parts = append(parts, part)
	}
	return b.multipart("related", []param{{name: "type", value: "text/html"}}, parts), nil
}

func (b *builder) calendar() (entity, error) {
	c := b.m.Calendar
	method := strings.ToUpper(c.Method)
	switch {
	case !isToken(method):
		return entity{}, invalid("Calendar.Method", "is no method: REQUEST, REPLY, CANCEL or another of RFC 5546")
	case !utf8.ValidString(c.Content):
		return entity{}, invalid("Calendar.Content", "is not UTF-8")
	}
	// RFC 6047 section 2.4: the two must be the same.
	text := canonical(c.Content)
	if !strings.Contains(strings.ToUpper(crlf+text), crlf+"METHOD:"+method+crlf) {
		return entity{}, invalid("Calendar.Content", "has no line METHOD:"+method)
	}
	return b.leaf("text/calendar", []param{{name: "method", value: method}}, []byte(text)), nil
}

// leaf makes a part of text that has CRLF line ends.
func (b *builder) leaf(mediaType string, params []param, text []byte) entity {
	charset := "us-ascii"
	if !isASCII(text) {
		charset = "utf-8"
	}
	careful := b.m.Protect != nil
	encoding := encodingOf(text, careful)
	encoded := encodeText(text, encoding, careful)
	var f fields
	f.media("Content-Type", mediaType, append([]param{{name: "charset", value: charset}}, params...))
	f.words("Content-Transfer-Encoding", []string{encoding})
	return entity{
		header: f.String(),
		body:   []segment{{text: encoded}},
		closed: bytes.HasSuffix(encoded, []byte(crlf)),
	}
}

// multipart puts parts together. No content has the boundary in it: nobody who
// wrote it could know what is random here, and "=_" is in no encoded line.
func (b *builder) multipart(subtype string, params []param, parts []entity) entity {
	boundary := "=_" + b.seed + "_" + subtype[:3]
	var f fields
	f.media("Content-Type", "multipart/"+subtype, append([]param{{name: "boundary", value: boundary}}, params...))
	e := entity{closed: true}
	for i, part := range parts {
		e.eight = e.eight || part.eight
		delimiter := "--" + boundary + crlf
		if i > 0 {
			delimiter = crlf + delimiter
		}
		e.body = append(e.body, segment{text: []byte(delimiter + part.header + crlf)})
		e.body = append(e.body, part.body...)
	}
	e.body = append(e.body, segment{text: []byte(crlf + "--" + boundary + "--" + crlf)})
	if e.eight { // what holds such a part must say so, too (RFC 2045 section 6.4)
		f.words("Content-Transfer-Encoding", []string{eightBit})
	}
	e.header = f.String()
	return e
}

// attachment makes a part of a file.
func (b *builder) attachment(a *Attachment, field, disposition string) (entity, error) {
	name := filename(a.Name)
	mediaType, params, err := mediaType(field+".Type", a.Type, name)
	if err != nil {
		return entity{}, err
	}
	if err := checkText(field+".Description", a.Description); err != nil {
		return entity{}, err
	}
	if a.ContentID != "" {
		if err := checkID(field+".ContentID", a.ContentID); err != nil {
			return entity{}, err
		}
	}
	src, err := b.source(a, field)
	if err != nil {
		return entity{}, err
	}
	piece := segment{src: src, encoding: base64Encoding}
	switch {
	case strings.HasPrefix(mediaType, "message/"):
		if mediaType, params, err = b.message(mediaType, params, &piece); err != nil {
			return entity{}, err
		}
	case a.Data != nil && strings.HasPrefix(mediaType, "text/"):
		params = b.textFile(params, a.Data, &piece)
	}
	named, fallback := nameParams(name)
	if slices.ContainsFunc(params, func(p param) bool { return p.name == "name" }) {
		fallback = nil
	}
	var f fields
	f.media("Content-Type", mediaType, append(params, fallback...))
	f.words("Content-Transfer-Encoding", []string{piece.encoding})
	f.media("Content-Disposition", disposition, named)
	if a.ContentID != "" {
		f.ids("Content-ID", []string{a.ContentID})
	}
	if strings.TrimSpace(a.Description) != "" {
		f.text("Content-Description", a.Description)
	}
	return entity{header: f.String(), body: []segment{piece}, eight: piece.encoding == eightBit}, nil
}

// textFile gives a text in memory its charset, and an encoding smaller than
// base64 if it arrives unchanged in that.
func (b *builder) textFile(params []param, data []byte, piece *segment) []param {
	known := false
	for _, p := range params {
		known = known || p.name == "charset"
	}
	if !known && utf8.Valid(data) {
		charset := "us-ascii"
		if !isASCII(data) {
			charset = "utf-8"
		}
		params = append(params, param{name: "charset", value: charset})
	}
	// A file is to arrive as it is, and git's patches begin with "From ". 7bit
	// needs no copy, and one of a large file would take the memory of it once more.
	if encoding := encodingOf(data, true); encoding == sevenBit || encoding == quotedPrintable && len(data) <= 1<<20 {
		*piece = segment{text: encodeText(data, encoding, true), encoding: encoding}
	}
	return params
}

// message looks at an attached message, which must not be encoded (RFC 2046
// section 5.2.1). One that cannot be sent as lines goes as a file.
func (b *builder) message(mediaType string, params []param, piece *segment) (string, []param, error) {
	r := &reader{ctx: b.ctx, segments: []segment{{src: piece.src, encoding: base64Encoding}}, learn: true}
	if err := r.next(); err != nil {
		return "", nil, err
	}
	defer r.Close()
	var f facts
	if _, err := io.Copy(&f, r.src); err != nil {
		return "", nil, fmt.Errorf("%s: %w", piece.src.name, err)
	}
	f.end()
	switch {
	case f.bareCR || f.nul || f.longest > maxLine,
		f.eight && !strings.EqualFold(mediaType, "message/rfc822"), b.m.Protect != nil && (f.eight || f.fragile):
		return octetStream, nil, nil
	case f.eight:
		piece.encoding = eightBit
	default:
		piece.encoding = sevenBit
	}
	piece.src.wire = f.size + f.bareLF
	return mediaType, params, nil
}
