package mailtest

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"sync"
	"testing"

	"github.com/postroom-go/postroom/mailbox/access"
)

// Canary fails a test that lets a secret out. Give it every log, trace and
// error; it looks for the secret as it is, in base64 (also in the midst of a
// longer text, as in SASL messages), in hex and percent-encoded. It is safe for
// concurrent use.
type Canary struct {
	t     testing.TB
	forms [][]byte

	mu   sync.Mutex
	seen bytes.Buffer
}

// minCanary is the shortest secret: the base64 of a shorter one could show up
// by chance.
const minCanary = 8

// NewCanary watches over the secrets, each of 8 octets or more.
func NewCanary(t testing.TB, secrets ...string) *Canary {
	t.Helper()
	c := &Canary{t: t}
	for _, s := range secrets {
		if len(s) < minCanary {
			t.Fatalf("mailtest: a canary of %d octets is too short, want %d", len(s), minCanary)
		}
		c.forms = append(c.forms, formsOf(s)...)
	}
	return c
}

// formsOf lists what a secret may look like.
func formsOf(secret string) [][]byte {
	forms := [][]byte{[]byte(secret), []byte(hex.EncodeToString([]byte(secret)))}
	if q := url.QueryEscape(secret); q != secret {
		forms = append(forms, []byte(q))
	}
	if q := url.PathEscape(secret); q != secret {
		forms = append(forms, []byte(q))
	}
	for before := range 3 {
		// Inside a longer text the secret begins at any of three places of a
		// base64 group; the digits at both ends depend on its neighbours.
		b := append(make([]byte, before), secret...)
		b = b[:len(b)/3*3]
		for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
			digits := enc.EncodeToString(b)
			if before > 0 {
				digits = digits[4:]
			}
			forms = append(forms, []byte(digits))
		}
	}
	return forms
}

// Trace takes an event; it is a access.Options.Trace.
func (c *Canary) Trace(e access.TraceEvent) {
	c.t.Helper()
	c.look("trace", fmt.Sprintf("%d %t %s", e.Conn, e.Sent, e.Line))
}

// Logger is a logger whose every word, at every level, is looked at.
func (c *Canary) Logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(c, &slog.HandlerOptions{Level: slog.LevelDebug - 4}))
}

// Write looks at p; it never fails.
func (c *Canary) Write(p []byte) (int, error) {
	c.look("log", string(p))
	return len(p), nil
}

// Error looks at an error, at all that it wraps, and at what fmt's verbs make
// of them. Nil is nothing.
func (c *Canary) Error(err error) {
	c.t.Helper()
	for ; err != nil; err = errors.Unwrap(err) {
		c.Value(err)
		if many, ok := err.(interface{ Unwrap() []error }); ok {
			for _, e := range many.Unwrap() {
				c.Error(e)
			}
		}
	}
}

// Value looks at what fmt's verbs make of any value.
func (c *Canary) Value(v any) {
	c.t.Helper()
	c.look(fmt.Sprintf("%T", v), fmt.Sprintf("%v\n%+v\n%#v\n%s\n%q", v, v, v, v, v))
}

// Seen is all that the canary has looked at. A test may look into it to be sure
// that there was something.
func (c *Canary) Seen() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen.String()
}

func (c *Canary) look(where, text string) {
	c.t.Helper()
	c.mu.Lock()
	c.seen.WriteString(text + "\n")
	c.mu.Unlock()
	for _, form := range c.forms {
		if bytes.Contains([]byte(text), form) {
			c.t.Errorf("mailtest: a secret got out in a %s: %q", where, text)
			return
		}
	}
}
