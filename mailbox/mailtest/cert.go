package mailtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"sync"
	"time"
)

// CertKind is what is right or wrong with a certificate.
type CertKind int

// The kinds. All but CertGood must make a client refuse the server.
const (
	// CertGood is for localhost, 127.0.0.1 and ::1, issued by the test CA.
	CertGood CertKind = iota
	// CertWrongHost is by the test CA, for another name.
	CertWrongHost
	// CertExpired is by the test CA, for localhost, and ended in 1999.
	CertExpired
	// CertSelfSigned is for localhost, signed by itself.
	CertSelfSigned
	// CertUnknownCA is for localhost, by an authority that nobody trusts.
	CertUnknownCA
)

// pki is the test CA with a certificate of each kind.
type pki struct {
	root  *x509.Certificate
	certs map[CertKind]*tls.Certificate
}

// thePKI is made once per process: keys cost time, and hosts that share a CA
// can share a client configuration.
var thePKI = sync.OnceValue(newPKI)

// Certificate gives a server's certificate of that kind. It is shared: do not
// change it. Its dates suit the clock of testing/synctest, too.
func Certificate(kind CertKind) *tls.Certificate { return thePKI().certs[kind] }

// CAPool is the set that holds the test CA alone.
func CAPool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(thePKI().root)
	return pool
}

// CAPEM is the test CA's certificate in PEM form.
func CAPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: thePKI().root.Raw})
}

// ClientTLS is a new client configuration that trusts the test CA alone.
func ClientTLS() *tls.Config { return &tls.Config{RootCAs: CAPool(), MinVersion: tls.VersionTLS12} }

// serverTLS is the server's side of it; a nil cert is CertGood.
func serverTLS(cert *tls.Certificate) *tls.Config {
	if cert == nil {
		cert = Certificate(CertGood)
	}
	return &tls.Config{Certificates: []tls.Certificate{*cert}, MinVersion: tls.VersionTLS12}
}

// The dates hold on the clock of testing/synctest, which begins in 2000.
var (
	certFrom  = time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC)
	certEnded = time.Date(1999, 12, 1, 0, 0, 0, 0, time.UTC)
	certUntil = time.Date(2120, 1, 1, 0, 0, 0, 0, time.UTC)
)

func newPKI() *pki {
	ca := issue("mailtest CA", nil, true, certUntil)
	other := issue("mailtest unknown CA", nil, true, certUntil)
	return &pki{
		root: ca.Leaf,
		certs: map[CertKind]*tls.Certificate{
			CertGood:       issue("localhost", ca, false, certUntil),
			CertWrongHost:  issue("elsewhere.example", ca, false, certUntil),
			CertExpired:    issue("localhost", ca, false, certEnded),
			CertSelfSigned: issue("localhost", nil, false, certUntil),
			CertUnknownCA:  issue("localhost", other, false, certUntil),
		},
	}
}

// issue makes a certificate for name, signed by ca, or by itself if ca is nil.
// It panics when the system has no randomness: there is nothing to test then.
func issue(name string, ca *tls.Certificate, isCA bool, until time.Time) *tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(fmt.Errorf("mailtest: make a key: %w", err))
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		panic(fmt.Errorf("mailtest: make a serial number: %w", err))
	}
	tmpl := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             certFrom,
		NotAfter:              until,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	switch {
	case isCA:
		tmpl.IsCA = true
		tmpl.KeyUsage |= x509.KeyUsageCertSign
	case name == "localhost":
		tmpl.DNSNames = []string{name}
		tmpl.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	default:
		tmpl.DNSNames = []string{name}
	}
	parent, signer := tmpl, any(key)
	if ca != nil {
		parent, signer = ca.Leaf, ca.PrivateKey
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, &key.PublicKey, signer)
	if err != nil {
		panic(fmt.Errorf("mailtest: sign a certificate: %w", err))
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		panic(fmt.Errorf("mailtest: read back a certificate: %w", err))
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}
