package imapsrc_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
)

// The benchmarks compare with "raw", which sends the same commands over a plain
// socket and throws the answers away: the least that it can cost.

const benchMessages = 10_000

func benchBody() []byte {
	return []byte("Subject: x\r\n\r\n" + strings.Repeat("All work and no play makes Jack a dull boy.\r\n", 90))
}

// raw sends commands and reads up to the last one's answer.
func raw(b *testing.B, addr string, commands ...string) int64 {
	c, err := net.Dial("tcp", addr)
	require.NoError(b, err)
	defer c.Close()
	r := bufio.NewReaderSize(c, 64<<10)
	go func() {
		_, _ = io.WriteString(c, "a LOGIN x y\r\nb EXAMINE INBOX\r\n"+strings.Join(commands, "\r\n")+"\r\nz LOGOUT\r\n")
	}()
	n, err := r.WriteTo(io.Discard)
	require.NoError(b, err)
	return n
}

func BenchmarkList(b *testing.B) {
	s := newSynth(b, &synth{n: benchMessages, body: []byte("x")})
	const items = " (UID FLAGS RFC822.SIZE INTERNALDATE ENVELOPE)"
	size := raw(b, s.addr, fmt.Sprintf("c FETCH 1:%d", benchMessages)+items)
	b.Run("raw", func(b *testing.B) {
		b.SetBytes(size)
		for b.Loop() {
			raw(b, s.addr, fmt.Sprintf("c FETCH 1:%d", benchMessages)+items)
		}
	})
	b.Run("imapsrc", func(b *testing.B) {
		b.SetBytes(size)
		b.ReportAllocs()
		for b.Loop() {
			m := dialPlain(b, s.addr, nil, 2)
			require.Equal(b, benchMessages, count(b, m, nil))
			require.NoError(b, m.Close())
		}
	})
}

func BenchmarkFetch(b *testing.B) {
	s := newSynth(b, &synth{n: benchMessages, body: benchBody()})
	ids := make([]mailbox.ID, benchMessages)
	for i := range ids {
		ids[i] = mailbox.NewID("INBOX", "7", fmt.Sprint(i+1))
	}
	const items = " (UID FLAGS RFC822.SIZE INTERNALDATE BODY.PEEK[])"
	size := raw(b, s.addr, fmt.Sprintf("c UID FETCH 1:%d", benchMessages)+items)
	b.Run("raw", func(b *testing.B) {
		b.SetBytes(size)
		for b.Loop() {
			raw(b, s.addr, fmt.Sprintf("c UID FETCH 1:%d", benchMessages)+items)
		}
	})
	for _, conns := range []int{1, 2} {
		b.Run(fmt.Sprintf("connections=%d", conns), func(b *testing.B) {
			b.SetBytes(size)
			b.ReportAllocs()
			for b.Loop() {
				m := dialPlain(b, s.addr, nil, conns)
				n := 0
				for msg, err := range m.Fetch(b.Context(), ids, nil) {
					require.NoError(b, err)
					_, err = io.Copy(io.Discard, msg.Body)
					require.NoError(b, err)
					n++
				}
				require.Equal(b, benchMessages, n)
				require.NoError(b, m.Close())
			}
		})
	}
}

func BenchmarkOpen(b *testing.B) {
	s := newSynth(b, &synth{n: 1, body: bytes.Repeat([]byte("0123456789abcde\n"), 1<<16)})
	m := dialPlain(b, s.addr, nil, 2)
	id := mailbox.NewID("INBOX", "7", "1")
	b.SetBytes(1 << 20)
	b.ReportAllocs()
	for b.Loop() {
		r, err := m.Open(b.Context(), id, nil)
		require.NoError(b, err)
		n, err := io.Copy(io.Discard, r)
		require.NoError(b, err)
		require.Equal(b, int64(1<<20), n)
		require.NoError(b, r.Close())
	}
}
