package popsrc

import (
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/mailtest"
)

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// line expects exactly that line.
func line(c *mailtest.Conn, want string) {
	if got := c.ReadLine(); got != want {
		c.Sendf("-ERR [SYS/PERM] want %q\r\n", want)
		c.Stall()
	}
}

// TestLogin plays logins octet by octet. Each script begins behind CAPA, and
// ends with the login.
func TestLogin(t *testing.T) {
	token := strings.Repeat("t0ken", 50)
	oauth := access.OAuth2(testUser, func(context.Context) (string, error) { return token, nil }, nil)
	plain := "\x00" + testUser + "\x00" + canary
	only := func(mech string) access.Auth {
		return access.Password(testUser, canary, &access.AuthOptions{Mechanisms: []string{mech}})
	}
	for _, tt := range []struct {
		name   string
		auth   access.Auth
		caps   string
		script func(c *mailtest.Conn)
	}{
		{"USER, PASS", alice, "USER", func(c *mailtest.Conn) {
			line(c, "USER alice")
			c.Send("+OK\r\n")
			line(c, "PASS "+canary)
		}},
		{"a password with spaces", access.Password(testUser, " p w ", nil), "USER PIPELINING", func(c *mailtest.Conn) {
			line(c, "USER alice")
			line(c, "PASS  p w ")
			c.Send("+OK\r\n")
		}},
		{"USER, PASS in one flight", alice, "USER PIPELINING", func(c *mailtest.Conn) {
			line(c, "USER alice")
			line(c, "PASS "+canary)
			c.Send("+OK\r\n")
		}},
		{"UTF8 ahead, refused", alice, "USER PIPELINING UTF8", func(c *mailtest.Conn) {
			line(c, "UTF8")
			line(c, "USER alice")
			line(c, "PASS "+canary)
			c.Send("-ERR no\r\n+OK\r\n")
		}},
		{"UTF8 alone", alice, "USER UTF8", func(c *mailtest.Conn) {
			line(c, "UTF8")
			c.Send("+OK\r\n")
			line(c, "USER alice")
			c.Send("+OK\r\n")
			line(c, "PASS "+canary)
		}},
		{"PLAIN", alice, "SASL=PLAIN", func(c *mailtest.Conn) { line(c, "AUTH PLAIN "+b64(plain)) }},
		{"PLAIN with UTF8", alice, "SASL=PLAIN UTF8 PIPELINING", func(c *mailtest.Conn) {
			line(c, "UTF8")
			line(c, "AUTH PLAIN "+b64(plain))
			c.Send("+OK\r\n")
		}},
		{"UTF8, then PLAIN", alice, "SASL=PLAIN UTF8", func(c *mailtest.Conn) {
			line(c, "UTF8")
			c.Send("+OK\r\n")
			line(c, "AUTH PLAIN "+b64(plain))
		}},
		{"LOGIN", only("LOGIN"), "SASL=LOGIN", func(c *mailtest.Conn) {
			line(c, "AUTH LOGIN")
			c.Sendf("+ %s\r\n", b64("Username:"))
			line(c, b64(testUser))
			c.Sendf("+ %s\r\n", b64("Password:"))
			line(c, b64(canary))
		}},
		{"CRAM-MD5", only("CRAM-MD5"), "SASL=CRAM-MD5", func(c *mailtest.Conn) {
			line(c, "AUTH CRAM-MD5")
			c.Sendf("+ %s\r\n", b64("<1896.697170952@mail.example>"))
			c.ReadLine()
		}},
		// Longer than a command may be: RFC 5034 section 4 has it in two lines.
		{"XOAUTH2", oauth, "SASL=XOAUTH2", func(c *mailtest.Conn) {
			line(c, "AUTH XOAUTH2")
			c.Send("+\r\n")
			line(c, b64("user=alice\x01auth=Bearer "+token+"\x01\x01"))
		}},
		{"OAUTHBEARER", oauth, "SASL=XOAUTH2,OAUTHBEARER", func(c *mailtest.Conn) {
			line(c, "AUTH OAUTHBEARER")
			c.Send("+ \r\n")
			got, _ := base64.StdEncoding.DecodeString(c.ReadLine())
			assert.Regexp(t, `^n,a=alice,\x01host=127\.0\.0\.1\x01port=\d+\x01auth=Bearer `+token+`\x01\x01$`, string(got))
		}},
		{"SCRAM-SHA-256", alice, "SASL=PLAIN,SCRAM-SHA-256", scramServer},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv := secureServer(t, func(c *mailtest.Conn) {
				c.Send("+OK ready\r\n")
				capa := strings.ReplaceAll(strings.NewReplacer(" ", "\r\n", "=", " ").Replace(tt.caps), ",", " ")
				mailtest.POPAnswers(c, strings.Split(capa, "\r\n")...)
				line(c, "CAPA")
				c.Send("+OK\r\n" + capa + "\r\n.\r\n")
				tt.script(c)
				c.Send("+OK logged in\r\n")
				answerMaildrop(c, nil)
				c.Verb("BYE")
			})
			cl := newClient(t, access.TLSImplicit)
			cl.auth = tt.auth
			cl.open(srv.Addr)
			assert.NotContains(t, cl.canary.Seen(), token)
		})
	}
}

// scramServer is the server's side of RFC 7677.
func scramServer(c *mailtest.Conn) {
	first, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(c.ReadLine(), "AUTH SCRAM-SHA-256 "))
	bare := strings.TrimPrefix(string(first), "n,,")
	_, nonce, _ := strings.Cut(bare, ",r=")
	salt := "0123456789abcdef"
	serverFirst := "r=" + nonce + "more,s=" + b64(salt) + ",i=4096"
	c.Sendf("+ %s\r\n", b64(serverFirst))
	final, _ := base64.StdEncoding.DecodeString(c.ReadLine())
	without, proof, _ := strings.Cut(string(final), ",p=")
	mac := func(key []byte, s string) []byte {
		m := hmac.New(sha256.New, key)
		m.Write([]byte(s))
		return m.Sum(nil)
	}
	salted, _ := pbkdf2.Key(sha256.New, canary, []byte(salt), 4096, sha256.Size)
	clientKey := mac(salted, "Client Key")
	stored := sha256.Sum256(clientKey)
	message := bare + "," + serverFirst + "," + without
	signature := mac(stored[:], message)
	for i := range signature {
		signature[i] ^= clientKey[i]
	}
	if proof != base64.StdEncoding.EncodeToString(signature) {
		c.Send("-ERR [AUTH] wrong\r\n")
		c.Stall()
	}
	c.Sendf("+ %s\r\n", b64("v="+base64.StdEncoding.EncodeToString(mac(mac(salted, "Server Key"), message))))
	if answer := c.ReadLine(); answer != "" {
		c.Send("-ERR want an empty line\r\n")
		c.Stall()
	}
}

// TestLoginRefused: what the mechanism says about it is in the error.
func TestLoginRefused(t *testing.T) {
	srv := secureServer(t, func(c *mailtest.Conn) {
		c.Send("+OK\r\n")
		mailtest.POPAnswers(c, "SASL OAUTHBEARER")
		c.Verb("AUTH")
		c.Sendf("+ %s\r\n", b64(`{"status":"invalid_token","scope":"mail"}`))
		line(c, "AQ==") // RFC 7628 section 3.2.3
		c.Send("-ERR [AUTH] no\r\n")
	})
	cl := newClient(t, access.TLSImplicit)
	cl.auth = access.OAuth2(testUser, func(context.Context) (string, error) { return canary, nil }, nil)
	_, err := cl.dial(srv.Addr)
	require.ErrorIs(t, err, mailbox.ErrAuth)
	assert.ErrorContains(t, err, "invalid_token")
	var reply *ReplyError
	require.ErrorAs(t, err, &reply)
	assert.Equal(t, "AUTH", reply.Code)

	odd := secureServer(t, func(c *mailtest.Conn) {
		c.Send("+OK\r\n")
		mailtest.POPAnswers(c, "SASL PLAIN")
		c.Verb("AUTH")
		c.Send("+ !!!\r\n")
	})
	_, err = newClient(t, access.TLSImplicit).dial(odd.Addr)
	require.ErrorIs(t, err, mailbox.ErrProtocol)
}

// TestTokenIsFresh: each login asks for a token, and a refused one is no reason
// not to try the next.
func TestTokenIsFresh(t *testing.T) {
	tokens := 0
	srv := secureServer(t, func(c *mailtest.Conn) {
		c.Send("+OK\r\n")
		mailtest.POPAnswers(c, "SASL XOAUTH2", "PIPELINING")
		c.Verb("AUTH")
		if c.Num() == 2 {
			c.Send("-ERR [AUTH] expired\r\n")
			return
		}
		c.Send("+OK\r\n")
		answerMaildrop(c, []string{mail("one")})
		if c.Num() == 1 {
			c.Answer("RETR", func(_, _ string) { c.Cut() })
		}
		c.Verb("BYE")
	})
	cl := newClient(t, access.TLSImplicit)
	cl.auth = access.OAuth2(testUser, func(context.Context) (string, error) {
		tokens++
		return canary, nil
	}, nil)
	mb := cl.open(srv.Addr)
	id := idsOf(t, mb)[0]
	_, err := read(t, mb, id)
	require.ErrorIs(t, err, mailbox.ErrAuth)
	got, err := read(t, mb, id)
	require.NoError(t, err)
	assert.Equal(t, mail("one"), got)
	assert.Equal(t, 3, tokens)
}
