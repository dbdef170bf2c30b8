package compose

import (
	"context"
	"fmt"
	"io"
	"net/mail"
	"net/url"
	"slices"
	"strings"

	"github.com/postroom-go/postroom/mailbox"
)

// maxForwarded is how many parts Forward takes over one by one: each may cost a
// round trip.
const maxForwarded = 1000

// ForwardOptions are the options of Forward. Nil and zero forward inline.
type ForwardOptions struct {
	// Self are the addresses of whoever forwards it: see ReplyOptions.Self.
	Self []mail.Address
	// Text stands above the forwarded message.
	Text string
	// Attach forwards the message as it is, as an attachment (message/rfc822):
	// nothing of it is lost but Bcc fields, which the copy of a message of one's
	// own has. Else its text is quoted, and what else it holds becomes
	// attachments; its formatting (HTML) is left out.
	Attach bool
	// MaxText is how many octets of text are taken inline; 0 is DefaultQuote.
	// A longer text is an attachment as well.
	MaxText int
	// Charset decodes the original; nil asks mb, as mailbox.CharsetDecoder.
	Charset mailbox.CharsetReader
}

// Forward makes a message that passes on another. Recipients are the caller's to
// set. Attachments are streamed out of mb when the message is read: mb must stay
// open until then. Where mb cannot give a part alone (mailbox.Caps.Parts), as with
// POP3, each costs the download of the whole message: Attach costs one. A message
// with more than 1,000 parts to take over is mailbox.ErrTooLarge: attach it. opts
// may be nil.
func Forward(ctx context.Context, mb mailbox.Mailbox, id mailbox.ID, opts *ForwardOptions) (*Message, error) {
	if opts == nil {
		opts = &ForwardOptions{}
	}
	m, err := forward(ctx, mb, id, opts)
	if err != nil {
		return nil, &mailbox.Error{Op: "forward", Folder: id.Folder(), ID: id, Err: err}
	}
	return m, nil
}

func forward(ctx context.Context, mb mailbox.Mailbox, id mailbox.ID, opts *ForwardOptions) (*Message, error) {
	o, err := openOriginal(ctx, mb, id, opts.Charset)
	if err != nil {
		return nil, err
	}
	m := &Message{Subject: forwardSubject(o.env.Subject), References: o.references(), Text: canonicalLF(opts.Text)}
	if from, ok := o.self(opts.Self); ok {
		m.From = []mail.Address{from}
	}
	if opts.Attach {
		m.Attachments = []Attachment{o.whole()}
		return m, nil
	}
	return m, o.inline(m, orDefault(opts.MaxText))
}

// whole is the original as an attachment.
func (o *original) whole() Attachment {
	name := strings.Map(func(r rune) rune {
		if strings.ContainsRune(`/\:*?"<>|`, r) {
			return '_'
		}
		return r
	}, cut(o.env.Subject, 100))
	if name == "" {
		name = "message"
	}
	mb, id := o.mb, o.id
	return Attachment{
		Name: name + ".eml", Type: "message/rfc822",
		Open: func(ctx context.Context) (io.ReadCloser, error) {
			r, err := mb.Open(ctx, id, nil)
			if err != nil {
				return nil, err
			}
			return newWithoutBcc(r), nil
		},
	}
}

// inline puts the original's text below m's, and what else it has beside it.
func (o *original) inline(m *Message, limit int) error {
	root, err := mailbox.Structure(o.ctx, o.mb, o.id)
	if err != nil {
		return err
	}
	if m.Text != "" {
		m.Text = strings.TrimRight(m.Text, "\n") + "\n\n"
	}
	m.Text += o.block()
	text := root.Text()
	whole := true
	if text != nil {
		var s string
		if s, whole, err = o.text(text, limit); err != nil {
			return err
		}
		m.Text += s
		if !strings.HasSuffix(m.Text, "\n") {
			m.Text += "\n"
		}
		if !whole {
			m.Text += "[...]\n"
		}
	}
	versions := htmlVersions(root, text)
	for part := range leaves(root) {
		if part == text && whole || versions[part] {
			continue
		}
		if len(m.Attachments) == maxForwarded {
			return fmt.Errorf("the message has more than %d parts: forward it as an attachment: %w", maxForwarded, mailbox.ErrTooLarge)
		}
		m.Attachments = append(m.Attachments, o.part(part))
	}
	return nil
}

// block is what stands above a forwarded text.
func (o *original) block() string {
	e := o.env
	var b strings.Builder
	b.WriteString("---------- Forwarded message ----------\n")
	line := func(name, value string) {
		if value != "" {
			b.WriteString(name + ": " + value + "\n")
		}
	}
	line("From", people(e.From))
	if !e.Date.IsZero() {
		line("Date", e.Date.Format("Mon, 2 Jan 2006 15:04:05 -0700"))
	}
	line("Subject", e.Subject)
	line("To", people(e.To))
	line("Cc", people(e.Cc))
	b.WriteString("\n")
	return b.String()
}

// leaves yields the parts that have a body, an attached message as one.
func leaves(p *mailbox.Part) func(yield func(*mailbox.Part) bool) {
	return func(yield func(*mailbox.Part) bool) { walkLeaves(p, yield) }
}

func walkLeaves(p *mailbox.Part, yield func(*mailbox.Part) bool) bool {
	if p == nil {
		return true
	}
	if !p.Multipart() {
		return yield(p)
	}
	for _, child := range p.Parts {
		if !walkLeaves(child, yield) {
			return false
		}
	}
	return true
}

// htmlVersions gives the parts that say the same as the text that is taken over:
// the HTML of the outermost multipart/alternative that has the text.
func htmlVersions(root, text *mailbox.Part) map[*mailbox.Part]bool {
	versions := map[*mailbox.Part]bool{}
	if text == nil {
		return versions
	}
	for root != text && root.Type != "multipart/alternative" {
		root = root.Parts[slices.IndexFunc(root.Parts, func(p *mailbox.Part) bool { return has(p, text) })]
	}
	for part := range leaves(root) {
		if part != text && part.Type == "text/html" && part.Disposition != "attachment" && part.Filename() == "" {
			versions[part] = true
		}
	}
	return versions
}

// has reports whether a part is the leaf or has it below.
func has(p, leaf *mailbox.Part) bool {
	for q := range leaves(p) {
		if q == leaf {
			return true
		}
	}
	return false
}

// part is one part of the original as an attachment. Its type and name are the
// sender's word; a type that is none is not passed on.
func (o *original) part(p *mailbox.Part) Attachment {
	a := Attachment{Name: p.Filename(), Type: p.Type}
	if _, _, err := mediaType("", a.Type, a.Name); err != nil {
		a.Type = octetStream
	}
	if charset := p.Params["charset"]; strings.HasPrefix(a.Type, "text/") && isToken(charset) && len(charset) < 100 {
		a.Type += "; charset=" + charset
	}
	if a.Name == "" && p.Type == "message/rfc822" {
		a.Name = "message.eml"
	}
	mb, id, number, encoding := o.mb, o.id, p.ID, p.Encoding
	a.Open = func(ctx context.Context) (io.ReadCloser, error) {
		return mailbox.OpenPart(ctx, mb, id, number, &mailbox.OpenPartOptions{Encoding: encoding})
	}
	return a
}

// unescape decodes the percents of a URI; what is none stays.
func unescape(s string) string {
	if plain, err := url.PathUnescape(s); err == nil {
		return plain
	}
	return s
}
