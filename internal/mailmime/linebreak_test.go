package mailmime

import (
	"bufio"
	"bytes"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// TestExtraCR reads headers whose lines end in CR CR LF, which programs write
// that turn LF into CRLF twice. Nothing of a body may be taken for its header.
func TestExtraCR(t *testing.T) {
	const inner = "Content-Type: text/plain\r\r\n\r\r\nhello\r\r\n"
	crs := strings.Repeat("\r", 2*walkBuffer)
	for _, c := range []struct{ name, in, id, body string }{
		{"all lines", "Subject: x\r\r\n" + inner, "1", "hello\r\r\n"},
		{"empty line", "Subject: x\r\n\r\r\nhello\r\n\r\nworld\r\n", "1", "hello\r\n\r\nworld\r\n"},
		{"only the empty line", "\r\r\nhello\r\n\r\n", "1", "hello\r\n\r\n"},
		{"three", "Subject: x\r\n\r\r\r\nhello\r\n\r\n", "1", "hello\r\n\r\n"},
		{"longer than the buffer", "Subject: x\r\n" + crs + "\nhello\r\n\r\n", "1", "hello\r\n\r\n"},
		{"in a part", "Content-Type: multipart/mixed; boundary=b\r\r\n\r\r\n--b\r\r\n" + inner + "--b--\r\r\n", "1", "hello\r"},
		{"in a message", "Content-Type: message/rfc822\r\n\r\nSubject: x\r\r\n\r\r\nhello\r\n\r\n", "1.1", "hello\r\n\r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			checkParts(t, []byte(c.in))
			p, defects := structure(t, strings.NewReader(c.in), nil)
			if !strings.Contains(defects, DefectLineBreak) {
				t.Errorf("defects %q", defects)
			}
			for len(p.Parts) > 0 {
				p = p.Parts[0]
			}
			if p.ID != c.id || p.Size != int64(len(c.body)) {
				t.Errorf("part %s has size %d, want %s and %d", p.ID, p.Size, c.id, len(c.body))
			}
			if body, _ := openAll(t, []byte(c.in), c.id); string(body) != c.body {
				t.Errorf("body %q, want %q", body, c.body)
			}
		})
	}
}

// checkHeader fails unless all three that find the end of a header section find
// the same.
func checkHeader(t *testing.T, raw []byte, root *Part) {
	t.Helper()
	r := bufio.NewReaderSize(bytes.NewReader(raw), 16)
	h, err := ReadHeader(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if len(raw) < 1<<20 {
		if want := ParseHeader(raw, nil); !reflect.DeepEqual(h, want) {
			t.Errorf("ReadHeader gives %q, ParseHeader %q", h, want)
		}
	}
	if again := ParseHeader(slices.Concat(raw[:len(raw)-len(rest)], []byte("X: x\n")), nil); len(rest) > 0 && again.Get("X") != h.Get("X") {
		t.Errorf("the header goes on behind %q", raw[:len(raw)-len(rest)])
	}
	if len(root.Parts) > 0 {
		return
	}
	if body, _ := openAll(t, raw, "1"); !bytes.Equal(body, rest) {
		t.Errorf("the body is %q, behind the header is %q", body, rest)
	}
}
