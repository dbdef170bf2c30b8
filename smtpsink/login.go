package smtpsink

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/postroom-go/postroom/internal/mailconn"
	"github.com/postroom-go/postroom/internal/sasl"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
)

// maxCommand is how long a command line may be (RFC 5321 section 4.5.3.1.4), CRLF
// included, and for AUTH (RFC 4954 section 4).
const maxCommand = 12288

// connect makes a session that is ready to send.
func (k *Sink) connect(ctx context.Context) (*session, error) {
	s, err := k.greet(ctx)
	if err != nil {
		return nil, err
	}
	release := s.conn.Bind(ctx)
	err = s.hello(k.opts.Hello)
	if err == nil {
		err = s.login(ctx, k)
	}
	if cut := release(); cut != nil {
		err = cut
	}
	if err != nil {
		s.conn.Break(err)
		return nil, err
	}
	s.start()
	return s, nil
}

// greet connects, reads the greeting and does TLS.
func (k *Sink) greet(ctx context.Context) (*session, error) {
	o := k.opts.Net
	if o.ProgressTimeout <= 0 {
		o.ProgressTimeout = timeoutBlock
	}
	ctx, cancel := mailconn.WithConnectTimeout(ctx, &o)
	defer cancel()
	conn, err := mailconn.Dial(ctx, k.addr, &o)
	if err != nil {
		return nil, err
	}
	conn.SetID(int(k.conns.Add(1)))
	s := newSession(conn, k.opts.LMTP, k.opts.Net.ProgressTimeout)
	s.sink = k.ctx
	s.secrets.Hide(k.known())
	s.quiet = o.TLS == access.TLSStart
	release := conn.Bind(ctx)
	err = s.greeting(o.TLS, k.opts.Hello)
	if cut := release(); cut != nil {
		err = cut
	}
	if s.mute && o.TLS != access.TLSImplicit && !s.lmtp && errors.Is(err, mailbox.ErrUnavailable) {
		// It may wait for us to begin with TLS.
		err = fmt.Errorf("%w: the server does not greet: does this port want TLS from the first octet, as 465 does?", err)
	}
	if err == nil && o.TLS == access.TLSStart {
		err = conn.StartTLS(ctx)
		s.quiet = false
		s.listen()
	}
	if err != nil {
		conn.Break(err)
		return nil, err
	}
	return s, nil
}

// greeting reads the greeting and, if TLS is to come now, asks for it. Of the
// answer to EHLO in plaintext nothing is kept (RFC 3207 section 4.2), so it is
// not looked at: a server that offers STARTTLS to nobody refuses it. What comes
// before it was asked for is somebody's who wants to answer in its place.
func (s *session) greeting(mode access.TLSMode, hello string) error {
	r, err := s.ask("greeting", "", "")
	if err != nil {
		_, refused := asReply(err)
		s.mute = !refused && !errors.Is(err, mailbox.ErrProtocol)
		return s.early(err)
	}
	if r.Code != 220 {
		return s.failed(fmt.Errorf("%w: %w", mailbox.ErrProtocol, r))
	}
	if mode != access.TLSStart {
		return nil
	}
	if err := s.unread(); err != nil {
		return err
	}
	verb := s.verb()
	switch r, err := s.ask(verb, verb+" "+s.name(hello), ""); {
	case err != nil:
		if r, refused := asReply(err); !refused || r.Code == 421 {
			return s.early(err)
		}
	case r.Code != 250:
		return s.failed(fmt.Errorf("%w: %w", mailbox.ErrProtocol, r))
	}
	if err := s.unread(); err != nil {
		return err
	}
	switch r, err := s.ask("STARTTLS", "STARTTLS", ""); {
	case err != nil:
		if r, refused := asReply(err); refused {
			return fmt.Errorf("%w: the server does not offer it: %w", mailbox.ErrTLSRequired, r)
		}
		return err
	case r.Code != 220:
		return s.failed(fmt.Errorf("%w: %w", mailbox.ErrTLSRequired, r))
	}
	return s.unread()
}

// unread is an error if there is more than was asked for.
func (s *session) unread() error {
	if err := mailconn.CheckBuffered(s.rd.br.Buffered()); err != nil {
		return s.failed(err)
	}
	return nil
}

// early is the error of a server that does not want to begin.
func (s *session) early(err error) error {
	r, ok := asReply(err)
	if !ok {
		return err
	}
	return fmt.Errorf("%w: %w", mailbox.ErrUnavailable, r)
}

func (s *session) verb() string {
	if s.lmtp {
		return "LHLO"
	}
	return "EHLO"
}

// name is how we introduce ourselves: the address that the connection comes from
// (RFC 5321 section 4.1.3), unless the user knows better. A host's name would
// tell strangers more than they need to know.
func (s *session) name(hello string) string {
	if hello != "" {
		return hello
	}
	if ap, err := netip.ParseAddrPort(s.conn.LocalAddr().String()); err == nil {
		addr := ap.Addr().Unmap().WithZone("")
		if addr.Is4() {
			return "[" + addr.String() + "]"
		}
		return "[IPv6:" + addr.String() + "]"
	}
	return "[127.0.0.1]"
}

// checkHello is what Options.Hello may be.
func checkHello(name string) error {
	if name == "" {
		return nil
	}
	if ascii, err := checkDomain(name); err != nil || ascii != name {
		return fmt.Errorf("Options.Hello %q is neither a host name in ASCII nor an IP address in brackets", name)
	}
	return nil
}

// hello is EHLO, or LHLO, or for servers from before 1995 HELO.
func (s *session) hello(name string) error {
	verb := s.verb()
	s.conn.Trace(true, verb+" "+s.name(name))
	if err := s.write1(verb + " " + s.name(name) + "\r\n"); err != nil {
		return err
	}
	a, err := s.rd.read()
	if err != nil {
		return s.failed(err)
	}
	s.traceAnswer(a)
	switch {
	case a.code == 250:
		s.ext = parseEHLO(a.text)
	case a.code < 500:
		r := s.reply(verb, a)
		if a.code >= 400 {
			return fmt.Errorf("%w: %w", mailbox.ErrUnavailable, r)
		}
		return s.failed(fmt.Errorf("%w: %w", mailbox.ErrProtocol, r))
	case s.lmtp:
		return s.reply(verb, a)
	default:
		r, err := s.ask("HELO", "HELO "+s.name(name), "")
		if err != nil {
			return err
		}
		if r.Code != 250 {
			return s.failed(fmt.Errorf("%w: %w", mailbox.ErrProtocol, r))
		}
		s.ext = nil
	}
	s.caps = s.ext.caps(s.conn.Secure())
	if s.lmtp {
		// Of a last BDAT that is refused it cannot be told whether each recipient
		// is answered for, or all of them at once.
		s.forgo()
	}
	return nil
}

func (s *session) login(ctx context.Context, k *Sink) error {
	if k.anonymous() {
		return nil
	}
	o := &sasl.Options{Secure: s.conn.Secure(), Plaintext: k.opts.Net.TLS == access.TLSNone}
	if host, port, err := net.SplitHostPort(k.addr); err == nil {
		o.Host = host
		o.Port, _ = strconv.Atoi(port)
	}
	if len(s.caps.Mechanisms) == 0 {
		return fmt.Errorf("%w: the server offers no way to log in on this port: submission is at port 465 or 587", mailbox.ErrAuth)
	}
	client, err := sasl.Choose(ctx, k.auth, s.caps.Mechanisms, o)
	switch {
	case errors.Is(err, mailbox.ErrAuth) && !o.Secure && s.ext.has("STARTTLS"):
		return fmt.Errorf("%w: %w", mailbox.ErrTLSRequired, err)
	case err != nil:
		return err
	}
	k.know(client.Secret())
	s.secrets.Hide(client.Secret())
	err = s.authenticate(client)
	if errors.Is(err, mailbox.ErrAuth) && k.auth.TokenSource() == nil {
		k.deny(err)
	}
	return err
}

// authenticate is AUTH (RFC 4954).
func (s *session) authenticate(c *sasl.Client) error {
	mech, ir, err := c.Start()
	if err != nil {
		return err
	}
	line, traced := "AUTH "+mech, "AUTH "+mech
	if ir != nil {
		encoded := "=" // stands for an empty one
		if len(ir) > 0 {
			encoded = base64.StdEncoding.EncodeToString(ir)
			s.secrets.HideLine(encoded)
		}
		if len(line)+1+len(encoded)+2 <= maxCommand {
			line, traced, ir = line+" "+encoded, traced+" ***", nil
		}
	}
	for {
		s.conn.Trace(true, traced)
		if err := s.write1(line + "\r\n"); err != nil {
			return err
		}
		done, challenge, err := s.challenge()
		switch {
		case err != nil:
			return s.reasoned(c, err)
		case done && ir != nil:
			return s.failed(fmt.Errorf("%w: AUTH accepted before it was asked", mailbox.ErrProtocol))
		case done:
			if err := c.Verified(); err != nil {
				return s.failed(err)
			}
			return nil
		}
		response := ir
		if ir == nil {
			if response, err = c.Next(challenge); err != nil {
				// Whether "*" would be heard is not worth knowing.
				return s.failed(err)
			}
		}
		ir = nil
		line, traced = base64.StdEncoding.EncodeToString(response), "***"
		s.secrets.HideLine(line)
	}
}

// challenge reads 334, or the server's decision.
func (s *session) challenge() (done bool, challenge []byte, err error) {
	a, err := s.rd.read()
	if err != nil {
		return false, nil, s.failed(err)
	}
	if a.code == 334 {
		s.conn.Trace(false, "334 ***")
		challenge, err = base64.StdEncoding.DecodeString(strings.TrimSpace(string(a.text)))
		if err != nil {
			return false, nil, s.failed(fmt.Errorf("%w: a challenge that is not base64", mailbox.ErrProtocol))
		}
		return false, challenge, nil
	}
	s.traceAnswer(a)
	r := s.reply("AUTH", a)
	switch {
	case a.code == 235:
		return true, nil, nil
	case a.code >= 400:
		return false, nil, r
	}
	return false, nil, s.failed(fmt.Errorf("%w: %w", mailbox.ErrProtocol, r))
}

// reasoned makes a refusal of AUTH what it is, and adds what the server said
// inside the mechanism. A temporary one is no word on the secret (RFC 4954 section
// 6).
func (s *session) reasoned(c *sasl.Client, err error) error {
	r, refused := asReply(err)
	if !refused {
		return err
	}
	if !r.Temporary() {
		err = fmt.Errorf("%w: %w", mailbox.ErrAuth, err)
	}
	if reason := s.secrets.Redact(c.Reason()); reason != "" {
		err = fmt.Errorf("%w (%s: %q)", err, c.Mechanism(), reason)
	}
	return err
}

// ask sends a line and reads the reply, before readReplies runs. A refusal is a
// *Reply; an empty line is not sent.
func (s *session) ask(command, line, traced string) (*Reply, error) {
	if line != "" {
		if traced == "" {
			traced = line
		}
		s.conn.Trace(true, traced)
		if err := s.write1(line + "\r\n"); err != nil {
			return nil, err
		}
	}
	a, err := s.rd.read()
	if err != nil {
		return nil, s.failed(err)
	}
	s.traceAnswer(a)
	r := s.reply(command, a)
	if a.code >= 400 {
		return nil, r
	}
	return r, nil
}

func (s *session) write1(line string) error {
	_, err := io.WriteString(s.conn, line)
	if err != nil {
		return s.failed(err)
	}
	return nil
}

// failed breaks the connection.
func (s *session) failed(err error) error { return s.conn.Fail(err) }

func (s *session) traceAnswer(a answer) {
	if !s.conn.Tracing() {
		return
	}
	for line := range strings.SplitSeq(s.secrets.Redact(string(a.text)), "\n") {
		s.conn.Trace(false, fmt.Sprintf("%d %s", a.code, line))
	}
}
