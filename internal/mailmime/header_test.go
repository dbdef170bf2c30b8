package mailmime

import (
	"bufio"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
)

func TestParseHeader(t *testing.T) {
	line, size, many := DefectHeaderLine, DefectHeaderSize, DefectHeaderFields
	for _, c := range []struct {
		name, in string
		lim      *Limits
		want     []Field
		defects  []string
	}{
		{"empty", "", nil, nil, nil},
		{"crlf", "A: b\r\nC:d\r\n\r\nbody: no", nil, []Field{{"A", "b"}, {"C", "d"}}, nil},
		{"lf", "A: b\nC:d\n\nbody: no", nil, []Field{{"A", "b"}, {"C", "d"}}, nil},
		{"no empty line", "A: b\nC:d", nil, []Field{{"A", "b"}, {"C", "d"}}, nil},
		{"folded", "A: b\r\n c\r\n\td\r\n\r\n", nil, []Field{{"A", "b\r\n c\r\n\td"}}, nil},
		{"blank continuation", "A: b\r\n \r\n c\r\n\r\n", nil, []Field{{"A", "b\r\n \r\n c"}}, nil},
		{"empty value", "A:\r\nB: \r\n\r\n", nil, []Field{{"A", ""}, {"B", ""}}, nil},
		{"space before colon", "A : b\r\n", nil, []Field{{"A", "b"}}, nil},
		{"colons", "A: b: c", nil, []Field{{"A", "b: c"}}, nil},
		{"mbox", "From a@b Mon Jan 1 00:00:00 2024\nA: b\n", nil, []Field{{"A", "b"}}, []string{line}},
		{"no colon", "A: b\njunk\n more junk\nC: d\n", nil, []Field{{"A", "b"}, {"C", "d"}}, []string{line}},
		{"begins folded", " x\nA: b\n", nil, []Field{{"A", "b"}}, []string{line}},
		{"8 bit and nul", "A: \xf6\x00x\n", nil, []Field{{"A", "\xf6\x00x"}}, nil},
		{"bare cr", "A: b\rC: d\n", nil, []Field{{"A", "b\rC: d"}}, nil},
		{"bare cr lines", "A: b\r\n\r", nil, []Field{{"A", "b"}}, nil},
		{"at the size", "A: b\nC: d\n", &Limits{HeaderBytes: 10}, []Field{{"A", "b"}, {"C", "d"}}, nil},
		{"over the size", "A: b\nC: dx\n", &Limits{HeaderBytes: 10}, []Field{{"A", "b"}}, []string{size}},
		{"body over the size", "A: b\n\nlong body", &Limits{HeaderBytes: 10}, []Field{{"A", "b"}}, nil},
		{"at the number", "A: b\nC: d\n", &Limits{HeaderFields: 2}, []Field{{"A", "b"}, {"C", "d"}}, nil},
		{"over the number", "A: b\nC: d\nE: f\n", &Limits{HeaderFields: 2}, []Field{{"A", "b"}, {"C", "d"}}, []string{many}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := ParseHeader([]byte(c.in), c.lim)
			if !reflect.DeepEqual(h.Fields, c.want) || !reflect.DeepEqual(h.Defects, c.defects) {
				t.Errorf("ParseHeader(%q)\n got %q %q\nwant %q %q", c.in, h.Fields, h.Defects, c.want, c.defects)
			}
			r := bufio.NewReaderSize(iotest.OneByteReader(strings.NewReader(c.in)), 16)
			streamed, err := ReadHeader(r, c.lim)
			if err != nil || !reflect.DeepEqual(streamed, h) {
				t.Errorf("ReadHeader(%q)\n got %q, %v\nwant %q", c.in, streamed, err, h)
			}
		})
	}
}

func TestHeaderGet(t *testing.T) {
	h := ParseHeader([]byte("Received: a\nSUBJECT: b\nreceived: c\n"), nil)
	if got := h.Get("Subject"); got != "b" {
		t.Errorf("Get(Subject) = %q", got)
	}
	if got := h.Values("Received"); !reflect.DeepEqual(got, []string{"a", "c"}) {
		t.Errorf("Values(Received) = %q", got)
	}
	if h.Get("X") != "" || h.Values("X") != nil {
		t.Error("there is an X")
	}
	h = nil
	if h.Get("X") != "" || h.Values("X") != nil {
		t.Error("there is something in nil")
	}
}

func TestReadHeaderStops(t *testing.T) {
	r := bufio.NewReader(strings.NewReader("A: b\r\n\r\n\r\nbody"))
	if _, err := ReadHeader(r, nil); err != nil {
		t.Fatal(err)
	}
	if rest, _ := io.ReadAll(r); string(rest) != "\r\nbody" {
		t.Errorf("left %q", rest)
	}
}

func TestReadHeaderCut(t *testing.T) {
	r := bufio.NewReader(io.MultiReader(strings.NewReader("A: b\r\nC: d"), iotest.ErrReader(io.ErrUnexpectedEOF)))
	h, err := ReadHeader(r, nil)
	if !errors.Is(err, io.ErrUnexpectedEOF) || h.Get("A") != "b" {
		t.Errorf("got %+v, %v", h, err)
	}
}

func BenchmarkParseHeader(b *testing.B) {
	var s strings.Builder
	for range 10 {
		s.WriteString("Received: from a.example.org (a.example.org [192.0.2.1])\r\n\tby b.example.org with ESMTP;\r\n\tTue, 1 Jul 2003 10:52:37 +0200\r\n")
	}
	s.WriteString("From: A <a@example.org>\r\nTo: b@example.org\r\nSubject: x\r\nDate: Tue, 1 Jul 2003 10:52:37 +0200\r\n\r\n")
	in := []byte(s.String())
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		if h := ParseHeader(in, nil); len(h.Fields) != 14 {
			b.Fatal(len(h.Fields))
		}
	}
}
