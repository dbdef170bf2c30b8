package compose

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/postroom-go/postroom/internal/spool"
)

// builder makes a Prepared.
type builder struct {
	ctx    context.Context
	m      *Message
	p      *Prepared
	seed   string // of the boundaries
	spools []*spool.Spool

	from, sender, replyTo, to, cc, bcc []address
}

// Prepare checks the message and fixes what is sent: a Message-ID if it has none,
// the date if it has none, and the boundaries. What is wrong is a *FieldError
// that names the field. It reads what cannot be read twice (Attachment.Reader,
// which is used up then), what must be known before (attached messages), and if
// DKIM is asked for everything, once. ctx covers the call.
//
// Close the Prepared when the message is sent and filed.
func (m *Message) Prepare(ctx context.Context) (*Prepared, error) {
	b := &builder{ctx: ctx, m: m, p: &Prepared{}, seed: randomHex(12)}
	if err := b.build(); err != nil {
		b.p.spools = b.spools
		b.p.Close()
		return nil, failed("compose", err)
	}
	b.p.spools = b.spools
	return b.p, nil
}

func (b *builder) build() error {
	if err := b.ctx.Err(); err != nil {
		return err
	}
	if err := b.checkAddresses(); err != nil {
		return err
	}
	head, copied, err := b.header()
	if err != nil {
		return err
	}
	content, err := b.content()
	if err != nil {
		return err
	}
	if b.m.Protect != nil {
		if content, err = b.protect(content); err != nil {
			return err
		}
	}
	b.p.body, b.p.eight = content.body, content.eight
	if !content.closed {
		b.p.body = append(slices.Clip(b.p.body), segment{text: []byte(crlf)})
	}
	tail := "MIME-Version: 1.0\r\n" + content.header + crlf
	b.p.sent, b.p.kept = []byte(head+tail), []byte(copied+tail)
	return b.sign()
}

// checkAddresses checks all addresses and makes the envelope of them.
func (b *builder) checkAddresses() (err error) {
	m := b.m
	if b.from, err = checkAddresses("From", m.From); err != nil {
		return err
	}
	if m.Sender != nil {
		a, err := checkAddress("Sender", *m.Sender)
		if err != nil {
			return err
		}
		b.sender = []address{a}
	}
	if b.replyTo, err = checkAddresses("ReplyTo", m.ReplyTo); err != nil {
		return err
	}
	if b.to, err = checkAddresses("To", m.To); err != nil {
		return err
	}
	if b.cc, err = checkAddresses("Cc", m.Cc); err != nil {
		return err
	}
	if b.bcc, err = checkAddresses("Bcc", m.Bcc); err != nil {
		return err
	}
	switch {
	case len(b.from) == 0:
		return invalid("From", "is empty: a message needs an author")
	case len(b.from) > 1 && b.sender == nil:
		return invalid("Sender", "is empty: with more than one From it must say who sends the message")
	case len(b.to)+len(b.cc)+len(b.bcc) == 0:
		return invalid("To", "is empty, and so are Cc and Bcc: a message needs a recipient")
	}
	b.envelope()
	return nil
}

func (b *builder) envelope() {
	env := &b.p.envelope
	env.From = b.from[0].spec
	if b.sender != nil {
		env.From = b.sender[0].spec
	}
	seen := map[string]bool{}
	for _, list := range [][]address{b.to, b.cc, b.bcc} {
		for _, a := range list {
			local, _, _ := splitAddress(a.spec)
			key := local + "@" + strings.ToLower(a.domain)
			if !seen[key] {
				seen[key] = true
				env.To = append(env.To, a.spec)
			}
		}
	}
	for _, list := range [][]address{b.from, b.sender, b.replyTo, b.to, b.cc, b.bcc} {
		for _, a := range list {
			b.p.utf8 = b.p.utf8 || a.utf8()
		}
	}
}

// header writes the fields before the MIME ones, as sent and with Bcc.
func (b *builder) header() (sent, kept string, err error) {
	var before, bcc, after fields
	m := b.m
	before.addresses("From", b.from)
	before.addresses("Sender", b.sender)
	before.addresses("Reply-To", b.replyTo)
	before.addresses("To", b.to)
	if len(b.to) == 0 && len(b.cc) == 0 {
		// RFC 5322 section 3.6.3 lets a message have neither, and many
		// servers take that for spam.
		before.words("To", []string{"undisclosed-recipients:;"})
	}
	before.addresses("Cc", b.cc)
	bcc.addresses("Bcc", b.bcc)

	if err := checkText("Subject", m.Subject); err != nil {
		return "", "", err
	}
	if strings.TrimSpace(m.Subject) != "" {
		after.text("Subject", m.Subject)
	}
	date := m.Date
	if date.IsZero() {
		date = time.Now()
	}
	if _, offset := date.Zone(); offset%60 != 0 || offset <= -24*3600 || offset >= 24*3600 {
		date = date.UTC() // a zone that cannot be written (RFC 5322 section 3.3), such as local mean time
	}
	if y := date.Year(); y < 1900 || y > 9999 {
		return "", "", invalid("Date", "is not between the years 1900 and 9999")
	}
	after.words("Date", []string{date.Format("Mon, 02 Jan 2006 15:04:05 -0700")})
	if err := b.ids(&after); err != nil {
		return "", "", err
	}
	if err := b.unsubscribe(&after); err != nil {
		return "", "", err
	}
	if err := b.ownFields(&after); err != nil {
		return "", "", err
	}
	return before.String() + after.String(), before.String() + bcc.String() + after.String(), nil
}

// ids writes the fields of message IDs. The new one says nothing about this host.
func (b *builder) ids(f *fields) error {
	m := b.m
	b.p.id = m.MessageID
	if b.p.id == "" {
		b.p.id = randomHex(16) + "@" + b.from[0].domain
	}
	if err := checkNewID(b.p.id); err != nil {
		return err
	}
	for _, id := range m.InReplyTo {
		if err := checkID("InReplyTo", id); err != nil {
			return err
		}
	}
	for _, id := range m.References {
		if err := checkID("References", id); err != nil {
			return err
		}
	}
	f.ids("Message-ID", []string{b.p.id})
	f.ids("In-Reply-To", m.InReplyTo)
	f.ids("References", m.References)
	return nil
}

// randomHex gives n random octets in hexadecimal.
func randomHex(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// spool keeps what r gives, to be read as often as need be.
func (b *builder) spool(r io.Reader) (*spool.Spool, error) {
	s := b.newSpool()
	_, err := s.ReadFrom(&ctxReader{ctx: b.ctx, r: r})
	s.CloseWithError(err)
	if err != nil {
		return nil, err
	}
	return s, s.Wait(b.ctx)
}

// newSpool makes a spool that Prepared.Close closes.
func (b *builder) newSpool() *spool.Spool {
	s := spool.New(nil)
	b.spools = append(b.spools, s)
	return s
}

// ctxReader ends when its context does, and when its source gives neither octets nor
// an error for long.
type ctxReader struct {
	ctx   context.Context
	r     io.Reader
	empty int // Reads that gave nothing, one after the other
}

// Read reads on unless the context has ended.
func (r *ctxReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := r.r.Read(p)
	if n > 0 || err != nil || len(p) == 0 {
		r.empty = 0
		return n, err
	}
	if r.empty++; r.empty >= 100 {
		return 0, io.ErrNoProgress
	}
	return 0, nil
}
