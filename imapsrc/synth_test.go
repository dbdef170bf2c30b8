package imapsrc_test

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// synth is an IMAP server of one folder whose messages are all alike and are
// made up while they are sent: it costs no memory, and next to no time, however
// many there are. UIDs are sequence numbers.
type synth struct {
	addr string
	n    int    // messages
	body []byte // of each
	size int64  // instead of body: so many octets
}

func newSynth(t testing.TB, s *synth) *synth {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = ln.Close() })
	s.addr = ln.Addr().String()
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go s.serve(c)
		}
	}()
	return s
}

func (s *synth) serve(c net.Conn) {
	defer c.Close()
	r := bufio.NewReader(c)
	w := bufio.NewWriterSize(c, 64<<10)
	fmt.Fprint(w, "* OK [CAPABILITY IMAP4rev1 ID UIDPLUS LIST-STATUS] ready\r\n")
	for {
		if r.Buffered() == 0 && w.Flush() != nil {
			return
		}
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		tag, cmd, _ := strings.Cut(strings.TrimRight(line, "\r\n"), " ")
		name, args, _ := strings.Cut(cmd, " ")
		switch name {
		case "LOGIN":
			fmt.Fprintf(w, "%s OK [CAPABILITY IMAP4rev1 ID UIDPLUS LIST-STATUS] in\r\n", tag)
			continue
		case "LIST":
			fmt.Fprintf(w, "* LIST () \"/\" INBOX\r\n* STATUS INBOX (MESSAGES %d UNSEEN 0 UIDVALIDITY 7 UIDNEXT %d)\r\n", s.n, s.n+1)
		case "EXAMINE", "SELECT":
			fmt.Fprintf(w, "* %d EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n* OK [UIDNEXT %d] x\r\n", s.n, s.n+1)
		case "UID":
			_, args, _ = strings.Cut(args, " ")
			fallthrough
		case "FETCH":
			set, items, _ := strings.Cut(args, " ")
			s.fetch(w, set, items)
		case "LOGOUT":
			fmt.Fprintf(w, "* BYE\r\n%s OK out\r\n", tag)
			_ = w.Flush()
			return
		}
		fmt.Fprintf(w, "%s OK done\r\n", tag)
	}
}

const synthEnvelope = `("Mon, 2 Jan 2006 15:04:05 +0100" "=?utf-8?q?Gr=C3=BC=C3=9Fe_und_so_weiter?=" (("Ann Example" NIL "ann" "example.org")) ` +
	`(("Ann Example" NIL "ann" "example.org")) (("Ann Example" NIL "ann" "example.org")) (("Bob" NIL "bob" "example.org")) NIL NIL NIL "<abc@example.org>")`

func (s *synth) fetch(w *bufio.Writer, set, items string) {
	total := s.size
	if s.body != nil {
		total = int64(len(s.body))
	}
	off, n := int64(0), total
	partial := ""
	if i := strings.IndexByte(items, '<'); i >= 0 {
		_, _ = fmt.Sscanf(items[i:], "<%d.%d>", &off, &n)
		off = min(off, total)
		n = min(n, total-off)
		partial = "<" + strconv.FormatInt(off, 10) + ">"
	}
	for r := range strings.SplitSeq(set, ",") {
		from, to, ok := strings.Cut(r, ":")
		if !ok {
			to = from
		}
		a, _ := strconv.Atoi(from)
		b, _ := strconv.Atoi(to)
		for i := a; i <= b; i++ {
			fmt.Fprintf(w, "* %d FETCH (UID %d", i, i)
			if strings.Contains(items, "FLAGS") {
				fmt.Fprintf(w, ` FLAGS (\Seen) RFC822.SIZE %d INTERNALDATE "02-Jan-2006 15:04:05 +0100"`, total)
			} else if strings.Contains(items, "SIZE") {
				fmt.Fprintf(w, " RFC822.SIZE %d", total)
			}
			if strings.Contains(items, "ENVELOPE") {
				_, _ = w.WriteString(" ENVELOPE " + synthEnvelope)
			}
			if strings.Contains(items, "PEEK[]") {
				fmt.Fprintf(w, " BODY[]%s {%d}\r\n", partial, n)
				s.write(w, off, n)
			}
			_, _ = w.WriteString(")\r\n")
		}
	}
}

var synthOctets = bytes.Repeat([]byte("0123456789abcde\n"), 4096)

func (s *synth) write(w *bufio.Writer, off, n int64) {
	if s.body != nil {
		_, _ = w.Write(s.body[off : off+n])
		return
	}
	for n > 0 {
		k, err := w.Write(synthOctets[:min(n, int64(len(synthOctets)))])
		if err != nil {
			return
		}
		n -= int64(k)
	}
}
