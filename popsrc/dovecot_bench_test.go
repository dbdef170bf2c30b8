package popsrc_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/postroom-go/postroom/internal/dovecot"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/popsrc"
)

// BenchmarkDovecot downloads 3,000 messages of 4 KiB from a real server, over
// TLS, login included: by a bare socket that asks for all of them ahead and
// throws the octets away, and by Fetch.
func BenchmarkDovecot(b *testing.B) {
	const n = 3000
	srv := dovecot.Get(b)
	name := srv.NewUser(b)
	line := strings.Repeat("x", 76) + "\r\n"
	raw := []byte("From: ann@example.org\r\nSubject: a message\r\n\r\n" + strings.Repeat(line, 52))
	all := make([][]byte, n)
	for i := range all {
		all[i] = raw
	}
	srv.Append(b, name, mailbox.Inbox, all...)
	b.Run("raw", func(b *testing.B) {
		for b.Loop() {
			rawDownload(b, srv, name, n)
		}
	})
	b.Run("fetch", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			fetchDownload(b, srv, name, n)
		}
	})
}

func rawDownload(b *testing.B, srv *dovecot.Server, name string, n int) {
	nc, err := tls.Dial("tcp", srv.POP3S, srv.TLSConfig())
	if err != nil {
		b.Fatal(err)
	}
	defer nc.Close()
	r := bufio.NewReader(nc)
	fmt.Fprintf(nc, "USER %s\r\nPASS %s\r\n", name, srv.Password)
	for range 3 {
		if line, err := r.ReadString('\n'); err != nil || !strings.HasPrefix(line, "+OK") {
			b.Fatalf("%q, %v", line, err)
		}
	}
	go func() {
		var out bytes.Buffer
		for i := range n {
			fmt.Fprintf(&out, "RETR %d\r\n", i+1)
		}
		out.WriteString("QUIT\r\n")
		_, _ = nc.Write(out.Bytes())
	}()
	if _, err := io.Copy(io.Discard, r); err != nil {
		b.Fatal(err)
	}
}

func fetchDownload(b *testing.B, srv *dovecot.Server, name string, n int) {
	ctx := context.Background()
	mb, err := popsrc.Dial(ctx, srv.POP3S, access.Password(name, srv.Password, nil),
		&popsrc.Options{Net: access.Options{TLSConfig: srv.TLSConfig()}})
	if err != nil {
		b.Fatal(err)
	}
	defer mb.Close()
	ids := make([]mailbox.ID, 0, n)
	for s, err := range mb.List(ctx, "", &mailbox.ListOptions{Fields: mailbox.FieldsNone}) {
		if err != nil {
			b.Fatal(err)
		}
		ids = append(ids, s.ID)
	}
	got := 0
	for msg, err := range mb.Fetch(ctx, ids, nil) {
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, msg.Body); err != nil {
			b.Fatal(err)
		}
		got++
	}
	if got != n {
		b.Fatalf("%d messages of %d", got, n)
	}
}
