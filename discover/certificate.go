package discover

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	"github.com/postroom-go/postroom/mailbox"
)

// certError is mailbox.ErrCertificate with why, and crypto/x509's error for
// errors.As.
type certError struct {
	reason string
	err    error
}

func (e *certError) Error() string { return mailbox.ErrCertificate.Error() + ": " + e.reason }

func (e *certError) Unwrap() []error { return []error{mailbox.ErrCertificate, e.err} }

// certificateError gives an error that blames a certificate its sentinel, and
// says what is wrong in plain words; for a wrong name it tells which names the
// certificate has. Other errors stay as they are.
func certificateError(err error) error {
	if reason := certificateReason(err); reason != "" {
		return &certError{reason, err}
	}
	return err
}

// certificateReason says what is wrong with a server's certificate; empty if err
// is not about one.
func certificateReason(err error) string {
	var verify *tls.CertificateVerificationError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.As(err, &host):
		return fmt.Sprintf("it is for %s, not for %s", certificateNames(host.Certificate), host.Host)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "it has expired or is not valid yet"
	case errors.As(err, &unknown):
		if c := unknown.Cert; c != nil && c.Issuer.String() == c.Subject.String() {
			return "it is signed by itself"
		}
		return "its issuer is not known"
	case errors.As(err, &invalid), errors.As(err, &verify):
		return "it is not valid"
	}
	return ""
}

// certificateNames are the names that a certificate is for, a few of them, in
// quotes since a stranger chose them.
func certificateNames(c *x509.Certificate) string {
	if c == nil || len(c.DNSNames) == 0 {
		return "no host"
	}
	var names []string
	for _, n := range c.DNSNames[:min(len(c.DNSNames), 3)] {
		names = append(names, fmt.Sprintf("%q", n[:min(len(n), 100)]))
	}
	return strings.Join(names, ", ")
}
