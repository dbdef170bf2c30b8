package sasl

import (
	"crypto/hmac"
	"crypto/md5"
	"encoding/hex"
)

// plain is PLAIN (RFC 4616).
type plain struct{ identity, user, password string }

func (p *plain) start() ([]byte, error) {
	return []byte(p.identity + "\x00" + p.user + "\x00" + p.password), nil
}

func (p *plain) next([]byte) ([]byte, error) { return nil, errOrder }
func (p *plain) verified() error             { return nil }

// login is LOGIN, which no RFC defines. The prompts' words differ between
// servers; their order does not.
type login struct{ answers []string }

func (l *login) start() ([]byte, error) { return nil, nil }

func (l *login) next([]byte) ([]byte, error) {
	if len(l.answers) == 0 {
		return nil, errOrder
	}
	answer := l.answers[0]
	l.answers = l.answers[1:]
	return []byte(answer), nil
}

func (l *login) verified() error { return nil }

// cramMD5 is CRAM-MD5 (RFC 2195): used only if the user lists it, since who
// listens can try passwords offline.
type cramMD5 struct {
	user, password string
	answered       bool
}

func (c *cramMD5) start() ([]byte, error) { return nil, nil }

func (c *cramMD5) next(challenge []byte) ([]byte, error) {
	if c.answered {
		return nil, errOrder
	}
	c.answered = true
	mac := hmac.New(md5.New, []byte(c.password))
	mac.Write(challenge)
	return []byte(c.user + " " + hex.EncodeToString(mac.Sum(nil))), nil
}

func (c *cramMD5) verified() error { return nil }
