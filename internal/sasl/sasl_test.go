package sasl

import (
	"context"
	"errors"
	"strings"
	"testing"

	gosasl "github.com/emersion/go-sasl"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
)

// The engine of the IMAP driver takes a Client as it is.
var _ gosasl.Client = (*Client)(nil)

const canary = "canary-5ecret"

var (
	secure = &Options{Secure: true, Login: "USER", Host: "mail.example", Port: 993}
	alice  = access.Password("alice", canary, nil)
)

func oauth(opts *access.AuthOptions) access.Auth {
	return access.OAuth2("alice", func(context.Context) (string, error) { return canary, nil }, opts)
}

func with(mechs ...string) *access.AuthOptions { return &access.AuthOptions{Mechanisms: mechs} }

func TestChoose(t *testing.T) {
	every := []string{"ANONYMOUS", "CRAM-MD5", "EXTERNAL", "LOGIN", "oauthbearer", "plain", "SCRAM-SHA-1", "Scram-Sha-256", "XOAUTH2"}
	tests := []struct {
		name    string
		auth    access.Auth
		offered []string
		opts    *Options
		want    string // "own" is the protocol's command
		err     error
	}{
		{"best", alice, every, secure, "SCRAM-SHA-256", nil},
		{"plain", alice, []string{"LOGIN", "PLAIN", "CRAM-MD5"}, secure, "PLAIN", nil},
		{"login", alice, []string{"LOGIN", "CRAM-MD5"}, secure, "LOGIN", nil},
		{"own command", alice, nil, secure, "own", nil},
		{"own command before SCRAM-SHA-1", alice, []string{"SCRAM-SHA-1"}, secure, "own", nil},
		{"SCRAM-SHA-1 alone", alice, []string{"SCRAM-SHA-1"}, &Options{Secure: true}, "SCRAM-SHA-1", nil},
		{"CRAM-MD5 only if listed", alice, []string{"CRAM-MD5"}, &Options{Secure: true}, "", mailbox.ErrAuth},
		{"CRAM-MD5 listed", access.Password("alice", canary, with("cram-md5")), every, secure, "CRAM-MD5", nil},
		{"the list is permission", access.Password("alice", canary, with("SCRAM-SHA-256")), []string{"PLAIN"}, secure, "", mailbox.ErrAuth},
		{"the list is order", access.Password("alice", canary, with("PLAIN", "SCRAM-SHA-256")), every, secure, "PLAIN", nil},
		{"own command listed", access.Password("alice", canary, with("USER")), every, secure, "own", nil},
		{"own LOGIN", access.Password("alice", canary, with("LOGIN")), nil, &Options{Secure: true, Login: "LOGIN"}, "own", nil},
		{"SASL LOGIN first", access.Password("alice", canary, with("LOGIN")), every, &Options{Secure: true, Login: "LOGIN"}, "LOGIN", nil},
		{"token", oauth(nil), every, secure, "OAUTHBEARER", nil},
		{"token, older", oauth(nil), []string{"XOAUTH2", "PLAIN"}, secure, "XOAUTH2", nil},
		{"token never as password", oauth(nil), []string{"PLAIN", "LOGIN"}, secure, "", mailbox.ErrAuth},
		{"token never as password though listed", oauth(with("PLAIN", "USER", "LOGIN")), every, secure, "", mailbox.ErrAuth},
		{"password never as token", access.Password("alice", canary, with("XOAUTH2", "OAUTHBEARER")), every, secure, "", mailbox.ErrAuth},
		{"identity needs a mechanism for it", access.Password("alice", canary, &access.AuthOptions{Identity: "bob"}), []string{"LOGIN"}, secure, "", mailbox.ErrAuth},
		{"identity", access.Password("alice", canary, &access.AuthOptions{Identity: "bob"}), []string{"LOGIN", "PLAIN"}, secure, "PLAIN", nil},
		{"no TLS", alice, every, &Options{Login: "USER"}, "", mailbox.ErrTLSRequired},
		{"no TLS by choice", alice, []string{"PLAIN"}, &Options{Plaintext: true}, "PLAIN", nil},
		{"nothing to log in with", access.Auth{}, every, secure, "", mailbox.ErrAuth},
		{"unknown mechanism", access.Password("alice", canary, with("X-NEW")), []string{"X-NEW"}, secure, "", mailbox.ErrAuth},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := Choose(t.Context(), tt.auth, tt.offered, tt.opts)
			if tt.err != nil {
				require.ErrorIs(t, err, tt.err)
				assert.NotContains(t, err.Error(), canary)
				assert.Nil(t, c)
				return
			}
			require.NoError(t, err)
			if tt.want == "own" {
				assert.Nil(t, c)
				return
			}
			require.NotNil(t, c)
			assert.Equal(t, tt.want, c.Mechanism())
		})
	}
}

// TestInjection tries each octet in each string: none that ends a line or a
// field gets through.
func TestInjection(t *testing.T) {
	for b := range 256 {
		s := "a" + string([]byte{byte(b)}) + "z"
		bad := b == 0 || b == 1 || b == '\r' || b == '\n'
		for name, auth := range map[string]access.Auth{
			"user":     access.Password(s, canary, nil),
			"password": access.Password("alice", s, nil),
			"identity": access.Password("alice", canary, &access.AuthOptions{Identity: s}),
		} {
			_, err := Choose(t.Context(), auth, []string{"PLAIN"}, secure)
			if bad {
				require.ErrorIs(t, err, mailbox.ErrAuth, "%s %q", name, s)
				require.NotContains(t, err.Error(), s)
			} else {
				require.NoError(t, err, "%s %q", name, s)
			}
		}
		tokens := access.OAuth2("alice", func(context.Context) (string, error) { return s, nil }, nil)
		_, err := Choose(t.Context(), tokens, []string{"XOAUTH2"}, secure)
		assert.Equal(t, b > ' ' && b <= '~', err == nil, "token %q", s)
	}
}

func TestCredentials(t *testing.T) {
	user, password, err := Credentials(alice)
	require.NoError(t, err)
	assert.Equal(t, "alice", user)
	assert.Equal(t, canary, password)
	_, _, err = Credentials(oauth(nil))
	assert.ErrorIs(t, err, mailbox.ErrAuth)
}

// TestMessages compares what each mechanism sends with its RFC.
func TestMessages(t *testing.T) {
	tests := []struct {
		mech string
		auth access.Auth
		ir   string
		// challenges and answers in turn
		talk []string
	}{
		{"PLAIN", access.Password("tim", "tanstaaftanstaaf", nil), "\x00tim\x00tanstaaftanstaaf", nil},
		{"PLAIN", access.Password("Kurt", "xipj3plmq", &access.AuthOptions{Identity: "Ursel"}), "Ursel\x00Kurt\x00xipj3plmq", nil},
		{"LOGIN", alice, "", []string{"Username:", "alice", "Password:", canary}},
		{"CRAM-MD5", access.Password("tim", "tanstaaftanstaaf", with("CRAM-MD5")), "",
			[]string{"<1896.697170952@postoffice.reston.mci.net>", "tim b913a602c7eda7a495b4e6e7334d3890"}},
		{"OAUTHBEARER", oauth(nil), "n,a=alice,\x01host=mail.example\x01port=993\x01auth=Bearer " + canary + "\x01\x01",
			[]string{`{"status":"invalid_token","scope":"mail"}`, "\x01"}},
		{"XOAUTH2", oauth(with("XOAUTH2")), "user=alice\x01auth=Bearer " + canary + "\x01\x01",
			[]string{`{"status":"invalid_token","schemes":"bearer"}`, ""}},
	}
	for _, tt := range tests {
		t.Run(tt.mech, func(t *testing.T) {
			c, err := Choose(t.Context(), tt.auth, []string{tt.mech}, &Options{Secure: true, Host: "mail.example", Port: 993})
			require.NoError(t, err)
			name, ir, err := c.Start()
			require.NoError(t, err)
			assert.Equal(t, tt.mech, name)
			assert.Equal(t, tt.ir, string(ir))
			for i := 0; i < len(tt.talk); i += 2 {
				answer, err := c.Next([]byte(tt.talk[i]))
				require.NoError(t, err)
				require.NotNil(t, answer)
				assert.Equal(t, tt.talk[i+1], string(answer))
			}
			if strings.HasSuffix(tt.mech, "2") || tt.mech == "OAUTHBEARER" {
				assert.Equal(t, "invalid_token", c.Reason())
			}
			require.NoError(t, c.Verified())
			_, err = c.Next(nil)
			assert.ErrorIs(t, err, mailbox.ErrProtocol, "one challenge too many")
		})
	}
}

// endless answers whatever it is asked.
type endless struct{}

func (endless) start() ([]byte, error)      { return nil, nil }
func (endless) next([]byte) ([]byte, error) { return []byte{}, nil }
func (endless) verified() error             { return nil }

// TestHostile holds what a server can do within a login.
func TestHostile(t *testing.T) {
	t.Run("sasl-endless", hostileEndless)
	t.Run("scram-cost", hostileSCRAM)
}

// hostileEndless: the questions of a server end, and so do its words.
func hostileEndless(t *testing.T) {
	c := &Client{mech: endless{}}
	for range maxRounds {
		_, err := c.Next(nil)
		require.NoError(t, err)
	}
	_, err := c.Next(nil)
	require.ErrorIs(t, err, mailbox.ErrProtocol)

	c = &Client{mech: endless{}}
	_, err = c.Next(make([]byte, maxChallenge))
	require.NoError(t, err)
	_, err = c.Next(make([]byte, maxChallenge+1))
	require.ErrorIs(t, err, mailbox.ErrProtocol)

	for range 10 * maxRounds {
		_, err := endless{}.next(make([]byte, maxChallenge+1))
		require.NoError(t, err, "the control: the mechanism goes on")
	}
}

// TestTokenSource: the source's own error is kept, and a source that hangs does
// not hold up a call whose context has ended.
func TestTokenSource(t *testing.T) {
	boom := errors.New("boom")
	fails := access.OAuth2("alice", func(context.Context) (string, error) { return "", boom }, nil)
	_, err := Choose(t.Context(), fails, []string{"XOAUTH2"}, secure)
	require.ErrorIs(t, err, boom)

	hang := make(chan struct{})
	defer close(hang)
	hangs := access.OAuth2("alice", func(context.Context) (string, error) { <-hang; return "", nil }, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = Choose(ctx, hangs, []string{"XOAUTH2"}, secure)
	require.ErrorIs(t, err, context.Canceled)
}

func TestReasonIsClean(t *testing.T) {
	c, err := Choose(t.Context(), oauth(nil), []string{"XOAUTH2"}, secure)
	require.NoError(t, err)
	_, err = c.Next([]byte(`{"status":"no` + "\x1b[31m" + strings.Repeat("x", 5000) + `"}`))
	require.NoError(t, err)
	assert.NotContains(t, c.Reason(), "\x1b")
	assert.LessOrEqual(t, len(c.Reason()), 210)
}
