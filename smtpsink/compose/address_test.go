package compose

import (
	"net/mail"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAddresses(t *testing.T) {
	for in, want := range map[string]string{
		"ann@example.org":               "ann@example.org",
		"Ann.Lee+tag=x@Example.ORG":     "Ann.Lee+tag=x@Example.ORG",
		"postmaster@localhost":          "postmaster@localhost",
		"a@[192.0.2.1]":                 "a@[192.0.2.1]",
		"a@[IPv6:2001:db8::1]":          "a@[IPv6:2001:db8::1]",
		"ann@bücher.example":            "ann@xn--bcher-kva.example",
		"ann@BÜCHER.example":            "ann@xn--bcher-kva.example",
		"ann@例え.jp":                     "ann@xn--r8jz45g.jp",
		"ann@bücher。example":            "ann@xn--bcher-kva.example",
		"ann@xn--bcher-kva.example":     "ann@xn--bcher-kva.example",
		"jürgen@example.org":            "jürgen@example.org",
		"用户@例え.jp":                      "用户@xn--r8jz45g.jp",
		"a@b@example.org":               `"a@b"@example.org`,
		`"a@b"@example.org`:             `"a@b"@example.org`,
		`"ann"@example.org`:             "ann@example.org",
		`"a\"b"@example.org`:            `"a\"b"@example.org`,
		`a"b@example.org`:               `"a\"b"@example.org`,
		`a\b@example.org`:               `"a\\b"@example.org`,
		"a..b@docomo.ne.jp":             `"a..b"@docomo.ne.jp`,
		"a.@docomo.ne.jp":               `"a."@docomo.ne.jp`,
		"a,b@example.org":               `"a,b"@example.org`,
		"bob(comment)@example.org":      `"bob(comment)"@example.org`,
		"under_score@_dmarc.example.or": "under_score@_dmarc.example.or",
	} {
		a, err := checkAddress("To", mail.Address{Address: in})
		if assert.NoError(t, err, in) {
			assert.Equal(t, want, a.spec, in)
			// What is written is read as the same by others, and by us again.
			again, err := checkAddress("To", mail.Address{Address: want})
			require.NoError(t, err)
			assert.Equal(t, want, again.spec)
			parsed, err := ParseAddresses("<" + want + ">")
			require.NoError(t, err, want)
			again, err = checkAddress("To", parsed[0])
			require.NoError(t, err)
			assert.Equal(t, want, again.spec)
		}
	}
	for _, in := range []string{
		"", "ann", "@example.org", "ann@", "ann@.org", "ann@example..org", "ann@example.org.", " ann@example.org", "ann @example.org",
		"ann@exa mple.org", "ann@example.org>", "<ann@example.org>", "ann\r\n@example.org", "ann@example.org\r\nBcc: x@example.org",
		"ann\x00@example.org", "ann\x1b@example.org", "ann\u0085@example.org", "ann@[300.1.1.1]", "ann@[2001:db8::1]", "ann@[192.0.2.1",
		"ann@ex\u2028ample.org", "ann@\uff20example.org", "=?utf-8?q?ann=40evil.example?=@example.org", "<a@b.example>c@example.org", "\xff@example.org",
		strings.Repeat("a", 65) + "@example.org", strings.Repeat("\"", 40) + "@example.org", "ann@" + strings.Repeat("a", 64) + ".org",
		"ann@" + strings.Repeat("abc.", 70) + "org", `"ann@example.org`, `"ann"x@example.org`, `"a b"@example.org`, `"a` + "\n" + `b"@example.org`,
	} {
		_, err := checkAddress("To", mail.Address{Address: in})
		var fault *FieldError
		if assert.ErrorAs(t, err, &fault, in) {
			assert.Equal(t, "To", fault.Field)
			assert.False(t, strings.ContainsAny(err.Error(), "\r\n\x00\x1b\u0085\u2028"), "%q", err.Error())
		}
	}
}

func TestParseAddresses(t *testing.T) {
	list, err := ParseAddresses(`Ann <ann@example.org>, "Lee, Bob" <bob@bücher.example>, c@example.org`)
	require.NoError(t, err)
	assert.Equal(t, []mail.Address{{Name: "Ann", Address: "ann@example.org"}, {Name: "Lee, Bob", Address: "bob@bücher.example"}, {Address: "c@example.org"}}, list)
	list, err = ParseAddresses("")
	require.NoError(t, err)
	assert.Empty(t, list)
	for _, in := range []string{"ann", "a@example.org b@example.org", "<a@b>c@example.org", "a@example.org,, b@", "a@example.org\r\nBcc: b@example.org"} {
		list, err := ParseAddresses(in)
		assert.Error(t, err, "%q gives %v", in, list)
		assert.Nil(t, list)
	}
}

// TestEnvelope checks that each recipient is there once, as in the header.
func TestEnvelope(t *testing.T) {
	m := simple()
	m.To = []mail.Address{{Address: "a@example.org"}, {Address: "A@example.org"}, {Address: `"a"@EXAMPLE.org`}}
	m.Cc = []mail.Address{{Address: "a@example.org"}, {Address: "b@bücher.example"}}
	m.Bcc = []mail.Address{{Address: "b@xn--bcher-kva.example"}, {Address: "c@example.org"}}
	m.From = append(m.From, bob)
	m.Sender = &mail.Address{Address: "s@example.org"}
	p := prepare(t, m)
	assert.Equal(t, []string{"a@example.org", "A@example.org", "b@xn--bcher-kva.example", "c@example.org"}, p.Envelope().To)
	assert.Equal(t, "s@example.org", p.Envelope().From)
	assert.Contains(t, sent(t, p), "From: Ann <ann@example.org>, Bob <bob@example.com>\r\nSender: s@example.org\r\n")
}

func TestUndisclosed(t *testing.T) {
	m := simple()
	m.To, m.Bcc = nil, []mail.Address{{Address: "secret@example.net"}}
	raw := sent(t, prepare(t, m))
	assert.Contains(t, raw, "To: undisclosed-recipients:;\r\n")
	assert.NotContains(t, raw, "secret")
	assert.Empty(t, asOurs(t, raw).To)
	m.Cc = []mail.Address{bob}
	assert.NotContains(t, sent(t, prepare(t, m)), "undisclosed")
}

// TestUTF8 checks that only a local part that is not ASCII needs SMTPUTF8, and that
// only that is sent as it is.
func TestUTF8(t *testing.T) {
	m := simple()
	m.Subject = "Größe"
	m.To = []mail.Address{{Name: "Jürgen", Address: "jürgen@bücher.example"}}
	p := prepare(t, m)
	assert.True(t, p.NeedsUTF8())
	raw := sent(t, p)
	assert.Contains(t, raw, "<jürgen@xn--bcher-kva.example>")
	assert.Equal(t, 1, strings.Count(raw, "ü"))
	assert.Equal(t, []string{"Jürgen jürgen@xn--bcher-kva.example"}, asOurs(t, raw).To)
	assert.Equal(t, []string{"Jürgen jürgen@xn--bcher-kva.example"}, asLibrary(t, raw).To)

	// One in the envelope alone needs it as well.
	m.To, m.Bcc = []mail.Address{bob}, []mail.Address{{Address: "用户@example.org"}}
	assert.True(t, prepare(t, m).NeedsUTF8())
	m.Bcc[0].Address = "ann@例え.jp"
	assert.False(t, prepare(t, m).NeedsUTF8())
}
