package mailtest

import (
	"mime"
	"net/mail"
	"net/url"
	"strings"

	"github.com/emersion/go-imap/v2"

	"github.com/postroom-go/postroom/internal/mailmime"
	"github.com/postroom-go/postroom/mailbox/charset"
)

// imapEnvelope tells what a header says. Text in ASCII is passed on as it is,
// encoded words included, as servers do.
func imapEnvelope(h *mailmime.Header) *imap.Envelope {
	date, _ := mailmime.ParseDate(h.Get("Date"))
	e := &imap.Envelope{
		Date:      date,
		Subject:   headerText(h.Get("Subject")),
		From:      imapAddresses(h, "From"),
		Sender:    imapAddresses(h, "Sender"),
		ReplyTo:   imapAddresses(h, "Reply-To"),
		To:        imapAddresses(h, "To"),
		Cc:        imapAddresses(h, "Cc"),
		Bcc:       imapAddresses(h, "Bcc"),
		InReplyTo: mailmime.ParseMsgIDs(h.Get("In-Reply-To")),
	}
	if ids := mailmime.ParseMsgIDs(h.Get("Message-ID")); len(ids) > 0 {
		e.MessageID = ids[0]
	}
	return e
}

// headerText unfolds a value, and decodes it if it is not ASCII: imapserver
// encodes it again.
func headerText(raw string) string {
	for i := range len(raw) {
		if raw[i] >= 0x80 {
			return mailmime.DecodeHeader(raw, charset.NewReader)
		}
	}
	if strings.ContainsAny(raw, "\r\n\x00") {
		return strings.NewReplacer("\r", "", "\n", "", "\x00", "").Replace(raw)
	}
	return raw
}

func imapAddresses(h *mailmime.Header, name string) []imap.Address {
	var all []imap.Address
	for _, v := range h.Values(name) {
		list, _ := mailmime.ParseAddressList(v, charset.NewReader, nil)
		for _, a := range list {
			all = append(all, imapAddress(a))
		}
	}
	return all
}

// imapAddress splits an address. One that could not be parsed has a name only.
func imapAddress(a mail.Address) imap.Address {
	i := strings.LastIndexByte(a.Address, '@')
	if i < 0 {
		return imap.Address{Name: a.Name, Mailbox: a.Address}
	}
	return imap.Address{Name: a.Name, Mailbox: a.Address[:i], Host: a.Address[i+1:]}
}

// imapStructure tells the tree of parts. What IMAP cannot say is told as the
// nearest that it can: an empty multipart has an empty part.
func imapStructure(p *mailmime.Part) imap.BodyStructure {
	if p == nil {
		p = &mailmime.Part{Type: "text/plain"}
	}
	if sub, ok := strings.CutPrefix(p.Type, "multipart/"); ok {
		return imapMultipart(p, sub)
	}
	main, sub, ok := strings.Cut(p.Type, "/")
	if !ok || main == "message" && sub == "rfc822" && len(p.Parts) == 0 {
		main, sub = "application", "octet-stream"
	}
	bs := &imap.BodyStructureSinglePart{
		Type: main, Subtype: sub, Params: imapParams(p.Params),
		Description: mime.QEncoding.Encode("utf-8", p.Description),
		Encoding:    p.Encoding, Size: uint32(p.Size),
		Extended: &imap.BodyStructureSinglePartExt{
			Disposition: imapDisposition(p), Language: p.Language, Location: p.Location,
		},
	}
	if p.ContentID != "" {
		bs.ID = "<" + p.ContentID + ">"
	}
	switch {
	case main == "text":
		bs.Text = &imap.BodyStructureText{NumLines: p.Lines}
	case main == "message" && sub == "rfc822":
		bs.MessageRFC822 = &imap.BodyStructureMessageRFC822{
			Envelope: imapEnvelope(p.Header), BodyStructure: imapStructure(p.Parts[0]), NumLines: p.Lines,
		}
	}
	return bs
}

func imapMultipart(p *mailmime.Part, sub string) imap.BodyStructure {
	bs := &imap.BodyStructureMultiPart{
		Subtype: sub,
		Extended: &imap.BodyStructureMultiPartExt{
			Params: imapParams(p.Params), Disposition: imapDisposition(p), Language: p.Language, Location: p.Location,
		},
	}
	for _, c := range p.Parts {
		bs.Children = append(bs.Children, imapStructure(c))
	}
	if len(bs.Children) == 0 {
		bs.Children = []imap.BodyStructure{imapStructure(nil)}
	}
	return bs
}

func imapDisposition(p *mailmime.Part) *imap.BodyStructureDisposition {
	if p.Disposition == "" {
		return nil
	}
	return &imap.BodyStructureDisposition{Value: p.Disposition, Params: imapParams(p.DispositionParams)}
}

// imapParams writes parameters that are not ASCII as RFC 2231 has it.
func imapParams(params map[string]string) map[string]string {
	out := make(map[string]string, len(params))
	for k, v := range params {
		if strings.ContainsFunc(v, func(r rune) bool { return r < ' ' || r > '~' }) {
			k, v = k+"*", "UTF-8''"+strings.ReplaceAll(url.QueryEscape(v), "+", "%20")
		}
		out[k] = v
	}
	return out
}
