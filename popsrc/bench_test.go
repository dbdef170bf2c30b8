package popsrc

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
)

// benchServer is a server without a store: every message is the same. It reads
// commands and writes answers as fast as it can, in plaintext.
func benchServer(b *testing.B, n, size int) (addr string, message []byte) {
	b.Helper()
	head := "From: Ann <ann@example.org>\r\nTo: bob@example.org\r\nSubject: a message\r\n" +
		"Date: Mon, 2 Jan 2006 15:04:05 -0700\r\nMessage-ID: <1@example.org>\r\n\r\n"
	line := strings.Repeat("x", 76) + "\r\n"
	message = []byte(head + strings.Repeat(line, max(0, size-len(head))/len(line)))
	var uidl, list bytes.Buffer
	for i := 1; i <= n; i++ {
		fmt.Fprintf(&uidl, "%d uid%d\r\n", i, i)
		fmt.Fprintf(&list, "%d %d\r\n", i, len(message))
	}
	answers := map[string][]byte{
		"CAPA": []byte("+OK\r\nUSER\r\nUIDL\r\nTOP\r\nPIPELINING\r\n.\r\n"),
		"UIDL": []byte("+OK\r\n" + uidl.String() + ".\r\n"),
		"LIST": []byte("+OK\r\n" + list.String() + ".\r\n"),
		"RETR": []byte("+OK\r\n" + string(message) + ".\r\n"),
		"TOP":  []byte("+OK\r\n" + head + ".\r\n"),
	}
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
			go benchConn(nc, answers)
		}
	}()
	return ln.Addr().String(), message
}

func benchConn(nc net.Conn, answers map[string][]byte) {
	defer nc.Close()
	r, w := bufio.NewReaderSize(nc, 64<<10), bufio.NewWriterSize(nc, 64<<10)
	_, _ = w.WriteString("+OK\r\n")
	for {
		if r.Buffered() == 0 && w.Flush() != nil {
			return
		}
		line, err := r.ReadSlice('\n')
		if err != nil {
			return
		}
		verb, _, _ := strings.Cut(strings.TrimSpace(string(line)), " ")
		if answer, ok := answers[verb]; ok {
			_, _ = w.Write(answer)
		} else {
			_, _ = w.WriteString("+OK\r\n")
		}
	}
}

func benchBox(b *testing.B, addr string) (*Mailbox, []mailbox.ID) {
	b.Helper()
	mb, err := Dial(b.Context(), addr, alice, &Options{Net: access.Options{TLS: access.TLSNone}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = mb.Close() })
	var ids []mailbox.ID
	for s, err := range mb.List(b.Context(), "", &mailbox.ListOptions{Fields: mailbox.FieldsNone}) {
		if err != nil {
			b.Fatal(err)
		}
		ids = append(ids, s.ID)
	}
	return mb, ids
}

const benchMails, benchSize = 10_000, 4 << 10

// BenchmarkRaw is the limit: a socket that asks for the same messages ahead and
// throws the octets away.
func BenchmarkRaw(b *testing.B) {
	addr, message := benchServer(b, benchMails, benchSize)
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	defer nc.Close()
	if _, err := io.CopyN(io.Discard, nc, int64(len("+OK\r\n"))); err != nil {
		b.Fatal(err)
	}
	var commands bytes.Buffer
	for i := range benchMails {
		fmt.Fprintf(&commands, "RETR %d\r\n", i+1)
	}
	total := int64(benchMails * (len(message) + len("+OK\r\n.\r\n")))
	b.ReportAllocs()
	b.SetBytes(int64(benchMails * len(message)))
	buf := make([]byte, 64<<10)
	for b.Loop() {
		go func() { _, _ = nc.Write(commands.Bytes()) }()
		for left := total; left > 0; {
			n, err := nc.Read(buf)
			if err != nil {
				b.Fatal(err)
			}
			left -= int64(n)
		}
	}
}

// BenchmarkFetch is the same through the driver.
func BenchmarkFetch(b *testing.B) {
	addr, message := benchServer(b, benchMails, benchSize)
	mb, ids := benchBox(b, addr)
	b.ReportAllocs()
	b.SetBytes(int64(benchMails * len(message)))
	for b.Loop() {
		var n int64
		for msg, err := range mb.Fetch(context.Background(), ids, nil) {
			if err != nil {
				b.Fatal(err)
			}
			k, err := io.Copy(io.Discard, msg.Body)
			if err != nil {
				b.Fatal(err)
			}
			n += k
		}
		if n != int64(benchMails*len(message)) {
			b.Fatalf("%d octets", n)
		}
	}
}

func benchList(b *testing.B, fields mailbox.Fields) {
	addr, _ := benchServer(b, benchMails, benchSize)
	mb, _ := benchBox(b, addr)
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		for _, err := range mb.List(context.Background(), "", &mailbox.ListOptions{Fields: fields}) {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		if n != benchMails {
			b.Fatalf("%d messages", n)
		}
	}
}

// BenchmarkListEnvelopes costs a TOP for each of 10,000 messages.
func BenchmarkListEnvelopes(b *testing.B) { benchList(b, mailbox.DefaultFields) }

// BenchmarkListSizes costs nothing on the wire.
func BenchmarkListSizes(b *testing.B) { benchList(b, mailbox.FieldSize) }

// BenchmarkDial is a whole session, the listing of 10,000 messages included.
func BenchmarkDial(b *testing.B) {
	addr, _ := benchServer(b, benchMails, benchSize)
	b.ReportAllocs()
	for b.Loop() {
		mb, err := Dial(context.Background(), addr, alice, &Options{Net: access.Options{TLS: access.TLSNone}})
		if err != nil {
			b.Fatal(err)
		}
		_ = mb.Close()
	}
}

// BenchmarkBody takes dots out of 1 MiB.
func BenchmarkBody(b *testing.B) {
	text := []byte(strings.Repeat(strings.Repeat("x", 76)+"\r\n", 13_443) + ".\r\n")
	b.ReportAllocs()
	b.SetBytes(int64(len(text)))
	lim := defaultLimits
	for b.Loop() {
		r := newReader(bytes.NewReader(text), &lim)
		if err := r.body(1<<30, func([]byte) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}
