package spool

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// noise is what bodies are cut from: no two places in it look alike.
var noise = func() []byte {
	b := make([]byte, 2<<20)
	c := rand.NewChaCha8([32]byte{1})
	_, _ = c.Read(b)
	return b
}()

// content is the n octets of body i.
func content(i, n int) []byte {
	off := i * 7919 % (len(noise) / 2)
	return noise[off : off+n]
}

// disk makes temporary files, counts them, and can fail.
type disk struct {
	mu         sync.Mutex
	open, peak int
	made       int

	createErr error // creating fails
	space     int64 // a file takes no more than this; 0 is no limit
	short     bool  // ... and says so by a short write without an error
	readErr   error // reading fails
}

func (d *disk) create(dir string) (file, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.createErr != nil {
		return nil, d.createErr
	}
	f, err := newTempFile(dir)
	if err != nil {
		return nil, err
	}
	d.open++
	d.made++
	d.peak = max(d.peak, d.open)
	return &diskFile{f, d}, nil
}

func (d *disk) set(change func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change()
}

func (d *disk) files() (open, made, peak int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.open, d.made, d.peak
}

type diskFile struct {
	file
	d *disk
}

func (f *diskFile) WriteAt(p []byte, off int64) (int, error) {
	f.d.mu.Lock()
	space, short := f.d.space, f.d.short
	f.d.mu.Unlock()
	if left := max(space-off, 0); space > 0 && int64(len(p)) > left {
		n, _ := f.file.WriteAt(p[:left], off)
		if short {
			return n, nil
		}
		return n, &os.PathError{Op: "write", Path: "disk", Err: syscall.ENOSPC}
	}
	return f.file.WriteAt(p, off)
}

func (f *diskFile) ReadAt(p []byte, off int64) (int, error) {
	f.d.mu.Lock()
	err := f.d.readErr
	f.d.mu.Unlock()
	if err != nil {
		return 0, err
	}
	return f.file.ReadAt(p, off)
}

func (f *diskFile) Close() error {
	f.d.mu.Lock()
	f.d.open--
	f.d.mu.Unlock()
	return f.file.Close()
}

// newQueue makes a queue over a counting disk in a directory of the test's own,
// and checks at the end that nothing was left behind.
func newQueue(t *testing.T, opts QueueOptions) (*Queue[int], *disk) {
	t.Helper()
	d := &disk{}
	opts.Dir = t.TempDir()
	q := NewQueue[int](&opts)
	q.create = d.create
	t.Cleanup(func() {
		assertClean(t, opts.Dir, d)
		q.mu.Lock()
		defer q.mu.Unlock()
		assert.Zero(t, q.fifo.mem, "memory held")
		assert.Zero(t, q.fifo.disk, "disk held")
		assert.Nil(t, q.fifo.head)
		assert.Zero(t, q.fifo.readers)
	})
	return q, d
}

// newSpool is newQueue for a spool.
func newSpool(t *testing.T, opts Options) (*Spool, *disk) {
	t.Helper()
	d := &disk{}
	opts.Dir = t.TempDir()
	s := New(&opts)
	s.create = d.create
	t.Cleanup(func() {
		_ = s.Close()
		assertClean(t, opts.Dir, d)
		assert.Nil(t, s.mem, "memory held")
	})
	return s, d
}

func assertClean(t *testing.T, dir string, d *disk) {
	t.Helper()
	open, _, _ := d.files()
	assert.Zero(t, open, "files open")
	assert.Empty(t, openUnder(t, dir), "descriptors open")
	names, err := os.ReadDir(dir)
	assert.NoError(t, err)
	assert.Empty(t, names, "files left")
}

// openUnder lists the descriptors of this process whose files are, or were, in
// dir. Only Linux can tell; elsewhere it is empty.
func openUnder(t *testing.T, dir string) []string {
	t.Helper()
	if runtime.GOOS != "linux" {
		return nil
	}
	fds, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	var open []string
	for _, fd := range fds {
		name, err := os.Readlink(filepath.Join("/proc/self/fd", fd.Name()))
		if err == nil && strings.HasPrefix(name, dir+string(filepath.Separator)) {
			open = append(open, name)
		}
	}
	return open
}

// check compares the queue's books with what is there.
func (q *Queue[M]) check() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	var mem, disk, unread int64
	for s := q.fifo.head; s != nil; s = s.next {
		if s.mem != nil {
			mem += chunkSize
		} else {
			disk += s.w
		}
		unread += s.w - s.r
	}
	var bodies int64
	if q.current != nil {
		bodies++
	}
	for b := q.first; b != nil; b = b.next {
		bodies++
	}
	switch {
	case q.gone == nil && bodies != q.bodies:
		return fmt.Errorf("books: %d bodies; there: %d", q.bodies, bodies)
	case mem != q.fifo.mem || disk != q.fifo.disk || unread != q.fifo.wpos-q.fifo.rpos:
		return fmt.Errorf("books: memory %d, disk %d, unread %d; there: %d, %d, %d",
			q.fifo.mem, q.fifo.disk, q.fifo.wpos-q.fifo.rpos, mem, disk, unread)
	case mem > q.opts.Memory:
		return fmt.Errorf("%d octets of memory held, budget %d", mem, q.opts.Memory)
	case q.opts.MaxDisk > 0 && disk > q.opts.MaxDisk:
		return fmt.Errorf("%d octets of disk held, limit %d", disk, q.opts.MaxDisk)
	}
	return nil
}

// put passes one whole body, in pieces of 10 KiB.
func put(t *testing.T, q *Queue[int], meta int, p []byte, end error) {
	t.Helper()
	b, err := q.Begin(meta, int64(len(p)))
	if !assert.NoError(t, err) {
		return
	}
	for piece := range slices.Chunk(p, 10<<10) {
		n, err := b.Write(piece)
		assert.NoError(t, err)
		assert.Equal(t, len(piece), n)
	}
	b.CloseWithError(end)
}

// take expects the next body to be all of p, with the error end.
func take(t *testing.T, q *Queue[int], meta int, p []byte, end error) {
	t.Helper()
	got, r, err := q.Next(t.Context())
	if assert.NoError(t, err) {
		assert.Equal(t, meta, got)
		assertBody(t, r, p, end)
	}
}

func assertBody(t *testing.T, r io.Reader, p []byte, end error) {
	t.Helper()
	all, err := io.ReadAll(r)
	assert.ErrorIs(t, err, end)
	assert.True(t, bytes.Equal(p, all), "want %d octets, got %d, or others", len(p), len(all))
}

// takeEnd expects that there are no more bodies.
func takeEnd(t *testing.T, q *Queue[int], end error) {
	t.Helper()
	_, r, err := q.Next(t.Context())
	assert.ErrorIs(t, err, end)
	assert.Nil(t, r)
}

// raceEnabled reports whether this test runs under the race detector.
func raceEnabled() bool {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return false
	}
	for _, s := range info.Settings {
		if s.Key == "-race" {
			return s.Value == "true"
		}
	}
	return false
}
