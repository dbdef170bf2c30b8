package mailmime

import (
	"net/mail"
	"reflect"
	"strings"
	"testing"
)

func TestParseAddressList(t *testing.T) {
	type list = [][2]string // name and address
	for _, c := range []struct {
		name, in string
		want     list
		ok       bool
	}{
		{"empty", "", nil, true},
		{"bare", "a@b.example", list{{"", "a@b.example"}}, true},
		{"angle", "A B <a@b.example>", list{{"A B", "a@b.example"}}, true},
		{"no space", "A<a@b>", list{{"A", "a@b"}}, true},
		{"two", "A <a@b>,\r\n\tc@d", list{{"A", "a@b"}, {"", "c@d"}}, true},
		{"quoted", `"Doe, John" <a@b>`, list{{"Doe, John", "a@b"}}, true},
		{"escaped", `"a \"b\" \\" <a@b>`, list{{`a "b" \`, "a@b"}}, true},
		{"comma in name", `Doe, John <a@b>`, list{{"Doe, John", "a@b"}}, false},
		{"two commas in name", `Doe, John, PhD <a@b>, x@y`, list{{"Doe, John, PhD", "a@b"}, {"", "x@y"}}, false},
		{"dot in name", `John Q. Public <a@b>`, list{{"John Q. Public", "a@b"}}, true},
		{"comment as name", `a@b (John Doe)`, list{{"John Doe", "a@b"}}, true},
		{"comments", `(x) A (y(z)) <(q)a@b(r)> (s)`, list{{"A", "a@b"}}, true},
		{"comment with comma", `a@b (x, y), c@d`, list{{"x, y", "a@b"}, {"", "c@d"}}, true},
		{"word", `=?utf-8?q?J=C3=B6rg?= <a@b>`, list{{"Jörg", "a@b"}}, true},
		{"word in quotes", `"=?utf-8?q?J=C3=B6rg?=" <a@b>`, list{{"Jörg", "a@b"}}, true},
		{"word hides a comma", `=?utf-8?q?Doe=2C_John?= <a@b>`, list{{"Doe, John", "a@b"}}, true},
		{"word with bare comma", `=?utf-8?q?Doe, John?= <a@b>`, list{{"Doe, John", "a@b"}}, true},
		{"words", "=?utf-8?q?a?=\r\n =?utf-8?q?b?= <a@b>", list{{"ab", "a@b"}}, true},
		{"raw latin", "J\xf6rg <a@b>", list{{"Jörg", "a@b"}}, true},
		{"group", "Friends: a@b, C <c@d>; e@f", list{{"", "a@b"}, {"C", "c@d"}, {"", "e@f"}}, true},
		{"empty group", "undisclosed-recipients:;", nil, true},
		{"empty group, space", " Undisclosed recipients : ; ", nil, true},
		{"group not closed", "g: a@b", list{{"", "a@b"}}, false},
		{"nested group", "g: h: a@b;;", list{{"", "a@b"}}, false},
		{"semicolons", "a@b; c@d", list{{"", "a@b"}, {"", "c@d"}}, false},
		{"empty entries", ",a@b,,c@d,", list{{"", "a@b"}, {"", "c@d"}}, true},
		{"route", "A <@x,@y:a@b>", list{{"A", "a@b"}}, true},
		{"space in address", "a . b @ c . d", list{{"", "a.b@c.d"}}, true},
		{"quoted local", `"a b"@c`, list{{"", "a b@c"}}, true},
		{"quoted local with at", `"a@b"@c`, list{{"", "a@b@c"}}, true},
		{"quoted word in local", `x."a b".y@c`, list{{"", "x.a b.y@c"}}, true},
		{"quoted begins a word", `"a"b@c`, list{{`"a"b@c`, ""}}, false},
		{"quoted ends a word", `a"b"@c`, list{{`a"b"@c`, ""}}, false},
		{"quoted at quoted", `"a""b"@c`, list{{`"a""b"@c`, ""}}, false},
		{"quoted within a word", `x.a"b"c.y@d`, list{{`x.a"b"c.y@d`, ""}}, false},
		{"quoted begins a word in brackets", `A <"a"b@c>, d@e`, list{{`A <"a"b@c>`, ""}, {"", "d@e"}}, false},
		{"name without space", `"John"j@c`, list{{`"John"j@c`, ""}}, false},
		{"name and quoted begins a word", `John "a"b@c`, list{{`John "a"b@c`, ""}}, false},
		{"literal behind a domain", `a@b[192.0.2.1]`, list{{`a@b[192.0.2.1]`, ""}}, false},
		{"literal behind a dot", `a@b.[192.0.2.1]`, list{{`a@b.[192.0.2.1]`, ""}}, false},
		{"literal", `a@[192.0.2.1]`, list{{"", "a@[192.0.2.1]"}}, true},
		{"utf-8 address", `jörg@bücher.example`, list{{"", "jörg@bücher.example"}}, true},
		{"missing brackets", `John Doe a@b.example`, list{{"John Doe", "a@b.example"}}, false},
		{"missing brackets, dot", `John Q. Doe a.x@b.example`, list{{"John Q. Doe", "a.x@b.example"}}, false},
		{"missing close", `A <a@b, C <c@d>`, list{{"A", "a@b"}, {"C", "c@d"}}, false},
		{"missing open", `A a@b>, c@d`, list{{"A", "a@b"}, {"", "c@d"}}, false},
		{"missing comma", `A <a@b> C <c@d>`, list{{"A", "a@b"}, {"C", "c@d"}}, false},
		{"doubled bracket", `A <<a@b>>`, list{{"A <", ""}, {"", "a@b"}}, false},
		{"quote not closed", `"John <a@b>, c@d`, list{{`"John`, "a@b"}, {"", "c@d"}}, false},
		{"comment not closed", `(John <a@b>`, list{{`(John`, "a@b"}}, false},
		{"literal not closed", `[John <a@b>`, list{{`[John`, "a@b"}}, false},
		{"space in domain", "user@exa mple.com", list{{"user@exa mple.com", ""}}, false},
		{"space in domain, name", "J user@exa mple.com, c@d", list{{"J user@exa mple.com", ""}, {"", "c@d"}}, false},
		{"text behind", "a@b John Doe", list{{"a@b John Doe", ""}}, false},
		{"dot behind", "a@c.", list{{"", "a@c"}}, false},
		{"dot behind in brackets", "A <a@b.c.>", list{{"A", "a@b.c"}}, false},
		{"dot behind a name", "A B a@b.c., d@e", list{{"A B", "a@b.c"}, {"", "d@e"}}, false},
		{"dots behind", "a@c..", list{{"a@c..", ""}}, false},
		{"only a dot", "a@.", list{{"a@.", ""}}, false},
		{"no address", "root", list{{"root", ""}}, false},
		{"no addresses", "root, toor", list{{"root, toor", ""}}, false},
		{"angle without at", "A <root>", list{{"A <root>", ""}}, false},
		{"null", "<>", list{{"", ""}}, false},
		{"junk behind", `<a@b> x`, list{{"", "a@b"}}, false},
		{"misroute behind", `<a@b>c@d`, list{{"<a@b>c@d", ""}}, false},
		{"misroute two ats", `a@b@c`, list{{"a@b@c", ""}}, false},
		{"misroute in quotes", `"a@b" <c@d>`, list{{"a@b", "c@d"}}, true},
		{"misroute quotes only", `"a@b"`, list{{`"a@b"`, ""}}, false},
		{"misroute word", `=?utf-8?q?a=40b?=@c`, list{{"", "=?utf-8?q?a=40b?=@c"}}, true},
		{"misroute word hides address", `=?utf-8?q?x <a@b>, y?= <c@d>`,
			list{{"=?utf-8?q?x", "a@b"}, {"y?=", "c@d"}}, true},
		{"control in address", "\"a\x00b\"@c", list{{`"ab"@c`, ""}}, false},
		{"empty label", "a@b..c", list{{"a@b..c", ""}}, false},
		{"docomo", "a..b.@c", list{{"", "a..b.@c"}}, true},
		{"only specials", "@,:;<>..", list{{"@", ""}, {"<>..", ""}}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, ok := ParseAddressList(c.in, nil, nil)
			if !reflect.DeepEqual(pairs(got), c.want) || ok != c.ok {
				t.Errorf("ParseAddressList(%q)\n got %q, %v\nwant %q, %v", c.in, pairs(got), ok, c.want, c.ok)
			}
		})
	}
}

func pairs(list []mail.Address) (all [][2]string) {
	for _, a := range list {
		all = append(all, [2]string{a.Name, a.Address})
	}
	return all
}

func TestParseAddressListLimit(t *testing.T) {
	in := strings.Repeat("a@b,", 5)
	if got, ok := ParseAddressList(in, nil, &Limits{Addresses: 5}); len(got) != 5 || !ok {
		t.Errorf("at the limit: %d addresses, %v", len(got), ok)
	}
	if got, ok := ParseAddressList(in, nil, &Limits{Addresses: 4}); len(got) != 4 || ok {
		t.Errorf("over the limit: %d addresses, %v", len(got), ok)
	}
}

// FuzzAddressList checks that every address that is given is written and read
// back as the same one by net/mail, and that names are clean.
func FuzzAddressList(f *testing.F) {
	for _, s := range []string{
		`"Doe, John" <a@b>, g: x@y (c), <@r:z@w>;`, `Doe, John <a@b> <c@d`, `=?utf-8?q?a, b?= <"a@b"@c>`,
		"a . b @ c . d, a@[1.2.3.4], \"x (y <z", "::;;<<>>@@..,,", "<a@b>c@d",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		list, _ := ParseAddressList(s, nil, nil)
		for _, a := range list {
			checkLine(t, a.Name)
			if a.Address == "" || strings.HasSuffix(a.Address, "]") {
				continue
			}
			back, err := mail.ParseAddress((&mail.Address{Address: a.Address}).String())
			if err != nil || back.Address != a.Address {
				t.Errorf("%q has %q, which is read back as %v, %v", s, a.Address, back, err)
			}
		}
		ids := ParseMsgIDs(s)
		if a, b := addressCount(Field{"to", s}), addressCount(Field{"in-reply-to", s}); len(list) > a || len(ids) > b {
			t.Errorf("%q has %d addresses and %d message IDs, at most %d and %d were thought", s, len(list), len(ids), a, b)
		}
		for _, id := range ids {
			if strings.ContainsFunc(id, unprintable) || strings.Contains(id, " ") || id == "" {
				t.Errorf("%q has message ID %q", s, id)
			}
		}
		if d, ok := ParseDate(s); ok {
			if _, err := d.MarshalJSON(); err != nil {
				t.Errorf("%q is %v: %v", s, d, err)
			}
		}
	})
}

func BenchmarkParseAddressList(b *testing.B) {
	in := `"Doe, John" <john@example.org>, =?utf-8?q?J=C3=B6rg?= <joerg@example.org>, jane@example.org`
	b.ReportAllocs()
	for b.Loop() {
		if list, ok := ParseAddressList(in, nil, nil); len(list) != 3 || !ok {
			b.Fatal(list)
		}
	}
}

func BenchmarkDecodeHeader(b *testing.B) {
	for name, in := range map[string]string{"plain": "Re: the usual subject", "words": "=?utf-8?B?SsO2cmc=?= =?utf-8?q?J=C3=B6rg?="} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if DecodeHeader(in, nil) == "" {
					b.Fatal("empty")
				}
			}
		})
	}
}

func BenchmarkParseDate(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := ParseDate("Tue, 1 Jul 2003 10:52:37 +0200 (CEST)"); !ok {
			b.Fatal("not ok")
		}
	}
}
