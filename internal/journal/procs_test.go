package journal

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/internal/disk"
	"github.com/postroom-go/postroom/internal/disk/disktest"
)

// holdIn is the environment's variable that makes this program hold the journal
// of a directory.
const holdIn = "JOURNAL_TEST_HOLD"

func TestMain(m *testing.M) {
	if path := os.Getenv(holdIn); path != "" {
		if err := hold(path); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// hold opens the journal and has it until its input ends.
func hold(path string) error {
	dir, err := disk.Open(path)
	if err != nil {
		return err
	}
	j, err := Open(dir, name, kind, func([]byte) error { return nil })
	if err != nil {
		return err
	}
	if err := j.Append([]byte("of the child")); err != nil {
		return err
	}
	if err := j.Sync(); err != nil {
		return err
	}
	if err := j.Append([]byte("not synced")); err != nil {
		return err
	}
	fmt.Println("held")
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

func testTwoProcs(t *testing.T) {
	t.Run("killed", func(t *testing.T) {
		path := t.TempDir()
		dir, err := disk.Open(path)
		require.NoError(t, err)
		defer dir.Close()

		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), holdIn+"="+path)
		child.Stderr = os.Stderr
		input, err := child.StdinPipe()
		require.NoError(t, err)
		defer input.Close() // the child ends in any case
		output, err := child.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, child.Start())
		line, err := bufio.NewReader(output).ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, "held\n", line)

		_, err = Open(dir, name, kind, into(new([]string)))
		require.ErrorIs(t, err, disk.ErrLocked)
		assert.Equal(t, []string{"of the child"}, read(t, dir))

		require.NoError(t, child.Process.Kill())
		require.Error(t, child.Wait())
		j, records := open(t, dir)
		assert.Equal(t, []string{"of the child"}, records)
		add(t, j, "of the parent")
		require.NoError(t, j.Close())
		assert.Equal(t, []string{"of the child", "of the parent"}, read(t, dir))
	})
	// The file of the lock is gone, as is usual where people see one and nobody who
	// has it: the journal itself is locked as well, also when it is written anew.
	t.Run("lock removed", func(t *testing.T) {
		onEach(t, func(t *testing.T, dir disk.Dir) {
			j, _ := open(t, dir)
			for range 2 {
				require.NoError(t, dir.Remove(name+".lock"))
				_, err := Open(dir, name, kind, into(new([]string)))
				require.ErrorIs(t, err, disk.ErrLocked)
				require.NoError(t, j.Rewrite(func(add func([]byte) error) error { return add([]byte("new")) }))
			}
			add(t, j, "more")
			require.NoError(t, j.Sync())
			require.NoError(t, j.Close())
			assert.Equal(t, []string{"new", "more"}, read(t, dir))
		})
	})
	// The journal is gone as well, and another process has made its own: who has
	// lost it says so before it says that anything is durable.
	t.Run("journal removed", func(t *testing.T) {
		for how, lose := range map[string]func(disk.Dir) error{
			"removed":  func(dir disk.Dir) error { return dir.Remove(name) },
			"replaced": func(dir disk.Dir) error { return dir.Move(name, "elsewhere") },
		} {
			onEach(t, func(t *testing.T, dir disk.Dir) {
				first, _ := open(t, dir)
				require.NoError(t, errors.Join(dir.Remove(name+".lock"), lose(dir)))
				if how == "replaced" {
					second, _ := open(t, dir)
					add(t, second, "second")
					defer func() { require.NoError(t, second.Close()) }()
				}
				add(t, first, "first")
				require.ErrorIs(t, first.Sync(), ErrBroken, how)
				require.ErrorIs(t, first.Close(), ErrBroken, how)
			})
		}
	})
	t.Run("rewritten elsewhere", func(t *testing.T) {
		mem := disktest.NewMem(512)
		first, _ := open(t, mem)
		require.NoError(t, errors.Join(mem.Remove(name+".lock"), mem.Remove(name)))
		second, _ := open(t, mem)
		add(t, second, "second")
		require.NoError(t, second.Sync())
		err := first.Rewrite(func(add func([]byte) error) error { return add([]byte("first")) })
		require.ErrorIs(t, err, ErrBroken)
		require.NoError(t, second.Close())
		assert.Equal(t, []string{"second"}, read(t, mem), "it is not overwritten")
	})
	// Without a lock both say that their records are durable, and one's are not.
	t.Run("control", func(t *testing.T) {
		for how, file := range map[string]string{"overwritten": written(t), "unlinked": ""} {
			mem := with(t, file)
			first, _ := open(t, unlocked{mem})
			second, _ := open(t, unlocked{mem})
			add(t, first, "first")
			require.NoError(t, first.Sync())
			add(t, second, "other")
			require.NoError(t, second.Sync())
			require.NoError(t, first.Close())
			require.NoError(t, second.Close())
			assert.Equal(t, []string{"other"}, read(t, mem), how)
		}
	})
}

// unlocked is a directory whose locks are none, and in which all files are the
// same.
type unlocked struct{ *disktest.Mem }

type unlockedFile struct{ disk.File }

type sameInfo struct{ fs.FileInfo }

func (sameInfo) Same(fs.FileInfo) bool { return true }

func (d unlocked) OpenRW(name string) (disk.File, error) {
	f, err := d.Mem.OpenRW(name)
	return unlockedFile{f}, err
}

func (f unlockedFile) Stat() (fs.FileInfo, error) {
	info, err := f.File.Stat()
	return sameInfo{info}, err
}

func (unlockedFile) Lock() error { return nil }
