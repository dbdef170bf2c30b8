package outbox

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/smtpsink"
)

// BenchmarkEnqueue enqueues a message of 6 KiB on a real disk: one at a time, and
// 64 at a time, which share the waits.
func BenchmarkEnqueue(b *testing.B) {
	message := note(1)[:100] + strings.Repeat("sixty-two characters and the two that end a line make 64......\r\n", 95)
	open := func(b *testing.B) *Outbox {
		box, err := Open(b.TempDir(), nil)
		require.NoError(b, err)
		b.Cleanup(func() { require.NoError(b, box.Close()) })
		b.SetBytes(int64(len(message)))
		b.ReportAllocs()
		return box
	}
	b.Run("one", func(b *testing.B) {
		box := open(b)
		for b.Loop() {
			_, err := box.Enqueue(b.Context(), to("bob@example.com"), strings.NewReader(message), nil)
			require.NoError(b, err)
		}
	})
	b.Run("64 at a time", func(b *testing.B) {
		box := open(b)
		b.SetParallelism(32)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				_, err := box.Enqueue(context.Background(), to("bob@example.com"), strings.NewReader(message), nil)
				if err != nil {
					b.Error(err)
				}
			}
		})
	})
}

// nowhere takes all.
type nowhere struct{}

func (nowhere) Send(_ context.Context, env *smtpsink.Envelope, m io.Reader, _ *smtpsink.SendOptions) (*smtpsink.Receipt, error) {
	_, err := io.Copy(io.Discard, m)
	return taken(env), err
}

func (nowhere) Close() error { return nil }

// BenchmarkRun is what the outbox adds to sending a message: the waits for the
// disk before its end and behind its answer.
func BenchmarkRun(b *testing.B) {
	for _, parallel := range []int{1, 8} {
		b.Run(fmt.Sprint(parallel, " at a time"), func(b *testing.B) {
			box, err := Open(b.TempDir(), nil)
			require.NoError(b, err)
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				for n := range 64 {
					put(b, box, n, nil)
				}
				b.StartTimer()
				once(b, box, nowhere{}, &RunOptions{Parallel: parallel})
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(64*b.N), "µs/message")
			require.NoError(b, box.Close())
		})
	}
}
