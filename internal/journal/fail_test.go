package journal

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/internal/disk/disktest"
)

// TestFailures has each operation fail, once or from then on, and writes end
// anywhere. What Sync has said to be durable is there, before and after a crash.
func TestFailures(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	faults := []error{syscall.ENOSPC, syscall.EIO, fs.ErrPermission}
	for short := 0; short < 40; short += 5 {
		faults = append(faults, &disktest.ShortWrite{N: short, Err: syscall.ENOSPC})
	}
	for _, script := range scripts() {
		for i, fault := range faults {
			failures(t, random, script, fault, disktest.Again(i%2)) // Once or SameKind
		}
	}
}

func failures(t *testing.T, random *rand.Rand, script string, fault error, again disktest.Again) {
	t.Helper()
	for n, failed := 0, true; failed; n++ {
		mem, m := disktest.NewMem(16), &model{}
		reported := false
		failed = false
		opened := 0
		dir := disktest.Hook(disktest.FailAt(mem, n, fault, again), func(op disktest.Op) error {
			switch op.Kind {
			case disktest.KindOpen, disktest.KindOpenRW, disktest.KindCreate:
				if op.After && op.Err == nil {
					opened++
				}
			case disktest.KindClose:
				if op.After {
					opened--
				}
			}
			if errors.Is(op.Err, fault) {
				failed = true
				// The file that was replaced had nothing more to say.
				reported = reported || op.Kind != disktest.KindClose || op.Name != name && op.Name != name+".new"
			}
			return nil
		})
		err := m.run(dir, script)
		require.NoError(t, m.err, "%q, %v at %d", script, fault, n)
		require.Zero(t, opened, "%q, %v at %d: all files are closed, once", script, fault, n)
		if reported {
			require.ErrorIs(t, err, fault, "%q at %d", script, n)
		}
		checkCrashed(t, mem.Crash(disktest.Sample(random)), m, script)
		checkCrashed(t, mem.Restart(), m, script)
	}
}

// TestReadFailure: what cannot be read is not written anew without it.
func TestReadFailure(t *testing.T) {
	file := written(t, numbered(300, 1000)...) // more than one piece
	file = file[:len(file)-1]
	reads := 0
	for n := 0; ; n++ {
		mem := with(t, file)
		at := 0
		dir := disktest.Hook(mem, func(op disktest.Op) error {
			if op.After || op.Name != name || op.Kind != disktest.KindRead && op.Kind != disktest.KindStat {
				return nil
			}
			if at++; at-1 == n {
				return syscall.EIO
			}
			return nil
		})
		_, err := Open(dir, name, kind, into(new([]string)))
		if err == nil {
			break
		}
		reads++
		require.ErrorIs(t, err, syscall.EIO)
		require.Equal(t, file, mem.Files()[name])
		require.NotContains(t, mem.Files(), name+".new")
		_, records := open(t, mem)
		require.Len(t, records, 300)
	}
	assert.Greater(t, reads, 10)
}

// TestChangesMeanwhile: a file that is not what was replayed is left alone.
func TestChangesMeanwhile(t *testing.T) {
	file := written(t, "a", "b")
	mem := with(t, file[:len(file)-1])
	_, err := Open(mem, name, kind, func(record []byte) error {
		if string(record) == "b" {
			f, err := mem.OpenRW(name)
			require.NoError(t, err)
			require.NoError(t, f.Truncate(int64(len(file)-frameHead-10)))
		}
		return nil
	})
	require.ErrorIs(t, err, errChanged)
	assert.Equal(t, file[:len(file)-frameHead-10], mem.Files()[name])
}
