package mailboxtest

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// seed is a message of the suite. Seeds are the same in every run.
type seed struct {
	name string
	why  string
	raw  []byte
	// loose: a store may bring its line ends into order.
	loose bool
}

// crlf gives lines their line ends.
func crlf(lines ...string) []byte { return []byte(strings.Join(lines, "\r\n") + "\r\n") }

// numbered is a small message that tells its number in subject and body.
func numbered(n int) []byte {
	no := strconv.Itoa(n)
	return crlf(
		"From: Ann Example <ann@example.org>",
		"To: bob@example.net",
		"Subject: Message "+no,
		"Date: Mon, 02 Mar 2026 09:30:00 +0100",
		"Message-ID: <"+no+"@example.org>",
		"",
		"This is message "+no+".")
}

// numberOf is the number of a numbered message.
func numberOf(raw []byte) (int, bool) {
	_, body, _ := bytes.Cut(raw, []byte("\r\n\r\n"))
	var n int
	_, err := fmt.Sscanf(string(body), "This is message %d.", &n)
	return n, err == nil
}

// partOfSeed is what is true of one part of the multipart seed.
type partOfSeed struct {
	id, mediaType, filename string
	encoded, decoded        string
	// loose: the part ends with a boundary of its own, and the line break
	// behind that may be counted to it or to the next boundary (RFC 2046
	// section 5.1.1 allows both readings; Dovecot takes the first).
	loose bool
}

// multipartSeed is a message with alternatives, an attachment whose name is
// encoded by RFC 2231, and a message with an attachment of its own.
func multipartSeed() (raw []byte, parts []partOfSeed) {
	const (
		text    = "Gr=C3=BC=C3=9Fe aus K=C3=B6ln, a long =\r\nline"
		html    = "<p>Hello</p>"
		pdf     = "JVBERi0xLjQKJf8A/g=="
		note    = "R3LDvMOfZQ0K"
		picture = "iVBORw0KGgo="
	)
	inner := string(crlf(
		"From: Carl <carl@example.org>",
		"Subject: Inside",
		"MIME-Version: 1.0",
		"Content-Type: multipart/mixed; boundary=inner",
		"",
		"--inner",
		"Content-Type: text/plain; charset=utf-8",
		"Content-Transfer-Encoding: base64",
		"",
		note,
		"--inner",
		"Content-Type: image/png; name=\"dot.png\"",
		"Content-Disposition: attachment; filename=\"dot.png\"",
		"Content-Transfer-Encoding: base64",
		"",
		picture)) + "--inner--"
	raw = crlf(
		"From: Ann Example <ann@example.org>",
		"To: bob@example.net",
		"Subject: Parts",
		"Date: Mon, 02 Mar 2026 09:30:00 +0100",
		"Message-ID: <parts@example.org>",
		"MIME-Version: 1.0",
		"Content-Type: multipart/mixed; boundary=\"outer\"",
		"",
		"This is the preamble.",
		"--outer",
		"Content-Type: multipart/alternative; boundary=alt",
		"",
		"--alt",
		"Content-Type: text/plain; charset=utf-8",
		"Content-Transfer-Encoding: quoted-printable",
		"",
		text,
		"--alt",
		"Content-Type: text/html; charset=us-ascii",
		"",
		html,
		"--alt--",
		"",
		"--outer",
		"Content-Type: application/pdf",
		"Content-Disposition: attachment; filename*=UTF-8''%E2%82%AC%20rates.pdf",
		"Content-Transfer-Encoding: base64",
		"",
		pdf,
		"--outer",
		"Content-Type: message/rfc822",
		"",
		inner,
		"--outer--",
		"This is the epilogue.")
	return raw, []partOfSeed{
		{"1.1", "text/plain", "", text, "Grüße aus Köln, a long line", false},
		{"1.2", "text/html", "", html, html, false},
		{"2", "application/pdf", "€ rates.pdf", pdf, "%PDF-1.4\n%\xff\x00\xfe", false},
		{"3", "message/rfc822", "", inner, inner, true},
		{"3.1", "text/plain", "", note, "Grüße\r\n", false},
		{"3.2", "image/png", "dot.png", picture, "\x89PNG\r\n\x1a\n", false},
	}
}

// stock holds the messages of one run of the suite: the large ones take longer
// to make than to read.
type stock struct {
	large []byte
	seeds []seed
}

func newStock(size int) *stock {
	large := slices.Clip(largeSeed(size))
	return &stock{large, seeds(large)}
}

// largeSize is how large the large seed is: more than a driver may hold of one
// message.
const largeSize = 3 << 20

// largeSeed is a message of about that size whose lines all differ.
func largeSeed(size int) []byte {
	b := make([]byte, 0, size+128)
	b = append(b, "From: ann@example.org\r\nSubject: Large\r\n\r\n"...)
	filler := strings.Repeat("abcdefghij", 6) + "\r\n"
	for n := int64(1e9); len(b) < size; n++ {
		b = strconv.AppendInt(b, n, 10)
		b = append(b, filler...)
	}
	return b
}

// damagedSeed is a message that breaks most rules of MIME.
func damagedSeed() []byte {
	return crlf(
		"From: <<broken@@",
		"To: undisclosed recipients",
		"This line is no header field",
		"Subject: =?utf-8?q?never closed",
		"Date: the day before yesterday",
		"Content-Type: multipart/mixed; boundary=\"gone",
		" ; charset==?",
		"MIME-Version: 1.0",
		"",
		"--gone",
		"Content-Type: text/plain; charset=no-such-charset",
		"Content-Transfer-Encoding: base64",
		"",
		"SGVs!!bG8*",
		"--gone",
		"Content-Type: /",
		"Content-Transfer-Encoding: quoted-printable",
		"",
		"=ZZ and = at the end =")
}

// encodedSeed has every way to write non-ASCII text in a header that RFC 2047
// knows, and a group.
func encodedSeed() []byte {
	return crlf(
		"From: =?utf-8?q?J=C3=BCrgen_Gro=C3=9F?= <juergen@example.org>",
		"To: \"Doe, Jane\" <jane@example.org>, bob@example.net",
		"Cc: friends: carl@example.org, dora@example.org;",
		"Subject: =?iso-8859-1?Q?Gr=FC=DFe?= =?utf-8?B?IGF1cyBLw7Zsbg==?=",
		"Date: Mon, 02 Mar 2026 09:30:00 +0100",
		"Message-ID: <one@example.org>",
		"In-Reply-To: <zero@example.org>",
		"",
		"Encoded.")
}

// seeds are the messages that every driver must be able to stream; one has a
// line that is a third of the large message.
func seeds(large []byte) []seed {
	multi, _ := multipartSeed()
	head := "From: ann@example.org\r\nSubject: "
	return []seed{
		{"small", "A small message comes as it is stored.", numbered(1), false},
		{"multipart", "A message with parts comes as it is stored.", multi, false},
		{"large", "A message that is larger than any buffer comes as it is stored.", large, false},
		{"encoded-header", "The header comes as it is stored, encoded words and all.", encodedSeed(), false},
		{"8-bit-header", "Octets above 127 in the header are kept (RFC 6532 section 3.2).",
			[]byte(head + "Grüße aus Köln\r\nComments: latin \xfc\xdf\r\n\r\n8-bit\r\n"), false},
		{"8-bit-body", "Octets above 127 in the body are kept (RFC 6152 section 3).",
			append([]byte(head+"eight\r\n\r\n"), append(highOctets(), "\r\n"...)...), false},
		{"damaged", "A damaged message comes as it is stored.", damagedSeed(), false},
		{"no-body", "A message may have no body (RFC 5322 section 3.5).", []byte(head + "Nothing\r\n\r\n"), false},
		{"dots", "Lines that begin with dots keep exactly them (RFC 1939 section 3).",
			crlf(head+"Dots", "", ".", "..", "...", ".x", "..x", "x.", "", ".", "end"), false},
		{"long-line", "A line may be longer than any buffer.",
			crlf(head+"Long", "", strings.Repeat("0123456789", len(large)/30), "end"), false},
		{"blank-end", "Empty lines at the end are kept.", crlf(head+"Blank", "", "text", "", "", ""), false},
		{"bare-lf", "Line ends that are no CRLF are kept, or brought into order by the store.",
			[]byte("From: ann@example.org\nSubject: LF\n\none\ntwo\r\nthree\n.\nfour\n"), true},
		{"bare-cr", "A CR alone is no reason to cut a message.",
			[]byte(head + "CR\r\n\r\none\rtwo\r\r\nthree\r\n"), true},
		{"no-final-newline", "The last line may lack its end; POP3 adds it (RFC 1939 section 3).",
			[]byte(head + "Cut\r\n\r\nno newline at the end"), true},
	}
}

// highOctets are all octets above 127.
func highOctets() []byte {
	b := make([]byte, 0, 128)
	for c := 128; c < 256; c++ {
		b = append(b, byte(c))
	}
	return b
}

// asStored reports whether got is the seed, or the seed with its line ends in
// order where that is allowed.
func (s *seed) asStored(got []byte) bool {
	if bytes.Equal(got, s.raw) {
		return true
	}
	return s.loose && bytes.Equal(plainLines(got), plainLines(s.raw))
}

// plainLines makes every line end LF and drops those at the end: servers take
// CR CRLF for one line end, and end a last line that CRLF does not end.
func plainLines(b []byte) []byte {
	s := strings.NewReplacer("\r\r\n", "\n", "\r\n", "\n", "\r", "\n").Replace(string(b))
	return []byte(strings.TrimRight(s, "\n"))
}

// header is the header section of a message in CRLF form, with the empty line.
func header(raw []byte) []byte {
	i := bytes.Index(raw, []byte("\r\n\r\n"))
	return raw[:i+4]
}
