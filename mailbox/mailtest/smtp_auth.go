package mailtest

import (
	"strings"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// AuthMechanisms implements smtp.AuthSession.
func (s *smtpSession) AuthMechanisms() []string {
	switch {
	case !s.front.mayLogin():
		return nil
	case s.front.flavour() == SMTPBare:
		return []string{"PLAIN", "LOGIN"}
	}
	return []string{"PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER"}
}

// Auth implements smtp.AuthSession.
func (s *smtpSession) Auth(mech string) (sasl.Server, error) {
	if s.front.lmtp {
		return nil, smtp.ErrAuthUnsupported
	}
	if !s.front.mayLogin() {
		return nil, refuse(538, smtp.EnhancedCode{5, 7, 11}, "TLS is required")
	}
	bare := s.front.flavour() == SMTPBare
	switch {
	case mech == "PLAIN":
		return authServer{sasl.NewPlainServer(func(identity, user, password string) error {
			if identity != "" && identity != user {
				return smtp.ErrAuthFailed
			}
			return s.login(user, password)
		})}, nil
	case mech == "LOGIN":
		return authServer{&loginServer{login: s.login}}, nil
	case mech == "XOAUTH2" && !bare, mech == "OAUTHBEARER" && !bare:
		return authServer{&tokenServer{login: s.login}}, nil
	}
	return nil, smtp.ErrAuthUnknownMechanism
}

func (s *smtpSession) login(user, password string) error {
	if _, err := s.host.store.Login(user, password); err != nil {
		return smtp.ErrAuthFailed
	}
	s.user = user
	return nil
}

// authServer fails as SMTP does: with 535, whatever the mechanism says.
type authServer struct{ sasl.Server }

func (a authServer) Next(response []byte) (challenge []byte, done bool, err error) {
	challenge, done, err = a.Server.Next(response)
	if err != nil {
		err = smtp.ErrAuthFailed
	}
	return challenge, done, err
}

// loginServer is LOGIN, which has no specification beyond an expired draft.
type loginServer struct {
	login func(user, password string) error
	user  []byte
	asked bool
}

func (l *loginServer) Next(response []byte) (challenge []byte, done bool, err error) {
	switch {
	case l.user != nil:
		return nil, true, l.login(string(l.user), string(response))
	case response == nil && !l.asked:
		l.asked = true
		return []byte("Username:"), false, nil
	}
	l.user = append([]byte{}, response...)
	return []byte("Password:"), false, nil
}

// tokenServer is XOAUTH2 and OAUTHBEARER (RFC 7628), which differ in how the
// user is named. A failure is a challenge, and ends after the client's answer.
type tokenServer struct {
	login  func(user, token string) error
	failed error
}

func (t *tokenServer) Next(response []byte) (challenge []byte, done bool, err error) {
	switch {
	case t.failed != nil:
		return nil, true, t.failed
	case response == nil:
		return []byte{}, false, nil
	}
	var user, token string
	for _, field := range strings.FieldsFunc(string(response), func(r rune) bool { return r == 1 || r == ',' }) {
		key, value, _ := strings.Cut(field, "=")
		switch key {
		case "user", "a":
			user = value
		case "auth":
			if kind, t, _ := strings.Cut(value, " "); strings.EqualFold(kind, "Bearer") {
				token = t
			}
		}
	}
	if t.failed = t.login(user, token); t.failed != nil {
		return []byte(`{"status":"401","schemes":"bearer","scope":"mail"}`), false, nil
	}
	return nil, true, nil
}
