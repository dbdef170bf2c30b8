package compose

import (
	"bytes"
	"context"
	"io"
	"net/mail"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const longName = "Ein sehr langer Dateiname für die Übersicht über das erste Halbjahr, der auf mehrere Zeilen verteilt werden muß.xlsx"

// everything is a message that uses all that there is.
func everything() *Message {
	m := simple()
	m.From = []mail.Address{{Name: "Ann Müller-Lüdenscheidt", Address: "ann@bücher.example"}}
	m.To = []mail.Address{{Name: `Bob "the builder", Jr.`, Address: "bob@example.com"}, {Address: "plain@example.com"}}
	m.Cc = []mail.Address{{Name: "日本語の名前がとても長い人の名前です、本当に長い名前なのです。はい", Address: "name@例え.jp"}}
	m.Bcc = []mail.Address{{Address: "secret@example.net"}}
	m.Subject = "Hello, grüße aus Köln – eine lange Betreffzeile, die gefaltet werden muss, and it goes on =?utf-8?q?x?= to the end"
	m.Text = "Grüße,\r\nFrom here. \n"
	m.HTML = "<p>Grüße <img src=\"cid:logo\"></p>\n"
	m.Inline = []Attachment{{Name: "logo.png", ContentID: "logo", Data: []byte{0x89, 'P', 'N', 'G', 0}}}
	m.Calendar = &Calendar{Method: "request", Content: "BEGIN:VCALENDAR\nMETHOD:REQUEST\nSUMMARY:Mittagessen für alle\nEND:VCALENDAR\n"}
	m.Attachments = []Attachment{
		{Name: longName, Data: noiseBytes(1000)},
		{Name: "note.txt", Data: []byte("a = b\r\n.\r\nFrom x\r\n")},
		FileAttachment(fstest.MapFS{"d/käse.csv": {Data: []byte("a;b\n1;2\n")}}, "d/käse.csv"),
		{Name: "once.bin", Reader: bytes.NewReader(noiseBytes(100))},
		{Name: "m.eml", Open: func(context.Context) (io.ReadCloser, error) {
			return io.NopCloser(strings.NewReader("Subject: inner\n\nhello\n")), nil
		}},
	}
	m.Header = []Field{{"X-Mailer", "Größe 1"}}
	m.InReplyTo, m.References = []string{"0@example.com"}, []string{"a@example.com", "0@example.com"}
	return m
}

// TestGolden compares what three independent readers see of a message with what
// went into it.
func TestGolden(t *testing.T) {
	raw := sent(t, prepare(t, everything()))
	want := view{
		From: []string{"Ann Müller-Lüdenscheidt ann@xn--bcher-kva.example"},
		To:   []string{`Bob "the builder", Jr. bob@example.com`, " plain@example.com"},
		Cc:   []string{"日本語の名前がとても長い人の名前です、本当に長い名前なのです。はい name@xn--r8jz45g.jp"},
		ID:   "1@example.org", Subject: everything().Subject,
		Parts: []string{
			showPart("text/plain", "", "", "", []byte("Grüße,\r\nFrom here. \r\n")),
			showPart("text/html", "", "", "", []byte("<p>Grüße <img src=\"cid:logo\"></p>\r\n")),
			showPart("image/png", "inline", "logo.png", "logo", []byte{0x89, 'P', 'N', 'G', 0}),
			showPart("text/calendar", "", "", "", []byte("BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nSUMMARY:Mittagessen für alle\r\nEND:VCALENDAR\r\n")),
			showPart("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "attachment", longName, "", noiseBytes(1000)),
			showPart("text/plain", "attachment", "note.txt", "", []byte("a = b\r\n.\r\nFrom x\r\n")),
			showPart("text/csv", "attachment", "käse.csv", "", []byte("a;b\n1;2\n")),
			showPart("application/octet-stream", "attachment", "once.bin", "", noiseBytes(100)),
			showPart("message/rfc822", "attachment", "m.eml", "", []byte("Subject: inner\r\n\r\nhello\r\n")),
		},
	}
	for name, read := range map[string]func(testing.TB, string) view{"library": asLibrary, "go-message": asGoMessage, "ours": asOurs} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, want, read(t, raw)) })
	}
}

// TestLayout is the message octet by octet, but for what is random.
func TestLayout(t *testing.T) {
	m := everything()
	m.Attachments = m.Attachments[1:3]
	raw := sent(t, prepare(t, m))
	raw = regexp.MustCompile(`=_[0-9a-f]{24}_`).ReplaceAllString(raw, "=_X_")
	assert.Equal(t, strings.ReplaceAll(`From: =?utf-8?q?Ann_M=C3=BCller-L=C3=BCdenscheidt?=
 <ann@xn--bcher-kva.example>
To: "Bob \"the builder\", Jr." <bob@example.com>, plain@example.com
Cc: =?utf-8?b?5pel5pys6Kqe44Gu5ZCN5YmN44GM44Go44Gm44KC6ZW344GE5Lq644Gu5ZCN?=
 =?utf-8?b?5YmN44Gn44GZ44CB5pys5b2T44Gr6ZW344GE5ZCN5YmN44Gq44Gu44Gn44GZ?=
 =?utf-8?b?44CC44Gv44GE?= <name@xn--r8jz45g.jp>
Subject: Hello, =?utf-8?q?gr=C3=BC=C3=9Fe_aus_K=C3=B6ln_=E2=80=93_eine_lan?=
 =?utf-8?q?ge_Betreffzeile=2C_die_gefaltet_werden_muss=2C_and_it_goes_on_?=
 =?utf-8?q?=3D=3Futf-8=3Fq=3Fx=3F=3D?= to the end
Date: Fri, 02 Jan 2026 03:04:05 +0000
Message-ID: <1@example.org>
In-Reply-To: <0@example.com>
References: <a@example.com> <0@example.com>
X-Mailer: =?utf-8?b?R3LDtsOfZQ==?= 1
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="=_X_mix"

--=_X_mix
Content-Type: multipart/alternative; boundary="=_X_alt"

--=_X_alt
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: base64

R3LDvMOfZSwNCkZyb20gaGVyZS4gDQo=
--=_X_alt
Content-Type: multipart/related; boundary="=_X_rel";
 type="text/html"

--=_X_rel
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: quoted-printable

<p>Gr=C3=BC=C3=9Fe <img src=3D"cid:logo"></p>

--=_X_rel
Content-Type: image/png
Content-Transfer-Encoding: base64
Content-Disposition: inline; filename="logo.png"
Content-ID: <logo>

iVBORwA=
--=_X_rel--

--=_X_alt
Content-Type: text/calendar; charset=utf-8; method=REQUEST
Content-Transfer-Encoding: quoted-printable

BEGIN:VCALENDAR
METHOD:REQUEST
SUMMARY:Mittagessen f=C3=BCr alle
END:VCALENDAR

--=_X_alt--

--=_X_mix
Content-Type: text/plain; charset=us-ascii
Content-Transfer-Encoding: quoted-printable
Content-Disposition: attachment; filename="note.txt"

a =3D b
.
=46rom x

--=_X_mix
Content-Type: text/csv; name="k_se.csv"
Content-Transfer-Encoding: base64
Content-Disposition: attachment; filename*=utf-8''k%C3%A4se.csv

YTtiCjE7Mgo=
--=_X_mix--
`, "\n", crlf), raw)
}

// TestFolding checks that fields are folded at 78 columns, lines with encoded words
// at 76, wherever that can be.
func TestFolding(t *testing.T) {
	raw := sent(t, prepare(t, everything()))
	header, _, _ := strings.Cut(raw, "\r\n\r\n")
	for line := range strings.SplitSeq(header, crlf) {
		assert.LessOrEqual(t, len(line), foldAt, line)
		if strings.Contains(line, wordBegin) {
			assert.LessOrEqual(t, len(line), wordLine, line)
		}
	}
	// However long what follows an encoded word on its line.
	for n := range 60 {
		m := simple()
		m.To = []mail.Address{{Name: "Bób", Address: strings.Repeat("x", n+1) + "@example.com"}, bob}
		m.Subject = "Käse " + strings.Repeat("y", n) + " and more"
		raw := sent(t, prepare(t, m))
		for line := range strings.SplitSeq(raw, crlf) {
			assert.False(t, strings.Contains(line, wordBegin) && len(line) > wordLine, line)
		}
		assert.Equal(t, m.Subject, asLibrary(t, raw).Subject)
	}
	for _, line := range regexp.MustCompile(`(?m)^Content-.*\r\n( .*\r\n)*`).FindAllString(raw, -1) {
		for l := range strings.SplitSeq(line, crlf) {
			assert.LessOrEqual(t, len(l), foldAt+4, l) // an RFC 2231 piece may be a little longer
		}
	}
}

// TestNamesWhole checks that a name that fits into one encoded word is in one, however
// many stand before it.
func TestNamesWhole(t *testing.T) {
	m := simple()
	m.To = nil
	for i := range 100 {
		m.To = append(m.To, mail.Address{Name: "Bób " + strings.Repeat("x", i%30), Address: "bob@example.com"})
	}
	raw := sent(t, prepare(t, m))
	assert.Equal(t, len(m.To), strings.Count(raw, wordBegin))
	for i, to := range asLibrary(t, raw).To {
		assert.Equal(t, strings.TrimSpace(m.To[i].Name)+" bob@example.com", to)
	}
}

// TestSame checks that each Open gives the same octets, and OpenCopy those and Bcc.
func TestSame(t *testing.T) {
	m := everything()
	m.Attachments[4].Size = int64(len("Subject: inner\n\nhello\n"))
	p := prepare(t, m)
	raw := sent(t, p)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			r, err := p.Open(t.Context())
			if !assert.NoError(t, err) {
				return
			}
			b, err := io.ReadAll(r)
			assert.NoError(t, err)
			assert.NoError(t, r.Close())
			assert.Equal(t, raw, string(b))
		})
	}
	wg.Wait()
	kept, err := p.OpenCopy(t.Context())
	copied := readAll(t, kept, err)
	require.Equal(t, p.CopySize(), int64(len(copied)))
	require.Equal(t, 1, strings.Count(copied, "Bcc: secret@example.net\r\n"))
	require.Equal(t, raw, strings.Replace(copied, "Bcc: secret@example.net\r\n", "", 1))
	require.Equal(t, "ann@xn--bcher-kva.example", p.Envelope().From)
	require.Equal(t, []string{"bob@example.com", "plain@example.com", "name@xn--r8jz45g.jp", "secret@example.net"}, p.Envelope().To)
	p.Envelope().To[0] = "changed"
	require.Equal(t, "bob@example.com", p.Envelope().To[0])
}
