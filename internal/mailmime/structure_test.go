package mailmime

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestMail reads the messages in testdata, and compares what was read with the
// golden files.
func TestMail(t *testing.T) {
	files, err := filepath.Glob("testdata/mail/*.eml")
	if err != nil || len(files) < 40 {
		t.Fatalf("%d messages, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".eml"), func(t *testing.T) {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			checkParts(t, raw)
			got := summary(t, raw)
			golden := strings.TrimSuffix(file, ".eml") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// summary writes what is read out of a message, a line for each thing.
func summary(t *testing.T, raw []byte) string {
	t.Helper()
	var b strings.Builder
	head(&b, "", ParseHeader(raw, nil))
	p, defects, err := ReadStructure(bytes.NewReader(raw), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	tree(t, &b, "", p, raw)
	for _, d := range defects {
		fmt.Fprintf(&b, "defect %s\n", d)
	}
	return b.String()
}

// head writes the decoded fields of a header.
func head(b *strings.Builder, indent string, h *Header) {
	for _, f := range h.Fields {
		fmt.Fprintf(b, "%s%s: ", indent, f.Name)
		switch strings.ToLower(f.Name) {
		case "from", "to", "cc", "bcc", "reply-to":
			list, ok := ParseAddressList(f.Value, nil, nil)
			fmt.Fprintf(b, "%q %v\n", pairs(list), ok)
		case "date":
			d, ok := ParseDate(f.Value)
			fmt.Fprintf(b, "%s %v\n", d.Format(time.RFC3339), ok)
		case "message-id", "in-reply-to":
			fmt.Fprintf(b, "%q\n", ParseMsgIDs(f.Value))
		default:
			fmt.Fprintf(b, "%.100q\n", DecodeHeader(f.Value, nil))
		}
	}
	for _, d := range h.Defects {
		fmt.Fprintf(b, "%sdefect %s\n", indent, d)
	}
}

// tree writes a part and what is below it.
func tree(t *testing.T, b *strings.Builder, indent string, p *Part, raw []byte) {
	fmt.Fprintf(b, "%s[%s] %s size=%d lines=%d", indent, p.ID, p.Type, p.Size, p.Lines)
	for _, f := range []struct {
		name string
		v    any
		skip bool
	}{
		{"encoding", p.Encoding, p.Encoding == ""}, {"params", p.Params, len(p.Params) == 0},
		{"disposition", p.Disposition, p.Disposition == ""},
		{"params", p.DispositionParams, len(p.DispositionParams) == 0},
		{"id", p.ContentID, p.ContentID == ""}, {"description", p.Description, p.Description == ""},
		{"language", p.Language, len(p.Language) == 0}, {"location", p.Location, p.Location == ""},
		{"md5", p.MD5, p.MD5 == ""},
	} {
		if !f.skip {
			fmt.Fprintf(b, " %s=%.100q", f.name, f.v)
		}
	}
	if !strings.HasPrefix(p.Type, "multipart/") {
		body, encoding := openAll(t, raw, p.ID)
		text := decodeAll(t, encoding, bytes.NewReader(body))
		fmt.Fprintf(b, " %.40q", text)
	}
	b.WriteByte('\n')
	if p.Header != nil {
		head(b, indent+"  ", p.Header)
	}
	for _, c := range p.Parts {
		tree(t, b, indent+"  ", c, raw)
	}
}

func openAll(t *testing.T, raw []byte, id string) (body []byte, encoding string) {
	t.Helper()
	r, encoding, err := OpenPart(bytes.NewReader(raw), id, nil)
	if err != nil {
		t.Fatalf("part %q: %v", id, err)
	}
	body, err = io.ReadAll(r)
	if err != nil {
		t.Fatalf("part %q: %v", id, err)
	}
	return body, encoding
}

// checkParts fails unless structure and OpenPart agree: every part that has a
// body can be opened, has the size and the lines that were told, lies in the
// message as it is, and is the same however the message arrives.
func checkParts(t *testing.T, raw []byte) {
	t.Helper()
	root, _, err := ReadStructure(bytes.NewReader(raw), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	slow, _, err := ReadStructure(iotest.OneByteReader(bytes.NewReader(raw)), nil, nil)
	if err != nil || slow.Size != root.Size || len(slow.Parts) != len(root.Parts) {
		t.Errorf("bytewise: %+v, %v, want %+v", slow, err, root)
	}
	checkHeader(t, raw, root)
	seen := map[string]bool{}
	opened := 0
	var check func(p *Part)
	check = func(p *Part) {
		if p.ID != "" && seen[p.ID] {
			t.Errorf("part %s twice", p.ID)
		}
		seen[p.ID] = true
		if p.ID != "" && !strings.HasPrefix(p.Type, "multipart/") && opened < 50 {
			opened++
			checkPart(t, raw, p)
		}
		for _, c := range p.Parts {
			check(c)
		}
	}
	check(root)
	if _, _, err := OpenPart(bytes.NewReader(raw), "77.7", nil); !errors.Is(err, ErrNoPart) {
		t.Errorf("part 77.7: %v", err)
	}
}

func checkPart(t *testing.T, raw []byte, p *Part) {
	t.Helper()
	body, encoding := openAll(t, raw, p.ID)
	if int64(len(body)) != p.Size || !bytes.Contains(raw, body) {
		t.Errorf("part %s has %d octets, %d were told", p.ID, len(body), p.Size)
	}
	if n := int64(bytes.Count(body, []byte("\n"))); isText(p.Type) && n != p.Lines {
		t.Errorf("part %s has %d lines, %d were told", p.ID, n, p.Lines)
	}
	if encoding != p.Encoding && len(p.Parts) == 0 {
		t.Errorf("part %s has encoding %q, %q was told", p.ID, encoding, p.Encoding)
	}
	r, _, err := OpenPart(iotest.HalfReader(bytes.NewReader(raw)), p.ID, nil)
	if err != nil {
		t.Fatal(err)
	}
	slow, err := io.ReadAll(iotest.OneByteReader(r))
	if err != nil || !bytes.Equal(slow, body) {
		t.Errorf("part %s bytewise: %q, %v, want %q", p.ID, slow, err, body)
	}
}

// FuzzWalk checks checkParts on any input.
func FuzzWalk(f *testing.F) {
	files, err := filepath.Glob("testdata/mail/*.eml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		if len(raw) < 3000 {
			f.Add(raw)
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) { checkParts(t, raw) })
}
