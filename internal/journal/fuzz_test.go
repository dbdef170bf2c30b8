package journal

import (
	"bytes"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/internal/disk/disktest"
)

// FuzzOpen opens a file of these octets as a journal.
func FuzzOpen(f *testing.F) {
	s := salt(0x53414c54)
	whole := s.appendFrame(s.appendFrame(s.fileHead(kind), frameRecord, []byte("one")), frameRecord, []byte("two"))
	f.Add(whole)
	f.Add(whole[:len(whole)-1])
	f.Add(s.appendFrame(whole, frameClosed, nil))
	f.Add(s.appendFrame(whole, frameRecord, nil))
	f.Add(s.appendFrame(whole, 'X', []byte("of no kind that there is")))
	f.Add(s.appendFrame(whole, frameRecord, make([]byte, 1<<16))[:len(whole)+frameHead])
	f.Fuzz(func(t *testing.T, octets []byte) {
		boundedCase(t, octets)
		dir := with(t, string(octets))
		var seen, records []string
		readErr := Read(dir, name, kind, into(&seen))
		j, err := Open(dir, name, kind, into(&records))
		if err != nil {
			require.ErrorIs(t, err, ErrFormat)
			require.ErrorIs(t, readErr, ErrFormat)
			require.Equal(t, string(octets), dir.Files()[name])
			return
		}
		require.NoError(t, readErr)
		require.Equal(t, seen, records)
		require.NotContains(t, records, "")
		require.LessOrEqual(t, j.Damaged(), int64(len(octets)))
		require.Equal(t, len(records), j.Records())

		// The process dies, and so does the next one without a word.
		for range 2 {
			dir = dir.Restart()
			again, got := open(t, dir)
			require.Equal(t, records, got)
			require.Zero(t, again.Damaged())
			require.Equal(t, records, read(t, dir.Crash(least)))
		}
		dir = dir.Restart()
		j, _ = open(t, dir)
		require.NoError(t, j.Close())
		recorded, log := disktest.Record(dir)
		j, got := open(t, recorded)
		require.Equal(t, records, got)
		require.Zero(t, j.Damaged())
		require.NoError(t, j.Close())
		requireUntouched(t, log)
	})
}

// boundedCase reads octets as frames: each of them is in a frame or damaged, and
// no length makes it get more memory than there are octets.
func boundedCase(t *testing.T, octets []byte) {
	s := salt(0)
	if len(octets) >= len(magic)+saltLen {
		s = saltOf(string(octets))
	}
	file := &counted{ReaderAt: bytes.NewReader(octets)}
	f := newFrames(s, file, 0, int64(len(octets)))
	good := 0
	for {
		frame, err := f.next()
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		good += frameHead + len(frame)
	}
	require.EqualValues(t, len(octets), int64(good)+f.octets)
	require.LessOrEqual(t, cap(f.buf), 2*len(octets)+64)
	require.LessOrEqual(t, file.octets, int64(len(octets)))
}
