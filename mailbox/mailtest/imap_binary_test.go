package mailtest

import (
	"crypto/tls"
	"io"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestIMAPBinaryPieces is what a host answers to BINARY, octet by octet: a piece
// tells its origin (RFC 3516 section 4.3), a whole section has none.
func TestIMAPBinaryPieces(t *testing.T) {
	h := newHost(t, nil)
	// A literal that ends as an empty list does, before the sections.
	subject := "* 1 FETCH ("
	const text = "hello world ("
	require.NoError(t, h.Deliver(ann, "", []byte("Subject: "+subject+"\r\nMIME-Version: 1.0\r\n"+
		"Content-Transfer-Encoding: base64\r\n\r\naGVsbG8gd29ybGQgKA==\r\n"), nil))
	for _, tt := range []struct{ name, command, want string }{
		{"first", "FETCH 1 BINARY.PEEK[1]<0.5>", "* 1 FETCH (BINARY[1]<0> ~{5}\r\nhello)\r\n"},
		{"behind it", "FETCH 1 (BINARY.PEEK[1]<5.100>)", "* 1 FETCH (BINARY[1]<5> ~{8}\r\n world ()\r\n"},
		{"behind the end", "FETCH 1 BINARY.PEEK[1]<13.100>", "* 1 FETCH (BINARY[1]<13> ~{0}\r\n)\r\n"},
		{"whole", "FETCH 1 BINARY.PEEK[1]", "* 1 FETCH (BINARY[1] ~{13}\r\n" + text + ")\r\n"},
		{"two", "UID FETCH 1 (BINARY.PEEK[1]<0.1> BINARY.PEEK[1]<2.1>)", "* 1 FETCH (UID 1 BINARY[1]<0> ~{1}\r\nh BINARY[1]<2> ~{1}\r\nl)\r\n"},
		{"with others", "FETCH 1 (BODY.PEEK[]<9.11> BINARY.PEEK[1]<0.1> BINARY.SIZE[1])",
			"* 1 FETCH (BODY[]<9> {11}\r\n" + subject + " BINARY.SIZE[1] 13 BINARY[1]<0> ~{1}\r\nh)\r\n"},
		{"behind a list's beginning", "FETCH 1 (BODY.PEEK[]<9.11> BINARY.PEEK[1]<0.1>)",
			"* 1 FETCH (BODY[]<9> {11}\r\n" + subject + " BINARY[1]<0> ~{1}\r\nh)\r\n"},
		{"marks as seen", "FETCH 1 BINARY[1]<0.1>", "* 1 FETCH (FLAGS (\\Seen) BINARY[1]<0> ~{1}\r\nh)\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := tls.Dial("tcp", h.IMAPS, h.ClientTLS())
			require.NoError(t, err)
			defer func() { _ = c.Close() }()
			_, err = io.WriteString(c, "a LOGIN "+ann+" \""+secret+"\"\r\nb SELECT INBOX\r\nc "+tt.command+"\r\nd LOGOUT\r\n")
			require.NoError(t, err)
			all, err := io.ReadAll(c)
			require.NoError(t, err)
			_, got, _ := strings.Cut(string(all), "\r\nb OK")
			_, got, _ = strings.Cut(got, "\r\n")
			got, _, _ = strings.Cut(got, "c OK")
			assert.Equal(t, tt.want, got)
		})
	}
}

// TestIMAPBinaryFull is BINARY behind items of every length about that of
// imapserver's buffer: nothing of what it holds back is lost or said twice.
func TestIMAPBinaryFull(t *testing.T) {
	h := newHost(t, nil)
	require.NoError(t, h.Deliver(ann, "", []byte("Subject: x\r\n\r\n"+strings.Repeat("0123456789", 500)), nil))
	c, err := tls.Dial("tcp", h.IMAPS, h.ClientTLS())
	require.NoError(t, err)
	defer func() { _ = c.Close() }()
	var commands, want strings.Builder
	for n := 4000; n < 4120; n++ {
		size := strconv.Itoa(n)
		commands.WriteString("c FETCH 1 (BODY.PEEK[TEXT]<0." + size + "> BINARY.PEEK[1]<3.4>)\r\n")
		want.WriteString("* 1 FETCH (BODY[TEXT]<0> {" + size + "}\r\n" + strings.Repeat("0123456789", 500)[:n] + " BINARY[1]<3> ~{4}\r\n3456)\r\nc OK FETCH completed\r\n")
	}
	_, err = io.WriteString(c, "a LOGIN "+ann+" \""+secret+"\"\r\nb SELECT INBOX\r\n"+commands.String()+"d LOGOUT\r\n")
	require.NoError(t, err)
	all, err := io.ReadAll(c)
	require.NoError(t, err)
	assert.Contains(t, string(all), want.String())
}
