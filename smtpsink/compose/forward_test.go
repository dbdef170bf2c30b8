package compose

import (
	"io"
	"net/mail"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/internal/mailmime"
	"github.com/postroom-go/postroom/mailbox"
)

const parcel = `From: Bob <bob@example.com>
To: ann@example.org
Subject: FW: Parcel
Date: Mon, 5 Jan 2026 10:00:00 +0100
Message-ID: <p@example.com>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=m

--m
Content-Type: multipart/alternative; boundary=a

--a
Content-Type: text/plain; charset=utf-8

See the files.
--a
Content-Type: multipart/related; boundary=r

--r
Content-Type: text/html

<img src="cid:x">
--r
Content-Type: image/gif; name=x.gif
Content-Transfer-Encoding: base64
Content-ID: <x>

R0lG
--r--
--a--
--m
Content-Type: application/pdf
Content-Disposition: attachment; filename="../../d/a.pdf"
Content-Transfer-Encoding: base64

cGRm
--m
Content-Type: text/html
Content-Disposition: inline

<p>A second text.</p>
--m
Content-Type: message/rfc822

Subject: inner

inner text
--m--
`

func TestForward(t *testing.T) {
	mb, id := deliver(t, parcel)
	m, err := Forward(t.Context(), mb, id, &ForwardOptions{Self: []mail.Address{ann}, Text: "For you."})
	require.NoError(t, err)
	m.To, m.MessageID = []mail.Address{bob}, "f@example.org"
	m.Date = time.Date(2026, 1, 6, 0, 0, 0, 0, time.UTC)
	p := prepare(t, m)
	want := view{
		From: []string{"Ann ann@example.org"}, To: []string{"Bob bob@example.com"}, Subject: "Fwd: Parcel", ID: "f@example.org",
		Parts: []string{
			showPart("text/plain", "", "", "", []byte("For you.\r\n\r\n---------- Forwarded message ----------\r\nFrom: Bob <bob@example.com>\r\n"+
				"Date: Mon, 5 Jan 2026 10:00:00 +0100\r\nSubject: FW: Parcel\r\nTo: ann@example.org\r\n\r\nSee the files.\r\n")),
			showPart("text/html", "", "", "", []byte("<div>For you.<br>\r\n<br>\r\n---------- Forwarded message ----------<br>\r\nFrom: Bob &lt;bob@example.com&gt;<br>\r\n"+
				"Date: Mon, 5 Jan 2026 10:00:00 +0100<br>\r\nSubject: FW: Parcel<br>\r\nTo: ann@example.org</div>\r\n<br>\r\n<div><img src=\"cid:x\"></div>\r\n")),
			showPart("image/gif", "inline", "x.gif", "x", []byte("GIF")),
			showPart("application/pdf", "attachment", "a.pdf", "", []byte("pdf")),
			showPart("text/html", "attachment", "", "", []byte("<p>A second text.</p>")),
			showPart("message/rfc822", "attachment", "message.eml", "", []byte("Subject: inner\r\n\r\ninner text")),
		},
	}
	assert.Equal(t, want, asLibrary(t, sent(t, p)))
	assert.Equal(t, want, asOurs(t, sent(t, p)))
	assert.Equal(t, []string{"p@example.com"}, m.References)

	m, err = Forward(t.Context(), mb, id, &ForwardOptions{Self: []mail.Address{ann}, Attach: true})
	require.NoError(t, err)
	m.To = []mail.Address{bob}
	v := asLibrary(t, sent(t, prepare(t, m)))
	assert.Equal(t, []string{showPart("message/rfc822", "attachment", "FW_ Parcel.eml", "", []byte(canonical(parcel)))}, v.Parts)

	// A text that is cut goes as an attachment as well.
	m, err = Forward(t.Context(), mb, id, &ForwardOptions{Self: []mail.Address{ann}, MaxText: 5})
	require.NoError(t, err)
	m.To = []mail.Address{bob}
	v = asLibrary(t, sent(t, prepare(t, m)))
	assert.Contains(t, v.Parts[0], `\r\nSee t\r\n[...]\r\n`)
	assert.Equal(t, showPart("text/plain", "attachment", "", "", []byte("See the files.")), v.Parts[3])

	// The source is read when the message is: gone by then is an error there.
	p = prepare(t, m)
	require.NoError(t, mb.Delete(t.Context(), []mailbox.ID{id}, nil))
	r, err := p.Open(t.Context())
	require.NoError(t, err)
	defer r.Close()
	_, err = r.Read(make([]byte, 1))
	require.NoError(t, err)
	for err == nil {
		_, err = r.Read(make([]byte, 1000))
	}
	assert.ErrorIs(t, err, mailbox.ErrNotFound)
}

// TestWithoutBcc checks what is left of a header, and that bodies stay as they are.
func TestWithoutBcc(t *testing.T) {
	long := strings.Repeat("x", 10_000)
	for in, want := range map[string]string{
		"": "", "Bcc: eve\r\n": "", "To: bob\r\nBcc: eve\r\n\r\nBcc: t": "To: bob\r\n\r\nBcc: t", "bcc : eve,\r\n dora\r\nX: y\r\n": "X: y\r\n",
		"RESENT-BCC: eve\nX: y\n\nBcc: z\n": "X: y\n\nBcc: z\n", "\r\nBcc: body\r\n": "\r\nBcc: body\r\n", "X: Bcc:\n Bcc: z\nBccs: y": "X: Bcc:\n Bcc: z\nBccs: y",
		"Bcc: " + long + "\r\n " + long + "\r\nX: y\r\n\r\nt": "X: y\r\n\r\nt", "X: " + long + "\r\nBcc: eve\r\n\r\n" + long: "X: " + long + "\r\n\r\n" + long,
	} {
		assert.NoError(t, iotest.TestReader(mailmime.WithoutBcc(strings.NewReader(in)), []byte(want)), "%.100q", in)
	}
	_, err := io.ReadAll(mailmime.WithoutBcc(io.MultiReader(strings.NewReader("a"), iotest.ErrReader(io.ErrNoProgress))))
	assert.ErrorIs(t, err, io.ErrNoProgress)
}
