package imapwire

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
)

// TestQuirk16 is imap-body-lies: envelopes and structures as servers get them
// wrong. The bare client ends the connection for most of them.
func TestQuirk16(t *testing.T) {
	t.Run("envelope", testQuirkEnvelope)
	t.Run("structure", testQuirkStructure)
	t.Run("bare", func(t *testing.T) {
		killed := 0
		for _, s := range quirkStructures {
			err := bareFetch(t, "* 1 FETCH (UID 1 BODYSTRUCTURE "+s.text+")\r\n%s OK done\r\n")
			if err != nil {
				killed++
			}
		}
		assert.Greater(t, killed, len(quirkStructures)/2)
	})
}

func testQuirkEnvelope(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		subject    string
		from, id   string
		defects    int
	}{
		{"NIL fields", `(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)`, "", "", "", 0},
		{"nine fields", `("x" "s" ((NIL NIL "a" "x")) NIL NIL NIL NIL NIL "<id@x>")`, "s", "a@x", "id@x", 2},
		{"eleven fields", `(NIL "s" ((NIL NIL "a" "x")) NIL NIL NIL NIL NIL NIL "<id@x>" NIL)`, "s", "a@x", "id@x", 1},
		{"two fields", `(NIL "s")`, "s", "", "", 1},
		{"quotes not escaped", `(NIL "Re: "urgent" matter" ((NIL NIL "a" "x")) NIL NIL NIL NIL NIL NIL "<id@x>")`,
			`Re: "urgent" matter`, "a@x", "id@x", 0},
		{"beyond repair, though not by itself", `(NIL "say ("hi")" ((NIL NIL "a" "x")) NIL NIL NIL NIL NIL NIL "<id@x>")`, `say ("hi`, "", "", 1},
		{"beyond repair", `(NIL "say "hi NIL)`, "", "", "", -1},
		{"quoted name not escaped", `(NIL "s" (("Al "Bo" Cy" NIL "a" "x")) NIL NIL NIL NIL NIL NIL "<id@x>")`, "s", "a@x", "id@x", 0},
		{"8-bit", "(NIL \"caf\xc3\xa9\" NIL NIL NIL NIL NIL NIL NIL NIL)", "café", "", "", 0},
		{"Latin-1", "(NIL \"caf\xe9\" NIL NIL NIL NIL NIL NIL NIL NIL)", "café", "", "", 0},
		{"NUL padding", "(NIL \"s\x00\x00\" ((NIL NIL \"a\x00\" \"x\")) NIL NIL NIL NIL NIL NIL \"<id@x>\x00\")", "s", "a@x", "id@x", 0},
		{"lower-case nil", `(nil "s" nil nil nil nil nil nil nil nil)`, "s", "", "", 0},
		{"a literal", "(NIL {3}\r\na\"b NIL NIL NIL NIL NIL NIL NIL NIL)", `a"b`, "", "", 0},
		{"folded", "(NIL {7}\r\na\r\n b c NIL NIL NIL NIL NIL NIL NIL NIL)", "a b c", "", "", 0},
		{"backslash", `(NIL "C:\temp \"x\" \\" NIL NIL NIL NIL NIL NIL NIL NIL)`, `C:\temp "x" \`, "", "", 0},
		{"message ID without brackets", `(NIL "s" NIL NIL NIL NIL NIL NIL NIL "id@x")`, "s", "", "id@x", 0},
		{"message ID in a comment", `(NIL "s" NIL NIL NIL NIL NIL NIL NIL "(no) <id@x> <other@x>")`, "s", "", "id@x", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v, err := parseValue(tt.text)
			if tt.defects < 0 {
				require.ErrorIs(t, err, ErrMalformed, "beyond repair")
				return
			}
			require.NoError(t, err)
			e, defects := Envelope(v, nil)
			require.NotNil(t, e)
			assert.Len(t, defects, tt.defects, "%v", defects)
			assert.Equal(t, tt.subject, e.Subject)
			assert.Equal(t, tt.id, e.MessageID)
			from := ""
			if len(e.From) > 0 {
				from = e.From[0].Address
			}
			assert.Equal(t, tt.from, from)
		})
	}
	for _, text := range []string{"NIL", `"x"`, "5"} {
		e, defects := Envelope(value(t, text), nil)
		assert.Nil(t, e)
		assert.NotEmpty(t, defects)
	}
}

// quirkStructures are structures with what is to be made of them: each part as
// its ID, type, size and so on; no lines if it cannot be read.
var quirkStructures = []struct {
	name, text string
	want       []string
}{
	{"no line count", `("text" "plain" NIL NIL NIL "7bit" 20)`, []string{"1 text/plain 20"}},
	{"no line count, extended", `("text" "plain" NIL NIL NIL "7bit" 20 NIL ("inline" NIL) NIL NIL)`, []string{"1 text/plain 20 inline"}},
	{"NIL line count", `("text" "plain" NIL NIL NIL "7bit" 20 NIL NIL ("inline" NIL) NIL NIL)`, []string{"1 text/plain 20 inline"}},
	{"negative line count", `("text" "plain" NIL NIL NIL "7bit" 20 -1 NIL ("inline" NIL) NIL NIL)`, []string{"1 text/plain 20 inline"}},
	{"string for a disposition", `("image" "png" NIL NIL NIL "base64" 20 NIL "inline" NIL NIL)`, []string{"1 image/png 20 inline"}},
	{"disposition without parameters", `("image" "png" NIL NIL NIL "base64" 20 NIL ("inline") NIL NIL)`, []string{"1 image/png 20 inline"}},
	{"no MD5", `("image" "png" NIL NIL NIL "base64" 20 ("attachment" ("filename" "a.png")) NIL)`, []string{"1 image/png 20 attachment filename=a.png"}},
	{"NIL type", `(NIL NIL NIL NIL NIL "7bit" 20)`, []string{"1 application/octet-stream 20"}},
	{"NIL encoding", `("image" "png" NIL NIL NIL NIL 20)`, []string{"1 image/png 20"}},
	{"NIL parameter", `("image" "png" ("name" NIL "x" "y") NIL NIL "base64" 20)`, []string{"1 image/png 20 name= x=y"}},
	{"odd parameters", `("image" "png" ("name" "a" "x") NIL NIL "base64" 20)`, []string{"1 image/png 20 name=a"}},
	{"string for parameters", `("image" "png" "name" NIL NIL "base64" 20)`, []string{"1 image/png 20"}},
	{"size above 4 GiB", `("image" "png" NIL NIL NIL "base64" 5000000000)`, []string{"1 image/png 5000000000"}},
	{"negative size", `("image" "png" NIL NIL NIL "base64" -1)`, []string{"1 image/png 0"}},
	{"size beyond 2^64", `("image" "png" NIL NIL NIL "base64" 99999999999999999999)`, []string{"1 image/png 0"}},
	{"NIL multipart", `(NIL "mixed" NIL NIL NIL)`, []string{" multipart/mixed 0"}},
	{"multipart without parts", `(NIL "alternative" ("boundary" "x") NIL NIL)`, []string{" multipart/alternative 0 boundary=x"}},
	{"NIL child", `(("text" "plain" NIL NIL NIL "7bit" 1 1) NIL "mixed")`, []string{" multipart/mixed 0", "1 text/plain 1"}},
	{"multipart without subtype", `(("text" "plain" NIL NIL NIL "7bit" 1 1))`, []string{" multipart/mixed 0", "1 text/plain 1"}},
	{"rfc822 without message", `("message" "rfc822" NIL NIL NIL "7bit" 100)`, []string{"1 message/rfc822 100"}},
	{"rfc822 without message, extended", `("message" "rfc822" NIL NIL NIL "7bit" 100 NIL ("attachment" NIL))`, []string{"1 message/rfc822 100 attachment"}},
	{"rfc822 with NIL structure", `("message" "rfc822" NIL NIL NIL "7bit" 100 ` + rfcEnvelope + ` NIL 9)`, []string{"1 message/rfc822 100"}},
	{"quote not escaped", `("image" "png" ("name" "a "b" c.png") NIL NIL "base64" 20 NIL NIL)`, []string{`1 image/png 20 name=a "b" c.png`}},
	{"8-bit name", "(\"image\" \"png\" (\"name\" \"f\xfc.png\") NIL NIL \"base64\" 20)", []string{"1 image/png 20 name=fü.png"}},
	{"controls in the type", "(\"te\x1bxt\" \"pl\x00ain\" NIL NIL NIL \"7bit\" 20 1)", []string{"1 text/plain 20"}},
	{"NIL", `NIL`, nil},
	{"empty", `()`, nil},
	{"string", `"x"`, nil},
}

func testQuirkStructure(t *testing.T) {
	for _, tt := range quirkStructures {
		t.Run(tt.name, func(t *testing.T) {
			p, defects, err := BodyStructure(value(t, tt.text), nil)
			if tt.want == nil {
				require.ErrorIs(t, err, ErrMalformed)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, tt.want, show(p))
			sound := strings.HasPrefix(tt.name, "size above") || strings.HasPrefix(tt.name, "NIL enc") || strings.HasPrefix(tt.name, "no MD5") ||
				strings.HasPrefix(tt.name, "NIL param") || strings.HasPrefix(tt.name, "disposition") || strings.HasPrefix(tt.name, "quote") ||
				strings.HasPrefix(tt.name, "8-bit") || strings.HasPrefix(tt.name, "controls") || strings.Contains(tt.name, "NIL structure") ||
				strings.Contains(tt.name, "without subtype")
			assert.Equal(t, sound, len(defects) == 0, "%v", defects)
		})
	}
}

// show gives each part as a line.
func show(p *mailbox.Part) []string {
	var all []string
	for q := range p.All() {
		line := fmt.Sprintf("%s %s %d", q.ID, q.Type, q.Size)
		if q.Disposition != "" {
			line += " " + q.Disposition
		}
		for _, params := range []map[string]string{q.Params, q.DispositionParams} {
			for _, k := range []string{"boundary", "charset", "filename", "name", "x"} {
				if v, ok := params[k]; ok {
					line += " " + k + "=" + v
				}
			}
		}
		all = append(all, line)
	}
	return all
}

func TestBodyStructure(t *testing.T) {
	inner := `(("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 10 1)("image" "png" NIL "<cid@x>" "a =?utf-8?q?pic?=" "base64" 20 "md5" ` +
		`("attachment" ("filename*0*" "utf-8''%C3%BC" "filename*1" ".png")) ("en" "de") "http://x/") "related")`
	text := `(("text" "html" NIL NIL NIL "QUOTED-PRINTABLE" 1152 23 NIL NIL "en")("message" "rfc822" NIL NIL NIL "8bit" 500 ` +
		rfcEnvelope + inner + ` 40)("message" "rfc822" NIL NIL NIL "7bit" 60 ` + rfcEnvelope + ` ("text" "plain" NIL NIL NIL "7bit" 5 1) 4) "mixed" ("boundary" "b"))`
	p, defects, err := BodyStructure(value(t, text), nil)
	require.NoError(t, err)
	assert.Empty(t, defects)
	assert.Equal(t, []string{
		" multipart/mixed 0 boundary=b",
		"1 text/html 1152",
		"2 message/rfc822 500",
		" multipart/related 0",
		"2.1 text/plain 10 charset=us-ascii",
		"2.2 image/png 20 attachment filename=ü.png",
		"3 message/rfc822 60",
		"3.1 text/plain 5",
	}, show(p))
	html, png := p.Find("1"), p.Find("2.2")
	assert.Equal(t, int64(23), html.Lines)
	assert.Equal(t, "quoted-printable", html.Encoding)
	assert.Equal(t, []string{"en"}, html.Language)
	assert.Equal(t, "IMAP4rev2 WG mtg summary and minutes", p.Find("2").Envelope.Subject)
	assert.Equal(t, int64(40), p.Find("2").Lines)
	assert.Equal(t, "cid@x", png.ContentID)
	assert.Equal(t, "a pic", png.Description)
	assert.Equal(t, "md5", png.MD5)
	assert.Equal(t, []string{"en", "de"}, png.Language)
	assert.Equal(t, "http://x/", png.Location)
}

// TestQuirk17 is imap-literal-lies: bodies that are not what they should be.
func TestQuirk17(t *testing.T) {
	for _, tt := range []struct {
		name, item string
		body       string
		missing    bool
		err        error
	}{
		{"NIL", "BODY[] NIL", "", true, nil},
		{"no value", "RFC822", "", true, nil},
		{"quoted", `BODY[] "a\"b"`, `a"b`, false, nil},
		{"atom", `BODY[] 17`, "", false, ErrMalformed},
		{"list", `BODY[] ()`, "", false, ErrMalformed},
		{"binary", "BINARY[1] ~{3}\r\n\x00\r\n", "\x00\r\n", false, nil},
		{"two spaces", "BODY[]  {2}\r\nhi", "hi", false, nil},
		{"no space", "BODY[]{2}\r\nhi", "hi", false, nil},
		{"lower case", "body[] {2}\r\nhi", "hi", false, nil},
		{"partial", "BODY[1.2]<100> {2}\r\nhi", "hi", false, nil},
		{"short", "BODY[] {1}\r\nhi", "h", false, mailbox.ErrProtocol},
		{"response inside", "BODY[] {24}\r\nP1 OK done\r\n* 2 EXISTS\r\n", "P1 OK done\r\n* 2 EXISTS\r\n", false, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cmd := fetch(t, "* 1 FETCH ("+tt.item+" UID 1)\r\n%s OK done\r\n")
			r, err := cmd.Next()
			require.NoError(t, err)
			item, err := r.Item()
			if err == nil && item.Body != nil {
				var b bytes.Buffer
				_, err = item.Body.WriteTo(&b)
				require.NoError(t, err)
				assert.Equal(t, tt.body, b.String())
				assert.EqualValues(t, len(tt.body), item.Body.Size())
			} else if err == nil {
				assert.True(t, tt.missing)
			}
			if err == nil {
				if item, err = r.Item(); err == nil {
					assert.Equal(t, "UID", item.Name)
				}
			}
			if tt.err != nil {
				require.ErrorIs(t, err, tt.err)
				return
			}
			require.NoError(t, err)
			_, err = cmd.Wait()
			require.NoError(t, err)
		})
	}

	// A body that nobody reads, and one that is read in part, are skipped.
	big := strings.Repeat("x", 3*bufferSize)
	cmd := fetch(t, fmt.Sprintf("* 1 FETCH (BODY[] {%d}\r\n%s)\r\n* 2 FETCH (BODY[] {%d}\r\n%s UID 2)\r\n%%s OK done\r\n", len(big), big, len(big), big))
	r, err := cmd.Next()
	require.NoError(t, err)
	assert.Equal(t, uint32(1), r.Num)
	r, err = cmd.Next()
	require.NoError(t, err)
	item, err := r.Item()
	require.NoError(t, err)
	_, err = io.ReadFull(item.Body, make([]byte, 100))
	require.NoError(t, err)
	item, err = r.Item()
	require.NoError(t, err)
	assert.Equal(t, "UID", item.Name)
	_, err = cmd.Wait()
	require.NoError(t, err)
}
