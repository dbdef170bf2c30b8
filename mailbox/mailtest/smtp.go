package mailtest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/postroom-go/postroom/internal/memstore"
)

// newSMTP makes the submission server (RFC 6409).
func (h *Host) newSMTP() *smtp.Server {
	srv := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		return &smtpSession{host: h, conn: c}, nil
	}))
	srv.Domain = "localhost"
	srv.TLSConfig = h.tls
	srv.AllowInsecureAuth = h.opts.Plaintext
	srv.EnableSMTPUTF8 = true
	srv.MaxRecipients = 1000
	srv.MaxMessageBytes = defaultAppendLimit
	srv.ErrorLog = quiet{}
	if n := h.opts.AppendLimit; n > 0 {
		srv.MaxMessageBytes = int64(n)
	}
	said := &transcript{}
	h.said = append(h.said, &talk{"smtp, both directions of all connections", said})
	srv.Debug = debugWriter{said}
	return srv
}

// debugWriter writes down what go-smtp shows, which is both directions.
type debugWriter struct{ said *transcript }

func (w debugWriter) Write(p []byte) (int, error) {
	w.said.add('*', p)
	return len(p), nil
}

// smtpSession is one client's session. A submission needs a login.
type smtpSession struct {
	host *Host
	conn *smtp.Conn
	user string
	to   []*memstore.User
}

var _ smtp.AuthSession = (*smtpSession)(nil)

// AuthMechanisms implements smtp.AuthSession.
func (s *smtpSession) AuthMechanisms() []string { return []string{sasl.Plain} }

// Auth implements smtp.AuthSession.
func (s *smtpSession) Auth(string) (sasl.Server, error) {
	if _, err := s.faults("AUTH"); err != nil {
		return nil, err
	}
	return sasl.NewPlainServer(func(identity, user, password string) error {
		if identity != "" && identity != user {
			return smtp.ErrAuthFailed
		}
		if _, err := s.host.store.Login(user, password); err != nil {
			return smtp.ErrAuthFailed
		}
		s.user = user
		return nil
	}), nil
}

// Mail implements smtp.Session.
func (s *smtpSession) Mail(string, *smtp.MailOptions) error {
	if s.user == "" {
		return smtp.ErrAuthRequired
	}
	_, err := s.faults("MAIL")
	return err
}

// Rcpt implements smtp.Session.
func (s *smtpSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	if _, err := s.faults("RCPT"); err != nil {
		return err
	}
	u, err := s.host.store.User(to)
	if err != nil {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user here"}
	}
	s.to = append(s.to, u)
	return nil
}

// Data implements smtp.Session: it delivers to the recipients' INBOX.
func (s *smtpSession) Data(r io.Reader) error {
	limit, err := s.faults("DATA")
	if err != nil {
		return err
	}
	if limit >= 0 {
		_, _ = io.CopyN(io.Discard, r, limit)
		_ = s.conn.Close()
		return errFault
	}
	var raw bytes.Buffer
	proto := "ESMTPA"
	if _, ok := s.conn.TLSConnectionState(); ok {
		proto = "ESMTPSA"
	}
	fmt.Fprintf(&raw, "Received: from %s by localhost (mailtest) with %s;\r\n\t%s\r\n",
		strings.Map(printable, s.conn.Hostname()), proto, time.Now().Format(time.RFC1123Z))
	if _, err := raw.ReadFrom(r); err != nil {
		return err
	}
	content := memstore.NewContent(raw.Bytes())
	for _, u := range s.to {
		inbox, err := u.Folder(memstore.Inbox)
		if err != nil {
			return err
		}
		if _, _, err := inbox.Append(content, nil, time.Time{}); err != nil {
			return err
		}
	}
	return nil
}

func printable(r rune) rune {
	if r <= ' ' || r > '~' {
		return -1
	}
	return r
}

// Reset implements smtp.Session.
func (s *smtpSession) Reset() { s.to = nil }

// Logout implements smtp.Session.
func (s *smtpSession) Logout() error { return nil }

// faults applies the faults of a command: the error to answer with, or how many
// octets of a message to take before the connection is cut; -1 is all.
func (s *smtpSession) faults(command string) (limit int64, err error) {
	limit = -1
	for _, f := range s.host.faults.take("smtp", command) {
		switch f.Kind {
		case FaultReply:
			return limit, smtpReply(f.Text)
		case FaultBye:
			_, _ = io.WriteString(s.conn.Conn(), "421 4.3.2 "+f.Text+"\r\n")
			_ = s.conn.Close()
			return limit, errFault
		case FaultCut:
			if command == "DATA" {
				limit = f.N
				continue
			}
			_ = s.conn.Close()
			return limit, errFault
		}
	}
	return limit, nil
}

// smtpReply reads "451 4.7.1 slow down".
func smtpReply(text string) error {
	word, rest, _ := strings.Cut(text, " ")
	code, err := strconv.Atoi(word)
	if err != nil {
		return errors.New(text)
	}
	e := &smtp.SMTPError{Code: code, EnhancedCode: smtp.NoEnhancedCode, Message: rest}
	var class, subject, detail int
	if n, _ := fmt.Sscanf(rest, "%d.%d.%d ", &class, &subject, &detail); n == 3 {
		e.EnhancedCode = smtp.EnhancedCode{class, subject, detail}
		_, e.Message, _ = strings.Cut(rest, " ")
	}
	return e
}
