package mailtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"sync"
	"time"
)

// theWebCA issues the certificates of all Webs. It is made once per process.
var theWebCA = sync.OnceValue(func() *tls.Certificate { return issue("mailtest web CA", nil, true, certUntil) })

// WebCertificate makes a certificate for any names, issued by the authority that
// Web.ClientTLS trusts.
func WebCertificate(names ...string) *tls.Certificate { return webIssue(theWebCA(), certUntil, names) }

// WebBadCertificate makes a certificate of a bad kind for a name: CertExpired,
// CertSelfSigned, CertUnknownCA or CertWrongHost, which is for
// elsewhere.example. CertGood is WebCertificate.
func WebBadCertificate(kind CertKind, name string) *tls.Certificate {
	switch kind {
	case CertGood:
		return WebCertificate(name)
	case CertExpired:
		return webIssue(theWebCA(), certEnded, []string{name})
	case CertSelfSigned:
		return issue(name, nil, false, certUntil)
	case CertUnknownCA:
		return issue(name, issue("mailtest unknown web CA", nil, true, certUntil), false, certUntil)
	default:
		return WebCertificate("elsewhere.example")
	}
}

// webIssue is issue for several names.
func webIssue(ca *tls.Certificate, until time.Time, names []string) *tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(fmt.Errorf("mailtest: make a key: %w", err))
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		panic(fmt.Errorf("mailtest: make a serial number: %w", err))
	}
	tmpl := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: names[0]}, DNSNames: names,
		NotBefore: certFrom, NotAfter: until, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, ca.Leaf, &key.PublicKey, ca.PrivateKey)
	if err != nil {
		panic(fmt.Errorf("mailtest: sign a certificate: %w", err))
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// ClientTLS is a new client configuration that trusts the authorities of
// WebCertificate and of Certificate, and no others.
func (w *Web) ClientTLS() *tls.Config {
	cfg := ClientTLS()
	cfg.RootCAs.AddCert(theWebCA().Leaf)
	return cfg
}
