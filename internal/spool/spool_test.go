package spool

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSpoolWhole(t *testing.T) {
	for _, memory := range []int64{-1, 0, 1, 1000, chunkSize, chunkSize + 1, 1 << 20} {
		for _, size := range []int{0, 1, 1000, chunkSize, DefaultSpoolMemory, DefaultSpoolMemory + 1, 500 << 10} {
			s, d := newSpool(t, Options{Memory: memory})
			p := content(size, size)
			n, err := s.ReadFrom(bytes.NewReader(p))
			require.NoError(t, err)
			require.EqualValues(t, size, n)
			s.CloseWithError(nil)
			s.CloseWithError(errCut)
			require.NoError(t, s.Wait(t.Context()))
			require.EqualValues(t, size, s.Size())

			assertBody(t, onlyReader{s}, p, nil)
			if size <= 1000 { // it reads single octets
				require.NoError(t, iotest.TestReader(onlyReader{s.NewReader()}, p))
			}
			var b bytes.Buffer
			_, err = io.Copy(&b, s.NewReader())
			require.NoError(t, err)
			require.True(t, bytes.Equal(p, b.Bytes()))
			_, made, _ := d.files()
			limit := int64(DefaultSpoolMemory)
			if memory != 0 {
				limit = max(memory, 0)
			}
			require.Equal(t, int64(size) > limit, made == 1, "memory %d, size %d, files %d", memory, size, made)
		}
	}
}

func TestSpoolProgressive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := newSpool(t, Options{Memory: 5})
		var got bytes.Buffer
		var end error
		go func() { end = readOctets(&got, s) }()
		for _, piece := range []string{"one", "two", "three", "four"} {
			before := got.String()
			_, err := s.Write([]byte(piece))
			require.NoError(t, err)
			synctest.Wait()
			require.Equal(t, before+piece, got.String())
			require.NoError(t, end)
		}
		s.CloseWithError(errCut)
		synctest.Wait()
		require.ErrorIs(t, end, errCut)
		require.ErrorIs(t, s.Wait(t.Context()), errCut)
		_, err := s.Write([]byte("late"))
		require.ErrorIs(t, err, io.ErrClosedPipe)
		n, err := s.Read(nil)
		require.NoError(t, err)
		require.Zero(t, n)
	})
}

// readOctets reads r one octet at a time.
func readOctets(got *bytes.Buffer, r io.Reader) error {
	p := make([]byte, 1)
	for {
		n, err := r.Read(p)
		got.Write(p[:n])
		if err != nil {
			return err
		}
	}
}

func TestSpoolCancel(t *testing.T) {
	for name, reason := range map[string]error{"reason": context.Canceled, "none": nil} {
		want := reason
		if want == nil {
			want = ErrClosed
		}
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, _ := newSpool(t, Options{Memory: 10})
				var wg sync.WaitGroup
				for range 3 {
					wg.Go(func() {
						_, err := io.Copy(io.Discard, s.NewReader())
						assert.ErrorIs(t, err, want)
					})
					wg.Go(func() { assert.ErrorIs(t, s.Wait(t.Context()), want) })
				}
				_, _ = s.Write(content(1, 100))
				synctest.Wait()
				require.NoError(t, s.Err())
				s.Cancel(reason)
				wg.Wait()
				require.ErrorIs(t, s.Err(), want)
				n, err := s.Write(content(1, 1<<20))
				require.NoError(t, err, "discarded")
				require.Equal(t, 1<<20, n)
				s.CloseWithError(nil)
				require.NoError(t, s.Close())
				require.NoError(t, s.Close())
				_, err = s.Read(make([]byte, 1))
				require.ErrorIs(t, err, want, "though there was more")
			})
		})
	}
}

func TestSpoolWaitContext(t *testing.T) {
	s, _ := newSpool(t, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, s.Wait(ctx), context.Canceled)
	s.CloseWithError(nil)
	require.NoError(t, s.Wait(ctx), "it is whole whoever waits")
}

func TestSpoolDiskFails(t *testing.T) {
	tests := map[string]struct {
		set  func(s *Spool, d *disk)
		err  error
		kept int
	}{
		"cannot be made":    {func(_ *Spool, d *disk) { d.createErr = syscall.EACCES }, syscall.EACCES, 50 << 10},
		"is full":           {func(_ *Spool, d *disk) { d.space = 20 << 10 }, syscall.ENOSPC, 70 << 10},
		"writes too little": {func(_ *Spool, d *disk) { d.space, d.short = 20<<10, true }, io.ErrShortWrite, 70 << 10},
		"limit":             {func(s *Spool, _ *disk) { s.opts.MaxDisk = 30 << 10 }, ErrDiskLimit, 80 << 10},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s, d := newSpool(t, Options{Memory: 50 << 10})
			test.set(s, d)
			p := content(1, 200<<10)
			for off := 0; off < len(p); off += 10 << 10 {
				n, err := s.Write(p[off : off+10<<10])
				require.NoError(t, err, "the connection must be read to its end")
				require.Equal(t, 10<<10, n)
			}
			s.CloseWithError(nil)
			assertBody(t, s, p[:test.kept], test.err)
			require.ErrorIs(t, s.Wait(t.Context()), test.err)
			require.EqualValues(t, test.kept, s.Size())
		})
	}
	t.Run("cannot be read", func(t *testing.T) {
		s, d := newSpool(t, Options{Memory: 10})
		_, _ = s.Write(content(1, 100))
		s.CloseWithError(nil)
		d.set(func() { d.readErr = io.EOF })
		assertBody(t, s, content(1, 10), io.ErrUnexpectedEOF)
	})
}

func TestSpoolCloseWhileDiskIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d := newSpool(t, Options{Memory: -1})
		slow := make(chan bool)
		s.create = func(dir string) (file, error) {
			<-slow
			return d.create(dir)
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := s.Write(content(1, 100))
			assert.NoError(t, err)
		})
		synctest.Wait()
		require.NoError(t, s.Close())
		close(slow)
		wg.Wait()
		require.ErrorIs(t, s.Wait(t.Context()), ErrClosed)
		_, made, _ := d.files()
		require.Equal(t, 1, made)
	})
}

func TestReadFromErrors(t *testing.T) {
	s, _ := newSpool(t, Options{})
	q, _ := newQueue(t, QueueOptions{})
	b, err := q.Begin(1, 0)
	require.NoError(t, err)
	var want string
	for name, to := range map[string]io.ReaderFrom{"spool": s, "queue": b} {
		want = ""
		for _, in := range []struct {
			r   io.Reader
			got string
			err error
		}{
			{strings.NewReader("ab"), "ab", nil},
			{iotest.DataErrReader(strings.NewReader("cd")), "cd", nil},
			{io.MultiReader(strings.NewReader("ef"), iotest.ErrReader(errCut)), "ef", errCut},
			{iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader("gh"))), "g", iotest.ErrTimeout},
			{emptyReader{}, "", io.ErrNoProgress},
		} {
			n, err := to.ReadFrom(in.r)
			require.ErrorIs(t, err, in.err, name)
			require.EqualValues(t, len(in.got), n, name)
			want += in.got
		}
	}
	s.CloseWithError(nil)
	b.CloseWithError(nil)
	q.Finish(nil)
	assertBody(t, s, []byte(want), nil)
	take(t, q, 1, []byte(want), nil)
	takeEnd(t, q, io.EOF)
	_, err = s.ReadFrom(strings.NewReader("late"))
	require.ErrorIs(t, err, io.ErrClosedPipe)
}

type emptyReader struct{}

func (emptyReader) Read([]byte) (int, error) { return 0, nil }

func TestWriteToErrors(t *testing.T) {
	for name, spill := range map[string]bool{"memory": false, "disk": true} {
		t.Run(name, func(t *testing.T) {
			s, _ := newSpool(t, Options{Memory: map[bool]int64{true: -1}[spill]})
			_, _ = s.Write(content(1, 100))
			s.CloseWithError(nil)
			q, _ := newQueue(t, QueueOptions{Memory: 1})
			q.Spill()
			put(t, q, 1, content(1, 400<<10), nil)
			q.Finish(nil)
			_, r, err := q.Next(t.Context())
			require.NoError(t, err)
			if spill {
				_, err = io.CopyN(io.Discard, onlyReader{r}, smallest)
				require.NoError(t, err)
			}
			for _, w := range []struct {
				w   io.Writer
				err error
			}{
				{writerFunc(func(p []byte) (int, error) { return len(p) / 2, errCut }), errCut},
				{writerFunc(func(p []byte) (int, error) { return len(p) / 2, nil }), io.ErrShortWrite},
			} {
				n, err := s.NewReader().WriteTo(w.w)
				require.ErrorIs(t, err, w.err)
				require.EqualValues(t, 50, n)
				n, err = r.(io.WriterTo).WriteTo(w.w)
				require.ErrorIs(t, err, w.err)
				require.Positive(t, n)
			}
			takeEnd(t, q, io.EOF)
		})
	}
}

func TestTempFile(t *testing.T) {
	dir := t.TempDir()
	f, err := newTempFile(dir)
	require.NoError(t, err)
	if runtime.GOOS != "windows" {
		names, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Empty(t, names, "it has no name any more")
		info, err := f.(*tempFile).Stat()
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode())
	}
	if runtime.GOOS == "linux" {
		require.Len(t, openUnder(t, dir), 1, "or the checks for leaks see nothing")
	}
	require.NoError(t, f.Close())
	require.Empty(t, openUnder(t, dir))

	// As it is where an open file keeps its name.
	name := filepath.Join(dir, "named")
	named, err := os.Create(name)
	require.NoError(t, err)
	require.NoError(t, (&tempFile{named, name}).Close())
	require.NoFileExists(t, name)

	_, err = newTempFile(filepath.Join(dir, "missing"))
	require.ErrorIs(t, err, os.ErrNotExist)
}
