package mailbox

import (
	"iter"
	"strings"

	"github.com/postroom-go/postroom/internal/mailmime"
)

// Part is one MIME part of a message: a leaf that can be opened, or a container
// of others. Text is decoded to UTF-8.
type Part struct {
	// ID is the part's number as in IMAP (RFC 9051 section 6.4.5): "1", "2.1".
	// A multipart that is a whole message, or the whole message inside a
	// message/rfc822 part, has no number and "".
	ID string
	// Type is the media type in lower case, such as "text/plain".
	Type string
	// Params are the parameters of the content type, keys in lower case:
	// charset, boundary, name.
	Params map[string]string
	// Disposition is "inline", "attachment" or another word in lower case;
	// empty if the part has none.
	Disposition string
	// DispositionParams are its parameters: filename, size.
	DispositionParams map[string]string
	// Encoding is the transfer encoding in lower case; empty means 7bit.
	Encoding string
	// Size is the body's size in octets as it is stored, still encoded. Lines
	// is its number of lines, told for text and message/rfc822 only.
	Size, Lines int64
	// ContentID is without angle brackets.
	ContentID, Description string
	// Language, Location and MD5 are as in the header.
	Language []string
	Location string
	MD5      string
	// Parts are the children: of a multipart, its parts; of message/rfc822,
	// the one root of the message inside.
	Parts []*Part
	// Envelope is that of the message inside a message/rfc822 part.
	Envelope *Envelope
}

// All yields p and everything below it, parents before children. A nil part
// yields nothing.
func (p *Part) All() iter.Seq[*Part] {
	return func(yield func(*Part) bool) { p.walk(yield) }
}

func (p *Part) walk(yield func(*Part) bool) bool {
	if p == nil {
		return true
	}
	if !yield(p) {
		return false
	}
	for _, c := range p.Parts {
		if !c.walk(yield) {
			return false
		}
	}
	return true
}

// Find gives the part with that ID, or nil. The ID "" is p itself.
func (p *Part) Find(id string) *Part {
	if id == "" {
		return p
	}
	for q := range p.All() {
		if q.ID == id {
			return q
		}
	}
	return nil
}

// Multipart reports whether p is a container of parts and has no body to open.
func (p *Part) Multipart() bool { return strings.HasPrefix(p.Type, "multipart/") }

// Filename is the name that the sender gave the part, decoded (RFC 2231 and RFC
// 2047), or "". It is the sender's word and may hold anything: use SafeName to
// make a file.
func (p *Part) Filename() string {
	if n := p.DispositionParams["filename"]; n != "" {
		return n
	}
	return p.Params["name"]
}

// SafeName is Filename as a name for a file in one directory: no directory, no
// control or direction characters, no name that a system reserves, at most 200
// octets, never empty. Create it with O_EXCL all the same.
func (p *Part) SafeName() string { return mailmime.SafeName(p.Filename()) }

// Attachments gives the leaves below p that a mail program lists as
// attachments: those with the disposition attachment, or one that nobody knows
// (RFC 2183 section 2.8), text with a file name, and whatever else is no text,
// but for pictures and the like that are shown inside of the text. A
// message/rfc822 part is one attachment; what is inside is not looked at.
func (p *Part) Attachments() []*Part {
	if p == nil {
		return nil
	}
	if !p.Multipart() {
		if p.attached() {
			return []*Part{p}
		}
		return nil
	}
	var all []*Part
	for _, c := range p.Parts {
		all = append(all, c.Attachments()...)
	}
	return all
}

func (p *Part) attached() bool {
	kind, _, _ := strings.Cut(p.Type, "/")
	switch {
	case p.Disposition != "" && p.Disposition != "inline":
		return true
	case kind == "text":
		return p.Filename() != ""
	case kind == "image", kind == "audio", kind == "video":
		return p.ContentID == "" && (p.Disposition == "" || p.Filename() != "")
	}
	return true
}

// Text gives the leaf that holds the message's text: the first text/plain that
// is no attachment, else the first such text/html, else nil.
func (p *Part) Text() *Part {
	var html *Part
	for q := range p.body() {
		switch {
		case q.attached():
		case q.Type == "text/plain":
			return q
		case q.Type == "text/html" && html == nil:
			html = q
		}
	}
	return html
}

// body yields the leaves of this message, not those of messages inside it.
func (p *Part) body() iter.Seq[*Part] {
	return func(yield func(*Part) bool) { p.walkBody(yield) }
}

func (p *Part) walkBody(yield func(*Part) bool) bool {
	if p == nil {
		return true
	}
	if !p.Multipart() {
		return yield(p)
	}
	for _, c := range p.Parts {
		if !c.walkBody(yield) {
			return false
		}
	}
	return true
}
