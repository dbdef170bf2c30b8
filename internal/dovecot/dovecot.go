// Package dovecot gives tests a real Dovecot server, the one that .ci/dovecot
// starts. It talks to the server in a small IMAP of its own, so that what
// prepares or inspects a mailbox is not the code under test.
//
// The environment says where the server is:
//
//	.ci/dovecot start
//	eval "$(.ci/dovecot env)"
//	go test ./...
//
// Without it the tests that call [Get] are left out, and say so; with
// POSTROOM_REQUIRE_DOVECOT=1, which CI sets, they fail. The same goes for those
// that call [Server.Maildir] where Dovecot's files are somebody else's. This
// package and internal/postfix are the only places in the repository where a test
// may be left out.
package dovecot

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// ErrAbsent: the environment names no server.
var ErrAbsent = errors.New("no Dovecot: its tests did not run; .ci/dovecot start makes one")

// ErrForeign: the server's files cannot be changed by whoever runs the tests.
var ErrForeign = errors.New("no right to change Dovecot's files: the tests that share its Maildirs did not run; " +
	"run them as root, or as who started it")

// Server is a running Dovecot. Any user name can log in, with one password; the
// account is made at the first login and has INBOX, Sent, Drafts, Trash, Junk
// and Archive. All methods are safe for concurrent use.
type Server struct {
	// The addresses, as host:port: IMAP and POP3 begin in plaintext, offer
	// STARTTLS and allow a login without it; IMAPS and POP3S begin with TLS.
	IMAP, IMAPS, POP3, POP3S string
	// Password is everybody's.
	Password string
	// Mail is the directory of all mail: that of a user is in Mail/user/Maildir.
	Mail string

	roots *x509.CertPool
}

// Get gives the server. Without one the test ends here: left out, or failed if
// POSTROOM_REQUIRE_DOVECOT is 1.
func Get(t testing.TB) *Server {
	t.Helper()
	s, err := FromEnv()
	need(t, err)
	return s
}

// need ends a test that lacks something: left out if that is allowed, else
// failed.
func need(t testing.TB, err error) {
	t.Helper()
	if (errors.Is(err, ErrAbsent) || errors.Is(err, ErrForeign)) && !required() {
		t.Log(err)
		t.SkipNow()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Maildir gives the directory in which Dovecot keeps a user's mail, made if it
// was not there. What a test creates in it belongs to whoever runs the test: the
// test has to give it to the owner of the directory. Where it cannot do that it
// ends here, as in Get without a server.
func (s *Server) Maildir(t testing.TB, user string) string {
	t.Helper()
	need(t, s.writable())
	s.Do(t, user, "STATUS INBOX (MESSAGES)") // it is made when it is first opened
	return filepath.Join(s.Mail, user, "Maildir")
}

// writable is ErrForeign if Dovecot's files cannot be changed.
func (s *Server) writable() error {
	dir, err := os.MkdirTemp(s.Mail, "writable-")
	if err != nil {
		return fmt.Errorf("%w: %w", ErrForeign, err)
	}
	return os.Remove(dir)
}

// Main is the TestMain of a package in which every test needs Dovecot, so that
// it is seen without -v, too, when none did run: go test then prints "[no tests
// to run]" behind the package's name.
func Main(m *testing.M) {
	code := m.Run()
	s, err := FromEnv()
	switch {
	case code != 0:
	case errors.Is(err, ErrAbsent):
		// All that go test shows of a package that passes is made of this line
		// of package testing. Asking for no tests by -test.run would print it as
		// well, but only what is read from the environment within m.Run counts
		// when go test decides whether a cached result still holds.
		fmt.Printf("%v\ntesting: warning: no tests to run\n", err)
	case err == nil && !required():
		if err := s.writable(); err != nil {
			fmt.Println(err) // go test shows it in the package's own directory, or with -v
		}
	}
	os.Exit(code)
}

// FromEnv reads where the server is from POSTROOM_DOVECOT_IMAP, _IMAPS, _POP3,
// _POP3S, _CA (a PEM file), _PASSWORD and _MAIL. If none is set the error is
// ErrAbsent; if only some are it is another one.
func FromEnv() (*Server, error) { return fromEnv(os.Getenv) }

func fromEnv(getenv func(string) string) (*Server, error) {
	var s Server
	var ca, missing string
	set := 0
	for _, v := range []struct {
		name string
		dst  *string
	}{
		{"IMAP", &s.IMAP}, {"IMAPS", &s.IMAPS}, {"POP3", &s.POP3}, {"POP3S", &s.POP3S},
		{"CA", &ca}, {"PASSWORD", &s.Password}, {"MAIL", &s.Mail},
	} {
		if *v.dst = getenv("POSTROOM_DOVECOT_" + v.name); *v.dst != "" {
			set++
		} else {
			missing = v.name
		}
	}
	switch {
	case set == 0:
		return nil, ErrAbsent
	case missing != "":
		return nil, fmt.Errorf("POSTROOM_DOVECOT_%s is not set, but others are", missing)
	}
	pem, err := os.ReadFile(ca)
	if err != nil {
		return nil, fmt.Errorf("the CA of Dovecot: %w", err)
	}
	s.roots = x509.NewCertPool()
	if !s.roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("the CA of Dovecot: %s holds no certificate", ca)
	}
	return &s, nil
}

func required() bool { return os.Getenv("POSTROOM_REQUIRE_DOVECOT") == "1" }

// TLSConfig trusts the server's CA and nothing else. Each call gives a fresh
// value.
func (s *Server) TLSConfig() *tls.Config {
	return &tls.Config{RootCAs: s.roots, MinVersion: tls.VersionTLS12}
}

// NewUser gives a user name that nobody had before, so that tests do not see
// each other's mail.
func (s *Server) NewUser(t testing.TB) string {
	t.Helper()
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return "user-" + hex.EncodeToString(b[:])
}
