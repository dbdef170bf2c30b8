package compose

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/emersion/go-msgauth/dkim"
)

// DKIM is how to sign a message (RFC 6376). The signature is made over exactly
// what Open gives, relaxed in header and body, with SHA-256.
type DKIM struct {
	// Domain is whose signature it is; empty is the domain of From.
	Domain string
	// Selector names the key below that domain: its public half is in the TXT
	// record of selector._domainkey.domain.
	Selector string
	// Key is an RSA key of at least 1,024 bits (RFC 8301) or an Ed25519 key.
	Key crypto.Signer
	// Fields are further fields to sign, such as those of Message.Header. The
	// usual ones are signed anyway (RFC 6376 section 5.4.1), and those that
	// say who writes to whom about what so that none can be added. Those that
	// are not sent, or added on the way, cannot be signed.
	Fields []string
}

// sign reads the message once and puts the signatures before it.
func (b *builder) sign() (err error) {
	if len(b.m.DKIM) == 0 {
		return nil
	}
	var signers []*dkim.Signer
	// A signer has a goroutine, which only Close ends.
	defer func() {
		for _, s := range signers {
			s.Close()
		}
	}()
	var writers []io.Writer
	for i := range b.m.DKIM {
		opts, err := b.dkimOptions(&b.m.DKIM[i], fmt.Sprintf("DKIM[%d]", i))
		if err != nil {
			return err
		}
		s, err := dkim.NewSigner(opts)
		if err != nil {
			return fmt.Errorf("DKIM[%d]: %w", i, err)
		}
		signers, writers = append(signers, s), append(writers, s)
	}
	r := b.p.read(b.ctx, b.p.sent, true)
	defer r.Close()
	if _, err := io.Copy(io.MultiWriter(writers...), r); err != nil {
		return err
	}
	var signatures strings.Builder
	for len(signers) > 0 {
		s := signers[0]
		signers = signers[1:]
		if err := s.Close(); err != nil {
			return fmt.Errorf("DKIM: %w", err)
		}
		signature := s.Signature()
		for line := range strings.Lines(signature) {
			if len(line) > maxLine {
				return invalid("DKIM", "has too many Fields: their names fit on no line")
			}
		}
		signatures.WriteString(signature)
	}
	b.p.sent = append([]byte(signatures.String()), b.p.sent...)
	b.p.kept = append([]byte(signatures.String()), b.p.kept...)
	return nil
}

func (b *builder) dkimOptions(d *DKIM, field string) (*dkim.SignOptions, error) {
	domain := d.Domain
	if domain == "" {
		domain = b.from[0].domain
	}
	domain, why := checkDomain(domain)
	if why != "" || strings.HasPrefix(domain, "[") {
		return nil, invalid(field+".Domain", "is no domain")
	}
	if _, why := checkDomain(d.Selector); why != "" || !isASCII(d.Selector) || strings.HasPrefix(d.Selector, "[") {
		return nil, invalid(field+".Selector", "is no name of a key")
	}
	if err := checkKey(d.Key); err != nil {
		return nil, invalid(field+".Key", err.Error())
	}
	count := countFields(b.p.sent)
	keys := signedFields(count)
	for _, name := range d.Fields {
		if !isToken(name) || len(name) > 64 {
			return nil, invalid(field+".Fields", "has what is no name of a field")
		}
		// A signature over a field that is added on the way, or over its own,
		// verifies nowhere (RFC 6376 sections 3.7 and 5.4).
		switch strings.ToLower(name) {
		case "bcc", "dkim-signature", "received", "return-path":
			return nil, invalid(field+".Fields", "has Bcc, which is not sent, or Received, Return-Path or DKIM-Signature, which are added on the way")
		}
		for range max(1, count[strings.ToLower(name)]) {
			keys = append(keys, name)
		}
	}
	return &dkim.SignOptions{
		Domain: domain, Selector: d.Selector, Signer: d.Key, HeaderKeys: keys,
		HeaderCanonicalization: dkim.CanonicalizationRelaxed,
		BodyCanonicalization:   dkim.CanonicalizationRelaxed,
	}, nil
}

func checkKey(key crypto.Signer) error {
	if key == nil {
		return errors.New("is nil")
	}
	switch public := key.Public().(type) {
	case *rsa.PublicKey:
		if public.N.BitLen() < 1024 {
			return errors.New("has fewer than 1,024 bits, which receivers refuse")
		}
	case ed25519.PublicKey:
	default:
		return errors.New("is neither an RSA nor an Ed25519 key")
	}
	return nil
}

// countFields counts the fields of a header by their names in lower case.
func countFields(header []byte) map[string]int {
	count := map[string]int{}
	for line := range strings.Lines(string(header)) {
		name, _, ok := strings.Cut(line, ":")
		if ok && line[0] != ' ' {
			count[strings.ToLower(name)]++
		}
	}
	return count
}

// signedFields gives the names for h=. A name that is there once more than the
// field is keeps anybody from adding one (RFC 6376 section 8.15).
func signedFields(count map[string]int) []string {
	var keys []string
	add := func(name string, n int) {
		for range n {
			keys = append(keys, name)
		}
	}
	for _, name := range []string{"from", "reply-to", "to", "cc", "subject", "date", "message-id",
		"mime-version", "content-type", "content-transfer-encoding"} {
		add(name, count[name]+1)
	}
	for _, name := range []string{"sender", "in-reply-to", "references", "list-unsubscribe", "list-unsubscribe-post"} {
		if count[name] > 0 {
			add(name, count[name]+1)
		}
	}
	return keys
}
