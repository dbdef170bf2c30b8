package discover

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var addressCases = map[string]func(t *testing.T, w *world){
	"01-idn": func(t *testing.T, w *world) {
		w.Autoconfig("xn--bcher-kva.example", usual("xn--bcher-kva.example"))
		r := w.find("jörg@Bücher.Example")
		for _, q := range w.DNS.Queries() {
			for _, c := range q {
				require.Less(t, c, rune(0x80), q)
			}
		}
		for _, req := range w.Requests() {
			assert.NotContains(t, req.URL, "bücher")
		}
		assert.Equal(t, "jörg@bücher.example", r.Incoming[0].User)
		assert.Equal(t, "imap.xn--bcher-kva.example", r.Incoming[0].Host)
		assert.Empty(t, r.Incoming[0].Confirm, "the letters are the user's own")
		assert.Equal(t, "xn--bcher-kva.example", r.Domain)
		assert.Equal(t, "bücher.example (xn--bcher-kva.example)", r.Display)
	},
	"02-homograph": func(t *testing.T, w *world) {
		const cyrillic = "imap.gооgle.com" // the two letters in the middle
		w.Autoconfig("example.org", config("example.org", server("imap "+cyrillic+" 993 SSL"), server("smtp smtp.example.org 465 SSL")))
		r := w.find("ann@example.org")
		s := r.Incoming[0]
		assert.Equal(t, "imap.xn--ggle-55da.com", s.Host)
		require.Len(t, s.Confirm, 1)
		assert.Contains(t, s.Confirm[0], "imap.xn--ggle-55da.com")
		assert.Nil(t, s.OAuth2, "it is not Google")
		assert.NotEqual(t, "Gmail", r.Provider)
		assert.Empty(t, r.Outgoing[0].Confirm)
	},
	"03-plus": func(t *testing.T, w *world) {
		r := w.find("a+b@gmail.com")
		assert.Equal(t, "Gmail", r.Provider)
		s := r.Incoming[0]
		assert.Equal(t, "a+b@gmail.com", s.User)
		assert.Equal(t, "a@gmail.com", s.AltUser)
		require.NotEmpty(t, s.Notes)
		assert.Contains(t, s.Notes[len(s.Notes)-1], "a@gmail.com")

		w.Autoconfig("example.org", usual("example.org"))
		w.find("a+b@example.org")
		assert.Contains(t, urls(w), "https://autoconfig.example.org/mail/config-v1.1.xml?emailaddress=a%2Bb@example.org")
	},
	"04-addresses": func(t *testing.T, w *world) {
		w.Autoconfig("example.com", usual("example.com"))
		r := w.find(`"x@y"@example.com`)
		assert.Equal(t, `"x@y"@example.com`, r.Incoming[0].User)
		for _, bad := range []string{"", " ", "x", "x@", "@d", "@d.example", "a@b@c.example", "a b@c.example", "a@b c.example", "a@b", "a@[192.0.2.1]", "a@192.0.2.1",
			"a@1.2.3", "a@.example", "a@b..example", "a@-b.example", "a@b_c.example", "a@b.example:993", "a\n@b.example", "a@b.example/x", `"a@b.example`, `"a"b"@c.example`,
			"a@" + strings.Repeat("a.", 130) + "example", "<a@b.example>", "a@b.example, c@d.example", "a\xff@b.example", "a@xn--a.example"} {
			e := w.fail(bad, ErrAddress)
			assert.Empty(t, e.Attempts, bad)
		}
		assert.Len(t, urls(w), len(w.Requests()))
	},
	"05-above": func(t *testing.T, w *world) {
		w.Autoconfig("example.edu", usual("example.edu"))
		w.DNS.SetMX("cs.example.edu", "10 mx.cs.example.edu.")
		r := w.find("u@cs.example.edu")
		assert.Equal(t, "imap.example.edu", r.Incoming[0].Host)
		assert.Equal(t, TrustMedium, r.Incoming[0].Trust)
		assert.Equal(t, []string{"The settings are those of example.edu, not of cs.example.edu itself."}, r.Incoming[0].Confirm)
		assert.Equal(t, "u@cs.example.edu", r.Incoming[0].User)
		w.below(t, "example.edu")
		for _, req := range w.Requests() {
			if strings.HasPrefix(req.URL, "https://autoconfig.example.edu/") {
				assert.NotContains(t, req.URL, "emailaddress", "the domain above is not told who asks")
			}
		}
		assert.NotContains(t, strings.Join(w.DNS.Queries(), "\n"), "autodiscover.example.edu")
	},
	"06-public-suffix": func(t *testing.T, w *world) {
		w.DNS.SetMX("firma.co.uk", "10 mx.firma.co.uk.")
		w.fail("u@firma.co.uk", ErrNothing)
		w.below(t, "firma.co.uk")
		// Whose domain is a public suffix himself gets no names below it, which
		// are other people's.
		w.fail("u@co.uk", ErrNoDomain)
		for _, q := range w.DNS.Queries() {
			_, name, _ := strings.Cut(q, " ")
			if under(name, "co.uk") && !under(name, "firma.co.uk") && !strings.HasPrefix(name, "_") {
				assert.Equal(t, "co.uk", name)
			}
		}
	},
}

// below checks that all questions were about names at or below a domain, and
// about the list of providers.
func (w *world) below(t *testing.T, domain string) {
	t.Helper()
	for _, q := range w.DNS.Queries() {
		_, name, _ := strings.Cut(q, " ")
		assert.True(t, under(name, domain) || name == "ispdb.example.net", q)
	}
}

func urls(w *world) (all []string) {
	for _, r := range w.Requests() {
		all = append(all, r.URL)
	}
	return all
}

// TestAddressErrors: each fault has a sentence of its own.
func TestAddressErrors(t *testing.T) {
	never := func(string) bool { return false }
	for in, want := range map[string]string{
		"":                "not a mail address: it is empty",
		"x":               "not a mail address: it has no @",
		"x@":              "not a mail address: there is no domain behind the @",
		"@d.example":      "not a mail address: there is nothing before the @",
		"a@b@c.example":   "not a mail address: it has more than one @",
		"a b@c.example":   "not a mail address: there is a space before the @",
		"a@b":             `not a mail address: the domain "b" has no dot`,
		"a@192.0.2.1":     `not a mail address: the domain "192.0.2.1" is an IP address`,
		"a@[IPv6:::1]":    `not a mail address: the domain "[ipv6:::1]" is an IP address`,
		"a@b_c.example":   `not a mail address: the domain "b_c.example" is not a host's name`,
		"a@b.example..":   `not a mail address: the domain "b.example." is not a host's name`,
		"a@bü.example..":  `not a mail address: the domain "bü.example." is not a host's name`,
		`"a@b.example`:    "not a mail address: a quote before the @ is not closed",
		`"a\"@b.example`:  "not a mail address: a quote before the @ is not closed",
		`a"b@c.example`:   `not a mail address: there is a '"' before the @, outside quotes`,
		"a\x00@b.example": "not a mail address: there is a control character before the @",
		"a@１９２.０.２.１":     `not a mail address: the domain "１９２.０.２.１" is an IP address`,
	} {
		_, err := parseAddress(in, never)
		require.Error(t, err, in)
		assert.Equal(t, want, err.Error())
		assert.True(t, errors.Is(err, ErrAddress))
	}
	for in, want := range map[string]address{
		" Ann@Example.ORG. ":       {full: "Ann@example.org", local: "Ann", domain: "example.org", shown: "example.org", unicode: "example.org"},
		`"a b"@example.org`:        {full: `"a b"@example.org`, local: `"a b"`, domain: "example.org", shown: "example.org", unicode: "example.org"},
		"a@ｅxample。org":            {full: "a@example.org", local: "a", domain: "example.org", shown: "example.org", unicode: "example.org"},
		"a@b\u00adü.ex\u200bample": {full: "a@bü.example", local: "a", domain: "xn--b-eha.example", shown: "bü.example", unicode: "bü.example"},
		"a@XN--B-EHA.example":      {full: "a@xn--b-eha.example", local: "a", domain: "xn--b-eha.example", shown: "xn--b-eha.example", unicode: "bü.example"},
		"a..b@example.org":         {full: "a..b@example.org", local: "a..b", domain: "example.org", shown: "example.org", unicode: "example.org"},
		"ü@straße.example":         {full: "ü@straße.example", local: "ü", domain: "xn--strae-oqa.example", shown: "straße.example", unicode: "straße.example"},
	} {
		got, err := parseAddress(in, never)
		require.NoError(t, err, in)
		assert.Equal(t, want, got)
	}
}
