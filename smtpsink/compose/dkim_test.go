package compose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/emersion/go-msgauth/dkim"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func ed25519Key(t testing.TB) crypto.Signer {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	return key
}

// verify checks all signatures with the public halves of keys, by selector.
func verify(t *testing.T, raw string, keys map[string]crypto.Signer) []*dkim.Verification {
	t.Helper()
	v, err := dkim.VerifyWithOptions(strings.NewReader(raw), &dkim.VerifyOptions{LookupTXT: func(name string) ([]string, error) {
		selector, _, _ := strings.Cut(name, "._domainkey.")
		switch public := keys[selector].Public().(type) {
		case ed25519.PublicKey:
			return []string{"v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(public)}, nil
		default:
			der, err := x509.MarshalPKIXPublicKey(public)
			return []string{"v=DKIM1; p=" + base64.StdEncoding.EncodeToString(der)}, err
		}
	}})
	require.NoError(t, err)
	return v
}

func TestDKIM(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	keys := map[string]crypto.Signer{"rsa": rsaKey, "ed": ed25519Key(t)}
	m := everything()
	m.Unsubscribe = &Unsubscribe{URL: "https://example.org/u", OneClick: true}
	m.DKIM = []DKIM{
		{Selector: "rsa", Key: keys["rsa"], Fields: []string{"X-Mailer"}},
		{Domain: "bücher.example", Selector: "ed", Key: keys["ed"]},
	}
	p := prepare(t, m)
	raw := sent(t, p)
	kept, err := p.OpenCopy(t.Context())
	copied := readAll(t, kept, err)
	for _, signed := range []string{raw, copied, sent(t, p)} {
		v := verify(t, signed, keys)
		require.Len(t, v, 2)
		for _, one := range v {
			assert.NoError(t, one.Err)
			assert.Equal(t, "xn--bcher-kva.example", one.Domain)
			assert.Contains(t, one.HeaderKeys, "list-unsubscribe-post")
		}
	}
	assert.NotContains(t, strings.ToLower(raw), "\nbcc:")
	// The controls: what is changed or added is seen, be it a second Subject.
	for name, changed := range map[string]string{
		"body":    strings.Replace(raw, "note.txt", "n0te.txt", 1),
		"subject": strings.Replace(raw, "Subject: Hello", "Subject: Hullo", 1),
		"second":  strings.Replace(raw, "MIME-Version", "Subject: other\r\nMIME-Version", 1),
		"from":    "From: evil@example.net\r\n" + raw,
		"post":    strings.Replace(raw, "One-Click", "Two-Click", 1),
	} {
		require.NotEqual(t, raw, changed)
		for _, one := range verify(t, changed, keys) {
			assert.Error(t, one.Err, name)
		}
	}
	// X-Mailer is signed by the one that was told to.
	for i, one := range verify(t, strings.Replace(raw, "X-Mailer: ", "X-Mailer: x", 1), keys) {
		assert.Equal(t, i == 0, one.Err != nil)
	}
}

func TestDKIMKeys(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	m := simple()
	m.DKIM = []DKIM{{Selector: "s", Key: ec}}
	_, err = m.Prepare(t.Context())
	assert.ErrorContains(t, err, "neither an RSA nor an Ed25519 key")

	m.DKIM = []DKIM{{Selector: "s", Key: ed25519Key(t), Fields: strings.Split(strings.Repeat("X-Some-Field,", 80)+"X", ",")}}
	_, err = m.Prepare(t.Context())
	assert.ErrorContains(t, err, "too many Fields")
	for _, name := range []string{"bcc", "Received", "return-path", "DKIM-Signature"} {
		m.DKIM[0].Fields = []string{name}
		_, err = m.Prepare(t.Context())
		assert.ErrorContains(t, err, "Bcc", name)
	}
}
