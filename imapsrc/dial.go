package imapsrc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"

	"github.com/postroom-go/postroom/internal/imapwire"
	"github.com/postroom-go/postroom/internal/mailconn"
	"github.com/postroom-go/postroom/internal/sasl"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
)

// errNoInlineIR: the server offers SASL-IR and refused an initial response. It
// is tried without on a fresh connection.
var errNoInlineIR = errors.New("the server refused an initial response")

// connect makes a session: TCP, TLS, greeting, login.
func (m *Mailbox) connect(ctx context.Context) (*session, error) {
	s, err := m.connectOnce(ctx)
	if errors.Is(err, errNoInlineIR) && !m.learnt.noInlineIR.Swap(true) {
		s, err = m.connectOnce(ctx)
	}
	return s, err
}

func (m *Mailbox) connectOnce(ctx context.Context) (*session, error) {
	ctx, end := m.begin(ctx)
	defer end(nil)
	quick, cancel := mailconn.WithConnectTimeout(ctx, &m.opts.Net)
	defer cancel()
	nc, err := mailconn.Dial(quick, m.addr, &m.opts.Net)
	if err != nil {
		return nil, err
	}
	nc.SetID(int(m.conns.Add(1)))
	s := &session{m: m, net: nc, asked: make(chan struct{}, 1)}
	s.newWire()
	if err = s.run(quick, func() error { return s.greet(quick) }); err == nil {
		err = s.run(ctx, func() error { return s.login(ctx) })
	}
	if err != nil {
		s.drop(err)
		return nil, err
	}
	return s, nil
}

// greet reads the greeting and does STARTTLS. Nothing that was said before TLS
// is kept.
func (s *session) greet(ctx context.Context) error {
	st, err := s.wire.Greeting()
	if err != nil {
		return err
	}
	mode := s.m.opts.Net.TLS
	if st.Kind == "BYE" {
		err := s.refusal("BYE", st.Code, st.Text, phaseLogin)
		if mode == access.TLSStart {
			err = s.refusal("BYE", st.Code, "", phaseLogin)
		}
		return err
	}
	if st.Kind == "PREAUTH" {
		if err := s.preauth(mode); err != nil {
			return err
		}
		s.ready = true
	}
	if st.Code == "CAPABILITY" {
		s.caps = parseCaps(st.Args)
	}
	if mode == access.TLSStart {
		return s.startTLS(ctx)
	}
	return nil
}

// preauth decides whether a server may tell us that we are logged in already.
// Before STARTTLS it would keep us from TLS (RFC 9051 section 11.1); with
// credentials at hand it would show us somebody else's mailbox.
func (s *session) preauth(mode access.TLSMode) error {
	_, password := s.m.auth.Secret()
	switch {
	case s.m.opts.test.anyAuth:
		return nil
	case mode == access.TLSStart:
		return fmt.Errorf("%w: the server says PREAUTH, after which there is no STARTTLS", mailbox.ErrTLSRequired)
	case password || s.m.auth.TokenSource() != nil:
		return &protocolError{"the server says that we are logged in already (PREAUTH), though there are credentials"}
	}
	return nil
}

// startTLS puts TLS under the session, and forgets what the server said before.
func (s *session) startTLS(ctx context.Context) error {
	if s.caps == nil {
		if err := s.askCaps(); err != nil {
			return tlsRequired(err, "the server refuses CAPABILITY")
		}
	}
	if !s.caps["STARTTLS"] {
		return fmt.Errorf("%w: the server does not offer STARTTLS", mailbox.ErrTLSRequired)
	}
	if _, err := s.command("STARTTLS"); err != nil {
		return tlsRequired(err, "the server refuses STARTTLS")
	}
	if !s.m.opts.test.noInjectionCheck {
		if err := mailconn.CheckBuffered(s.wire.Buffered()); err != nil {
			return err
		}
	}
	if err := s.net.StartTLS(ctx); err != nil {
		return err
	}
	if !s.m.opts.test.trustPlainCaps {
		s.caps = nil
	}
	s.newWire()
	return nil
}

// tlsRequired makes ErrTLSRequired of a refusal; the server's words, said in
// plaintext, are left out.
func tlsRequired(err error, what string) error {
	var status *imapwire.Status
	if errors.As(err, &status) && status.Kind != "BYE" {
		return fmt.Errorf("%w: %s", mailbox.ErrTLSRequired, what)
	}
	return err
}

// askCaps asks for the capabilities.
func (s *session) askCaps() error {
	cmd, err := s.wire.Start("CAPABILITY")
	if err != nil {
		return err
	}
	caps := capSet{}
	for r, err := range each(cmd) {
		if err != nil {
			return err
		}
		if r.Name == "CAPABILITY" {
			caps = parseCaps(string(r.Text()))
		}
	}
	s.caps = caps
	return nil
}

// login logs in and learns what the server offers then.
func (s *session) login(ctx context.Context) error {
	if s.caps == nil {
		if err := s.askCaps(); err != nil {
			return s.reason(err, phaseOther)
		}
	}
	s.offered = s.caps
	s.startEngine()
	if !s.ready {
		if err := s.authenticate(ctx); err != nil {
			return err
		}
		s.caps = nil
		if st := s.tagged.Load(); st != nil && st.Code == "CAPABILITY" {
			s.caps = parseCaps(st.Args)
		}
	}
	if s.caps == nil {
		if err := s.askCaps(); err != nil {
			return s.reason(err, phaseOther)
		}
	}
	return s.identify()
}

// identify queues ID ahead of the first command (RFC 2971): some servers open
// no folder before it.
func (s *session) identify() error {
	id := s.m.opts.id()
	if !s.caps["ID"] || len(id) == 0 {
		return nil
	}
	return s.wire.Ahead("ID", idArg(id))
}

// authenticate logs in by the best way that both sides have. A token that is
// refused is replaced once, if its source has another.
func (s *session) authenticate(ctx context.Context) error {
	source := s.m.auth.TokenSource()
	if source == nil {
		return s.authenticateAs(ctx, s.m.auth)
	}
	first, err := call(ctx, source)
	if err != nil {
		return err
	}
	err = s.authenticateAs(ctx, withToken(s.m.auth, first))
	if !errors.Is(err, mailbox.ErrAuth) || s.broken() != nil || ctx.Err() != nil {
		return err
	}
	second, terr := call(ctx, source)
	if terr != nil || second == first {
		return err
	}
	return s.authenticateAs(ctx, withToken(s.m.auth, second))
}

// call asks a token source, and does not wait longer than ctx.
func call(ctx context.Context, source func(context.Context) (string, error)) (string, error) {
	type result struct {
		token string
		err   error
	}
	done := make(chan result, 1)
	go func() {
		token, err := source(ctx)
		done <- result{token, err}
	}()
	select {
	case <-ctx.Done():
		return "", mailconn.ContextError(ctx)
	case r := <-done:
		if r.err != nil {
			return "", fmt.Errorf("token source: %w", r.err)
		}
		return r.token, nil
	}
}

func withToken(a access.Auth, token string) access.Auth {
	opts := a.Options()
	return access.OAuth2(a.User(), func(context.Context) (string, error) { return token, nil }, &opts)
}

func (s *session) authenticateAs(ctx context.Context, auth access.Auth) error {
	s.tagged.Store(nil)
	o := &sasl.Options{
		Secure:    s.net.Secure() || s.m.opts.test.anyAuth,
		Plaintext: s.m.opts.Net.TLS == access.TLSNone,
		Login:     "LOGIN",
	}
	if s.offered["LOGINDISABLED"] && !s.m.opts.test.anyAuth {
		o.Login = ""
	}
	if host, port, err := net.SplitHostPort(s.m.addr); err == nil {
		o.Host = host
		o.Port, _ = strconv.Atoi(port)
	}
	client, err := sasl.Choose(ctx, auth, s.offered.values("AUTH="), o)
	if err != nil {
		if o.Login == "" && !o.Secure && errors.Is(err, mailbox.ErrAuth) {
			return fmt.Errorf("%w: the server takes no login without it", mailbox.ErrTLSRequired)
		}
		return err
	}
	if client != nil {
		s.m.secrets.Hide(client.Secret())
		return s.engineAuthenticate(client)
	}
	user, password, err := sasl.Credentials(auth)
	if err != nil {
		return err
	}
	s.m.secrets.Hide(password)
	return s.engineLogin(user, password)
}
