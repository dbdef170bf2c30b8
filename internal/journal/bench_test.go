package journal

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/internal/disk"
)

// BenchmarkOpen opens a journal of 100,000 records of 80 octets: one that was
// closed, and one that was not and is written anew.
func BenchmarkOpen(b *testing.B) {
	const count = 100_000
	record := []byte(strings.Repeat("r", 80))
	for _, closed := range []bool{true, false} {
		what := "closed"
		if !closed {
			what = "killed"
		}
		b.Run(what, func(b *testing.B) {
			dir, err := disk.Open(b.TempDir())
			require.NoError(b, err)
			defer dir.Close()
			j, _ := open(b, dir)
			for range count {
				require.NoError(b, j.Append(record))
			}
			require.NoError(b, j.Sync())
			j.clean = !closed // Close writes no mark
			require.NoError(b, j.Close())
			b.SetBytes(count * 80)
			b.ReportAllocs()
			for b.Loop() {
				n := 0
				j, err := Open(dir, name, kind, func([]byte) error { n++; return nil })
				if err != nil || n != count {
					b.Fatal(n, err)
				}
				j.clean = j.clean || !closed
				if err := j.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkSync appends batches of records of 80 octets, and waits for each batch.
func BenchmarkSync(b *testing.B) {
	record := []byte(strings.Repeat("r", 80))
	for _, batch := range []struct {
		name string
		size int
	}{{"1", 1}, {"100", 100}} {
		b.Run(batch.name, func(b *testing.B) {
			dir, err := disk.Open(b.TempDir())
			require.NoError(b, err)
			defer dir.Close()
			j, _ := open(b, dir)
			b.SetBytes(int64(batch.size * len(record)))
			b.ReportAllocs()
			for b.Loop() {
				for range batch.size {
					if err := j.Append(record); err != nil {
						b.Fatal(err)
					}
				}
				if err := j.Sync(); err != nil {
					b.Fatal(err)
				}
			}
			require.NoError(b, j.Close())
		})
	}
}
