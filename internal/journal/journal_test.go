package journal

import (
	"encoding/hex"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/internal/disk"
	"github.com/postroom-go/postroom/internal/disk/disktest"
)

// onEach runs a test in memory and on the operating system's directory.
func onEach(t *testing.T, test func(t *testing.T, dir disk.Dir)) {
	t.Run("mem", func(t *testing.T) { test(t, disktest.NewMem(512)) })
	t.Run("os", func(t *testing.T) {
		dir, err := disk.Open(t.TempDir())
		require.NoError(t, err)
		t.Cleanup(func() { _ = dir.Close() })
		test(t, dir)
	})
}

func TestRoundTrip(t *testing.T) {
	onEach(t, func(t *testing.T, dir disk.Dir) {
		big := strings.Repeat("m", MaxRecord)
		first := append(numbered(1000, 70), big, "\x00", magic)

		j, records := open(t, dir)
		assert.Empty(t, records)
		add(t, j, first...)
		assert.Equal(t, len(first), j.Records())
		require.NoError(t, j.Sync())
		require.NoError(t, j.Sync(), "with nothing to do")
		assert.Equal(t, first, read(t, dir))
		require.NoError(t, j.Close())

		second := []string{"later", big}
		j, records = open(t, dir)
		require.Equal(t, first, records)
		assert.Equal(t, len(first), j.Records())
		assert.Zero(t, j.Damaged())
		add(t, j, second...)
		assert.Equal(t, len(first)+2, j.Records())
		require.NoError(t, j.Close(), "it syncs")

		j, records = open(t, dir)
		require.Equal(t, slices.Concat(first, second), records)
		require.NoError(t, j.Close())
		names, err := dir.ReadDir(".")
		require.NoError(t, err)
		assert.Len(t, names, 2, "the journal and its lock")
	})
}

func TestRewrite(t *testing.T) {
	onEach(t, func(t *testing.T, dir disk.Dir) {
		many := numbered(20_000, 40) // more than one piece
		j, _ := open(t, dir)
		add(t, j, "old")
		require.NoError(t, j.Sync())
		add(t, j, "pending")
		require.NoError(t, j.Rewrite(func(add func([]byte) error) error {
			for _, record := range many {
				if err := add([]byte(record)); err != nil {
					return err
				}
			}
			return nil
		}))
		assert.Equal(t, len(many), j.Records())
		require.Equal(t, many, read(t, dir))
		add(t, j, "after")
		require.NoError(t, j.Close())
		j, records := open(t, dir)
		assert.Equal(t, append(many, "after"), records)
		assert.Zero(t, j.Damaged(), "what was pending is not written")
		require.NoError(t, j.Close())
	})
}

func TestRewriteRefused(t *testing.T) {
	boom := errors.New("boom")
	for why, fill := range map[string]func(add func([]byte) error) error{
		"fill":  func(func([]byte) error) error { return boom },
		"empty": func(add func([]byte) error) error { return add(nil) },
		"long":  func(add func([]byte) error) error { return add(make([]byte, MaxRecord+1)) },
	} {
		t.Run(why, func(t *testing.T) {
			dir := disktest.NewMem(512)
			j, _ := open(t, dir)
			add(t, j, "old")
			require.NoError(t, j.Sync())
			err := j.Rewrite(fill)
			require.ErrorIs(t, err, ErrBroken)
			assert.Equal(t, why == "fill", errors.Is(err, boom))
			assert.ErrorIs(t, j.Append([]byte("x")), ErrBroken)
			assert.ErrorIs(t, j.Close(), ErrBroken)
			assert.NotContains(t, dir.Files(), name+".new")
			_, records := open(t, dir)
			assert.Equal(t, []string{"old"}, records)
		})
	}
}

func TestLimits(t *testing.T) {
	dir := disktest.NewMem(512)
	j, _ := open(t, dir)
	assert.Error(t, j.Append(nil))
	assert.Error(t, j.Append(make([]byte, MaxRecord+1)))
	assert.Zero(t, j.Records())
	add(t, j, strings.Repeat("m", MaxRecord), "1")
	require.NoError(t, j.Close(), "what was refused breaks nothing")
	_, records := open(t, dir)
	assert.Len(t, records, 2)
}

func TestOtherFiles(t *testing.T) {
	mine := written(t, "record")
	for why, octets := range map[string]string{
		"other kind":     strings.Replace(mine, "test", "tess", 1),
		"other version":  strings.Replace(mine, "journal 1", "journal 2", 1),
		"no journal":     "From alice@example.org Sat Jan  3 01:05:34 1996\r\n",
		"short":          "x",
		"other salt":     mine[:len(magic)] + "0000" + mine[len(magic)+saltLen:],
		"only the magic": magic + "0000" + "no frame",
	} {
		t.Run(why, func(t *testing.T) {
			dir := with(t, octets)
			_, err := Open(dir, name, kind, into(new([]string)))
			require.ErrorIs(t, err, ErrFormat)
			require.ErrorIs(t, Read(dir, name, kind, into(new([]string))), ErrFormat)
			assert.Equal(t, octets, dir.Files()[name])
			_, err = Open(dir, name, kind, into(new([]string)))
			require.ErrorIs(t, err, ErrFormat, "the lock is free again")
		})
	}
	t.Run("longer kind", func(t *testing.T) {
		dir := with(t, mine)
		_, err := Open(dir, name, "tes", into(new([]string)))
		require.ErrorIs(t, err, ErrFormat)
		_, err = Open(dir, name, "testing", into(new([]string)))
		require.ErrorIs(t, err, ErrFormat)
		assert.Equal(t, mine, dir.Files()[name])
	})
	t.Run("directory", func(t *testing.T) {
		dir := disktest.NewMem(512)
		require.NoError(t, dir.Mkdir(name))
		_, err := Open(dir, name, kind, into(new([]string)))
		assert.Error(t, err)
	})
}

// TestFormat pins the octets of version 1.
func TestFormat(t *testing.T) {
	file, err := hex.DecodeString(hex.EncodeToString([]byte("postroom journal 1\nSALT")) +
		"00000005" + "31b09ef9" + "29dd4466" + "4b74657374" + // Ktest
		"00000003" + "9c30a234" + "084ead24" + "526869" + // Rhi
		"00000001" + "0056bd19" + "fe77ecc0" + "43") // C
	require.NoError(t, err)
	s := salt(0x53414c54) // "SALT"
	assert.Equal(t, hex.EncodeToString(file), hex.EncodeToString(
		s.appendFrame(s.appendFrame(s.fileHead(kind), frameRecord, []byte("hi")), frameClosed, nil)))
	assert.Equal(t, "00000001"+"10087a76"+"08583282"+"53", hex.EncodeToString(s.appendFrame(nil, frameSynced, nil)))
	assert.Equal(t, "00000002"+"d1d0c1de"+"5a7564f1"+"4c4c", hex.EncodeToString(s.appendFrame(nil, frameLost, []byte{frameLost})))
	mem := with(t, string(file))
	j, _ := open(t, mem)
	require.NoError(t, j.Close())
	assert.Equal(t, "\n", mem.Files()[name+".lock"])
	dir, log := disktest.Record(mem)
	j, records := open(t, dir)
	assert.Equal(t, []string{"hi"}, records)
	require.NoError(t, j.Close())
	requireUntouched(t, log)
}

// requireUntouched: files were opened and closed, and nothing else.
func requireUntouched(t testing.TB, log *disktest.Log) {
	t.Helper()
	for _, op := range log.Ops() {
		require.Contains(t, []disktest.Kind{disktest.KindOpenRW, disktest.KindClose}, op.Kind, op.Name)
	}
}

func TestReopenWritesNothing(t *testing.T) {
	mem := disktest.NewMem(512)
	j, _ := open(t, mem)
	add(t, j, "a", "b")
	require.NoError(t, j.Close())
	dir, log := disktest.Record(mem)
	for range 3 {
		j, records := open(t, dir)
		require.Equal(t, []string{"a", "b"}, records)
		require.NoError(t, j.Sync())
		require.NoError(t, j.Close())
	}
	requireUntouched(t, log)
	assert.NotEmpty(t, log.Ops())

	j, _ = open(t, dir)
	add(t, j, "c")
	require.NoError(t, j.Close())
	log.Reset()
	j, records := open(t, dir)
	require.Equal(t, []string{"a", "b", "c"}, records)
	requireUntouched(t, log)

	log.Reset()
	add(t, j, "d", "e", "f")
	require.NoError(t, j.Sync())
	kinds := func() (kinds []disktest.Kind) {
		for _, op := range log.Ops() {
			kinds = append(kinds, op.Kind)
		}
		return kinds
	}
	assert.Equal(t, []disktest.Kind{disktest.KindWrite, disktest.KindSync}, kinds(), "one write and one wait for many records")
}

func TestRead(t *testing.T) {
	mem := disktest.NewMem(512)
	dir, log := disktest.Record(mem)
	assert.Empty(t, read(t, dir), "there is no file")
	assert.Empty(t, mem.Files())
	j, _ := open(t, dir)
	add(t, j, "a")
	require.NoError(t, j.Sync())
	add(t, j, "b")
	log.Reset()
	assert.Equal(t, []string{"a"}, read(t, dir), "although it is locked")
	boom := errors.New("boom")
	assert.ErrorIs(t, Read(dir, name, kind, func([]byte) error { return boom }), boom)
	assert.Empty(t, log.Ops())
}

func TestReplayError(t *testing.T) {
	file := written(t, "a", "b")
	file = file[:len(file)-1] // it would be written anew
	dir := with(t, file)
	boom := errors.New("boom")
	_, err := Open(dir, name, kind, func([]byte) error { return boom })
	require.ErrorIs(t, err, boom)
	assert.Equal(t, file, dir.Files()[name])
	_, records := open(t, dir)
	assert.Equal(t, []string{"a", "b"}, records, "the lock is free again")
}

func TestClosed(t *testing.T) {
	dir := disktest.NewMem(512)
	j, _ := open(t, dir)
	require.NoError(t, j.Close())
	require.NoError(t, j.Close())
	assert.ErrorIs(t, j.Append([]byte("x")), fs.ErrClosed)
	assert.ErrorIs(t, j.Sync(), fs.ErrClosed)
	assert.ErrorIs(t, j.Rewrite(func(func([]byte) error) error { return nil }), fs.ErrClosed)
	require.NoError(t, j.Close())
	_, records := open(t, dir)
	assert.Empty(t, records)
}

func TestLocked(t *testing.T) {
	onEach(t, func(t *testing.T, dir disk.Dir) {
		j, _ := open(t, dir)
		_, err := Open(dir, name, kind, into(new([]string)))
		require.ErrorIs(t, err, disk.ErrLocked)
		require.NoError(t, j.Rewrite(func(func([]byte) error) error { return nil }))
		_, err = Open(dir, name, kind, into(new([]string)))
		require.ErrorIs(t, err, disk.ErrLocked, "the lock outlasts the file")
		require.NoError(t, j.Close())
		j, _ = open(t, dir)
		require.NoError(t, j.Close())
	})
}

// TestBelow: the directory that is synced is the journal's.
func TestBelow(t *testing.T) {
	mem := disktest.NewMem(512)
	require.NoError(t, mem.Mkdir("a"))
	require.NoError(t, mem.SyncDir("."))
	j, err := Open(mem, "a/journal", kind, into(new([]string)))
	require.NoError(t, err)
	add(t, j, "record")
	require.NoError(t, j.Sync())
	var records []string
	require.NoError(t, Read(mem.Crash(least), "a/journal", kind, into(&records)))
	assert.Equal(t, []string{"record"}, records)
}

func TestConcurrent(t *testing.T) {
	dir, err := disk.Open(t.TempDir())
	require.NoError(t, err)
	defer dir.Close()
	j, _ := open(t, dir)
	records := numbered(200, 0)
	var wait sync.WaitGroup
	for _, record := range records {
		wait.Go(func() {
			assert.NoError(t, j.Append([]byte(record)))
			assert.NoError(t, j.Sync())
			j.Records()
		})
	}
	wait.Wait()
	require.NoError(t, j.Close())
	j, got := open(t, dir)
	assert.ElementsMatch(t, records, got)
	require.NoError(t, j.Close())
}
