package journal

import (
	"encoding/binary"
	"io"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/internal/disk"
	"github.com/postroom-go/postroom/internal/disk/disktest"
)

// The names of all journals in tests.
const (
	name = "journal"
	kind = "test"
)

// into appends what is replayed to to.
func into(to *[]string) func([]byte) error {
	return func(record []byte) error {
		*to = append(*to, string(record))
		return nil
	}
}

func open(t testing.TB, dir disk.Dir) (*Journal, []string) {
	t.Helper()
	var records []string
	j, err := Open(dir, name, kind, into(&records))
	require.NoError(t, err)
	return j, records
}

func add(t testing.TB, j *Journal, records ...string) {
	t.Helper()
	for _, record := range records {
		require.NoError(t, j.Append([]byte(record)))
	}
}

// read is what a reader that does not lock sees.
func read(t testing.TB, dir disk.Dir) []string {
	t.Helper()
	var records []string
	require.NoError(t, Read(dir, name, kind, into(&records)))
	return records
}

// written is the octets of a journal with these records that was closed.
func written(t testing.TB, records ...string) string {
	t.Helper()
	dir := disktest.NewMem(512)
	j, _ := open(t, dir)
	add(t, j, records...)
	require.NoError(t, j.Close())
	return dir.Files()[name]
}

// with is a directory with a file of these octets, durably.
func with(t testing.TB, octets string) *disktest.Mem {
	t.Helper()
	dir := disktest.NewMem(512)
	f, err := dir.Create(name)
	require.NoError(t, err)
	_, err = io.WriteString(f, octets)
	require.NoError(t, err)
	require.NoError(t, f.Sync())
	require.NoError(t, f.Close())
	require.NoError(t, dir.SyncDir("."))
	return dir
}

// saltOf is the salt of a whole file.
func saltOf(file string) salt {
	return salt(binary.BigEndian.Uint32([]byte(file[len(magic):])))
}

// numbered gives n records of size octets.
func numbered(n, size int) []string {
	records := make([]string, n)
	for i := range records {
		number := strconv.Itoa(i)
		records[i] = number + strings.Repeat("x", max(0, size-len(number)))
	}
	return records
}
