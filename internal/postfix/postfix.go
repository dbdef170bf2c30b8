// Package postfix gives tests a real Postfix server, the one that .ci/postfix
// starts beside Dovecot: what is sent to it is delivered to Dovecot, and is there
// over IMAP and POP3.
//
// The environment says where both are:
//
//	.ci/dovecot start
//	.ci/postfix start
//	eval "$(.ci/dovecot env)"
//	eval "$(.ci/postfix env)"
//	go test ./...
//
// Without it the tests that call [Get] are left out, and say so, as in package
// dovecot; with POSTROOM_REQUIRE_POSTFIX=1, which CI sets, they fail.
package postfix

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"testing"

	"github.com/postroom-go/postroom/internal/dovecot"
)

// ErrAbsent: the environment names no server.
var ErrAbsent = errors.New("no Postfix: its tests did not run; .ci/postfix start makes one")

// Server is a running Postfix with its Dovecot, which knows the passwords. All
// methods are safe for concurrent use.
type Server struct {
	// Submission begins in plaintext and requires STARTTLS, Submissions begins
	// with TLS; both are as Postfix is made. Poor is Submission without any
	// extension but AUTH. All want a login. As host:port.
	Submission, Submissions, Poor string
	// Domain is where users are: whoever is called "user-" and something, in
	// Dovecot by the whole address. Others are refused (550).
	Domain string
	// Void is a domain of the same users, but also of "usér-" and something,
	// whose mail is thrown away.
	Void string
	// Size is the most octets that a message may have.
	Size int64
	// Dovecot keeps the mail.
	Dovecot *dovecot.Server
}

// Get gives the server. Without one, or without Dovecot, the test ends here: left
// out, or failed if POSTROOM_REQUIRE_POSTFIX is 1.
func Get(t testing.TB) *Server {
	t.Helper()
	s, err := FromEnv()
	if errors.Is(err, ErrAbsent) && !required() {
		t.Log(err)
		t.SkipNow()
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Main is the TestMain of a package in which every test needs Postfix, so that it
// is seen without -v, too, when none did run: see dovecot.Main.
func Main(m *testing.M) {
	code := m.Run()
	if _, err := FromEnv(); code == 0 && errors.Is(err, ErrAbsent) {
		fmt.Printf("%v\ntesting: warning: no tests to run\n", err)
	}
	os.Exit(code)
}

// FromEnv reads where the server is from POSTROOM_POSTFIX_SUBMISSION,
// _SUBMISSIONS, _POOR, _DOMAIN, _VOID and _SIZE, and from what dovecot.FromEnv
// reads. If none of the former is set the error is ErrAbsent; if only some are it
// is another one.
func FromEnv() (*Server, error) { return fromEnv(os.Getenv) }

func fromEnv(getenv func(string) string) (*Server, error) {
	var s Server
	var size, missing string
	set := 0
	for _, v := range []struct {
		name string
		dst  *string
	}{
		{"SUBMISSION", &s.Submission}, {"SUBMISSIONS", &s.Submissions}, {"POOR", &s.Poor},
		{"DOMAIN", &s.Domain}, {"VOID", &s.Void}, {"SIZE", &size},
	} {
		if *v.dst = getenv("POSTROOM_POSTFIX_" + v.name); *v.dst != "" {
			set++
		} else {
			missing = v.name
		}
	}
	switch {
	case set == 0:
		return nil, ErrAbsent
	case missing != "":
		return nil, fmt.Errorf("POSTROOM_POSTFIX_%s is not set, but others are", missing)
	}
	var err error
	if s.Size, err = strconv.ParseInt(size, 10, 64); err != nil {
		return nil, fmt.Errorf("POSTROOM_POSTFIX_SIZE: %w", err)
	}
	if s.Dovecot, err = dovecot.FromEnv(); err != nil {
		return nil, fmt.Errorf("the Dovecot of Postfix: %w", err)
	}
	return &s, nil
}

func required() bool { return os.Getenv("POSTROOM_REQUIRE_POSTFIX") == "1" }

// NewUser gives an address that nobody had before, which is also the user's name
// in Dovecot.
func (s *Server) NewUser(t testing.TB) string {
	t.Helper()
	return s.Dovecot.NewUser(t) + "@" + s.Domain
}
