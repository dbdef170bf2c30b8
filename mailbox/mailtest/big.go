package mailtest

import (
	"bytes"
	"encoding/base64"
	"fmt"
)

// smallPart and the line of base64 in BigMessage, in octets.
const (
	smallPart = 10 << 10
	lineLen   = 76
)

// BigMessage makes a message of about size octets, the same for the same size:
// a line of text (part 1), an attachment that takes most of it, huge.bin (part
// 2), and one of 10 KiB, small.bin (part 3), both in base64. The small one comes
// last, so that a protocol that moves whole messages moves all of it for that.
func BigMessage(size int) []byte {
	var b bytes.Buffer
	b.Grow(size + 1<<10)
	b.WriteString("From: Bob <bob@example.org>\r\nTo: Ann <ann@example.org>\r\nSubject: The big one\r\n" +
		"Date: Mon, 02 Jan 2006 15:04:05 +0000\r\nMessage-ID: <big@example.org>\r\nMIME-Version: 1.0\r\n" +
		"Content-Type: multipart/mixed; boundary=\"=_big\"\r\n\r\n" +
		"--=_big\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nTwo attachments, one of them large.\r\n")
	const smallLen = smallPart/(lineLen/4*3)*(lineLen+2) + 300 // with its header
	attach(&b, "huge.bin", max(size-b.Len()-smallLen, 0)/(lineLen+2)*(lineLen/4*3))
	attach(&b, "small.bin", smallPart)
	b.WriteString("--=_big--\r\n")
	return b.Bytes()
}

// attach writes a part of n octets, encoded.
func attach(b *bytes.Buffer, name string, n int) {
	fmt.Fprintf(b, "--=_big\r\nContent-Type: application/octet-stream; name=%q\r\n"+
		"Content-Disposition: attachment; filename=%q\r\nContent-Transfer-Encoding: base64\r\n\r\n", name, name)
	const perLine = lineLen / 4 * 3
	var plain [perLine]byte
	var line [lineLen + 2]byte
	copy(line[lineLen:], "\r\n")
	for at := 0; at < n; at += perLine {
		k := min(perLine, n-at)
		for i := range k {
			plain[i] = pattern(at + i)
		}
		m := base64.StdEncoding.EncodedLen(k)
		base64.StdEncoding.Encode(line[:], plain[:k])
		b.Write(line[:m])
		b.WriteString("\r\n")
	}
}

// pattern is octet i of an attachment: every 251 octets it repeats, and 251 is
// prime, so that what is cut or doubled shows.
func pattern(i int) byte { return byte(i % 251) }
