package imapwire

import (
	"bytes"
	"math"
	"strconv"
	"strings"

	"github.com/postroom-go/postroom/internal/mailmime"
	"github.com/postroom-go/postroom/mailbox"
)

// maxStructure is how deep parts may nest, whatever Limits.Depth says.
const maxStructure = 100

// BodyStructure decodes a BODYSTRUCTURE or BODY (RFC 9051 section 7.5.2); cs
// may be nil. It reads what servers get wrong as far as it goes, and names it in
// the defects. The error is ErrMalformed, if v is no structure at all.
func BodyStructure(v Value, cs mailbox.CharsetReader) (*mailbox.Part, []mailbox.Defect, error) {
	if v.Kind() != ListKind || v.Len() == 0 {
		return nil, nil, malformed("a structure that is no list")
	}
	r := structureReader{cs: cs}
	p := r.part(v, "", true, 0)
	if p == nil {
		return nil, r.defects, malformed("a structure that cannot be read")
	}
	return p, r.defects, nil
}

type structureReader struct {
	cs      mailbox.CharsetReader
	defects []mailbox.Defect
}

// defect notes what was wrong, once.
func (r *structureReader) defect(s string) {
	d := mailbox.Defect("structure: " + s)
	for _, have := range r.defects {
		if have == d {
			return
		}
	}
	r.defects = append(r.defects, d)
}

// part decodes one part. whole means that it is a whole message, whose number
// is that of the part around it, prefix, or none.
func (r *structureReader) part(v Value, prefix string, whole bool, depth int) *mailbox.Part {
	if v.Kind() != ListKind || depth > maxStructure {
		r.defect("a part is missing")
		return nil
	}
	f := fieldsOf(v)
	first := f.peek()
	if first.Kind() == ListKind || first.IsNil() && isMultipartSubtype(f.ahead()) {
		id := prefix
		if whole {
			id = ""
		}
		return r.multipart(f, id, prefix, depth)
	}
	id := prefix
	if whole {
		id = below(prefix, 1)
	}
	return r.single(f, id, depth)
}

// below is the number of the n-th part of a message or multipart.
func below(prefix string, n int) string {
	if prefix == "" {
		return strconv.Itoa(n)
	}
	return prefix + "." + strconv.Itoa(n)
}

// isMultipartSubtype tells a multipart without parts, (NIL "mixed"), from a
// part without type.
func isMultipartSubtype(v Value) bool {
	switch strings.ToLower(v.String()) {
	case "mixed", "alternative", "related", "digest", "report", "signed", "encrypted", "parallel", "form-data":
		return true
	}
	return false
}

func (r *structureReader) multipart(f fields, id, prefix string, depth int) *mailbox.Part {
	p := &mailbox.Part{ID: id}
	for n := 1; f.more() && f.peek().Kind() != StringKind; n++ {
		child := f.take()
		if child.Kind() == AtomKind {
			r.defect("odd multipart")
			continue
		}
		if q := r.part(child, below(prefix, n), false, depth+1); q != nil {
			p.Parts = append(p.Parts, q)
		}
	}
	if len(p.Parts) == 0 {
		r.defect("a multipart without parts")
	}
	p.Type = "multipart/" + r.word(f.take(), "mixed")
	p.Params = r.params(f.take())
	r.extension(p, &f)
	return p
}

func (r *structureReader) single(f fields, id string, depth int) *mailbox.Part {
	p := &mailbox.Part{ID: id}
	major, minor := f.take(), f.take()
	if major.IsNil() || minor.IsNil() || minor.Kind() == ListKind {
		r.defect("no media type")
		p.Type = "application/octet-stream"
	} else {
		p.Type = r.word(major, "application") + "/" + r.word(minor, "octet-stream")
	}
	p.Params = r.params(f.take())
	p.ContentID = messageID(f.take().String())
	p.Description = mailmime.DecodeHeader(f.take().String(), r.cs)
	p.Encoding = r.word(f.take(), "")
	p.Size = r.size(f.take(), "no size")
	switch {
	case p.Type == "message/rfc822" || p.Type == "message/global":
		r.message(p, &f, id, depth)
	case strings.HasPrefix(p.Type, "text/"):
		r.lines(p, &f)
	}
	if !f.disposition() {
		p.MD5 = clean(f.take())
	}
	r.extension(p, &f)
	return p
}

// message decodes what only a message/rfc822 part has. Some servers leave it
// out.
func (r *structureReader) message(p *mailbox.Part, f *fields, id string, depth int) {
	if f.peek().Kind() != ListKind || f.ahead().Kind() != ListKind && !f.ahead().IsNil() || f.disposition() && !f.envelope() {
		r.defect("nothing on the message inside")
		return
	}
	env, _ := Envelope(f.take(), r.cs)
	p.Envelope = env
	if inside := f.take(); !inside.IsNil() {
		if q := r.part(inside, id, true, depth+1); q != nil {
			p.Parts = []*mailbox.Part{q}
		}
	}
	r.lines(p, f)
}

// lines takes the number of lines, if it is there.
func (r *structureReader) lines(p *mailbox.Part, f *fields) {
	if n, ok := f.peek().Number(); ok && f.peek().Kind() == AtomKind {
		f.take()
		p.Lines = int64(min(n, math.MaxInt64))
		return
	}
	r.defect("no number of lines")
	if v := f.peek(); v.Kind() == AtomKind || v.IsNil() && f.left() > 4 {
		f.take() // something stands in its place
	}
}

func (r *structureReader) size(v Value, what string) int64 {
	n, ok := v.Number()
	if !ok || n > math.MaxInt64 {
		r.defect(what)
		return 0
	}
	return int64(n)
}

// extension decodes disposition, language and location.
func (r *structureReader) extension(p *mailbox.Part, f *fields) {
	switch v := f.take(); v.Kind() {
	case ListKind:
		p.Disposition = strings.ToLower(clean(v.At(0)))
		p.DispositionParams = r.params(v.At(1))
	case StringKind, AtomKind: // "inline" instead of ("inline" NIL)
		r.defect("odd disposition")
		p.Disposition = strings.ToLower(clean(v))
	}
	switch v := f.take(); v.Kind() {
	case ListKind:
		for e := range v.All() {
			p.Language = append(p.Language, clean(e))
		}
	case StringKind, AtomKind:
		p.Language = []string{clean(v)}
	}
	p.Location = clean(f.take())
}

// params decodes a list of names and values. NIL values are empty, and a name
// without a value is left out.
func (r *structureReader) params(v Value) map[string]string {
	if v.Kind() != ListKind {
		if !v.IsNil() {
			r.defect("odd parameters")
		}
		return nil
	}
	var few [4][2]string
	pairs, name, named := few[:0], "", false
	for e, ok := v.first(); ok; e, ok = v.after(e) {
		if !named {
			name, named = e.String(), true
			continue
		}
		pairs, named = append(pairs, [2]string{name, e.String()}), false
	}
	if named {
		r.defect("odd parameters")
	}
	return mailmime.DecodeParams(pairs, r.cs)
}

// word gives a media type, subtype or encoding in lower case.
func (r *structureReader) word(v Value, missing string) string {
	switch b := v.Bytes(); { // the usual ones, without allocations
	case len(b) == 0:
		return missing
	case bytes.EqualFold(b, []byte("text")):
		return "text"
	case bytes.EqualFold(b, []byte("plain")):
		return "plain"
	case bytes.EqualFold(b, []byte("html")):
		return "html"
	case bytes.EqualFold(b, []byte("7bit")):
		return "7bit"
	case bytes.EqualFold(b, []byte("base64")):
		return "base64"
	case bytes.EqualFold(b, []byte("quoted-printable")):
		return "quoted-printable"
	}
	if s := strings.ToLower(clean(v)); s != "" {
		return s
	}
	return missing
}

// clean gives a string without what cannot be shown, and without space around.
func clean(v Value) string {
	b := bytes.TrimSpace(v.Bytes())
	if isPlain(b) {
		return string(b)
	}
	return strings.TrimSpace(mailmime.Printable(string(b), maxText))
}
