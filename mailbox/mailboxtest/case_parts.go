package mailboxtest

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/postroom-go/postroom/mailbox"
)

func partCases() []testCase {
	return []testCase{
		{"parts/structure", "Structure gives the tree of parts, from the server or from the message (RFC 9051 section 7.5.2).", nil, partsStructure},
		{"parts/decoded", "OpenPart removes the transfer encoding (RFC 2045 section 6).", nil, partsDecoded},
		{"parts/encoded", "With Encoded the part comes as it is stored.", nil, partsEncoded},
		{"parts/encoding-known", "Telling the encoding changes the cost and not the result.", nil, partsKnown},
		{"parts/missing", "A part that is not there is ErrNotFound.", nil, partsMissing},
		{"parts/message", "The body of a message/rfc822 part is the whole message inside (RFC 2046 section 5.2.1).", nil, partsMessage},
		{"parts/single", "A message without parts is its own part 1 (RFC 9051 section 6.4.5).", nil, partsSingle},
		{"parts/fallback", "The driver's own way to a part gives what reading the whole message gives.", []string{"parts"}, partsFallback},
		{"parts/attachments", "Attachments lists what a mail program would.", nil, partsAttachments},
		{"parts/damaged", "The parts of a damaged message are read as far as they go.", nil, partsDamaged},
		{"parts/large", "A large part streams to its last octet.", nil, partsLarge},
	}
}

// wantParts checks a tree of parts.
func (t *tester) wantParts(root *mailbox.Part, want []partOfSeed) {
	if root == nil || root.ID != "" || !root.Multipart() {
		t.Fatalf("the root is %+v, want a multipart without a number", root)
	}
	leaves := 0
	for p := range root.All() {
		if !p.Multipart() {
			leaves++
		}
	}
	if leaves != len(want) {
		t.Errorf("there are %d parts to open, want %d", leaves, len(want))
	}
	for _, w := range want {
		p := root.Find(w.id)
		if p == nil {
			t.Errorf("there is no part %s", w.id)
			continue
		}
		size := int64(len(w.encoded))
		if p.Type != w.mediaType || p.Filename() != w.filename || p.Size != size && !(w.loose && p.Size == size+2) {
			t.Errorf("part %s is %s %q of %d octets, want %s %q of %d", w.id, p.Type, p.Filename(), p.Size, w.mediaType, w.filename, len(w.encoded))
		}
	}
}

func partsStructure(t *tester) {
	raw, parts := multipartSeed()
	root, err := mailbox.Structure(t.ctx, t.box, t.one(raw))
	t.must("Structure", err)
	t.wantParts(root, parts)
	if inside := root.Find("3"); inside == nil || inside.Envelope == nil || inside.Envelope.Subject != "Inside" {
		t.Errorf("the message inside is %+v, want its envelope", inside)
	}
}

// wantPart checks the octets of one part.
func (t *tester) wantPart(id mailbox.ID, part string, opts *mailbox.OpenPartOptions, want string) {
	got, err := readPart(t.ctx, t.box, id, part, opts)
	if err != nil {
		t.Errorf("part %s: %v", part, err)
		return
	}
	t.same("part "+part, got, []byte(want))
}

// wantSeedPart is wantPart for a part of the multipart seed.
func (t *tester) wantSeedPart(id mailbox.ID, p partOfSeed, opts *mailbox.OpenPartOptions) {
	want := p.decoded
	if opts != nil && opts.Encoded {
		want = p.encoded
	}
	got, err := readPart(t.ctx, t.box, id, p.id, opts)
	if err != nil {
		t.Errorf("part %s: %v", p.id, err)
		return
	}
	if p.loose {
		got = bytes.TrimSuffix(got, []byte("\r\n"))
	}
	t.same("part "+p.id, got, []byte(want))
}

func partsDecoded(t *tester) {
	raw, parts := multipartSeed()
	id := t.one(raw)
	for _, p := range parts {
		t.wantSeedPart(id, p, nil)
	}
}

func partsEncoded(t *tester) {
	raw, parts := multipartSeed()
	id := t.one(raw)
	for _, p := range parts {
		t.wantSeedPart(id, p, &mailbox.OpenPartOptions{Encoded: true})
	}
}

func partsKnown(t *tester) {
	raw, parts := multipartSeed()
	id := t.one(raw)
	root, err := mailbox.Structure(t.ctx, t.box, id)
	t.must("Structure", err)
	for _, p := range parts {
		if q := root.Find(p.id); q != nil {
			t.wantSeedPart(id, p, &mailbox.OpenPartOptions{Encoding: q.Encoding})
			t.wantSeedPart(id, p, &mailbox.OpenPartOptions{Encoding: q.Encoding, Encoded: true})
		}
	}
}

func partsMissing(t *tester) {
	raw, _ := multipartSeed()
	id := t.one(raw)
	for _, part := range []string{"4", "1.3", "3.3", "0", "1.0", "-1", "01", "x", "1..1", ".1", "1.", "1.1]", "1.1 2",
		"1\r\n", "99999999999999999999", strings.Repeat("1.", 2000) + "1"} {
		_, err := readPart(t.ctx, t.box, id, part, nil)
		t.wantErr(fmt.Sprintf("part %.30q", part), err, mailbox.ErrNotFound)
	}
	t.same("the message, after parts that are not there", t.read(id), raw)
}

func partsMessage(t *tester) {
	inner := "From: Carl <carl@example.org>\r\nSubject: Inside\r\n\r\nTwo lines,\r\nand no more."
	raw := crlf("Subject: Fwd", "MIME-Version: 1.0", "Content-Type: multipart/mixed; boundary=outer", "",
		"--outer", "", "See below.", "--outer", "Content-Type: message/rfc822", "", inner, "--outer--")
	id := t.one(raw)
	t.wantPart(id, "2", nil, inner)
	t.wantPart(id, "2", &mailbox.OpenPartOptions{Encoded: true}, inner)
	t.wantPart(id, "2.1", nil, "Two lines,\r\nand no more.")
}

func partsSingle(t *tester) {
	t.deliver(mailbox.Inbox, numbered(5),
		crlf("Subject: x", "MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: base64", "", "aGVs", "bG8="))
	ids := t.ids(mailbox.Inbox)
	t.wantPart(ids[0], "1", nil, "This is message 5.\r\n")
	t.wantPart(ids[1], "1", nil, "hello")
	t.wantPart(ids[1], "1", &mailbox.OpenPartOptions{Encoded: true}, "aGVs\r\nbG8=\r\n")
	_, err := readPart(t.ctx, t.box, ids[0], "2", nil)
	t.wantErr("part 2", err, mailbox.ErrNotFound)
}

// core hides a driver's optional methods, so that the package's own fallbacks
// are used.
type core struct{ mailbox.Mailbox }

func partsFallback(t *tester) {
	raw, parts := multipartSeed()
	id := t.one(raw)
	for _, p := range parts {
		if p.loose {
			continue // the server and we may differ about its last line break
		}
		for _, opts := range []*mailbox.OpenPartOptions{nil, {Encoded: true}} {
			want, err := readPart(t.ctx, core{t.box}, id, p.id, opts)
			t.must("OpenPart by reading the whole message", err)
			t.wantPart(id, p.id, opts, string(want))
		}
	}
}

func partsAttachments(t *tester) {
	raw, _ := multipartSeed()
	all, err := mailbox.Attachments(t.ctx, t.box, t.one(raw))
	t.must("Attachments", err)
	var got []string
	for _, p := range all {
		got = append(got, p.ID+" "+p.Filename())
	}
	if s := strings.Join(got, ", "); s != "2 € rates.pdf, 3 " {
		t.Errorf("the attachments are %q", s)
	}
}

func partsDamaged(t *tester) {
	id := t.one(damagedSeed())
	root, err := mailbox.Structure(t.ctx, t.box, id)
	t.must("Structure", err)
	for p := range root.All() {
		if p.Multipart() || p.ID == "" {
			continue
		}
		_, err := readPart(t.ctx, t.box, id, p.ID, nil)
		t.must("reading part "+p.ID, err)
	}
}

func partsLarge(t *tester) {
	raw := t.large
	t.wantPart(t.one(raw), "1", nil, string(raw[len(header(raw)):]))
}
