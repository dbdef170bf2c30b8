package mailtest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/emersion/go-smtp"

	"github.com/postroom-go/postroom/internal/memstore"
)

// newSMTP makes the submission server (RFC 6409), or the one for LMTP (RFC
// 2033).
func (h *Host) newSMTP(lmtp bool) *smtp.Server {
	srv := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		f, ok := c.Conn().(*smtpFront)
		if !ok {
			return nil, errors.New("mailtest: foreign connection")
		}
		f.session = &smtpSession{host: h, conn: c, front: f}
		return f.session, nil
	}))
	srv.Domain = "localhost"
	srv.LMTP = lmtp
	srv.AllowInsecureAuth = true // the session sees to it
	srv.EnableSMTPUTF8 = h.opts.SMTP != SMTPBare
	srv.EnableDSN = h.opts.SMTP != SMTPBare
	srv.EnableBINARYMIME = h.opts.SMTP == SMTPExtended // to have it advertised
	srv.EnableREQUIRETLS = h.opts.SMTP == SMTPExtended
	srv.MaxRecipients = 1000
	srv.MaxMessageBytes = h.maxMessage()
	srv.MaxLineLength = 0 // smtpFront sees to it
	srv.ErrorLog = quiet{}
	return srv
}

// maxMessage is the most octets that a message may have.
func (h *Host) maxMessage() int64 {
	if n := h.opts.AppendLimit; n > 0 {
		return int64(n)
	}
	return defaultAppendLimit
}

// smtpSession is one client's session. A submission needs a login.
type smtpSession struct {
	host  *Host
	conn  *smtp.Conn
	front *smtpFront
	user  string
	at    *transaction // nil if none is under way
}

// transaction is an envelope, whom it reaches, and the message as far as it has
// come.
type transaction struct {
	sub   Submission
	users []*memstore.User
	body  bytes.Buffer
	fault messageFault
}

var (
	_ smtp.AuthSession = (*smtpSession)(nil)
	_ smtp.LMTPSession = (*smtpSession)(nil)
)

func refuse(code int, enhanced smtp.EnhancedCode, text string) error {
	return &smtp.SMTPError{Code: code, EnhancedCode: enhanced, Message: text}
}

// Mail implements smtp.Session.
func (s *smtpSession) Mail(from string, o *smtp.MailOptions) error {
	switch {
	case s.user == "" && !s.front.lmtp:
		return refuse(530, smtp.EnhancedCode{5, 7, 0}, "Please authenticate first")
	case s.at != nil:
		return refuse(503, smtp.EnhancedCode{5, 5, 1}, "nested MAIL")
	case o.Body != "" && !s.front.has("8BITMIME"):
		return refuse(555, smtp.EnhancedCode{5, 5, 4}, "BODY is not implemented")
	case o.RequireTLS && !s.front.encrypted():
		return refuse(555, smtp.EnhancedCode{5, 5, 4}, "REQUIRETLS needs TLS")
	case !o.UTF8 && !ascii(from):
		return refuse(553, smtp.EnhancedCode{5, 6, 7}, "that address needs SMTPUTF8")
	}
	if s.front.extra.binary {
		o.Body = smtp.BodyBinaryMIME
	}
	s.at = &transaction{sub: Submission{
		Protocol: s.front.proto, TLS: s.front.encrypted(), User: s.user, From: from,
		Size: o.Size, Body: string(o.Body), UTF8: o.UTF8, RequireTLS: o.RequireTLS,
		Ret: string(o.Return), EnvID: o.EnvelopeID,
		DeliverBy: s.front.extra.by, Priority: s.front.extra.priority,
	}}
	return nil
}

func ascii(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) < 0
}

// Rcpt implements smtp.Session.
func (s *smtpSession) Rcpt(to string, o *smtp.RcptOptions) error {
	if !s.at.sub.UTF8 && !ascii(to) {
		return refuse(553, smtp.EnhancedCode{5, 6, 7}, "that address needs SMTPUTF8")
	}
	u, err := s.host.store.User(to)
	if err != nil {
		return refuse(550, smtp.EnhancedCode{5, 1, 1}, "no such user here")
	}
	r := Recipient{Address: to}
	for i, n := range o.Notify {
		if i > 0 {
			r.Notify += ","
		}
		r.Notify += string(n)
	}
	if o.OriginalRecipient != "" {
		r.ORcpt = string(o.OriginalRecipientType) + ";" + o.OriginalRecipient
	}
	s.at.sub.To = append(s.at.sub.To, r)
	s.at.users = append(s.at.users, u)
	return nil
}

// Data implements smtp.Session: it delivers to the recipients' INBOX. Success is
// an error of code 250, so that the answer names the queue ID.
func (s *smtpSession) Data(io.Reader) error {
	at := s.at
	raw, err := s.front.message(at)
	switch {
	case err != nil:
		return err
	case at.fault.ended:
		return s.front.bye(at.fault.bye)
	case at.fault.err != nil:
		return at.fault.err
	}
	at.sub.Raw = raw
	id, err := s.deliver(&at.sub, at.users)
	if err != nil {
		return err
	}
	s.front.prepare(&at.fault)
	return queued(id)
}

func queued(id string) error {
	return refuse(250, smtp.EnhancedCode{2, 0, 0}, "OK: queued as "+id)
}

// LMTPData implements smtp.LMTPSession: each recipient has an answer.
func (s *smtpSession) LMTPData(_ io.Reader, status smtp.StatusCollector) error {
	at := s.at
	raw, err := s.front.message(at)
	if err != nil {
		return err
	}
	m, sub := &at.fault, at.sub
	sub.To, sub.Raw = nil, raw
	answers := make([]error, len(at.users))
	var users []*memstore.User
	for i := range at.users {
		if i > 0 {
			next := s.front.strike()
			m.ended, m.bye = m.ended || next.ended, m.bye+next.bye
			m.limited, m.stall = m.limited || next.limited, m.stall || next.stall
			m.err = next.err
		}
		if answers[i] = m.err; m.err == nil {
			sub.To = append(sub.To, at.sub.To[i])
			users = append(users, at.users[i])
		}
	}
	if m.ended {
		return s.front.bye(m.bye)
	}
	if len(users) > 0 {
		id, err := s.deliver(&sub, users)
		if err != nil {
			return err
		}
		for i, err := range answers {
			if err == nil {
				answers[i] = queued(id)
			}
		}
	}
	s.front.prepare(m)
	for i, err := range answers {
		status.SetStatus(at.sub.To[i].Address, err)
	}
	return nil
}

// deliver stores a message and writes down that it came.
func (s *smtpSession) deliver(sub *Submission, users []*memstore.User) (id string, err error) {
	proto := "ESMTPA"
	switch {
	case s.front.lmtp:
		proto = "LMTP"
	case sub.TLS:
		proto = "ESMTPSA"
	}
	var raw bytes.Buffer
	fmt.Fprintf(&raw, "Received: from %s by localhost (mailtest) with %s;\r\n\t%s\r\n",
		strings.Map(printable, s.conn.Hostname()), proto, time.Now().Format(time.RFC1123Z))
	_, _ = raw.Write(sub.Raw)
	content := memstore.NewContent(raw.Bytes())
	for _, u := range users {
		inbox, err := u.Folder(memstore.Inbox)
		if err != nil {
			return "", err
		}
		if _, _, err := inbox.Append(content, nil, time.Time{}); err != nil {
			return "", err
		}
	}
	return s.host.submitted.add(sub), nil
}

func printable(r rune) rune {
	if r <= ' ' || r > '~' {
		return -1
	}
	return r
}

// Reset implements smtp.Session.
func (s *smtpSession) Reset() { s.at = nil }

// Logout implements smtp.Session.
func (s *smtpSession) Logout() error { return nil }
