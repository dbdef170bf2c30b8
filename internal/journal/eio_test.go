package journal

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/internal/disk/disktest"
)

// testFsyncEIO: after a failed fsync the kernel has the octets in memory, marked
// as written. They are on no disk, and no other fsync of that file puts them
// there.
func testFsyncEIO(t *testing.T) {
	broken := func(t *testing.T) (mem *disktest.Mem, j *Journal, log *disktest.Log) {
		mem = disktest.NewMem(512)
		fail := false
		dir := disktest.Hook(mem, func(op disktest.Op) error {
			if fail && op.Kind == disktest.KindSync && !op.After {
				return syscall.EIO
			}
			return nil
		})
		dir, log = disktest.Record(dir)
		j, _ = open(t, dir)
		add(t, j, "synced")
		require.NoError(t, j.Sync())
		add(t, j, "lost")
		fail = true
		err := j.Sync()
		require.ErrorIs(t, err, ErrBroken)
		require.ErrorIs(t, err, syscall.EIO)
		fail = false
		return mem, j, log
	}
	t.Run("poisoned", func(t *testing.T) {
		mem, j, log := broken(t)
		log.Reset()
		assert.ErrorIs(t, j.Sync(), ErrBroken)
		assert.ErrorIs(t, j.Append([]byte("x")), ErrBroken)
		assert.ErrorIs(t, j.Rewrite(func(func([]byte) error) error { return nil }), ErrBroken)
		assert.ErrorIs(t, j.Close(), ErrBroken)
		requireUntouched(t, log)
		assert.NotContains(t, read(t, mem.Crash(least)), "lost")
	})
	t.Run("reopened", func(t *testing.T) {
		mem, j, _ := broken(t)
		require.Error(t, j.Close())
		dir, log := disktest.Record(mem)
		_, records := open(t, dir)
		assert.Equal(t, []string{"synced", "lost"}, records, "the kernel has it still")
		assert.Equal(t, records, read(t, mem.Crash(least)), "and now the disk has, too")
		var written []string
		for _, op := range log.Ops() {
			if op.Kind == disktest.KindWrite || op.Kind == disktest.KindSync {
				written = append(written, op.Name)
			}
		}
		assert.Equal(t, []string{name + ".new", name + ".new"}, written)
	})
	t.Run("control", func(t *testing.T) {
		mem, _, _ := broken(t)
		f, err := mem.OpenRW(name)
		require.NoError(t, err)
		require.NoError(t, f.Sync(), "it succeeds")
		require.Equal(t, []string{"synced", "lost"}, read(t, mem), "and it looks well")
		assert.Equal(t, []string{"synced"}, read(t, mem.Crash(least)), "but it is not there")
	})
	// Close must not say that all is well before the disk has.
	t.Run("close", func(t *testing.T) {
		mem := with(t, written(t))
		dir := disktest.Hook(mem, func(op disktest.Op) error {
			if op.Kind == disktest.KindSync && op.Name == name && !op.After {
				return syscall.EIO
			}
			return nil
		})
		j, _ := open(t, dir)
		add(t, j, "pending")
		require.ErrorIs(t, j.Close(), syscall.EIO)
		_, records := open(t, mem)
		require.Equal(t, []string{"pending"}, records)
		assert.Equal(t, records, read(t, mem.Crash(least)), "what was replayed is durable")
	})
	t.Run("close control", func(t *testing.T) {
		mem, j, _ := broken(t)
		f, err := mem.OpenRW(name)
		require.NoError(t, err)
		_, err = f.WriteAt(j.salt.appendFrame(nil, frameClosed, nil), int64(len(mem.Files()[name])))
		require.NoError(t, err)
		require.Error(t, j.Close())
		_, records := open(t, mem)
		require.Equal(t, []string{"synced", "lost"}, records, "with a mark that came too early")
		assert.Equal(t, []string{"synced"}, read(t, mem.Crash(least)))
	})
}
