package popsrc

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/postroom-go/postroom/internal/mailconn"
	"github.com/postroom-go/postroom/internal/sasl"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
)

const (
	// maxCommand is how long a command line may be (RFC 2449 section 4), CRLF
	// included.
	maxCommand = 255
)

// dialSession connects, logs in, and reads what the maildrop holds.
func (m *Mailbox) dialSession(ctx context.Context) (*session, error) {
	s, stamp, err := m.greet(ctx)
	if err != nil {
		return nil, err
	}
	release := s.conn.Bind(ctx)
	err = s.start(ctx, m, stamp)
	if cut := release(); cut != nil {
		err = cut
	}
	if err != nil {
		s.conn.Break(err)
		return nil, err
	}
	return s, nil
}

// greet connects, reads the greeting and does TLS. It gives the timestamp for
// APOP.
func (m *Mailbox) greet(ctx context.Context) (s *session, stamp string, err error) {
	o := &m.opts.Net
	ctx, cancel := mailconn.WithConnectTimeout(ctx, o)
	defer cancel()
	conn, err := mailconn.Dial(ctx, m.addr, o)
	if err != nil {
		return nil, "", err
	}
	conn.SetID(int(m.conns.Add(1)))
	s = newSession(conn, &m.opts.limits)
	release := conn.Bind(ctx)
	stamp, err = s.greeting(o.TLS)
	if cut := release(); cut != nil {
		err = cut
	}
	if err == nil && o.TLS == access.TLSStart {
		err = conn.StartTLS(ctx)
		stamp = ""
	}
	if err != nil {
		conn.Break(err)
		return nil, "", err
	}
	return s, stamp, nil
}

// greeting reads the greeting and, if TLS is to come now, asks for it. Nothing
// else is asked in plaintext: the answers would have to be forgotten.
func (s *session) greeting(mode access.TLSMode) (stamp string, err error) {
	text, err := s.reply("greeting")
	if err != nil {
		return "", s.early(err)
	}
	if mode != access.TLSStart {
		return timestamp(string(text)), nil
	}
	// A greeting with more behind it is not one: what comes too early was not
	// asked for.
	if err := mailconn.CheckBuffered(s.rd.buffered()); err != nil {
		return "", s.fail(err)
	}
	if err := s.command("STLS", ""); err != nil {
		if e, ok := asReply(err); ok {
			e.Text = ""
			return "", fmt.Errorf("%w: the server does not offer it: %w", mailbox.ErrTLSRequired, e)
		}
		return "", err
	}
	return "", s.fail(mailconn.CheckBuffered(s.rd.buffered()))
}

// early is the error of a greeting. Before TLS its text is anybody's.
func (s *session) early(err error) error {
	e, ok := asReply(err)
	if !ok {
		return err
	}
	if !s.conn.Secure() {
		e.Text = ""
	}
	if !e.known() {
		return fmt.Errorf("%w: %w", mailbox.ErrUnavailable, e)
	}
	return err
}

// start logs in and reads the listing.
func (s *session) start(ctx context.Context, m *Mailbox, stamp string) error {
	if err := s.askCaps(); err != nil {
		return err
	}
	if err := s.login(ctx, m, stamp); err != nil {
		return err
	}
	return s.readMaildrop()
}

// askCaps is CAPA (RFC 2449). A server that does not know it has none.
func (s *session) askCaps() error {
	if err := s.send("CAPA\r\n"); err != nil {
		return err
	}
	return s.readCaps()
}

func (s *session) readCaps() error {
	caps := capabilities{}
	err := s.lines("CAPA", s.lim.capaLines, caps.add)
	if _, refused := asReply(err); refused {
		caps, err = nil, nil
	}
	s.caps = caps
	return err
}

func (s *session) login(ctx context.Context, m *Mailbox, stamp string) error {
	o := &sasl.Options{Secure: s.conn.Secure(), Plaintext: m.opts.Net.TLS == access.TLSNone}
	if host, port, err := net.SplitHostPort(m.addr); err == nil {
		o.Host = host
		o.Port, _ = strconv.Atoi(port)
	}
	if s.caps.userAllowed() {
		o.Login = "USER"
	}
	client, err := sasl.Choose(ctx, m.auth, s.caps["SASL"], o)
	switch {
	case errors.Is(err, mailbox.ErrAuth) && !o.Secure && s.caps.has("STLS"):
		return fmt.Errorf("%w: %w", mailbox.ErrTLSRequired, err)
	case err != nil:
		return err
	case client != nil:
		s.secrets.Hide(client.Secret())
		err = s.loginSASL(client)
	default:
		err = s.loginUser(m, stamp)
	}
	if e, ok := asReply(err); ok && !e.known() {
		return fmt.Errorf("%w: %w", mailbox.ErrAuth, err)
	}
	return err
}

// utf8 is the command to send ahead of the login, in the same flight where that
// is allowed. Where it is offered it is always sent: without it Courier sends a
// notice in place of every message with raw 8-bit in its header (RFC 6856
// section 2 has it so). What the server answers makes no difference.
func (s *session) utf8() (line string, answer func() error) {
	if !s.caps.has("UTF8") {
		return "", func() error { return nil }
	}
	return "UTF8\r\n", func() error {
		_, err := s.reply("UTF8")
		if _, refused := asReply(err); refused {
			return nil
		}
		return err
	}
}

// loginUser is USER and PASS, or APOP if the user wants it.
func (s *session) loginUser(m *Mailbox, stamp string) error {
	user, password, err := sasl.Credentials(m.auth)
	if err != nil {
		return err
	}
	s.secrets.Hide(password)
	if strings.ContainsAny(user, " \t") {
		return fmt.Errorf("%w: the user name has a space in it, which USER cannot carry", mailbox.ErrAuth)
	}
	utf8, utf8Answer := s.utf8()
	if m.opts.APOP && stamp != "" && s.conn.Secure() {
		sum := md5.Sum([]byte(stamp + password))
		first := utf8 + "APOP " + user
		return s.flight([]string{first + " ***", first + " " + hex.EncodeToString(sum[:])},
			utf8Answer, s.answer("APOP"))
	}
	if !s.caps.has("PIPELINING") {
		if utf8 != "" {
			if err := s.flight([]string{utf8, utf8}, utf8Answer); err != nil {
				return err
			}
		}
		if err := s.command("USER", user); err != nil {
			return err
		}
		return s.flight([]string{"PASS ***", "PASS " + password}, s.answer("PASS"))
	}
	first := utf8 + "USER " + user + "\r\nPASS "
	return s.flight([]string{first + "***", first + password}, utf8Answer, s.userPass)
}

// userPass reads the answers to USER and PASS in one. Where both are refused
// the code tells which one to believe.
func (s *session) userPass() error {
	_, userErr := s.reply("USER")
	if _, refused := asReply(userErr); userErr != nil && !refused {
		return userErr
	}
	_, err := s.reply("PASS")
	switch e, refused := asReply(err); {
	case userErr == nil:
		return err
	case err == nil:
		return s.fail(fmt.Errorf("%w: USER was refused and PASS accepted", mailbox.ErrProtocol))
	case refused && e.Code == "":
		return userErr
	}
	return err
}

func (s *session) answer(command string) func() error {
	return func() error {
		_, err := s.reply(command)
		return err
	}
}

// flight sends lines, of which traced[0] is for the trace and traced[1] for the
// server, and reads the answers.
func (s *session) flight(traced []string, answers ...func() error) error {
	for line := range strings.SplitSeq(strings.TrimSuffix(traced[0], "\r\n"), "\r\n") {
		s.conn.Trace(true, line)
	}
	if err := s.sendQuietly(strings.TrimSuffix(traced[1], "\r\n") + "\r\n"); err != nil {
		return err
	}
	for _, answer := range answers {
		if err := answer(); err != nil {
			return err
		}
	}
	return nil
}

// timestamp is the message ID in a greeting (RFC 1939 section 7, APOP): plain
// ASCII, or it is none (CVE-2007-1558 needs other octets).
func timestamp(greeting string) string {
	i := strings.IndexByte(greeting, '<')
	j := strings.LastIndexByte(greeting, '>')
	if i < 0 || j < i {
		return ""
	}
	stamp := greeting[i : j+1]
	if at := strings.IndexByte(stamp, '@'); at < 2 || at == len(stamp)-2 {
		return ""
	}
	for _, c := range []byte(stamp[1 : len(stamp)-1]) {
		if c <= ' ' || c > '~' || c == '<' || c == '>' {
			return ""
		}
	}
	return stamp
}
