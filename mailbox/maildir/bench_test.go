package maildir_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/batch"
	"github.com/postroom-go/postroom/mailbox/maildir"
)

// benchMessage is a message of about that size.
func benchMessage(n, size int) []byte {
	head := fmt.Sprintf("From: Ann Example <ann@example.org>\r\nTo: bob@example.net\r\nSubject: Message %d\r\n"+
		"Date: Mon, 02 Mar 2026 09:30:00 +0100\r\nMessage-ID: <%d@example.org>\r\n\r\n", n, n)
	line := []byte("abcdefghijklmnopqrstuvwxyz abcdefghijklmnopqrstuvwxyz abcdefghij\r\n")
	return append([]byte(head), bytes.Repeat(line, max(0, size-len(head))/len(line)+1)...)
}

func openBench(b *testing.B, opts *maildir.Options) *maildir.Mailbox {
	b.Helper()
	mb, err := maildir.Open(b.TempDir(), opts)
	require.NoError(b, err)
	b.Cleanup(func() { _ = mb.Close() })
	return mb
}

// fill adds n messages in batches.
func fill(tb testing.TB, mb mailbox.Mailbox, folder string, n, size int) {
	tb.Helper()
	batch, err := batch.New(tb.Context(), mb, folder)
	require.NoError(tb, err)
	for i := range n {
		_, err := batch.Add(tb.Context(), bytes.NewReader(benchMessage(i, size)), nil)
		require.NoError(tb, err)
	}
	require.NoError(tb, batch.Commit(tb.Context()))
	require.NoError(tb, batch.Close())
}

func BenchmarkAppend(b *testing.B) {
	mb, raw := openBench(b, nil), benchMessage(0, 46<<10)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		_, err := mb.Append(b.Context(), mailbox.Inbox, bytes.NewReader(raw), nil)
		require.NoError(b, err)
	}
}

// BenchmarkBatch adds 1,000 messages of 46 KiB; add is without the wait for the
// disk.
func BenchmarkBatch(b *testing.B) {
	const messages = 1000
	raw := benchMessage(0, 46<<10)
	for _, commit := range []bool{false, true} {
		b.Run(map[bool]string{false: "add", true: "commit"}[commit], func(b *testing.B) {
			mb := openBench(b, nil)
			b.SetBytes(int64(len(raw) * messages))
			b.ReportAllocs()
			for b.Loop() {
				batch, err := mb.NewBatch(b.Context(), mailbox.Inbox)
				require.NoError(b, err)
				for range messages {
					if _, err := batch.Add(b.Context(), bytes.NewReader(raw), nil); err != nil {
						b.Fatal(err)
					}
				}
				if commit {
					require.NoError(b, batch.Commit(b.Context()))
				}
				b.StopTimer() // removing is no part of it
				require.NoError(b, batch.Close())
				b.StartTimer()
			}
		})
	}
}

// BenchmarkList lists 10,000 messages: for the first time, and by the index.
func BenchmarkList(b *testing.B) {
	const messages = 10_000
	mb := openBench(b, nil)
	fill(b, mb, mailbox.Inbox, messages, 2<<10)
	plain, err := maildir.Open(mb.Dir(), &maildir.Options{NoIndex: true})
	require.NoError(b, err)
	b.Cleanup(func() { _ = plain.Close() })
	for _, c := range []struct {
		name   string
		mb     mailbox.Mailbox
		fields mailbox.Fields
	}{{"first", plain, 0}, {"second", mb, 0}, {"ids", mb, mailbox.FieldsNone}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				n := 0
				for _, err := range c.mb.List(b.Context(), mailbox.Inbox, &mailbox.ListOptions{Fields: c.fields}) {
					require.NoError(b, err)
					n++
				}
				require.Equal(b, messages, n)
			}
		})
	}
}
