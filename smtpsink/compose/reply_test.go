package compose

import (
	"fmt"
	"net/mail"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/memory"
)

// deliver puts a message into a mailbox of its own. Lines may end in LF.
func deliver(t testing.TB, raw string) (mailbox.Mailbox, mailbox.ID) {
	t.Helper()
	store := memory.NewStore()
	require.NoError(t, store.Deliver(mailbox.Inbox, []byte(canonical(raw)), nil))
	mb := memory.New(&memory.Options{Store: store})
	t.Cleanup(func() { mb.Close() })
	for s, err := range mb.List(t.Context(), mailbox.Inbox, nil) {
		require.NoError(t, err)
		return mb, s.ID
	}
	t.Fatal("nothing was delivered")
	return nil, mailbox.ID{}
}

func reply1(t testing.TB, raw string, opts *ReplyOptions) *Message {
	t.Helper()
	mb, id := deliver(t, raw)
	m, err := Reply(t.Context(), mb, id, opts)
	require.NoError(t, err)
	return m
}

const question = `From: =?utf-8?q?B=C3=B6b?= <bob@example.com>
To: Ann <ann@example.org>, Carl <carl@example.net>
Cc: dora@example.net, ANN@example.org, bob@example.com
Subject: Re: AW: Re[2]: =?iso-8859-1?q?K=E4se?=
Date: Mon, 5 Jan 2026 10:00:00 +0100
Message-ID: <q@example.com>
References: <r1@example.com> <r2@example.com>
Content-Type: text/plain; charset=iso-8859-1
Content-Transfer-Encoding: quoted-printable

Gr=FC=DFe!
> old

--=20
Bob
`

func TestReply(t *testing.T) {
	self := []mail.Address{{Address: "other@example.org"}, ann}
	m := reply1(t, question, &ReplyOptions{Self: self, Text: "Yes.\n"})
	assert.Equal(t, []mail.Address{ann}, m.From)
	assert.Equal(t, []mail.Address{{Name: "Böb", Address: "bob@example.com"}}, m.To)
	assert.Empty(t, m.Cc)
	assert.Equal(t, "Re: Käse", m.Subject)
	assert.Equal(t, []string{"q@example.com"}, m.InReplyTo)
	assert.Equal(t, []string{"r1@example.com", "r2@example.com", "q@example.com"}, m.References)
	assert.Equal(t, "Yes.\n\nOn Mon, 5 Jan 2026 at 10:00 +0100, Böb <bob@example.com> wrote:\n\n> Grüße!\n>> old\n", m.Text)
	sent(t, prepare(t, m))

	m = reply1(t, question, &ReplyOptions{Self: self, All: true, NoQuote: true})
	assert.Equal(t, []string{"Böb bob@example.com"}, showAll(m.To))
	assert.Equal(t, []string{"Carl carl@example.net", " dora@example.net"}, showAll(m.Cc))
	assert.Empty(t, m.Text)

	m = reply1(t, question, &ReplyOptions{Attribution: func(e *mailbox.Envelope) string { return e.MessageID + ":" }})
	assert.True(t, strings.HasPrefix(m.Text, "q@example.com:\n\n> Gr"), m.Text)
	assert.Empty(t, m.From)
}

// TestReplyTo is who gets an answer, by what the header says.
func TestReplyTo(t *testing.T) {
	const head = "From: bob@example.com\nTo: ann@example.org, list@example.net\nCc: dora@example.net\n"
	self := []mail.Address{ann, {Address: "anna@b\u00fccher.example"}}
	for _, c := range []struct {
		name, header string
		opts         ReplyOptions
		to, cc       string
	}{
		{"from", head, ReplyOptions{}, "bob@example.com", ""},
		{"reply-to", head + "Reply-To: x@example.com, y@example.com\n", ReplyOptions{}, "x@example.com y@example.com", ""},
		{"reply-to that is broken", head + "Reply-To: nobody, <a@b>c@d\n", ReplyOptions{}, "bob@example.com", ""},
		{"all", head, ReplyOptions{All: true}, "bob@example.com", "list@example.net dora@example.net"},
		{"all with reply-to", head + "Reply-To: list@example.net\n", ReplyOptions{All: true}, "list@example.net", "dora@example.net"},
		{"followup", head + "Mail-Followup-To: list@example.net, bob@example.com\n", ReplyOptions{All: true}, "list@example.net bob@example.com", ""},
		{"followup to one", head + "Mail-Followup-To: list@example.net\n", ReplyOptions{}, "bob@example.com", ""},
		{"list", head + "List-Post: NO, <https://example.net/>, <mailto:list%2Bx@example.net?subject=x>\n", ReplyOptions{List: true, All: true}, "list+x@example.net", ""},
		{"own", "From: Ann@example.org\nTo: dora@example.net\n", ReplyOptions{}, "dora@example.net", ""},
		{"own to all", "From: ann@example.org\nTo: ann@example.org\nCc: dora@example.net\n", ReplyOptions{All: true}, "dora@example.net", ""},
		{"followup to oneself", head + "Mail-Followup-To: ANN@example.org\n", ReplyOptions{All: true}, "bob@example.com", "list@example.net dora@example.net"},
		{"reply-to oneself", head + "Reply-To: ann@example.org\n", ReplyOptions{}, "bob@example.com", ""},
		{"both oneself", "From: ann@example.org\nReply-To: ann@example.org\nTo: ann@example.org\n", ReplyOptions{}, "ann@example.org", ""},
		{"tag", "From: bob@example.com\nTo: Ann+Shop@Example.org, ann-x@example.org, ann@example.net\n", ReplyOptions{All: true}, "bob@example.com", "ann-x@example.org ann@example.net"},
		{"own by a tag", "From: ann+x@example.org\nTo: dora@example.net\n", ReplyOptions{}, "dora@example.net", ""},
		{"spelt otherwise", "From: bob@example.com\nTo: \"ann\"@example.org, anna@XN--Bcher-kva.example, bob@b\u00fccher.example, bob@xn--bcher-kva.example\n", ReplyOptions{All: true}, "bob@example.com", "bob@b\u00fccher.example"},
		{"to oneself", "From: ann@example.org\nTo: ann@example.org\n", ReplyOptions{}, "ann@example.org", ""},
	} {
		c.opts.Self, c.opts.NoQuote = self, true
		m := reply1(t, c.header+"\nx\n", &c.opts)
		assert.Equal(t, c.to, addresses(m.To), c.name)
		assert.Equal(t, c.cc, addresses(m.Cc), c.name)
	}
	// The answer comes from the address that the question went to.
	for to, from := range map[string]string{
		"anna@xn--bcher-kva.example": "anna@b\u00fccher.example", "anna+x@b\u00fccher.example": "anna@b\u00fccher.example", "ann+x@example.org": "ann@example.org", "+x@example.org": "ann@example.org",
	} {
		assert.Equal(t, from, addresses(reply1(t, "From: bob@example.com\nTo: "+to+"\n\nx\n", &ReplyOptions{Self: self}).From), to)
	}
	for _, c := range []struct {
		header string
		opts   *ReplyOptions
	}{
		{"Subject: x\n", nil}, {"From: nobody\n", nil}, {head, &ReplyOptions{List: true}}, {head + "List-Post: NO\n", &ReplyOptions{List: true}},
		{head + "List-Post: <mailto:x@>\n", &ReplyOptions{List: true}},
	} {
		mb, id := deliver(t, c.header+"\nx\n")
		_, err := Reply(t.Context(), mb, id, c.opts)
		assert.ErrorIs(t, err, mailbox.ErrNotFound, c.header)
		var outer *mailbox.Error
		require.ErrorAs(t, err, &outer)
		assert.Equal(t, "reply", outer.Op)
		assert.Equal(t, id, outer.ID)
	}
	mb, id := deliver(t, question)
	require.NoError(t, mb.Delete(t.Context(), []mailbox.ID{id}, nil))
	_, err := Reply(t.Context(), mb, id, nil)
	assert.ErrorIs(t, err, mailbox.ErrNotFound)
	_, err = Forward(t.Context(), mb, id, nil)
	assert.ErrorIs(t, err, mailbox.ErrNotFound)
}

func addresses(list []mail.Address) string {
	var s []string
	for _, a := range list {
		s = append(s, a.Address)
	}
	return strings.Join(s, " ")
}

func TestReferences(t *testing.T) {
	head := "From: bob@example.com\n"
	m := reply1(t, head+"Message-ID: <q@x>\nIn-Reply-To: <p@x>\n\n", nil)
	assert.Equal(t, []string{"p@x", "q@x"}, m.References)
	m = reply1(t, head+"Message-ID: <q@x>\nIn-Reply-To: <p@x> <o@x>\n\n", nil)
	assert.Equal(t, []string{"q@x"}, m.References)
	m = reply1(t, head+"References: <p@x>\n\n", nil)
	assert.Equal(t, []string{"p@x"}, m.References)
	assert.Empty(t, m.InReplyTo)
	m = reply1(t, head+"Message-ID: <\u00fc@x>\nReferences: <ok@x> <a\u00fc@x>\n\n", nil)
	assert.Equal(t, []string{"ok@x"}, m.References)
	// A loop is taken apart: each is there once, and the answered one last.
	m = reply1(t, head+"Message-ID: <q@x>\nReferences: <q@x> <p@x>"+strings.Repeat(" <q@x> <o@x> <p@x>", 100)+"\n\n", nil)
	assert.Equal(t, []string{"p@x", "o@x", "q@x"}, m.References)
	var many strings.Builder
	for i := range 200 {
		fmt.Fprintf(&many, " <%d@x>\n", i)
	}
	m = reply1(t, head+"Message-ID: <q@x>\nReferences:"+many.String()+"\n", nil)
	require.Len(t, m.References, maxReferences)
	assert.Equal(t, "0@x", m.References[0])
	assert.Equal(t, []string{"152@x", "199@x", "q@x"}, []string{m.References[1], m.References[48], m.References[49]})
}

func TestSubjects(t *testing.T) {
	for in, want := range map[string]string{
		"x": "Re: x", "Re: x": "Re: x", "RE: re: x": "Re: x", "AW: x": "Re: x", "Sv: Aw: x": "Re: x", "Re[2]: x": "Re: x", "Re (3): x": "Re: x", "Re^4: x": "Re: x",
		"回复：x": "Re: x", "Re : x": "Re: x", "": "Re:", "Re:": "Re:", "Fwd: x": "Re: Fwd: x", "Re: Fwd: Re: x": "Re: Fwd: Re: x", "Reorder: x": "Re: Reorder: x",
		"Re[x]: y": "Re: Re[x]: y", "R: x": "Re: R: x", "a re: b": "Re: a re: b", ": x": "Re: : x", "http://x": "Re: http://x",
	} {
		assert.Equal(t, want, answerSubject(in), in)
	}
	for in, want := range map[string]string{"x": "Fwd: x", "FW: fwd: WG: x": "Fwd: x", "Re: x": "Fwd: Re: x", "转发：x": "Fwd: x"} {
		assert.Equal(t, want, forwardSubject(in), in)
	}
}

func TestQuoteLimit(t *testing.T) {
	raw := "From: bob@example.com\nContent-Type: text/plain; charset=utf-8\n\n" + strings.Repeat("ü", 1000) + "\n"
	m := reply1(t, raw, &ReplyOptions{MaxQuote: 11})
	assert.Equal(t, "bob@example.com wrote:\n\n> üüüüü\n> [...]\n", m.Text)
	m = reply1(t, raw, &ReplyOptions{MaxQuote: 2002})
	assert.NotContains(t, m.Text, "[...]")
	for _, kind := range []string{"text/plain", "text/html"} {
		m = reply1(t, "From: bob@example.com\nContent-Type: "+kind+"; charset=utf-8\n\nyes\u2028I owe you\u2029all\u0085of\vit\n", nil)
		assert.Equal(t, "bob@example.com wrote:\n\n> yes\n> I owe you\n> allofit\n", m.Text)
	}
	m = reply1(t, "From: bob@example.com\nContent-Type: image/png\n\nx\n", &ReplyOptions{Text: "Nice."})
	assert.Equal(t, "Nice.", m.Text)
}

func TestHTMLText(t *testing.T) {
	for in, want := range map[string]string{
		"<p>Hello &amp; <b>good</b>\n morning</p><p>x<br>y</p>":               "Hello & good morning\n\nx\ny",
		"<html><head><title>T</title><style>p{}</style></head><body>a</body>": "a",
		"a<script>if (1 < 2) alert('</p>')</script>b":                         "ab",
		"<ul><li>one</li><li>two</li></ul>":                                   "- one\n- two",
		"<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>":     "a b\nc",
		"<!-- c > --><!DOCTYPE html>a<!-- b":                                  "a",
		`<a href="x>y" title='>'>link</a>`:                                    "link",
		"1 < 2 > 0":                                                           "1 < 2 > 0",
		`<a href="x>link</a> rest`:                                            "link rest",
		"a<div>b</div><div>c</div>":                                           "a\nb\nc",
		"<script>never ends":                                                  "",
		"&#27;[2J&lt;b&gt;":                                                   "\x1b[2J<b>", // plainText takes the controls
		"a<hr>b":                                                              "a\n---\nb",
		"":                                                                    "",
		"<":                                                                   "<",
		"I <3 you</3> <b>so</b> much":                                         "I <3 you</3> so much",
		"<p":                                                                  "",
	} {
		assert.Equal(t, want, htmlText(in), in)
	}
	m := reply1(t, "From: bob@example.com\nDate: Mon, 5 Jan 2026 10:00:00 +0100\nContent-Type: text/html; charset=utf-8\n\n<p>Hi&#27;[2J <b>Ann</b></p><p>bye</p>\n", nil)
	assert.Equal(t, "On Mon, 5 Jan 2026 at 10:00 +0100, bob@example.com wrote:\n\n> Hi[2J Ann\n>\n> bye\n", m.Text)
}
