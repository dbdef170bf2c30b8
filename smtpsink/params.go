package smtpsink

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/postroom-go/postroom/mailbox"
)

// order is an envelope with its options, checked, as lines to send.
type order struct {
	env  *Envelope
	opts SendOptions
	from string   // path
	to   []string // paths
	utf8 bool     // an address needs SMTPUTF8
}

// newOrder checks all that does not depend on the server or the message.
func newOrder(env *Envelope, opts *SendOptions) (*order, error) {
	if env == nil || len(env.To) == 0 {
		return nil, errors.New("the envelope has no recipient")
	}
	o := &order{env: env}
	if opts != nil {
		o.opts = *opts
	}
	var err error
	if env.From != "" {
		if o.from, o.utf8, err = path(env.From); err != nil {
			return nil, fmt.Errorf("sender: %w", err)
		}
	}
	o.to = make([]string, len(env.To))
	for i, to := range env.To {
		p, needsUTF8, err := path(to)
		if err != nil {
			return nil, fmt.Errorf("recipient: %w", err)
		}
		o.to[i] = p
		o.utf8 = o.utf8 || needsUTF8
	}
	return o, o.opts.check()
}

func (o *SendOptions) check() error {
	switch {
	case o.Size < 0:
		return errors.New("SendOptions.Size is negative")
	case o.Priority < -9 || o.Priority > 9:
		return errors.New("SendOptions.Priority is not between -9 and 9")
	case o.HoldFor < 0 || o.DeliverBy < 0:
		return errors.New("SendOptions.HoldFor and DeliverBy must not be negative")
	case o.HoldFor > 0 && !o.HoldUntil.IsZero():
		return errors.New("SendOptions.HoldFor and HoldUntil are both set")
	case o.DSN == nil:
		return nil
	}
	d := o.DSN
	for _, n := range d.Notify {
		if n != "NEVER" && n != "SUCCESS" && n != "FAILURE" && n != "DELAY" || n == "NEVER" && len(d.Notify) > 1 {
			return fmt.Errorf("DSN.Notify %q is neither NEVER alone nor some of SUCCESS, FAILURE and DELAY", d.Notify)
		}
	}
	if d.Return != "" && d.Return != "FULL" && d.Return != "HDRS" {
		return fmt.Errorf("DSN.Return %q is neither FULL nor HDRS", d.Return)
	}
	if len(d.EnvelopeID) > 100 || strings.ContainsFunc(d.EnvelopeID, func(r rune) bool { return r < ' ' || r > '~' }) {
		return errors.New("DSN.EnvelopeID is longer than 100 characters, or not printable ASCII")
	}
	for _, original := range d.Original {
		if _, needsUTF8, err := path(original); err != nil || needsUTF8 {
			return fmt.Errorf("DSN.Original has %q, which is no address in ASCII", original)
		}
	}
	return nil
}

// offered is an error if the server lacks what the order asks for.
func (o *order) offered(c *Caps) error {
	missing := func(what, extension string) error {
		return fmt.Errorf("%w: %s needs %s, which the server does not offer", errors.ErrUnsupported, what, extension)
	}
	d := o.opts.DSN
	switch {
	case o.utf8 && !c.UTF8:
		return missing("an address that is not ASCII before its @", "SMTPUTF8")
	case o.opts.RequireTLS && !c.RequireTLS:
		return missing("RequireTLS", "REQUIRETLS over TLS")
	case o.opts.Binary && !c.Binary:
		return missing("Binary", "BINARYMIME with CHUNKING")
	case d != nil && (len(d.Notify) > 0 || d.Return != "" || d.EnvelopeID != "" || len(d.Original) > 0) && !c.DSN:
		return missing("DSN", "DSN")
	case o.opts.DeliverBy > 0 && !c.DeliverBy:
		return missing("DeliverBy", "DELIVERBY")
	case o.opts.Priority != 0 && !c.Priority:
		return missing("Priority", "MT-PRIORITY")
	case (o.opts.HoldFor > 0 || !o.opts.HoldUntil.IsZero()) && !c.FutureRelease:
		return missing("HoldFor or HoldUntil", "FUTURERELEASE")
	case c.MaxRecipients > 0 && len(o.to) > c.MaxRecipients && !o.opts.Partial:
		return fmt.Errorf("%w: %d recipients, and the server takes %d in one message: send it in parts", mailbox.ErrTooLarge, len(o.to), c.MaxRecipients)
	}
	return nil
}

// fits compares a size with what the server takes (RFC 1870 section 6.4).
func fits(size int64, c *Caps) error {
	if c.MaxSize > 0 && size > c.MaxSize {
		return fmt.Errorf("%w: the message has %d octets, and the server takes %d", mailbox.ErrTooLarge, size, c.MaxSize)
	}
	return nil
}

// appendMail appends MAIL. size is 0 if it is not known; body is the BODY
// parameter, "" for none; utf8 says that the header or an address needs SMTPUTF8.
func (o *order) appendMail(dst []byte, c *Caps, ext extensions, size int64, body string, utf8 bool) []byte {
	dst = append(dst, "MAIL FROM:<"...)
	dst = append(dst, o.from...)
	dst = append(dst, '>')
	param := func(name, value string) {
		dst = append(append(append(append(dst, ' '), name...), '='), value...)
	}
	if body != "" {
		param("BODY", body)
	}
	if size > 0 && ext.has("SIZE") {
		param("SIZE", strconv.FormatInt(size, 10))
	}
	if utf8 {
		dst = append(dst, " SMTPUTF8"...)
	}
	if o.opts.RequireTLS {
		dst = append(dst, " REQUIRETLS"...)
	}
	if d := o.opts.DSN; d != nil {
		if d.Return != "" {
			param("RET", d.Return)
		}
		if d.EnvelopeID != "" {
			param("ENVID", xtext(d.EnvelopeID))
		}
	}
	if by := o.opts.DeliverBy; by > 0 {
		mode := ";R"
		if o.opts.DeliverByNotify {
			mode = ";N"
		}
		param("BY", strconv.FormatInt(int64((by+time.Second-1)/time.Second), 10)+mode)
	}
	if p := o.opts.Priority; p != 0 {
		param("MT-PRIORITY", strconv.Itoa(p))
	}
	if hold := o.opts.HoldFor; hold > 0 {
		param("HOLDFOR", strconv.FormatInt(int64((hold+time.Second-1)/time.Second), 10))
	}
	if until := o.opts.HoldUntil; !until.IsZero() {
		param("HOLDUNTIL", until.UTC().Format(time.RFC3339))
	}
	return append(dst, "\r\n"...)
}

// appendRcpt appends RCPT for the i-th recipient.
func (o *order) appendRcpt(dst []byte, i int) []byte {
	dst = append(dst, "RCPT TO:<"...)
	dst = append(dst, o.to[i]...)
	dst = append(dst, '>')
	if d := o.opts.DSN; d != nil {
		if len(d.Notify) > 0 {
			dst = append(append(dst, " NOTIFY="...), strings.Join(d.Notify, ",")...)
		}
		if original := d.Original[o.env.To[i]]; original != "" {
			p, _, _ := path(original) // checked before
			dst = append(append(dst, " ORCPT=rfc822;"...), xtext(p)...)
		}
	}
	return append(dst, "\r\n"...)
}

// xtext is RFC 3461 section 4.
func xtext(s string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for _, c := range []byte(s) {
		if c < '!' || c > '~' || c == '+' || c == '=' {
			b.Write([]byte{'+', hex[c>>4], hex[c&15]})
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}
