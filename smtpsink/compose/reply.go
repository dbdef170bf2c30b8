package compose

import (
	"context"
	"fmt"
	"net/mail"
	"slices"
	"strings"

	"github.com/postroom-go/postroom/mailbox"
)

// DefaultQuote is how many octets of text an answer quotes if ReplyOptions.MaxQuote
// is 0, and a forwarded message holds if ForwardOptions.MaxText is 0: 256 KiB.
const DefaultQuote = 256 << 10

// ReplyOptions are the options of Reply. Nil and zero answer the author alone, and
// quote the text.
type ReplyOptions struct {
	// Self are the addresses of whoever answers. The one that the message was
	// sent to becomes From, or the first if it was none; without any, From is
	// to be set. No answer goes to them, unless there is nobody else. One of
	// them with a tag behind a plus, "ann+shop@example.org", is theirs, too
	// (RFC 5233 section 1).
	Self []mail.Address
	// All answers to all who got the message, too.
	All bool
	// List answers to the mailing list that it came by (RFC 2369), and to
	// nobody else; mailbox.ErrNotFound if it came by none. All has no effect.
	List bool
	// Text is the answer. It stands above what is quoted.
	Text string
	// HTML makes an HTML version of the answer, too, with the original's HTML
	// quoted and the pictures that it shows as Message.Inline: these are read
	// when the message is, and mb must stay open until then.
	HTML bool
	// NoQuote leaves the original's text out, and does not read it.
	NoQuote bool
	// MaxQuote is how many octets of it are quoted at most; 0 is DefaultQuote.
	// A line "[...]" stands where it was cut. HTML that is more than four times
	// as long is quoted as text.
	MaxQuote int
	// Attribution is the line above the quotation; nil is "On <date>, <name>
	// wrote:". What it is given holds no control characters.
	Attribution func(*mailbox.Envelope) string
	// Charset decodes the original; nil asks mb, as mailbox.CharsetDecoder.
	Charset mailbox.CharsetReader
}

// Reply makes the answer to a message: to Mail-Followup-To, Reply-To or From, with
// In-Reply-To and References (RFC 5322 section 3.6.4), one "Re: ", and the text
// quoted: text/plain, or made of text/html. It reads the header, and the text if
// that is quoted, with its HTML if that is asked for; it marks nothing as seen or
// answered. Addresses that could not be sent to are left out; if none is left it is
// mailbox.ErrNotFound. opts may be nil.
//
// Everything in the Message can be changed before it is prepared.
func Reply(ctx context.Context, mb mailbox.Mailbox, id mailbox.ID, opts *ReplyOptions) (*Message, error) {
	if opts == nil {
		opts = &ReplyOptions{}
	}
	m, err := reply(ctx, mb, id, opts)
	if err != nil {
		return nil, &mailbox.Error{Op: "reply", Folder: id.Folder(), ID: id, Err: err}
	}
	return m, nil
}

func reply(ctx context.Context, mb mailbox.Mailbox, id mailbox.ID, opts *ReplyOptions) (*Message, error) {
	o, err := openOriginal(ctx, mb, id, opts.Charset)
	if err != nil {
		return nil, err
	}
	m := &Message{Subject: answerSubject(o.env.Subject), References: o.references()}
	if o.env.MessageID != "" {
		m.InReplyTo = []string{o.env.MessageID}
	}
	if from, ok := o.self(opts.Self); ok {
		m.From = []mail.Address{from}
	}
	if m.To, m.Cc = o.recipients(opts); len(m.To) == 0 {
		if opts.List {
			return nil, fmt.Errorf("the message names no mailing list to answer to: %w", mailbox.ErrNotFound)
		}
		return nil, fmt.Errorf("the message has no address to answer to: %w", mailbox.ErrNotFound)
	}
	m.Text = canonicalLF(opts.Text)
	if opts.HTML {
		m.HTML = textMarkup(m.Text)
	}
	if opts.NoQuote {
		return m, nil
	}
	return m, o.quote(m, opts)
}

func canonicalLF(s string) string { return strings.ReplaceAll(canonical(s), crlf, "\n") }

// self gives the address that the answer comes from.
func (o *original) self(self []mail.Address) (mail.Address, bool) {
	own := ownAddresses(self)
	for _, to := range slices.Concat(o.env.To, o.env.Cc, o.addresses("Delivered-To"), o.env.From) {
		if s, ok := own.find(to.Address); ok {
			return s, true
		}
	}
	if len(self) == 0 {
		return mail.Address{}, false
	}
	return self[0], true
}

// recipients gives who gets the answer.
func (o *original) recipients(opts *ReplyOptions) (to, cc []mail.Address) {
	own, seen := ownAddresses(opts.Self), map[string]bool{}
	fresh := func(list []mail.Address) []mail.Address {
		var kept []mail.Address
		for _, a := range list {
			key := addressKey(a.Address)
			if _, mine := own.find(a.Address); !mine && !seen[key] {
				seen[key] = true
				kept = append(kept, a)
			}
		}
		return kept
	}
	if opts.List {
		return o.listPost(), nil
	}
	if opts.All {
		// One that names nobody but oneself says nothing.
		if to = fresh(o.addresses("Mail-Followup-To")); len(to) > 0 {
			return to, nil
		}
	}
	author := o.addresses("Reply-To")
	to = fresh(author)
	if len(author) == 0 {
		author = o.env.From
	}
	if len(to) == 0 {
		to = fresh(o.env.From)
	}
	if len(to) == 0 && len(author) > 0 {
		// It is one's own: the answer goes to whom it went.
		to = fresh(o.env.To)
	}
	if opts.All {
		cc = fresh(slices.Concat(o.env.To, o.env.Cc))
		if len(to) == 0 {
			to, cc = cc, nil
		}
	}
	if len(to) == 0 {
		to = author // there is nobody but oneself
	}
	return to, cc
}

// listPost gives the address of the mailing list (RFC 2369 section 3.4).
func (o *original) listPost() []mail.Address {
	for part := range strings.SplitSeq(o.header.Get("List-Post"), "<") {
		uri, _, ok := strings.Cut(part, ">")
		if !ok || len(uri) < 8 || !strings.EqualFold(uri[:7], "mailto:") {
			continue
		}
		address, _, _ := strings.Cut(uri[7:], "?")
		if list := usable([]mail.Address{{Address: unescape(address)}}); len(list) > 0 {
			return list
		}
	}
	return nil
}

// quote puts the attribution and the original's text behind "> " below m's, and into
// its HTML as a quotation with the pictures that are shown there.
func (o *original) quote(m *Message, opts *ReplyOptions) error {
	root, err := mailbox.Structure(o.ctx, o.mb, o.id)
	if err != nil {
		return err
	}
	c, err := o.content(root, orDefault(opts.MaxQuote), opts.HTML)
	if c == nil || err != nil {
		return err
	}
	attribution := attribute(o.env)
	if opts.Attribution != nil {
		attribution = opts.Attribution(o.env)
	}
	if c.whole {
		c.text = withoutSignature(c.text)
	} else {
		c.text = strings.TrimRight(c.text, " \n") + "\n[...]"
	}
	if m.Text != "" {
		m.Text = strings.TrimRight(m.Text, "\n") + "\n\n"
	}
	m.Text += attribution + "\n\n" + quoteText(c.text)
	if !opts.HTML {
		return nil
	}
	if c.html == "" {
		c.html = textMarkup(c.text)
	}
	if m.HTML != "" {
		m.HTML += "<br>\n"
	}
	m.HTML += textMarkup(attribution) + `<blockquote type="cite" style="margin:0 0 0 0.8ex;border-left:1px solid #ccc;padding-left:1ex">` +
		"\n" + c.html + "</blockquote>\n"
	for part := range leaves(root) {
		if len(m.Inline) < maxForwarded && c.shows(part) {
			m.Inline = append(m.Inline, o.picture(part))
		}
	}
	return nil
}

func orDefault(n int) int {
	if n <= 0 {
		return DefaultQuote
	}
	return n
}

// attribute is the usual line above a quotation.
func attribute(e *mailbox.Envelope) string {
	who := "somebody"
	if len(e.From) > 0 {
		who = person(e.From[0])
	}
	if e.Date.IsZero() {
		return who + " wrote:"
	}
	return "On " + e.Date.Format("Mon, 2 Jan 2006 at 15:04 -0700") + ", " + who + " wrote:"
}

// withoutSignature leaves out the signature (RFC 3676 section 4.3).
func withoutSignature(text string) string {
	if i := strings.LastIndex("\n"+text, "\n-- \n"); i >= 0 {
		return text[:i]
	}
	return text
}

// quoteText puts "> " before each line.
func quoteText(text string) string {
	text = strings.TrimRight(text, " \n")
	var b strings.Builder
	for line := range strings.SplitSeq(text, "\n") {
		b.WriteByte('>')
		if line = strings.TrimRight(line, " \t"); line != "" && line[0] != '>' {
			b.WriteByte(' ')
		}
		b.WriteString(line)
		b.WriteByte('\n')
	}
	return b.String()
}
