package smtpsink

import (
	"math/rand/v2"
	"net/mail"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestPath are the cases to read; smtp-param-inject has those that are refused.
func TestPath(t *testing.T) {
	for in, want := range map[string]string{
		"ann@example.org":         "ann@example.org",
		"Ann@Example.ORG":         "Ann@Example.ORG",
		"ann@bücher.example":      "ann@xn--bcher-kva.example",
		"ann@BÜCHER.example":      "ann@xn--bcher-kva.example",
		"ann@bücher。example":      "ann@xn--bcher-kva.example",
		"jürgen@bücher.example":   "jürgen@xn--bcher-kva.example",
		"用户@例子.example":           "用户@xn--fsqu00a.example",
		`"a@b"@example.org`:       `"a@b"@example.org`,
		`"a\\b"@example.org`:      `"a\\b"@example.org`,
		"a..b.@docomo.example":    "a..b.@docomo.example",
		"a@_x.example":            "a@_x.example",
		"a@[127.0.0.1]":           "a@[127.0.0.1]",
		"a@[IPv6:2001:db8::1]":    "a@[IPv6:2001:db8::1]",
		"Postmaster":              "Postmaster",
		"!#$%&'*+-/=?^_`{|}~@b":   "!#$%&'*+-/=?^_`{|}~@b",
		"a@xn--bcher-kva.example": "a@xn--bcher-kva.example",
	} {
		got, needsUTF8, err := path(in)
		require.NoError(t, err, in)
		assert.Equal(t, want, got)
		assert.Equal(t, !isASCII(strings.Split(in, "@")[0]), needsUTF8, in)
	}
	_, _, err := path(strings.Repeat("x", 5000) + "\x1b")
	require.Error(t, err)
	assert.Less(t, len(err.Error()), 600)
	assert.NotContains(t, err.Error(), "\x1b")
}

// pathCase: whatever is taken for an address can be put between < and >, is what
// was given apart from its domain, and stays the same when it is given again.
func pathCase(t *testing.T, address string) {
	t.Helper()
	p, needsUTF8, err := path(address)
	if err != nil {
		if strings.ContainsAny(err.Error(), "\r\n\x1b\x00") {
			t.Errorf("%q: an error that is not clean: %q", address, err)
		}
		return
	}
	if strings.ContainsAny(p, "<> \t\r\n\x00\x7f") || strings.ContainsFunc(p, func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 }) || !utf8.ValidString(p) {
		t.Fatalf("%q becomes the path %q", address, p)
	}
	if len(p) > maxLocal+1+maxDomain {
		t.Errorf("%q becomes a path of %d octets", address, len(p))
	}
	if needsUTF8 == isASCII(p) {
		t.Errorf("%q: needs UTF-8 is %t", p, needsUTF8)
	}
	again, _, err := path(p)
	if err != nil || again != p {
		t.Errorf("%q becomes %q and that %q, %v", address, p, again, err)
	}
	local, domain, ok := cutLast(p)
	if !ok {
		if !strings.EqualFold(p, "postmaster") {
			t.Errorf("%q has no domain", p)
		}
		return
	}
	if !strings.HasPrefix(address, local+"@") || !isASCII(domain) {
		t.Errorf("%q becomes the path %q", address, p)
	}
	// Who reads it by RFC 5322's grammar sees one address with that domain. There are
	// things in RFC 5321 that net/mail does not take.
	if local == `""` || strings.HasPrefix(domain, "[") || strings.HasPrefix(local, ".") || strings.HasSuffix(local, ".") || strings.Contains(local, "..") {
		return
	}
	if a, err := mail.ParseAddress("<" + p + ">"); err != nil || !strings.HasSuffix(a.Address, "@"+domain) {
		t.Errorf("%q is read as %v, %v", p, a, err)
	}
}

func cutLast(p string) (local, domain string, ok bool) {
	i := strings.LastIndexByte(p, '@')
	if i < 0 {
		return p, "", false
	}
	return p[:i], p[i+1:], true
}

// TestPathProperty tries what is put together out of what is hard.
func TestPathProperty(t *testing.T) {
	pieces := []string{"a", "b.c", "@", "@", `"`, `\`, "<", ">", " ", ".", "[", "]", "IPv6:", "::1", "127.0.0.1", "é", "ß", "\xff", "\x00", "\r", "\n",
		"postmaster", ",", ":", ";", "(", ")", "。", "＠", "xn--", "-", "_", "\u0085", "\u2028", "\u200d", "%", "\t"}
	rnd := rand.New(rand.NewPCG(1, 2))
	good := 0
	for range 200_000 / slower {
		var b strings.Builder
		for range 1 + rnd.IntN(6) {
			b.WriteString(pieces[rnd.IntN(len(pieces))])
		}
		if _, _, err := path(b.String()); err == nil {
			good++
		}
		pathCase(t, b.String())
		if t.Failed() {
			t.FailNow()
		}
	}
	assert.Greater(t, good, 1000/slower, "or it shows nothing")
}
