package compose

import (
	"context"
	"fmt"
	"io"
	"net/mail"
	"net/url"
	"strings"

	"github.com/postroom-go/postroom/internal/mailmime"
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
// set. Attachments and pictures are streamed out of mb when the message is read: mb must stay
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
			return struct {
				io.Reader
				io.Closer
			}{mailmime.WithoutBcc(r), r}, nil
		},
	}
}

// inline puts the original's text below m's, its HTML below the same, and what else
// it has beside it.
func (o *original) inline(m *Message, limit int) error {
	root, err := mailbox.Structure(o.ctx, o.mb, o.id)
	if err != nil {
		return err
	}
	c, err := o.content(root, limit, true)
	if err != nil {
		return err
	}
	if m.Text != "" {
		m.Text = strings.TrimRight(m.Text, "\n") + "\n\n"
	}
	m.Text += o.block()
	if c != nil {
		if c.html != "" {
			m.HTML = textMarkup(m.Text) + "<br>\n" + c.html
		}
		m.Text += c.text
		if !strings.HasSuffix(m.Text, "\n") {
			m.Text += "\n"
		}
		if !c.whole {
			m.Text += "[...]\n"
		}
	}
	for part := range leaves(root) {
		switch {
		case c != nil && c.taken[part]:
			continue
		case len(m.Attachments)+len(m.Inline) == maxForwarded:
			return fmt.Errorf("the message has more than %d parts: forward it as an attachment: %w", maxForwarded, mailbox.ErrTooLarge)
		case c.shows(part):
			m.Inline = append(m.Inline, o.picture(part))
		default:
			m.Attachments = append(m.Attachments, o.part(part))
		}
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

// picture is a part that the HTML shows.
func (o *original) picture(p *mailbox.Part) Attachment {
	a := o.part(p)
	a.ContentID = p.ContentID
	return a
}

// unescape decodes the percents of a URI; what is none stays.
func unescape(s string) string {
	if plain, err := url.PathUnescape(s); err == nil {
		return plain
	}
	return s
}
