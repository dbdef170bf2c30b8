package compose

import (
	"fmt"
	"maps"
	"net/mail"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"
)

// TestMarkup is what becomes of HTML: what formats it stays.
func TestMarkup(t *testing.T) {
	for in, want := range map[string]string{
		"<p class=x>Hello <b>you</b>, &lt;1&gt; &amp; all<br/>x</p>": `<p class="x">Hello <b>you</b>, &lt;1&gt; &amp; all<br>x</p>`,
		"<p>a<p>b<ul><li>c<li>d</ul>e":                               "<p>a<p>b<ul><li>c</li><li>d</ul>e",
		"<p><b>a<p>b</b> c":                                          "<p><b>a<p>b</b> c",
		"<b><i>a</b>b</i>c</i></div></td>":                           "<b><i>a</b>b</i>c",
		"<font color=red><div>a</font>b</div>c":                      `<font color="red"><div>a</font>b</div>c`,
		"<table bgcolor='#fff'><tr><td>a<td><div>b<tr><th>c</table>": `<table bgcolor="#fff"><tr><td>a</td><td><div>b</div></td></tr><tr><th>c</th></tr></table>`,
		"<table><td>a</div><table><td>b</table>c</table>d":           "<table><td>a<table><td>b</td></table>c</td></table>d",
		"<td>a</td><tr>b":                                            "ab",
		"<h1>a<h2>b</h1>c":                                           "<h1>a</h1><h2>b</h2>c",
		"<dl><dt>a<dd>b<dt>c</dl>":                                   "<dl><dt>a</dt><dd>b</dd><dt>c</dl>",
		// What is shown nowhere is not there, and what would be shown is.
		"<!DOCTYPE html><html><head><title>T</title><style>p{}</style><meta x><link x></head><body onload=x>a</body></html>b": "ab",
		"a<!-- b --><script>c</script><iframe>d</iframe><noembed>e</noembed>f":                                                "af",
		"<noscript>a<i>b</i></noscript><o:p>c</o:p><form><input>d</form><svg>e</svg><textarea><b></textarea><xmp><i></xmp>":   "a<i>b</i>cde&lt;b&gt;&lt;i&gt;",
		"<![if !mso]>a<![endif]><?xml x?><plaintext></div>":                                                                   "a&lt;/div&gt;",
		// Attributes link and format, and run nothing.
		`<a href="https://x/?a=1&amp;b=&quot;" onclick=x ONFOCUS=y target=_blank>a</a>`:                                                                                            `<a href="https://x/?a=1&amp;b=&quot;" target="_blank">a</a>`,
		"<a href=' java\tscript:x'>a</a><a href=vbscript:x>b</a><a href='java" + strings.Repeat("\n", 300) + "script:x'>c</a><a href=data:text/html,x>c</a><a href=mailto:x>d</a>": `<a>a</a><a>b</a><a>c</a><a>c</a><a href="mailto:x">d</a>`,
		"<img src=data:image/png;base64,AA alt=x><img src=\"a'b\" x\"y=z a:b=c>":                                                                                                   `<img src="data:image/png;base64,AA" alt="x"><img src="a'b">`,
		"<p style='--x:-9px;color:red; POSITION : fixed;margin-top:-9px;margin:1px;pos\\ition:fixed;/**/position:fixed;background-position:0 0'>":                                  `<p style="color:red;margin:1px;background-position:0 0">`,
		"a&nbsp;&#x1b;[2J\u009b\x00&#8232;b": "a&nbsp;[2J\nb",
	} {
		assert.Equal(t, "<div>"+want+"</div>\n", cleanMarkup(in, map[string]bool{}), in)
	}
	assert.Equal(t, "<div dir=\"rtl\" lang=\"he\">a</div>\n", cleanMarkup("<html dir=rtl onclick=x><body lang=he style=x>a", map[string]bool{}))
	// Of what is well-formed, a reader makes the same tree.
	layout := `<table bgcolor="#eee" width="100%"><tbody><tr><td align="center"><h1>Käse</h1><p>A <b>good <i>one</i></b>, <a href="https://x/">see</a></p>` +
		`<ul><li>one<p>two</p><li>three</ul></td><td><table><tr><th>1<td>2<tr><td colspan="2"><blockquote type="cite">x<div>y</div></blockquote></table></td></tr></tbody></table><hr><p>end<br>here`
	assert.Equal(t, tree(t, "<div>"+layout+"</div>\n"), tree(t, cleanMarkup(layout, map[string]bool{})))
	shown := map[string]bool{}
	cleanMarkup(`<img src=cid:a@b><td background="CID:b%40c"><p style="background: url('cid:d') url(cid:e)"><i title="acid:f x"></i><script src=cid:g></script><p on=cid:h>`, shown)
	assert.Equal(t, []string{"a@b", "d", "e", "f"}, slices.Sorted(maps.Keys(shown)))
}

// tree is what a reader makes of a page.
func tree(t testing.TB, page string) string {
	root, err := html.Parse(strings.NewReader(page))
	require.NoError(t, err)
	var b strings.Builder
	require.NoError(t, html.Render(&b, root))
	return b.String()
}

// TestMarkupCost: HTML that other readers make a large tree of gives about what it is,
// and no element is within more than 500.
func TestMarkupCost(t *testing.T) {
	var b strings.Builder
	b.WriteString("<p>")
	for i := range 300 {
		fmt.Fprintf(&b, "<b a=%d>", i)
	}
	b.WriteString(strings.Repeat("<p>x", 200))
	clean := cleanMarkup(b.String(), map[string]bool{})
	assert.Less(t, len(clean), 2*b.Len())
	// The control: of 200 paragraphs 60,000 elements are made.
	root, err := html.Parse(strings.NewReader(b.String()))
	require.NoError(t, err)
	n := 0
	for range root.Descendants() {
		n++
	}
	assert.Greater(t, n, 60_000)

	for _, tag := range []string{"<div>", "<b>", "<table><td>", "<ul><li>", "<blockquote>"} {
		clean := cleanMarkup(strings.Repeat(tag, 20_000)+"x", map[string]bool{})
		assert.Contains(t, clean, "x")
		assert.LessOrEqual(t, strings.Count(clean, "<"), 2*maxOpen+2, tag)
	}
	// Content IDs are looked for once in each octet: this takes minutes otherwise.
	shown := map[string]bool{}
	cleanMarkup("<p style='"+strings.Repeat("cid:", 20_000)+"'>", shown)
	assert.Less(t, len(shown), 1000)
}

const newsletter = `From: "Eve <b>" <eve@example.net>
To: ann@example.org
Subject: <img src=x onerror=y> </div><!--
Message-ID: <n@example.net>
MIME-Version: 1.0
Content-Type: multipart/related; boundary=r

--r
Content-Type: multipart/alternative; boundary=a

--a
Content-Type: text/plain; charset=utf-8

Prices <fell>.
--a
Content-Type: text/html; charset=iso-8859-1
Content-Transfer-Encoding: quoted-printable

<html><head><style>*{display:none}</style></head><body><h1>K=E4se</h1><img src=3D"cid:logo%40x"></body></html><!--
--a--
--r
Content-Type: image/png; name=l.png
Content-Transfer-Encoding: base64
Content-Disposition: attachment
Content-ID: <logo@x>

UE5H
--r
Content-Type: image/png; name=m.png
Content-ID: <other@x>

PNG
--r
Content-Type: image/png; name=n.png
Content-ID: <logo@x>

twice
--r--
`

func TestForwardHTML(t *testing.T) {
	mb, id := deliver(t, newsletter)
	m, err := Forward(t.Context(), mb, id, &ForwardOptions{Self: []mail.Address{ann}, Text: "1 < 2\n  - see\n"})
	require.NoError(t, err)
	m.To = []mail.Address{bob}
	const above = "<div>1 &lt; 2<br>\n&nbsp; - see<br>\n<br>\n---------- Forwarded message ----------<br>\n" +
		"From: Eve &lt;b&gt; &lt;eve@example.net&gt;<br>\nSubject: &lt;img src=x onerror=y&gt; &lt;/div&gt;&lt;!--<br>\nTo: ann@example.org</div>\n<br>\n"
	const below = "<div><h1>Käse</h1><img src=\"cid:logo%40x\"></div>\n"
	assert.Equal(t, above+below, m.HTML)
	assert.Equal(t, "1 < 2\n  - see\n\n---------- Forwarded message ----------\nFrom: Eve <b> <eve@example.net>\n"+
		"Subject: <img src=x onerror=y> </div><!--\nTo: ann@example.org\n\nPrices <fell>.\n", m.Text)
	assert.Equal(t, []string{
		showPart("text/plain", "", "", "", []byte(canonical(m.Text))),
		showPart("text/html", "", "", "", []byte(canonical(m.HTML))),
		showPart("image/png", "inline", "l.png", "logo@x", []byte("PNG")),
		showPart("image/png", "attachment", "m.png", "", []byte("PNG")),
		showPart("image/png", "attachment", "n.png", "", []byte("twice")),
	}, asLibrary(t, sent(t, prepare(t, m))).Parts)

	// HTML that is too long is an attachment; the text is there.
	long := strings.Replace(newsletter, "<h1>", "<h1>"+strings.Repeat("<b></b>", 2000), 1)
	mb, id = deliver(t, long)
	m, err = Forward(t.Context(), mb, id, &ForwardOptions{MaxText: 3000})
	require.NoError(t, err)
	assert.Empty(t, m.HTML)
	assert.Empty(t, m.Inline)
	assert.Len(t, m.Attachments, 4)
	assert.Contains(t, m.Text, "Prices <fell>.\n")
	assert.NotContains(t, m.Text, "[...]")

	// HTML alone is text as well, and is no attachment.
	mb, id = deliver(t, "From: bob@example.com\nContent-Type: text/html\n\n<p>Hello <b>you</b>\n")
	m, err = Forward(t.Context(), mb, id, &ForwardOptions{MaxText: 6})
	require.NoError(t, err)
	assert.True(t, strings.HasSuffix(m.Text, "\n\nHello \n[...]\n"), m.Text)
	assert.True(t, strings.HasSuffix(m.HTML, "<div><p>Hello <b>you</b>\n</div>\n"), m.HTML)
	assert.Empty(t, m.Attachments)

	// HTML in pieces is taken whole, as Apple's Mail sends it around a file.
	pieces := "--b\nContent-Type: text/html\n\n<p>one\n--b\nContent-Type: application/pdf; name=x.pdf\n\npdf\n--b\nContent-Type: text/html\n\n<i>two\n--b--\n"
	for _, c := range []struct{ raw, text string }{
		{"Content-Type: multipart/alternative; boundary=a\n\n--a\nContent-Type: multipart/mixed; boundary=b\n\n" + pieces + "--a--\n", "one\n\ntwo\n"},
		{"Content-Type: multipart/alternative; boundary=a\n\n--a\n\none, two\n--a\nContent-Type: multipart/mixed; boundary=b\n\n" + pieces + "--a--\n", "one, two\n"},
	} {
		mb, id = deliver(t, "From: bob@example.com\n"+c.raw)
		m, err = Forward(t.Context(), mb, id, nil)
		require.NoError(t, err)
		assert.True(t, strings.HasSuffix(m.Text, "\n\n"+c.text), m.Text)
		assert.True(t, strings.HasSuffix(m.HTML, "<div><p>one</div>\n<div><i>two</i></div>\n"), m.HTML)
		assert.Len(t, m.Attachments, 1)
	}
}

// TestForwardPieces checks that HTML in very many pieces is not read, but attached.
func TestForwardPieces(t *testing.T) {
	for _, n := range []int{maxPieces, maxPieces + 1} {
		mb, id := deliver(t, "From: bob@example.com\nContent-Type: multipart/alternative; boundary=b\n\n"+strings.Repeat("--b\nContent-Type: text/html\n\n<p>one\n", n)+"--b--\n")
		box := &countingBox{Mailbox: mb}
		m, err := Forward(t.Context(), box, id, nil)
		require.NoError(t, err)
		assert.Equal(t, n <= maxPieces, m.HTML != "", n)
		assert.Contains(t, m.Text, "one\n")
		if n > maxPieces {
			assert.Len(t, m.Attachments, n)
			assert.LessOrEqual(t, box.opened, 5)
		} else {
			assert.Empty(t, m.Attachments)
			assert.Equal(t, n, strings.Count(m.Text, "one\n"))
			assert.Greater(t, box.opened, n) // the control
		}
	}
}

func TestReplyHTML(t *testing.T) {
	const quote = "<blockquote type=\"cite\" style=\"margin:0 0 0 0.8ex;border-left:1px solid #ccc;padding-left:1ex\">\n"
	m := reply1(t, newsletter, &ReplyOptions{Self: []mail.Address{ann}, Text: "No & no.\n", HTML: true})
	assert.Equal(t, "No & no.\n\nEve <b> <eve@example.net> wrote:\n\n> Prices <fell>.\n", m.Text)
	assert.Equal(t, "<div>No &amp; no.</div>\n<br>\n<div>Eve &lt;b&gt; &lt;eve@example.net&gt; wrote:</div>\n"+quote+
		"<div><h1>Käse</h1><img src=\"cid:logo%40x\"></div>\n</blockquote>\n", m.HTML)
	v := asLibrary(t, sent(t, prepare(t, m)))
	assert.Equal(t, []string{showPart("image/png", "inline", "l.png", "logo@x", []byte("PNG"))}, v.Parts[2:])

	// Without the option nothing but text is read.
	m = reply1(t, newsletter, nil)
	assert.Empty(t, m.HTML)
	assert.Empty(t, m.Inline)
	// What has no HTML, or too much, is quoted as text; the signature is not.
	m = reply1(t, question, &ReplyOptions{HTML: true})
	assert.Contains(t, m.HTML, quote+"<div>Grüße!<br>\n&gt; old</div>\n</blockquote>\n")
	m = reply1(t, newsletter, &ReplyOptions{HTML: true, MaxQuote: 6})
	assert.Contains(t, m.HTML, quote+"<div>Prices<br>\n[...]</div>\n</blockquote>\n")
	assert.Empty(t, m.Inline)
	m = reply1(t, question, &ReplyOptions{HTML: true, NoQuote: true, Text: "Yes."})
	assert.Equal(t, "<div>Yes.</div>\n", m.HTML)
}

// TestHostileHTML forwards and answers HTML that would take what stands above it, or
// pass for it. Each is seen by a reader that does what the standard says. The control
// puts the HTML there as it is.
func TestHostileHTML(t *testing.T) {
	const tail = "<p>the end"
	for name, attack := range map[string]string{
		"end of quotation": "a</div></blockquote></div><p>I owe you",
		"end of page":      "a</blockquote></body></html><p>I owe you",
		"comment":          "a<!-- x",
		"style":            "<style>* {display: none}",
		"sheet":            "<link rel=stylesheet href=https://evil.example/x.css>a<base href=https://evil.example/>",
		"tag":              "a<p title=\"",
		"plaintext":        "<plaintext>a",
		"script":           "<script>document.body.innerText = ''",
		"textarea":         "a<textarea>",
		"noscript":         "<noscript><!-- </noscript>a",
		"svg":              "<svg><style><img title=\"</style><script>x</script>\">a",
		"table":            "<table><blockquote><table></table></blockquote></div>I owe you",
		"overlay":          "<div style='position:fixed;top:0;left:0;height:100%;background:white'>a</div>",
	} {
		raw := "From: eve@example.net\nSubject: " + strings.ReplaceAll(attack, "\n", " ") + "\nContent-Type: text/html\n\n" + attack + tail + "\n"
		mb, id := deliver(t, raw)
		fwd, err := Forward(t.Context(), mb, id, &ForwardOptions{Text: "mine"})
		require.NoError(t, err)
		answer := reply1(t, raw, &ReplyOptions{Text: "mine", HTML: true})
		seen := func(page string) bool {
			page += "<p>below</p>"
			list := inBody(t, page)
			n := len(list)
			return !active(t, page) && (n == 4 || n == 5 && strings.HasPrefix(list[3], "blockquote: ")) &&
				strings.HasPrefix(list[0], "div: mine") && list[n-1] == "p: below"
		}
		for _, m := range []*Message{fwd, answer} {
			assert.True(t, seen(m.HTML), "%s: %q", name, m.HTML)
		}
		assert.Contains(t, inBody(t, fwd.HTML)[0], "Subject: "+attack, name)
		naive := "<div>mine</div><br><div>eve wrote:</div><blockquote>" + attack + tail + "</blockquote>"
		assert.False(t, seen(naive), "%s: the control", name)
	}
	// The values of header fields are text.
	evil := "<b>x</b><!-- <script>"
	m := reply1(t, "From: \""+evil+"\" <eve@example.net>\nContent-Type: text/plain\n\n"+evil+"\n", &ReplyOptions{Text: evil, HTML: true})
	assert.Equal(t, 3, strings.Count(m.HTML, escapeText(evil)))
	assert.NotContains(t, m.HTML, evil)
}

// active reports whether a page has what acts on all of it, or what hides some.
func active(t testing.TB, page string) bool {
	root, err := html.Parse(strings.NewReader(page))
	require.NoError(t, err)
	for n := range root.Descendants() {
		if n.Type == html.CommentNode || strings.Contains(" script style link base plaintext textarea noscript svg ", " "+n.Data+" ") {
			return true
		}
		for _, a := range n.Attr {
			if strings.HasPrefix(a.Key, "on") || strings.Contains(a.Val, "fixed") {
				return true
			}
		}
	}
	return false
}
