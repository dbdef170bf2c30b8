package mailmime

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"runtime"
	"strings"
	"testing"
	"time"
)

// Each hostile message is read twice: as users read it, and with the guard that
// it is about switched off, to see that the test could fail.

// all is no limit at all.
var all = &Limits{
	Depth: 1 << 30, Parts: 1 << 30, HeaderBytes: 1 << 30, HeaderFields: 1 << 30, Params: 1 << 30, Addresses: 1 << 30,
	TotalFields: 1 << 30, TotalParams: 1 << 30, TotalAddresses: 1 << 30,
}

// repeat gives head once, then s n times, without holding it.
func repeat(head, s string, n int) io.Reader {
	block := strings.Repeat(s, 1000)
	readers := []io.Reader{strings.NewReader(head)}
	for range n / 1000 {
		readers = append(readers, strings.NewReader(block))
	}
	return io.MultiReader(readers...)
}

func structure(t *testing.T, r io.Reader, lim *Limits) (*Part, string) {
	t.Helper()
	p, defects, err := ReadStructure(r, nil, lim)
	if err != nil {
		t.Fatal(err)
	}
	return p, strings.Join(defects, "; ")
}

// depth gives how deep a part is nested, count how many there are.
func depth(p *Part) int {
	deepest := 0
	for _, c := range p.Parts {
		deepest = max(deepest, depth(c))
	}
	return deepest + 1
}

func count(p *Part) int {
	n := 1
	for _, c := range p.Parts {
		n += count(c)
	}
	return n
}

// allocated gives how many octets f asks for.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// endless reports whether a loop of n turns is still at it after a while in
// which it should long be done: each turn goes through the whole input.
func endless(n int, turn func(i int)) bool {
	end := time.Now().Add(50 * time.Millisecond)
	for i := range n {
		turn(i)
		if time.Now().After(end) {
			return true
		}
	}
	return false
}

func nested(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i)
	}
	return b.String() + "\r\nend"
}

func TestHostile(t *testing.T) {
	t.Run("mime-nest", hostileNest)
	t.Run("mime-parts-flood", hostileParts)
	t.Run("mime-header-flood", hostileHeaders)
	t.Run("mime-header-flood-total", hostileTotals)
	t.Run("header-comment-quad", hostileComments)
	t.Run("addr-bomb", hostileAddresses)
	t.Run("rfc2231-flood", hostileParams)
	t.Run("boundary-odd", hostileBoundaries)
	t.Run("charset-odd", hostileCharsets)
	t.Run("addr-misroute", hostileMisroute)
	t.Run("attach-traversal", hostileNames)
	t.Run("ansi-escape", hostileEscapes)
}

func hostileNest(t *testing.T) {
	chain := strings.Repeat("Content-Type: message/rfc822\r\n\r\n", 40_000) + "\r\nend"
	for name, in := range map[string]string{"multipart": nested(40_000), "rfc822": chain} {
		p, defects := structure(t, strings.NewReader(in), nil)
		if d := depth(p); d != 101 || !strings.Contains(defects, DefectDepth) {
			t.Errorf("%s: depth %d, defects %s", name, d, defects)
		}
	}
	// What lies deeper is one leaf, which holds it all.
	body, _ := openAll(t, []byte(nested(200)), strings.TrimPrefix(strings.Repeat(".1", 100), "."))
	if !strings.Contains(string(body), "--b199") {
		t.Errorf("the rest is lost: %.80q", body)
	}
	// Exactly at the limit nothing is wrong.
	if p, defects := structure(t, strings.NewReader(nested(100)), nil); depth(p) != 101 || strings.Contains(defects, DefectDepth) {
		t.Errorf("at the limit: depth %d, defects %s", depth(p), defects)
	}
	if p, _ := structure(t, strings.NewReader(nested(1000)), all); depth(p) != 1001 {
		t.Errorf("the control has depth %d", depth(p))
	}
}

func hostileParts(t *testing.T) {
	const head = "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
	flood := func() io.Reader { return repeat(head, "--b\r\n\r\n", 100_000) }
	p, defects := structure(t, flood(), nil)
	if n := count(p); n != 10_000 || !strings.Contains(defects, DefectPartCount) {
		t.Errorf("%d parts, defects %s", n, defects)
	}
	at := func() io.Reader { return repeat(head, "--b\r\n\r\n", 9_000) }
	if p, defects := structure(t, at(), &Limits{Parts: 9_001}); count(p) != 9_001 || strings.Contains(defects, DefectPartCount) {
		t.Errorf("at the limit: %d parts, defects %s", count(p), defects)
	}
	if p, _ := structure(t, repeat(head, "--b\r\n\r\n", 20_000), all); count(p) != 20_001 {
		t.Errorf("the control has %d parts", count(p))
	}
}

func hostileHeaders(t *testing.T) {
	const head = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nX: "
	large := func() io.Reader { return repeat(head, strings.Repeat("x", 100), 200_000) }
	read := func(r io.Reader, lim *Limits) uint64 {
		return allocated(func() { structure(t, r, lim) })
	}
	if n := read(large(), nil); n > 12<<20 {
		t.Errorf("a field of 20 MB cost %d octets of memory", n)
	}
	if n := read(large(), all); n < 20_000_000 {
		t.Errorf("the control cost only %d octets", n)
	}
	var h *Header
	n := allocated(func() { h = ParseHeader(bytes.Repeat([]byte("a:\n"), 300_000), nil) })
	if len(h.Fields) != 10_000 || n > 12<<20 {
		t.Errorf("%d fields, %d octets of memory", len(h.Fields), n)
	}
	if h := ParseHeader(bytes.Repeat([]byte("a:\n"), 20_000), all); len(h.Fields) != 20_000 {
		t.Errorf("the control has %d fields", len(h.Fields))
	}
	// Many header sections, each within the limit.
	const section = 900 << 10
	many := func(n int) io.Reader {
		var all []io.Reader
		for range n {
			all = append(all, strings.NewReader("--b\r\nContent-Type: message/rfc822\r\n\r\nX: "+strings.Repeat("x", section)+"\r\n\r\n\r\n"))
		}
		return io.MultiReader(append([]io.Reader{strings.NewReader("Content-Type: multipart/mixed; boundary=b\r\n\r\n")}, all...)...)
	}
	if kept := keeps(t, many(30), nil); kept > totalHeaders<<20 {
		t.Errorf("30 sections of 900 KiB: %d octets are kept", kept)
	}
	if kept := keeps(t, many(30), all); kept < 30*section {
		t.Errorf("the control keeps %d octets", kept)
	}
}

// keeps gives how many octets of headers a structure holds on to.
func keeps(t *testing.T, r io.Reader, lim *Limits) (n int) {
	p, _ := structure(t, r, lim)
	for _, c := range p.Parts {
		if c.Header != nil {
			for _, f := range c.Header.Fields {
				n += len(f.Value)
			}
		}
	}
	return n
}

// flood repeats s to a quarter of a MiB. If what reads it were quadratic, it would take
// more than 30,000,000,000 steps: minutes.
func flood(s string) string { return strings.Repeat(s, 256<<10/len(s)) }

func hostileComments(t *testing.T) {
	open := flood("(")
	half := strings.Repeat("( ", 64<<10) + strings.Repeat(") ", 64<<10) + "x"
	for _, in := range []string{open, "<a@b> " + open, flood("(a"), flood("( "), half, flood(`\`)} {
		ParseMsgIDs(in)
		ParseDate(in)
		ParseAddressList(in, nil, nil)
		ParseMediaType("x/y; a="+in, nil)
		ParseMediaType(in, nil)
		languages(in)
	}
	ParseMediaType(flood("x=( "), nil)
	ParseMediaType(flood("x=\"y "), nil)
	DecodeHeader(flood("=?a?q?"), nil)
	DecodeHeader(flood("=?utf-8?q?x?= "), nil)
	ParseHeader([]byte(flood("a\n ")), nil)
	if !endless(len(open), func(i int) {
		var forgotten bool // that no comment is closed
		skipComment(open, i, &forgotten)
	}) {
		t.Error("the control is done in no time")
	}
}

func hostileAddresses(t *testing.T) {
	list := strings.Repeat("a@b,", 100_000)
	got, ok := ParseAddressList(list, nil, nil)
	if len(got) != 10_000 || ok {
		t.Errorf("%d addresses, %v", len(got), ok)
	}
	if got, ok := ParseAddressList(list, nil, all); len(got) != 100_000 || !ok {
		t.Errorf("the control has %d addresses, %v", len(got), ok)
	}
	if n := len(ParseMsgIDs(strings.Repeat("<a>", maxIDs+1))); n != maxIDs {
		t.Errorf("%d message IDs", n)
	}
	if n := len(ParseMsgIDs(strings.Repeat("a@ ", maxIDs+1))); n != maxIDs {
		t.Errorf("%d message IDs without brackets", n)
	}
	for _, in := range []string{
		flood("g:"), flood("g:;"), flood(";"), flood("<"), flood("a "), flood("a,"), flood("a.") + "@b", "a@" + flood("["),
		flood("<a@b>"), flood("@"), flood("<@a,"), flood(`"a`), flood("=?a?q?"),
	} {
		if got, _ := ParseAddressList(in, nil, nil); len(got) > 10_000 {
			t.Errorf("%.8q...: %d addresses", in, len(got))
		}
	}
	// A token takes more memory than the octet that makes it.
	dots := strings.Repeat(".", 1<<20)
	if n := allocated(func() { ParseAddressList(dots, nil, nil) }); n > 4<<20 {
		t.Errorf("1 MiB of dots cost %d octets of memory", n)
	}
	quotes := flood(`"a`) + "\\"
	if !endless(len(quotes), func(i int) {
		l := newAddrLexer(quotes) // it forgets that no quote is closed
		l.pos = i + i%2 + 1
		l.delimited('(', ')', &l.noComment)
	}) {
		t.Error("the control is done in no time")
	}
}

func hostileParams(t *testing.T) {
	var b strings.Builder
	b.WriteString("attachment")
	for i := range 100_000 {
		fmt.Fprintf(&b, "; name*%d=x", i%65_536)
	}
	_, params, ok := ParseMediaType(b.String(), nil)
	if len(params["name"]) != 100 || ok {
		t.Errorf("%d pieces, %v", len(params["name"]), ok)
	}
	_, pairs, _ := parseParams(b.String(), all.Params)
	if got := decodeParams(pairs, nil, all.Params); len(got["name"]) != 65_536 {
		t.Errorf("the control has %d pieces", len(got["name"]))
	}
}

func hostileBoundaries(t *testing.T) {
	long := strings.Repeat("x", 10_000)
	for _, c := range []struct {
		name, in string
		want     []string // the leaves
	}{
		{"empty", "Content-Type: multipart/mixed; boundary=\"\"\r\n\r\n--\r\n\r\na\r\n----", []string{"--\r\n\r\na\r\n----"}},
		{"10 kB", "Content-Type: multipart/mixed; boundary=" + long + "\r\n\r\n--" + long + "\r\n\r\na\r\n--" + long + "--", []string{"a"}},
		{"100 kB", "Content-Type: multipart/mixed; boundary=" + long + long + "\r\n\r\na", []string{"a"}},
		{"prefix", "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n\r\n1\r\n--ab\r\n2\r\n--a--", []string{"1\r\n--ab\r\n2"}},
		{"line break", "Content-Type: multipart/mixed; boundary=\"a\r\n b\"\r\n\r\n--a b\r\n\r\n1\r\n--a b--", []string{"1"}},
		{"missing end", "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n\r\n1\r\n--a\r\n\r\n2", []string{"1", "2"}},
		{"missing end of the inner", "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" +
			"--b\r\n\r\n1\r\n--a\r\n\r\n2\r\n--a--", []string{"1", "2"}},
	} {
		p, _ := structure(t, strings.NewReader(c.in), nil)
		if got := leaves(t, p, []byte(c.in)); strings.Join(got, "|") != strings.Join(c.want, "|") {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
	// The standard library loses what has no end.
	r := multipart.NewReader(strings.NewReader("--a\r\n\r\n1\r\n--a\r\n\r\n2"), "a")
	_, _ = r.NextPart()
	part, err := r.NextPart()
	if err == nil {
		_, err = io.ReadAll(part)
	}
	if err == nil {
		t.Error("the control reads a part without end")
	}
	// A line costs one look-up, however many boundaries are open: this would
	// not end if each were compared, octet by octet.
	same := strings.Repeat("x", 2000)
	var deep strings.Builder
	for i := range 99 {
		fmt.Fprintf(&deep, "Content-Type: multipart/mixed; boundary=%s%02d\r\n\r\n--%s%02d\r\n", same, i, same, i)
	}
	if p, _ := structure(t, repeat(deep.String()+"\r\n", "--"+same+"\r\n", 20_000), nil); depth(p) != 100 {
		t.Errorf("depth %d", depth(p))
	}
}

func leaves(t *testing.T, p *Part, raw []byte) (all []string) {
	if len(p.Parts) == 0 {
		body, _ := openAll(t, raw, p.ID)
		return []string{string(body)}
	}
	for _, c := range p.Parts {
		all = append(all, leaves(t, c, raw)...)
	}
	return all
}

func hostileCharsets(t *testing.T) {
	for _, in := range []string{"=?x-unknown?q?=C3=B6?=", "=?iso-2022-kr?b?AAAA?=", "=?utf-7?q?+AAA-?="} {
		if got := DecodeHeader("a "+in+" b", nil); got != "a "+in+" b" {
			t.Errorf("%q became %q", in, got)
		}
		if _, err := new(mime.WordDecoder).DecodeHeader(in); err == nil {
			t.Errorf("the control decodes %q", in)
		}
	}
	garbage := strings.Repeat("=?=\xff\x00*", 1000)
	for _, encoding := range []string{"base64", "quoted-printable"} {
		decodeAll(t, encoding, strings.NewReader(garbage))
	}
	bad := "Content-Type: text/plain; charset=\"\xff\x00\"\r\nContent-Transfer-Encoding: \x1b\r\n\r\n\xff"
	p, _ := structure(t, strings.NewReader(bad), nil)
	if body, _ := openAll(t, []byte(bad), p.ID); string(body) != "\xff" {
		t.Errorf("the body is %q", body)
	}
	checkLine(t, p.Params["charset"])
}

func hostileMisroute(t *testing.T) {
	for in, want := range map[string]string{
		`"victim@example.org"@evil.example`:            "victim@example.org@evil.example",
		`"a@b, c"@d`:                                   "a@b, c@d",
		`=?utf-8?q?a=40b=3E?=@c`:                       "=?utf-8?q?a=40b=3E?=@c",
		`=?utf-8?q?=3Cboss=40corp=3E?= <evil@example>`: "evil@example",
		`"<boss@corp>" <evil@example>`:                 "evil@example",
		`boss@corp <evil@example>`:                     "evil@example",
		`<a@b>c@d`:                                     "",
		`a@b@c`:                                        "",
		"a@b\x00c":                                     "",
		`<a@b c@d>`:                                    "",
		`a@"b@c"`:                                      "",
	} {
		list, _ := ParseAddressList(in, nil, nil)
		if len(list) != 1 || list[0].Address != want {
			t.Errorf("%q gives %q, want %q", in, pairs(list), want)
			continue
		}
		if want == "" {
			continue
		}
		// Written and read again it is the same.
		again, ok := ParseAddressList((&mail.Address{Address: want}).String(), nil, nil)
		if !ok || len(again) != 1 || again[0].Address != want {
			t.Errorf("%q is read again as %q", want, pairs(again))
		}
	}
	// Without its quotes the first is another's.
	if list, ok := ParseAddressList("victim@example.org@evil.example", nil, nil); ok || list[0].Address != "" {
		t.Errorf("the control is read as %q", pairs(list))
	}
	if _, domain, _ := strings.Cut("victim@example.org@evil.example", "@"); domain == "evil.example" {
		t.Error("the control has the right domain")
	}
}

func hostileEscapes(t *testing.T) {
	for _, in := range []string{"\x1b[2Jx", "\x1b]0;title\x07", "\u009b31m", "=?utf-8?q?=1B[2J?=", "=?utf-8?b?G1sySg==?=", "a\rb", "a\x00b"} {
		checkLine(t, DecodeHeader(in, nil))
		raw, _ := new(mime.WordDecoder).DecodeHeader(in)
		if !strings.ContainsFunc(raw, unprintable) {
			t.Errorf("the control is clean: %q", raw)
		}
		list, _ := ParseAddressList(in+" <a@b>", nil, nil)
		for _, a := range list {
			checkLine(t, a.Name)
		}
		if got := Printable(raw, 100); strings.ContainsFunc(got, unprintable) {
			t.Errorf("Printable(%q) = %q", raw, got)
		}
	}
}
