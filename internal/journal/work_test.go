package journal

import (
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/internal/disk/disktest"
)

// testForged: strangers choose octets of records, such as a Message-ID. They
// would have one of them found behind damage that looks like a frame.
func testForged(t *testing.T) {
	damage := func(t *testing.T, forgery func(s salt) string) (got []string) {
		file := written(t, "true", "x") // for the salt
		inner := forgery(saltOf(file))
		s := saltOf(file)
		file = file[:len(file)-2*frameHead-3] + string(s.appendFrame(nil, frameRecord, []byte(inner)))
		// A crash has kept the record's octets, not its head.
		at := len(file) - len(inner) - 1 - frameHead
		file = file[:at] + strings.Repeat("\x00", frameHead) + file[at+frameHead:]
		require.NoError(t, Read(with(t, file), name, kind, into(&got)))
		return got
	}
	assert.Equal(t, []string{"true"}, damage(t, func(salt) string {
		return string(salt(0).appendFrame(nil, frameRecord, []byte("forged")))
	}))
	assert.Equal(t, []string{"true"}, damage(t, func(salt) string {
		return string(saltOf(written(t)).appendFrame(nil, frameRecord, []byte("forged")))
	}), "with the salt of another file")
	assert.Equal(t, []string{"true", "forged"}, damage(t, func(s salt) string {
		return string(s.appendFrame(nil, frameRecord, []byte("forged")))
	}), "control: the salt is what keeps forgeries out")
	assert.NotEqual(t, saltOf(written(t)), saltOf(written(t)), "there is another in each file")

	var salts []salt
	dir := disktest.NewMem(512)
	j, _ := open(t, dir)
	for range 2 {
		require.NoError(t, j.Rewrite(func(func([]byte) error) error { return nil }))
		salts = append(salts, saltOf(dir.Files()[name]))
	}
	assert.NotEqual(t, salts[0], salts[1])
}

// counted counts the octets that are read.
type counted struct {
	io.ReaderAt
	octets int64
}

func (c *counted) ReadAt(p []byte, at int64) (int, error) {
	n, err := c.ReaderAt.ReadAt(p, at)
	c.octets += int64(n)
	return n, err
}

// testWork: whatever a file holds, it is read once, and not held.
func testWork(t *testing.T) {
	const size = 4 << 20
	s := salt(0x01020304)
	// A frame of the greatest length whose record is damaged, at every place
	// where there can be one.
	head := s.appendFrame(nil, frameRecord, make([]byte, MaxRecord))[:frameHead]
	for what, piece := range map[string]string{
		"heads":   string(head),
		"lengths": "\x00\x0f\xff\xff",
		"ones":    "\x00\x00\x00\x01",
		"zeros":   "\x00",
		"half":    string(s.appendFrame(nil, frameRecord, []byte("good"))) + "\x00\x00\x00\x05bad",
	} {
		t.Run(what, func(t *testing.T) {
			file := &counted{ReaderAt: strings.NewReader(strings.Repeat(piece, size/len(piece)))}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			f := newFrames(s, file, 0, size/int64(len(piece))*int64(len(piece)))
			good := 0
			for {
				_, err := f.next()
				if err == io.EOF {
					break
				}
				require.NoError(t, err)
				good++
			}
			runtime.ReadMemStats(&after)
			assert.LessOrEqual(t, file.octets, int64(size))
			assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(2*MaxRecord+256<<10))
			assert.Zero(t, f.left)
			if what == "half" {
				assert.Equal(t, size/len(piece), good)
			} else {
				assert.Zero(t, good)
				assert.Equal(t, f.size, f.octets)
			}
		})
	}
	t.Run("short file", func(t *testing.T) {
		f := newFrames(s, strings.NewReader(string(head)+"x"), 0, frameHead+1)
		_, err := f.next()
		require.Equal(t, io.EOF, err)
		assert.Zero(t, cap(f.buf), "a length that is more than there is")
		assert.EqualValues(t, frameHead+1, f.octets)
	})
	t.Run("file that is cut meanwhile", func(t *testing.T) {
		whole := s.appendFrame(nil, frameRecord, []byte("record"))
		for cut := range whole {
			f := newFrames(s, strings.NewReader(string(whole[:cut])), 0, int64(len(whole)))
			_, err := f.next()
			require.Equal(t, io.EOF, err)
			assert.EqualValues(t, len(whole), f.octets)
		}
	})
}
