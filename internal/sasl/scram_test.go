package sasl

import (
	"context"
	"crypto/sha256"
	"hash"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
)

// scramWith is a client with a known nonce.
func scramWith(t *testing.T, name, user, password, nonce string) *Client {
	s := newSCRAM(t.Context(), name, "", user, password)
	s.nonce = nonce
	s.first = "n=" + user + ",r=" + nonce
	return &Client{name: name, mech: s}
}

const (
	nonce256 = "rOprNGfwEbeRWgbNEkqO"
	first256 = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
	final256 = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
)

// TestSCRAM plays the examples of RFC 5802 section 5 and RFC 7677 section 3.
func TestSCRAM(t *testing.T) {
	tests := []struct{ mech, nonce, first, answer, final string }{
		{"SCRAM-SHA-1", "fyko+d2lbbFgONRv9qkxdawL",
			"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
			"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
			"v=rmF9pqV8S7suAoZWja4dJRkFsKQ="},
		{"SCRAM-SHA-256", nonce256, first256,
			"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
			final256},
	}
	for _, tt := range tests {
		t.Run(tt.mech, func(t *testing.T) {
			c := scramWith(t, tt.mech, "user", "pencil", tt.nonce)
			_, ir, err := c.Start()
			require.NoError(t, err)
			assert.Equal(t, "n,,n=user,r="+tt.nonce, string(ir))
			require.ErrorIs(t, c.Verified(), mailbox.ErrProtocol, "success before the server has proved itself")
			answer, err := c.Next([]byte(tt.first))
			require.NoError(t, err)
			assert.Equal(t, tt.answer, string(answer))
			require.ErrorIs(t, c.Verified(), mailbox.ErrProtocol, "success without the signature")
			answer, err = c.Next([]byte(tt.final))
			require.NoError(t, err)
			assert.Equal(t, []byte{}, answer)
			require.NoError(t, c.Verified())
			_, err = c.Next(nil)
			assert.ErrorIs(t, err, mailbox.ErrProtocol)
		})
	}
}

// hostileSCRAM gives a client messages that must end the login. The good messages
// of TestSCRAM are the control of each; what the counts would cost, and what a
// server gets away with that need not prove itself, is shown below.
func hostileSCRAM(t *testing.T) {
	salt := ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i="
	for name, tt := range map[string]struct {
		first string
		err   error
	}{
		"empty":                {"", mailbox.ErrProtocol},
		"other nonce":          {"r=somebodyelse" + salt + "4096", mailbox.ErrProtocol},
		"reflected nonce":      {"r=" + nonce256 + salt + "4096", mailbox.ErrProtocol},
		"few iterations":       {"r=" + nonce256 + "x" + salt + "4095", mailbox.ErrProtocol},
		"one iteration":        {"r=" + nonce256 + "x" + salt + "1", mailbox.ErrProtocol},
		"too many":             {"r=" + nonce256 + "x" + salt + "1000001", mailbox.ErrProtocol},
		"2^31-1":               {"r=" + nonce256 + "x" + salt + "2147483647", mailbox.ErrProtocol},
		"negative":             {"r=" + nonce256 + "x" + salt + "-4096", mailbox.ErrProtocol},
		"huge":                 {"r=" + nonce256 + "x" + salt + "99999999999999999999", mailbox.ErrProtocol},
		"no number":            {"r=" + nonce256 + "x" + salt, mailbox.ErrProtocol},
		"no salt":              {"r=" + nonce256 + "x,s=,i=4096", mailbox.ErrProtocol},
		"odd salt":             {"r=" + nonce256 + "x,s=!!,i=4096", mailbox.ErrProtocol},
		"mandatory extension":  {"m=new,r=" + nonce256 + "x" + salt + "4096", mailbox.ErrProtocol},
		"error":                {"e=unknown-user", mailbox.ErrAuth},
		"error with an escape": {"e=\x1b[31munknown-user", mailbox.ErrAuth},
	} {
		t.Run(name, func(t *testing.T) {
			c := scramWith(t, "SCRAM-SHA-256", "user", canary, nonce256)
			_, err := c.Next([]byte(tt.first))
			require.ErrorIs(t, err, tt.err)
			assert.NotContains(t, err.Error(), canary)
			assert.NotContains(t, err.Error(), "\x1b")
		})
	}
	for name, tt := range map[string]struct {
		final string
		err   error
	}{
		"wrong signature": {"v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", mailbox.ErrProtocol},
		"no signature":    {"v=", mailbox.ErrProtocol},
		"nothing":         {"", mailbox.ErrProtocol},
		"error":           {"e=invalid-proof", mailbox.ErrAuth},
	} {
		t.Run("final "+name, func(t *testing.T) {
			c := scramWith(t, "SCRAM-SHA-256", "user", "pencil", nonce256)
			_, err := c.Next([]byte(first256))
			require.NoError(t, err)
			_, err = c.Next([]byte(tt.final))
			require.ErrorIs(t, err, tt.err)
			require.ErrorIs(t, c.Verified(), mailbox.ErrProtocol)
		})
	}

	// The control of the upper limit: without it the client computes for as long
	// as the server likes. The hash gives up in its place.
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s := newSCRAM(ctx, "SCRAM-SHA-256", "", "user", "pencil")
	s.hash = func() hash.Hash { return &tired{sha256.New(), 5 * minIterations, cancel} }
	_, err := s.derive([]byte("salt"), 1<<31-1)
	require.ErrorIs(t, err, context.Canceled, "it was still at it beyond what the usual count costs")

	// The control of the lower limit: with one iteration a thief needs one step
	// for each password that he tries.
	steps := 0
	s.ctx = t.Context()
	s.hash = func() hash.Hash { return &counted{sha256.New(), &steps} }
	_, err = s.derive([]byte("salt"), 1)
	require.NoError(t, err)
	assert.Less(t, steps, 10)
	steps = 0
	_, err = s.derive([]byte("salt"), minIterations)
	require.NoError(t, err)
	assert.Greater(t, steps, minIterations)
}

// tired ends its goroutine after so many sums.
type tired struct {
	hash.Hash
	left int
	done func()
}

func (h *tired) Sum(b []byte) []byte {
	if h.left--; h.left < 0 {
		h.done()
		runtime.Goexit()
	}
	return h.Hash.Sum(b)
}

// counted counts sums.
type counted struct {
	hash.Hash
	n *int
}

func (h *counted) Sum(b []byte) []byte {
	*h.n++
	return h.Hash.Sum(b)
}

// TestSCRAMLimits: the most iterations allowed still work, and the context of
// the login ends even those.
func TestSCRAMLimits(t *testing.T) {
	c := scramWith(t, "SCRAM-SHA-256", "user", "pencil", nonce256)
	_, _, iterations, err := c.mech.(*scram).parseFirst("r=" + nonce256 + "x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=1000000")
	require.NoError(t, err)
	assert.Equal(t, maxIterations, iterations)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := newSCRAM(ctx, "SCRAM-SHA-256", "", "user", "pencil")
	_, err = s.derive([]byte("salt"), maxIterations)
	require.ErrorIs(t, err, context.Canceled)
}

func TestSCRAMNames(t *testing.T) {
	s := newSCRAM(t.Context(), "SCRAM-SHA-256", "a,b", "c=d", "x")
	ir, err := s.start()
	require.NoError(t, err)
	assert.Equal(t, "n,a=a=2Cb,n=c=3Dd,r="+s.nonce, string(ir))
	assert.NotEqual(t, s.nonce, newSCRAM(t.Context(), "SCRAM-SHA-256", "", "u", "p").nonce)
	assert.Equal(t, sha256.Size, s.hash().Size())
}

// TestPrepare has the examples of RFC 4013 section 3.
func TestPrepare(t *testing.T) {
	for in, want := range map[string]string{
		"I\u00adX":      "IX",
		"user":          "user",
		"USER":          "USER",
		"\u00aa":        "a",
		"\u2168":        "IX",
		"a\u00a0b":      "a b",
		"p\u0061\u0308": "p\u00e4",
	} {
		assert.Equal(t, want, prepare(in), "%q", in)
	}
}
