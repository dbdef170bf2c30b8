package mailconn

import (
	"encoding/base64"
	"strings"
	"sync"
)

// minSecret: a shorter secret is in every text by chance.
const minSecret = 4

// Secrets are what must not be in texts that a server repeats. Zero has none. It
// is safe for concurrent use.
type Secrets struct {
	mu    sync.Mutex
	all   []string // the longest first: they may hold the shorter ones
	known map[string]bool
}

// Hide adds a secret, and what it looks like on the wire: in base64, also inside a
// longer text, where it begins at any of three places of a group.
func (s *Secrets) Hide(secret string) {
	if len(secret) < minSecret {
		return
	}
	s.add(secret)
	s.add(base64.StdEncoding.EncodeToString([]byte(secret)))
	for before := range 3 {
		b := append(make([]byte, before), secret...)
		digits := base64.StdEncoding.EncodeToString(b[:len(b)/3*3])
		if before > 0 && len(digits) >= 4 {
			digits = digits[4:]
		}
		s.HideLine(digits)
	}
}

// HideLine adds what was, or looks like, a line of a login in base64.
func (s *Secrets) HideLine(encoded string) {
	if len(encoded) >= 2*minSecret {
		s.add(encoded)
	}
}

func (s *Secrets) add(secret string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known[secret] {
		return
	}
	if s.known == nil {
		s.known = map[string]bool{}
	}
	s.known[secret] = true
	i := 0
	for i < len(s.all) && len(s.all[i]) >= len(secret) {
		i++
	}
	s.all = append(s.all[:i:i], append([]string{secret}, s.all[i:]...)...)
}

// Redact puts "***" in the place of secrets.
func (s *Secrets) Redact(text string) string {
	s.mu.Lock()
	all := s.all
	s.mu.Unlock()
	for _, secret := range all {
		text = strings.ReplaceAll(text, secret, "***")
	}
	return text
}
