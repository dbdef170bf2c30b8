package sasl

import (
	"context"
	"fmt"
	"strings"

	"github.com/postroom-go/postroom/internal/mailconn"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
)

// maxRounds is the most challenges that we answer in one login; the longest
// mechanism has three.
const maxRounds = 10

// maxChallenge is the most octets of a challenge.
const maxChallenge = 16 << 10

// mechanism is one way to answer challenges.
type mechanism interface {
	// start gives the initial response; nil if there is none.
	start() ([]byte, error)
	// next answers a challenge.
	next(challenge []byte) ([]byte, error)
	// verified tells, once the server said yes, whether it proved itself as far
	// as the mechanism can.
	verified() error
}

// Client is one login by one mechanism. It has the methods of go-sasl's Client
// and belongs to one goroutine.
type Client struct {
	name   string
	mech   mechanism
	secret string
	rounds int
	reason string
}

func newClient(ctx context.Context, auth access.Auth, name string, o *Options) (*Client, error) {
	c := &Client{name: name}
	opts := auth.Options()
	if source := auth.TokenSource(); source != nil {
		t, err := token(ctx, source)
		if err != nil {
			return nil, err
		}
		c.secret = t
		b := bearer{user: auth.User(), token: t, said: &c.reason}
		if name == "XOAUTH2" {
			c.mech = &xoauth2{b}
		} else {
			if opts.Identity != "" {
				b.user = opts.Identity
			}
			c.mech = &oauthBearer{bearer: b, host: o.Host, port: o.Port}
		}
		return c, nil
	}
	user, password, err := Credentials(auth)
	if err != nil {
		return nil, err
	}
	c.secret = password
	switch name {
	case scramSHA256, scramSHA1:
		c.mech = newSCRAM(ctx, name, opts.Identity, user, password)
	case "PLAIN":
		c.mech = &plain{opts.Identity, user, password}
	case "LOGIN":
		c.mech = &login{answers: []string{user, password}}
	case "CRAM-MD5":
		c.mech = &cramMD5{user: user, password: password}
	default:
		return nil, fmt.Errorf("%w: mechanism %s is not known", mailbox.ErrAuth, clean(name))
	}
	return c, nil
}

// Mechanism is the mechanism's name.
func (c *Client) Mechanism() string { return c.name }

// Secret is the password or token, for drivers to keep it out of what a server
// repeats.
func (c *Client) Secret() string { return c.secret }

// Start gives the mechanism's name and its initial response; ir is nil if the
// server speaks first. It holds secrets.
func (c *Client) Start() (mech string, ir []byte, err error) {
	ir, err = c.mech.start()
	return c.name, ir, err
}

// Next answers a challenge; the answer may be empty and may hold secrets. An
// error is mailbox.ErrProtocol or ErrAuth and ends the login: cancel it or drop
// the connection.
func (c *Client) Next(challenge []byte) ([]byte, error) {
	c.rounds++
	if c.rounds > maxRounds {
		return nil, fmt.Errorf("%w: more than %d challenges in one login", mailbox.ErrProtocol, maxRounds)
	}
	if len(challenge) > maxChallenge {
		return nil, fmt.Errorf("%w: a challenge of %d octets", mailbox.ErrProtocol, len(challenge))
	}
	resp, err := c.mech.next(challenge)
	if err == errOrder {
		err = fmt.Errorf("%w: %s: %w", mailbox.ErrProtocol, c.name, errOrder)
	}
	return resp, err
}

// Verified is to be called once the server has said yes. It is
// mailbox.ErrProtocol if the server has not proved that it knows the secret,
// where the mechanism asks for that: drop the connection.
func (c *Client) Verified() error { return c.mech.verified() }

// Reason is what the server said within the mechanism about a refusal, such as
// OAUTHBEARER's status; often empty. It is clean and short.
func (c *Client) Reason() string { return c.reason }

// clean makes text from elsewhere fit for an error.
func clean(s string) string {
	s = mailconn.ServerText(s)
	if len(s) > 200 {
		s = strings.ToValidUTF8(s[:200], "") + "..."
	}
	return s
}
