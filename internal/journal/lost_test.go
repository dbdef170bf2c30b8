package journal

import (
	"bytes"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/internal/disk"
	"github.com/postroom-go/postroom/internal/disk/disktest"
)

// batches is a journal that was killed or closed after some syncs of the records.
// ends is where the head and each record end; the marks between them are before
// the records.
func batches(t *testing.T, end bool, syncs ...[]string) (file string, records []string, ends []int) {
	mem := disktest.NewMem(512)
	j, _ := open(t, mem)
	ends = []int{headLen}
	for _, some := range syncs {
		for _, record := range some {
			add(t, j, record)
			ends = append(ends, int(j.Size()))
		}
		records = append(records, some...)
		require.NoError(t, j.Sync())
	}
	if end {
		require.NoError(t, j.Close())
	}
	return mem.Files()[name], records, ends
}

// lostOf reads a journal and says what is lost.
func lostOf(octets []byte) int {
	s := saltOf(string(octets))
	f := newFrames(s, bytes.NewReader(octets), int64(headLen), int64(len(octets)))
	for {
		if _, err := f.next(); err == io.EOF {
			return f.lost
		}
	}
}

func testLostFlipped(t *testing.T) {
	for _, end := range []bool{false, true} {
		file, records, ends := batches(t, end, []string{"one"}, []string{"2", strings.Repeat("three", 100)}, []string{"\x00\x00"}, []string{"5", "six"})
		require.Equal(t, none, lostOf([]byte(file)))
		for at := headLen; at < len(file); at++ {
			want := none
			for i, record := range records {
				if at < ends[i+1] && at >= ends[i+1]-frameHead-1-len(record) {
					want = i // it was waited for, the last one as well
				}
			}
			for _, bits := range []byte{1, 2, 4, 8, 16, 32, 64, 128, 255, file[at]} {
				octets := []byte(file)
				if octets[at] ^= bits; bits != 0 {
					require.Equal(t, want, lostOf(octets), "octet %d of %d, %#x", at, len(file), bits)
				}
			}
		}
	}
}

// What was waited for is known for it although it is zeros.
func testLostZeros(t *testing.T) {
	file, _, _ := batches(t, false, numbered(10, 200), []string{"later"})
	octets := []byte(file)
	clear(octets[512:1024])
	require.Equal(t, 2, lostOf(octets))
	cut := octets[:len(octets)-markLen-frameHead-1-len("later")] // as if it had not been waited for
	assert.Equal(t, none, lostOf(cut))
}

// testTorn: a loss of power takes nothing that was waited for, and is not taken
// for damage.
func testTorn(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 1))
	torn := 0
	for _, size := range []int{40, 333, 700, 3000} {
		mem := disktest.NewMem(sector)
		j, _ := open(t, mem)
		add(t, j, numbered(2, size)...)
		require.NoError(t, j.Sync())
		add(t, j, numbered(4, size)...)
		require.ErrorIs(t, func() error {
			j.file = hastyFile{j.file} // written, and not waited for
			if err := j.Sync(); err != nil {
				return err
			}
			return io.EOF
		}(), io.EOF)
		for range 100 {
			again, _ := open(t, mem.Crash(disktest.Sample(random)))
			_, lost := again.Lost()
			require.False(t, lost, "records of %d", size)
			if again.Damaged() > 0 {
				torn++
			}
		}
		file := mem.Files()[name]
		for cut := len(file); cut > headLen; cut -= 1 + size/40 {
			require.Equal(t, none, lostOf([]byte(file[:cut])))
		}
	}
	assert.Greater(t, torn, 5)
}

// testTornAndFlipped: that the end was cut does not hide what a disk did before it.
func testTornAndFlipped(t *testing.T) {
	file, records, ends := batches(t, false, []string{"one"}, []string{"two"}, []string{"three"})
	at, cut := ends[2]-1, len(file)-2
	octets := []byte(file[:cut])
	octets[at] ^= 1
	assert.Equal(t, 1, lostOf(octets), records[1])
}

// testLostLasts: what is lost stays so over crashes, until somebody has written
// anew what he makes of it.
func testLostLasts(t *testing.T) {
	file, _, ends := batches(t, true, []string{"one"}, []string{"two"}, []string{"three"})
	octets := []byte(file)
	octets[ends[2]-1] ^= 1
	check := func(dir disk.Dir, want bool, after string) *Journal {
		t.Helper()
		j, _ := open(t, dir)
		n, lost := j.Lost()
		require.Equal(t, want, lost, after)
		if want {
			require.Equal(t, 1, n, after)
		}
		return j
	}
	for n := 0; ; n++ {
		mem := with(t, string(octets))
		_, err := Open(disktest.FailAt(mem, n, disktest.ErrHalted, disktest.Everything), name, kind, into(new([]string)))
		for _, left := range []*disktest.Mem{mem.Crash(disktest.Least), mem.Crash(disktest.Most)} {
			check(left, true, "power lost")
		}
		mem = mem.Restart()
		j := check(mem, true, "killed")
		add(t, j, "four")
		require.NoError(t, j.Close())
		for at := range len(mem.Files()[name]) - headLen { // of the mark as well
			again := []byte(mem.Files()[name])
			again[headLen+at] ^= 4
			require.NotEqual(t, none, lostOf(again))
		}
		j = check(mem, true, "closed")
		require.NoError(t, j.Rewrite(func(add func([]byte) error) error { return add([]byte("all")) }))
		_, lost := j.Lost()
		require.False(t, lost)
		require.NoError(t, j.Close())
		require.NoError(t, check(mem, false, "written anew").Close())
		if err == nil {
			return
		}
	}
}

// testLostAll: a journal that is missing or cut in its head is lost if it was
// there, and new if it was not.
func testLostAll(t *testing.T) {
	for _, left := range []string{"", magic + "x"} {
		mem := with(t, written(t, "one"))
		j, _ := open(t, mem)
		require.NoError(t, j.Close())
		require.NoError(t, mem.Remove(name))
		if left != "" {
			f, err := mem.Create(name)
			require.NoError(t, err)
			_, err = io.WriteString(f, left)
			require.NoError(t, err)
			require.NoError(t, f.Close())
		}
		for range 2 { // killed in between
			var records []string
			j, records = open(t, mem)
			n, lost := j.Lost()
			require.True(t, lost)
			require.Zero(t, n)
			require.Empty(t, records)
			mem = mem.Restart()
		}
	}
	random := rand.New(rand.NewPCG(6, 1))
	for n := 0; ; n++ {
		mem := disktest.NewMem(sector)
		_, err := Open(disktest.FailAt(mem, n, disktest.ErrHalted, disktest.Everything), name, kind, into(new([]string)))
		for range 20 {
			j, _ := open(t, mem.Crash(disktest.Sample(random)))
			_, lost := j.Lost()
			require.False(t, lost, "power lost at operation %d of the first Open", n)
		}
		if err == nil {
			return
		}
	}
}
