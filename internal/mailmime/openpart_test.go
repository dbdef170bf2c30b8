package mailmime

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

const twoParts = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Transfer-Encoding: BASE64\r\n\r\nYWJj\r\n" +
	"--b\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\nSubject: x\r\n\r\ninner\r\n--b--\r\n"

func TestOpenPart(t *testing.T) {
	for _, c := range []struct{ in, id, body, encoding string }{
		{twoParts, "1", "YWJj", "base64"},
		{twoParts, "2", "Subject: x\r\n\r\ninner", ""},
		{twoParts, "2.1", "inner", ""},
		{"Content-Transfer-Encoding: 8bit\n\nbody\n", "1", "body\n", "8bit"},
		{"\r\n", "1", "", ""},
		{"", "1", "", ""},
	} {
		body, encoding := openAll(t, []byte(c.in), c.id)
		if string(body) != c.body || encoding != c.encoding {
			t.Errorf("part %s: %q, %q, want %q, %q", c.id, body, encoding, c.body, c.encoding)
		}
	}
	for _, id := range []string{"", "0", "3", "1.1", "2.2", "2.1.1", "01", "x", "1 "} {
		if _, _, err := OpenPart(strings.NewReader(twoParts), id, nil); !errors.Is(err, ErrNoPart) {
			t.Errorf("part %q: %v", id, err)
		}
	}
}

// TestOpenPartMultipart opens a multipart that is a part: its body is all of it,
// as over IMAP.
func TestOpenPartMultipart(t *testing.T) {
	const in = "Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: multipart/mixed; boundary=b\n" +
		"Content-Transfer-Encoding: base64\n\npre\n--b\n\n1\n--b--\npost\n--a--\n"
	body, encoding := openAll(t, []byte(in), "1")
	if want := "pre\n--b\n\n1\n--b--\npost"; string(body) != want || encoding != "" {
		t.Errorf("got %q, %q, want %q", body, encoding, want)
	}
	if _, _, err := OpenLeaf(strings.NewReader(in), "1", nil); !errors.Is(err, ErrNoPart) {
		t.Errorf("as a leaf: %v", err)
	}
	leaf, _, err := OpenLeaf(strings.NewReader(in), "1.1", nil)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(leaf); string(b) != "1" || err != nil {
		t.Errorf("the leaf inside: %q, %v", b, err)
	}
}

func TestOpenPartCut(t *testing.T) {
	cut := errors.New("cut")
	whole, _ := openAll(t, []byte(twoParts), "2")
	start := strings.Index(twoParts, "Subject")
	for n := range twoParts {
		r := io.MultiReader(strings.NewReader(twoParts[:n]), iotest.ErrReader(cut))
		_, _, err := ReadStructure(r, nil, nil)
		if !errors.Is(err, cut) {
			t.Errorf("structure of %d octets: %v", n, err)
		}
		r = io.MultiReader(strings.NewReader(twoParts[:n]), iotest.ErrReader(cut))
		body, _, err := OpenPart(r, "2", nil)
		if n < start {
			if !errors.Is(err, cut) {
				t.Errorf("part in %d octets: %v", n, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(body)
		if !bytes.HasPrefix(whole, got) && string(got) != string(whole)+"\r\n" {
			t.Errorf("%d octets give %q", n, got)
		}
		// Only behind the whole boundary is it known that the part is whole.
		if end := strings.Index(twoParts, "--b--\r\n") + len("--b--\r\n"); n < end && !errors.Is(err, cut) {
			t.Errorf("%d octets give %q and no error", n, got)
		}
	}
}

// counter counts what is read.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

func TestOpenPartStops(t *testing.T) {
	const head = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nfirst\r\n--b\r\n\r\n"
	c := &counter{r: repeat(head, strings.Repeat("x", 76)+"\r\n", 100_000)}
	body, _, err := OpenPart(c, "1", nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(body); string(got) != "first" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if c.n > 2*walkBuffer {
		t.Errorf("%d octets were read", c.n)
	}
}

func TestMemoryIsFlat(t *testing.T) {
	const head = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nfirst\r\n--b\r\nContent-Transfer-Encoding: base64\r\n\r\n"
	line := strings.Repeat("YWJj", 19) + "\r\n"
	message := func() io.Reader { return repeat(head, line, 400_000) }
	if n := allocated(func() { structure(t, message(), nil) }); n > 1<<20 {
		t.Errorf("the structure of 30 MiB cost %d octets of memory", n)
	}
	var size int64
	n := allocated(func() {
		body, encoding, err := OpenPart(message(), "2", nil)
		if err != nil {
			t.Fatal(err)
		}
		if size, err = io.Copy(io.Discard, NewTransferDecoder(encoding, body)); err != nil {
			t.Fatal(err)
		}
	})
	if want := int64(400_000 * 19 * 3); size != want || n > 1<<20 {
		t.Errorf("the part has %d octets, want %d, and cost %d octets of memory", size, want, n)
	}
}

// large is a message with a text and an attachment of about 25 MiB.
func large() []byte {
	var b bytes.Buffer
	b.WriteString("From: a@example.org\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n" +
		"--b\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n")
	for line := strings.Repeat("YWJj", 19) + "\r\n"; b.Len() < 25<<20; {
		b.WriteString(line)
	}
	b.WriteString("--b\r\n\r\nlast\r\n--b--\r\n")
	return b.Bytes()
}

func BenchmarkReadStructure(b *testing.B) {
	raw := large()
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if p, _, err := ReadStructure(bytes.NewReader(raw), nil, nil); err != nil || len(p.Parts) != 3 {
			b.Fatal(err)
		}
	}
}

func BenchmarkReadStructureSmall(b *testing.B) {
	b.SetBytes(int64(len(twoParts)))
	b.ReportAllocs()
	for b.Loop() {
		if p, _, err := ReadStructure(strings.NewReader(twoParts), nil, nil); err != nil || len(p.Parts) != 2 {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpenPart(b *testing.B) {
	raw := large()
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		body, encoding, err := OpenPart(bytes.NewReader(raw), "2", nil)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, NewTransferDecoder(encoding, body)); err != nil {
			b.Fatal(err)
		}
	}
}
