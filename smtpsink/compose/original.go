package compose

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/mail"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/postroom-go/postroom/internal/mailmime"
	"github.com/postroom-go/postroom/mailbox"
)

const (
	maxOriginalHeader = 1 << 20 // octets of a header that are looked at
	maxReferences     = 50      // message IDs that an answer carries on
	maxName           = 250     // octets of a name that is taken over
	maxSubject        = 900     // octets of a subject that is taken over
)

// original is the message that is answered or forwarded. Anybody can have written
// it: what is taken from it is bounded and cleaned.
type original struct {
	ctx     context.Context
	mb      mailbox.Mailbox
	id      mailbox.ID
	charset mailbox.CharsetReader
	header  *mailmime.Header
	env     *mailbox.Envelope
}

func openOriginal(ctx context.Context, mb mailbox.Mailbox, id mailbox.ID, cs mailbox.CharsetReader) (*original, error) {
	if d, ok := mb.(mailbox.CharsetDecoder); ok && cs == nil {
		cs = d.CharsetReader
	}
	r, err := mb.Open(ctx, id, &mailbox.OpenOptions{HeaderOnly: true})
	if err != nil {
		return nil, err
	}
	defer r.Close()
	raw, err := headerSection(r)
	if err != nil {
		return nil, err
	}
	o := &original{ctx: ctx, mb: mb, id: id, charset: cs, header: mailmime.ParseHeader(raw, nil)}
	o.env, _ = mailbox.ParseEnvelope(raw, cs)
	o.clean()
	return o, nil
}

// headerSection reads a header up to its empty line. A driver may give the body
// behind it, and then that is not read.
func headerSection(r io.Reader) ([]byte, error) {
	br := bufio.NewReader(io.LimitReader(r, maxOriginalHeader))
	var raw []byte
	begun := true // at the beginning of a line
	for {
		line, err := br.ReadSlice('\n')
		raw = append(raw, line...)
		if begun && len(strings.TrimRight(string(line), crlf)) == 0 {
			return raw, ignoreEOF(err)
		}
		begun = err == nil
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return raw, ignoreEOF(err)
		}
	}
}

func ignoreEOF(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}

// clean leaves of the envelope what could be sent.
func (o *original) clean() {
	e := o.env
	e.Subject = cut(mailmime.Printable(e.Subject, 0), maxSubject)
	for _, list := range []*[]mail.Address{&e.From, &e.Sender, &e.ReplyTo, &e.To, &e.Cc, &e.Bcc} {
		*list = usable(*list)
	}
	if checkID("", e.MessageID) != nil {
		e.MessageID = ""
	}
}

// usable leaves out addresses that could not be sent to.
func usable(list []mail.Address) []mail.Address {
	var kept []mail.Address
	for _, a := range list {
		a.Name = strings.TrimSpace(cut(mailmime.Printable(a.Name, 0), maxName))
		if _, err := checkAddress("", a); err == nil {
			kept = append(kept, a)
		}
	}
	return kept
}

// addresses reads a field that mailbox.Envelope does not have.
func (o *original) addresses(name string) []mail.Address {
	raw := o.header.Get(name)
	if raw == "" {
		return nil
	}
	list, _ := mailmime.ParseAddressList(raw, o.charset, nil)
	return usable(list)
}

// references gives the References of an answer: those of the original and its own
// ID (RFC 5322 section 3.6.4), each once and its own last, whatever loops they make.
// Of too many the first and the last are kept, which is what threads are made by.
func (o *original) references() []string {
	ids := mailmime.ParseMsgIDs(o.header.Get("References"))
	if len(ids) == 0 && len(o.env.InReplyTo) == 1 {
		ids = o.env.InReplyTo
	}
	seen := map[string]bool{o.env.MessageID: true}
	ids = slices.DeleteFunc(slices.Clone(ids), func(id string) bool {
		again := seen[id]
		seen[id] = true
		return again || checkID("", id) != nil
	})
	if o.env.MessageID != "" {
		ids = append(ids, o.env.MessageID)
	}
	if n := len(ids); n > maxReferences {
		ids = append(ids[:1], ids[n-maxReferences+1:]...)
	}
	return ids
}

// text gives the text of a part, which is text/plain or text/html, with lines
// that end in LF; at most limit octets. whole says that it is all.
func (o *original) text(part *mailbox.Part, limit int) (text string, whole bool, err error) {
	raw := limit
	if part.Type == "text/html" {
		raw *= tagsTake
	}
	s, whole, err := o.read(part, raw)
	if err != nil {
		return "", false, err
	}
	text, cut := asText(part, s, limit)
	return text, whole && !cut, nil
}

// tagsTake is how many octets of HTML there may be for each of text.
const tagsTake = 4

// read gives at most limit octets of a part of text in UTF-8. whole says that it is
// all.
func (o *original) read(part *mailbox.Part, limit int) (s string, whole bool, err error) {
	r, err := mailbox.OpenPart(o.ctx, o.mb, o.id, part.ID, &mailbox.OpenPartOptions{Encoding: part.Encoding})
	if err != nil {
		return "", false, err
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, int64(limit)+1))
	if err != nil {
		return "", false, err
	}
	whole = len(b) <= limit
	s = o.decode(part.Params["charset"], b[:min(len(b), limit)])
	if !whole {
		s = strings.TrimRight(s, "\uFFFD") // of a character that was cut
	}
	return s, whole, nil
}

// asText gives what was read of a part as plain text, at most limit octets.
func asText(part *mailbox.Part, s string, limit int) (text string, isCut bool) {
	if part.Type == "text/html" {
		s = htmlText(s)
	}
	s = plainText(s)
	return cut(s, limit), len(s) > limit
}

// decode converts text to UTF-8 as far as its charset is known.
func (o *original) decode(label string, b []byte) string {
	if o.charset != nil {
		if r, err := o.charset(label, strings.NewReader(string(b))); err == nil {
			if text, err := io.ReadAll(r); err == nil {
				return strings.ToValidUTF8(string(text), "\uFFFD")
			}
		}
	}
	return strings.ToValidUTF8(string(b), "\uFFFD")
}

// plainText makes text of lines that end in LF, without the controls that do
// something to a terminal. What Unicode ends lines with ends them here, too: behind
// it would be shown what has no mark of a quotation.
func plainText(s string) string {
	s = strings.ReplaceAll(canonical(s), crlf, "\n")
	return strings.Map(func(r rune) rune {
		if r == 0x2028 || r == 0x2029 {
			return '\n'
		}
		if r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 {
			return -1
		}
		return r
	}, s)
}

// cut cuts s to n octets, between characters.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// people writes addresses for people to read.
func people(list []mail.Address) string {
	const most = 50
	var b strings.Builder
	for i, a := range list {
		if i == most {
			fmt.Fprintf(&b, " and %d more", len(list)-most)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(person(a))
	}
	return b.String()
}

func person(a mail.Address) string {
	if a.Name == "" {
		return a.Address
	}
	return a.Name + " <" + a.Address + ">"
}
