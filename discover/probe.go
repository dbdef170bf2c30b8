package discover

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/postroom-go/postroom/internal/mailconn"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
)

const (
	// stepTime is how long a server may take for TLS, and then for each answer.
	stepTime = 4 * time.Second
	// maxProbeLine and maxProbeLines bound what a server may say.
	maxProbeLine  = 4 << 10
	maxProbeLines = 100
)

var (
	errGreeting = fmt.Errorf("%w: it does not greet as a server of this protocol", mailbox.ErrProtocol)
	errNoLogin  = errors.New("it offers no login")
	errStart    = fmt.Errorf("%w: it does not offer STARTTLS", mailbox.ErrTLSRequired)
)

// dialerFunc is an access.Dialer.
type dialerFunc func(ctx context.Context) (net.Conn, error)

func (f dialerFunc) DialContext(ctx context.Context, _, _ string) (net.Conn, error) { return f(ctx) }

// probe connects, does TLS, and asks for the capabilities: no user name is sent,
// and no secret is known here. It gives the ways to log in.
func (s *settings) probe(ctx context.Context, c candidate, connect time.Duration, open *sockets) ([]string, error) {
	conn, err := mailconn.Dial(ctx, c.Addr(), &access.Options{
		TLS:       c.TLS,
		TLSConfig: s.probeTLS(),
		Dialer: dialerFunc(func(ctx context.Context) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, connect)
			defer cancel()
			return open.dial(func() (net.Conn, error) { return s.dialAddrs(ctx, c.addrs, c.Port) })
		}),
		ConnectTimeout:  connect + stepTime,
		ProgressTimeout: stepTime,
	})
	if err != nil {
		return nil, certificateError(err)
	}
	defer func() { conn.Break(nil) }()
	release := conn.Bind(ctx)
	p := &prober{conn: conn, br: bufio.NewReaderSize(conn, maxProbeLine), mode: c.TLS, ctx: ctx}
	var auth []string
	switch c.Protocol {
	case IMAP:
		auth, err = p.imap()
	case POP3:
		auth, err = p.pop3()
	default:
		auth, err = p.smtp()
	}
	if cut := release(); cut != nil {
		err = cut
	}
	return auth, certificateError(err)
}

func (s *settings) probeTLS() *tls.Config { return s.tlsConfig("") }

// prober is a conversation that ends before anybody logs in.
type prober struct {
	conn  *mailconn.Conn
	br    *bufio.Reader
	mode  access.TLSMode
	ctx   context.Context
	lines int
}

func (p *prober) line() (string, error) {
	line, err := p.br.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return "", fmt.Errorf("%w: a line of more than %d octets", mailbox.ErrProtocol, maxProbeLine)
	}
	if err != nil {
		return "", p.conn.Fail(err)
	}
	if p.lines++; p.lines > maxProbeLines {
		return "", fmt.Errorf("%w: more than %d lines", mailbox.ErrProtocol, maxProbeLines)
	}
	return strings.TrimRight(string(line), "\r\n"), nil
}

func (p *prober) send(line string) error {
	_, err := io.WriteString(p.conn, line+"\r\n")
	return err
}

// upgrade does TLS. What was said before is forgotten, and what was sent too
// early is an attack.
func (p *prober) upgrade() error {
	if err := mailconn.CheckBuffered(p.br.Buffered()); err != nil {
		return err
	}
	if err := p.conn.StartTLS(p.ctx); err != nil {
		return err
	}
	p.br.Reset(p.conn)
	return nil
}

func (p *prober) imap() ([]string, error) {
	greeting, err := p.line()
	switch {
	case err != nil:
		return nil, err
	case strings.HasPrefix(greeting, "* PREAUTH"):
		return nil, fmt.Errorf("%w: it greets as if somebody had logged in", mailbox.ErrProtocol)
	case !strings.HasPrefix(greeting, "* OK"):
		return nil, errGreeting
	}
	caps, err := p.imapCaps("a")
	if err != nil {
		return nil, err
	}
	if p.mode == access.TLSStart {
		if !caps["STARTTLS"] {
			return nil, errStart
		}
		if _, err = p.imapCommand("b", "STARTTLS"); err == nil {
			err = p.upgrade()
		}
		if err != nil {
			return nil, err
		}
		if caps, err = p.imapCaps("c"); err != nil {
			return nil, err
		}
	}
	if p.mode == access.TLSNone && caps["STARTTLS"] {
		return nil, errors.New("it offers STARTTLS, and that failed")
	}
	_ = p.send("z LOGOUT")
	var mechanisms []string
	for c := range caps {
		if m, ok := strings.CutPrefix(c, "AUTH="); ok {
			mechanisms = append(mechanisms, m)
		}
	}
	return offered(loginWords(mechanisms, !caps["LOGINDISABLED"]))
}

func (p *prober) imapCaps(tag string) (map[string]bool, error) {
	untagged, err := p.imapCommand(tag, "CAPABILITY")
	caps := map[string]bool{}
	for _, l := range untagged {
		if f := strings.Fields(strings.ToUpper(l)); len(f) > 1 && f[0] == "*" && f[1] == "CAPABILITY" {
			for _, c := range f[2:] {
				caps[c] = true
			}
		}
	}
	if err == nil && !caps["IMAP4REV1"] && !caps["IMAP4REV2"] {
		err = errGreeting
	}
	return caps, err
}

// imapCommand gives the untagged lines before the tagged OK.
func (p *prober) imapCommand(tag, name string) (untagged []string, err error) {
	if err := p.send(tag + " " + name); err != nil {
		return nil, err
	}
	for {
		l, err := p.line()
		switch {
		case err != nil:
			return nil, err
		case strings.HasPrefix(l, tag+" OK"):
			return untagged, nil
		case strings.HasPrefix(l, "* "):
			untagged = append(untagged, l)
		default:
			return nil, fmt.Errorf("%w: %s was refused", mailbox.ErrProtocol, name)
		}
	}
}

func (p *prober) pop3() ([]string, error) {
	if err := p.popOK(); err != nil {
		return nil, errors.Join(errGreeting, err)
	}
	caps, err := p.popCaps()
	if err != nil {
		return nil, err
	}
	if p.mode == access.TLSStart {
		if _, ok := caps["STLS"]; !ok {
			return nil, errStart
		}
		if err = p.send("STLS"); err == nil {
			err = p.popOK()
		}
		if err == nil {
			err = p.upgrade()
		}
		if err != nil {
			return nil, err
		}
		if caps, err = p.popCaps(); err != nil {
			return nil, err
		}
	}
	if _, start := caps["STLS"]; p.mode == access.TLSNone && start {
		return nil, errors.New("it offers STLS, and that failed")
	}
	_ = p.send("QUIT")
	_, user := caps["USER"]
	return offered(loginWords(caps["SASL"], user || len(caps) == 0))
}

// popOK reads a reply, which must be +OK.
func (p *prober) popOK() error {
	l, err := p.line()
	if err == nil && !strings.HasPrefix(l, "+OK") {
		err = fmt.Errorf("%w: it answers no +OK", mailbox.ErrProtocol)
	}
	return err
}

// popCaps asks for the capabilities (RFC 2449). A server that refuses knows none.
func (p *prober) popCaps() (map[string][]string, error) {
	caps := map[string][]string{}
	if err := p.send("CAPA"); err != nil {
		return nil, err
	}
	l, err := p.line()
	if err != nil || strings.HasPrefix(l, "-ERR") {
		return caps, err
	}
	if !strings.HasPrefix(l, "+OK") {
		return nil, errGreeting
	}
	for {
		if l, err = p.line(); err != nil {
			return nil, err
		}
		if l == "." {
			return caps, nil
		}
		if f := strings.Fields(strings.ToUpper(l)); len(f) > 0 {
			caps[f[0]] = f[1:]
		}
	}
}

func (p *prober) smtp() ([]string, error) {
	if _, err := p.smtpReply("220"); err != nil {
		return nil, errors.Join(errGreeting, err)
	}
	caps, err := p.ehlo()
	if err != nil {
		return nil, err
	}
	if p.mode == access.TLSStart {
		if _, ok := caps["STARTTLS"]; !ok {
			return nil, errStart
		}
		if err = p.send("STARTTLS"); err == nil {
			_, err = p.smtpReply("220")
		}
		if err == nil {
			err = p.upgrade()
		}
		if err != nil {
			return nil, err
		}
		if caps, err = p.ehlo(); err != nil {
			return nil, err
		}
	}
	if _, start := caps["STARTTLS"]; p.mode == access.TLSNone && start {
		return nil, errors.New("it offers STARTTLS, and that failed")
	}
	_ = p.send("QUIT")
	return offered(loginWords(caps["AUTH"], false))
}

func (p *prober) ehlo() (map[string][]string, error) {
	if err := p.send("EHLO localhost"); err != nil {
		return nil, err
	}
	lines, err := p.smtpReply("250")
	caps := map[string][]string{}
	for _, l := range lines[min(1, len(lines)):] { // the first is a greeting
		if f := strings.Fields(strings.ToUpper(l)); len(f) > 0 {
			caps[f[0]] = f[1:]
		}
	}
	return caps, err
}

// smtpReply reads a reply of one or more lines (RFC 5321 section 4.2).
func (p *prober) smtpReply(code string) (lines []string, err error) {
	for {
		l, err := p.line()
		if err != nil {
			return lines, err
		}
		if len(l) < 3 || l[:3] != code || len(l) > 3 && l[3] != ' ' && l[3] != '-' {
			return lines, fmt.Errorf("%w: it answers no %s", mailbox.ErrProtocol, code)
		}
		if len(l) == 3 || l[3] == ' ' {
			return append(lines, l[min(4, len(l)):]), nil
		}
		lines = append(lines, l[4:])
	}
}

// offered makes a server that offers no login an error.
func offered(auth []string) ([]string, error) {
	if len(auth) == 0 {
		return nil, errNoLogin
	}
	return auth, nil
}
