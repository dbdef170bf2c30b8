package compose

import (
	"context"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// blocked is a source that gives its octets when it is told to.
type blocked struct {
	reading, ready chan struct{}
	closed         int
}

func (b *blocked) Read(p []byte) (int, error) {
	b.reading <- struct{}{}
	<-b.ready
	return copy(p, "late"), io.EOF
}

func (b *blocked) Close() error {
	b.closed++
	return nil
}

// TestCloseWhileReading: a sender that gives up does not wait for a Read that
// blocks, and whoever it works for closes the message all the same. The source is
// closed once, by the Read that has it.
func TestCloseWhileReading(t *testing.T) {
	src := &blocked{reading: make(chan struct{}), ready: make(chan struct{})}
	open := func(context.Context) (io.ReadCloser, error) { return src, nil }
	r := &reader{ctx: t.Context(), segments: []segment{{src: &source{open: open, size: -1}, encoding: "7bit"}}}
	done := make(chan error)
	go func() {
		_, err := r.Read(make([]byte, 10))
		done <- err
	}()
	<-src.reading
	require.NoError(t, r.Close())
	assert.Zero(t, src.closed, "it is being read")
	close(src.ready)
	require.ErrorIs(t, <-done, errClosed)
	assert.Equal(t, 1, src.closed)
	require.NoError(t, r.Close())
	assert.Equal(t, 1, src.closed)
	_, err := r.Read(make([]byte, 10))
	require.ErrorIs(t, err, errClosed)
}
