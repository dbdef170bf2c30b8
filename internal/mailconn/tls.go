package mailconn

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	"github.com/postroom-go/postroom/mailbox"
)

// StartTLS puts TLS on a connection that began in plaintext. Call it after the
// server's consent was read and CheckBuffered was nil. Whatever plaintext stands
// behind that consent, at once or later, is mailbox.ErrTLSInjection; other
// errors are as in Dial. After an error the connection is broken. Everything
// that the server said before must be forgotten.
func (c *Conn) StartTLS(ctx context.Context) error {
	if c.Secure() {
		return errors.New("TLS is on already")
	}
	return c.handshake(ctx, true)
}

// CheckBuffered is mailbox.ErrTLSInjection if n, the number of octets that were
// read but not used when the server consented to STARTTLS, is above 0
// (CVE-2011-0411).
func CheckBuffered(n int) error {
	if n > 0 {
		return fmt.Errorf("%w: %d octets", mailbox.ErrTLSInjection, n)
	}
	return nil
}

// handshake does TLS. After an error the connection is closed.
func (c *Conn) handshake(ctx context.Context, upgrade bool) error {
	if upgrade {
		c.wire.expectTLS()
	}
	t := tls.Client(c.wire, clientConfig(c.opts.TLSConfig, c.host))
	release := c.Bind(ctx)
	err := t.Handshake()
	if err != nil {
		err = c.Fail(handshakeError(err))
	}
	if cut := release(); cut != nil {
		err = cut
	}
	if err != nil {
		c.Break(err)
		return err
	}
	c.cur = t
	c.secure.Store(true)
	return nil
}

// clientConfig is the user's configuration with what we insist on: a name to
// verify, and no TLS below 1.2 (RFC 8996).
func clientConfig(base *tls.Config, host string) *tls.Config {
	cfg := &tls.Config{}
	if base != nil {
		cfg = base.Clone()
	}
	cfg.MinVersion = max(cfg.MinVersion, tls.VersionTLS12)
	// Pipelined commands should leave in one piece.
	cfg.DynamicRecordSizingDisabled = true
	if cfg.ServerName == "" {
		cfg.ServerName = host
	}
	if verify := cfg.VerifyConnection; verify != nil {
		cfg.VerifyConnection = func(s tls.ConnectionState) error {
			if err := verify(s); err != nil {
				return &certificateError{"refused by the program", err}
			}
			return nil
		}
	}
	return cfg
}

// handshakeError gives the failures of a handshake their sentinel.
func handshakeError(err error) error {
	var cert *certificateError
	var header tls.RecordHeaderError
	switch {
	case errors.As(err, &cert), errors.Is(err, mailbox.ErrTLSInjection):
		return err
	case isCertificate(err):
		return &certificateError{certificateReason(err), err}
	case errors.As(err, &header):
		return fmt.Errorf("%w: the server does not speak TLS on this port", mailbox.ErrTLSRequired)
	case strings.Contains(err.Error(), "protocol version"):
		return fmt.Errorf("%w: the server does not speak TLS 1.2 or later: %w", mailbox.ErrTLSRequired, err)
	case strings.Contains(err.Error(), "tls: "):
		return fmt.Errorf("%w: TLS handshake: %w", mailbox.ErrProtocol, err)
	}
	return err
}

// certificateError is mailbox.ErrCertificate with why, and crypto/x509's error
// for errors.As.
type certificateError struct {
	reason string
	err    error
}

func (e *certificateError) Error() string {
	return mailbox.ErrCertificate.Error() + ": " + e.reason + ": " + e.err.Error()
}

func (e *certificateError) Unwrap() []error { return []error{mailbox.ErrCertificate, e.err} }

func isCertificate(err error) bool {
	var verify *tls.CertificateVerificationError
	var host x509.HostnameError
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	return errors.As(err, &verify) || errors.As(err, &host) || errors.As(err, &unknown) || errors.As(err, &invalid)
}

// certificateReason says in plain words what is wrong with a certificate.
func certificateReason(err error) string {
	var host x509.HostnameError
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &host):
		return "it is for another name"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "it has expired or is not valid yet"
	case errors.As(err, &unknown):
		return "its issuer is not known"
	}
	return "it is not valid"
}
