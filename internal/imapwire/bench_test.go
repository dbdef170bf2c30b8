package imapwire

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/stretchr/testify/require"
)

const benchMessages = 10_000

// The same answers are given to our reader and to go-imap's client, whose
// figures are under the same name with "/go-imap".

func envelopeAnswer() string {
	var b strings.Builder
	for i := 1; i <= benchMessages; i++ {
		fmt.Fprintf(&b, "* %d FETCH (UID %d FLAGS (\\Seen $Label1) INTERNALDATE \"17-Jul-2024 02:44:25 +0200\" RFC822.SIZE %d "+
			"ENVELOPE (\"Wed, 17 Jul 2024 02:23:25 +0200\" \"Re: the minutes of meeting %d\" "+
			"((\"Terry Gray\" NIL \"gray\" \"cac.example.edu\")) ((\"Terry Gray\" NIL \"gray\" \"cac.example.edu\")) "+
			"((\"Terry Gray\" NIL \"gray\" \"cac.example.edu\")) ((NIL NIL \"imap\" \"cac.example.edu\")) "+
			"((NIL NIL \"minutes\" \"cnri.example.org\")(\"John Klensin\" NIL \"klensin\" \"mit.example.edu\")) NIL "+
			"\"<previous.%d@cac.example.edu>\" \"<B27397-0100000.%d@cac.example.edu>\"))\r\n", i, i+100, 4000+i, i, i, i)
	}
	return b.String()
}

func structureAnswer() string {
	var b strings.Builder
	for i := 1; i <= benchMessages; i++ {
		fmt.Fprintf(&b, "* %d FETCH (UID %d BODYSTRUCTURE ((\"text\" \"plain\" (\"charset\" \"utf-8\") NIL NIL \"quoted-printable\" 1152 23 NIL NIL NIL NIL)"+
			"(\"application\" \"pdf\" (\"name\" \"minutes.pdf\") NIL NIL \"base64\" 45554 NIL (\"attachment\" (\"filename\" \"minutes.pdf\")) NIL NIL) "+
			"\"mixed\" (\"boundary\" \"x\") NIL NIL NIL))\r\n", i, i+100)
	}
	return b.String()
}

func bodyAnswer() string {
	body := strings.Repeat("the quick brown fox jumps over the lazy dog, and then some\r\n", 69)[:4096]
	var b strings.Builder
	for i := 1; i <= benchMessages; i++ {
		fmt.Fprintf(&b, "* %d FETCH (UID %d BODY[] {%d}\r\n%s)\r\n", i, i+100, len(body), body)
	}
	return b.String()
}

func BenchmarkEnvelopes(b *testing.B) {
	answer := envelopeAnswer()
	b.Run("postroom", func(b *testing.B) {
		benchOurs(b, answer, func(r *Response) error { return decodeSummary(r) })
	})
	b.Run("go-imap", func(b *testing.B) {
		benchEngine(b, answer, &imap.FetchOptions{UID: true, Flags: true, Envelope: true, InternalDate: true, RFC822Size: true})
	})
}

func BenchmarkStructures(b *testing.B) {
	answer := structureAnswer()
	b.Run("postroom", func(b *testing.B) {
		benchOurs(b, answer, func(r *Response) error { return decodeSummary(r) })
	})
	b.Run("go-imap", func(b *testing.B) {
		benchEngine(b, answer, &imap.FetchOptions{UID: true, BodyStructure: &imap.FetchItemBodyStructure{Extended: true}})
	})
}

func BenchmarkBodies(b *testing.B) {
	answer := bodyAnswer()
	b.Run("postroom", func(b *testing.B) {
		benchOurs(b, answer, func(r *Response) error { return decodeSummary(r) })
	})
	b.Run("go-imap", func(b *testing.B) {
		benchEngine(b, answer, &imap.FetchOptions{UID: true, BodySection: []*imap.FetchItemBodySection{{Peek: true}}})
	})
}

// decodeSummary decodes what a driver keeps of a message.
func decodeSummary(r *Response) error {
	for {
		item, err := r.Item()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		ok := true
		switch item.Name {
		case "UID":
			_, ok = item.Value.UID()
		case "FLAGS":
			_, ok = item.Value.Flags()
		case "INTERNALDATE":
			_, ok = item.Value.Time()
		case "RFC822.SIZE":
			_, ok = item.Value.Number()
		case "ENVELOPE":
			e, defects := Envelope(item.Value, nil)
			ok = e != nil && len(defects) == 0
		case "BODYSTRUCTURE":
			_, defects, err := BodyStructure(item.Value, nil)
			ok = err == nil && len(defects) == 0
		case "BODY[]":
			_, err := io.Copy(io.Discard, item.Body)
			ok = err == nil
		}
		if !ok {
			return fmt.Errorf("cannot decode %s", item.Name)
		}
	}
}

func benchOurs(b *testing.B, answer string, each func(*Response) error) {
	text := []byte(answer + "P1 OK done\r\n")
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		nc := &canned{Reader: bytes.NewReader(nil)}
		c := New(nc, nil)
		cmd, err := c.Start("UID FETCH", Raw("1:*"), Raw("(UID)"))
		require.NoError(b, err)
		require.NoError(b, c.Flush())
		nc.Reader = bytes.NewReader(text)
		n := 0
		for {
			r, err := cmd.Next()
			if err == io.EOF {
				break
			}
			if err == nil {
				err = each(r)
			}
			if err != nil { // require's helpers cost more than what is measured
				b.Fatal(err)
			}
			n++
		}
		require.Equal(b, benchMessages, n)
	}
	perMessage(b)
}

func benchEngine(b *testing.B, answer string, o *imap.FetchOptions) {
	text := []byte(answer + "T1 OK done\r\n")
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		pr, pw := io.Pipe()
		nc := &gated{canned: canned{Reader: io.MultiReader(strings.NewReader("* OK [CAPABILITY IMAP4rev1] x\r\n"), pr, bytes.NewReader(text))}, pw: pw}
		client := imapclient.New(nc, nil)
		require.NoError(b, client.WaitGreeting())
		cmd := client.Fetch(imap.UIDSet{imap.UIDRange{Start: 1, Stop: 0}}, o)
		n := 0
		for {
			msg := cmd.Next()
			if msg == nil {
				break
			}
			n++
			for item := msg.Next(); item != nil; item = msg.Next() {
				if body, ok := item.(imapclient.FetchItemDataBodySection); ok {
					if _, err := io.Copy(io.Discard, body.Literal); err != nil {
						b.Fatal(err)
					}
				}
			}
		}
		require.Equal(b, benchMessages, n)
		_ = client.Close()
	}
	perMessage(b)
}

// gated is canned, and answers only once something was written.
type gated struct {
	canned
	pw *io.PipeWriter
}

func (g *gated) Write(p []byte) (int, error) {
	_ = g.pw.Close()
	return g.canned.Write(p)
}

func perMessage(b *testing.B) {
	b.ReportMetric(float64(b.N)*benchMessages/b.Elapsed().Seconds(), "msg/s")
}
