package journal

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/internal/disk"
	"github.com/postroom-go/postroom/internal/disk/disktest"
)

// scripts are what crashes and failures are tried with.
func scripts() []string {
	return []string{
		"", "a", "as", "aas", "asas", "lsal", "asw", "aw", "ww", "w", "aswas",
		"aso", "asoas", "o", "ao", "oo", "aslso", "asowo", "ll", "alsalsw", "asoaosw", "lll", "llla", "aslllo",
	}
}

// everyScript is all scripts of up to so many steps, and scripts.
func everyScript(steps int) []string {
	all := []string{""}
	for i := 0; len(all[i]) < steps; i++ {
		for _, step := range []rune{stepAppend, stepLong, stepSync, stepRewrite, stepReopen} {
			all = append(all, all[i]+string(step))
		}
	}
	return append(all, scripts()...)
}

// halts calls try with the script done until each of its operations, in turn.
func halts(t *testing.T, script string, block int, try func(mem *disktest.Mem, m *model)) {
	t.Helper()
	for n := 0; ; n++ {
		mem, m := disktest.NewMem(block), &model{}
		err := m.run(disktest.FailAt(mem, n, disktest.ErrHalted, disktest.Everything), script)
		require.NoError(t, m.err, "%q until %d", script, n)
		try(mem, m)
		if err == nil {
			require.Equal(t, len(script), m.steps)
			return
		}
		require.ErrorIs(t, err, disktest.ErrHalted)
	}
}

// TestCrash loses power before every operation, with every state of the disk that
// may be left.
func TestCrash(t *testing.T) {
	states := 0
	for _, script := range everyScript(3) {
		halts(t, script, 8, func(mem *disktest.Mem, m *model) {
			disktest.Enumerate(func(choose func(int) int) {
				states++
				checkCrashed(t, mem.Crash(choose), m, script)
			})
		})
	}
	t.Logf("%d states", states)
	assert.Greater(t, states, 20_000)
}

// checkCrashed opens what a crash has left.
func checkCrashed(t *testing.T, left *disktest.Mem, m *model, script string) {
	t.Helper()
	var seen, records []string
	require.NoError(t, Read(left, name, kind, into(&seen)))
	j, err := Open(left, name, kind, into(&records))
	require.NoError(t, err)
	if !slices.Equal(seen, records) || !m.allows(records) {
		require.Fail(t, "lost", "%q has left %q, read as %q; synced are %q, later ones %q, or instead %q", script, records, seen, m.synced, m.later, m.next)
	}
	require.Equal(t, len(records), j.Records())
	require.NoError(t, j.Append([]byte("new")))
	require.NoError(t, j.Sync())
	if got := read(t, left.Crash(least)); !slices.Equal(got, append(records, "new")) {
		require.Fail(t, "not durable", "%q has left %q, and then %q", script, records, got)
	}
}

// TestCrashControl: without one of its waits the journal loses what it promised
// to keep, and the simulator finds it.
func TestCrashControl(t *testing.T) {
	for _, skipped := range []string{name, name + ".new", "."} {
		lost := 0
		for _, script := range scripts() {
			mem, m := disktest.NewMem(16), &model{}
			_ = m.run(hasty{mem, skipped}, script)
			disktest.Enumerate(func(choose func(int) int) {
				var records []string
				err := Read(mem.Crash(choose), name, kind, into(&records))
				if err != nil || !m.allows(records) {
					lost++
				}
			})
		}
		assert.Positive(t, lost, "no wait for %s", skipped)
	}
}

// hasty is a directory that does not wait for what has that name.
type hasty struct {
	*disktest.Mem
	skipped string
}

type hastyFile struct{ disk.File }

func (hastyFile) Sync() error { return nil }

func (d hasty) file(f disk.File, name string, err error) (disk.File, error) {
	if err == nil && name == d.skipped {
		return hastyFile{f}, nil
	}
	return f, err
}

func (d hasty) Create(name string) (disk.File, error) {
	f, err := d.Mem.Create(name)
	return d.file(f, name, err)
}

func (d hasty) OpenRW(name string) (disk.File, error) {
	f, err := d.Mem.OpenRW(name)
	return d.file(f, name, err)
}

func (d hasty) SyncDir(name string) error {
	if name == d.skipped {
		return nil
	}
	return d.Mem.SyncDir(name)
}

// TestKilled ends the process before every operation: the kernel still has what
// was written. What the next process replays must outlast a loss of power.
func TestKilled(t *testing.T) {
	for _, script := range everyScript(3) {
		halts(t, script, 16, func(mem *disktest.Mem, m *model) {
			mem = mem.Restart()
			var records []string
			j, err := Open(mem, name, kind, into(&records))
			require.NoError(t, err)
			require.True(t, m.allows(records), "%q has left %q", script, records)
			disktest.Enumerate(func(choose func(int) int) {
				require.Equal(t, records, read(t, mem.Crash(choose)), "%q", script)
			})
			require.NoError(t, j.Close())
			require.Equal(t, records, read(t, mem))
		})
	}
}

// TestCrashAgain loses power a second time while the journal is written anew.
func TestCrashAgain(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for _, script := range scripts() {
		halts(t, script, 16, func(mem *disktest.Mem, m *model) {
			for range 2 {
				choices := remember(disktest.Sample(random))
				for n, halted := 0, true; halted; n++ {
					left, again := mem.Crash(choices()), *m
					j, err := again.open(disktest.FailAt(left, n, disktest.ErrHalted, disktest.Everything))
					require.NoError(t, again.err)
					if halted = err != nil; !halted {
						_ = j.Close()
					}
					for range 2 {
						checkCrashed(t, left.Crash(disktest.Sample(random)), &again, script)
					}
				}
			}
		})
	}
}

// remember gives the same choices again and again.
func remember(choose func(int) int) func() func(int) int {
	var made []int
	return func() func(int) int {
		at := 0
		return func(n int) int {
			if at == len(made) {
				made = append(made, choose(n))
			}
			at++
			return made[at-1]
		}
	}
}
