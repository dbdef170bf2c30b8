package popsrc

import (
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/postroom-go/postroom/internal/sasl"
	"github.com/postroom-go/postroom/mailbox"
)

// loginSASL is AUTH (RFC 5034).
func (s *session) loginSASL(c *sasl.Client) error {
	mech, ir, err := c.Start()
	if err != nil {
		return err
	}
	first := "AUTH " + mech
	traced := first
	inline := ir != nil && len(first)+1+len(encode(ir))+2 <= maxCommand
	if inline {
		first, traced = first+" "+encode(ir), traced+" ***"
	}
	utf8, utf8Answer := s.utf8()
	if utf8 != "" && !s.caps.has("PIPELINING") {
		if err := s.flight([]string{utf8, utf8}, utf8Answer); err != nil {
			return err
		}
		utf8, utf8Answer = "", func() error { return nil }
	}
	if err := s.flight([]string{utf8 + traced, utf8 + first}, utf8Answer); err != nil {
		return err
	}
	if ir != nil && !inline {
		done, _, err := s.challenge()
		switch {
		case err != nil:
			return s.reasoned(c, err)
		case done:
			return s.fail(fmt.Errorf("%w: AUTH accepted before it was asked", mailbox.ErrProtocol))
		}
		if err := s.respond(ir); err != nil {
			return err
		}
	}
	return s.converse(c)
}

// converse answers challenges until the server has decided.
func (s *session) converse(c *sasl.Client) error {
	for {
		done, challenge, err := s.challenge()
		if err != nil {
			return s.reasoned(c, err)
		}
		if done {
			return s.fail(c.Verified())
		}
		answer, err := c.Next(challenge)
		if err != nil {
			// Whether "*" would be heard is not worth knowing.
			return s.fail(err)
		}
		if err := s.respond(answer); err != nil {
			return err
		}
	}
}

// challenge reads "+ challenge", or the server's decision.
func (s *session) challenge() (done bool, challenge []byte, err error) {
	line, err := s.rd.line()
	if err != nil {
		return false, nil, s.fail(err)
	}
	b64, ok := strings.CutPrefix(string(line), "+")
	if ok && (b64 == "" || b64[0] == ' ') {
		s.conn.Trace(false, "+ ***")
		challenge, err = base64.StdEncoding.DecodeString(strings.TrimSpace(b64))
		if err != nil {
			return false, nil, s.fail(fmt.Errorf("%w: a challenge that is not base64", mailbox.ErrProtocol))
		}
		return false, challenge, nil
	}
	if s.conn.Tracing() {
		s.conn.Trace(false, s.secrets.Redact(string(line)))
	}
	_, err = s.read("AUTH", line)
	return err == nil, nil, err
}

// respond sends the answer to a challenge.
func (s *session) respond(answer []byte) error {
	s.conn.Trace(true, "***")
	return s.sendQuietly(base64.StdEncoding.EncodeToString(answer) + "\r\n")
}

// reasoned adds what the server said inside the mechanism to its refusal.
func (s *session) reasoned(c *sasl.Client, err error) error {
	if r := s.secrets.Redact(c.Reason()); r != "" {
		return fmt.Errorf("%w (%s: %q)", err, c.Mechanism(), r)
	}
	return err
}

// encode is the form of an initial response: "=" stands for an empty one.
func encode(ir []byte) string {
	if len(ir) == 0 {
		return "="
	}
	return base64.StdEncoding.EncodeToString(ir)
}
