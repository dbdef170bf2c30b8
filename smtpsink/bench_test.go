package smtpsink

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/postroom-go/postroom/mailbox/access"
)

// benchSize is a usual mail without attachments; benchMails is how many SendAll
// sends.
const benchSize, benchMails = 6 << 10, 1000

var benchText = "From: Ann <ann@example.org>\r\nTo: bob@example.org\r\nSubject: a message\r\n" +
	"Date: Mon, 2 Jan 2006 15:04:05 -0700\r\nMessage-ID: <1@example.org>\r\n\r\n" +
	strings.Repeat(strings.Repeat("x", 76)+"\r\n", benchSize/78)

// benchServer is a server that takes every message, in plaintext on the loopback
// interface, and reads and answers as fast as it can.
func benchServer(b *testing.B, caps ...string) (addr string) {
	b.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			go benchConn(nc, caps)
		}
	}()
	return ln.Addr().String()
}

func benchConn(nc net.Conn, caps []string) {
	defer nc.Close()
	r, w := bufio.NewReaderSize(nc, 64<<10), bufio.NewWriterSize(nc, 64<<10)
	ehlo := "250-localhost\r\n250-" + strings.Join(append(caps, "8BITMIME"), "\r\n250-") + "\r\n250 SIZE\r\n"
	open := false
	_, _ = w.WriteString("220 ready\r\n")
	for {
		if r.Buffered() == 0 && w.Flush() != nil {
			return
		}
		line, err := r.ReadSlice('\n')
		if err != nil {
			return
		}
		switch line = bytes.TrimSpace(line); {
		case bytes.HasPrefix(line, []byte("EHLO")):
			_, _ = w.WriteString(ehlo)
		case bytes.HasPrefix(line, []byte("DATA")):
			_, _ = w.WriteString("354 go on\r\n")
			if w.Flush() != nil || !skipData(r) {
				return
			}
			_, _ = w.WriteString("250 2.0.0 Ok: queued as 4bX1yQ0Z3Pz9vBd\r\n")
		case bytes.HasPrefix(line, []byte("BDAT ")):
			size, _, _ := bytes.Cut(line[5:], []byte(" "))
			n, _ := strconv.Atoi(string(size))
			if _, err := r.Discard(n); err != nil {
				return
			}
			if !open {
				_, _ = w.WriteString("503 5.5.1 no transaction\r\n")
				continue
			}
			_, _ = w.WriteString("250 2.0.0 Ok: queued as 4bX1yQ0Z3Pz9vBd\r\n")
		default:
			open = bytes.HasPrefix(line, []byte("MAIL")) || open && !bytes.HasPrefix(line, []byte("RSET"))
			_, _ = w.WriteString("250 2.1.0 Ok\r\n")
		}
	}
}

func skipData(r *bufio.Reader) bool {
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return false
		}
		if string(line) == ".\r\n" {
			return true
		}
	}
}

func benchSink(b *testing.B, caps ...string) *Sink {
	b.Helper()
	sink, err := Dial(b.Context(), benchServer(b, caps...), access.Auth{}, &Options{Net: access.Options{TLS: access.TLSNone}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = sink.Close() })
	return sink
}

var benchWays = []struct {
	name string
	caps []string
}{
	{"DATA", []string{"PIPELINING"}},
	{"CHUNKING", []string{"PIPELINING", "CHUNKING"}},
	{"bare", nil},
}

// BenchmarkSend waits for the answer to each message.
func BenchmarkSend(b *testing.B) {
	for _, way := range benchWays {
		b.Run(way.name, func(b *testing.B) {
			sink := benchSink(b, way.caps...)
			env := envelope("bob@example.org")
			b.ReportAllocs()
			b.SetBytes(int64(len(benchText)))
			for b.Loop() {
				if _, err := sink.Send(b.Context(), env, strings.NewReader(benchText), nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkSendAll sends 1,000 messages at a time.
func BenchmarkSendAll(b *testing.B) {
	for _, way := range benchWays {
		b.Run(way.name, func(b *testing.B) {
			sink := benchSink(b, way.caps...)
			env := envelope("bob@example.org")
			source := func(yield func(*Message) bool) {
				for range benchMails {
					if !yield(&Message{Envelope: env, Body: strings.NewReader(benchText)}) {
						return
					}
				}
			}
			b.ReportAllocs()
			b.SetBytes(int64(benchMails * len(benchText)))
			for b.Loop() {
				n := 0
				for r, err := range sink.SendAll(b.Context(), source) {
					if err != nil {
						b.Fatal(err)
					}
					if r.Err != nil {
						b.Fatal(r.Err)
					}
					n++
				}
				if n != benchMails {
					b.Fatalf("%d messages", n)
				}
			}
		})
	}
}

// BenchmarkRaw is the limit: a socket into which the same octets are written as
// fast as the server reads them.
func BenchmarkRaw(b *testing.B) {
	addr := benchServer(b, "PIPELINING", "CHUNKING")
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	defer nc.Close()
	one := "MAIL FROM:<ann@example.org> SIZE=" + strconv.Itoa(len(benchText)) + "\r\nRCPT TO:<bob@example.org>\r\nBDAT " +
		strconv.Itoa(len(benchText)) + " LAST\r\n" + benchText
	all := []byte(strings.Repeat(one, benchMails))
	replies := make([]byte, benchMails*len("250 2.1.0 Ok\r\n250 2.1.0 Ok\r\n250 2.0.0 Ok: queued as 4bX1yQ0Z3Pz9vBd\r\n"))
	if _, err := io.ReadFull(nc, make([]byte, len("220 ready\r\n"))); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.SetBytes(int64(benchMails * len(benchText)))
	for b.Loop() {
		go func() { _, _ = nc.Write(all) }()
		if _, err := io.ReadFull(nc, replies); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkContent takes a message of 1 MiB to pieces and stuffs its dots.
func BenchmarkContent(b *testing.B) {
	text := "Subject: x\r\n\r\n" + strings.Repeat(strings.Repeat("x", 76)+"\r\n", 13_443)
	b.ReportAllocs()
	b.SetBytes(int64(len(text)))
	var stuffed []byte
	for b.Loop() {
		c := &content{src: strings.NewReader(text)}
		var d dotStuffer
		for {
			block, err := c.next()
			stuffed = d.stuff(stuffed[:0], block)
			if err == io.EOF {
				break
			}
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}
