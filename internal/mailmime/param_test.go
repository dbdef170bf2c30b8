package mailmime

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func TestParseMediaType(t *testing.T) {
	type m = map[string]string
	for _, c := range []struct {
		in    string
		value string
		want  m
		ok    bool
	}{
		{"text/plain", "text/plain", nil, true},
		{" Text / HTML ; Charset = UTF-8 ", "text/html", m{"charset": "UTF-8"}, true},
		{`text/plain; charset="utf-8"; format=flowed`, "text/plain", m{"charset": "utf-8", "format": "flowed"}, true},
		{"multipart/mixed;\r\n\tboundary=\"a b\"", "multipart/mixed", m{"boundary": "a b"}, true},
		{"text/plain (comment); (x) charset (y) = us-ascii (Plain (text))", "text/plain", m{"charset": "us-ascii"}, true},
		{`a/b; name="a \"b\" \\ c"`, "a/b", m{"name": `a "b" \ c`}, true},
		{`a/b; name="C:\dir\file.txt"`, "a/b", m{"name": `C:\dir\file.txt`}, true},
		{"a/b; name=", "a/b", m{"name": ""}, true},
		{`a/b; name=""`, "a/b", m{"name": ""}, true},
		{"a/b; name=My File (1).pdf; x=y", "a/b", m{"name": "My File (1).pdf", "x": "y"}, false},
		{"a/b; name=file(1).pdf", "a/b", m{"name": "file(1).pdf"}, true},
		{`a/b charset=utf-8 name="x"`, "a/b", m{"charset": "utf-8", "name": "x"}, false},
		{`a/b; charset="utf-8"name=x`, "a/b", m{"charset": "utf-8", "name": "x"}, false},
		{`a/b; name="not closed; x=y`, "a/b", m{"name": "not closed", "x": "y"}, false},
		{"a/b; ; ;x=y;", "a/b", m{"x": "y"}, true},
		{"a/b; junk; x=y; more junk", "a/b", m{"x": "y"}, false},
		{"a/b; x=1; X=2", "a/b", m{"x": "1"}, true},
		{"a/b; name=J\xf6rg", "a/b", m{"name": "Jörg"}, true},
		{`a/b; name="=?utf-8?q?J=C3=B6rg?="`, "a/b", m{"name": "Jörg"}, true},
		{`a/b; name==?utf-8?q?J=C3=B6rg?=`, "a/b", m{"name": "Jörg"}, true},
		{"text", "text", nil, true},
		{"attachment; filename=x", "attachment", m{"filename": "x"}, true},
		{"", "", nil, false},
		{"; charset=x", "", m{"charset": "x"}, false},
		{"charset=x", "", m{"charset": "x"}, false},
		{"text/plain;charset=x;(", "text/plain", m{"charset": "x"}, false},
		{"/;=\"", "", nil, false},
	} {
		t.Run(c.in, func(t *testing.T) {
			value, got, ok := ParseMediaType(c.in, nil)
			if value != c.value || !reflect.DeepEqual(got, c.want) || ok != c.ok {
				t.Errorf("ParseMediaType(%q)\n got %q %q %v\nwant %q %q %v", c.in, value, got, ok, c.value, c.want, c.ok)
			}
		})
	}
}

func TestDecodeParams(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"plain", "x", "x"},
		{"extended", "*=utf-8''J%C3%B6rg", "Jörg"},
		{"language", "*=iso-8859-1'de'J%F6rg", "Jörg"},
		{"no charset", "*=''J%C3%B6rg", "Jörg"},
		{"no quotes", "*=J%F6rg", "Jörg"},
		{"one quote", "*=it's", "it's"},
		{"stray percent", "*=utf-8''100%25 of %zz%", "100% of %zz%"},
		{"pieces", "*0=one;*1=two", "onetwo"},
		{"out of order", "*2*=%C3%B6;*0*=utf-8''a%20;*1=%20", "a %20ö"},
		{"ten pieces", "*10=k;*9=j;*2=c;*1=b;*0=a", "abcjk"},
		{"gap", "*0=a;*2=c", "ac"},
		{"from one", "*1=a;*2=b", "ab"},
		{"cut in a character", "*0*=utf-8''%C3;*1*=%B6", "ö"},
		{"pieces of a word", "*0==?utf-8?q?J=C3=B6;*1=rg?=", "Jörg"},
		{"duplicate pieces", "*0=a;*0=x;*1=b", "ab"},
		{"both", "=fallback;*=utf-8''J%C3%B6rg", "Jörg"},
		{"both, other order", "*=utf-8''J%C3%B6rg;=fallback", "Jörg"},
		{"unknown charset", "*=x-klingon''J%F6rg", "x-klingon''J%F6rg"},
		{"unknown charset and plain", "=fallback;*=x-klingon''J%F6rg", "fallback"},
		{"quotes in the second piece", "*0*=utf-8''a;*1*=b'c'd", "ab'c'd"},
		{"whole and pieces", "*=utf-8''whole;*0=piece", "whole"},
		{"no number", "*x=a;=b", "b"},
		{"huge number", "*99999999999999999999=a;=b", "b"},
		{"line break", "*=utf-8''a%0D%0Ab%00c", "a bc"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var in [][2]string
			for p := range strings.SplitSeq(c.in, ";") {
				k, v, found := strings.Cut(p, "=")
				if !found {
					k, v = "", p
				}
				in = append(in, [2]string{"FileName" + k, v})
			}
			if got := DecodeParams(in, nil)["filename"]; got != c.want {
				t.Errorf("DecodeParams(%q) = %q, want %q", in, got, c.want)
			}
		})
	}
	if got := DecodeParams(nil, nil); got != nil {
		t.Errorf("DecodeParams(nil) = %v", got)
	}
}

func TestParamsLimit(t *testing.T) {
	var b strings.Builder
	b.WriteString("a/b")
	for i := range 101 {
		fmt.Fprintf(&b, "; x%d=y", i)
	}
	at := b.String()[:strings.LastIndex(b.String(), ";")]
	if _, m, ok := ParseMediaType(at, nil); len(m) != 100 || !ok {
		t.Errorf("at the limit: %d, %v", len(m), ok)
	}
	if _, m, ok := ParseMediaType(b.String(), nil); len(m) != 100 || ok {
		t.Errorf("over the limit: %d, %v", len(m), ok)
	}
}

func FuzzParams(f *testing.F) {
	for _, s := range []string{
		`text/plain; charset="utf-8"; name*0*=utf-8''%C3; name*1=x`, `a/b; name="x; y=z`, "a/b;x=(((())) y=z;(",
		"a/b; name=My File (1).pdf; ; junk", "=/;*=''\"\\",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		value, params, _ := ParseMediaType(s, nil)
		if value != strings.ToLower(value) || strings.ContainsAny(value, " ;\"()\r\n\x00") {
			t.Errorf("type %q", value)
		}
		for k, v := range params {
			checkLine(t, k)
			checkLine(t, v)
			if k == "" || len(v) > 3*len(s) {
				t.Errorf("%q=%q", k, v)
			}
		}
	})
}
