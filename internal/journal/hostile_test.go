package journal

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestHostile(t *testing.T) {
	t.Run("local-journal-torn", func(t *testing.T) {
		t.Run("cut", testCut)
		t.Run("flipped", testFlipped)
		t.Run("overwritten", testOverwritten)
		t.Run("appended", testAppended)
		t.Run("forged", testForged)
		t.Run("work", testWork)
		t.Run("control", testNoChecksum)
	})
	t.Run("local-journal-damaged", func(t *testing.T) {
		t.Run("flipped", testLostFlipped)
		t.Run("zeros", testLostZeros)
		t.Run("torn", testTorn)
		t.Run("torn and flipped", testTornAndFlipped)
		t.Run("lasts", testLostLasts)
		t.Run("all", testLostAll)
	})
	t.Run("local-two-procs", testTwoProcs)
	t.Run("local-fsync-eio", testFsyncEIO)
}

// headLen is how many octets the head of a file has, and markLen a frame without
// a record.
const (
	headLen = len(magic) + saltLen + frameHead + 1 + len(kind)
	markLen = frameHead + 1
)

// sample is a journal of some records that was closed. ends is where the marks
// behind the head and each record end.
func sample(t *testing.T) (file string, records []string, ends []int) {
	records = []string{"one", "2", strings.Repeat("three", 5), "\x00\x00\x00\x00\x00\x00\x00\x01", "five"}
	file = written(t, records...)
	ends = []int{headLen + 2*markLen}
	for i, record := range records {
		ends = append(ends, ends[i]+frameHead+1+len(record))
	}
	return file, records, ends
}

// repaired opens a damaged journal, and checks that it can be used again.
func repaired(t *testing.T, file string, want []string) (damaged int64) {
	t.Helper()
	dir := with(t, file)
	require.Equal(t, want, read(t, dir))
	j, records := open(t, dir)
	require.Equal(t, want, records)
	require.Equal(t, len(want), j.Records())
	damaged = j.Damaged()
	// Without one that closes it: the repair is durable by itself.
	require.Equal(t, want, read(t, dir.Crash(least)))
	add(t, j, "more")
	require.NoError(t, j.Close())
	j, records = open(t, dir)
	require.Equal(t, append(slices.Clone(want), "more"), records)
	require.Zero(t, j.Damaged())
	require.NoError(t, j.Close())
	return damaged
}

func testCut(t *testing.T) {
	file, records, ends := sample(t)
	for cut := range len(file) {
		whole, last := 0, 0
		for i := range 2 {
			if end := headLen + i*markLen; cut >= end {
				last = end
			}
		}
		for i, end := range ends {
			if end <= cut {
				whole, last = i, end
			}
		}
		damaged := repaired(t, file[:cut], some(records[:whole]))
		require.EqualValues(t, cut-last, damaged, "cut at %d", cut)
	}
}

// some is nil if there are none, as what is replayed.
func some(records []string) []string {
	if len(records) == 0 {
		return nil
	}
	return records
}

func testFlipped(t *testing.T) {
	file, records, ends := sample(t)
	for at := range len(file) {
		for _, bits := range []byte{1, 2, 4, 8, 16, 32, 64, 128, 255} {
			octets := []byte(file)
			octets[at] ^= bits
			if at < headLen {
				dir := with(t, string(octets))
				_, err := Open(dir, name, kind, into(new([]string)))
				require.ErrorIs(t, err, ErrFormat)
				require.Equal(t, string(octets), dir.Files()[name])
				continue
			}
			damaged := repaired(t, string(octets), outside(records, ends, at, at+1))
			require.Positive(t, damaged, "flipped at %d", at)
		}
	}
}

// outside is the records that have no octet in [from,to).
func outside(records []string, ends []int, from, to int) (kept []string) {
	for i, record := range records {
		if ends[i+1] <= from || ends[i] >= to {
			kept = append(kept, record)
		}
	}
	return kept
}

func testOverwritten(t *testing.T) {
	file, records, ends := sample(t)
	random := rand.New(rand.NewPCG(1, 2))
	other := written(t, records...)[headLen:]
	for from := headLen; from < len(file); from++ {
		for to := from + 1; to <= len(file); to += 1 + random.IntN(4) {
			octets := []byte(file)
			fill := octets[from:to]
			switch random.IntN(3) {
			case 0:
				clear(fill)
			case 1:
				copy(fill, other) // of another file
			default:
				for i := range fill {
					fill[i] = byte(random.Uint32())
				}
			}
			if string(octets) == file {
				continue
			}
			var got []string
			require.NoError(t, Read(with(t, string(octets)), name, kind, into(&got)))
			for _, record := range got {
				require.Contains(t, records, record)
			}
			for _, record := range outside(records, ends, from, to) {
				require.Contains(t, got, record, "overwritten from %d to %d", from, to)
			}
		}
	}
}

func testAppended(t *testing.T) {
	file, records, _ := sample(t)
	other := written(t, "of another file")
	random := rand.New(rand.NewPCG(3, 4))
	garbage := make([]byte, 5000)
	for i := range garbage {
		garbage[i] = byte(random.Uint32())
	}
	for what, octets := range map[string]string{
		"zeros":   strings.Repeat("\x00", 5000),
		"ones":    strings.Repeat("\xff", 5000),
		"lengths": strings.Repeat("\x00\x00\x00\x10", 1250),
		"garbage": string(garbage),
		"frames":  strings.Repeat(other[headLen:], 5000/len(other)),
	} {
		for size := 1; size <= len(octets); size += 1 + size/20 {
			damaged := repaired(t, file+octets[:size], records)
			require.EqualValues(t, size, damaged, "%d octets of %s", size, what)
		}
	}
}

// testNoChecksum is the control: who goes by lengths only replays what nobody has
// appended.
func testNoChecksum(t *testing.T) {
	file, records, ends := sample(t)
	naive := func(octets []byte) (got []string) {
		for octets = octets[ends[0]:]; len(octets) > frameHead; {
			end := frameHead + int(binary.BigEndian.Uint32(octets))
			if end <= frameHead || end > len(octets) {
				break
			}
			got = append(got, string(octets[frameHead+1:end]))
			octets = octets[end:]
		}
		return got
	}
	require.Subset(t, naive([]byte(file)), records)
	garbage := 0
	for at := ends[0]; at < len(file); at++ {
		octets := []byte(file)
		octets[at] ^= 4
		for _, record := range naive(octets) {
			if record != "" && !slices.Contains(records, record) {
				garbage++
			}
		}
	}
	assert.Greater(t, garbage, 20)
}
