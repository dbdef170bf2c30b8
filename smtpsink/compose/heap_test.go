package compose

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"runtime/metrics"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// heap is how many octets the objects on the heap take, garbage that was not
// collected yet included.
func heap() int64 {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(s)
	return int64(s[0].Value.Uint64())
}

// peak reads r to its end and gives the largest heap seen, and how much there was.
func peak(t testing.TB, r io.Reader) (most, n int64) {
	buf := make([]byte, 64<<10)
	for i := 0; ; i++ {
		m, err := r.Read(buf)
		n += int64(m)
		if i%64 == 0 {
			most = max(most, heap())
		}
		if err == io.EOF {
			return most, n
		}
		require.NoError(t, err)
	}
}

// TestHeap composes 200 MiB, from whatever kind of content, within 16 MiB, and signs
// them where that can be.
func TestHeap(t *testing.T) {
	const size = 200 << 20 / slow
	open := func(context.Context) (io.ReadCloser, error) { return io.NopCloser(pattern(size)), nil }
	for name, a := range map[string]Attachment{
		"open":   {Name: "big.bin", Open: open, Size: size},
		"reader": {Name: "big.bin", Reader: pattern(size)},
	} {
		t.Run(name, func(t *testing.T) {
			runtime.GC()
			before := heap()
			m := simple()
			m.Attachments = []Attachment{a}
			if name == "open" {
				m.DKIM = []DKIM{{Selector: "s", Key: ed25519Key(t)}}
			}
			p := prepare(t, m)
			prepared := heap()
			r, err := p.Open(t.Context())
			require.NoError(t, err)
			most, n := peak(t, r)
			require.NoError(t, r.Close())
			assert.Equal(t, p.Size(), n)
			assert.Greater(t, n, int64(size)*4/3)
			assert.Less(t, max(most, prepared)-before, int64(16<<20), "from %d to %d", before, most)
			t.Logf("%d KiB of heap at most", (max(most, prepared)-before)>>10)
		})
	}
	t.Run("control", func(t *testing.T) {
		runtime.GC()
		before := heap()
		b, err := io.ReadAll(pattern(32 << 20))
		require.NoError(t, err)
		most := heap()
		runtime.KeepAlive(b)
		assert.Greater(t, most-before, int64(16<<20), "the measure does not see what is in memory")
	})
}

// BenchmarkCompose is a message as people write it, from Prepare to the last octet.
func BenchmarkCompose(b *testing.B) {
	for _, c := range []struct {
		name string
		m    *Message
	}{{"text", simple()}, {"everything", benchEverything()}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p, err := c.m.Prepare(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				r, err := p.Open(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, r); err != nil {
					b.Fatal(err)
				}
				p.Close()
			}
		})
	}
}

func benchEverything() *Message {
	m := everything()
	m.Attachments = append(m.Attachments[:3:3], m.Attachments[4]) // without the one that can be read once only
	return m
}

// BenchmarkAttachment streams large attachments.
func BenchmarkAttachment(b *testing.B) {
	const size = 16 << 20
	data := noiseBytes(size)
	for _, sign := range []bool{false, true} {
		b.Run(fmt.Sprintf("dkim=%v", sign), func(b *testing.B) {
			m := simple()
			m.Attachments = []Attachment{{Name: "a.bin", Data: data}}
			if sign {
				m.DKIM = []DKIM{{Selector: "s", Key: ed25519Key(b)}}
			}
			b.SetBytes(size)
			b.ReportAllocs()
			for b.Loop() {
				p, err := m.Prepare(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				r, err := p.Open(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, r); err != nil {
					b.Fatal(err)
				}
				p.Close()
			}
		})
	}
}
