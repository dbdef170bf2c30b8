package sasl

import (
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"hash"
	"strconv"
	"strings"

	"github.com/postroom-go/postroom/internal/mailconn"
	"github.com/postroom-go/postroom/mailbox"
)

const (
	scramSHA256 = "SCRAM-SHA-256"
	scramSHA1   = "SCRAM-SHA-1"

	// A server that asks for fewer rounds makes guessing cheap for who
	// listens (RFC 7677 section 4); one that asks for more wastes our time
	// (CVE-2026-42256).
	minIterations = 4096
	maxIterations = 1_000_000
	maxSalt       = 1 << 10
)

// scram is the client's side of RFC 5802 without channel binding.
type scram struct {
	ctx         context.Context // of the login; deriving the key may take a while
	hash        func() hash.Hash
	gs2         string
	first       string // client-first-message-bare
	nonce       string
	password    string
	step        int
	serverProof []byte
	done        bool
}

func newSCRAM(ctx context.Context, name, identity, user, password string) *scram {
	s := &scram{ctx: ctx, hash: sha256.New, password: prepare(password), nonce: rand.Text()}
	if name == scramSHA1 {
		s.hash = sha1.New
	}
	s.gs2 = "n,,"
	if identity != "" {
		s.gs2 = "n,a=" + saslName(prepare(identity)) + ","
	}
	s.first = "n=" + saslName(prepare(user)) + ",r=" + s.nonce
	return s
}

func (s *scram) start() ([]byte, error) { return []byte(s.gs2 + s.first), nil }

func (s *scram) next(challenge []byte) ([]byte, error) {
	s.step++
	switch s.step {
	case 1:
		return s.final(string(challenge))
	case 2:
		return []byte{}, s.verify(string(challenge))
	}
	return nil, errOrder
}

// final answers the server-first-message.
func (s *scram) final(serverFirst string) ([]byte, error) {
	nonce, salt, iterations, err := s.parseFirst(serverFirst)
	if err != nil {
		return nil, err
	}
	salted, err := s.derive(salt, iterations)
	if err != nil {
		return nil, err
	}
	clientKey := s.mac(salted, "Client Key")
	h := s.hash()
	h.Write(clientKey)
	without := "c=" + base64.StdEncoding.EncodeToString([]byte(s.gs2)) + ",r=" + nonce
	message := s.first + "," + serverFirst + "," + without
	proof := s.mac(h.Sum(nil), message)
	for i := range proof {
		proof[i] ^= clientKey[i]
	}
	s.serverProof = s.mac(s.mac(salted, "Server Key"), message)
	return []byte(without + ",p=" + base64.StdEncoding.EncodeToString(proof)), nil
}

// parseFirst reads "r=nonce,s=salt,i=iterations" (RFC 5802 section 7). What may
// follow are extensions that can be ignored; a leading m= cannot.
func (s *scram) parseFirst(msg string) (nonce string, salt []byte, iterations int, err error) {
	f := strings.Split(msg, ",")
	if len(f) < 3 || !strings.HasPrefix(f[0], "r=") || !strings.HasPrefix(f[1], "s=") || !strings.HasPrefix(f[2], "i=") {
		if e, ok := strings.CutPrefix(f[0], "e="); ok {
			return "", nil, 0, fmt.Errorf("%w: SCRAM: server said %q", mailbox.ErrAuth, clean(e))
		}
		return "", nil, 0, scramError("the server's first message cannot be read")
	}
	nonce = f[0][2:]
	if !strings.HasPrefix(nonce, s.nonce) || len(nonce) == len(s.nonce) {
		return "", nil, 0, scramError("the server did not add to our nonce")
	}
	salt, err = base64.StdEncoding.DecodeString(f[1][2:])
	if err != nil || len(salt) == 0 || len(salt) > maxSalt {
		return "", nil, 0, scramError("the salt cannot be used")
	}
	iterations, err = strconv.Atoi(f[2][2:])
	if err != nil || iterations < minIterations || iterations > maxIterations {
		return "", nil, 0, scramError("the iteration count is not between " +
			strconv.Itoa(minIterations) + " and " + strconv.Itoa(maxIterations))
	}
	return nonce, salt, iterations, nil
}

// derive computes the salted password, and gives up when the login's context
// ends.
func (s *scram) derive(salt []byte, iterations int) ([]byte, error) {
	type result struct {
		key []byte
		err error
	}
	done := make(chan result, 1)
	go func() {
		key, err := pbkdf2.Key(s.hash, s.password, salt, iterations, s.hash().Size())
		done <- result{key, err}
	}()
	select {
	case <-s.ctx.Done():
		return nil, mailconn.ContextError(s.ctx)
	case r := <-done:
		return r.key, r.err
	}
}

// verify reads the server-final-message: "v=signature" or "e=error".
func (s *scram) verify(msg string) error {
	msg, _, _ = strings.Cut(msg, ",")
	if e, ok := strings.CutPrefix(msg, "e="); ok {
		return fmt.Errorf("%w: SCRAM: server said %q", mailbox.ErrAuth, clean(e))
	}
	v, ok := strings.CutPrefix(msg, "v=")
	signature, err := base64.StdEncoding.DecodeString(v)
	if !ok || err != nil || !hmac.Equal(signature, s.serverProof) {
		return scramError("the server's signature is wrong: it does not know the password")
	}
	s.done = true
	return nil
}

func (s *scram) verified() error {
	if !s.done {
		return scramError("the server said yes without its signature")
	}
	return nil
}

func (s *scram) mac(key []byte, message string) []byte {
	m := hmac.New(s.hash, key)
	m.Write([]byte(message))
	return m.Sum(nil)
}

func scramError(what string) error {
	return fmt.Errorf("%w: SCRAM: %s", mailbox.ErrProtocol, what)
}
